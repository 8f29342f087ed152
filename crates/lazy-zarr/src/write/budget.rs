//! An upper bound on the memory of a write, computed before the write starts.

use lazy_core::{Cut, DType, MemoryClaim, RowType};

use crate::error::{Error, Result, WriteError};
use crate::layout::{Layout, Seen, n_bytes};
use crate::settings::{Checksum, Codec, Existing, LayoutSettings, WriteSettings};
use crate::write::assembler::{LEAST_PART, most_waiting_rows};
use crate::write::pool::n_waiting;

/// The values that the memory of a write depends on.
pub(crate) struct MemoryBound<'a> {
    pub(crate) cut: Cut,
    pub(crate) layout: &'a LayoutSettings,
    pub(crate) codec: Codec,
    pub(crate) checksum: Checksum,
    pub(crate) n_threads: usize,
    pub(crate) dtype: DType,
    /// The array's shape without axis 0.
    pub(crate) row_shape: &'a [usize],
    /// The shape of the first and the largest block.
    pub(crate) block_shape: &'a [usize],
    /// True if blocks may be cast, which copies them.
    pub(crate) casts: bool,
    /// True if chunks may be read back: those of an earlier write, or of the array.
    pub(crate) resumes: bool,
    /// The bytes that a thread allocates to extend a present shard.
    pub(crate) extending: usize,
}

impl<'a> MemoryBound<'a> {
    pub(crate) fn of(
        settings: &'a WriteSettings,
        cut: Cut,
        row_type: &'a RowType,
        block_shape: &'a [usize],
    ) -> MemoryBound<'a> {
        let mut bound = MemoryBound {
            cut,
            layout: &settings.layout,
            codec: settings.codec(),
            checksum: settings.checksum(),
            n_threads: 1,
            dtype: row_type.dtype,
            row_shape: &row_type.shape,
            block_shape,
            casts: settings.dtype.is_some(),
            resumes: settings.resume.is_some() || settings.existing == Existing::Append,
            extending: settings.extending_bytes,
        };
        let unit_bytes = n_bytes(row_type.dtype, chosen(&bound, true).unit_shape());
        bound.n_threads = settings.n_threads(unit_bytes);
        bound
    }

    /// Returns the largest number of writer threads with which the write stays within its memory
    /// limit.
    pub(crate) fn threads_within_limit(&self, settings: &WriteSettings) -> Result<usize> {
        let Some(limit) = settings.memory_limit else { return Ok(self.n_threads) };
        let bound = |n_threads| memory_bound(&MemoryBound { n_threads, ..*self });
        match (1..=self.n_threads).rev().find(|n_threads| bound(*n_threads) as u64 <= limit) {
            Some(n_threads) => Ok(n_threads),
            None => Err(MemoryBound { n_threads: 1, ..*self }.exceeded(settings)),
        }
    }

    /// Checks that the write stays within its memory limit.
    pub(crate) fn check(&self, settings: &WriteSettings) -> Result<()> {
        match settings.memory_limit {
            Some(limit) if memory_bound(self) as u64 > limit => Err(self.exceeded(settings)),
            _ => Ok(()),
        }
    }

    /// Claims memory under the limit of the pass, for as many writer threads as both limits allow,
    /// and returns their number.
    pub(crate) fn claim(&self, settings: &WriteSettings, claim: &mut MemoryClaim) -> Result<usize> {
        let n_threads = self.threads_within_limit(settings)?;
        for n_threads in (1..=n_threads).rev() {
            if claim.raise(memory_bound(&MemoryBound { n_threads, ..*self }) as u64) {
                return Ok(n_threads);
            }
        }
        Err(MemoryBound { n_threads: 1, ..*self }.none_left(settings, claim))
    }

    /// Checks that the write stays within both limits, and claims the memory.
    pub(crate) fn check_and_claim(
        &self,
        settings: &WriteSettings,
        claim: &mut MemoryClaim,
    ) -> Result<()> {
        self.check(settings)?;
        if claim.raise(memory_bound(self) as u64) {
            Ok(())
        } else {
            Err(self.none_left(settings, claim))
        }
    }

    fn none_left(&self, settings: &WriteSettings, claim: &MemoryClaim) -> Error {
        let (target, needed) = (settings.target.to_string(), memory_bound(self) as u64);
        WriteError::MemoryLeft { target, needed, left: claim.most().unwrap_or(u64::MAX) }.into()
    }

    fn exceeded(&self, settings: &WriteSettings) -> Error {
        let (target, needed) = (settings.target.to_string(), memory_bound(self) as u64);
        let limit = settings.memory_limit.unwrap_or(u64::MAX);
        WriteError::MemoryLimit { target, needed, limit }.into()
    }

    /// Returns true if a band is one block.
    fn is_band(&self) -> bool {
        self.cut == Cut::Rows || self.block_shape[1] >= self.row_shape[0]
    }
}

/// The bytes allocated besides blocks and chunks, once per write and once per thread.
const SLACK: usize = 64 << 10;

/// The bytes that a kept block takes besides its elements.
pub(crate) const BLOCK_OVERHEAD: usize = 320;

/// The bytes of the part of the journal that is in memory while it is read, and of its parsed
/// lines.
const JOURNAL: usize = 256 << 10;

/// The bytes that an open chunk takes besides its elements.
const CHUNK_OVERHEAD: usize = 320;

/// The bytes that a chunk takes besides its elements while it is read back.
const READING_OVERHEAD: usize = 512;

/// The bytes of a chunk's entry in the index of its shard, while the index is built and encoded.
const INDEX_ENTRY: usize = 48;

/// Returns the most bytes of blocks, with their overhead, that are kept before an automatic layout
/// is chosen.
pub(crate) fn kept_bytes(target_bytes: usize) -> usize {
    target_bytes.saturating_mul(2).saturating_add(SLACK)
}

/// Returns the most bytes that a write holds, besides the block that the producer has just
/// computed.
pub(crate) fn memory_bound(write: &MemoryBound<'_>) -> usize {
    let block = n_bytes(write.dtype, write.block_shape).saturating_add(BLOCK_OVERHEAD);
    let cast = if write.casts { block } else { 0 };
    let known = assembling(write, &chosen(write, true));
    let Some(target_bytes) = write.layout.target_bytes() else {
        return known.saturating_add(cast);
    };
    let unknown = assembling(write, &chosen(write, false));
    let kept = kept_bytes(target_bytes).saturating_add(block);
    known.max(unknown).saturating_add(kept).saturating_add(cast)
}

/// Returns the layout that is chosen. The width of nested blocks may be known by then or not.
fn chosen(write: &MemoryBound<'_>, is_width_known: bool) -> Layout {
    let first_block: Vec<_> = write.block_shape.iter().map(|&size| size.max(1)).collect();
    let mut row_shape: Vec<_> = write.row_shape.iter().map(|&size| Some(size.max(1))).collect();
    if write.cut == Cut::RowsAndColumns && !is_width_known {
        row_shape[0] = None;
    }
    write.layout.choose(&Seen {
        cut: write.cut,
        dtype: write.dtype,
        first_block: &first_block,
        n_bytes: usize::MAX,
        row_shape: &row_shape,
        n_columns: usize::MAX,
        n_rows: None,
    })
}

fn assembling(write: &MemoryBound<'_>, layout: &Layout) -> usize {
    let unit_shape = layout.unit_shape();
    let unit = n_bytes(write.dtype, unit_shape);
    let n_units_along = |axes: std::ops::Range<usize>| {
        axes.fold(1_usize, |n, axis| {
            n.saturating_mul(write.row_shape[axis].div_ceil(unit_shape[1 + axis]))
        })
    };
    let n_row_axes = write.row_shape.len();
    let units_per_row = n_units_along(0..n_row_axes);
    // A nested band can span several rows of units. In each of them, its last block cuts a column
    // of units.
    let rows_spanned = write.block_shape[0].div_ceil(unit_shape[0]).saturating_add(1);
    let spanned = rows_spanned.saturating_mul(n_units_along(1.min(n_row_axes)..n_row_axes));
    let open = units_per_row.saturating_add(match write.cut {
        Cut::Rows => 0,
        Cut::RowsAndColumns => spanned,
    });
    // Each thread encodes one unit, and others are queued. Each unit is a copy, or holds blocks.
    let handed_over = write.n_threads + n_waiting(write.n_threads);
    let copied = unit.saturating_add(CHUNK_OVERHEAD);
    let Lent { waiting, by_unit } = lent(write, unit_shape);
    let waiting = match open {
        1 => copied.max(waiting),
        _ => copied.saturating_mul(open).saturating_add(waiting),
    };
    let encoding =
        encoding(write, layout, unit).saturating_add(write.extending).saturating_add(SLACK);
    let writing = copied
        .max(by_unit)
        .saturating_mul(handed_over)
        .saturating_add(waiting)
        .saturating_add(encoding.saturating_mul(write.n_threads))
        .saturating_add(SLACK);
    if !write.resumes {
        return writing;
    }
    // Chunks that are read back are kept for the blocks that overlap them: as many as are open, and
    // all that one block overlaps. One of them is read and decoded, which takes no more memory than
    // encoding it, and a block is assembled from them.
    let touched = (0..unit_shape.len()).fold(1_usize, |n, axis| {
        let touched = write.block_shape[axis].div_ceil(unit_shape[axis]).saturating_add(1);
        let all = if axis == 0 { touched } else { n_units_along(axis - 1..axis) };
        n.saturating_mul(touched.min(all))
    });
    let reading = open
        .saturating_add(touched)
        .saturating_mul(unit.saturating_add(READING_OVERHEAD))
        .saturating_add(write.codec.encoded_bytes(unit))
        .saturating_add(encoding)
        .saturating_add(n_bytes(write.dtype, write.block_shape))
        .saturating_add(JOURNAL);
    writing.saturating_add(reading)
}

/// The bytes of the blocks that units hold, with the lists of their parts.
struct Lent {
    /// The bytes held by the units that wait for more blocks.
    waiting: usize,
    /// The bytes held by one unit that was submitted to the writer.
    by_unit: usize,
}

fn lent(write: &MemoryBound<'_>, unit_shape: &[usize]) -> Lent {
    if n_bytes(write.dtype, write.block_shape) < LEAST_PART {
        return Lent { waiting: 0, by_unit: 0 };
    }
    let (unit_rows, block_rows) = (unit_shape[0], write.block_shape[0]);
    let most_waiting = block_rows.min(most_waiting_rows(unit_rows, write.is_band()));
    // The bytes of blocks that span this many rows and columns.
    let blocks = |n_rows: usize, n_columns: usize| {
        let row = write.row_shape.iter().enumerate().map(|(axis, &size)| match axis {
            0 => size.min(n_columns),
            _ => size,
        });
        let shape: Vec<_> = std::iter::once(n_rows).chain(row).collect();
        let n_bytes = n_bytes(write.dtype, &shape);
        n_bytes.saturating_add(n_bytes / 8)
    };
    // A row of units waits for the next band, and the first of its blocks extended into the row
    // above.
    let mut waiting = blocks(unit_rows.saturating_add(most_waiting), usize::MAX);
    // Along axis 1, blocks extend beyond both ends of a unit.
    let n_columns = match (unit_shape.get(1), write.block_shape.get(1)) {
        (Some(unit), Some(block)) => block.saturating_mul(2).saturating_add(*unit),
        _ => 1,
    };
    if block_rows > most_waiting {
        // A unit holds a block with more rows until the next block arrives.
        waiting = waiting.saturating_add(blocks(block_rows, n_columns));
    }
    let n_rows = unit_rows.saturating_add(most_waiting).saturating_add(block_rows);
    Lent { waiting, by_unit: blocks(n_rows, n_columns) }
}

/// Returns the bytes that a thread allocates to encode a chunk or a shard, besides the unit.
fn encoding(write: &MemoryBound<'_>, layout: &Layout, unit: usize) -> usize {
    let chunk = n_bytes(write.dtype, &layout.chunk_shape);
    // The chunk's elements if they lie in several blocks, or else the list of their slices.
    let encoding = write.codec.encoding_bytes(chunk, write.checksum).saturating_add(chunk);
    if layout.shard_shape.is_none() {
        return encoding;
    }
    // The encoded shard at its largest, its index, and one chunk that is being added to it; and the
    // whole shard once more in one piece, if a store or a file system does not accept pieces.
    let n_chunks = unit / chunk.max(1);
    let encoded_chunk = write.codec.encoded_bytes(chunk).saturating_add(INDEX_ENTRY);
    let encoded_shard = n_chunks.saturating_mul(encoded_chunk);
    encoded_shard.saturating_mul(2).saturating_add(encoding).saturating_add(chunk)
}

/// Returns the bytes that a thread allocates to extend a present shard of `stored` bytes. The
/// elements of a shard and of a chunk have `shard` and `chunk` bytes.
pub(crate) fn extending_bytes(stored: usize, shard: usize, chunk: usize) -> usize {
    // The shard, and once more in one piece with the new chunks; its index and that of the new
    // chunks; and a chunk of each, decoded to compare them.
    let indices = (shard / chunk.max(1)).saturating_mul(2 * INDEX_ENTRY);
    stored.saturating_mul(2).saturating_add(indices).saturating_add(chunk.saturating_mul(2))
}

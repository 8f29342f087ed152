//! How much memory a write takes, before it starts.

use lazy_core::{Cut, DType};

use super::{ChunkShape, automatic_chunk_shape, n_bytes};

/// What a write's memory depends on.
pub(crate) struct MemoryBound<'a> {
    pub(crate) cut: Cut,
    pub(crate) chunk_shape: &'a ChunkShape,
    pub(crate) n_threads: usize,
    pub(crate) dtype: DType,
    /// The array's shape without axis 0.
    pub(crate) row_shape: &'a [usize],
    /// The shape of the first and the largest block.
    pub(crate) block_shape: &'a [usize],
}

/// What a thread's chunk can grow by when it is encoded, and what is allocated beside chunks.
const SLACK: usize = 64 << 10;

/// What a block takes beside its elements while it is kept.
pub(crate) const BLOCK_OVERHEAD: usize = 320;

/// The bytes of blocks, with their overhead, that are kept before an automatic layout is settled with
/// what has been seen.
pub(crate) fn kept_bytes(target_bytes: usize) -> usize {
    target_bytes.saturating_mul(2).saturating_add(SLACK)
}

/// The bytes that a write holds at most, above the block that the producer has just made.
pub(crate) fn memory_bound(write: &MemoryBound<'_>) -> usize {
    match write.chunk_shape {
        ChunkShape::Explicit(chunk_shape) => assembling(write, chunk_shape),
        ChunkShape::Automatic { target_bytes } => {
            let width = (write.cut == Cut::RowsAndColumns).then(|| write.row_shape[0].max(1));
            let first_block: Vec<_> = write.block_shape.iter().map(|&size| size.max(1)).collect();
            // The width may be known or not by the time the layout is settled.
            let assembled = [width, None].map(|width| {
                let chunk_shape = automatic_chunk_shape(
                    write.cut,
                    write.dtype,
                    &first_block,
                    width,
                    *target_bytes,
                );
                assembling(write, &chunk_shape)
            });
            let block = n_bytes(write.dtype, write.block_shape).saturating_add(BLOCK_OVERHEAD);
            let kept = kept_bytes(*target_bytes).saturating_add(block);
            assembled[0].max(assembled[1]).saturating_add(kept)
        }
    }
}

fn assembling(write: &MemoryBound<'_>, chunk_shape: &[usize]) -> usize {
    let chunk = n_bytes(write.dtype, chunk_shape);
    let n_chunks_along = |axes: std::ops::Range<usize>| {
        axes.fold(1_usize, |n, axis| {
            n.saturating_mul(write.row_shape[axis].div_ceil(chunk_shape[1 + axis]))
        })
    };
    let n_row_axes = write.row_shape.len();
    let chunks_per_row = n_chunks_along(0..n_row_axes);
    // A band can span several rows of chunks, in each of which its last block cuts a column of them.
    let rows_spanned = write.block_shape[0].div_ceil(chunk_shape[0]) + 1;
    let spanned = rows_spanned.saturating_mul(n_chunks_along(1.min(n_row_axes)..n_row_axes));
    // Waiting chunks, one per thread with its encoded copy, and one that is being padded.
    let in_flight = 3 * write.n_threads + 1;
    let n_chunks = chunks_per_row.saturating_add(spanned).saturating_add(in_flight);
    let encoding = write.n_threads * (chunk / 128 + SLACK) + SLACK;
    n_chunks.saturating_mul(chunk).saturating_add(encoding)
}

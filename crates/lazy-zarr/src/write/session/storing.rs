//! A write that stores blocks as a new array.

use std::sync::Arc;

use lazy_core::{
    ArrayBlock, BlockCheck, BlockGrid, BlockPosition, BlockSizes, Cut, DType, KeptChunks,
    MemoryClaim, SequenceSpec,
};

use xxhash_rust::xxh3::xxh3_128;

use super::complete::find_rows;
use super::seen::{Seen, keeps_more};
use crate::error::{Error, Result, SettingError, WriteError};
use crate::format::Format;
use crate::format::provenance::{self, Provenance};
use crate::layout::{self, BlockChunks, BlockRuns, Layout, MOST_CHUNKS, NoGrid};
use crate::memory::announce;
use crate::read::StoredArray;
use crate::settings::{Existing, WriteSettings};
use crate::store::node::check_array_size;
use crate::write::assembler::{Assembler, Output, Unit};
use crate::write::base::Base;
use crate::write::budget::MemoryBound;
use crate::write::destination::{self, Begun, Destination};
use crate::write::encode::UnitCodec;
use crate::write::pool::Writer;
use crate::write::resume::Resumption;
use crate::write::trace::Trace;

/// The state of a write: its layout, its chunks and their destination.
pub(super) struct Storing {
    settings: WriteSettings,
    stage: Stage,
    seen: Seen,
    provenance: Provenance,
    /// The array that the write appends to, if it appends.
    base: Option<Arc<Base>>,
    /// Checks that the blocks are rows of that array.
    base_check: Option<BlockCheck<'static>>,
    /// The digests of the rows of that array that are stored again.
    last_rows: Vec<u128>,
    /// The dtype of the blocks before they are cast, once it is known.
    dtype_of_blocks: Option<DType>,
    /// The additional state of a resumable write.
    resumption: Option<Resumption>,
    /// The destination. It is dropped after the writer, whose threads use it.
    destination: Arc<dyn Destination>,
    trace: Trace,
    /// The size of all blocks so far, in bytes.
    n_bytes: usize,
    /// The plan of a write under a memory limit, from its first block on.
    planned: Option<Planned>,
    /// The memory under the limit of the pass.
    claim: MemoryClaim,
    /// The stored array's handle and its metadata, once the write is prepared.
    stored: Option<(StoredArray, String)>,
}

/// The shapes that the memory of a write was checked for, and the writer threads that its limit
/// allows.
#[derive(Clone)]
struct Planned {
    /// The largest size of a block along each axis.
    block_shape: Vec<usize>,
    row_shape: Vec<usize>,
    n_threads: usize,
}

enum Stage {
    /// Blocks are kept until the layout can be chosen.
    ChoosingLayout { kept: Vec<(BlockPosition, ArrayBlock)> },
    /// Blocks are assembled into chunks, and chunks are written.
    Writing { format: Box<Format>, assembler: Assembler, writer: Writer },
    /// Blocks are written as chunks.
    WritingBlocks { format: Box<Format>, chunks: BlockChunks, writer: Writer },
}

impl Storing {
    /// Checks the memory limit and the target, and acquires the target's directory. `spec` declares
    /// the blocks after they are cast, and `dtype_of_blocks` is their declared dtype before that.
    /// Returns `None` if the rows to append are in the array already.
    pub(super) fn start(
        mut settings: WriteSettings,
        spec: &SequenceSpec,
        dtype_of_blocks: Option<DType>,
    ) -> Result<Option<Storing>> {
        if settings.layout.is_of_blocks() {
            check_number(spec)?;
        }
        let mut claim = MemoryClaim::new(spec);
        if settings.existing != Existing::Append {
            claim_memory(&settings, spec, &mut claim)?;
        }
        let Begun { destination, journal, record, base } = destination::begin(&settings)?;
        let (mut seen, mut base_check) = (Seen::new(spec), None);
        let base = match base {
            Some(document) => {
                let source = destination.reader()?;
                let base = Base::open(&settings, source, document, destination.keys())?;
                base.check_rows(&settings, spec)?;
                if let Some(grid) = spec.grid()
                    && find_rows(&settings, grid, base.array(), dtype_of_blocks)?.is_some()
                {
                    return Ok(None);
                }
                settings = base.settings(settings)?;
                seen = seen.within(base.row_type());
                base_check = Some(BlockCheck::owned(spec.clone())?.after_rows(&base.row_type())?);
                Some(Arc::new(base))
            }
            None => None,
        };
        if settings.existing == Existing::Append {
            if let Some(row_type) = spec.row_type() {
                settings.check_array(row_type.dtype, 1 + row_type.shape.len())?;
            }
            claim_memory(&settings, spec, &mut claim)?;
        }
        let resumption = match (&settings.resume, journal) {
            (Some(resume), Some(journal)) => {
                let earlier = (journal, record);
                let base = base.clone();
                Some(Resumption::begin(&settings, resume, spec, dtype_of_blocks, earlier, base)?)
            }
            _ => None,
        };
        let trace = Trace::new(&settings.target);
        let mut storing = Storing {
            settings,
            stage: Stage::ChoosingLayout { kept: Vec::new() },
            seen,
            provenance: Provenance::new(spec.cut()),
            base,
            base_check,
            last_rows: Vec::new(),
            dtype_of_blocks,
            resumption,
            destination,
            trace,
            n_bytes: 0,
            planned: None,
            claim,
            stored: None,
        };
        storing.compare_last_rows()?;
        Ok(Some(storing))
    }

    /// Compares the rows of the last row of units with the chunks of an earlier write, if there is
    /// one, before blocks are restored from these chunks.
    fn compare_last_rows(&mut self) -> Result<()> {
        let (Some(base), Some(resumption)) = (&self.base, &mut self.resumption) else {
            return Ok(());
        };
        if resumption.has_kept() {
            for (at, region) in base.last_rows() {
                let rows = base.read(&region)?;
                self.last_rows.push(xxh3_128(rows.data()));
                resumption.compare_last_rows(at, &rows)?;
            }
        }
        Ok(())
    }

    /// Begins the chunks of a write that appends, with the rows of the last row of units.
    fn begin_append(&mut self, base: &Base) -> Result<()> {
        self.start_writing(base.format(&self.settings))?;
        for (i, (at, region)) in base.last_rows().into_iter().enumerate() {
            let rows = base.read(&region)?;
            let digest = xxh3_128(rows.data());
            match self.last_rows.get(i) {
                Some(before) if *before != digest => return Err(self.last_rows_changed()),
                Some(_) => {}
                None => self.last_rows.push(digest),
            }
            self.push(at, &rows)?;
        }
        Ok(())
    }

    /// Checks that the rows of the array that are stored again have not changed since they were
    /// read.
    fn check_last_rows(&self) -> Result<()> {
        let Some(base) = &self.base else { return Ok(()) };
        for ((_, region), digest) in base.last_rows().iter().zip(&self.last_rows) {
            if xxh3_128(base.read(region)?.data()) != *digest {
                return Err(self.last_rows_changed());
            }
        }
        Ok(())
    }

    fn last_rows_changed(&self) -> Error {
        WriteError::LastRowsChanged { target: self.settings.target.to_string() }.into()
    }

    /// Returns the number of rows before those of the blocks in the first row of units that is
    /// written.
    fn n_last_rows(&self) -> usize {
        self.base.as_ref().map_or(0, |base| base.n_last_rows())
    }

    /// Returns the position of a block in the units that are written.
    fn within_units(&self, at: BlockPosition) -> BlockPosition {
        BlockPosition { row: at.row + self.n_last_rows(), ..at }
    }

    /// Sets the names of the axes. It is called before the layout is chosen.
    pub(super) fn set_dimension_names(&mut self, names: Vec<String>) {
        self.settings.dimension_names = Some(names.into_iter().map(Some).collect());
    }

    /// Returns the numbers of chunks and bytes that have been written so far.
    pub(super) fn written(&self) -> (u64, u64) {
        match &self.stage {
            Stage::ChoosingLayout { .. } => (0, 0),
            Stage::Writing { writer, .. } | Stage::WritingBlocks { writer, .. } => writer.written(),
        }
    }

    pub(super) fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        let at = self.within_units(at);
        match &mut self.resumption {
            Some(resumption) => resumption.restore(at),
            None => Ok(None),
        }
    }

    /// Adds a block that had dtype `from` before it was cast.
    pub(super) fn add(&mut self, at: BlockPosition, block: ArrayBlock, from: DType) -> Result<()> {
        self.n_bytes += block.data().len();
        if let Some(check) = &mut self.base_check {
            check.block_at(at, block.dtype(), block.shape())?;
        }
        self.dtype_of_blocks.get_or_insert(from);
        let within_units = self.within_units(at);
        if let Some(resumption) = &mut self.resumption {
            resumption.take_note(within_units, &block)?;
        }
        if self.seen.row_type.is_none() {
            self.settings.check_array(block.dtype(), block.shape().len())?;
        }
        self.seen.add(at, block.dtype(), block.shape());
        self.check_memory(block.shape())?;
        self.provenance.add(at, block.shape());
        if block.n_elements() == 0 {
            return Ok(());
        }
        if self.settings.layout.is_of_blocks() {
            return self.write_block(at, &block);
        }
        match (&mut self.stage, self.base.clone()) {
            (Stage::ChoosingLayout { .. }, Some(base)) => {
                self.begin_append(&base)?;
                self.push(within_units, &block)
            }
            (Stage::ChoosingLayout { kept }, None) => {
                kept.push((at, block));
                if keeps_more(&self.settings, self.n_bytes, kept.len()) {
                    return Ok(());
                }
                self.begin_chunks(None)
            }
            _ => self.push(within_units, &block),
        }
    }

    /// Writes a block as a chunk.
    fn write_block(&mut self, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        self.settings.codec().check_chunk(block.data().len())?;
        if let Stage::ChoosingLayout { .. } = self.stage {
            self.start_blocks(block.shape())?;
        }
        let Stage::WritingBlocks { format, chunks, writer } = &mut self.stage else {
            unreachable!("the chunks have begun");
        };
        let index = chunks.place(at, block.shape()).map_err(no_grid)?;
        let output = &mut Units { writer, resumption: &mut self.resumption };
        if output.is_stored(&index) {
            return Ok(());
        }
        output.take(Unit::of_block(index, block, &format.fill))
    }

    /// Starts to write blocks as chunks. `shape` is the shape of the first one.
    fn start_blocks(&mut self, shape: &[usize]) -> Result<()> {
        let row_type = self.seen.row_type.as_ref().expect("the type of a row is known");
        let shape = shape.iter().map(|&size| size.max(1)).collect();
        let layout = Layout { chunk_shape: shape, shard_shape: None };
        let format = Format::new(&self.settings, row_type.dtype, layout, self.destination.keys());
        let writer = self.start_writer(&format)?;
        let chunks = BlockChunks::default();
        self.stage = Stage::WritingBlocks { format: Box::new(format), chunks, writer };
        Ok(())
    }

    /// Passes a block to the assembler, once the chunks have begun. Its position is that in the
    /// units that are written.
    fn push(&mut self, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        let Stage::Writing { assembler, writer, .. } = &mut self.stage else {
            unreachable!("the chunks have begun");
        };
        let output = &mut Units { writer, resumption: &mut self.resumption };
        if let Some(width) = self.seen.width {
            assembler.set_width(width, output)?;
        }
        assembler.push(at, block, output)
    }

    /// Checks that the write stays within the memory limits with blocks of this shape. Until the
    /// threads start, their number may decrease.
    fn check_memory(&mut self, shape: &[usize]) -> Result<()> {
        if self.settings.memory_limit.is_none() && self.claim.most().is_none() {
            return Ok(());
        }
        let mut row_type = self.seen.row_type.clone().expect("a block tells the row type");
        if self.seen.cut == Cut::RowsAndColumns {
            row_type.shape[0] = self.seen.width.unwrap_or(self.seen.end_column);
        }
        let before = self.planned.take();
        let mut block_shape = shape.to_vec();
        if let Some(Planned { block_shape: before, .. }) = &before {
            block_shape
                .iter_mut()
                .zip(before)
                .for_each(|(size, largest)| *size = (*size).max(*largest));
        }
        if let Some(before) = &before
            && before.block_shape == block_shape
            && before.row_shape == row_type.shape
        {
            self.planned = Some(before.clone());
            return Ok(());
        }
        let bound = MemoryBound::of(&self.settings, self.seen.cut, &row_type, &block_shape);
        let n_threads = match (&self.stage, before) {
            (Stage::Writing { .. }, Some(before)) => {
                let bound = MemoryBound { n_threads: before.n_threads, ..bound };
                bound.check_and_claim(&self.settings, &mut self.claim)?;
                before.n_threads
            }
            _ => bound.claim(&self.settings, &mut self.claim)?,
        };
        self.planned = Some(Planned { block_shape, row_shape: row_type.shape, n_threads });
        Ok(())
    }

    /// Chooses the layout and begins to write chunks. `n_rows` is the array's number of rows, if it
    /// is known.
    fn begin_chunks(&mut self, n_rows: Option<usize>) -> Result<()> {
        let Stage::ChoosingLayout { kept } = &mut self.stage else { return Ok(()) };
        if let Some(base) = self.base.clone() {
            return self.begin_append(&base);
        }
        if self.settings.layout.is_of_blocks() {
            let row_type = self.seen.row_type.as_ref().expect("the type of a row is known");
            let shape = [&[self.seen.n_rows], &row_type.shape[..]].concat();
            return self.start_blocks(&shape);
        }
        let kept = std::mem::take(kept);
        let first_block = kept.first().map_or(&[][..], |(_, block)| block.shape());
        let (seen, n_bytes) = (&self.seen, self.n_bytes);
        let layout = seen.choose_layout(&self.settings, first_block, n_bytes, n_rows)?;
        let dtype = seen.row_type.as_ref().expect("the type of a row is known").dtype;
        let format = Format::new(&self.settings, dtype, layout, self.destination.keys());
        self.start_writing(format)?;
        kept.iter().try_for_each(|(at, block)| self.push(*at, block))
    }

    /// Starts the assembler and the writer.
    fn start_writing(&mut self, format: Format) -> Result<()> {
        let writer = self.start_writer(&format)?;
        let row_type = self.seen.row_type.as_ref().expect("the type of a row is known");
        let mut row_shape: Vec<_> = row_type.shape.iter().copied().map(Some).collect();
        if self.seen.cut == Cut::RowsAndColumns {
            row_shape[0] = self.seen.width;
        }
        let assembler = Assembler::new(&format.layout, row_shape, format.fill.clone());
        self.stage = Stage::Writing { format: Box::new(format), assembler, writer };
        Ok(())
    }

    /// Records the write if it is resumable, and starts the threads that write.
    fn start_writer(&mut self, format: &Format) -> Result<Writer> {
        self.trace.layout(&format.layout);
        let row_type = self.seen.row_type.as_ref().expect("the type of a row is known");
        let unit_bytes = layout::n_bytes(row_type.dtype, format.layout.unit_shape());
        announce((unit_bytes as u128).saturating_mul(4));
        let mut row_shape = row_type.shape.clone();
        if let Some(width) = self.seen.width {
            row_shape[0] = width;
        }
        if let Some(resumption) = &mut self.resumption {
            let dtype_of_blocks = self.dtype_of_blocks.unwrap_or(format.dtype);
            resumption.record_or_compare(format, &row_shape, dtype_of_blocks)?;
        }
        let planned = self.planned.as_ref().map(|planned| planned.n_threads);
        let n_threads = planned.unwrap_or_else(|| self.settings.n_threads(unit_bytes));
        let codec = match &self.base {
            Some(base) => base.unit_codec(format)?,
            None => UnitCodec::new(format)?,
        };
        let keeps_chunks = self.resumption.is_some();
        let destination: Arc<dyn Destination> = Arc::clone(&self.destination);
        Writer::start(n_threads, codec, destination, &self.trace, keeps_chunks)
    }

    /// Writes the remaining chunks and the metadata after the last block, without publishing the
    /// array.
    pub(super) fn prepare(&mut self) -> Result<()> {
        if let Some(check) = &mut self.base_check {
            check.end()?;
        }
        let row_type = self.seen.final_row_type()?;
        self.begin_chunks(Some(self.seen.n_rows))?;
        let n_rows_within_units = self.n_last_rows() + self.seen.n_rows;
        let n_rows_before = self.base.as_ref().map_or(0, |base| base.n_rows());
        let n_rows = n_rows_before.checked_add(self.seen.n_rows);
        let n_rows = n_rows.ok_or_else(|| Error::metadata("the number of rows overflows"))?;
        let shape = [&[n_rows], &row_type.shape[..]].concat();
        let mut edges = None;
        let (format, n_units) = match &mut self.stage {
            Stage::ChoosingLayout { .. } => unreachable!("the chunks have begun"),
            Stage::Writing { format, assembler, writer } => {
                let output = &mut Units { writer, resumption: &mut self.resumption };
                if self.seen.cut == Cut::RowsAndColumns {
                    assembler.set_width(row_type.shape[0], output)?;
                }
                assembler.finish(n_rows_within_units, output)?;
                writer.finish()?;
                let n_units = format.layout.n_units(&shape);
                (format, n_units)
            }
            Stage::WritingBlocks { format, chunks, writer } => {
                chunks.end().map_err(no_grid)?;
                writer.finish()?;
                edges = Some(chunks.edges(&shape));
                (format, chunks.n_chunks(&shape))
            }
        };
        let resumption = self.resumption.as_ref();
        let dtype_of_blocks = self.dtype_of_blocks.unwrap_or(format.dtype);
        let start = self.base.as_ref().map_or(0, |base| base.n_rows());
        let stored_rows =
            resumption.map(|resumption| resumption.stored_rows(start, &row_type, dtype_of_blocks));
        let text = match &self.base {
            Some(base) => {
                let blocks = &mut self.provenance;
                base.document(&self.settings, blocks, n_rows, stored_rows.as_ref())?
            }
            None => {
                let digest = resumption
                    .map(|resumption| resumption.digest(format, &shape[1..], dtype_of_blocks));
                let mut attribute = self.provenance.attribute(digest.transpose()?);
                if let Some(rows) = stored_rows {
                    provenance::record_rows(&mut attribute, &rows);
                }
                format.attributes.insert(provenance::ATTRIBUTE.to_owned(), attribute);
                // The digest does not depend on them, since the blocks determine them.
                format.edges = edges;
                provenance::with_checksum(&format.metadata(&shape)?.to_string_pretty())
            }
        };
        check_array_size(text.len() as u64, || self.settings.target.to_string())?;
        self.destination.prepare(text.as_bytes(), &n_units)?;
        let source = self.destination.reader()?;
        let stored = StoredArray::of_document(&self.settings.target, source, text.as_bytes())?;
        self.stored = Some((stored, text));
        Ok(())
    }

    /// Ends the write early. Returns the chunks that a later write resumes from, if there are any.
    pub(super) fn abort(mut self) -> Option<KeptChunks> {
        let resumption = self.resumption.as_ref()?;
        if let Stage::Writing { writer, .. } | Stage::WritingBlocks { writer, .. } = &mut self.stage
        {
            // The write has failed already, for a reason that is reported.
            let _ = writer.finish();
        }
        // Chunks of an earlier write count, too, although this write may not have reached them.
        let chunks = resumption.n_kept().unwrap_or_else(|_| self.written().0);
        let directory = resumption.directory().display().to_string();
        let target = self.settings.target.to_string();
        (chunks > 0).then_some(KeptChunks { target, directory, chunks })
    }

    /// Publishes the array.
    pub(super) fn publish(mut self) -> Result<StoredArray> {
        self.check_last_rows()?;
        self.destination.publish()?;
        let (stored, metadata) =
            self.stored.take().expect("a write is prepared before it is published");
        let stored = stored.pin_published(metadata.as_bytes())?;
        let (n_chunks, stored_bytes) = self.written();
        self.trace.published(stored.shape(), self.n_bytes, (n_chunks, stored_bytes));
        Ok(stored)
    }
}

/// Claims the memory of one writer thread, if the sequence declares the shapes of its blocks. More
/// threads follow when all other reducers of the pass have made their claims.
fn claim_memory(
    settings: &WriteSettings,
    spec: &SequenceSpec,
    claim: &mut MemoryClaim,
) -> Result<()> {
    if let Some((row_type, block_shape)) = spec.row_type().zip(spec.largest_block()) {
        let bound = MemoryBound::of(settings, spec.cut(), row_type, &block_shape);
        bound.threads_within_limit(settings)?;
        MemoryBound { n_threads: 1, ..bound }.claim(settings, claim)?;
    }
    Ok(())
}

/// Checks that a grid can have the declared blocks as its chunks.
fn check_number(spec: &SequenceSpec) -> Result<()> {
    let n_sizes = |sizes: &BlockSizes| BlockRuns::of(sizes).n_not_empty();
    let n_sizes = |grid: &BlockGrid| n_sizes(grid.rows()) + grid.columns().map_or(0, n_sizes);
    if spec.grid().is_some_and(|grid| n_sizes(grid) > MOST_CHUNKS) {
        return Err(no_grid(NoGrid::TooMany));
    }
    Ok(())
}

fn no_grid(reason: NoGrid) -> Error {
    match reason {
        NoGrid::IrregularBand(band) => SettingError::IrregularBlocks { band },
        NoGrid::TooMany => SettingError::TooManyBlocks { most: MOST_CHUNKS },
    }
    .into()
}

/// Passes units to the writer, unless an earlier write has stored them.
struct Units<'w> {
    writer: &'w mut Writer,
    resumption: &'w mut Option<Resumption>,
}

impl Output for Units<'_> {
    fn take(&mut self, unit: Unit) -> Result<()> {
        self.writer.put(unit)
    }

    fn is_stored(&mut self, unit: &[usize]) -> bool {
        let kept = self.resumption.as_mut().and_then(|resumption| resumption.take_kept(unit));
        if let Some(stored_bytes) = kept {
            self.writer.count_kept(unit, stored_bytes);
        }
        kept.is_some()
    }
}

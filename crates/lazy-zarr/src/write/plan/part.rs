//! One part of a plan, which a worker stores.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use lazy_core::{
    ArrayBlock, BlockCheck, BlockGrid, BlockPosition, Error as CoreError, KeptChunks, MemoryClaim,
    Part, Progress, Reducer, Run, SequenceSpec,
};
use serde::{Deserialize, Serialize};

use super::contents::Contents;
use super::shared::{Planned, Shared};
use crate::error::{Error, Result, WriteError};
use crate::format::Format;
use crate::layout::index_in_grid;
use crate::settings::{FillElement, WriteSettings};
use crate::staging::{ChunkJournal, Entry, HeldPart, PartChunkRows, Record, TaggedTally};
use crate::write::assembler::{Assembler, Output, Unit};
use crate::write::budget::MemoryBound;
use crate::write::destination::{PartDestination, begin_part};
use crate::write::encode::UnitCodec;
use crate::write::pool::Writer;
use crate::write::resume::Recall;
use crate::write::session::{CastBlock, Complete};
use crate::write::sink::SinkMap;
use crate::write::trace::Trace;

/// The sink of one part of a [`Plan`](lazy_core::Plan).
pub struct PartSink {
    settings: WriteSettings,
    source: Source,
}

enum Source {
    /// The part is stored.
    Store(Box<Place>),
    /// The array is published already, and its blocks are read from it.
    Complete { complete: Box<Complete>, part: Part },
}

/// A part of a plan that this worker has taken, with the record of the plan.
struct Place {
    part: Part,
    held: HeldPart,
    record: Record,
    format: Format,
}

impl PartSink {
    pub(super) fn new(shared: &Shared, part: &Part, held: HeldPart) -> PartSink {
        let Planned { plan, format, .. } = shared.planned();
        let (record, format) = (plan.record.clone(), format.clone());
        let place = Place { part: part.clone(), held, record, format };
        PartSink { settings: shared.settings.clone(), source: Source::Store(Box::new(place)) }
    }

    pub(super) fn of_complete(shared: &Shared, complete: &Complete, part: &Part) -> PartSink {
        let (complete, part) = (Box::new(complete.clone()), part.clone());
        let source = Source::Complete { complete, part };
        PartSink { settings: shared.settings.clone(), source }
    }
}

impl fmt::Debug for PartSink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PartSink").finish_non_exhaustive()
    }
}

impl Reducer for PartSink {
    type Map = SinkMap;
    type Run = PartRun;
    type Output = StoredPart;

    fn start(self, spec: &SequenceSpec) -> lazy_core::Result<(SinkMap, PartRun)> {
        let map = SinkMap::new(&self.settings);
        let check = BlockCheck::owned(spec.clone())?;
        let grid = spec.grid().expect("a sequence in a plan has a grid");
        let course = match self.source {
            Source::Complete { complete, part } => {
                Course::Complete(Box::new(complete.part(&part, grid)))
            }
            Source::Store(place) => {
                let target = self.settings.target.to_string();
                let storing = Storing::start(self.settings, spec, grid, *place);
                Course::Storing(Box::new(storing.map_err(|error| of_part(error.into(), target))?))
            }
        };
        Ok((map, PartRun { check, course }))
    }
}

/// The run of a [`PartSink`].
pub struct PartRun {
    check: BlockCheck<'static>,
    course: Course,
}

enum Course {
    Storing(Box<Storing>),
    Complete(Box<Complete>),
}

impl fmt::Debug for PartRun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PartRun").finish_non_exhaustive()
    }
}

impl Run for PartRun {
    type Partial = CastBlock;
    type Output = StoredPart;

    fn restore(&mut self, at: BlockPosition) -> lazy_core::Result<Option<ArrayBlock>> {
        Ok(match &mut self.course {
            Course::Storing(storing) => storing.restore(at)?,
            Course::Complete(complete) => complete.restore(at)?,
        })
    }

    fn merge(&mut self, at: BlockPosition, partial: CastBlock) -> lazy_core::Result<()> {
        let CastBlock { from, block } = partial;
        self.check.block_at(at, from, block.shape())?;
        match &mut self.course {
            Course::Storing(storing) => {
                let added = storing.add(at, &block);
                added.map_err(|error| storing.chunks.explained(error))?;
            }
            Course::Complete(complete) => complete.compare(at, &block, from)?,
        }
        Ok(())
    }

    fn prepare(&mut self) -> lazy_core::Result<()> {
        self.check.end()?;
        if let Course::Storing(storing) = &mut self.course {
            let prepared = storing.prepare();
            prepared.map_err(|error| storing.chunks.explained(error))?;
        }
        Ok(())
    }

    fn commit(self) -> lazy_core::Result<StoredPart> {
        Ok(match self.course {
            Course::Storing(storing) => storing.commit(),
            Course::Complete(_) => StoredPart::default(),
        })
    }

    fn report(&self, progress: &mut Progress) {
        if let Course::Storing(storing) = &self.course {
            let (chunks, stored_bytes) = storing.writer.written();
            progress.chunks += chunks;
            progress.stored_bytes += stored_bytes;
        }
    }

    fn abort(self, error: CoreError) -> CoreError {
        let Course::Storing(storing) = self.course else { return error };
        let error = of_part(error, storing.settings.target.to_string());
        if !error.is_cancelled() {
            return error;
        }
        match storing.abort() {
            Some(kept) => error.with_kept(kept),
            None => error,
        }
    }
}

/// Returns the error of a worker that stores a part. A part that another worker has taken over does
/// not end the plan.
pub(super) fn of_part(error: CoreError, target: String) -> CoreError {
    if Error::find(&error).is_some_and(Error::is_taken_over) {
        CoreError::part_taken_over(target)
    } else {
        error
    }
}

/// The chunks of a part, as its record describes them.
#[derive(Default, Serialize, Deserialize)]
pub struct StoredPart {
    /// The chunks that have no rows of other parts.
    pub(super) whole: TaggedTally,
    /// The rows in chunks that the part shares with other parts.
    pub(super) fragments: Vec<(Vec<u64>, Entry)>,
    /// The hashes of the chunks that have no rows of other parts.
    pub(super) contents: Contents,
    pub(super) n_bytes: u64,
    /// The part that this worker holds, until its record is stored.
    #[serde(skip)]
    held: Option<HeldPart>,
}

impl fmt::Debug for StoredPart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StoredPart").field("n_bytes", &self.n_bytes).finish_non_exhaustive()
    }
}

impl StoredPart {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(self, &mut bytes).expect("memory can be written to");
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<StoredPart> {
        ciborium::from_reader(bytes).ok()
    }

    /// Returns a part that was just stored.
    pub(super) fn take_held(&mut self) -> Option<HeldPart> {
        self.held.take()
    }
}

/// The state of a part that is being stored.
struct Storing {
    settings: WriteSettings,
    record: Record,
    assembler: Assembler,
    writer: Writer,
    recall: Recall,
    journal: Arc<dyn ChunkJournal>,
    chunks: Arc<dyn PartDestination>,
    /// The number of units along each axis of the array.
    n_units: Vec<u64>,
    rows_of_units: PartChunkRows,
    /// The number of rows of the first row of units that belong to other parts.
    n_head: usize,
    n_rows: usize,
    whole: TaggedTally,
    fragments: Vec<(Vec<u64>, Entry)>,
    contents: Contents,
    _memory: MemoryClaim,
}

/// Claims memory for the write of a part, and returns the number of its writer threads.
pub(super) fn claim_memory(
    settings: &WriteSettings,
    spec: &SequenceSpec,
    claim: &mut MemoryClaim,
) -> Result<usize> {
    let cast = settings.cast_spec(spec)?;
    match cast.row_type().zip(cast.largest_block()) {
        Some((row_type, block_shape)) => {
            MemoryBound::of(settings, cast.cut(), row_type, &block_shape).claim(settings, claim)
        }
        None => Ok(settings.n_threads(0)),
    }
}

impl Storing {
    fn start(
        settings: WriteSettings,
        spec: &SequenceSpec,
        grid: &BlockGrid,
        place: Place,
    ) -> Result<Storing> {
        let Place { part, held, record, format } = place;
        let unit_rows = format.layout.unit_shape()[0];
        let rows = part.rows();
        let (first, n_head) = (rows.start / unit_rows, rows.start % unit_rows);
        let last = rows.end.saturating_sub(1) / unit_rows;
        let n_units = record.n_chunks();
        let is_end_of_array = record.n_rows() == Some(rows.end);
        let is_tail_shared = !is_end_of_array && !rows.end.is_multiple_of(unit_rows);
        let rows_of_units = PartChunkRows {
            part: part.number(),
            first: (first as u64, n_head > 0),
            last: (last as u64, is_tail_shared),
        };
        let target = settings.target.to_string();
        let chunks = begin_part(target, held, format.keys, rows_of_units.clone())?;
        let journal = chunks.journal();
        let codec = || Ok::<_, Error>(UnitCodec::new(&format)?.with_first(first));
        let recall = Recall::new(grid, n_head, codec()?, &record, Arc::clone(&journal))?;
        let mut memory = MemoryClaim::new(spec);
        let n_threads = claim_memory(&settings, spec, &mut memory)?;
        let trace = Trace::new(&settings.target);
        trace.layout(&format.layout);
        let destination = Arc::clone(&chunks) as Arc<_>;
        let writer = Writer::start(n_threads, codec()?, destination, &trace, true)?;
        let row_shape = record.row_shape.iter().copied().map(Some).collect();
        let assembler = Assembler::new(&format.layout, row_shape, format.fill.clone());
        let mut storing = Storing {
            settings,
            assembler,
            writer,
            recall,
            journal,
            chunks,
            n_units,
            rows_of_units,
            n_head,
            n_rows: rows.len(),
            whole: TaggedTally::default(),
            fragments: Vec::new(),
            contents: Contents::default(),
            _memory: memory,
            record,
        };
        if !rows.is_empty() {
            storing.push_head(&format.fill, format.layout.unit_shape())?;
        }
        Ok(storing)
    }

    /// Fills the rows of the first row of units that belong to other parts.
    fn push_head(&mut self, fill: &FillElement, unit_shape: &[usize]) -> Result<()> {
        let mut shape = [&[self.n_head], &self.record.row_shape[..]].concat();
        if shape.contains(&0) {
            return Ok(());
        }
        let (n_columns, along) = match (shape.get(1), unit_shape.get(1)) {
            (Some(n_columns), Some(along)) => (*n_columns, *along),
            _ => (1, 1),
        };
        for column in (0..n_columns).step_by(along) {
            if let Some(columns) = shape.get_mut(1) {
                *columns = along.min(n_columns - column);
            }
            let n_elements: usize = shape.iter().product();
            let data = Bytes::from(fill.bytes.repeat(n_elements));
            let block = ArrayBlock::new(self.record.dtype, shape.clone(), data)?;
            let index = lazy_core::BlockIndex::Band(0);
            self.push(BlockPosition { index, row: 0, column }, &block)?;
        }
        Ok(())
    }

    /// Returns the position of a block in the units of the part.
    fn within_units(&self, at: BlockPosition) -> BlockPosition {
        BlockPosition { row: at.row + self.n_head, ..at }
    }

    fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        if self.record.is_cast() {
            return Ok(None);
        }
        self.recall.block(self.within_units(at))
    }

    fn add(&mut self, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        let at = self.within_units(at);
        if self.record.is_cast() {
            self.recall.compare(at, block)?;
        }
        self.recall.forget(at, block.shape());
        if block.n_elements() == 0 {
            return Ok(());
        }
        self.push(at, block)
    }

    fn push(&mut self, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        let Storing { assembler, writer, recall, .. } = self;
        assembler.push(at, block, &mut Units { writer, recall })
    }

    fn prepare(&mut self) -> Result<()> {
        let Storing { assembler, writer, recall, .. } = self;
        assembler.finish(self.n_head + self.n_rows, &mut Units { writer, recall })?;
        writer.finish()?;
        self.whole = self.chunks.end(&|| self.keys(), self.settings.durability)?;
        self.describe()
    }

    /// Describes the contents of the chunks, and the pieces of those that the part shares with
    /// other parts.
    fn describe(&mut self) -> Result<()> {
        let entries = self.journal.entries(&self.n_units)?;
        let number = |index: &[u64]| {
            index.iter().zip(&self.n_units).fold(0, |number, (i, n)| number * n + i)
        };
        let mut hashes = Vec::new();
        for index in self.units() {
            let key = self.key(&index);
            // Each was stored, so another program has changed the journal if it is not there.
            let Some(entry) = entries.get(&number(&index)) else {
                let (target, missing) = (self.settings.target.to_string(), Some(key));
                let (expected, found) = (self.units().count() as u64, entries.len() as u64);
                return Err(WriteError::ChunksLost { target, missing, expected, found }.into());
            };
            if self.chunks.is_shared(&key) {
                self.fragments.push((index, *entry));
            } else {
                hashes.push(entry.hash);
            }
        }
        self.contents = Contents::new(self.chunks.time()?, hashes);
        Ok(())
    }

    fn commit(self) -> StoredPart {
        let (_, n_bytes) = self.writer.written();
        let Storing { writer, chunks, whole, fragments, contents, .. } = self;
        drop(writer);
        StoredPart { whole, fragments, contents, n_bytes, held: Some(chunks.into_held()) }
    }

    /// Ends the part early. Returns the chunks that a later worker resumes from, if there are any.
    fn abort(mut self) -> Option<KeptChunks> {
        // The pass has failed already, for a reason that is reported.
        let _ = self.writer.finish();
        let entries = self.journal.entries(&self.n_units);
        let chunks = entries.map_or(self.writer.written().0, |entries| entries.len() as u64);
        let directory = self.journal.directory().display().to_string();
        let target = self.settings.target.to_string();
        (chunks > 0).then_some(KeptChunks { target, directory, chunks })
    }

    /// Returns the indices of the units that have rows of the part, in C order.
    fn units(&self) -> impl Iterator<Item = Vec<u64>> + use<> {
        let (first, last) = (self.rows_of_units.first.0, self.rows_of_units.last.0);
        let n_units = self.n_units.clone();
        let per_row = n_units[1..].iter().fold(1_u64, |n, along| n.saturating_mul(*along));
        let end = if self.n_rows == 0 { first } else { last + 1 };
        (first * per_row..end * per_row).map(move |place| index_in_grid(place, &n_units))
    }

    fn keys(&self) -> Box<dyn Iterator<Item = String>> {
        let keys = self.journal.keys();
        Box::new(self.units().map(move |index| keys.encoding().encode(&index).to_string()))
    }

    fn key(&self, index: &[u64]) -> String {
        self.journal.keys().encoding().encode(index).to_string()
    }
}

/// Passes units to the writer, unless an earlier worker has stored them.
struct Units<'w> {
    writer: &'w mut Writer,
    recall: &'w mut Recall,
}

impl Output for Units<'_> {
    fn take(&mut self, unit: Unit) -> Result<()> {
        self.writer.put(unit)
    }

    fn is_stored(&mut self, unit: &[usize]) -> bool {
        let kept = self.recall.take_verified(unit);
        if let Some(stored_bytes) = kept {
            self.writer.count_kept(unit, stored_bytes);
        }
        kept.is_some()
    }
}

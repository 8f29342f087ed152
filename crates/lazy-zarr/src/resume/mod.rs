//! Going on with a write that ended early.
//!
//! A write that is to be resumed keeps two files in its staging directory: a [`Record`] of what it is, as
//! soon as its layout is settled; and a [`Journal`] with a line for each chunk that is complete. A later write with the same record reads those chunks back, and computes only the blocks that
//! touch another.

mod journal;
mod recall;
mod record;

use std::sync::Arc;

use lazy_core::{ArrayBlock, BlockGrid, BlockPosition, Declared};

pub(crate) use journal::Journal;
pub(crate) use record::Record;

use crate::format::Format;
use crate::{Error, Result, ZarrSink};
use recall::Recall;
use record::Difference;

/// What a write that can be resumed has beside one that cannot.
pub(crate) struct Resumption {
    /// What the user says that the blocks depend on.
    job: String,
    grid: BlockGrid,
    journal: Arc<Journal>,
    /// The chunks of an earlier write, and what it was.
    kept: Option<(Recall, Record)>,
}

impl Resumption {
    /// Goes on with what an earlier write recorded, if there was one; an error when that was another.
    pub(crate) fn begin(
        sink: &ZarrSink,
        job: &str,
        declared: &Declared,
        journal: Arc<Journal>,
        record: Option<Record>,
    ) -> Result<Resumption> {
        let grid = declared.grid().ok_or_else(|| not_resumable(sink))?.clone();
        let mut resumption = Resumption { job: job.to_owned(), grid, journal, kept: None };
        let Some(record) = record else { return Ok(resumption) };
        let keys = resumption.journal.keys();
        let format = sink.format(record.dtype, record.layout.clone(), keys);
        let now = resumption.record(sink, &format, &record.row_shape)?;
        let declared_rows = declared.row_type().map(|row_type| (row_type.dtype, &row_type.shape));
        if let Some(difference) =
            record.difference(&now).or_else(|| record.row_difference(declared_rows))
        {
            return Err(resumption.mismatch(sink, difference));
        }
        let recall = Recall::new(&resumption.grid, &format, &record, &resumption.journal)?;
        resumption.kept = Some((recall, record));
        Ok(resumption)
    }

    fn record(&self, sink: &ZarrSink, format: &Format, row_shape: &[usize]) -> Result<Record> {
        Record::new(&self.job, &self.grid, &sink.layout, format, row_shape)
    }

    fn mismatch(&self, sink: &ZarrSink, difference: Difference) -> Error {
        Error::ResumeMismatch {
            target: sink.target.to_string(),
            directory: self.journal.directory().to_owned(),
            what: difference.what,
            expected: difference.kept,
            actual: difference.now,
        }
    }

    /// Writes down what is written, as soon as that is known; or checks that it is what the earlier write
    /// had written down.
    pub(crate) fn settle(
        &self,
        sink: &ZarrSink,
        format: &Format,
        row_shape: &[usize],
    ) -> Result<()> {
        let now = self.record(sink, format, row_shape)?;
        match &self.kept {
            None => self.journal.begin(&now, sink.durability),
            Some((_, kept)) => match kept.difference(&now) {
                None => Ok(()),
                Some(difference) => Err(self.mismatch(sink, difference)),
            },
        }
    }

    /// The block at a position, when all chunks that it touches are there.
    pub(crate) fn recall(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        match &mut self.kept {
            Some((recall, _)) => recall.block(at),
            None => Ok(None),
        }
    }

    /// Lets go of what is not needed after a block.
    pub(crate) fn forget(&mut self, at: BlockPosition, shape: &[usize]) {
        if let Some((recall, _)) = &mut self.kept {
            recall.forget(at, shape);
        }
    }

    /// The stored bytes of a chunk that is there already and need not be written; asked once for each.
    pub(crate) fn take_kept(&mut self, chunk: &[usize]) -> Option<u64> {
        let (recall, _) = self.kept.as_mut()?;
        recall.take_verified(chunk)
    }
}

/// Why a sequence that has no grid is not stored by a sink that resumes.
pub(crate) fn not_resumable(sink: &ZarrSink) -> Error {
    Error::NotResumable {
        target: sink.target.to_string(),
        reason: "a streamed sequence computes its blocks one after the other",
    }
}

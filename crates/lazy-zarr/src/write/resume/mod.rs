//! Resuming a write that ended early.
//!
//! A write that is to be resumed keeps two files in its staging directory: a [`Record`] of what it is, as
//! soon as its layout is chosen; and a [`Journal`] with a line for each chunk that is complete. A later write with the same record reads those chunks back, and computes only the blocks that
//! touch another.

mod recall;

use std::path::Path;
use std::sync::Arc;

use lazy_core::{ArrayBlock, BlockGrid, BlockPosition, RowType, SequenceSpec};

use crate::error::{Error, Result, ResumeError};
use crate::format::Format;
use crate::settings::{Resume, WriteSettings};
use crate::staging::{Difference, Journal, Record};
use crate::target::Target;
use recall::Recall;

/// What a write that can be resumed has beside one that cannot.
pub(crate) struct Resumption {
    settings: WriteSettings,
    resume: Resume,
    grid: BlockGrid,
    journal: Arc<Journal>,
    kept: Option<Kept>,
}

/// The chunks of an unfinished write, and its record.
struct Kept {
    recall: Recall,
    record: Record,
    /// True if its chunks are those that this write would store. If not, they are compared with the blocks.
    is_trusted: bool,
}

impl Resumption {
    /// Resumes what an earlier write recorded, if there was one. If that was another write, it is an error, or
    /// what it has stored is removed.
    pub(crate) fn begin(
        settings: &WriteSettings,
        resume: &Resume,
        spec: &SequenceSpec,
        journal: Arc<Journal>,
        record: Option<Record>,
    ) -> Result<Resumption> {
        let grid = spec.grid().ok_or_else(|| not_resumable(&settings.target))?.clone();
        let (settings, resume) = (settings.clone(), resume.clone());
        let mut resumption = Resumption { settings, resume, grid, journal, kept: None };
        let Some(record) = record else { return Ok(resumption) };
        let keys = resumption.journal.keys();
        let format = Format::new(&resumption.settings, record.dtype, record.layout.clone(), keys);
        let now = resumption.record(&format, &record.row_shape)?;
        let declared_rows = spec.row_type().map(|row_type| (row_type.dtype, &row_type.shape));
        if let Some(difference) =
            record.difference(&now).or_else(|| record.row_difference(declared_rows))
        {
            resumption.restart(difference)?;
            return Ok(resumption);
        }
        let is_trusted = record.is_of_revision_of(&now);
        let record = if is_trusted {
            record
        } else {
            let record = record.with_revisions_of(&now);
            resumption.journal.begin(&record, resumption.settings.durability)?;
            record
        };
        let recall = Recall::new(&resumption.grid, &format, &record, &resumption.journal)?;
        resumption.kept = Some(Kept { recall, record, is_trusted });
        Ok(resumption)
    }

    fn record(&self, format: &Format, row_shape: &[usize]) -> Result<Record> {
        let shape = [&[self.grid.rows().total()], row_shape].concat();
        let metadata = format.metadata(&shape)?.to_string_pretty();
        let row_type = RowType { dtype: format.dtype, shape: row_shape.to_vec() };
        let asked_for = &self.settings.layout;
        Ok(Record::new(&self.resume, &self.grid, asked_for, &format.layout, row_type, &metadata))
    }

    /// Removes what a write that differs from this one has stored, if that is asked for.
    fn restart(&self, difference: Difference) -> Result<()> {
        if self.resume.restarts {
            return self.journal.restart(self.settings.durability);
        }
        Err(ResumeError::Mismatch {
            target: self.settings.target.to_string(),
            directory: self.journal.directory().to_owned(),
            what: difference.what,
            expected: difference.kept,
            actual: difference.now,
        }
        .into())
    }

    /// Writes down what is written, as soon as that is known; or checks that it is what the earlier write
    /// had written down.
    pub(crate) fn record_or_compare(&mut self, format: &Format, row_shape: &[usize]) -> Result<()> {
        let now = self.record(format, row_shape)?;
        if let Some(kept) = &self.kept {
            let Some(difference) = kept.record.difference(&now) else { return Ok(()) };
            self.restart(difference)?;
            self.kept = None;
        }
        self.journal.begin(&now, self.settings.durability)
    }

    /// Returns the directory that records the unfinished write.
    pub(crate) fn directory(&self) -> &Path {
        self.journal.directory()
    }

    /// Returns the digest by which a later write knows the array of this one.
    pub(crate) fn digest(&self, format: &Format, row_shape: &[usize]) -> Result<String> {
        Ok(self.record(format, row_shape)?.digest())
    }

    /// Returns the block at a position, when all chunks that it touches are there and can be trusted.
    pub(crate) fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        match &mut self.kept {
            Some(Kept { recall, is_trusted: true, .. }) => recall.block(at),
            _ => Ok(None),
        }
    }

    /// Compares a block with chunks that are not trusted, and frees the chunks of which it is the last block.
    pub(crate) fn take_note(&mut self, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        if let Some(Kept { recall, is_trusted, .. }) = &mut self.kept {
            if !*is_trusted {
                recall.compare(at, block)?;
            }
            recall.forget(at, block.shape());
        }
        Ok(())
    }

    /// The stored bytes of a chunk that is there already and need not be written; asked once for each.
    pub(crate) fn take_kept(&mut self, chunk: &[usize]) -> Option<u64> {
        self.kept.as_mut()?.recall.take_verified(chunk)
    }
}

/// Why a sequence that has no grid is not stored by a sink that resumes.
pub(crate) fn not_resumable(target: &Target) -> Error {
    ResumeError::NotResumable {
        target: target.to_string(),
        reason: "a streamed sequence can only compute all its blocks in order",
    }
    .into()
}

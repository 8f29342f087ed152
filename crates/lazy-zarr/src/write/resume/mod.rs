//! Resuming a write that ended early.
//!
//! A resumable write keeps two files in its staging directory: a [`Record`] that describes the
//! write, as soon as its layout is chosen; and a [`Journal`] with a line for each completed chunk.
//! A later write with the same record reads these chunks back, and computes only the blocks that
//! overlap other chunks.

mod recall;

use std::path::PathBuf;
use std::sync::Arc;

use lazy_core::{ArrayBlock, BlockGrid, BlockPosition, DType, RowType, SequenceSpec};

use crate::error::{Error, Result, ResumeError};
use crate::format::Format;
use crate::format::provenance::StoredRows;
use crate::settings::{Resume, WriteSettings};
use crate::staging::{Difference, Journal, Record, stored_rows};
use crate::target::Target;
use crate::write::base::Base;
use crate::write::encode::UnitCodec;
pub(crate) use recall::Recall;

/// The additional state of a resumable write.
pub(crate) struct Resumption {
    settings: WriteSettings,
    resume: Resume,
    grid: BlockGrid,
    journal: Arc<dyn Journal>,
    /// The array that the write appends to, if it appends.
    base: Option<Arc<Base>>,
    kept: Option<Kept>,
}

/// The chunks of an unfinished write, and its record.
struct Kept {
    recall: Recall,
    record: Record,
    /// True if the chunks are known to be the ones that this write would store. If false, they are
    /// compared with the blocks.
    is_trusted: bool,
}

impl Resumption {
    /// Resumes an earlier write, if there is a record of one. If the record differs from this
    /// write, the result is an error, or the earlier chunks are removed.
    pub(crate) fn begin(
        settings: &WriteSettings,
        resume: &Resume,
        spec: &SequenceSpec,
        dtype_of_blocks: Option<DType>,
        (journal, record): (Arc<dyn Journal>, Option<Record>),
        base: Option<Arc<Base>>,
    ) -> Result<Resumption> {
        let grid = spec.grid().ok_or_else(|| not_resumable(&settings.target))?.clone();
        let (settings, resume) = (settings.clone(), resume.clone());
        let mut resumption = Resumption { settings, resume, grid, journal, base, kept: None };
        let Some(record) = record else { return Ok(resumption) };
        let keys = resumption.journal.keys();
        let format = Format::new(&resumption.settings, record.dtype, record.layout.clone(), keys);
        let dtype = match resumption.settings.dtype {
            None if record.is_cast() => dtype_of_blocks,
            dtype => dtype,
        };
        if let Some(dtype) = dtype.filter(|dtype| *dtype != record.dtype) {
            let (kept, now) = (record.dtype.to_string(), dtype.to_string());
            resumption.restart(Difference { what: "dtype", kept, now })?;
            return Ok(resumption);
        }
        // The dtype of blocks that are cast may be known only when the first one arrives.
        let now = match (resumption.settings.dtype, dtype_of_blocks) {
            (Some(_), None) => record.dtype_of_blocks(),
            (Some(_), Some(dtype)) => dtype,
            (None, _) => record.dtype,
        };
        let now = resumption.record(&format, &record.row_shape, now)?;
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
        let base = resumption.base.as_deref();
        let codec = match base {
            Some(base) => base.unit_codec(&format)?,
            None => UnitCodec::new(&format)?,
        };
        let n_last_rows = base.map_or(0, Base::n_last_rows);
        let journal = Arc::clone(&resumption.journal);
        let recall = Recall::new(&resumption.grid, n_last_rows, codec, &record, journal)?;
        resumption.kept = Some(Kept { recall, record, is_trusted });
        Ok(resumption)
    }

    /// Returns the record of this write for blocks of this dtype before they are cast.
    fn record(
        &self,
        format: &Format,
        row_shape: &[usize],
        dtype_of_blocks: DType,
    ) -> Result<Record> {
        let n_rows = self.grid.rows().total();
        let metadata = match &self.base {
            Some(base) => base.identity(base.n_rows().saturating_add(n_rows))?,
            None => format.metadata(&[&[n_rows], row_shape].concat())?.to_string_pretty(),
        };
        let row_type = RowType { dtype: format.dtype, shape: row_shape.to_vec() };
        let (resume, grid, asked_for) = (&self.resume, &self.grid, &self.settings.layout);
        let record = Record::new(resume, grid, asked_for, &format.layout, row_type, &metadata)
            .with_blocks_of(dtype_of_blocks);
        Ok(match &self.base {
            Some(base) => record.with_appended_rows(base.n_rows()),
            None => record,
        })
    }

    /// Removes the chunks of a different write, if the settings ask for it; otherwise returns an
    /// error.
    fn restart(&self, difference: Difference) -> Result<()> {
        if self.resume.restarts {
            return self.journal.restart(self.settings.durability);
        }
        Err(ResumeError::Mismatch {
            target: self.settings.target.to_string(),
            directory: self.journal.directory(),
            what: difference.what,
            expected: difference.kept,
            actual: difference.now,
        }
        .into())
    }

    /// Records this write as soon as its layout is known, or compares it with the record of the
    /// earlier write.
    pub(crate) fn record_or_compare(
        &mut self,
        format: &Format,
        row_shape: &[usize],
        dtype_of_blocks: DType,
    ) -> Result<()> {
        let now = self.record(format, row_shape, dtype_of_blocks)?;
        if let Some(kept) = &self.kept {
            let Some(difference) = kept.record.difference(&now) else { return Ok(()) };
            self.restart(difference)?;
            self.kept = None;
        }
        self.journal.begin(&now, self.settings.durability)
    }

    /// Returns the directory that records the unfinished write.
    pub(crate) fn directory(&self) -> PathBuf {
        self.journal.directory()
    }

    /// Returns the number of complete chunks that a later write resumes from.
    pub(crate) fn n_kept(&self) -> Result<u64> {
        match self.journal.record()? {
            Some(record) => Ok(self.journal.completed(&record)?.0),
            None => Ok(0),
        }
    }

    /// Returns the digest that identifies the array of this write to a later write.
    pub(crate) fn digest(
        &self,
        format: &Format,
        row_shape: &[usize],
        dtype_of_blocks: DType,
    ) -> Result<String> {
        Ok(self.record(format, row_shape, dtype_of_blocks)?.digest())
    }

    /// Returns the entry by which an array records the rows of this write, from `start` on.
    pub(crate) fn stored_rows(
        &self,
        start: usize,
        row_type: &RowType,
        dtype_of_blocks: DType,
    ) -> StoredRows {
        let rows = (start, self.grid.rows().total());
        stored_rows(&self.resume, rows, row_type, dtype_of_blocks)
    }

    /// Returns true if chunks of an earlier write may be used.
    pub(crate) fn has_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Compares rows of the array that are stored again with the chunks of the earlier write. A
    /// chunk that differs is removed.
    pub(crate) fn compare_last_rows(&mut self, at: BlockPosition, rows: &ArrayBlock) -> Result<()> {
        match &mut self.kept {
            Some(kept) => kept.recall.compare(at, rows),
            None => Ok(()),
        }
    }

    /// Returns the block at a position, if all chunks that it overlaps are stored and trusted.
    /// Chunks of another dtype do not have the block.
    pub(crate) fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        match &mut self.kept {
            Some(Kept { recall, record, is_trusted: true }) if !record.is_cast() => {
                recall.block(at)
            }
            _ => Ok(None),
        }
    }

    /// Compares a block with chunks that are untrusted or of another dtype, and frees the chunks
    /// that it is the last block of.
    pub(crate) fn take_note(&mut self, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        if let Some(Kept { recall, record, is_trusted }) = &mut self.kept {
            if !*is_trusted || record.is_cast() {
                recall.compare(at, block)?;
            }
            recall.forget(at, block.shape());
        }
        Ok(())
    }

    /// Returns the stored bytes of a chunk that is already stored and need not be written. It is
    /// called once for each chunk.
    pub(crate) fn take_kept(&mut self, chunk: &[usize]) -> Option<u64> {
        self.kept.as_mut()?.recall.take_verified(chunk)
    }
}

/// Returns the error for a sequence without a grid, which cannot be resumed.
pub(crate) fn not_resumable(target: &Target) -> Error {
    ResumeError::NotResumable {
        target: target.to_string(),
        reason: "a streamed sequence can only compute all its blocks in order",
    }
    .into()
}

//! The course of a write: from the first block to the published array.

mod complete;
mod seen;
mod storing;

use std::fmt;

use lazy_core::{
    ArrayBlock, BlockCheck, BlockPosition, DType, Error as CoreError, Progress, Run, SequenceSpec,
};

use crate::error::{Result, TargetError};
use crate::read::StoredArray;
use crate::settings::{Existing, WriteSettings};
use crate::write::resume;
pub(crate) use complete::Complete;
pub(crate) use seen::planned_layout;
use storing::Storing;

/// A block in the dtype in which it is stored.
#[derive(Debug)]
pub struct CastBlock {
    /// The dtype of the block before it was cast.
    pub(crate) from: DType,
    pub(crate) block: ArrayBlock,
}

impl From<ArrayBlock> for CastBlock {
    /// Creates a block that was not cast.
    fn from(block: ArrayBlock) -> CastBlock {
        CastBlock { from: block.dtype(), block }
    }
}

/// A write in progress: the run of a [`ZarrSink`](crate::ZarrSink). If it is dropped before it
/// commits, it leaves the target unchanged.
pub struct Write {
    /// Checks the blocks again, since a reducer before the sink may have changed them.
    check: BlockCheck<'static>,
    course: Course,
}

/// The most attempts to start a write at a target that other writes change meanwhile.
const MOST_TRIES: usize = 10;

enum Course {
    /// The blocks are stored as a new array.
    Storing(Box<Storing>),
    /// The array is already complete.
    Complete(Box<Complete>),
}

impl fmt::Debug for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Write").finish_non_exhaustive()
    }
}

impl Write {
    /// Checks the settings and the target, and starts the write.
    pub(crate) fn start(settings: &WriteSettings, spec: &SequenceSpec) -> Result<Write> {
        settings.check()?;
        let settings = &settings.clone().for_sequence(spec);
        let cast = settings.cast_spec(spec)?;
        // An array that rows are appended to determines the settings.
        if let Some(row_type) = cast.row_type()
            && settings.existing != Existing::Append
        {
            settings.check_array(row_type.dtype, 1 + row_type.shape.len())?;
        }
        if settings.resume.is_some() && spec.grid().is_none() {
            return Err(resume::not_resumable(&settings.target));
        }
        let dtype_of_blocks = spec.row_type().map(|row_type| row_type.dtype);
        let check = BlockCheck::owned(spec.clone())?;
        for _ in 0..MOST_TRIES {
            if let Some(complete) = Complete::find(settings, &cast, dtype_of_blocks)? {
                return Ok(Write { check, course: Course::Complete(Box::new(complete)) });
            }
            // Another write may have appended the rows before this one acquired the target.
            if let Some(storing) = Storing::start(settings.clone(), &cast, dtype_of_blocks)? {
                return Ok(Write { check, course: Course::Storing(Box::new(storing)) });
            }
        }
        Err(TargetError::Replaced { target: settings.target.to_string() }.into())
    }

    /// Sets the names of the axes. It is called before the first block.
    pub(crate) fn set_dimension_names(&mut self, names: Vec<String>) {
        if let Course::Storing(storing) = &mut self.course {
            storing.set_dimension_names(names);
        }
    }
}

impl Run for Write {
    type Partial = CastBlock;
    type Output = StoredArray;

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
            Course::Storing(storing) => storing.add(at, block, from)?,
            Course::Complete(complete) => complete.compare(at, &block, from)?,
        }
        Ok(())
    }

    /// Writes the remaining chunks and the metadata, without publishing the array.
    fn prepare(&mut self) -> lazy_core::Result<()> {
        self.check.end()?;
        if let Course::Storing(storing) = &mut self.course {
            storing.prepare()?;
        }
        Ok(())
    }

    /// Publishes the array.
    fn commit(self) -> lazy_core::Result<StoredArray> {
        Ok(match self.course {
            Course::Storing(storing) => storing.publish()?,
            Course::Complete(complete) => complete.array()?,
        })
    }

    fn report(&self, progress: &mut Progress) {
        if let Course::Storing(storing) = &self.course {
            let (chunks, stored_bytes) = storing.written();
            progress.chunks += chunks;
            progress.stored_bytes += stored_bytes;
        }
    }

    fn abort(self, error: CoreError) -> CoreError {
        let Course::Storing(storing) = self.course else { return error };
        if !error.is_cancelled() {
            return error;
        }
        match storing.abort() {
            Some(kept) => error.with_kept(kept),
            None => error,
        }
    }
}

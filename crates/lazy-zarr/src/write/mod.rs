//! The course of a write: from the first block to the published array.

mod complete;
mod storing;

use std::collections::VecDeque;
use std::fmt;

use lazy_core::{ArrayBlock, BlockCheck, BlockPosition, Declared, Observer, Watching};

use crate::{Result, StoredArray, ZarrSink, resume};
use complete::Complete;
use storing::Storing;

/// A write in progress. Dropped before it is finished, it leaves the target unchanged.
pub struct Write {
    /// The blocks may come from another reducer, which has made others of those that were declared.
    check: BlockCheck<'static>,
    /// The blocks that were recalled, and have not come yet.
    recalled: VecDeque<BlockPosition>,
    watching: Option<Watching<dyn Observer>>,
    course: Course,
}

enum Course {
    /// Blocks become an array.
    Storing(Box<Storing>),
    /// The array is there already.
    Complete(Box<Complete>),
}

impl fmt::Debug for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Write").finish_non_exhaustive()
    }
}

impl Write {
    /// Checks the settings and the target.
    pub(crate) fn start(sink: &ZarrSink, declared: &Declared) -> Result<Write> {
        sink.check()?;
        if let Some(row_type) = declared.row_type() {
            sink.check_array(row_type.dtype, 1 + row_type.shape.len())?;
        }
        if sink.resume.is_some() && declared.grid().is_none() {
            return Err(resume::not_resumable(sink));
        }
        let course = match Complete::find(sink, declared)? {
            Some(complete) => Course::Complete(Box::new(complete)),
            None => Course::Storing(Box::new(Storing::start(sink, declared)?)),
        };
        Ok(Write {
            check: BlockCheck::owned(declared.clone())?,
            recalled: VecDeque::new(),
            watching: sink
                .observer()
                .map(|observer| Watching::start(declared, observer))
                .transpose()?,
            course,
        })
    }

    /// Returns the chunks and the bytes that have been written so far.
    fn written(&self) -> (u64, u64) {
        match &self.course {
            Course::Storing(storing) => storing.written(),
            Course::Complete(_) => (0, 0),
        }
    }

    /// Returns a block that has yet to come, when an earlier write has stored all of it.
    pub(crate) fn recall(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        let block = match &mut self.course {
            Course::Storing(storing) => storing.recall(at)?,
            Course::Complete(complete) => complete.recall(at)?,
        };
        if block.is_some() {
            self.recalled.push_back(at);
        }
        Ok(block)
    }

    /// Takes the next block.
    pub(crate) fn add(
        &mut self,
        sink: &ZarrSink,
        at: BlockPosition,
        block: ArrayBlock,
    ) -> Result<()> {
        self.check.block_at(at, block.dtype(), block.shape())?;
        let n_bytes = block.data().len();
        match &mut self.course {
            Course::Storing(storing) => storing.add(sink, at, block)?,
            Course::Complete(complete) => complete.compare(at, &block)?,
        }
        let (n_chunks, stored_bytes) = self.written();
        let is_recalled = self.recalled.front() == Some(&at);
        if is_recalled {
            self.recalled.pop_front();
        }
        if let Some(watching) = &mut self.watching {
            if is_recalled {
                watching.recall();
            }
            watching.set_stored(n_chunks, stored_bytes);
            watching.block(at, n_bytes as u64)?;
        }
        Ok(())
    }

    /// Writes what is left, after the last block; all but making it visible.
    pub(crate) fn seal(&mut self, sink: &ZarrSink) -> Result<()> {
        self.check.end()?;
        match &mut self.course {
            Course::Storing(storing) => storing.seal(sink),
            Course::Complete(_) => Ok(()),
        }
    }

    /// Makes the array visible.
    pub(crate) fn publish(self) -> Result<StoredArray> {
        let (n_chunks, stored_bytes) = self.written();
        let stored = match self.course {
            Course::Storing(storing) => storing.publish()?,
            Course::Complete(complete) => complete.array()?,
        };
        if let Some(mut watching) = self.watching {
            watching.set_stored(n_chunks, stored_bytes);
            watching.finish();
        }
        Ok(stored)
    }
}

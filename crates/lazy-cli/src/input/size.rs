//! The check that the input is as large as was said.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lazy_chunks::{ArrayBlock, BlockPosition, Declared, Error, Reducer, Result};

use super::InputError;
use crate::arguments;

/// A reducer that fails if there are fewer blocks or rows than was said, or more.
///
/// It checks that when it is sealed, at the latest: so nothing is published of a stream whose producer has died. Blocks are
/// those that the user has made: the records of a stream and the arrays of files, however they are cut.
#[derive(Clone, Debug, Default)]
pub(super) struct Size {
    pub(super) rows: Option<u64>,
    pub(super) blocks: Option<u64>,
    /// The rows of an array that must not be replaced by a smaller one.
    pub(super) replaced_rows: Option<u64>,
    /// The number of arrays, or of records that have begun.
    pub(super) n_begun: Arc<AtomicU64>,
}

impl Size {
    /// Of as many arrays, of which no size was said.
    pub(super) fn of_arrays(n_arrays: usize) -> Size {
        Size { n_begun: Arc::new(AtomicU64::new(n_arrays as u64)), ..Size::default() }
    }

    /// The same with what the user says.
    pub(super) fn with_arguments(self, arguments: &arguments::Input) -> Size {
        Size { rows: arguments.rows, blocks: arguments.blocks, ..self }
    }

    fn check(&self, n_rows: u64, has_ended: bool) -> Result<(), InputError> {
        let n_blocks = self.n_begun.load(Ordering::Relaxed);
        for (unit, declared, actual) in
            [("blocks", self.blocks, n_blocks), ("rows", self.rows, n_rows)]
        {
            match declared {
                Some(declared) if actual > declared => {
                    return Err(InputError::TooMany { unit, declared });
                }
                Some(declared) if has_ended && actual < declared => {
                    return Err(InputError::TooFew { unit, declared, actual });
                }
                _ => {}
            }
        }
        match self.replaced_rows {
            Some(replaced) if has_ended && n_rows < replaced => {
                Err(InputError::Smaller { replaced, actual: n_rows })
            }
            _ => Ok(()),
        }
    }
}

impl Reducer for Size {
    type Partial = u64;
    type State = u64;
    type Output = ();

    fn start(&self, _: &Declared) -> Result<u64> {
        Ok(0)
    }

    fn partial(&self, _: BlockPosition, block: &ArrayBlock) -> Result<u64> {
        Ok(block.shape()[0] as u64)
    }

    fn absorb(&self, counted: &mut u64, at: BlockPosition, n_rows: u64) -> Result<()> {
        *counted = at.row as u64 + n_rows;
        self.check(*counted, false).map_err(Error::other)
    }

    fn seal(&self, counted: &mut u64) -> Result<()> {
        self.check(*counted, true).map_err(Error::other)
    }

    fn finish(&self, _: u64) -> Result<()> {
        Ok(())
    }
}

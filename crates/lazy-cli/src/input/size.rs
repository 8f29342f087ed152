//! The check that the input has the declared size.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lazy_chunks::{ArrayBlock, BlockPosition, Error, Reducer, Result, Run, SequenceSpec};

use super::InputError;

/// A reducer that fails if the number of blocks or rows is not the declared one.
///
/// It checks the numbers when it prepares, at the latest, so nothing is published of a stream whose
/// producer failed. Blocks here are those that the user made, the records of a stream and the
/// arrays of files, however they are cut.
#[derive(Clone, Debug, Default)]
pub(super) struct Size {
    pub(super) rows: Option<u64>,
    pub(super) blocks: Option<u64>,
    /// The number of rows of an array that a smaller one must not replace.
    pub(super) replaced_rows: Option<u64>,
    /// The number of arrays, or of records whose header was read.
    pub(super) n_begun: Arc<AtomicU64>,
}

impl Size {
    /// Returns the check for this number of arrays, without a declared size.
    pub(super) fn of_arrays(n_arrays: usize) -> Size {
        Size { n_begun: Arc::new(AtomicU64::new(n_arrays as u64)), ..Size::default() }
    }

    /// Sets the numbers of rows and blocks that the user declares.
    pub(super) fn with_declared(self, rows: Option<u64>, blocks: Option<u64>) -> Size {
        Size { rows, blocks, ..self }
    }

    /// Checks the numbers of all rows and blocks.
    pub(super) fn check_all(&self, n_rows: u64) -> Result<(), InputError> {
        self.check(n_rows, true)
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
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<u64>;
    type Run = Counted;
    type Output = ();

    fn start(self, _: &SequenceSpec) -> Result<(Self::Map, Counted)> {
        Ok((|_, block| Ok(block.shape()[0] as u64), Counted { size: self, n_rows: 0 }))
    }
}

/// The number of rows so far.
#[derive(Debug)]
pub(super) struct Counted {
    size: Size,
    n_rows: u64,
}

impl Run for Counted {
    type Partial = u64;
    type Output = ();

    fn merge(&mut self, at: BlockPosition, n_rows: u64) -> Result<()> {
        self.n_rows = at.row as u64 + n_rows;
        self.size.check(self.n_rows, false).map_err(Error::other)
    }

    fn prepare(&mut self) -> Result<()> {
        self.size.check(self.n_rows, true).map_err(Error::other)
    }

    fn commit(self) -> Result<()> {
        Ok(())
    }
}

//! The check that the input is as large as was said.

use lazy_chunks::{ArrayBlock, BlockPosition, Declared, Error, Reducer, Result};

use super::InputError;

/// A reducer that fails if there are fewer blocks or rows than was said, or more.
///
/// It checks that when it is sealed, at the latest: so nothing is published of a stream whose producer has died.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) rows: Option<u64>,
    pub(super) blocks: Option<u64>,
    /// The rows of an array that must not be replaced by a smaller one.
    pub(super) replaced_rows: Option<u64>,
}

/// The rows and blocks so far.
#[derive(Debug, Default)]
pub(super) struct Counted {
    rows: u64,
    blocks: u64,
}

impl Size {
    fn check(&self, counted: &Counted, has_ended: bool) -> Result<(), InputError> {
        for (unit, declared, actual) in
            [("blocks", self.blocks, counted.blocks), ("rows", self.rows, counted.rows)]
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
            Some(replaced) if has_ended && counted.rows < replaced => {
                Err(InputError::Smaller { replaced, actual: counted.rows })
            }
            _ => Ok(()),
        }
    }
}

impl Reducer for Size {
    type Partial = u64;
    type State = Counted;
    type Output = ();

    fn start(&self, _: &Declared) -> Result<Counted> {
        Ok(Counted::default())
    }

    fn partial(&self, _: BlockPosition, block: &ArrayBlock) -> Result<u64> {
        Ok(block.shape()[0] as u64)
    }

    fn absorb(&self, counted: &mut Counted, at: BlockPosition, n_rows: u64) -> Result<()> {
        counted.blocks += 1;
        counted.rows = at.row as u64 + n_rows;
        self.check(counted, false).map_err(Error::other)
    }

    fn seal(&self, counted: &mut Counted) -> Result<()> {
        self.check(counted, true).map_err(Error::other)
    }

    fn finish(&self, _: Counted) -> Result<()> {
        Ok(())
    }
}

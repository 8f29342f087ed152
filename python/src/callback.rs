//! A function that is called with each block.

use lazy_chunks::{ArrayBlock, BlockPosition, Result, Statistic};
use pyo3::prelude::*;

use crate::arrays::lend;
use crate::attach::attach;
use crate::own_statistic::failed_at;

/// Calls a Python function with the position of each block and its elements.
pub(crate) struct Callback(Py<PyAny>);

impl Callback {
    pub(crate) fn new(function: Bound<'_, PyAny>) -> Callback {
        Callback(function.unbind())
    }
}

impl Statistic for Callback {
    type State = ();
    type Output = ();

    fn name(&self) -> String {
        "on_block".to_owned()
    }

    fn empty(&self) {}

    fn update(&self, (): &mut (), at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        attach(|py| {
            let block = lend(py, block.clone())?;
            self.0.call1(py, ((at.row, at.column), block)).map(drop)
        })
        .map_err(|error| failed_at("on_block", at, error))
    }

    fn merge(&self, (): &mut (), (): ()) -> Result<()> {
        Ok(())
    }

    fn finish(&self, (): ()) -> Result<()> {
        Ok(())
    }
}

//! The one loop that evaluates blocks, checks them and feeds them to a reducer.

use super::Reducer;
use super::check::BlockCheck;
use crate::stream::{BlockStream, Step};
use crate::{ArrayBlock, Declared, Result};

/// Runs a reduction from its start to its result.
pub(crate) fn reduce<R: Reducer>(
    reducer: &R,
    mut stream: BlockStream<'_, ArrayBlock>,
) -> Result<R::Output> {
    let declared = stream.declared();
    let state = accumulate(reducer, declared, || stream.next_step())?;
    reducer.finish(state)
}

/// Runs a reduction until it is sealed. Every step is checked before the reducer sees it.
pub(crate) fn accumulate<R: Reducer>(
    reducer: &R,
    declared: &Declared,
    mut next_step: impl FnMut() -> Option<Result<Step<ArrayBlock>>>,
) -> Result<R::State> {
    let mut check = BlockCheck::new(declared)?;
    let mut state = reducer.start(declared)?;
    while let Some(step) = next_step() {
        match step? {
            Step::Block(block) => {
                let at = check.block(block.dtype(), block.shape())?;
                let partial = reducer.partial(at, &block)?;
                reducer.absorb(&mut state, at, partial)?;
            }
            Step::EndBand => check.end_band()?,
        }
    }
    reducer.seal(&mut state)?;
    Ok(state)
}

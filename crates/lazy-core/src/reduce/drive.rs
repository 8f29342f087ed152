//! The one loop that evaluates blocks, checks them and feeds them to a reducer.

use super::Reducer;
use crate::stream::{BlockStream, Step};
use crate::{ArrayBlock, BlockCheck, Result};

/// Runs a reduction from its start to its result.
pub(crate) fn reduce<R: Reducer>(
    reducer: &R,
    mut stream: BlockStream<'_, ArrayBlock>,
) -> Result<R::Output> {
    let state = accumulate(reducer, &mut stream, |block| block)?;
    reducer.finish(state)
}

/// Runs a reduction of anything that becomes blocks until it is sealed. Every block is checked
/// before the reducer sees it.
pub(crate) fn accumulate<R: Reducer, T>(
    reducer: &R,
    stream: &mut BlockStream<'_, T>,
    into_block: impl Fn(T) -> ArrayBlock,
) -> Result<R::State> {
    let declared = stream.declared();
    let mut check = BlockCheck::new(declared)?;
    let mut state = reducer.start(declared)?;
    while let Some(step) = stream.next_step() {
        match step? {
            Step::Block(block) => {
                let block = into_block(block);
                stream.trace().bytes(block.data().len());
                let at = check.block(block.dtype(), block.shape())?;
                reducer
                    .partial(at, &block)
                    .and_then(|partial| reducer.absorb(&mut state, at, partial))
                    .map_err(|error| error.in_reduction(at.location))?;
            }
            Step::EndBand => check.end_band()?,
        }
    }
    reducer.seal(&mut state)?;
    Ok(state)
}

//! Evaluates blocks, checks them and feeds them to a reducer: one after the other here, or on several threads.

use super::{Reducer, parallel};
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
    into_block: impl Fn(T) -> ArrayBlock + Sync,
) -> Result<R::State> {
    let mut state = match stream.parallel() {
        Some(blocks) => parallel::accumulate(reducer, stream, blocks, into_block)?,
        None => accumulate_in_order(reducer, stream, into_block)?,
    };
    reducer.seal(&mut state)?;
    Ok(state)
}

fn accumulate_in_order<R: Reducer, T>(
    reducer: &R,
    stream: &mut BlockStream<'_, T>,
    into_block: impl Fn(T) -> ArrayBlock,
) -> Result<R::State> {
    let declared = stream.declared().for_pass(1);
    let mut check = BlockCheck::new(&declared)?;
    let mut state = reducer.start(&declared)?;
    loop {
        let recalled = match check.next_of_grid() {
            Some(at) => reducer.recall(&mut state, at)?,
            None => None,
        };
        let step = match recalled {
            Some(block) => {
                stream.skip_block()?;
                Step::Block(block)
            }
            None => match stream.next_step().transpose()? {
                Some(Step::Block(block)) => Step::Block(into_block(block)),
                Some(Step::EndBand) => Step::EndBand,
                None => break,
            },
        };
        match step {
            Step::Block(block) => {
                stream.trace().bytes(block.data().len());
                let at = check.block(block.dtype(), block.shape())?;
                declared
                    .memory()
                    .contribute(|| reducer.partial(at, &block))
                    .and_then(|partial| reducer.absorb(&mut state, at, partial))
                    .map_err(|error| error.in_reduction(at.location))?;
            }
            Step::EndBand => check.end_band()?,
        }
    }
    Ok(state)
}

//! Runs a pass: evaluates, checks and reduces blocks, on this thread alone or on several threads.

use super::{BlockMap, Reducer, Run, parallel};
use crate::progress::Tracker;
use crate::stream::{BlockStream, Parallel, Step};
use crate::{ArrayBlock, BlockCheck, Result, SequenceSpec};

/// Runs a pass from its start to its result, over blocks or anything that converts into blocks.
/// Checks every block before the reducer receives it.
pub(crate) fn reduce<R: Reducer, T>(
    reducer: R,
    mut stream: BlockStream<'_, T>,
    into_block: impl Fn(T) -> ArrayBlock + Sync,
) -> Result<R::Output> {
    let parallel = stream.parallel();
    let spec = spec_of_pass(stream.spec(), parallel);
    BlockCheck::new(&spec)?;
    let mut tracker = stream.take_tracker();
    let (map, mut run) = reducer.start(&spec)?;
    let reduced = tracker.start().and_then(|()| match parallel {
        Some(parallel) => {
            parallel::reduce(&spec, &map, &mut run, &mut stream, parallel, into_block, &mut tracker)
        }
        None => reduce_in_order(&spec, &map, &mut run, &mut stream, into_block, &mut tracker),
    });
    let prepared = reduced.and_then(|()| run.prepare());
    tracker.report(|progress| run.report(progress));
    if let Err(error) = prepared {
        return Err(run.abort(error));
    }
    let output = run.commit()?;
    tracker.finish();
    Ok(output)
}

/// Returns the declaration for one pass, on the threads that compute its blocks.
pub(crate) fn spec_of_pass<T>(
    spec: &SequenceSpec,
    parallel: Option<Parallel<'_, T>>,
) -> SequenceSpec {
    spec.for_pass(parallel.map_or(1, |parallel| parallel::n_in_flight(spec, parallel)))
}

fn reduce_in_order<M, N, T>(
    spec: &SequenceSpec,
    map: &M,
    run: &mut N,
    stream: &mut BlockStream<'_, T>,
    into_block: impl Fn(T) -> ArrayBlock,
    tracker: &mut Tracker<'_>,
) -> Result<()>
where
    M: BlockMap,
    N: Run<Partial = M::Partial>,
{
    let mut check = BlockCheck::new(spec)?;
    loop {
        let restored = match check.next_of_grid() {
            Some(at) => run.restore(at).map_err(|error| error.in_reduction(at.index))?,
            None => None,
        };
        let is_restored = restored.is_some();
        let step = match restored {
            Some(block) => {
                stream.skip_block()?;
                Step::Block(block)
            }
            None => match stream.next_step().transpose()? {
                Some(Step::Block(block)) => Step::Block(into_block(block)),
                Some(Step::EndBand) => Step::EndBand,
                None => return Ok(()),
            },
        };
        match step {
            Step::Block(block) => {
                let n_bytes = block.data().len();
                stream.trace().bytes(n_bytes);
                let at = check.block(block.dtype(), block.shape())?;
                spec.memory()
                    .contribute(|| map.partial(at, &block))
                    .and_then(|partial| {
                        // The run may be the only owner left, and can then reuse the memory.
                        drop(block);
                        run.merge(at, partial)
                    })
                    .map_err(|error| error.in_reduction(at.index))?;
                tracker.block(at.index, n_bytes, is_restored, |progress| run.report(progress))?;
            }
            Step::EndBand => check.end_band()?,
        }
    }
}

//! Reduces blocks on several threads: all threads compute and check blocks and compute their
//! contributions, and the evaluating thread merges the contributions in the order of the blocks.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{BlockMap, Run};
use crate::error::Case;
use crate::memory::n_elements;
use crate::progress::Tracker;
use crate::stream::{BlockStream, Dealing, Parallel, guarded, in_order};
use crate::{
    ArrayBlock, BlockCheck, BlockGrid, BlockPosition, BlockSizes, Error, Result, SequenceSpec,
};

/// Returns the maximum number of blocks of a pass in flight.
pub(super) fn n_in_flight<T>(spec: &SequenceSpec, parallel: Parallel<'_, T>) -> usize {
    let grid = grid_of(spec);
    // While the size of rows is unknown, their blocks may be arbitrarily small.
    let row_length = spec.row_type().map_or(0, |row_type| saturating_product(&row_type.shape));
    dealing(grid, parallel, Some(row_length)).max_in_flight.min(grid.n_blocks())
}

fn grid_of(spec: &SequenceSpec) -> &BlockGrid {
    spec.grid().expect("threads share only sequences that are made from a grid")
}

/// Reduces all blocks on several threads.
pub(super) fn reduce<M, N, T>(
    spec: &SequenceSpec,
    map: &M,
    run: &mut N,
    stream: &mut BlockStream<'_, T>,
    parallel: Parallel<'_, T>,
    into_block: impl Fn(T) -> ArrayBlock + Sync,
    tracker: &mut Tracker<'_>,
) -> Result<()>
where
    M: BlockMap,
    N: Run<Partial = M::Partial>,
{
    let grid = grid_of(spec);
    let check = BlockCheck::new(spec)?;
    if grid.n_blocks() == 0 && grid.rows().n_blocks() > 0 {
        return Err(Case::EmptyBand { band: 0 }.into());
    }
    let trace = stream.trace().clone();
    let threads = trace.for_threads();
    let first = FirstBlock::new(check.clone());
    let _release = parallel.release_on_drop();
    let compute = |index: usize, restored: Option<ArrayBlock>| {
        // If this fails or panics before the block is checked, threads that wait for the first
        // block must be notified.
        let check_first = (index == 0).then(|| (first.settle_on_drop(), check.clone()));
        let is_restored = restored.is_some();
        let (band, column) = grid.band_and_column(index);
        let (block, in_producer) = match restored {
            Some(block) => (Ok(block), Duration::ZERO),
            None => threads.in_producer(|| {
                let at = grid.position(index).index;
                guarded(at, || parallel.block(band, column)).map(&into_block)
            }),
        };
        let block = block?;
        let n_bytes = block.data().len();
        let at = match check_first {
            Some((settle, mut check)) => {
                let at = check.block(block.dtype(), block.shape())?;
                settle.fits(check);
                at
            }
            None => {
                let Some(mut check) = first.check() else { return Ok(None) };
                check.seek(grid, band, column);
                check.block(block.dtype(), block.shape())?
            }
        };
        let partial = spec
            .memory()
            .contribute(|| map.partial(at, &block))
            .map_err(|error| error.in_reduction(at.index))?;
        Ok(Some(Done { at, partial, n_bytes, in_producer, is_restored }))
    };
    let deal = || {
        let n_columns = grid.columns().map_or(1, BlockSizes::total);
        let row_length = first.n_trailing().map(|n_trailing| n_columns.saturating_mul(n_trailing));
        dealing(grid, parallel, row_length)
    };
    in_order(grid.n_blocks(), parallel.n_threads(), &threads, compute, |items| {
        // Threads that wait for the first block must not wait for ever.
        let _over = first.settle_on_drop();
        for index in 0..grid.n_blocks() {
            let restore = |index| {
                let at = grid.position(index);
                run.restore(at).map_err(|error| error.in_reduction(at.index))
            };
            let done: Done<M::Partial> = items.next(index, deal, restore)?;
            if done.is_restored {
                trace.restored();
            } else {
                trace.block();
            }
            trace.bytes(done.n_bytes);
            trace.add_in_producer(done.in_producer);
            let at = done.at;
            run.merge(at, done.partial).map_err(|error| error.in_reduction(at.index))?;
            parallel.release(index + 1);
            tracker.block(at.index, done.n_bytes, done.is_restored, |progress| {
                run.report(progress);
            })?;
        }
        Ok::<(), Error>(())
    })?;
    stream.complete();
    Ok(())
}

struct Done<P> {
    at: BlockPosition,
    partial: P,
    n_bytes: usize,
    in_producer: Duration,
    is_restored: bool,
}

/// The state of the check after the first block, against which all other blocks are checked.
struct FirstBlock<'e> {
    state: Mutex<First<'e>>,
    changed: Condvar,
}

enum First<'e> {
    /// A thread computes the first block, or will compute it.
    Unknown,
    Fits(BlockCheck<'e>),
    /// The first block failed, and its error is the one to report, or the evaluation is over.
    Failed,
}

impl<'e> FirstBlock<'e> {
    fn new(check: BlockCheck<'e>) -> FirstBlock<'e> {
        let first = match check.element_type() {
            Some(_) => First::Fits(check),
            None => First::Unknown,
        };
        FirstBlock { state: Mutex::new(first), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, First<'e>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the first block, and returns its check unless it failed.
    fn check(&self) -> Option<BlockCheck<'e>> {
        let mut first = self.lock();
        loop {
            match &*first {
                First::Fits(check) => return Some(check.clone()),
                First::Failed => return None,
                First::Unknown => {
                    first = self.changed.wait(first).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Returns the number of elements of the uncut axes, once it is known.
    fn n_trailing(&self) -> Option<usize> {
        match &*self.lock() {
            First::Fits(check) => check.element_type().map(|(_, shape)| saturating_product(shape)),
            First::Unknown | First::Failed => None,
        }
    }

    /// Returns a guard that marks the first block as failed for waiting threads, unless the block
    /// was accepted.
    fn settle_on_drop(&self) -> SettleOnDrop<'_, 'e> {
        SettleOnDrop(self)
    }
}

struct SettleOnDrop<'f, 'e>(&'f FirstBlock<'e>);

impl<'e> SettleOnDrop<'_, 'e> {
    fn fits(self, check: BlockCheck<'e>) {
        *self.0.lock() = First::Fits(check);
        self.0.changed.notify_all();
    }
}

impl Drop for SettleOnDrop<'_, '_> {
    fn drop(&mut self) {
        let mut first = self.0.lock();
        if matches!(*first, First::Unknown) {
            *first = First::Failed;
            drop(first);
            self.0.changed.notify_all();
        }
    }
}

/// Returns how blocks with rows of `row_length` elements, if known, are dealt: one at a time, or in
/// runs if dealing such small blocks could take longer than computing them.
fn dealing<T>(grid: &BlockGrid, parallel: Parallel<'_, T>, row_length: Option<usize>) -> Dealing {
    /// The number of elements that take longer to compute than to deal, whatever they are.
    const N_ELEMENTS: usize = 4096;
    /// The minimum number of runs, so that every thread gets some.
    const N_RUNS: usize = 64;
    /// The maximum number of blocks in a run, since each has its own state until it is merged.
    const LONGEST: usize = 16;
    let n_threads = parallel.n_threads().min(grid.n_blocks());
    let run_length = row_length.map_or(1, |row_length| {
        let n_elements = grid.rows().total().saturating_mul(row_length);
        let of_a_block = n_elements.div_ceil(grid.n_blocks().max(1)).max(1);
        N_ELEMENTS.div_ceil(of_a_block).min(LONGEST).min(grid.n_blocks() / N_RUNS).max(1)
    });
    match parallel.max_in_flight() {
        Some(max_in_flight) => {
            let run_length = run_length.min((max_in_flight / n_threads.max(1)).max(1));
            Dealing { run_length, max_in_flight }
        }
        None => Dealing { run_length, max_in_flight: 2 * n_threads * run_length },
    }
}

fn saturating_product(shape: &[usize]) -> usize {
    n_elements(shape).unwrap_or(usize::MAX)
}

//! Evaluates blocks on several threads, and feeds them to a reducer in their order.
//!
//! The thread that evaluates deals blocks, absorbs what they contribute, and computes blocks itself while there is
//! nothing to absorb. What the others are dealt is bounded by a window from the block that is absorbed next, so
//! that no more blocks are ever alive.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::Reducer;
use crate::memory::{Memory, n_elements};
use crate::stream::{BlockStream, Parallel, TraceOfThreads, guarded};
use crate::{ArrayBlock, BlockCheck, BlockGrid, BlockPosition, BlockSizes, Error, Result};

/// As [`accumulate`](super::drive::accumulate), but for the seal.
pub(super) fn accumulate<R: Reducer, T>(
    reducer: &R,
    stream: &mut BlockStream<'_, T>,
    parallel: Parallel<'_, T>,
    into_block: impl Fn(T) -> ArrayBlock + Sync,
) -> Result<R::State> {
    let grid = stream.declared().grid().expect("a sequence that threads share is made from a grid");
    let n_threads = parallel.n_threads().min(grid.n_blocks());
    let dealing = Dealing { n_threads, window: parallel.window() };
    let row_type = stream.declared().row_type();
    // As long as the rows are not known, their blocks may be as small as can be.
    let row_length = row_type.map_or(0, |row_type| saturating_product(&row_type.shape));
    let n_in_flight = dealing.window(dealing.run_length(grid, row_length)).min(grid.n_blocks());
    let declared = stream.declared().for_pass(n_in_flight);
    let check = BlockCheck::new(&declared)?;
    let mut state = reducer.start(&declared)?;
    if grid.n_blocks() == 0 && grid.rows().n_blocks() > 0 {
        return Err(Error::EmptyBand { band: 0 });
    }
    let trace = stream.trace().clone();
    let compute = |index: usize, recalled: Option<ArrayBlock>, threads: &TraceOfThreads| {
        if let Some(block) = recalled {
            return (Ok(block), Duration::ZERO);
        }
        let (band, column) = (index / grid.blocks_per_band(), index % grid.blocks_per_band());
        let at = grid.position(index).location;
        let block = || guarded(at, || parallel.block(band, column)).map(&into_block);
        threads.in_producer(block)
    };
    let evaluation = Evaluation {
        reducer,
        grid,
        memory: declared.memory(),
        compute,
        trace: trace.for_threads(),
        queue: Mutex::new(Queue {
            tasks: VecDeque::new(),
            results: VecDeque::new(),
            first: match check.element_type() {
                Some(_) => First::Fits(check.clone()),
                None => First::Unknown,
            },
            n_absorbed: 0,
            failed: usize::MAX,
            is_over: false,
        }),
        check,
        changed: Condvar::new(),
    };
    thread::scope(|scope| {
        let _over = Over(&evaluation);
        for _ in 1..n_threads {
            let thread = thread::Builder::new().name("lazy-core evaluation".to_owned());
            let work = || evaluation.trace.within(|| evaluation.work());
            if thread.spawn_scoped(scope, work).is_err() {
                // The system has no more threads. Those that there are do all the work.
                break;
            }
        }
        let mut dealer = Dealer { n_dealt: 0, dealing };
        let mut ready = VecDeque::new();
        for index in 0..grid.n_blocks() {
            let outcome = loop {
                dealer.deal(&evaluation, &mut state, index)?;
                if let Some(outcome) = ready.pop_front() {
                    break outcome;
                }
                evaluation.advance(&mut ready);
            };
            let done: Done<R::Partial> = outcome.unwrap_or_else(|panic| resume_unwind(panic))?;
            if done.is_recalled {
                trace.recalled();
            } else {
                trace.block();
            }
            trace.bytes(done.n_bytes);
            trace.add_in_producer(done.in_producer);
            reducer
                .absorb(&mut state, done.at, done.partial)
                .map_err(|error| error.in_reduction(done.at.location))?;
        }
        Ok::<(), Error>(())
    })?;
    stream.complete();
    Ok(state)
}

/// What all threads share.
struct Evaluation<'e, R: Reducer, F> {
    reducer: &'e R,
    grid: &'e BlockGrid,
    /// The memory that statistics may take.
    memory: &'e Memory,
    /// What there is to check of a block before any has been seen.
    check: BlockCheck<'e>,
    /// Computes a block that was not recalled, and says how long that took.
    compute: F,
    trace: TraceOfThreads,
    queue: Mutex<Queue<'e, R::Partial>>,
    /// Told of new tasks, of results, of the first block, and of the end.
    changed: Condvar,
}

struct Queue<'e, P> {
    /// What has been dealt, in the order of the blocks.
    tasks: VecDeque<Task>,
    /// What has come of the blocks that are not absorbed, from the first of them on.
    results: VecDeque<Option<Outcome<P>>>,
    first: First<'e>,
    /// The blocks whose results were taken.
    n_absorbed: usize,
    /// The first block that is known to fail: none behind it is begun.
    failed: usize,
    is_over: bool,
}

/// Blocks that one thread computes.
enum Task {
    Compute(Range<usize>),
    Recalled(usize, ArrayBlock),
}

/// Whether the first block is one that all others are to be like.
enum First<'e> {
    Unknown,
    Fits(BlockCheck<'e>),
    Failed,
}

/// What comes of a block; a panic is one of the reducer's.
type Outcome<P> = Result<Result<Done<P>>, Box<dyn Any + Send>>;

struct Done<P> {
    at: BlockPosition,
    partial: P,
    n_bytes: usize,
    in_producer: Duration,
    is_recalled: bool,
}

/// Ends the evaluation on all threads, however that of the caller leaves it.
struct Over<'o, 'e, R: Reducer, F>(&'o Evaluation<'e, R, F>);

impl<R: Reducer, F> Drop for Over<'_, '_, R, F> {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_all();
    }
}

impl<'e, R: Reducer, F> Evaluation<'e, R, F> {
    fn lock(&self) -> MutexGuard<'_, Queue<'e, R::Partial>> {
        // Nothing panics while it is held, so what it guards is whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'q>(
        &self,
        queue: MutexGuard<'q, Queue<'e, R::Partial>>,
    ) -> MutexGuard<'q, Queue<'e, R::Partial>> {
        self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'e, R, F> Evaluation<'e, R, F>
where
    R: Reducer,
    F: Fn(usize, Option<ArrayBlock>, &TraceOfThreads) -> (Result<ArrayBlock>, Duration),
{
    /// Works off tasks until it is over: what the other threads do.
    fn work(&self) {
        let mut queue = self.lock();
        while !queue.is_over {
            queue = match queue.tasks.pop_front() {
                Some(task) => {
                    drop(queue);
                    self.work_off(task);
                    self.lock()
                }
                None => self.wait(queue),
            };
        }
    }

    /// Takes the results that are there; or else works off a task, or waits until there is one or the other.
    fn advance(&self, ready: &mut VecDeque<Outcome<R::Partial>>) {
        let mut queue = self.lock();
        loop {
            while let Some(Some(_)) = queue.results.front() {
                ready.extend(queue.results.pop_front().flatten());
                queue.n_absorbed += 1;
            }
            if !ready.is_empty() {
                return;
            }
            if let Some(task) = queue.tasks.pop_front() {
                drop(queue);
                return self.work_off(task);
            }
            queue = self.wait(queue);
        }
    }

    fn work_off(&self, task: Task) {
        let (range, mut recalled) = match task {
            Task::Compute(range) => (range, None),
            Task::Recalled(index, block) => (index..index + 1, Some(block)),
        };
        let first = range.start;
        let mut outcomes = Vec::with_capacity(range.len());
        for index in range {
            let is_void = {
                let queue = self.lock();
                queue.is_over || index > queue.failed
            };
            if is_void {
                break;
            }
            let recalled = recalled.take();
            let outcome = catch_unwind(AssertUnwindSafe(|| self.evaluate(index, recalled)));
            let Some(outcome) = outcome.map(Result::transpose).transpose() else { break };
            let has_failed = !matches!(outcome, Ok(Ok(_)));
            outcomes.push(outcome);
            if has_failed {
                let mut queue = self.lock();
                queue.failed = queue.failed.min(index);
                if index == 0 {
                    queue.first = First::Failed;
                }
                break;
            }
        }
        let mut queue = self.lock();
        for (i, outcome) in outcomes.into_iter().enumerate() {
            let place = first + i - queue.n_absorbed;
            queue.results[place] = Some(outcome);
        }
        drop(queue);
        self.changed.notify_all();
    }

    /// Computes a block, checks it, and finds what it contributes. None when it is over.
    fn evaluate(
        &self,
        index: usize,
        recalled: Option<ArrayBlock>,
    ) -> Result<Option<Done<R::Partial>>> {
        let is_recalled = recalled.is_some();
        let (block, in_producer) = (self.compute)(index, recalled, &self.trace);
        let block = block?;
        let check = if index == 0 { Some(self.check.clone()) } else { self.check_like_first() };
        let Some(mut check) = check else { return Ok(None) };
        let n_columns = self.grid.blocks_per_band();
        check.seek(self.grid, index / n_columns, index % n_columns);
        let at = check.block(block.dtype(), block.shape())?;
        if index == 0 {
            self.lock().first = First::Fits(check);
            self.changed.notify_all();
        }
        let partial = self
            .memory
            .contribute(|| self.reducer.partial(at, &block))
            .map_err(|error| error.in_reduction(at.location))?;
        Ok(Some(Done { at, partial, n_bytes: block.data().len(), in_producer, is_recalled }))
    }

    /// The check that the first block has passed, which some thread is at or is done with. None when it has not, whose
    /// error is the one that is reported, and when it is over.
    fn check_like_first(&self) -> Option<BlockCheck<'e>> {
        let mut queue = self.lock();
        loop {
            match &queue.first {
                First::Fits(check) => return Some(check.clone()),
                First::Failed => return None,
                First::Unknown if queue.is_over => return None,
                First::Unknown => queue = self.wait(queue),
            }
        }
    }
}

/// The number of blocks that a thread is dealt at once, and that may be alive.
#[derive(Clone, Copy)]
struct Dealing {
    n_threads: usize,
    /// The blocks that may be alive at once, if that was said.
    window: Option<usize>,
}

impl Dealing {
    /// The blocks that a thread is dealt at once, of rows of so many elements: one, unless they are so small that dealing
    /// them takes longer than computing them might.
    fn run_length(self, grid: &BlockGrid, n_elements_of_row: usize) -> usize {
        /// Elements that take longer than dealing them, whatever they are.
        const N_ELEMENTS: usize = 4096;
        /// Runs that there are at least, so that all threads have some.
        const N_RUNS: usize = 64;
        /// Blocks of a run at most: each has a state of its own until it is absorbed.
        const LONGEST: usize = 16;
        let n_elements = grid.rows().total().saturating_mul(n_elements_of_row);
        let of_a_block = n_elements.div_ceil(grid.n_blocks().max(1)).max(1);
        let run_length =
            N_ELEMENTS.div_ceil(of_a_block).min(LONGEST).min(grid.n_blocks() / N_RUNS).max(1);
        self.window
            .map_or(run_length, |window| run_length.min((window / self.n_threads.max(1)).max(1)))
    }

    /// The blocks that may be alive at once, where runs are of this length.
    fn window(self, run_length: usize) -> usize {
        self.window.unwrap_or(2 * self.n_threads * run_length)
    }
}

/// Deals blocks, in their order and no further than the window goes.
struct Dealer {
    n_dealt: usize,
    dealing: Dealing,
}

impl Dealer {
    /// Deals as much as may be dealt while block `next` is the one to be absorbed.
    fn deal<R: Reducer, F>(
        &mut self,
        evaluation: &Evaluation<'_, R, F>,
        state: &mut R::State,
        next: usize,
    ) -> Result<()> {
        let grid = evaluation.grid;
        loop {
            let run_length = self.run_length(evaluation);
            let window = self.dealing.window(run_length);
            let end = grid.n_blocks().min(self.n_dealt + run_length);
            if self.n_dealt == grid.n_blocks() || end > next.saturating_add(window) {
                return Ok(());
            }
            let mut tasks = VecDeque::new();
            let mut start = self.n_dealt;
            for index in self.n_dealt..end {
                if let Some(block) = evaluation.reducer.recall(state, grid.position(index))? {
                    tasks.extend((start < index).then_some(Task::Compute(start..index)));
                    tasks.push_back(Task::Recalled(index, block));
                    start = index + 1;
                }
            }
            tasks.extend((start < end).then_some(Task::Compute(start..end)));
            let mut queue = evaluation.lock();
            queue.tasks.append(&mut tasks);
            queue.results.extend((self.n_dealt..end).map(|_| None));
            drop(queue);
            evaluation.changed.notify_all();
            self.n_dealt = end;
        }
    }

    /// The length of a run: it follows from the grid, once the first block has told what it is a grid of.
    fn run_length<R: Reducer, F>(&self, evaluation: &Evaluation<'_, R, F>) -> usize {
        let n_trailing = match &evaluation.lock().first {
            First::Fits(check) => check.element_type().map(|(_, shape)| saturating_product(shape)),
            First::Unknown | First::Failed => None,
        };
        let Some(n_trailing) = n_trailing else { return 1 };
        let n_columns = evaluation.grid.columns().map_or(1, BlockSizes::total);
        self.dealing.run_length(evaluation.grid, n_columns.saturating_mul(n_trailing))
    }
}

fn saturating_product(shape: &[usize]) -> usize {
    n_elements(shape).unwrap_or(usize::MAX)
}

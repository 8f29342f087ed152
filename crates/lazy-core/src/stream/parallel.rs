//! Evaluation of blocks on several threads.

use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use super::in_order::{Dealing, Items, in_order};
use super::{BlockStream, Evaluation, Failure, ProduceIndexed, Step, Steps, Trace};

/// The number of threads that compute blocks, and the maximum number of blocks in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threads {
    /// `None` for the number of cores.
    number: Option<NonZeroUsize>,
    max_in_flight: Option<NonZeroUsize>,
}

impl Default for Threads {
    fn default() -> Threads {
        Threads { number: Some(NonZeroUsize::MIN), max_in_flight: None }
    }
}

impl Threads {
    /// Sets the number of threads; 0 means the number of cores.
    pub(crate) fn with_number(self, n_threads: usize) -> Threads {
        Threads { number: NonZeroUsize::new(n_threads), ..self }
    }

    pub(crate) fn with_max_in_flight(self, n_blocks: usize) -> Threads {
        Threads { max_in_flight: NonZeroUsize::new(n_blocks.max(1)), ..self }
    }
}

/// Evaluates a stream on several threads; see [`Parallel::evaluate`].
pub(crate) type Evaluate<T> =
    for<'s> fn(BlockStream<'s, T>, Parallel<'s, T>, &mut dyn FnMut(BlockStream<'_, T>));

/// A producer that any thread may call, with the number of threads that call it.
pub(crate) struct Parallel<'s, T> {
    producer: &'s (dyn ProduceIndexed<T> + Send + Sync),
    evaluation: Evaluation,
    threads: Threads,
    on_threads: Evaluate<T>,
}

impl<T> Clone for Parallel<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Parallel<'_, T> {}

impl<'s, T> Parallel<'s, T> {
    pub(crate) fn new(
        producer: &'s (dyn ProduceIndexed<T> + Send + Sync),
        threads: Threads,
        on_threads: Evaluate<T>,
    ) -> Parallel<'s, T> {
        Parallel { producer, evaluation: Evaluation::new(), threads, on_threads }
    }

    pub(crate) fn n_threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.number.map_or_else(cores, NonZeroUsize::get)
    }

    /// Returns the maximum number of blocks in flight, if set.
    pub(crate) fn max_in_flight(&self) -> Option<usize> {
        self.threads.max_in_flight.map(NonZeroUsize::get)
    }

    /// Computes a block.
    pub(crate) fn block(&self, band: usize, column: usize) -> Result<T, Failure> {
        self.producer.block(self.evaluation, band, column)
    }

    /// Tells the producer that the blocks before `end` in C order are done.
    pub(crate) fn release(&self, end: usize) {
        self.producer.release(self.evaluation, end);
    }

    /// Returns a guard that releases all blocks when it is dropped.
    pub(crate) fn release_on_drop(self) -> ReleaseOnDrop<'s, T> {
        ReleaseOnDrop(self)
    }

    /// Passes a stream to `consume` whose blocks several threads compute.
    pub(crate) fn feed<R>(
        self,
        stream: BlockStream<'s, T>,
        consume: impl FnOnce(BlockStream<'_, T>) -> R,
    ) -> R {
        let mut consume = Some(consume);
        let mut result = None;
        (self.on_threads)(stream, self, &mut |stream| {
            let consume = consume.take().expect("a stream is evaluated once");
            result = Some(consume(stream));
        });
        result.expect("a stream is evaluated")
    }
}

/// Releases all blocks of an evaluation, also if it fails or panics.
pub(crate) struct ReleaseOnDrop<'s, T>(Parallel<'s, T>);

impl<T> Drop for ReleaseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.release(usize::MAX);
    }
}

impl<T: Send> Parallel<'_, T> {
    /// Computes the blocks of a stream on several threads, while `consume` takes them in order.
    pub(crate) fn evaluate(
        stream: BlockStream<'_, T>,
        parallel: Parallel<'_, T>,
        consume: &mut dyn FnMut(BlockStream<'_, T>),
    ) {
        let grid = stream.spec().grid().expect("threads share only sequences made from a grid");
        let (n_bands, n_columns) = (grid.rows().n_blocks(), grid.blocks_per_band());
        let n_threads = parallel.n_threads().min(grid.n_blocks());
        let max_in_flight = parallel.max_in_flight().unwrap_or(2 * n_threads);
        let trace = stream.trace().clone();
        let threads = trace.for_threads();
        let _release = parallel.release_on_drop();
        let compute = |index: usize, _: Option<()>| {
            let block = || parallel.block(index / n_columns, index % n_columns);
            let (block, duration) = threads.in_producer(block);
            block.map(|block| Some((block, duration)))
        };
        in_order(grid.n_blocks(), n_threads, &threads, compute, |items| {
            let dealing = Dealing { run_length: 1, max_in_flight };
            let steps = OrderedSteps {
                items,
                dealing,
                parallel,
                trace,
                n_bands,
                n_columns,
                band: 0,
                column: 0,
            };
            consume(stream.with_steps(Box::new(steps)));
        });
    }
}

/// The blocks of a grid, as several threads compute them.
struct OrderedSteps<'i, 'e, T> {
    items: &'i mut Items<'e, (), (T, Duration), Failure>,
    dealing: Dealing,
    parallel: Parallel<'i, T>,
    trace: Trace,
    n_bands: usize,
    n_columns: usize,
    band: usize,
    column: usize,
}

impl<T: Send> OrderedSteps<'_, '_, T> {
    fn next_block(&mut self) -> Result<T, Failure> {
        let index = self.band * self.n_columns + self.column;
        self.column += 1;
        let (block, duration) = self.items.next(index, || self.dealing, |_| Ok(None))?;
        self.trace.add_in_producer(duration);
        self.parallel.release(index + 1);
        Ok(block)
    }
}

impl<T: Send> Steps<T> for OrderedSteps<'_, '_, T> {
    fn next_step(&mut self) -> Option<Result<Step<T>, Failure>> {
        if self.band == self.n_bands {
            return None;
        }
        if self.column == self.n_columns {
            self.band += 1;
            self.column = 0;
            return Some(Ok(Step::EndBand));
        }
        Some(self.next_block().map(Step::Block))
    }

    fn in_band(&self) -> bool {
        true
    }

    fn is_timed(&self) -> bool {
        true
    }

    fn skip_block(&mut self) {
        self.column += 1;
        self.items.skip_to(self.band * self.n_columns + self.column);
    }

    fn skip_band(&mut self) {
        self.column = self.n_columns;
        self.items.skip_to((self.band + 1) * self.n_columns);
    }
}

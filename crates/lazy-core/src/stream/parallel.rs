//! How many threads compute the blocks of an evaluation, and how.

use std::num::NonZeroUsize;
use std::thread;

use super::{Failure, ProduceIndexed};

/// How many threads compute blocks, and how many blocks may be alive at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threads {
    /// None for as many as there are cores.
    number: Option<NonZeroUsize>,
    window: Option<NonZeroUsize>,
}

impl Default for Threads {
    fn default() -> Threads {
        Threads { number: Some(NonZeroUsize::MIN), window: None }
    }
}

impl Threads {
    /// 0 stands for as many as there are cores.
    pub(crate) fn with_number(self, n_threads: usize) -> Threads {
        Threads { number: NonZeroUsize::new(n_threads), ..self }
    }

    pub(crate) fn with_window(self, n_blocks: usize) -> Threads {
        Threads { window: NonZeroUsize::new(n_blocks.max(1)), ..self }
    }
}

/// A producer that any thread may call, and how many do.
pub(crate) struct Parallel<'s, T> {
    producer: &'s (dyn ProduceIndexed<T> + Send + Sync),
    threads: Threads,
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
    ) -> Parallel<'s, T> {
        Parallel { producer, threads }
    }

    pub(crate) fn n_threads(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        self.threads.number.map_or_else(cores, NonZeroUsize::get)
    }

    /// The blocks that may be alive at once, if that was said.
    pub(crate) fn window(&self) -> Option<usize> {
        self.threads.window.map(NonZeroUsize::get)
    }

    /// Computes a block.
    pub(crate) fn block(&self, band: usize, column: usize) -> Result<T, Failure> {
        self.producer.block(band, column)
    }
}

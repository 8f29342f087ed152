//! The producers of sequences, whose types do not tell what makes the blocks.

use std::sync::Arc;

use crate::BlockGrid;
use crate::stream::{
    BandRule, ChainRule, Derived, Evaluate, Failure, Mapped, Paired, Parallel, Produce,
    ProduceIndexed, Rule, Threads, ZipRule,
};

/// A producer that any thread may call.
#[expect(missing_debug_implementations, reason = "it is private, but for the sealed trait")]
pub struct SharedProducer<'a, T> {
    pub(super) producer: Arc<dyn ProduceIndexed<T> + Send + Sync + 'a>,
    /// Evaluates the blocks on several threads.
    on_threads: Evaluate<T>,
}

impl<T> Clone for SharedProducer<'_, T> {
    fn clone(&self) -> Self {
        SharedProducer { producer: Arc::clone(&self.producer), on_threads: self.on_threads }
    }
}

impl<'a, T: Send + 'a> SharedProducer<'a, T> {
    pub(super) fn new(
        producer: impl ProduceIndexed<T> + Send + Sync + 'a,
    ) -> SharedProducer<'a, T> {
        SharedProducer { producer: Arc::new(producer), on_threads: Parallel::evaluate }
    }
}

impl<'a, T: 'a> SharedProducer<'a, T> {
    pub(super) fn parallel<'s>(&'s self, threads: Threads) -> Parallel<'s, T> {
        Parallel::new(&*self.producer, threads, self.on_threads)
    }

    pub(super) fn mapped<'b, U: Send + 'b, F>(self, function: F) -> SharedProducer<'b, U>
    where
        'a: 'b,
        F: Fn(T) -> Result<U, Failure> + Send + Sync + 'b,
    {
        SharedProducer::new(Mapped::new(self.producer, function))
    }
}

impl<'a, T: Send + 'a> SharedProducer<'a, T> {
    pub(super) fn chained(
        parts: Vec<(SharedProducer<'a, T>, Option<usize>)>,
        grid: &BlockGrid,
    ) -> Self {
        let rule = chain_rule(&parts, grid);
        let parts = parts.into_iter().map(|(part, _)| part.producer).collect();
        SharedProducer::new(Derived::new(parts, grid, rule))
    }

    pub(super) fn zipped<U: Send + 'a>(
        self,
        right: SharedProducer<'a, U>,
        grid: &BlockGrid,
    ) -> SharedProducer<'a, (T, U)> {
        SharedProducer::new(Paired::new(self.producer, right.producer, grid, ZipRule))
    }
}

impl<'a, T: 'a> SharedProducer<'a, T> {
    pub(super) fn derived<'b, U: Send + 'b, R>(
        self,
        grid: &BlockGrid,
        rule: R,
    ) -> SharedProducer<'b, U>
    where
        'a: 'b,
        R: Rule<T, U> + Send + Sync + 'b,
    {
        SharedProducer::new(Derived::new(vec![self.producer], grid, rule))
    }

    pub(super) fn joined<'b, U: Send + 'b, F>(
        self,
        grid: &BlockGrid,
        join: F,
    ) -> SharedProducer<'b, U>
    where
        'a: 'b,
        F: Fn(Vec<T>) -> Result<U, Failure> + Send + Sync + 'b,
    {
        let rule = BandRule::new(grid.blocks_per_band(), join);
        self.derived(&BlockGrid::rows_only(grid.rows().clone()), rule)
    }
}

/// Returns the rule that chains parts with these numbers of bands.
pub(super) fn chain_rule<P>(parts: &[(P, Option<usize>)], grid: &BlockGrid) -> ChainRule {
    let n_bands: Vec<_> = parts.iter().map(|(_, n_bands)| n_bands.unwrap_or(0)).collect();
    ChainRule::new(&n_bands, grid.blocks_per_band())
}

/// A producer whose blocks come in order and may be computed on several threads.
#[expect(missing_debug_implementations, reason = "it is private, but for the sealed trait")]
pub enum AnyProducer<'a, T> {
    InOrder(Arc<dyn Produce<T> + 'a>),
    Shared(SharedProducer<'a, T>),
}

impl<T> Clone for AnyProducer<'_, T> {
    fn clone(&self) -> Self {
        match self {
            AnyProducer::InOrder(producer) => AnyProducer::InOrder(Arc::clone(producer)),
            AnyProducer::Shared(producer) => AnyProducer::Shared(producer.clone()),
        }
    }
}

impl<'a, T: 'a> AnyProducer<'a, T> {
    pub(super) fn new_in_order(producer: impl Produce<T> + 'a) -> AnyProducer<'a, T> {
        AnyProducer::InOrder(Arc::new(producer))
    }

    /// Returns the producer of blocks in order.
    pub(super) fn in_order(self) -> Arc<dyn Produce<T> + 'a> {
        match self {
            AnyProducer::InOrder(producer) => producer,
            AnyProducer::Shared(shared) => shared.producer,
        }
    }
}

//! Producers whose blocks are made of the blocks of other producers.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{Dimensions, Evaluation, Failure, IndexedSteps, Produce, ProduceIndexed, Steps};
use crate::BlockGrid;

/// A rule that makes the blocks of a grid out of blocks of sources, which are numbered from 0.
pub trait Rule<T, U> {
    /// Makes one block; `column` is 0 if only axis 0 is cut.
    fn block(&self, inputs: &Inputs<'_, T>, band: usize, column: usize) -> Result<U, Failure>;

    /// Returns the number, in C order, of the first block of a source that the blocks from number
    /// `next` on need. Returns `None` if the rule requests blocks of the source in another order,
    /// which then keeps nothing for them.
    fn first_needed(&self, source: usize, next: usize) -> Option<usize>;

    /// Frees the blocks that the rule keeps and no block from number `end` on needs.
    fn release(&self, evaluation: Evaluation, end: usize) {
        let _ = (evaluation, end);
    }
}

/// The blocks of the sources in one evaluation.
#[expect(missing_debug_implementations, reason = "it is private, but for the sealed trait")]
pub struct Inputs<'s, T> {
    evaluation: Evaluation,
    read: &'s dyn Fn(usize, usize, usize) -> Result<T, Failure>,
}

impl<T> Inputs<'_, T> {
    /// Returns the evaluation, for which a rule may keep blocks.
    pub(crate) fn evaluation(&self) -> Evaluation {
        self.evaluation
    }

    /// Computes a block of a source.
    pub(crate) fn block(&self, source: usize, band: usize, column: usize) -> Result<T, Failure> {
        (self.read)(source, band, column)
    }
}

/// A grid of blocks that a rule makes out of the blocks of sources.
pub(crate) struct Derived<P: ?Sized, R, T, U> {
    sources: Vec<Arc<P>>,
    rule: R,
    dimensions: Dimensions,
    blocks: PhantomData<fn(T) -> U>,
}

impl<P: ?Sized, R: Rule<T, U>, T, U> Derived<P, R, T, U> {
    pub(crate) fn new(sources: Vec<Arc<P>>, grid: &BlockGrid, rule: R) -> Derived<P, R, T, U> {
        Derived { sources, rule, dimensions: Dimensions::of(grid), blocks: PhantomData }
    }
}

impl<P, R, T, U> Produce<U> for Derived<P, R, T, U>
where
    P: ProduceIndexed<T> + ?Sized,
    R: Rule<T, U>,
{
    fn steps(&self) -> Box<dyn Steps<U> + '_> {
        Box::new(IndexedSteps::new(self, self.dimensions))
    }
}

impl<P, R, T, U> ProduceIndexed<U> for Derived<P, R, T, U>
where
    P: ProduceIndexed<T> + ?Sized,
    R: Rule<T, U>,
{
    fn block(&self, evaluation: Evaluation, band: usize, column: usize) -> Result<U, Failure> {
        let read = |source: usize, band: usize, column: usize| {
            let is_in_order = self.rule.first_needed(source, 0).is_some();
            let of_source = evaluation.of_source(source);
            let evaluation = if is_in_order { of_source } else { Evaluation::SINGLE };
            self.sources[source].block(evaluation, band, column)
        };
        self.rule.block(&Inputs { evaluation, read: &read }, band, column)
    }

    fn release(&self, evaluation: Evaluation, end: usize) {
        for (i, source) in self.sources.iter().enumerate() {
            if let Some(first) = self.rule.first_needed(i, end) {
                let first = if end == usize::MAX { end } else { first };
                source.release(evaluation.of_source(i), first);
            }
        }
        self.rule.release(evaluation, end);
    }
}

/// A rule that makes the blocks of a grid out of blocks of two sources of different types.
pub trait PairRule<T, U, V> {
    /// Makes one block; `column` is 0 if only axis 0 is cut.
    fn block(
        &self,
        left: &Inputs<'_, T>,
        right: &Inputs<'_, U>,
        band: usize,
        column: usize,
    ) -> Result<V, Failure>;

    /// Returns, for each source, the number of the first block that the blocks from number `next`
    /// on need; see [`Rule::first_needed`].
    fn first_needed(&self, next: usize) -> [Option<usize>; 2];

    /// Frees the blocks that the rule keeps and no block from number `end` on needs.
    fn release(&self, evaluation: Evaluation, end: usize) {
        let _ = (evaluation, end);
    }
}

/// A grid of blocks that a rule makes out of the blocks of two sources.
pub(crate) struct Paired<P: ?Sized, Q: ?Sized, R, T, U, V> {
    left: Arc<P>,
    right: Arc<Q>,
    rule: R,
    dimensions: Dimensions,
    blocks: PhantomData<fn(T, U) -> V>,
}

impl<P: ?Sized, Q: ?Sized, R, T, U, V> Paired<P, Q, R, T, U, V> {
    pub(crate) fn new(left: Arc<P>, right: Arc<Q>, grid: &BlockGrid, rule: R) -> Self {
        Paired { left, right, rule, dimensions: Dimensions::of(grid), blocks: PhantomData }
    }
}

impl<P, Q, R, T, U, V> Produce<V> for Paired<P, Q, R, T, U, V>
where
    P: ProduceIndexed<T> + ?Sized,
    Q: ProduceIndexed<U> + ?Sized,
    R: PairRule<T, U, V>,
{
    fn steps(&self) -> Box<dyn Steps<V> + '_> {
        Box::new(IndexedSteps::new(self, self.dimensions))
    }
}

impl<P, Q, R, T, U, V> ProduceIndexed<V> for Paired<P, Q, R, T, U, V>
where
    P: ProduceIndexed<T> + ?Sized,
    Q: ProduceIndexed<U> + ?Sized,
    R: PairRule<T, U, V>,
{
    fn block(&self, evaluation: Evaluation, band: usize, column: usize) -> Result<V, Failure> {
        let [is_left_in_order, is_right_in_order] =
            self.rule.first_needed(0).map(|first| first.is_some());
        let of_source = |source, is_in_order: bool| {
            if is_in_order { evaluation.of_source(source) } else { Evaluation::SINGLE }
        };
        let (left, right) = (of_source(0, is_left_in_order), of_source(1, is_right_in_order));
        let left = |_: usize, band: usize, column: usize| self.left.block(left, band, column);
        let right = |_: usize, band: usize, column: usize| self.right.block(right, band, column);
        let left = Inputs { evaluation, read: &left };
        let right = Inputs { evaluation, read: &right };
        self.rule.block(&left, &right, band, column)
    }

    fn release(&self, evaluation: Evaluation, end: usize) {
        let [left, right] = self.rule.first_needed(end);
        let limit = |first: usize| if end == usize::MAX { end } else { first };
        if let Some(first) = left {
            self.left.release(evaluation.of_source(0), limit(first));
        }
        if let Some(first) = right {
            self.right.release(evaluation.of_source(1), limit(first));
        }
        self.rule.release(evaluation, end);
    }
}

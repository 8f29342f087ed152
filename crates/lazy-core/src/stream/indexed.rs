//! Producers that compute any block of a grid.

use std::marker::PhantomData;

use super::{Evaluation, Failure, Produce, ProduceIndexed, Step, Steps};
use crate::BlockGrid;

/// The numbers of blocks of a grid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dimensions {
    n_bands: usize,
    blocks_per_band: usize,
}

impl Dimensions {
    pub(crate) fn of(grid: &BlockGrid) -> Dimensions {
        Dimensions { n_bands: grid.rows().n_blocks(), blocks_per_band: grid.blocks_per_band() }
    }
}

/// A function of band and column as a producer.
pub(crate) struct FnBlocks<F, T> {
    dimensions: Dimensions,
    block: F,
    output: PhantomData<fn() -> T>,
}

impl<F, T> FnBlocks<F, T>
where
    F: Fn(usize, usize) -> Result<T, Failure>,
{
    pub(crate) fn new(grid: &BlockGrid, block: F) -> FnBlocks<F, T> {
        FnBlocks { dimensions: Dimensions::of(grid), block, output: PhantomData }
    }
}

impl<F, T> Produce<T> for FnBlocks<F, T>
where
    F: Fn(usize, usize) -> Result<T, Failure>,
{
    fn steps(&self) -> Box<dyn Steps<T> + '_> {
        Box::new(IndexedSteps::new(self, self.dimensions))
    }
}

impl<F, T> ProduceIndexed<T> for FnBlocks<F, T>
where
    F: Fn(usize, usize) -> Result<T, Failure>,
{
    fn block(&self, _: Evaluation, band: usize, column: usize) -> Result<T, Failure> {
        (self.block)(band, column)
    }
}

/// An evaluation of all blocks of a grid, in order.
pub(crate) struct IndexedSteps<'s, P: ProduceIndexed<T>, T> {
    producer: &'s P,
    dimensions: Dimensions,
    evaluation: Evaluation,
    band: usize,
    column: usize,
    block: PhantomData<fn() -> T>,
}

impl<'s, P: ProduceIndexed<T>, T> IndexedSteps<'s, P, T> {
    pub(crate) fn new(producer: &'s P, dimensions: Dimensions) -> IndexedSteps<'s, P, T> {
        IndexedSteps {
            producer,
            dimensions,
            evaluation: Evaluation::new(),
            band: 0,
            column: 0,
            block: PhantomData,
        }
    }

    /// Moves to a column of the band; all blocks before it are done.
    fn move_to(&mut self, column: usize) {
        self.column = column;
        let end = self.band * self.dimensions.blocks_per_band + column;
        self.producer.release(self.evaluation, end);
    }
}

impl<P: ProduceIndexed<T>, T> Steps<T> for IndexedSteps<'_, P, T> {
    fn next_step(&mut self) -> Option<Result<Step<T>, Failure>> {
        if self.band == self.dimensions.n_bands {
            return None;
        }
        if self.column == self.dimensions.blocks_per_band {
            self.band += 1;
            self.column = 0;
            return Some(Ok(Step::EndBand));
        }
        let block = self.producer.block(self.evaluation, self.band, self.column);
        self.move_to(self.column + 1);
        Some(block.map(Step::Block))
    }

    fn in_band(&self) -> bool {
        true
    }

    fn skip_block(&mut self) {
        self.move_to(self.column + 1);
    }

    fn skip_band(&mut self) {
        self.move_to(self.dimensions.blocks_per_band);
    }
}

impl<P: ProduceIndexed<T>, T> Drop for IndexedSteps<'_, P, T> {
    fn drop(&mut self) {
        self.producer.release(self.evaluation, usize::MAX);
    }
}

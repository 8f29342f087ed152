//! Producers that compute any block of a grid.

use std::marker::PhantomData;

use super::{Failure, Produce, ProduceIndexed, Step, Steps};
use crate::BlockGrid;

/// A function of band and column as a producer.
pub(crate) struct FnBlocks<F, T> {
    n_bands: usize,
    blocks_per_band: usize,
    block: F,
    output: PhantomData<fn() -> T>,
}

impl<F, T> FnBlocks<F, T>
where
    F: Fn(usize, usize) -> Result<T, Failure>,
{
    pub(crate) fn new(grid: &BlockGrid, block: F) -> FnBlocks<F, T> {
        FnBlocks {
            n_bands: grid.rows().n_blocks(),
            blocks_per_band: grid.blocks_per_band(),
            block,
            output: PhantomData,
        }
    }
}

impl<F, T> Produce<T> for FnBlocks<F, T>
where
    F: Fn(usize, usize) -> Result<T, Failure>,
{
    fn steps(&self) -> Box<dyn Steps<T> + '_> {
        Box::new(IndexedSteps { producer: self, band: 0, column: 0 })
    }
}

impl<F, T> ProduceIndexed<T> for FnBlocks<F, T>
where
    F: Fn(usize, usize) -> Result<T, Failure>,
{
    fn block(&self, band: usize, column: usize) -> Result<T, Failure> {
        (self.block)(band, column)
    }
}

struct IndexedSteps<'s, F, T> {
    producer: &'s FnBlocks<F, T>,
    band: usize,
    column: usize,
}

impl<F, T> Steps<T> for IndexedSteps<'_, F, T>
where
    F: Fn(usize, usize) -> Result<T, Failure>,
{
    fn next_step(&mut self) -> Option<Result<Step<T>, Failure>> {
        if self.band == self.producer.n_bands {
            return None;
        }
        if self.column == self.producer.blocks_per_band {
            self.band += 1;
            self.column = 0;
            return Some(Ok(Step::EndBand));
        }
        let block = (self.producer.block)(self.band, self.column);
        self.column += 1;
        Some(block.map(Step::Block))
    }

    fn in_band(&self) -> bool {
        true
    }

    fn skip_block(&mut self) {
        self.column += 1;
    }

    fn skip_band(&mut self) {
        self.column = self.producer.blocks_per_band;
    }
}

//! Rules of derived producers that know nothing about the blocks.

use super::{Failure, Inputs, PairRule, Rule};
use crate::BlockSizes;

/// The bands of several sources, one source after the other.
pub(crate) struct ChainRule {
    /// The numbers of bands of the sources.
    bands: BlockSizes,
    blocks_per_band: usize,
}

impl ChainRule {
    pub(crate) fn new(n_bands: &[usize], blocks_per_band: usize) -> ChainRule {
        ChainRule { bands: BlockSizes::from(n_bands), blocks_per_band }
    }
}

impl<T> Rule<T, T> for ChainRule {
    fn block(&self, inputs: &Inputs<'_, T>, band: usize, column: usize) -> Result<T, Failure> {
        let source = self.bands.block_of(band).expect("each band belongs to a source");
        inputs.block(source, band - self.bands.start(source), column)
    }

    fn first_needed(&self, source: usize, next: usize) -> Option<usize> {
        Some(next.saturating_sub(self.bands.start(source).saturating_mul(self.blocks_per_band)))
    }
}

/// The bands of a source, each joined into one block.
pub(crate) struct BandRule<F> {
    blocks_per_band: usize,
    join: F,
}

impl<F> BandRule<F> {
    pub(crate) fn new(blocks_per_band: usize, join: F) -> BandRule<F> {
        BandRule { blocks_per_band, join }
    }
}

impl<T, U, F: Fn(Vec<T>) -> Result<U, Failure>> Rule<T, U> for BandRule<F> {
    fn block(&self, inputs: &Inputs<'_, T>, band: usize, _: usize) -> Result<U, Failure> {
        let blocks = (0..self.blocks_per_band).map(|column| inputs.block(0, band, column));
        (self.join)(blocks.collect::<Result<_, _>>()?)
    }

    fn first_needed(&self, _: usize, next: usize) -> Option<usize> {
        Some(next.saturating_mul(self.blocks_per_band))
    }
}

/// Pairs of the blocks of two sources with equal grids.
pub(crate) struct ZipRule;

impl<T, U> PairRule<T, U, (T, U)> for ZipRule {
    fn block(
        &self,
        left: &Inputs<'_, T>,
        right: &Inputs<'_, U>,
        band: usize,
        column: usize,
    ) -> Result<(T, U), Failure> {
        Ok((left.block(0, band, column)?, right.block(0, band, column)?))
    }

    fn first_needed(&self, next: usize) -> [Option<usize>; 2] {
        [Some(next); 2]
    }
}

/// Some of the bands of a source, or the blocks at these indices.
pub(crate) struct PickRule {
    bands: Vec<usize>,
    blocks_per_band: usize,
    is_in_order: bool,
}

impl PickRule {
    pub(crate) fn new(bands: Vec<usize>, blocks_per_band: usize) -> PickRule {
        let is_in_order = bands.is_sorted();
        PickRule { bands, blocks_per_band, is_in_order }
    }
}

impl<T> Rule<T, T> for PickRule {
    fn block(&self, inputs: &Inputs<'_, T>, band: usize, column: usize) -> Result<T, Failure> {
        inputs.block(0, self.bands[band], column)
    }

    fn first_needed(&self, _: usize, next: usize) -> Option<usize> {
        let band = next.checked_div(self.blocks_per_band).unwrap_or(usize::MAX);
        let column = next.checked_rem(self.blocks_per_band).unwrap_or(0);
        let first = self.bands.get(band).map_or(usize::MAX, |band| {
            band.saturating_mul(self.blocks_per_band).saturating_add(column)
        });
        self.is_in_order.then_some(first)
    }
}

/// The blocks of a source, each passed to a function with its band and column.
pub(crate) struct MapRule<F> {
    function: F,
}

impl<F> MapRule<F> {
    pub(crate) fn new(function: F) -> MapRule<F> {
        MapRule { function }
    }
}

impl<T, U, F> Rule<T, U> for MapRule<F>
where
    F: Fn(usize, usize, T) -> Result<U, Failure>,
{
    fn block(&self, inputs: &Inputs<'_, T>, band: usize, column: usize) -> Result<U, Failure> {
        (self.function)(band, column, inputs.block(0, band, column)?)
    }

    fn first_needed(&self, _: usize, next: usize) -> Option<usize> {
        Some(next)
    }
}

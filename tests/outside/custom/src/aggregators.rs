use std::fmt;

use lazy_chunks::{
    Bands, BlockIndex, Blocks, Error, NestedSequenceAggregator, Result, SequenceAggregator,
};

use crate::Matrix;

/// Looks for the row with the largest absolute row sum, whose sum is the matrix's maximum norm.
#[derive(Clone, Copy, Debug)]
pub struct LargestRowSum;

/// A row, counted from the first block on, and the sum of the absolute values of its elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowSum {
    /// The row.
    pub row: usize,
    /// The sum.
    pub sum: f32,
}

impl SequenceAggregator<Matrix> for LargestRowSum {
    type Output = Option<RowSum>;

    fn aggregate(self, blocks: Blocks<'_, Matrix>) -> Result<Option<RowSum>> {
        let mut largest: Option<RowSum> = None;
        let (mut row, mut n_columns) = (0, None);
        for (i, block) in blocks.enumerate() {
            let block = block?;
            let [height, width] = block.shape();
            let expected = *n_columns.get_or_insert(width);
            if width != expected {
                // The library knows nothing of a tensor, so the aggregator checks it.
                let at = BlockIndex::Block(i);
                let message = format!("{at} has {width} columns, but the first one has {expected}");
                return Err(Error::other(message));
            }
            for block_row in 0..height {
                let sum = block.row(block_row).map(f32::abs).sum();
                if largest.is_none_or(|largest| sum > largest.sum) {
                    largest = Some(RowSum { row: row + block_row, sum });
                }
            }
            row += height;
        }
        Ok(largest)
    }
}

/// Computes the Frobenius norm of every block.
#[derive(Clone, Copy, Debug)]
pub struct BlockNorms;

/// The norms of the blocks of a matrix, band by band. It is displayed as a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// One norm per block, in one vector per band.
    pub norms: Vec<Vec<f32>>,
}

impl NestedSequenceAggregator<Matrix> for BlockNorms {
    type Output = HeatMap;

    fn aggregate_nested(self, mut bands: Bands<'_, Matrix>) -> Result<HeatMap> {
        let mut norms = Vec::with_capacity(bands.spec().n_bands().unwrap_or(0));
        while let Some(band) = bands.next_band()? {
            norms.push(band.map(|block| block.map(|block| norm(&block))).collect::<Result<_>>()?);
        }
        Ok(HeatMap { norms })
    }
}

fn norm(matrix: &Matrix) -> f32 {
    matrix.iter().map(|element| element * element).sum::<f32>().sqrt()
}

impl fmt::Display for HeatMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
        let largest = self.norms.iter().flatten().copied().fold(f32::MIN_POSITIVE, f32::max);
        for band in &self.norms {
            for norm in band {
                // The largest norm, and no other one, has the darkest shade.
                let shade = (norm / largest * (SHADES.len() - 1) as f32) as usize;
                write!(f, "{}", SHADES[shade])?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

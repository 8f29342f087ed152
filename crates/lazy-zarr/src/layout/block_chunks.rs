//! The chunks of a rectilinear grid, which are the blocks of a sequence.

use lazy_core::{BlockGrid, BlockIndex, BlockPosition, BlockSizes};

use super::BlockRuns;

/// The most sizes of chunks in a grid, along all axes together. Readers expand runs of equal sizes,
/// so this bounds their memory, to a few dozen MiB.
pub(crate) const MOST_CHUNKS: usize = 1 << 20;

/// The sizes of chunks along one axis of a rectilinear grid. If there is no chunk, the axis has
/// chunks of the size of the array.
pub(crate) type Edges = BlockRuns;

/// The grid of chunks that are the blocks of a sequence, while the blocks arrive. Blocks without
/// elements have no chunk.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockChunks {
    /// The sizes along axis 0 of the bands that have chunks.
    rows: BlockRuns,
    /// The number of these bands.
    n_bands: usize,
    /// The sizes along axis 1 of the chunks of the first band.
    columns: Vec<usize>,
    /// The index of the last band that has chunks, and the number of its chunks so far.
    last: Option<(usize, usize)>,
}

/// The reason that blocks are not the chunks of a grid.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NoGrid {
    /// The blocks of this band do not have the columns of the blocks of the first band.
    IrregularBand(usize),
    /// There would be more than [`MOST_CHUNKS`] sizes.
    TooMany,
}

impl BlockChunks {
    /// Returns the index of the chunk that a block is. The block has elements.
    pub(crate) fn place(
        &mut self,
        at: BlockPosition,
        shape: &[usize],
    ) -> Result<Vec<usize>, NoGrid> {
        let band = match at.index {
            BlockIndex::Block(band) | BlockIndex::NestedBlock(band, _) => band,
            _ => unreachable!("a block has a place"),
        };
        if self.last.is_none_or(|(last, _)| last != band) {
            self.end()?;
            self.last = Some((band, 0));
            self.rows.push(shape[0]);
            self.n_bands += 1;
        }
        let (_, n_chunks) = self.last.as_mut().expect("the band has begun");
        let mut index = vec![0; shape.len()];
        index[0] = self.n_bands - 1;
        if let (BlockIndex::NestedBlock(..), Some(&n_columns)) = (at.index, shape.get(1)) {
            index[1] = *n_chunks;
            if self.n_bands == 1 {
                self.columns.push(n_columns);
            }
            if self.columns.get(*n_chunks) != Some(&n_columns) {
                return Err(NoGrid::IrregularBand(band));
            }
        }
        *n_chunks += 1;
        if self.n_chunks(shape).iter().sum::<u64>() > MOST_CHUNKS as u64 {
            return Err(NoGrid::TooMany);
        }
        Ok(index)
    }

    /// Checks that the last band has as many chunks as the first one.
    pub(crate) fn end(&self) -> Result<(), NoGrid> {
        match self.last {
            Some((band, n_chunks)) if n_chunks != self.columns.len().max(1) => {
                Err(NoGrid::IrregularBand(band))
            }
            _ => Ok(()),
        }
    }

    /// Returns the sizes of the chunks along each axis of an array of this shape.
    pub(crate) fn edges(&self, shape: &[usize]) -> Vec<Edges> {
        let of_axis = |(axis, size): (usize, &usize)| match axis {
            0 => self.rows.clone(),
            1 if !self.columns.is_empty() => {
                let mut runs = BlockRuns::default();
                self.columns.iter().for_each(|size| runs.push(*size));
                runs
            }
            _ => {
                let mut whole = BlockRuns::default();
                whole.push(*size);
                whole
            }
        };
        let has_chunks = self.n_bands > 0;
        let none = |_| BlockRuns::default();
        shape
            .iter()
            .enumerate()
            .map(|axis| if has_chunks { of_axis(axis) } else { none(axis) })
            .collect()
    }

    /// Returns the number of chunks along each axis of an array of this shape.
    pub(crate) fn n_chunks(&self, shape: &[usize]) -> Vec<u64> {
        let of_axis = |axis| match axis {
            0 => self.n_bands as u64,
            1 => self.columns.len().max(1) as u64,
            _ => 1,
        };
        let n = |(axis, size): (usize, &usize)| match self.n_bands {
            // The only chunk along the axis, if the array has elements there.
            0 => u64::from(*size > 0),
            _ => of_axis(axis),
        };
        shape.iter().enumerate().map(n).collect()
    }
}

/// The indices of the chunks that the blocks of a grid are.
#[derive(Clone, Debug)]
pub(crate) struct ChunksOfGrid {
    rows: Vec<usize>,
    columns: Option<Vec<usize>>,
}

impl ChunksOfGrid {
    pub(crate) fn new(grid: &BlockGrid) -> ChunksOfGrid {
        let indices = |sizes: &BlockSizes| {
            let has_chunk = sizes.ranges().map(|range| usize::from(!range.is_empty()));
            has_chunk
                .scan(0, |n_before, has_chunk| {
                    let index = *n_before;
                    *n_before += has_chunk;
                    Some(index)
                })
                .collect()
        };
        ChunksOfGrid { rows: indices(grid.rows()), columns: grid.columns().map(indices) }
    }

    /// Returns the index of the chunk that a block with elements is.
    pub(crate) fn index(&self, at: BlockPosition, n_axes: usize) -> Vec<usize> {
        let (band, column) = match at.index {
            BlockIndex::NestedBlock(band, column) => (band, column),
            BlockIndex::Block(band) | BlockIndex::Band(band) => (band, 0),
            _ => unreachable!("a block has a place"),
        };
        let mut index = vec![0; n_axes];
        index[0] = self.rows[band];
        if let Some(columns) = &self.columns {
            index[1] = columns[column];
        }
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(band: usize, column: usize) -> BlockPosition {
        BlockPosition { index: BlockIndex::NestedBlock(band, column), row: 0, column: 0 }
    }

    #[test]
    fn blocks_without_elements_have_no_chunk() {
        let grid = BlockGrid::rows_and_columns([2, 0, 3], [0, 4, 0, 1]);
        let of_grid = ChunksOfGrid::new(&grid);
        let mut chunks = BlockChunks::default();
        let mut found = Vec::new();
        for (band, n_rows) in [(0, 2), (2, 3)] {
            for (column, n_columns) in [(1, 4), (3, 1)] {
                let at = at(band, column);
                let index = chunks.place(at, &[n_rows, n_columns]).unwrap();
                assert_eq!(of_grid.index(at, 2), index);
                found.push(index);
            }
        }
        chunks.end().unwrap();
        assert_eq!(found, [[0, 0], [0, 1], [1, 0], [1, 1]]);
        assert_eq!(chunks.n_chunks(&[5, 5]), [2, 2]);
        let edges: Vec<_> = chunks.edges(&[5, 5]).iter().map(ToString::to_string).collect();
        assert_eq!(edges, ["1 × 2, 1 × 3", "1 × 4, 1 × 1"]);
        assert_eq!(BlockChunks::default().n_chunks(&[5, 0]), [1, 0]);
    }

    #[test]
    fn there_are_not_more_sizes_than_readers_accept() {
        let mut chunks = BlockChunks::default();
        for band in 0..MOST_CHUNKS - 2 {
            chunks.place(at(band, 0), &[1, 4, 1]).unwrap();
        }
        let n_sizes: u64 = chunks.n_chunks(&[MOST_CHUNKS - 2, 4, 1]).iter().sum();
        assert_eq!(n_sizes, MOST_CHUNKS as u64);
        let next = chunks.place(at(MOST_CHUNKS - 2, 0), &[1, 4, 1]);
        assert!(matches!(next, Err(NoGrid::TooMany)), "{next:?}");
    }

    #[test]
    fn bands_have_the_columns_of_the_first_one() {
        for (widths, is_regular) in
            [(&[4, 1][..], true), (&[4], false), (&[4, 2], false), (&[4, 1, 1], false)]
        {
            let mut chunks = BlockChunks::default();
            chunks.place(at(0, 0), &[2, 4]).unwrap();
            chunks.place(at(0, 1), &[2, 1]).unwrap();
            let placed = widths.iter().enumerate().try_for_each(|(column, &n_columns)| {
                chunks.place(at(1, column), &[3, n_columns]).map(drop)
            });
            assert_eq!(placed.and_then(|()| chunks.end()).is_ok(), is_regular, "{widths:?}");
        }
    }
}

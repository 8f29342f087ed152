//! Block sizes, the block grid, block indices and positions.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The axes along which a sequence is cut into blocks.
///
/// # Example
///
/// An aggregator that needs whole rows rejects blocks that are parts of rows, before any is
/// computed:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Cut, SequenceSpec, Error, NestedLazyChunkSequence, Result};
///
/// fn check(spec: &SequenceSpec) -> Result<()> {
///     match spec.cut() {
///         Cut::Rows => Ok(()),
///         Cut::RowsAndColumns => Err(Error::other("rows cannot be sorted piece by piece")),
///     }
/// }
///
/// let nested = NestedLazyChunkSequence::new(|| [[1, 2], [3, 4]]);
/// assert!(check(nested.spec()).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cut {
    /// Along axis 0: a [`LazyChunkSequence`](crate::LazyChunkSequence).
    Rows,
    /// Along axes 0 and 1: a [`NestedLazyChunkSequence`](crate::NestedLazyChunkSequence).
    RowsAndColumns,
}

impl Cut {
    /// Returns the number of cut axes, which is the minimum number of axes of a block.
    #[must_use]
    pub fn n_axes(self) -> usize {
        match self {
            Cut::Rows => 1,
            Cut::RowsAndColumns => 2,
        }
    }

    /// Returns the unit in which messages count along axis 0: `blocks` or `bands`.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Cut::Rows => "blocks",
            Cut::RowsAndColumns => "bands",
        }
    }
}

/// The sizes of the blocks along one axis, in array elements. Sizes of 0 are allowed.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::BlockSizes;
///
/// let sizes = BlockSizes::uniform(10, 4);
/// assert_eq!(sizes, BlockSizes::from(vec![4, 4, 2]));
/// assert_eq!((sizes.n_blocks(), sizes.total()), (3, 10));
/// assert_eq!((sizes.start(2), sizes.size(2)), (8, 2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockSizes {
    /// The end of each block.
    ends: Vec<usize>,
}

impl BlockSizes {
    /// Cuts `total` elements into blocks of `size` elements; the last block may be smaller.
    ///
    /// # Panics
    ///
    /// Panics if `size` is 0.
    #[must_use]
    pub fn uniform(total: usize, size: usize) -> BlockSizes {
        assert!(size > 0, "blocks of size 0 never cover an axis");
        let n_blocks = total.div_ceil(size);
        BlockSizes { ends: (1..=n_blocks).map(|i| total.min(i.saturating_mul(size))).collect() }
    }

    /// Returns the number of blocks.
    #[must_use]
    pub fn n_blocks(&self) -> usize {
        self.ends.len()
    }

    /// Returns the total number of elements of all blocks.
    #[must_use]
    pub fn total(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Returns the index of the first element of block `i`.
    ///
    /// # Panics
    ///
    /// Panics if there is no block `i`.
    #[must_use]
    pub fn start(&self, i: usize) -> usize {
        assert!(i < self.ends.len(), "block {i} of {}", self.ends.len());
        if i == 0 { 0 } else { self.ends[i - 1] }
    }

    /// Returns the number of elements of block `i`.
    ///
    /// # Panics
    ///
    /// Panics if there is no block `i`.
    #[must_use]
    pub fn size(&self, i: usize) -> usize {
        self.ends[i] - self.start(i)
    }

    /// Returns the ranges of all blocks along the axis, in order.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::BlockSizes;
    ///
    /// assert!(BlockSizes::uniform(10, 4).ranges().eq([0..4, 4..8, 8..10]));
    /// ```
    #[must_use]
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        (0..self.n_blocks()).map(|i| self.range(i))
    }

    /// Returns the block that contains element `index` of the axis, or `None` beyond the end.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::BlockSizes;
    ///
    /// let sizes = BlockSizes::from([4, 0, 2]);
    /// assert_eq!([3, 4, 6].map(|row| sizes.block_of(row)), [Some(0), Some(2), None]);
    /// ```
    #[must_use]
    pub fn block_of(&self, index: usize) -> Option<usize> {
        let i = self.ends.partition_point(|&end| end <= index);
        (i < self.ends.len()).then_some(i)
    }

    /// Returns the range of the elements of block `i` along the axis.
    ///
    /// # Panics
    ///
    /// Panics if there is no block `i`.
    #[must_use]
    pub fn range(&self, i: usize) -> Range<usize> {
        self.start(i)..self.ends[i]
    }
}

impl<S: AsRef<[usize]>> From<S> for BlockSizes {
    /// # Panics
    ///
    /// Panics if the sum of the sizes exceeds `usize::MAX`.
    fn from(sizes: S) -> BlockSizes {
        let mut end = 0_usize;
        let ends = sizes.as_ref().iter().map(|size| {
            end = end.checked_add(*size).expect("an axis has at most usize::MAX elements");
            end
        });
        BlockSizes { ends: ends.collect() }
    }
}

/// The block sizes along the cut axes, if they are known in advance.
///
/// # Example
///
/// The grid of an indexed sequence tells which blocks exist:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{BlockSizes, NestedLazyChunkSequence, Result};
///
/// let sequence =
///     NestedLazyChunkSequence::from_fn(BlockSizes::uniform(1000, 300), [500, 500], |i, j| (i, j));
/// let grid = sequence.grid();
/// assert_eq!((grid.n_blocks(), grid.blocks_per_band()), (8, 2));
///
/// // The last band alone, which has 100 rows.
/// let last = grid.rows().n_blocks() - 1;
/// let blocks = (0..grid.blocks_per_band()).map(|j| sequence.block(last, j));
/// assert_eq!(blocks.collect::<Result<Vec<_>>>()?, [(3, 0), (3, 1)]);
/// assert_eq!(grid.rows().range(last), 900..1000);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockGrid {
    rows: BlockSizes,
    columns: Option<BlockSizes>,
}

impl BlockGrid {
    /// Creates the grid of a sequence cut along axis 0.
    pub fn rows_only(rows: impl Into<BlockSizes>) -> BlockGrid {
        BlockGrid { rows: rows.into(), columns: None }
    }

    /// Creates the grid of a sequence cut along axes 0 and 1. Every band has the same sizes along
    /// axis 1.
    pub fn rows_and_columns(
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
    ) -> BlockGrid {
        BlockGrid { rows: rows.into(), columns: Some(columns.into()) }
    }

    /// Returns the axes that are cut.
    #[must_use]
    pub fn cut(&self) -> Cut {
        if self.columns.is_some() { Cut::RowsAndColumns } else { Cut::Rows }
    }

    /// Returns the block sizes along axis 0.
    #[must_use]
    pub fn rows(&self) -> &BlockSizes {
        &self.rows
    }

    /// Returns the block sizes along axis 1, if that axis is cut.
    #[must_use]
    pub fn columns(&self) -> Option<&BlockSizes> {
        self.columns.as_ref()
    }

    /// Returns the number of blocks in one band, which is 1 if only axis 0 is cut.
    #[must_use]
    pub fn blocks_per_band(&self) -> usize {
        self.columns.as_ref().map_or(1, BlockSizes::n_blocks)
    }

    /// Returns the band, and the index within the band, of the block that has this index when
    /// blocks are counted through all bands.
    pub(crate) fn band_and_column(&self, index: usize) -> (usize, usize) {
        (index / self.blocks_per_band(), index % self.blocks_per_band())
    }

    /// Returns the position of the block that has this index when blocks are counted through all
    /// bands.
    pub(crate) fn position(&self, index: usize) -> BlockPosition {
        let (band, column) = self.band_and_column(index);
        BlockPosition {
            index: BlockIndex::of_block(self.cut(), band, column),
            row: self.rows.start(band),
            column: self.columns.as_ref().map_or(0, |columns| columns.start(column)),
        }
    }

    /// Returns the number of blocks in the whole grid.
    #[must_use]
    pub fn n_blocks(&self) -> usize {
        self.rows.n_blocks() * self.blocks_per_band()
    }
}

/// The index of a block or a band, counted from 0. Displays as `block 3`, `block (3, 1)` or `band
/// 3`.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{BlockIndex, LazyChunkSequence};
///
/// let sequence = LazyChunkSequence::try_new(|| ["1", "2", "?"].map(str::parse::<i32>));
/// let error = sequence.collect().unwrap_err();
/// assert_eq!(error.block(), Some(BlockIndex::Block(2)));
/// assert_eq!(BlockIndex::NestedBlock(2, 1).to_string(), "block (2, 1)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum BlockIndex {
    /// A block of a sequence cut along axis 0.
    Block(usize),
    /// A block of a nested sequence: the band, and the index of the block within the band.
    NestedBlock(usize, usize),
    /// A whole band of a nested sequence.
    Band(usize),
}

impl BlockIndex {
    /// Returns the index of block `column` of band `band`; `column` is 0 in a sequence cut along
    /// axis 0.
    pub(crate) fn of_block(cut: Cut, band: usize, column: usize) -> BlockIndex {
        match cut {
            Cut::Rows => BlockIndex::Block(band),
            Cut::RowsAndColumns => BlockIndex::NestedBlock(band, column),
        }
    }
}

impl BlockIndex {
    /// Returns the index in a sequence that has `n_bands` bands before.
    pub(crate) fn behind(self, n_bands: usize) -> BlockIndex {
        match self {
            BlockIndex::Block(i) => BlockIndex::Block(i + n_bands),
            BlockIndex::NestedBlock(i, j) => BlockIndex::NestedBlock(i + n_bands, j),
            BlockIndex::Band(i) => BlockIndex::Band(i + n_bands),
        }
    }
}

impl fmt::Display for BlockIndex {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlockIndex::Block(i) => write!(formatter, "block {i}"),
            BlockIndex::NestedBlock(i, j) => write!(formatter, "block ({i}, {j})"),
            BlockIndex::Band(i) => write!(formatter, "band {i}"),
        }
    }
}

/// The index of a block and its position in the array.
///
/// # Example
///
/// The trace of a matrix, from blocks of any sizes:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// # use lazy_chunks::{NdarrayConverter, NestedLazyChunkSequence};
/// use lazy_chunks::{ArrayBlock, BlockPosition, Result, Statistic};
/// use ndarray::Ix2;
///
/// struct Trace;
///
/// impl Statistic for Trace {
/// #   type State = f64;
/// #   type Output = f64;
/// #   fn empty(&self) -> f64 { 0.0 }
///     fn update(&self, trace: &mut f64, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
///         for ((row, column), value) in block.as_array::<f64, Ix2>()?.indexed_iter() {
///             if at.row + row == at.column + column {
///                 *trace += value;
///             }
///         }
///         Ok(())
///     }
///     // The other methods add up the traces of blocks.
/// #   fn merge(&self, trace: &mut f64, next: f64) -> Result<()> { *trace += next; Ok(()) }
/// #   fn finish(&self, trace: f64) -> Result<f64> { Ok(trace) }
/// }
///
/// # use ndarray::array;
/// # let bands = || [[array![[1.0, 2.0]], array![[3.0]]], [array![[4.0, 5.0]], array![[6.0]]]];
/// // [[1, 2, 3], [4, 5, 6]] in blocks of one row, and of two columns and one column.
/// let matrix = NestedLazyChunkSequence::new(bands).convert(NdarrayConverter);
/// assert_eq!(matrix.compute(Trace)?, 6.0);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPosition {
    /// The index of the block.
    pub index: BlockIndex,
    /// The index along axis 0 of the block's first row in the array.
    pub row: usize,
    /// The index along axis 1 of the block's first column in the array; 0 if only axis 0 is cut.
    pub column: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_sizes_cover_the_axis_without_overlap() {
        for total in 0..20 {
            for size in 1..8 {
                let sizes = BlockSizes::uniform(total, size);
                let ranges: Vec<_> = (0..sizes.n_blocks()).flat_map(|i| sizes.range(i)).collect();
                assert_eq!(ranges, (0..total).collect::<Vec<_>>());
                assert!((0..sizes.n_blocks()).all(|i| (1..=size).contains(&sizes.size(i))));
            }
        }
    }

    #[test]
    fn sizes_of_zero_are_kept() {
        let sizes = BlockSizes::from([2, 0, 3]);
        assert_eq!((0..3).map(|i| sizes.size(i)).collect::<Vec<_>>(), [2, 0, 3]);
        assert_eq!(BlockGrid::rows_and_columns(sizes, [1, 1]).n_blocks(), 6);
    }

    #[test]
    fn each_element_is_in_the_block_whose_range_holds_it() {
        for sizes in [vec![], vec![0], vec![0, 2, 0, 0, 3, 1, 0], vec![4]] {
            let sizes = BlockSizes::from(sizes);
            assert_eq!(sizes.ranges().len(), sizes.n_blocks());
            assert!(sizes.ranges().eq((0..sizes.n_blocks()).map(|i| sizes.range(i))));
            for index in 0..sizes.total() + 2 {
                let expected = sizes.ranges().position(|range| range.contains(&index));
                assert_eq!(sizes.block_of(index), expected, "element {index} of {sizes:?}");
            }
        }
        assert_eq!(BlockSizes::from([usize::MAX]).block_of(usize::MAX), None);
        assert_eq!(BlockSizes::from([usize::MAX]).block_of(usize::MAX - 1), Some(0));
    }
}

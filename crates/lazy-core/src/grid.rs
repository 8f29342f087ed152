//! Where blocks lie: block sizes, the block grid, locations and positions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The axes along which a sequence is cut into blocks.
///
/// # Example
///
/// An aggregator that needs whole rows refuses blocks that are parts of rows, before one is computed:
///
/// ```
/// use lazy_core::{Cut, Declared, Error, NestedLazyChunkSequence, Result};
///
/// fn check(declared: &Declared) -> Result<()> {
///     match declared.cut() {
///         Cut::Rows => Ok(()),
///         Cut::RowsAndColumns => Err(Error::other("rows cannot be sorted piece by piece")),
///     }
/// }
///
/// let nested = NestedLazyChunkSequence::new(|| [[1, 2], [3, 4]]);
/// assert!(check(nested.declared()).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cut {
    /// Along axis 0: a [`LazyChunkSequence`](crate::LazyChunkSequence).
    Rows,
    /// Along axes 0 and 1: a [`NestedLazyChunkSequence`](crate::NestedLazyChunkSequence).
    RowsAndColumns,
}

impl Cut {
    /// How many axes are cut, which is the least number of axes that a block has.
    #[must_use]
    pub fn n_axes(self) -> usize {
        match self {
            Cut::Rows => 1,
            Cut::RowsAndColumns => 2,
        }
    }

    /// What the blocks along axis 0 are called.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Cut::Rows => "blocks",
            Cut::RowsAndColumns => "bands",
        }
    }
}

/// The sizes of the blocks along one axis, in array elements. Sizes of 0 are legal.
///
/// # Example
///
/// ```
/// use lazy_core::BlockSizes;
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
    /// Cuts `total` elements into blocks of `size`; the last block holds what is left.
    ///
    /// # Panics
    ///
    /// When `size` is 0.
    #[must_use]
    pub fn uniform(total: usize, size: usize) -> BlockSizes {
        assert!(size > 0, "blocks of size 0 never cover an axis");
        let n_blocks = total.div_ceil(size);
        BlockSizes { ends: (1..=n_blocks).map(|i| total.min(i.saturating_mul(size))).collect() }
    }

    /// The number of blocks.
    #[must_use]
    pub fn n_blocks(&self) -> usize {
        self.ends.len()
    }

    /// The number of elements in all blocks together.
    #[must_use]
    pub fn total(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The first element of block `i`.
    ///
    /// # Panics
    ///
    /// When there is no block `i`.
    #[must_use]
    pub fn start(&self, i: usize) -> usize {
        assert!(i < self.ends.len(), "block {i} of {}", self.ends.len());
        if i == 0 { 0 } else { self.ends[i - 1] }
    }

    /// The number of elements in block `i`.
    ///
    /// # Panics
    ///
    /// When there is no block `i`.
    #[must_use]
    pub fn size(&self, i: usize) -> usize {
        self.ends[i] - self.start(i)
    }

    /// The elements of block `i`, as a range along the axis.
    ///
    /// # Panics
    ///
    /// When there is no block `i`.
    #[must_use]
    pub fn range(&self, i: usize) -> std::ops::Range<usize> {
        self.start(i)..self.ends[i]
    }
}

impl<S: AsRef<[usize]>> From<S> for BlockSizes {
    /// # Panics
    ///
    /// When the sizes add up to more than `usize::MAX`.
    fn from(sizes: S) -> BlockSizes {
        let mut end = 0_usize;
        let ends = sizes.as_ref().iter().map(|size| {
            end = end.checked_add(*size).expect("an axis has at most usize::MAX elements");
            end
        });
        BlockSizes { ends: ends.collect() }
    }
}

/// The block sizes along the cut axes, when they are known before anything runs.
///
/// # Example
///
/// The grid of an indexed sequence says which blocks can be asked for:
///
/// ```
/// use lazy_core::{BlockSizes, NestedLazyChunkSequence, Result};
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
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlockGrid {
    rows: BlockSizes,
    columns: Option<BlockSizes>,
}

impl BlockGrid {
    /// The grid of a sequence cut along axis 0.
    pub fn rows_only(rows: impl Into<BlockSizes>) -> BlockGrid {
        BlockGrid { rows: rows.into(), columns: None }
    }

    /// The grid of a sequence cut along axes 0 and 1; every band has the same column blocks.
    pub fn rows_and_columns(
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
    ) -> BlockGrid {
        BlockGrid { rows: rows.into(), columns: Some(columns.into()) }
    }

    /// The axes that are cut.
    #[must_use]
    pub fn cut(&self) -> Cut {
        if self.columns.is_some() { Cut::RowsAndColumns } else { Cut::Rows }
    }

    /// The block sizes along axis 0.
    #[must_use]
    pub fn rows(&self) -> &BlockSizes {
        &self.rows
    }

    /// The block sizes along axis 1, when that axis is cut.
    #[must_use]
    pub fn columns(&self) -> Option<&BlockSizes> {
        self.columns.as_ref()
    }

    /// The number of blocks in one band; 1 when only axis 0 is cut.
    #[must_use]
    pub fn blocks_per_band(&self) -> usize {
        self.columns.as_ref().map_or(1, BlockSizes::n_blocks)
    }

    /// Where a block lies, which is counted through all bands.
    pub(crate) fn position(&self, index: usize) -> BlockPosition {
        let (band, column) = (index / self.blocks_per_band(), index % self.blocks_per_band());
        BlockPosition {
            location: Location::of_block(self.cut(), band, column),
            row: self.rows.start(band),
            column: self.columns.as_ref().map_or(0, |columns| columns.start(column)),
        }
    }

    /// The number of blocks in the whole grid.
    #[must_use]
    pub fn n_blocks(&self) -> usize {
        self.rows.n_blocks() * self.blocks_per_band()
    }
}

/// Names a block or a band in messages: `block 3`, `block (3, 1)`, `band 3`. Counted from 0.
///
/// # Example
///
/// ```
/// use lazy_core::{Error, LazyChunkSequence, Location};
///
/// let files = ["1", "2", "?"];
/// let sequence = LazyChunkSequence::try_new(|| files.map(str::parse::<i32>));
/// match sequence.collect() {
///     Err(Error::Producer { at: Location::Block(i), .. }) => assert_eq!(files[i], "?"),
///     other => panic!("the last file holds no number, but there was {other:?}"),
/// }
/// assert_eq!(Location::NestedBlock(2, 1).to_string(), "block (2, 1)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Location {
    /// A block of a sequence cut along axis 0.
    Block(usize),
    /// Band and place in the band of a block of a nested sequence.
    NestedBlock(usize, usize),
    /// A whole band: the outer step of a nested sequence.
    Band(usize),
}

impl Location {
    /// The block `column` of band `band`; `column` is 0 in a sequence cut along axis 0.
    pub(crate) fn of_block(cut: Cut, band: usize, column: usize) -> Location {
        match cut {
            Cut::Rows => Location::Block(band),
            Cut::RowsAndColumns => Location::NestedBlock(band, column),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Block(i) => write!(formatter, "block {i}"),
            Location::NestedBlock(i, j) => write!(formatter, "block ({i}, {j})"),
            Location::Band(i) => write!(formatter, "band {i}"),
        }
    }
}

/// Which block a reducer is handed, and where in the array it lies.
///
/// # Example
///
/// The trace of a matrix, of blocks of any sizes:
///
/// ```
/// # use lazy_core::{NdarrayConverter, NestedLazyChunkSequence};
/// use lazy_core::{ArrayBlock, BlockPosition, Result, Statistic};
/// use ndarray::Ix2;
///
/// struct Trace;
///
/// impl Statistic for Trace {
/// #   type State = f64;
/// #   type Output = f64;
/// #   fn empty(&self) -> f64 { 0.0 }
///     fn push(&self, trace: &mut f64, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
///         for ((row, column), value) in block.to_array::<f64, Ix2>()?.indexed_iter() {
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
/// // [[1, 2, 3], [4, 5, 6]] in blocks of one row, and of two columns and one.
/// let matrix = NestedLazyChunkSequence::new(bands).convert(NdarrayConverter);
/// assert_eq!(matrix.compute(Trace)?, 6.0);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPosition {
    /// The block's name in messages.
    pub location: Location,
    /// The array's row (index along axis 0) of the block's first row.
    pub row: usize,
    /// The array's column (index along axis 1) of the block's first column; 0 when only axis 0 is
    /// cut.
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
}

//! The declaration of a sequence before its first block is computed.

use std::fmt;
use std::sync::Arc;

use crate::memory::Memory;
use crate::{BlockGrid, BlockSizes, Cut, DType};

/// The dtype and the shape of one row: of `array[i]`, the array without axis 0.
///
/// # Example
///
/// A declared row type gives the size of a row before any block is computed. With it, an empty
/// sequence is an array, too:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArrayBlock, Concatenate, DType, LazyChunkSequence};
///
/// let sequence =
///     LazyChunkSequence::new(Vec::<ArrayBlock>::new).with_row_type(DType::Float32, [3, 20]);
///
/// let row = sequence.spec().row_type().expect("it was declared");
/// let n_elements: usize = row.shape.iter().product();
/// assert_eq!(n_elements * row.dtype.size(), 240); // bytes
///
/// assert_eq!(sequence.compute(Concatenate)?.shape(), [0, 3, 20]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowType {
    /// The element type.
    pub dtype: DType,
    /// The shape of the array without axis 0.
    pub shape: Vec<usize>,
}

/// Displays as `float32 of shape [3, 20]`.
impl fmt::Display for RowType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of shape {:?}", self.dtype, self.shape)
    }
}

/// The declaration of a sequence: everything that is known before its first block is computed.
///
/// [`Reducer::start`](crate::Reducer::start) receives it, and every block that a reducer receives
/// was checked against all of it. Other aggregators and `collect` can rely only on the number of
/// bands, since their blocks can be of any type.
///
/// # Example
///
/// The declaration depends on how the sequence was made:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Cut, LazyChunkSequence, NestedLazyChunkSequence};
///
/// let streamed = LazyChunkSequence::new(|| [1, 2, 3]);
/// assert_eq!(streamed.spec().n_bands(), None);
/// assert_eq!(streamed.with_len(3).spec().n_bands(), Some(3));
///
/// let indexed = NestedLazyChunkSequence::from_fn([100, 50], [20, 20, 5], |i, j| i + j);
/// assert_eq!(indexed.spec().cut(), Cut::RowsAndColumns);
/// assert_eq!(indexed.spec().n_bands(), Some(2));
/// assert_eq!(indexed.spec().grid().map(|grid| grid.n_blocks()), Some(6));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceSpec {
    cut: Cut,
    n_bands: Option<usize>,
    /// Shared, since every reducer of a pass keeps the declaration.
    grid: Option<Arc<BlockGrid>>,
    row_type: Option<RowType>,
    memory: Memory,
}

impl SequenceSpec {
    /// Creates a declaration of blocks that are computed in order; `n_bands` is the number of
    /// blocks along axis 0, if known.
    #[must_use]
    pub fn streamed(cut: Cut, n_bands: Option<usize>) -> SequenceSpec {
        SequenceSpec { cut, n_bands, grid: None, row_type: None, memory: Memory::default() }
    }

    /// Creates a declaration of blocks whose sizes are known.
    #[must_use]
    pub fn indexed(grid: BlockGrid) -> SequenceSpec {
        SequenceSpec {
            cut: grid.cut(),
            n_bands: Some(grid.rows().n_blocks()),
            grid: Some(Arc::new(grid)),
            row_type: None,
            memory: Memory::default(),
        }
    }

    /// Replaces the grid.
    pub(crate) fn with_grid(self, grid: BlockGrid) -> SequenceSpec {
        SequenceSpec {
            cut: grid.cut(),
            n_bands: Some(grid.rows().n_blocks()),
            grid: Some(Arc::new(grid)),
            ..self
        }
    }

    /// Replaces the cut and the number of bands, and forgets the grid.
    pub(crate) fn without_grid(self, cut: Cut, n_bands: Option<usize>) -> SequenceSpec {
        SequenceSpec { cut, n_bands, grid: None, ..self }
    }

    /// Returns the declaration of the sequence whose blocks are the bands of this one.
    pub(crate) fn rows_only(self) -> SequenceSpec {
        let grid = self.grid.as_ref().map(|grid| BlockGrid::rows_only(grid.rows().clone()));
        SequenceSpec { cut: Cut::Rows, grid: grid.map(Arc::new), ..self }
    }

    pub(crate) fn with_n_bands(self, n_bands: usize) -> SequenceSpec {
        SequenceSpec { n_bands: Some(n_bands), ..self }
    }

    /// Replaces the row type; `None` makes it unknown. A reducer that changes blocks before it
    /// passes them to another reducer declares the row type of the changed blocks.
    #[must_use]
    pub fn with_row_type(self, row_type: Option<RowType>) -> SequenceSpec {
        SequenceSpec { row_type, ..self }
    }

    /// Returns the declaration of the sequence in which each block becomes one row.
    pub(crate) fn stacked(&self) -> SequenceSpec {
        let grid =
            self.grid.as_ref().map(|grid| BlockGrid::rows_only(vec![1; grid.rows().n_blocks()]));
        let height = self.grid.as_ref().and_then(|grid| {
            let mut heights = (0..grid.rows().n_blocks()).map(|i| grid.rows().size(i));
            let first = heights.next()?;
            heights.all(|height| height == first).then_some(first)
        });
        let row_type = height.zip(self.row_type.as_ref()).map(|(height, row_type)| RowType {
            dtype: row_type.dtype,
            shape: [&[height], &row_type.shape[..]].concat(),
        });
        SequenceSpec { grid: grid.map(Arc::new), row_type, ..self.clone() }
    }

    /// Replaces the memory limit of a pass, in bytes; see
    /// [`with_memory_limit`](crate::LazyChunkSequence::with_memory_limit).
    #[must_use]
    pub fn with_memory_limit(self, bytes: u64) -> SequenceSpec {
        SequenceSpec { memory: self.memory.with_limit(bytes), ..self }
    }

    /// Returns the declaration for one pass, in which at most `n_in_flight` contributions are in
    /// flight.
    pub(crate) fn for_pass(&self, n_in_flight: usize) -> SequenceSpec {
        SequenceSpec { memory: self.memory.for_pass(n_in_flight), ..self.clone() }
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Returns the shape of the array, if the block grid and the row type are known.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{DType, LazyChunkSequence};
    ///
    /// let sequence = LazyChunkSequence::from_fn([10, 5], |i| i);
    /// assert_eq!((sequence.spec().n_rows(), sequence.spec().shape()), (Some(15), None));
    ///
    /// let sequence = sequence.with_row_type(DType::Float32, [3]);
    /// assert_eq!(sequence.spec().shape(), Some(vec![15, 3]));
    /// ```
    #[must_use]
    pub fn shape(&self) -> Option<Vec<usize>> {
        Some([&[self.n_rows()?], self.row_type.as_ref()?.shape.as_slice()].concat())
    }

    /// Returns the largest size of a block along each axis, if the block grid and the row type are
    /// known.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{DType, LazyChunkSequence};
    ///
    /// let sequence = LazyChunkSequence::from_fn([10, 5], |i| i).with_row_type(DType::Float32, [3]);
    /// assert_eq!(sequence.spec().largest_block(), Some(vec![10, 3]));
    /// ```
    #[must_use]
    pub fn largest_block(&self) -> Option<Vec<usize>> {
        let (grid, row_type) = (self.grid()?, self.row_type()?);
        let largest = |sizes: &BlockSizes| sizes.ranges().map(|range| range.len()).max();
        let mut shape = [&[largest(grid.rows()).unwrap_or(0)], &row_type.shape[..]].concat();
        if let (Some(columns), Some(size)) = (grid.columns(), shape.get_mut(1)) {
            *size = largest(columns).unwrap_or(0);
        }
        Some(shape)
    }

    /// Returns the maximum number of blocks that are in flight in a pass: computed, but not merged.
    ///
    /// It is 1 unless several threads evaluate the sequence. Within
    /// [`Reducer::start`](crate::Reducer::start) and
    /// [`Reducer::memory_bound`](crate::Reducer::memory_bound), the declaration has the number of
    /// the pass.
    #[must_use]
    pub fn max_in_flight(&self) -> usize {
        let most = self.memory.n_in_flight();
        // Blocks that come one at a time are merged one at a time.
        self.grid.as_ref().map_or(most.min(1), |grid| most.min(grid.n_blocks()))
    }

    /// Returns the number of blocks that fit into `bytes` of memory, if the block grid and the row
    /// type are known: the size of the largest block counts.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{DType, LazyChunkSequence};
    ///
    /// let sequence =
    ///     LazyChunkSequence::from_fn([100, 50], |i| i).with_row_type(DType::Float32, [25]);
    /// assert_eq!(sequence.spec().blocks_within(1 << 20), Some(104));
    /// ```
    #[must_use]
    pub fn blocks_within(&self, bytes: u64) -> Option<usize> {
        let (shape, row_type) = (self.largest_block()?, self.row_type()?);
        let block = shape
            .iter()
            .fold(row_type.dtype.size() as u64, |bytes, &size| bytes.saturating_mul(size as u64));
        Some(usize::try_from(bytes.checked_div(block).unwrap_or(u64::MAX)).unwrap_or(usize::MAX))
    }

    /// Returns the size of the array along axis 0, if the block grid is known.
    #[must_use]
    pub fn n_rows(&self) -> Option<usize> {
        self.grid.as_ref().map(|grid| grid.rows().total())
    }

    /// Returns the axes along which the sequence is cut.
    #[must_use]
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Returns the number of blocks along axis 0, if known: blocks of a sequence, or bands of a
    /// nested sequence.
    #[must_use]
    pub fn n_bands(&self) -> Option<usize> {
        self.n_bands
    }

    /// Returns the block grid, if the sequence is indexed.
    #[must_use]
    pub fn grid(&self) -> Option<&BlockGrid> {
        self.grid.as_deref()
    }

    /// Returns the dtype and the shape of one row, if declared.
    #[must_use]
    pub fn row_type(&self) -> Option<&RowType> {
        self.row_type.as_ref()
    }

    /// Returns the number of bytes that the statistics and the sinks of a pass may take, or `None`
    /// if no limit was set.
    #[must_use]
    pub fn memory_limit(&self) -> Option<u64> {
        self.memory.limit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_is_known_from_grid_and_row_type_together() {
        let row_type = RowType { dtype: DType::UInt8, shape: vec![4, 5] };
        let streamed = SequenceSpec::streamed(Cut::Rows, Some(2));
        assert_eq!((streamed.n_rows(), streamed.shape()), (None, None));
        let streamed = streamed.with_row_type(Some(row_type.clone()));
        assert_eq!((streamed.n_rows(), streamed.shape()), (None, None));

        for grid in
            [BlockGrid::rows_only([2, 0, 1]), BlockGrid::rows_and_columns([2, 0, 1], [3, 1])]
        {
            let indexed = SequenceSpec::indexed(grid);
            assert_eq!((indexed.n_rows(), indexed.shape()), (Some(3), None));
            let indexed = indexed.with_row_type(Some(row_type.clone()));
            assert_eq!((indexed.n_rows(), indexed.shape()), (Some(3), Some(vec![3, 4, 5])));
        }
        let none = SequenceSpec::indexed(BlockGrid::rows_only([]));
        assert_eq!(none.with_row_type(Some(row_type)).shape(), Some(vec![0, 4, 5]));
    }
}

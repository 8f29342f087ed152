//! Nested sequences with other columns, or without a cut along axis 1.

use std::ops::Range;

use super::refused;
use crate::sequence::{Access, LazyChunkSequence, NestedLazyChunkSequence, RandomAccess};
use crate::stream::{Failure, Inputs, Rule};
use crate::{ArrayBlock, BlockCheck, BlockGrid, BlockSizes, Error, Result, RowType};

impl<'a, T: Send + 'a, K: Access> NestedLazyChunkSequence<'a, T, K> {
    /// Returns the sequence whose blocks are the bands of this one: vectors of its blocks.
    ///
    /// The access, the threads and the grid along axis 0 are kept, and a declared row type is not.
    /// [`join_rows`](NestedLazyChunkSequence::join_rows) joins the blocks of a band into one array.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::NestedLazyChunkSequence;
    ///
    /// let sequence = NestedLazyChunkSequence::from_fn([1; 2], [1; 3], |i, j| 10 * i + j);
    /// assert_eq!(sequence.flatten_bands().block(1)?, [10, 11, 12]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    #[must_use]
    pub fn flatten_bands(self) -> LazyChunkSequence<'a, Vec<T>, K> {
        self.joined(None, Ok)
    }

    fn joined<U: Send + 'a, F>(
        self,
        row_type: Option<RowType>,
        join: F,
    ) -> LazyChunkSequence<'a, U, K>
    where
        F: Fn(Vec<T>) -> Result<U, Failure> + Send + Sync + 'a,
    {
        let producer = K::joined(self.producer, self.spec.grid(), join);
        let spec = self.spec.rows_only().with_row_type(row_type);
        LazyChunkSequence { producer, spec, pass: self.pass }
    }
}

impl<'a, K: Access> NestedLazyChunkSequence<'a, ArrayBlock, K> {
    /// Joins the blocks of each band into one block, so that the sequence is cut along axis 0 only.
    ///
    /// A block then holds whole rows, as [`Covariance`](crate::Covariance) requires. The access,
    /// the threads, the row type and the grid along axis 0 are kept.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{Covariance, NdarrayConverter, NestedLazyChunkSequence};
    /// use ndarray::Array2;
    ///
    /// let sequence = NestedLazyChunkSequence::from_fn([2, 2], [3, 1], |i, j| {
    ///     Array2::from_elem((2, [3, 1][j]), (i + j) as f64)
    /// })
    /// .convert(NdarrayConverter);
    /// let rows = sequence.join_rows();
    /// assert_eq!(rows.block(1)?.shape(), [2, 4]);
    /// assert_eq!(rows.compute(Covariance)?.mean.len(), 4);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    #[must_use]
    pub fn join_rows(self) -> LazyChunkSequence<'a, ArrayBlock, K> {
        let row_type = self.spec.row_type().cloned();
        self.joined(row_type, |blocks| {
            if blocks.is_empty() {
                return Err(Failure::Assembly(Error::empty_sequence()));
            }
            if blocks.iter().any(|block| block.shape().len() < 2) {
                let problem = "the blocks have fewer than 2 axes";
                return Err(Failure::Assembly(refused("join the blocks of a band", problem)));
            }
            ArrayBlock::join(1, &blocks).map_err(Failure::Assembly)
        })
    }
}

impl<'a, K: RandomAccess> NestedLazyChunkSequence<'a, ArrayBlock, K> {
    /// Swaps axes 0 and 1 of the array: block `(i, j)` becomes block `(j, i)`, transposed.
    ///
    /// The access, the threads and the row type are kept. The blocks of the sequence are requested
    /// in another order, so operations before this one, such as
    /// [`rechunk`](NestedLazyChunkSequence::rechunk), keep no blocks between requests: apply them
    /// after this one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the declared row type
    /// contradicts the grid.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{Concatenate, NdarrayConverter, NestedLazyChunkSequence};
    /// use ndarray::array;
    ///
    /// let sequence = NestedLazyChunkSequence::from_fn([1, 1], [2], |i, _| array![[i, 7]]);
    /// let transposed = sequence.map(|block| block.mapv(|x| x as u64)).convert(NdarrayConverter);
    /// let array = transposed.transposed()?.compute(Concatenate)?;
    /// assert_eq!((array.shape(), array.as_slice::<u64>()?), (&[2, 2][..], &[0, 1, 7, 7][..]));
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn transposed(self) -> Result<Self> {
        let grid = self.grid();
        let transposed = BlockGrid::rows_and_columns(self.columns().clone(), grid.rows().clone());
        let row_type = match self.spec.row_type() {
            Some(row_type) => {
                BlockCheck::new(&self.spec)?;
                let mut shape = row_type.shape.clone();
                shape[0] = grid.rows().total();
                Some(RowType { dtype: row_type.dtype, shape })
            }
            None => None,
        };
        Ok(NestedLazyChunkSequence {
            producer: K::derived(self.producer, &transposed, TransposeRule),
            spec: self.spec.with_grid(transposed).with_row_type(row_type),
            pass: self.pass,
        })
    }

    /// Keeps these columns of the array. Blocks outside the range are never computed.
    ///
    /// The access, the threads and the grid along axis 0 are kept, and the row type has the new
    /// number of columns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if the range is not within the
    /// columns of the array.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{NdarrayConverter, NestedLazyChunkSequence};
    /// use ndarray::Array2;
    ///
    /// let sequence = NestedLazyChunkSequence::from_fn([2, 2], [10; 100], |_, _| {
    ///     Array2::<f32>::zeros((2, 10))
    /// });
    /// let columns = sequence.convert(NdarrayConverter).slice_columns(995..998)?;
    /// assert_eq!(columns.block(1, 0)?.shape(), [2, 3]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn slice_columns(self, range: Range<usize>) -> Result<Self> {
        let (grid, columns) = (self.grid(), self.columns());
        let parts = super::rows::parts_of(columns, &range, "slice the columns", "columns")?;
        let sizes: Vec<_> = parts.iter().map(|(_, range)| range.len()).collect();
        let grid = BlockGrid::rows_and_columns(grid.rows().clone(), sizes);
        let row_type = self.spec.row_type().cloned().map(|mut row_type| {
            if let Some(n_columns) = row_type.shape.first_mut() {
                *n_columns = range.len();
            }
            row_type
        });
        let rule = ColumnsRule { parts, blocks_per_band: columns.n_blocks() };
        Ok(NestedLazyChunkSequence {
            producer: K::derived(self.producer, &grid, rule),
            spec: self.spec.with_grid(grid).with_row_type(row_type),
            pass: self.pass,
        })
    }
}

impl<'a, T: 'a, K: RandomAccess> NestedLazyChunkSequence<'a, T, K> {
    fn columns(&self) -> &BlockSizes {
        self.grid().columns().expect("a nested sequence is cut along axis 1")
    }
}

/// Blocks with axes 0 and 1 swapped.
struct TransposeRule;

impl Rule<ArrayBlock, ArrayBlock> for TransposeRule {
    fn block(
        &self,
        inputs: &Inputs<'_, ArrayBlock>,
        band: usize,
        column: usize,
    ) -> Result<ArrayBlock, Failure> {
        let block = inputs.block(0, column, band)?;
        if block.shape().len() < 2 {
            let problem = format!("the block has shape {:?}", block.shape());
            return Err(Failure::Assembly(refused("transpose a block", problem)));
        }
        Ok(block.transposed())
    }

    fn first_needed(&self, _: usize, _: usize) -> Option<usize> {
        None
    }
}

/// Parts of the blocks of each band.
struct ColumnsRule {
    /// The index of each block in its band, and its columns.
    parts: Vec<(usize, Range<usize>)>,
    blocks_per_band: usize,
}

impl Rule<ArrayBlock, ArrayBlock> for ColumnsRule {
    fn block(
        &self,
        inputs: &Inputs<'_, ArrayBlock>,
        band: usize,
        column: usize,
    ) -> Result<ArrayBlock, Failure> {
        let (source, range) = &self.parts[column];
        super::rows::part(&inputs.block(0, band, *source)?, 1, range.clone())
    }

    fn first_needed(&self, _: usize, next: usize) -> Option<usize> {
        let band = next.checked_div(self.parts.len()).unwrap_or(usize::MAX);
        Some(band.saturating_mul(self.blocks_per_band))
    }
}

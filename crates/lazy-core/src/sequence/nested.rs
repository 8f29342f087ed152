//! The sequence cut along axes 0 and 1.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::access::{Access, Indexed, LocalIndexed, OnThreads, RandomAccess, Streamed};
use super::pass::Pass;
use super::producer::{AnyProducer, SharedProducer};
use super::shared_methods;
use crate::aggregate::{Bands, NestedSequenceAggregator};
use crate::reduce::drive;
use crate::stream::{
    BlockStream, Evaluation, Failure, FnBlocks, FnSource, StreamedBands, TryFnSource, guarded,
};
use crate::{
    ArrayBlock, BlockGrid, BlockIndex, BlockSizes, BoxError, Converter, Cut, DType, NestedSource,
    Observer, Reducer, Result, RowType, SequenceSpec,
};

/// A lazily evaluated array that is cut into blocks along axes 0 and 1.
///
/// The blocks that one step of the outer iterator yields are a *band*: they cover the same rows,
/// and together all columns. Otherwise it is like a
/// [`LazyChunkSequence`](crate::LazyChunkSequence).
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Concatenate, NestedLazyChunkSequence};
/// use ndarray::Array2;
///
/// let sequence = NestedLazyChunkSequence::new(|| {
///     (0..3).map(|i| (0..4).map(move |j| Array2::from_elem((2, 5), (i, j).0 * 4 + j)))
/// });
/// let array = sequence.compute(Concatenate)?;
/// assert_eq!(array.dim(), (6, 20));
/// assert_eq!(array[[5, 19]], 11);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct NestedLazyChunkSequence<'a, T: 'a, K: Access = Streamed> {
    pub(super) producer: K::Producer<'a, T>,
    pub(super) spec: SequenceSpec,
    pub(super) pass: Pass<'a>,
}

shared_methods!(NestedLazyChunkSequence);

impl<'a, T: 'a> NestedLazyChunkSequence<'a, T, Streamed> {
    /// Creates a sequence of the blocks of an iterator of iterators. The outer iterator yields
    /// bands, and the inner ones yield their blocks. Each evaluation calls `start` for a new
    /// iterator.
    pub fn new<F, O, I>(start: F) -> Self
    where
        F: Fn() -> O + 'a,
        O: IntoIterator<Item = I> + 'a,
        I: IntoIterator<Item = T> + 'a,
    {
        Self::from_source(FnSource::new(start))
    }

    /// Creates a sequence like [`new`](Self::new), from iterators whose items can fail, both outer
    /// and inner. The first error ends the evaluation.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{NestedLazyChunkSequence, report};
    ///
    /// let sequence = NestedLazyChunkSequence::try_new(|| {
    ///     [Ok(["1", "2"].map(str::parse::<i32>)), Ok(["3", "four"].map(str::parse))]
    /// });
    /// assert_eq!(
    ///     report(&sequence.collect().unwrap_err()),
    ///     "the producer failed at block (1, 1): invalid digit found in string"
    /// );
    /// ```
    pub fn try_new<F, O, I, E>(start: F) -> Self
    where
        F: Fn() -> O + 'a,
        O: IntoIterator<Item = Result<I, E>> + 'a,
        I: IntoIterator<Item = Result<T, E>> + 'a,
        E: Into<BoxError> + 'a,
    {
        Self::from_source(TryFnSource::new(start))
    }

    /// Creates a sequence of the bands of a [`NestedSource`].
    pub fn from_source<S: NestedSource<Block = T> + 'a>(source: S) -> Self {
        NestedLazyChunkSequence {
            producer: AnyProducer::InOrder(Arc::new(StreamedBands(source))),
            spec: SequenceSpec::streamed(Cut::RowsAndColumns, None),
            pass: Pass::default(),
        }
    }

    /// Declares the number of bands. An evaluation returns an error of the kind
    /// [`ErrorKind::BlockCount`](crate::ErrorKind::BlockCount) if there are fewer or more.
    #[must_use]
    pub fn with_len(self, n_bands: usize) -> Self {
        Self { spec: self.spec.with_n_bands(n_bands), ..self }
    }
}

impl<'a, T: Send + 'a> NestedLazyChunkSequence<'a, T, Indexed> {
    /// Creates a sequence whose block `(i, j)` is `block(i, j)` and has `rows.size(i)` rows and
    /// `columns.size(j)` columns. Blocks can be computed in any order, on any thread.
    ///
    /// Reducers and [`Concatenate`](crate::Concatenate) return
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) for a block of another size.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::NestedLazyChunkSequence;
    /// use ndarray::Array2;
    ///
    /// let sequence = NestedLazyChunkSequence::from_fn([3, 1], [2, 2], |i, j| {
    ///     Array2::from_elem(([3, 1][i], 2), (i + j) as f32)
    /// });
    /// assert_eq!(sequence.block(1, 1)?, Array2::from_elem((1, 2), 2.0));
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn from_fn<F>(rows: impl Into<BlockSizes>, columns: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(usize, usize) -> T + Send + Sync + 'a,
    {
        Self::from_blocks(BlockGrid::rows_and_columns(rows, columns), move |i, j| Ok(block(i, j)))
    }

    /// Creates a sequence like [`from_fn`](Self::from_fn), from a function that can fail.
    pub fn try_from_fn<F, E>(
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
        block: F,
    ) -> Self
    where
        F: Fn(usize, usize) -> Result<T, E> + Send + Sync + 'a,
        E: Into<BoxError>,
    {
        Self::from_blocks(BlockGrid::rows_and_columns(rows, columns), move |i, j| {
            block(i, j).map_err(|error| Failure::Producer(error.into()))
        })
    }

    /// Creates a sequence whose block for a range of rows and a range of columns is
    /// `block(rows, columns)`. The sizes of `rows` and `columns` cut the array into these regions.
    ///
    /// # Example
    ///
    /// The block of a kernel matrix for some of the samples against some of the samples:
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{BlockSizes, NestedLazyChunkSequence};
    /// use ndarray::{Array2, s};
    ///
    /// let samples = Array2::from_shape_fn((5, 3), |(i, k)| (i + k) as f32);
    /// let sizes = BlockSizes::uniform(5, 2);
    /// let kernel = NestedLazyChunkSequence::from_regions(sizes.clone(), sizes, |rows, columns| {
    ///     samples.slice(s![rows, ..]).dot(&samples.slice(s![columns, ..]).t())
    /// });
    /// assert_eq!(kernel.block(2, 0)?.dim(), (1, 2));
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn from_regions<F>(
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
        block: F,
    ) -> Self
    where
        F: Fn(Range<usize>, Range<usize>) -> T + Send + Sync + 'a,
    {
        let (rows, columns) = (rows.into(), columns.into());
        Self::from_fn(rows.clone(), columns.clone(), move |i, j| {
            block(rows.range(i), columns.range(j))
        })
    }

    /// Creates a sequence like [`from_regions`](Self::from_regions), from a function that can fail.
    pub fn try_from_regions<F, E>(
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
        block: F,
    ) -> Self
    where
        F: Fn(Range<usize>, Range<usize>) -> Result<T, E> + Send + Sync + 'a,
        E: Into<BoxError>,
    {
        let (rows, columns) = (rows.into(), columns.into());
        Self::try_from_fn(rows.clone(), columns.clone(), move |i, j| {
            block(rows.range(i), columns.range(j))
        })
    }

    fn from_blocks<F>(grid: BlockGrid, block: F) -> Self
    where
        F: Fn(usize, usize) -> Result<T, Failure> + Send + Sync + 'a,
    {
        let producer = FnBlocks::new(&grid, block);
        Self {
            producer: SharedProducer::new(producer),
            spec: SequenceSpec::indexed(grid),
            pass: Pass::default(),
        }
    }
}

impl<'a, T: 'a> NestedLazyChunkSequence<'a, T, LocalIndexed> {
    /// Creates a sequence like [`from_fn`](NestedLazyChunkSequence::from_fn), from a function that
    /// stays on its thread.
    pub fn from_local_fn<F>(
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
        block: F,
    ) -> Self
    where
        F: Fn(usize, usize) -> T + 'a,
    {
        Self::from_blocks(BlockGrid::rows_and_columns(rows, columns), move |i, j| Ok(block(i, j)))
    }

    /// Creates a sequence like [`try_from_fn`](NestedLazyChunkSequence::try_from_fn), from a
    /// function that stays on its thread.
    pub fn try_from_local_fn<F, E>(
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
        block: F,
    ) -> Self
    where
        F: Fn(usize, usize) -> Result<T, E> + 'a,
        E: Into<BoxError>,
    {
        Self::from_blocks(BlockGrid::rows_and_columns(rows, columns), move |i, j| {
            block(i, j).map_err(|error| Failure::Producer(error.into()))
        })
    }

    /// Creates a sequence like [`from_regions`](NestedLazyChunkSequence::from_regions), from a
    /// function that stays on its thread.
    pub fn from_local_regions<F>(
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
        block: F,
    ) -> Self
    where
        F: Fn(Range<usize>, Range<usize>) -> T + 'a,
    {
        let (rows, columns) = (rows.into(), columns.into());
        Self::from_local_fn(rows.clone(), columns.clone(), move |i, j| {
            block(rows.range(i), columns.range(j))
        })
    }

    /// Creates a sequence like [`try_from_regions`](NestedLazyChunkSequence::try_from_regions),
    /// from a function that stays on its thread.
    pub fn try_from_local_regions<F, E>(
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
        block: F,
    ) -> Self
    where
        F: Fn(Range<usize>, Range<usize>) -> Result<T, E> + 'a,
        E: Into<BoxError>,
    {
        let (rows, columns) = (rows.into(), columns.into());
        Self::try_from_local_fn(rows.clone(), columns.clone(), move |i, j| {
            block(rows.range(i), columns.range(j))
        })
    }

    fn from_blocks<F>(grid: BlockGrid, block: F) -> Self
    where
        F: Fn(usize, usize) -> Result<T, Failure> + 'a,
    {
        let producer = FnBlocks::new(&grid, block);
        Self {
            producer: Arc::new(producer),
            spec: SequenceSpec::indexed(grid),
            pass: Pass::default(),
        }
    }
}

impl<'a, T: 'a, K: Access> NestedLazyChunkSequence<'a, T, K> {
    /// Starts an evaluation that lends one band at a time. Each block is computed on demand.
    #[must_use]
    pub fn bands(&self) -> Bands<'_, T> {
        Bands::new(self.stream())
    }

    /// Evaluates all blocks into one vector per band.
    ///
    /// # Errors
    ///
    /// - An error or a panic of the producer, or an error of a converter, with the index of the
    ///   block.
    /// - [`ErrorKind::BlockCount`](crate::ErrorKind::BlockCount) if the declared number of bands is
    ///   wrong.
    /// - [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) if an observer cancels the
    ///   evaluation.
    pub fn collect(&self) -> Result<Vec<Vec<T>>> {
        self.evaluate(true, |stream| {
            let mut bands = Bands::new(stream);
            let mut collected = Vec::new();
            while let Some(band) = bands.next_band()? {
                collected.push(band.collect::<Result<_>>()?);
            }
            Ok(collected)
        })
    }

    /// Evaluates the blocks with an aggregator, such as a [`Reducer`].
    ///
    /// # Errors
    ///
    /// - The errors of [`collect`](Self::collect).
    /// - For a reducer or [`Concatenate`](crate::Concatenate): the errors of blocks that do not fit
    ///   together or do not match the declaration, with the index of the block.
    /// - The errors of the aggregator.
    pub fn compute<G: NestedSequenceAggregator<T>>(&self, aggregator: G) -> Result<G::Output> {
        self.evaluate(!G::REDUCES, |stream| {
            let bands = Bands::new(stream);
            bands.trace().consuming(|| aggregator.aggregate_nested(bands))
        })
    }
}

impl<'a, T: 'a, K: RandomAccess> NestedLazyChunkSequence<'a, T, K> {
    /// Computes only block `(i, j)`.
    ///
    /// # Errors
    ///
    /// An error or a panic of the producer, or an error of a converter, with the index of the
    /// block.
    ///
    /// # Panics
    ///
    /// Panics if there is no block `(i, j)`.
    pub fn block(&self, i: usize, j: usize) -> Result<T> {
        let (n_bands, n_columns) = (self.grid().rows().n_blocks(), self.grid().blocks_per_band());
        assert!(
            i < n_bands && j < n_columns,
            "block ({i}, {j}) of a sequence of {n_bands} × {n_columns} blocks"
        );
        guarded(BlockIndex::NestedBlock(i, j), || {
            K::indexed(&self.producer).block(Evaluation::SINGLE, i, j)
        })
    }
}

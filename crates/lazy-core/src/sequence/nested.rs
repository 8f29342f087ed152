//! The sequence cut along axes 0 and 1.

use std::fmt;
use std::sync::Arc;

use super::kind::{Indexed, IndexedKind, Kind, SharedIndexed, Streamed};
use super::shared_methods;
use crate::aggregate::{Bands, NestedSequenceAggregator};
use crate::stream::{
    BlockStream, Failure, FnBlocks, FnSource, Parallel, StreamedBands, Threads, TryFnSource,
    guarded,
};
use crate::{
    ArrayBlock, BlockGrid, BlockSizes, BoxError, Converter, Cut, DType, Declared, Location,
    NestedSource, Result, RowType,
};

/// A lazily evaluated array that is cut into blocks along axes 0 and 1; all other axes are whole.
///
/// The blocks of one outer step are a *band*: the same rows, and together all columns. Otherwise
/// all that is said of [`LazyChunkSequence`](crate::LazyChunkSequence) holds.
///
/// # Example
///
/// ```
/// use lazy_core::{Concatenate, NestedLazyChunkSequence};
/// use ndarray::Array2;
///
/// let sequence = NestedLazyChunkSequence::new(|| {
///     (0..3).map(|i| (0..4).map(move |j| Array2::from_elem((2, 5), (i, j).0 * 4 + j)))
/// });
/// let array = sequence.compute(Concatenate)?;
/// assert_eq!(array.dim(), (6, 20));
/// assert_eq!(array[[5, 19]], 11);
/// # Ok::<(), lazy_core::Error>(())
/// ```
pub struct NestedLazyChunkSequence<'a, T: 'a, K: Kind = Streamed> {
    producer: Arc<K::Producer<'a, T>>,
    declared: Declared,
    threads: Threads,
}

shared_methods!(NestedLazyChunkSequence);

impl<'a, T: 'a> NestedLazyChunkSequence<'a, T, Streamed> {
    /// A sequence of the blocks of an iterator of iterators, which `start` makes anew for each
    /// evaluation. The outer iterator yields bands, the inner ones their blocks.
    pub fn new<F, O, I>(start: F) -> Self
    where
        F: Fn() -> O + 'a,
        O: IntoIterator<Item = I> + 'a,
        I: IntoIterator<Item = T> + 'a,
    {
        Self::from_source(FnSource::new(start))
    }

    /// As [`new`](Self::new), for iterators whose items can fail, the outer one's and the inner
    /// ones'. The first error ends the evaluation.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{NestedLazyChunkSequence, report};
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

    /// A sequence of the bands of a [`NestedSource`].
    pub fn from_source<S: NestedSource<Block = T> + 'a>(source: S) -> Self {
        NestedLazyChunkSequence {
            producer: Arc::new(StreamedBands(source)),
            declared: Declared::streamed(Cut::RowsAndColumns, None),
            threads: Threads::default(),
        }
    }

    /// Declares the number of bands. An evaluation that ends with fewer is an error
    /// ([`Error::TooFewBlocks`](crate::Error::TooFewBlocks)), and so is one that goes on for more
    /// ([`Error::TooManyBlocks`](crate::Error::TooManyBlocks)).
    #[must_use]
    pub fn with_len(self, n_bands: usize) -> Self {
        Self { declared: self.declared.with_n_bands(n_bands), ..self }
    }
}

impl<'a, T: 'a> NestedLazyChunkSequence<'a, T, SharedIndexed> {
    /// A sequence whose block `(i, j)`, of `rows.size(i)` rows and `columns.size(j)` columns, is
    /// `block(i, j)`: in any order, on any thread.
    ///
    /// To reducers and [`Concatenate`](crate::Concatenate) a block of another size is
    /// [`Error::GridMismatch`](crate::Error::GridMismatch).
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::NestedLazyChunkSequence;
    /// use ndarray::Array2;
    ///
    /// let sequence = NestedLazyChunkSequence::from_fn([3, 1], [2, 2], |i, j| {
    ///     Array2::from_elem(([3, 1][i], 2), (i + j) as f32)
    /// });
    /// assert_eq!(sequence.block(1, 1)?, Array2::from_elem((1, 2), 2.0));
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    pub fn from_fn<F>(rows: impl Into<BlockSizes>, columns: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(usize, usize) -> T + Send + Sync + 'a,
    {
        Self::from_blocks(BlockGrid::rows_and_columns(rows, columns), move |i, j| Ok(block(i, j)))
    }

    /// As [`from_fn`](Self::from_fn), for a function that can fail.
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

    fn from_blocks<F>(grid: BlockGrid, block: F) -> Self
    where
        F: Fn(usize, usize) -> Result<T, Failure> + Send + Sync + 'a,
    {
        let producer = FnBlocks::new(&grid, block);
        Self {
            producer: Arc::new(producer),
            declared: Declared::indexed(grid),
            threads: Threads::default(),
        }
    }
}

impl<'a, T: 'a> NestedLazyChunkSequence<'a, T, Indexed> {
    /// As [`from_fn`](NestedLazyChunkSequence::from_fn), for a function that stays on its thread.
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

    /// As [`try_from_fn`](NestedLazyChunkSequence::try_from_fn), for a function that stays on its
    /// thread.
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

    fn from_blocks<F>(grid: BlockGrid, block: F) -> Self
    where
        F: Fn(usize, usize) -> Result<T, Failure> + 'a,
    {
        let producer = FnBlocks::new(&grid, block);
        Self {
            producer: Arc::new(producer),
            declared: Declared::indexed(grid),
            threads: Threads::default(),
        }
    }
}

impl<'a, T: 'a, K: Kind> NestedLazyChunkSequence<'a, T, K> {
    /// Starts an evaluation: lends one band after the other, whose blocks are computed when they
    /// are asked for.
    #[must_use]
    pub fn bands(&self) -> Bands<'_, T> {
        Bands::new(self.stream())
    }

    /// Evaluates all blocks into one vector per band.
    ///
    /// # Errors
    ///
    /// - The producer's error or panic, and a converter's error, with the block's index.
    /// - [`Error::TooFewBlocks`](crate::Error::TooFewBlocks) and
    ///   [`Error::TooManyBlocks`](crate::Error::TooManyBlocks) when the declared number of bands is
    ///   wrong.
    pub fn collect(&self) -> Result<Vec<Vec<T>>> {
        let mut bands = self.bands();
        let mut collected = Vec::new();
        while let Some(band) = bands.next_band()? {
            collected.push(band.collect::<Result<_>>()?);
        }
        Ok(collected)
    }

    /// Evaluates the blocks through an aggregator, which a [`Reducer`](crate::Reducer) is as well.
    ///
    /// # Errors
    ///
    /// - Those of [`collect`](Self::collect).
    /// - To a reducer and to [`Concatenate`](crate::Concatenate): that blocks do not fit together, or
    ///   not what was declared, with the block's index.
    /// - The aggregator's own.
    pub fn compute<G: NestedSequenceAggregator<T>>(&self, aggregator: G) -> Result<G::Output> {
        let bands = self.bands();
        bands.trace().consuming(|| aggregator.aggregate_nested(bands))
    }
}

impl<'a, T: 'a, K: IndexedKind> NestedLazyChunkSequence<'a, T, K> {
    /// Computes block `(i, j)` alone.
    ///
    /// # Errors
    ///
    /// The producer's error or panic, and a converter's error, with the block's index.
    ///
    /// # Panics
    ///
    /// When there is no block `(i, j)`.
    pub fn block(&self, i: usize, j: usize) -> Result<T> {
        let (n_bands, n_columns) = (self.grid().rows().n_blocks(), self.grid().blocks_per_band());
        assert!(
            i < n_bands && j < n_columns,
            "block ({i}, {j}) of a sequence of {n_bands} × {n_columns} blocks"
        );
        guarded(Location::NestedBlock(i, j), || K::indexed(&self.producer).block(i, j))
    }
}

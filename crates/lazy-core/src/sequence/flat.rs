//! The sequence cut along axis 0.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::access::{Access, Indexed, LocalIndexed, OnThreads, RandomAccess, Streamed};
use super::pass::Pass;
use super::producer::{AnyProducer, SharedProducer};
use super::shared_methods;
use crate::aggregate::{Blocks, SequenceAggregator};
use crate::reduce::drive;
use crate::stream::{
    BlockStream, Evaluation, Failure, FnBlocks, FnSource, StreamedBlocks, TryFnSource, guarded,
};
use crate::{
    ArrayBlock, BlockGrid, BlockIndex, BlockSizes, BoxError, Converter, Cut, DType, Observer,
    Reducer, Result, RowType, SequenceSpec, Source,
};

/// A lazily evaluated array that is cut into blocks along axis 0 only.
///
/// Creating the sequence computes nothing. Each evaluation ([`blocks`](Self::blocks),
/// [`collect`](Self::collect), [`compute`](Self::compute)) starts the producer anew, computes each
/// block once, and holds one block at a time.
///
/// The parameter `K` is the access: a [`Streamed`] sequence is made from an iterator, and a
/// [`LocalIndexed`] or [`Indexed`] one from a grid and a function. [`map`](Self::map),
/// [`convert`](Self::convert) and [`to_tensors`](Self::to_tensors) keep the access. Producers may
/// borrow for `'a`.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Concatenate, LazyChunkSequence};
/// use ndarray::Array2;
///
/// // Three batches of 10 rows, each computed when it is needed.
/// let sequence =
///     LazyChunkSequence::new(|| (0..3).map(|batch| Array2::from_elem((10, 4), batch as f64)));
/// let array = sequence.compute(Concatenate)?;
/// assert_eq!(array.dim(), (30, 4));
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct LazyChunkSequence<'a, T: 'a, K: Access = Streamed> {
    pub(super) producer: K::Producer<'a, T>,
    pub(super) spec: SequenceSpec,
    pub(super) pass: Pass<'a>,
}

shared_methods!(LazyChunkSequence);

impl<'a, T: 'a> LazyChunkSequence<'a, T, Streamed> {
    /// Creates a sequence of the blocks of an iterator. Each evaluation calls `start` for a new
    /// iterator.
    pub fn new<F, I>(start: F) -> Self
    where
        F: Fn() -> I + 'a,
        I: IntoIterator<Item = T> + 'a,
    {
        Self::from_source(FnSource::new(start))
    }

    /// Creates a sequence of the blocks of an iterator that can fail. The first error ends the
    /// evaluation.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{LazyChunkSequence, report};
    ///
    /// let numbers = LazyChunkSequence::try_new(|| ["1", "2", "three"].map(str::parse::<i32>));
    /// assert_eq!(
    ///     report(&numbers.collect().unwrap_err()),
    ///     "the producer failed at block 2: invalid digit found in string"
    /// );
    /// ```
    pub fn try_new<F, I, E>(start: F) -> Self
    where
        F: Fn() -> I + 'a,
        I: IntoIterator<Item = Result<T, E>> + 'a,
        E: Into<BoxError> + 'a,
    {
        Self::from_source(TryFnSource::new(start))
    }

    /// Creates a sequence of the blocks of a [`Source`].
    pub fn from_source<S: Source<Block = T> + 'a>(source: S) -> Self {
        LazyChunkSequence {
            producer: AnyProducer::InOrder(Arc::new(StreamedBlocks(source))),
            spec: SequenceSpec::streamed(Cut::Rows, None),
            pass: Pass::default(),
        }
    }

    /// Declares the number of blocks. An evaluation returns an error of the kind
    /// [`ErrorKind::BlockCount`](crate::ErrorKind::BlockCount) if there are fewer or more.
    #[must_use]
    pub fn with_len(self, n_blocks: usize) -> Self {
        Self { spec: self.spec.with_n_bands(n_blocks), ..self }
    }
}

impl<'a, T: Send + 'a> LazyChunkSequence<'a, T, Indexed> {
    /// Creates a sequence whose block `i` is `block(i)` and has `rows.size(i)` rows. Blocks can be
    /// computed in any order, on any thread.
    ///
    /// Reducers and [`Concatenate`](crate::Concatenate) return
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) for a block of another size.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{BlockSizes, LazyChunkSequence};
    /// use ndarray::Array1;
    ///
    /// let sizes = BlockSizes::uniform(10, 4);
    /// let squares = LazyChunkSequence::from_fn(sizes.clone(), |i| {
    ///     Array1::from_iter(sizes.range(i).map(|row| row * row))
    /// });
    /// assert_eq!(squares.block(2)?.to_vec(), [64, 81]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn from_fn<F>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(usize) -> T + Send + Sync + 'a,
    {
        Self::from_blocks(BlockGrid::rows_only(rows), move |i, _| Ok(block(i)))
    }

    /// Creates a sequence like [`from_fn`](Self::from_fn), from a function that can fail.
    pub fn try_from_fn<F, E>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(usize) -> Result<T, E> + Send + Sync + 'a,
        E: Into<BoxError>,
    {
        Self::from_blocks(BlockGrid::rows_only(rows), move |i, _| {
            block(i).map_err(|error| Failure::Producer(error.into()))
        })
    }

    /// Creates a sequence whose block for a range of rows is `block(range)`. The sizes of `rows`
    /// cut the rows of the array into ranges.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{BlockSizes, LazyChunkSequence};
    /// use ndarray::Array1;
    ///
    /// let squares = LazyChunkSequence::from_rows(BlockSizes::uniform(10, 4), |rows| {
    ///     Array1::from_iter(rows.map(|row| row * row))
    /// });
    /// assert_eq!(squares.block(2)?.to_vec(), [64, 81]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn from_rows<F>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(Range<usize>) -> T + Send + Sync + 'a,
    {
        let rows = rows.into();
        Self::from_fn(rows.clone(), move |i| block(rows.range(i)))
    }

    /// Creates a sequence like [`from_rows`](Self::from_rows), from a function that can fail.
    pub fn try_from_rows<F, E>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(Range<usize>) -> Result<T, E> + Send + Sync + 'a,
        E: Into<BoxError>,
    {
        let rows = rows.into();
        Self::try_from_fn(rows.clone(), move |i| block(rows.range(i)))
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

impl<'a, T: 'a> LazyChunkSequence<'a, T, LocalIndexed> {
    /// Creates a sequence like [`from_fn`](LazyChunkSequence::from_fn), from a function that stays
    /// on its thread.
    pub fn from_local_fn<F>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(usize) -> T + 'a,
    {
        Self::from_blocks(BlockGrid::rows_only(rows), move |i, _| Ok(block(i)))
    }

    /// Creates a sequence like [`try_from_fn`](LazyChunkSequence::try_from_fn), from a function
    /// that stays on its thread.
    pub fn try_from_local_fn<F, E>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(usize) -> Result<T, E> + 'a,
        E: Into<BoxError>,
    {
        Self::from_blocks(BlockGrid::rows_only(rows), move |i, _| {
            block(i).map_err(|error| Failure::Producer(error.into()))
        })
    }

    /// Creates a sequence like [`from_rows`](LazyChunkSequence::from_rows), from a function that
    /// stays on its thread.
    pub fn from_local_rows<F>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(Range<usize>) -> T + 'a,
    {
        let rows = rows.into();
        Self::from_local_fn(rows.clone(), move |i| block(rows.range(i)))
    }

    /// Creates a sequence like [`try_from_rows`](LazyChunkSequence::try_from_rows), from a function
    /// that stays on its thread.
    pub fn try_from_local_rows<F, E>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(Range<usize>) -> Result<T, E> + 'a,
        E: Into<BoxError>,
    {
        let rows = rows.into();
        Self::try_from_local_fn(rows.clone(), move |i| block(rows.range(i)))
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

impl<'a, T: 'a, K: Access> LazyChunkSequence<'a, T, K> {
    /// Starts an evaluation and returns an iterator over the blocks, which computes each block on
    /// demand.
    #[must_use]
    pub fn blocks(&self) -> Blocks<'_, T> {
        Blocks::new(self.stream())
    }

    /// Evaluates all blocks into a vector.
    ///
    /// # Errors
    ///
    /// - An error or a panic of the producer, or an error of a converter, with the index of the
    ///   block.
    /// - [`ErrorKind::BlockCount`](crate::ErrorKind::BlockCount) if the declared number of blocks
    ///   is wrong.
    /// - [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled) if an observer cancels the
    ///   evaluation.
    pub fn collect(&self) -> Result<Vec<T>> {
        self.evaluate(true, |stream| Blocks::new(stream).collect())
    }

    /// Evaluates the blocks with an aggregator, such as a [`Reducer`].
    ///
    /// # Errors
    ///
    /// - The errors of [`collect`](Self::collect).
    /// - For a reducer or [`Concatenate`](crate::Concatenate): the errors of blocks that do not fit
    ///   together or do not match the declaration, with the index of the block.
    /// - The errors of the aggregator.
    pub fn compute<G: SequenceAggregator<T>>(&self, aggregator: G) -> Result<G::Output> {
        self.evaluate(!G::REDUCES, |stream| {
            let blocks = Blocks::new(stream);
            blocks.trace().consuming(|| aggregator.aggregate(blocks))
        })
    }
}

impl<'a, K: Access> LazyChunkSequence<'a, ArrayBlock, K> {
    /// Turns every block into one row, as `numpy.stack` does: vectors of 768 elements, one for each
    /// sample, become an array of shape `[n, 768]`. All blocks must have the same shape, which may
    /// have any number of axes, or none.
    ///
    /// The access and the threads are kept, and so is a declared row type if the grid determines
    /// the shape of all blocks.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{Concatenate, LazyChunkSequence, NdarrayConverter};
    /// use ndarray::array;
    ///
    /// let embeddings = LazyChunkSequence::new(|| [array![1.0, 2.0], array![3.0, 4.0]])
    ///     .convert(NdarrayConverter);
    /// assert_eq!(embeddings.compute(Concatenate)?.shape(), [4]);
    /// assert_eq!(embeddings.stack().compute(Concatenate)?.shape(), [2, 2]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    #[must_use]
    pub fn stack(self) -> Self {
        let spec = self.spec.stacked();
        Self { spec, ..self.transformed(None, |block: ArrayBlock| Ok(block.into_row())) }
    }
}

impl<'a, T: 'a, K: RandomAccess> LazyChunkSequence<'a, T, K> {
    /// Computes only block `i`.
    ///
    /// # Errors
    ///
    /// An error or a panic of the producer, or an error of a converter, with the index of the
    /// block.
    ///
    /// # Panics
    ///
    /// Panics if there is no block `i`.
    pub fn block(&self, i: usize) -> Result<T> {
        let n_blocks = self.grid().n_blocks();
        assert!(i < n_blocks, "block {i} of a sequence of {n_blocks} blocks");
        guarded(BlockIndex::Block(i), || K::indexed(&self.producer).block(Evaluation::SINGLE, i, 0))
    }
}

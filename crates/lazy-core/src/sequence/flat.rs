//! The sequence cut along axis 0.

use std::fmt;
use std::sync::Arc;

use super::kind::{Indexed, IndexedKind, Kind, SharedIndexed, Streamed};
use super::shared_methods;
use crate::aggregate::{Blocks, SequenceAggregator};
use crate::stream::{
    BlockStream, Failure, FnBlocks, FnSource, Parallel, StreamedBlocks, Threads, TryFnSource,
    guarded,
};
use crate::{
    ArrayBlock, BlockGrid, BlockSizes, BoxError, Converter, Cut, DType, Declared, Location, Result,
    RowType, Source,
};

/// A lazily evaluated array that is cut into blocks along axis 0; all other axes are whole.
///
/// Nothing is computed when the sequence is built. Each evaluation ([`blocks`](Self::blocks),
/// [`collect`](Self::collect), [`compute`](Self::compute)) starts the producer anew, computes each
/// block once and holds one block at a time.
///
/// The parameter `K` says what the producer can do: a [`Streamed`] sequence is made from an
/// iterator, an [`Indexed`] or [`SharedIndexed`] one from a grid and a function.
/// [`map`](Self::map), [`convert`](Self::convert) and [`to_tensors`](Self::to_tensors) keep the kind.
/// Producers may borrow for `'a`.
///
/// # Example
///
/// ```
/// use lazy_core::{Concatenate, LazyChunkSequence};
/// use ndarray::Array2;
///
/// // Three batches of 10 rows, each computed when it is needed.
/// let sequence =
///     LazyChunkSequence::new(|| (0..3).map(|batch| Array2::from_elem((10, 4), batch as f64)));
/// let array = sequence.compute(Concatenate)?;
/// assert_eq!(array.dim(), (30, 4));
/// # Ok::<(), lazy_core::Error>(())
/// ```
pub struct LazyChunkSequence<'a, T: 'a, K: Kind = Streamed> {
    producer: Arc<K::Producer<'a, T>>,
    declared: Declared,
    threads: Threads,
}

shared_methods!(LazyChunkSequence);

impl<'a, T: 'a> LazyChunkSequence<'a, T, Streamed> {
    /// A sequence of the blocks of an iterator, which `start` makes anew for each evaluation.
    pub fn new<F, I>(start: F) -> Self
    where
        F: Fn() -> I + 'a,
        I: IntoIterator<Item = T> + 'a,
    {
        Self::from_source(FnSource::new(start))
    }

    /// A sequence of the blocks of an iterator that can fail. The first error ends the evaluation.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{LazyChunkSequence, report};
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

    /// A sequence of the blocks of a [`Source`].
    pub fn from_source<S: Source<Block = T> + 'a>(source: S) -> Self {
        LazyChunkSequence {
            producer: Arc::new(StreamedBlocks(source)),
            declared: Declared::streamed(Cut::Rows, None),
            threads: Threads::default(),
        }
    }

    /// Declares the number of blocks. An evaluation that ends with fewer is an error
    /// ([`Error::TooFewBlocks`](crate::Error::TooFewBlocks)), and so is one that goes on for more
    /// ([`Error::TooManyBlocks`](crate::Error::TooManyBlocks)).
    #[must_use]
    pub fn with_len(self, n_blocks: usize) -> Self {
        Self { declared: self.declared.with_n_bands(n_blocks), ..self }
    }
}

impl<'a, T: 'a> LazyChunkSequence<'a, T, SharedIndexed> {
    /// A sequence whose block `i`, of `rows.size(i)` rows, is `block(i)`: in any order, on any
    /// thread.
    ///
    /// To reducers and [`Concatenate`](crate::Concatenate) a block of another size is
    /// [`Error::GridMismatch`](crate::Error::GridMismatch).
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{BlockSizes, LazyChunkSequence};
    /// use ndarray::Array1;
    ///
    /// let sizes = BlockSizes::uniform(10, 4);
    /// let squares = LazyChunkSequence::from_fn(sizes.clone(), |i| {
    ///     Array1::from_iter(sizes.range(i).map(|row| row * row))
    /// });
    /// assert_eq!(squares.block(2)?.to_vec(), [64, 81]);
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    pub fn from_fn<F>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(usize) -> T + Send + Sync + 'a,
    {
        Self::from_blocks(BlockGrid::rows_only(rows), move |i, _| Ok(block(i)))
    }

    /// As [`from_fn`](Self::from_fn), for a function that can fail.
    pub fn try_from_fn<F, E>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(usize) -> Result<T, E> + Send + Sync + 'a,
        E: Into<BoxError>,
    {
        Self::from_blocks(BlockGrid::rows_only(rows), move |i, _| {
            block(i).map_err(|error| Failure::Producer(error.into()))
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

impl<'a, T: 'a> LazyChunkSequence<'a, T, Indexed> {
    /// As [`from_fn`](LazyChunkSequence::from_fn), for a function that stays on its thread.
    pub fn from_local_fn<F>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(usize) -> T + 'a,
    {
        Self::from_blocks(BlockGrid::rows_only(rows), move |i, _| Ok(block(i)))
    }

    /// As [`try_from_fn`](LazyChunkSequence::try_from_fn), for a function that stays on its thread.
    pub fn try_from_local_fn<F, E>(rows: impl Into<BlockSizes>, block: F) -> Self
    where
        F: Fn(usize) -> Result<T, E> + 'a,
        E: Into<BoxError>,
    {
        Self::from_blocks(BlockGrid::rows_only(rows), move |i, _| {
            block(i).map_err(|error| Failure::Producer(error.into()))
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

impl<'a, T: 'a, K: Kind> LazyChunkSequence<'a, T, K> {
    /// Starts an evaluation: an iterator of the blocks, each computed when it is asked for.
    #[must_use]
    pub fn blocks(&self) -> Blocks<'_, T> {
        Blocks::new(self.stream())
    }

    /// Evaluates all blocks into a vector.
    ///
    /// # Errors
    ///
    /// - The producer's error or panic, and a converter's error, with the block's index.
    /// - [`Error::TooFewBlocks`](crate::Error::TooFewBlocks) and
    ///   [`Error::TooManyBlocks`](crate::Error::TooManyBlocks) when their declared number is wrong.
    pub fn collect(&self) -> Result<Vec<T>> {
        self.blocks().collect()
    }

    /// Evaluates the blocks through an aggregator, which a [`Reducer`](crate::Reducer) is as well.
    ///
    /// # Errors
    ///
    /// - Those of [`collect`](Self::collect).
    /// - To a reducer and to [`Concatenate`](crate::Concatenate): that blocks do not fit together, or
    ///   not what was declared, with the block's index.
    /// - The aggregator's own.
    pub fn compute<G: SequenceAggregator<T>>(&self, aggregator: G) -> Result<G::Output> {
        let blocks = self.blocks();
        blocks.trace().consuming(|| aggregator.aggregate(blocks))
    }
}

impl<'a, K: Kind> LazyChunkSequence<'a, ArrayBlock, K> {
    /// Makes a row of every block, as `numpy.stack` does: of vectors of 768 elements, one for each sample, an array of
    /// shape `[n, 768]`. Blocks of any shape can be stacked, all of one shape; numbers without an axis as well.
    ///
    /// Kind and threads stay, and so does a declared row type where the grid tells the shape of all blocks.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{Concatenate, LazyChunkSequence, NdarrayConverter};
    /// use ndarray::array;
    ///
    /// let embeddings = LazyChunkSequence::new(|| [array![1.0, 2.0], array![3.0, 4.0]]).convert(NdarrayConverter);
    /// assert_eq!(embeddings.compute(Concatenate)?.shape(), [4]);
    /// assert_eq!(embeddings.stack().compute(Concatenate)?.shape(), [2, 2]);
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    #[must_use]
    pub fn stack(self) -> Self {
        let declared = self.declared.stacked();
        Self { declared, ..self.transformed(None, |block: ArrayBlock| Ok(block.into_row())) }
    }
}

impl<'a, T: 'a, K: IndexedKind> LazyChunkSequence<'a, T, K> {
    /// Computes block `i` alone.
    ///
    /// # Errors
    ///
    /// The producer's error or panic, and a converter's error, with the block's index.
    ///
    /// # Panics
    ///
    /// When there is no block `i`.
    pub fn block(&self, i: usize) -> Result<T> {
        let n_blocks = self.grid().n_blocks();
        assert!(i < n_blocks, "block {i} of a sequence of {n_blocks} blocks");
        guarded(Location::Block(i), || K::indexed(&self.producer).block(i, 0))
    }
}

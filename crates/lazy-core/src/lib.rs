//! Lazily evaluated, chunked arrays.
//!
//! An expensive computation yields a huge array one block at a time. A [`LazyChunkSequence`] wraps
//! it as an array that is cut along axis 0, a [`NestedLazyChunkSequence`] as one that is cut along
//! axes 0 and 1. Nothing is computed until the sequence is evaluated, and then each block once:
//! collected, handed to an aggregator, or reduced by any number of [`Reducer`]s in one pass, on
//! [as many threads](LazyChunkSequence::with_threads) as are wanted.
//!
//! ```
//! use lazy_core::{ArgMax, Concatenate, LazyChunkSequence, MeanVariance, NdarrayConverter, Summary};
//! use ndarray::Array2;
//!
//! // Four blocks of an array of shape (8, 3), computed one after the other.
//! let sequence = LazyChunkSequence::new(|| {
//!     (0..4).map(|i| Array2::from_shape_fn((2, 3), |(row, column)| (10 * i + row * column) as f32))
//! });
//!
//! let array = sequence.compute(Concatenate)?;
//! assert_eq!(array.dim(), (8, 3));
//!
//! let blocks = sequence.convert(NdarrayConverter);
//! let (moments, largest) = blocks.compute((MeanVariance, ArgMax.per_row()))?;
//! assert_eq!(moments.count, 24);
//! assert_eq!(largest.indices.to_vec(), [0, 2, 0, 2, 0, 2, 0, 2]);
//! # Ok::<(), lazy_core::Error>(())
//! ```
//!
//! The parts, in reading order:
//!
//! - [`LazyChunkSequence`], [`NestedLazyChunkSequence`] and their kinds: [`Streamed`] from an
//!   iterator, a [`Source`] or a [`NestedSource`]; [`Indexed`] and [`SharedIndexed`] from
//!   [`BlockSizes`] along each cut axis and a function. [`Declared`] is what each says of itself
//!   before it runs.
//! - [`ArrayBlock`], a dense array of dynamic [`DType`], and [`Converter`], which turns a tensor
//!   type into blocks and back; [`NdarrayConverter`] is ndarray's. [`BlockPool`] is memory for blocks
//!   that is used again.
//! - [`SequenceAggregator`] and [`NestedSequenceAggregator`], to be implemented for any tensor type
//!   and any result; [`BlockCheck`], which tells them whether blocks fit together; [`Concatenate`].
//! - [`Reducer`] and [`Statistic`], aggregators of blocks that share a pass. What comes with the crate is a
//!   [`Summary`]: [`Count`], [`Sum`], [`MeanVariance`], [`Min`], [`Max`], [`ArgMin`], [`ArgMax`], [`TopK`],
//!   [`BottomK`], [`Norm`], [`Histogram`], [`Quantiles`], of the whole array, [per row](Summary::per_row) and
//!   [per column](Summary::per_column); [`Covariance`]; and [`Fold`], made of closures. [`NamedArrays`] are
//!   their results as they are stored; [`StateOf`] and [`SavedState`] are for those whose blocks are in several
//!   processes.
//! - [`Watch`], a reducer that tells an [`Observer`] the [`Progress`] of a pass, which it may stop.
//! - [`Error`], which names the block that it concerns by its [`Location`]; [`report`], which adds what its causes
//!   say.
//! - `conformance`, behind the feature of this name: suites of test cases for those who implement
//!   a converter.
//!
//! Each evaluation is a [`tracing`] span, `evaluation`, which whatever the producer logs falls into;
//! when it is over, one event says how it ended, how many blocks and bytes there were (bytes where this
//! crate reduces or concatenates them), how many of the blocks were [recalled](Reducer::recall), and how
//! many seconds went by, in the producer (on all threads together) and in all.
//! Both are at the level `DEBUG`, failures included, since errors are returned. Without a
//! subscriber nothing is printed, and no clock is read.
//!
//! Statistics of each row or column take memory with the shape. A pass is refused before its first block if its
//! statistics would take more than there [may be](LazyChunkSequence::with_memory_limit), where the shape is declared.
//!
//! This crate does no input or output, but for asking how much memory there is. Storing and reading are the business of the crates above it.

mod aggregate;
mod block;
mod check;
#[cfg(feature = "conformance")]
pub mod conformance;
mod converter;
mod declared;
mod dtype;
mod error;
mod grid;
mod memory;
mod panic;
mod pool;
mod progress;
mod reduce;
mod region;
mod sequence;
mod statistics;
mod stream;

pub use aggregate::{
    Band, Bands, Blocks, Concatenate, NestedSequenceAggregator, SequenceAggregator,
};
pub use block::{ArrayBlock, DynArrayView};
pub use check::BlockCheck;
pub use converter::{Converter, NdarrayConverter};
pub use declared::{Declared, RowType};
pub use dtype::{DType, Element};
pub use error::{BoxError, Error, Reference, Result, report};
pub use grid::{BlockGrid, BlockPosition, BlockSizes, Cut, Location};
pub use memory::{StateSize, system_memory};
pub use panic::panic_message;
pub use pool::{BlockBuffer, BlockPool};
pub use progress::{Observer, Progress, Stage, Watch, Watching};
pub use reduce::{BoxedReducer, MemoryLimit, Reducer, SavedState, StateOf, Statistic};
pub use region::{CommonRuns, copy_region};
pub use sequence::{
    Indexed, IndexedKind, Kind, LazyChunkSequence, NestedLazyChunkSequence, SharedIndexed, Streamed,
};
pub use statistics::{
    ArgMax, ArgMin, BottomK, Count, Covariance, Covariances, Extrema, Extremum, Fold, Histogram,
    HistogramCounts, IgnoringNan, Max, MeanVariance, Min, Moments, MomentsOfMany, NamedArrays,
    Norm, Number, PerColumn, PerRow, Quantiles, Sum, Summary, TopK,
};
pub use stream::{NestedSource, Source};

//! Lazily evaluated, chunked arrays.
//!
//! An expensive computation yields a huge array one block at a time. A [`LazyChunkSequence`]
//! represents it as an array that is cut along axis 0, and a [`NestedLazyChunkSequence`] as an
//! array that is cut along axes 0 and 1. Nothing is computed until the sequence is evaluated. Each
//! evaluation computes each block once: it collects the blocks, passes them to an aggregator, or
//! reduces them with any number of [`Reducer`]s in one pass, on [several
//! threads](LazyChunkSequence::with_threads) if you like.
//!
//! ```
//! # extern crate lazy_core as lazy_chunks;
//! use lazy_chunks::{
//!     ArgMax, Concatenate, LazyChunkSequence, MeanVariance, NdarrayConverter, Summary,
//! };
//! use ndarray::Array2;
//!
//! // Four blocks of an array of shape (8, 3), computed one at a time.
//! let sequence = LazyChunkSequence::new(|| {
//!     (0..4).map(|i| {
//!         Array2::from_shape_fn((2, 3), |(row, column)| (10 * i + row * column) as f32)
//!     })
//! });
//!
//! let array = sequence.compute(Concatenate)?;
//! assert_eq!(array.dim(), (8, 3));
//!
//! let blocks = sequence.convert(NdarrayConverter);
//! let (moments, largest) = blocks.compute((MeanVariance, ArgMax.per_row()))?;
//! assert_eq!(moments.count, 24);
//! assert_eq!(largest.indices.to_vec(), [0, 2, 0, 2, 0, 2, 0, 2]);
//! # Ok::<(), lazy_chunks::Error>(())
//! ```
//!
//! The main items, in reading order:
//!
//! - [`LazyChunkSequence`] and [`NestedLazyChunkSequence`] are the sequences. Their [`Access`] is
//!   [`Streamed`] if they are made from an iterator, a [`Source`] or a [`NestedSource`], and
//!   [`LocalIndexed`] or [`Indexed`] if they are made from a function and [`BlockSizes`] along each
//!   cut axis. A [`SequenceSpec`] contains what a sequence declares before it runs.
//! - [`ArrayBlock`] is a dense array of dynamic [`DType`]. A [`Converter`] turns tensors into
//!   blocks and back; [`NdarrayConverter`] converts ndarrays. A [`BlockPool`] reuses the memory of
//!   blocks.
//! - [`SequenceAggregator`] and [`NestedSequenceAggregator`] are traits for aggregators of any
//!   tensor type. [`BlockCheck`] checks that blocks fit together, and [`Concatenate`] concatenates
//!   them.
//! - [`Reducer`] and [`Statistic`] are traits for aggregators of blocks that share a pass. The
//!   crate provides [summaries](Summary) of the whole array, [per row](Summary::per_row) and [per
//!   column](Summary::per_column): [`Count`], [`Sum`], [`MeanVariance`], [`Min`], [`Max`],
//!   [`ArgMin`], [`ArgMax`], [`TopK`], [`BottomK`], [`Norm`], [`Histogram`] and [`Quantiles`]. It
//!   also provides [`Covariance`], and [`Fold`], which is made of closures. [`NamedArrays`] are
//!   results in the form in which sinks store them. [`SaveState`], [`StateOf`] and [`SavedState`]
//!   merge statistics of several processes.
//! - [`Observer`] receives the [`Progress`] of an evaluation and can cancel it.
//! - [`Workers`] tells which of the processes that an engine has started this process is.
//! - [`Error`] names the block that it concerns by its [`BlockIndex`]. [`report`] adds the messages
//!   of its causes.
//! - `conformance`, behind the feature of the same name, has test suites for implementations of
//!   converters.
//!
//! Each evaluation is a [`tracing`] span, `evaluation`, which contains everything that the producer
//! logs. When the evaluation ends, one event reports its outcome, the number of blocks, their bytes
//! (if this crate reduces or concatenates the blocks), the number of [restored](Run::restore)
//! blocks, and the seconds that passed in the producer (the sum over all threads) and in total. The
//! span and the event have the level `DEBUG`, even if the evaluation fails, since errors are
//! returned. Without a subscriber, the crate reads no clock.
//!
//! The memory of statistics per row or per column grows with the shape. If the shape is declared,
//! its [bound](LazyChunkSequence::memory_bound) is known before the pass, and a pass whose bound
//! exceeds the [memory limit](LazyChunkSequence::with_memory_limit) fails before its first block.
//!
//! This crate does no input or output, except that it asks the system for the amount of memory. The
//! crates above it store and read arrays.

mod aggregate;
mod block;
mod casting;
mod check;
#[cfg(feature = "conformance")]
pub mod conformance;
mod converter;
mod dtype;
mod error;
mod grid;
mod memory;
mod number;
mod panic;
mod plan;
mod pool;
mod progress;
mod real;
mod reduce;
mod region;
mod sequence;
mod spec;
mod statistics;
mod stream;

pub use aggregate::{Band, Bands, Blocks, NestedSequenceAggregator, SequenceAggregator};
pub use block::{ArrayBlock, DynArrayView};
pub use casting::Casting;
pub use check::BlockCheck;
pub use converter::{Converter, NdarrayConverter};
pub use dtype::{DType, Element};
pub use error::{
    BoxError, Error, ErrorKind, KeptChunks, MemoryShortage, Reference, Result, report,
};
pub use grid::{BlockGrid, BlockIndex, BlockPosition, BlockSizes, Cut};
pub use memory::{StateSize, system_memory};
pub use number::Number;
pub use panic::panic_message;
pub use plan::{
    BoxedDivisibleReducer, Claimed, DividedReducer, DivisibleReducer, Holder, Outcome, Part,
    PartOutcome, PartReport, PartSizes, PartStore, Plan, PlanBuilder, PlanSpec, PlanStatus,
    PlannedSequence, TakeOver, Workers,
};
pub use pool::{BlockBuffer, BlockPool};
pub use progress::{Observer, Progress, Stage};
pub use reduce::{
    BlockMap, BoxedReducer, Concatenate, Contribution, Mapped, MemoryClaim, MemoryLimit, Reducer,
    Run, SaveState, SavedState, StateOf, Statistic, StatisticMap, StatisticRun,
};
pub use region::{CommonRuns, copy_region};
pub use sequence::{
    Access, Indexed, LazyChunkSequence, LocalIndexed, NestedLazyChunkSequence, OnThreads,
    RandomAccess, Streamed,
};
pub use spec::{RowType, SequenceSpec};
pub use statistics::{
    ArgMax, ArgMin, BottomK, Count, Covariance, Covariances, Extrema, Extremum, Fold, Histogram,
    HistogramCounts, IgnoringNan, Max, MeanVariance, Min, Moments, MomentsOfMany, NamedArrays,
    Norm, PerColumn, PerRow, Quantiles, Sum, Summary, TopK,
};
pub use stream::{NestedSource, Source};
// The signatures contain types of these crates.
pub use {bytes, half, ndarray, num_complex};

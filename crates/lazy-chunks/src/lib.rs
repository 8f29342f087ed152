//! Lazily evaluated, chunked arrays: aggregated, reduced and stored in one pass.
//!
//! An expensive computation yields a huge array one block at a time: influence factors, per-sample
//! gradients, embeddings, kernel matrices. Wrap it in a [`LazyChunkSequence`] (cut along axis 0) or
//! a [`NestedLazyChunkSequence`] (cut along axes 0 and 1), and compute everything you need from it
//! in one pass, with memory for only a few blocks.
//!
//! ```
//! use lazy_chunks::{ArgMax, LazyChunkSequence, NdarrayConverter, Summary};
//! # #[cfg(feature = "zarr")] {
//! use lazy_chunks::zarr::{StoredArray, ZarrSink};
//! use ndarray::Array2;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("values.zarr");
//! // Eight blocks of an array of shape (800, 20), computed one after the other.
//! let sequence = LazyChunkSequence::new(|| {
//!     (0..8).map(|i| Array2::from_shape_fn((100, 20), |(row, column)| (row * column + i) as f32))
//! })
//! .convert(NdarrayConverter);
//!
//! let (largest, stored) = sequence.compute((ArgMax.per_row(), ZarrSink::new(&path)))?;
//! assert_eq!((largest.indices[1], stored.shape()), (19, &[800, 20][..]));
//!
//! // Later, or in Python: zarr.open("values.zarr")[99, 19]
//! let corner = StoredArray::open(&path)?.read_region(&[99..100, 19..20])?;
//! assert_eq!(corner.as_slice::<f32>()?, [1881.0]);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The steps of a program, in the order in which a block passes through them:
//!
//! 1. **Make a sequence** from an iterator, a [`Source`], or block sizes and a function:
//!    [`LazyChunkSequence::new`], [`try_new`](LazyChunkSequence::try_new),
//!    [`from_rows`](LazyChunkSequence::from_rows). Its blocks may be of any type. Combine sequences
//!    with [`chain`](LazyChunkSequence::chain), [`zip`](LazyChunkSequence::zip),
//!    [`slice`](LazyChunkSequence::slice), [`rechunk`](LazyChunkSequence::rechunk),
//!    [`outer`](LazyChunkSequence::outer) and others.
//! 2. **Convert** the blocks to [`ArrayBlock`]s with [`NdarrayConverter`], or with a [`Converter`]
//!    for your own tensor type.
//! 3. **Compute** [`MeanVariance`], [`ArgMax`], [`TopK`], [`Concatenate`] or your own [`Reducer`].
//!    A tuple of reducers runs in one pass.
//!    [`with_observer`](LazyChunkSequence::with_observer) reports the progress of the pass to an
//!    [`Observer`], which may cancel it.
//! 4. **Store** in the same pass with `zarr::ZarrSink`, or on its own with `zarr::ToZarr`: chunks
//!    and shards, codecs, attributes. A `zarr::Target` is a path, a URL or a store, and `member`
//!    names an array in a group. With `with_resume`, an interrupted write resumes when the program
//!    runs again; `zarr::UnfinishedWrite` lists the remains of interrupted writes.
//! 5. **Read back** with `zarr::StoredArray`: the whole array, a region, or a sequence for step 3.
//!    `verify` checks the stored array.
//!
//! The features:
//!
//! | feature | module | purpose |
//! |---|---|---|
//! | | the root | sequences, aggregators, reducers and statistics, converters: `lazy-core` |
//! | `zarr` (default) | `zarr` | storing as Zarr v3 and reading back: `lazy-zarr` |
//! | `s3`, `gcs`, `azure`, `http` | `zarr` | arrays in object stores and on web servers, by URL |
//! | `tch` | `tch` | converting and concatenating libtorch tensors; needs libtorch: `lazy-tch` |
//! | `indicatif` | `progress` | an [`Observer`] that draws progress bars in the terminal |
//! | `conformance` | `conformance` | test suites for your own converters, file systems and stores |
//!
//! The signatures contain types of these crates, which this crate re-exports. A program that
//! depends on them itself needs these versions:
//!
//! | crate | version | where |
//! |---|---|---|
//! | [`ndarray`] | 0.17 | arrays: [`ArrayBlock::as_array`], results of statistics |
//! | [`half`] | 2.7 | elements of type `f16` and `bf16` |
//! | [`num_complex`] | 0.4 | complex elements |
//! | [`bytes`] | 1 | the memory of blocks and files: [`ArrayBlock::new`] |
//! | `serde` | 1 | saved states of statistics ([`SaveState`]), attributes |
//! | `serde_json` | 1 | attributes of stored arrays: `zarr::serde_json` |
//! | `object_store` | 0.14 | stores of your own, with the features `s3`, `gcs`, `azure` and `http`: `zarr::object_store` |
//! | `tch` | 0.26 | tensors, with the feature `tch`; needs libtorch 2.13.0 |
//!
//! The library prints nothing except progress bars. Passes and writes are `tracing` spans at level
//! `DEBUG`. Errors name the block ([`Error`]), or the target, the chunk or the setting
//! (`zarr::Error`). [`report`] adds the causes to an error's message, and the error's method `hint`
//! suggests a remedy.

#[cfg(feature = "indicatif")]
pub mod progress;

pub use lazy_core::{
    Access, ArgMax, ArgMin, ArrayBlock, Band, Bands, BlockBuffer, BlockCheck, BlockGrid,
    BlockIndex, BlockMap, BlockPool, BlockPosition, BlockSizes, Blocks, BottomK, BoxError,
    BoxedDivisibleReducer, BoxedReducer, Casting, Claimed, Concatenate, Contribution, Converter,
    Count, Covariance, Covariances, Cut, DType, DividedReducer, DivisibleReducer, DynArrayView,
    Element, Error, ErrorKind, Extrema, Extremum, Fold, Histogram, HistogramCounts, Holder,
    IgnoringNan, Indexed, KeptChunks, LazyChunkSequence, LocalIndexed, Mapped, Max, MeanVariance,
    MemoryClaim, MemoryLimit, Min, Moments, MomentsOfMany, NamedArrays, NdarrayConverter,
    NestedLazyChunkSequence, NestedSequenceAggregator, NestedSource, Norm, Number, Observer,
    OnThreads, Outcome, Part, PartOutcome, PartReport, PartSizes, PartStore, PerColumn, PerRow,
    Plan, PlanBuilder, PlanSpec, PlanStatus, PlannedSequence, Progress, Quantiles, RandomAccess,
    Reducer, Reference, Result, RowType, Run, SaveState, SavedState, SequenceAggregator,
    SequenceSpec, Source, Stage, StateOf, StateSize, Statistic, StatisticMap, StatisticRun,
    Streamed, Sum, Summary, TakeOver, TopK, Workers, bytes, half, ndarray, num_complex, report,
    system_memory,
};

/// The types and traits that most programs need.
///
/// ```
/// use lazy_chunks::prelude::*;
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
/// assert_eq!(sequence.compute(MeanVariance)?.mean, 1.5);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub mod prelude {
    #[cfg(feature = "zarr")]
    pub use crate::zarr::{Existing, StoreResult, StoredArray, Target, ToZarr, ZarrSink};
    pub use crate::{
        ArgMax, ArgMin, ArrayBlock, BlockSizes, Concatenate, Converter, Covariance, DType,
        Histogram, LazyChunkSequence, Max, MeanVariance, Min, NdarrayConverter,
        NestedLazyChunkSequence, Norm, Observer, Progress, Quantiles, Reducer, Statistic, Sum,
        Summary, TopK,
    };
}

/// Test suites for your own [`Converter`], file system or store, and an example of each error of
/// stored arrays, for front ends that word their own hints.
///
/// Enable the feature in `[dev-dependencies]`, and run a suite in a test:
///
/// ```
/// use lazy_chunks::conformance::ConverterSuite;
/// use lazy_chunks::{DType, NdarrayConverter};
///
/// ConverterSuite::<ndarray::Array2<f32>, _>::new(|| NdarrayConverter)
///     .with_dtypes([DType::Float32])
///     .with_ranks([2])
///     .run();
/// ```
#[cfg(feature = "conformance")]
pub mod conformance {
    pub use lazy_core::conformance::{Case, ConverterSuite, Failure, run_cases};
    #[cfg(feature = "zarr")]
    pub use lazy_zarr::conformance::{FileSystemSuite, StoreSuite, example_errors};
}

/// Storing as Zarr v3, and reading back.
///
/// In reading order: [`ToZarr`](zarr::ToZarr) stores a sequence at a [`Target`](zarr::Target).
/// [`ZarrSink`](zarr::ZarrSink) holds the settings of a write, such as [`Existing`](zarr::Existing)
/// and [`Codec`](zarr::Codec), and runs beside statistics in one pass.
/// [`UnfinishedWrite`](zarr::UnfinishedWrite) describes the remains of an interrupted write.
/// [`StoredArray`](zarr::StoredArray) reads a stored array. [`FileSystem`](zarr::FileSystem) is the
/// layer below all of them, and [`Store`](zarr::Store) is its counterpart for object stores.
/// `RemoteStore` is a store of the crate `object_store`.
///
/// # Example
///
/// Two arrays in one group, the second computed from the first, a few rows at a time:
///
/// ```
/// use lazy_chunks::zarr::{Target, ToZarr};
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use ndarray::Array2;
///
/// # let directory = tempfile::tempdir()?;
/// let group = Target::from(directory.path().join("influence.zarr"));
/// let factors = LazyChunkSequence::new(|| (1..4).map(|i| Array2::from_elem((2, 5), f64::from(i))))
///     .convert(NdarrayConverter)
///     .to_zarr(group.member("factors"))?;
///
/// let squares = factors
///     .sequence([4, 2])?
///     .to_tensors(NdarrayConverter)
///     .map(|block: Array2<f64>| &block * &block)
///     .convert(NdarrayConverter)
///     .to_zarr(group.member("squares"))?;
/// assert_eq!(squares.read_region(&[4..6, 0..1])?.as_slice::<f64>()?, [9.0, 9.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "zarr")]
pub mod zarr {
    pub use lazy_zarr::{
        BloscCompressor, ByteRange, Checksum, Codec, Consolidation, Defect, DefectKind, Durability,
        EntryKind, Error, ErrorKind, Existing, FileLock, FilePin, FileSystem, FileSystemLayer,
        Group, Listing, LocalFileSystem, LockScope, Member, MemberKind, MemoryFileSystem,
        MemoryStore, MetadataChecksum, MissingChunks, Object, ObjectInfo, ObjectRanges, OldChunks,
        PutCondition, Removed, Result, Resume, SharedProgress, Shuffle, Storable, Store,
        StoreError, StoreOptions, StoreResult, StoredArray, StoredSize, Superseded, Tag, Target,
        ToZarr, UnfinishedWrite, Verify, WriteState, ZarrSink, serde_json, store, store_result,
    };
    #[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
    pub use lazy_zarr::{RemoteStore, object_store};
}

/// libtorch tensors.
///
/// [`TchConverter`](tch::TchConverter) converts the tensors of the crate `tch` to blocks and back.
/// [`TchConcatenate`](tch::TchConcatenate) joins a sequence of tensors into one.
/// [`Copy`](tch::Copy) determines when a block shares a tensor's memory. Tensors are `Send` but not
/// `Sync`, so the outputs of a model form a [`Streamed`] or a [`LocalIndexed`] sequence; the
/// documentation of `lazy_tch` explains this. The feature needs libtorch 2.13.0, and the build
/// finds it through the environment variable `LIBTORCH`.
///
/// # Example
///
/// Embeddings that libtorch computes, stored and read back as tensors:
///
/// ```
/// # #[cfg(feature = "zarr")] {
/// use lazy_chunks::zarr::ToZarr;
/// use lazy_chunks::LazyChunkSequence;
/// use lazy_chunks::tch::{TchConcatenate, TchConverter};
/// use tch::{Device, Kind, Tensor};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("embeddings.zarr");
/// let model = Tensor::ones([3, 2], (Kind::Float, Device::Cpu));
/// let embeddings = LazyChunkSequence::new(|| {
///     (0..4).map(|i| Tensor::full([10, 3], i, (Kind::Float, Device::Cpu)).matmul(&model))
/// });
/// let stored = embeddings.clone().convert(TchConverter::new()).to_zarr(&path)?;
///
/// let tensors = stored.sequence([20, 20])?.to_tensors::<Tensor, _>(TchConverter::new());
/// let read = tensors.compute(TchConcatenate::new())?;
/// assert_eq!(read, embeddings.compute(TchConcatenate::new())?);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "tch")]
pub mod tch {
    pub use lazy_tch::{Copy, Error, TchConcatenate, TchConverter};
}

/// Compiles the examples in the Markdown documents as tests.
#[cfg(all(doctest, feature = "zarr"))]
mod documents {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/src/introduction.md")]
    struct Introduction;

    #[doc = include_str!("../../../docs/src/sequences.md")]
    struct Sequences;

    #[doc = include_str!("../../../docs/src/storing.md")]
    struct Storing;

    #[doc = include_str!("../../../docs/src/groups.md")]
    struct Groups;

    #[doc = include_str!("../../../docs/src/statistics.md")]
    struct Statistics;

    #[doc = include_str!("../../../docs/src/resuming.md")]
    struct Resuming;

    #[doc = include_str!("../../../docs/src/workers.md")]
    struct Workers;

    #[doc = include_str!("../../../docs/src/reading.md")]
    struct Reading;

    #[doc = include_str!("../../../docs/src/stores.md")]
    struct Stores;

    #[doc = include_str!("../../../docs/src/tensors.md")]
    struct Tensors;

    #[doc = include_str!("../../../docs/src/program.md")]
    struct Program;

    #[doc = include_str!("../../../docs/src/extending.md")]
    struct Extending;

    #[doc = include_str!("../../../docs/src/from-pydvl.md")]
    struct FromPydvl;

    #[doc = include_str!("../../../docs/src/promise.md")]
    struct Promise;

    #[doc = include_str!("../../../docs/src/decisions.md")]
    struct Decisions;
}

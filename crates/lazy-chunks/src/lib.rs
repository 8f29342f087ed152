//! Lazily evaluated, chunked arrays: aggregated, reduced and stored in one pass.
//!
//! An expensive computation yields a huge array one block at a time: influence factors, per-sample
//! gradients, embeddings, kernel matrices. Wrap it in a [`LazyChunkSequence`] (cut along axis 0) or a
//! [`NestedLazyChunkSequence`] (cut along axes 0 and 1), and compute what you need of it in one pass,
//! in the memory of a few blocks.
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
//! Where to go next, along the way of a block:
//!
//! 1. **Make a sequence** of an iterator, a [`Source`], or a grid and a function:
//!    [`LazyChunkSequence::new`], [`try_new`](LazyChunkSequence::try_new),
//!    [`from_fn`](LazyChunkSequence::from_fn). What it yields may be of any type.
//! 2. **Convert** its blocks to [`ArrayBlock`]s, by [`NdarrayConverter`] or a [`Converter`] for tensors
//!    of your own.
//! 3. **Compute**, in one pass, [`MeanVariance`], [`ArgMax`], [`TopK`], [`Concatenate`] or a [`Reducer`]
//!    of your own, several of them in a tuple. [`Watch`] tells an [`Observer`] how far it has come.
//! 4. **Store** in the same pass by `zarr::ZarrSink`, or alone by `zarr::ToZarr`: chunks and shards,
//!    codecs, attributes. `zarr::Target` is a path, a URL or a store, and by `member` an array in a
//!    group. With `with_resume`, a write that ended early is resumed when the program is started again;
//!    `zarr::UnfinishedWrite` lists what was left behind.
//! 5. **Read back** by `zarr::StoredArray`: whole, by region, or as a sequence again, for step 3; and
//!    `verify` what is stored.
//!
//! The features:
//!
//! | feature | module | what for |
//! |---|---|---|
//! | | the root | sequences, aggregators, reducers and statistics, converters: `lazy-core` |
//! | `zarr` (default) | `zarr` | storing as Zarr v3 and reading back: `lazy-zarr` |
//! | `tch` | `tch` | libtorch tensors, to blocks and back, and concatenated; needs libtorch: `lazy-tch` |
//! | `indicatif` | `progress` | progress bars in the terminal, for [`Watch`] and other observed passes |
//! | `conformance` | `conformance` | test cases for converters and file systems of your own |
//!
//! Examples on the pages of what comes from a backend say `lazy_core` and `lazy_zarr`: read `lazy_chunks`
//! and `lazy_chunks::zarr`. The signatures hold types of `ndarray` 0.17, with the feature `tch` of `tch`
//! 0.26, and for those who implement a trait of `bytes` 1 (`zarr::FileSystem`) and `serde` 1
//! ([`Statistic`]).
//!
//! Nothing but a progress bar is printed; passes and writes are `tracing` spans at level `DEBUG`. Errors
//! name the block ([`Error`]), or the target, the chunk or the setting (`zarr::Error`); [`report`] adds the
//! causes, and their method `hint` is what to do.

#[cfg(feature = "indicatif")]
pub mod progress;

pub use lazy_core::{
    ArgMax, ArgMin, ArrayBlock, Band, Bands, BlockBuffer, BlockCheck, BlockGrid, BlockPool,
    BlockPosition, BlockSizes, Blocks, BottomK, BoxError, BoxedReducer, Concatenate, Converter,
    Count, Covariance, Covariances, Cut, DType, Declared, DynArrayView, Element, Error, Extrema,
    Extremum, Fold, Histogram, HistogramCounts, IgnoringNan, Indexed, IndexedKind, Kind,
    LazyChunkSequence, Location, Max, MeanVariance, MemoryLimit, Min, Moments, MomentsOfMany,
    NamedArrays, NdarrayConverter, NestedLazyChunkSequence, NestedSequenceAggregator, NestedSource,
    Norm, Number, Observer, PerColumn, PerRow, Progress, Quantiles, Reducer, Reference, Result,
    RowType, SavedState, SequenceAggregator, SharedIndexed, Source, Stage, StateOf, StateSize,
    Statistic, Streamed, Sum, Summary, TopK, Watch, Watching, report, system_memory,
};

/// Test cases for those who implement a [`Converter`] for a tensor type of their own, or a file system
/// for where their bytes go.
///
/// Turn the feature on in `[dev-dependencies]`, and run a suite in a test:
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
    pub use lazy_zarr::conformance::FileSystemSuite;
}

/// Storing as Zarr v3, and reading back.
///
/// The parts in reading order: [`ToZarr`](zarr::ToZarr) stores a sequence, at a [`Target`](zarr::Target);
/// [`ZarrSink`](zarr::ZarrSink) has the settings, [`Existing`](zarr::Existing) and
/// [`Codec`](zarr::Codec) among them, and goes beside statistics into one pass;
/// [`UnfinishedWrite`](zarr::UnfinishedWrite) is what a write that ended early left behind;
/// [`StoredArray`](zarr::StoredArray) is the array read back. [`FileSystem`](zarr::FileSystem) is what is
/// below.
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
///     .to_zarr(group.clone().member("factors"))?;
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
        BloscCompressor, Checksum, Codec, Defect, DefectKind, Durability, EntryKind, Error,
        Existing, FileLock, FilePin, FileSystem, LocalFileSystem, LockScope, MemoryStore,
        MetadataSeal, MissingChunks, OldChunks, ReadableWritableListableStorageTraits, Result,
        Resume, Shuffle, StoreResult, StoredArray, StoredSize, Superseded, Target, ToZarr,
        UnfinishedWrite, Verify, WriteState, ZarrSink, consolidate_metadata,
        remove_consolidated_metadata,
    };
}

/// libtorch tensors.
///
/// [`TchConverter`](tch::TchConverter) turns the tensors of the crate `tch` into blocks and back;
/// [`TchConcatenate`](tch::TchConcatenate) joins a sequence of them into one; [`Copy`](tch::Copy) says when
/// their memory is shared. Since tensors are `Send` and not `Sync`, what a model computes is a
/// [`Streamed`] or an [`Indexed`] sequence, which `lazy_tch` explains. The feature needs libtorch 2.13.0,
/// found by the environment variable `LIBTORCH` when it is built.
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

/// The examples of the documents, as tests.
#[cfg(all(doctest, feature = "zarr"))]
mod documents {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/from-pydvl.md")]
    struct FromPydvl;
}

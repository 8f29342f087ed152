//! The crate's error.

use std::io;
use std::path::PathBuf;

use lazy_core::{BoxError, DType};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an array could not be stored or read.
///
/// # Example
///
/// A pass of several reducers fails with [`lazy_core::Error`], which an error of the sink is turned back
/// from:
///
/// ```
/// use lazy_core::{LazyChunkSequence, MeanVariance, NdarrayConverter};
/// use lazy_zarr::{Error, ToZarr, ZarrSink};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// let sequence = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
/// sequence.to_zarr(&path)?;
///
/// let error = sequence.compute((MeanVariance, ZarrSink::new(&path))).unwrap_err();
/// match Error::from(error) {
///     Error::TargetExists { target } => assert_eq!(target, path.display().to_string()),
///     Error::Sequence(error) => println!("a block is wrong: {error}"),
///     error => println!("it could not be stored: {error}"),
/// }
///
/// let error = sequence.to_zarr("s3://bucket/values.zarr").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "s3://bucket/values.zarr has the scheme s3, but only file URLs, paths and store instances are \
///      known"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sequence could not be evaluated: its blocks do not fit together, or its producer failed.
    #[error(transparent)]
    Sequence(lazy_core::Error),

    /// A URL's scheme is not one of a store that can be written to.
    #[error(
        "{url} has the scheme {scheme}, but only file URLs, paths and store instances are known"
    )]
    UnknownScheme {
        /// The URL.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// A URL leads to no path.
    #[error("{url} is no URL of a local path: {reason}")]
    InvalidUrl {
        /// The URL.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The path within a store is not one of an array.
    #[error("{path:?} is no path within a store: {reason}")]
    InvalidStorePath {
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A member of a group cannot have this name.
    #[error("{name:?} cannot be the name of a member of a group: {reason}")]
    InvalidName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// A path leads to no place.
    #[error("{path:?} is no path of an array: {reason}")]
    InvalidPath {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The metadata of something that is there is no JSON.
    #[error("{path} is not the JSON of a Zarr node: {source}")]
    BrokenMetadata {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        source: BoxError,
    },

    /// There is an array at the target already.
    #[error(
        "{target} exists already; remove it, or ask for it to be replaced (`Existing::Replace`)"
    )]
    TargetExists {
        /// The target.
        target: String,
    },
    /// The target is to be replaced, but it is a group, which may hold other arrays.
    #[error("{target} is a Zarr group, which is never replaced by an array; name another target")]
    TargetIsGroup {
        /// The target.
        target: String,
    },
    /// The target is a file.
    #[error("{target} is a file, which is never overwritten; name another target")]
    TargetIsFile {
        /// The target.
        target: String,
    },
    /// The target holds something that is no Zarr array.
    #[error(
        "{target} holds data that is no Zarr array, which is never deleted; name another target"
    )]
    TargetNotZarr {
        /// The target.
        target: String,
    },
    /// The target lies within an array.
    #[error("{target} lies in the Zarr array {array}; name a target outside of it")]
    TargetInArray {
        /// The target.
        target: String,
        /// The array.
        array: String,
    },
    /// The target lies in a group that holds a copy of its members' metadata.
    #[error(
        "{target} lies in the Zarr group {group}, whose consolidated metadata would no longer be \
         true; remove it from the group's zarr.json, and consolidate again afterwards"
    )]
    TargetInConsolidatedGroup {
        /// The target.
        target: String,
        /// The group.
        group: String,
    },
    /// The target lies in a group of Zarr v2, which holds no arrays of v3.
    #[error(
        "{target} lies in the Zarr v2 group {group}, in which no reader would see an array of Zarr \
         v3; name a target outside of it"
    )]
    TargetInV2Group {
        /// The target.
        target: String,
        /// The group.
        group: String,
    },
    /// The target is to be a member of something that is no group.
    #[error("{target} cannot be made, since {place} is {actual} and not a Zarr group")]
    NotAGroup {
        /// The target.
        target: String,
        /// Where the group would be.
        place: String,
        /// What is there.
        actual: &'static str,
    },
    /// The target is to be replaced, but its store cannot rename.
    #[error(
        "{target} lies in a store that cannot rename, so the old array would be gone before the \
         new one is complete; ask for that by name (`Existing::ReplaceInPlace`)"
    )]
    ReplaceUnsupported {
        /// The target.
        target: String,
    },
    /// Another write of the same target is under way.
    #[error("{target} is being written by {holder}; wait until that has ended, or stop it")]
    Locked {
        /// The target.
        target: String,
        /// The process, and its machine.
        holder: String,
    },
    /// Another write of the same target may be under way: locks of this file system do not reach other
    /// machines.
    #[error(
        "{target} is being written by {holder}, or was when that process ended: locks of this file system \
         do not tell; if it has ended, take over from it (`ZarrSink::with_take_over`), or remove what it \
         has left (`UnfinishedWrite::remove`)"
    )]
    MaybeLocked {
        /// The target.
        target: String,
        /// The process, and its machine.
        holder: String,
    },
    /// The directory of the write is gone: another write took over, because this one was taken for dead, or
    /// the target was removed.
    #[error(
        "another write of {target} took over from this one, or the directory was removed; nothing of this \
         write is published"
    )]
    TakenOver {
        /// The target.
        target: String,
    },
    /// The chunks of the array at the target have keys that this crate does not know.
    #[error(
        "{target} cannot be replaced: its chunk key encoding is unknown, so that its chunks cannot be told \
         from new ones; name another target"
    )]
    UnknownKeys {
        /// The target.
        target: String,
    },
    /// Chunks that were stored are no longer there when the array is to be published, or have another size.
    #[error("{}; the target is as it was", lost(target, missing.as_deref(), *expected, *found))]
    ChunksLost {
        /// The target.
        target: String,
        /// The key of the first chunk that is missing, if one is.
        missing: Option<String>,
        /// The number of chunks that were stored.
        expected: u64,
        /// The number of chunks that were found.
        found: u64,
    },
    /// A write is to be resumed that cannot be.
    #[error("a write of {target} cannot be resumed: {reason}")]
    NotResumable {
        /// The target.
        target: String,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// A write is to be resumed, but what an earlier one left is of something else.
    #[error(
        "what is left of a write of {target} in {} is of another one: its {what} is {expected}, but now it \
         is {actual}; go on as before, or remove what is left (`UnfinishedWrite::remove`)",
        directory.display()
    )]
    ResumeMismatch {
        /// The target.
        target: String,
        /// Where the unfinished array is.
        directory: PathBuf,
        /// What differs.
        what: &'static str,
        /// What it was.
        expected: String,
        /// What it is now.
        actual: String,
    },
    /// An earlier write can be resumed, which this one does not do.
    #[error(
        "an unfinished write of {target} is in {}, of the job {job:?}; go on with it \
         (`ZarrSink::with_resume`), or remove it (`UnfinishedWrite::remove`)", directory.display()
    )]
    Unfinished {
        /// The target.
        target: String,
        /// Where the unfinished array is.
        directory: PathBuf,
        /// What its blocks depend on, as the user said.
        job: String,
    },
    /// What an earlier write wrote down of itself cannot be understood.
    #[error(
        "the record {} of an unfinished write cannot be understood: {reason}; remove the write \
         (`UnfinishedWrite::remove`), and start anew", path.display()
    )]
    BrokenRecord {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The target or what is around it cannot be looked at.
    #[error("{} cannot be examined: {source}", path.display())]
    Examine {
        /// The path.
        path: PathBuf,
        /// What the file system answered.
        source: io::Error,
    },
    /// Nothing can be written at the target.
    #[error("{target} cannot be written: nothing can be created in {}: {source}", directory.display())]
    NotWritable {
        /// The target.
        target: String,
        /// Where something was to be made.
        directory: PathBuf,
        /// What the file system answered.
        source: io::Error,
    },
    /// A chunk or the metadata could not be written.
    #[error("{} could not be written: {source}; the target is as it was", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The answer of the file system.
        source: io::Error,
    },
    /// The complete array could not be published.
    #[error(
        "the complete array could not be published at {target}: {source}; the target is as it was"
    )]
    Publish {
        /// The target.
        target: String,
        /// The answer of the file system.
        source: io::Error,
    },
    /// The complete array could not be flushed to the device.
    #[error(
        "the new array for {target} could not be flushed to the device: {source}; the target is as it was, \
         and the new array is given up"
    )]
    Flush {
        /// The target.
        target: String,
        /// The answer of the file system.
        source: io::Error,
    },
    /// The array is published, but that could not be flushed to the device.
    #[error(
        "the complete array is at {target}, but that could not be flushed to the device: {source}; a power \
         failure may bring back what was there before, which is whole as well"
    )]
    Unflushed {
        /// The target.
        target: String,
        /// The answer of the file system.
        source: io::Error,
    },
    /// The array was published, and another one took its place at once.
    #[error("the complete array was published at {target}, where another one lies by now")]
    ReplacedAtOnce {
        /// The target.
        target: String,
    },
    /// A thread to encode and write chunks could not be started.
    #[error("no thread could be started to write chunks: {source}; ask for fewer")]
    Thread {
        /// What the system answered.
        source: io::Error,
    },
    /// A store instance failed.
    #[error("the store failed at key {key}: {source}")]
    Store {
        /// The key.
        key: String,
        /// What the store answered.
        source: BoxError,
    },
    /// A thread that encodes and writes chunks panicked.
    #[error("chunk {chunk:?} could not be encoded and written, by a panic: {message}")]
    WriterPanicked {
        /// The chunk's index along each axis.
        chunk: Vec<usize>,
        /// The panic's message.
        message: String,
    },

    /// A chunk or shard shape has another number of axes than the array.
    #[error("the {unit} shape {shape:?} does not have the array's {n_axes} axes")]
    ChunkRank {
        /// `chunk` or `shard`.
        unit: &'static str,
        /// The chunk or shard shape.
        shape: Vec<usize>,
        /// The array's number of axes.
        n_axes: usize,
    },
    /// A chunk or shard shape has a size of 0, or is larger than memory can be.
    #[error("the {unit} shape {shape:?} is impossible: {reason}")]
    ChunkShape {
        /// `chunk` or `shard`.
        unit: &'static str,
        /// The chunk or shard shape.
        shape: Vec<usize>,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A shard is not a whole number of chunks.
    #[error(
        "the shard shape {shard_shape:?} is not a whole number of chunks of shape {chunk_shape:?} \
         along each axis"
    )]
    ShardShape {
        /// The shard shape.
        shard_shape: Vec<usize>,
        /// The chunk shape.
        chunk_shape: Vec<usize>,
    },
    /// A codec cannot take chunks of such a size.
    #[error(
        "chunks of {actual} bytes are more than the {limit} that the codec {codec} takes; ask for \
         smaller ones"
    )]
    ChunkTooLarge {
        /// The codec.
        codec: &'static str,
        /// The bytes that it takes at most.
        limit: usize,
        /// The bytes of a chunk.
        actual: usize,
    },
    /// There are fewer or more dimension names than axes.
    #[error("there are {} dimension names {names:?}, but the array has {n_axes} axes", names.len())]
    DimensionNames {
        /// The names.
        names: Vec<String>,
        /// The array's number of axes.
        n_axes: usize,
    },
    /// The fill value has another dtype than the array.
    #[error("the fill value has dtype {actual}, but the array has {expected}")]
    FillValueDType {
        /// The array's dtype.
        expected: DType,
        /// The fill value's dtype.
        actual: DType,
    },
    /// An attribute is not what JSON can hold, or its name is taken.
    #[error("the attribute {name:?} cannot be stored: {reason}")]
    Attribute {
        /// The attribute's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting is out of its range.
    #[error("{setting} is {value}, but it must be {range}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: i64,
        /// The values that it can have.
        range: &'static str,
    },
    /// A chunk could not be encoded.
    #[error("chunk {chunk:?} could not be encoded: {source}")]
    Encode {
        /// The chunk's index along each axis.
        chunk: Vec<usize>,
        /// What the codec answered.
        source: BoxError,
    },
    /// The array's metadata could not be made.
    #[error("no Zarr metadata can be made for the array: {source}")]
    Metadata {
        /// Why not.
        source: BoxError,
    },

    /// There is nothing at the target.
    #[error("there is nothing at {target}")]
    NothingThere {
        /// The target.
        target: String,
    },
    /// What is at the target is no Zarr array.
    #[error("{target} is no Zarr array: {reason}")]
    NotAnArray {
        /// The target.
        target: String,
        /// What it is, and what to do.
        reason: String,
    },
    /// The metadata of the array at the target cannot be understood.
    #[error("{target} cannot be opened: {source}")]
    Open {
        /// The target.
        target: String,
        /// What is wrong with its metadata.
        source: BoxError,
    },
    /// The stored array's data type has no counterpart.
    #[error("{target} has the data type {data_type}, which has no counterpart here")]
    UnsupportedDataType {
        /// The target.
        target: String,
        /// The name of the data type.
        data_type: String,
    },
    /// A region does not lie within the array.
    #[error("the region {region:?} does not lie within an array of shape {shape:?}")]
    Region {
        /// The region: one range per axis.
        region: Vec<std::ops::Range<usize>>,
        /// The array's shape.
        shape: Vec<usize>,
    },
    /// Block sizes do not add up to the array's size along an axis.
    #[error(
        "blocks of {actual} elements in all do not cut axis {axis} of an array of shape {shape:?}"
    )]
    BlockSizes {
        /// The axis.
        axis: usize,
        /// The sum of the block sizes.
        actual: usize,
        /// The array's shape.
        shape: Vec<usize>,
    },
    /// A chunk could not be read; or a shard, where there are shards.
    #[error("the chunk {chunk:?} of {target}, at {key}, could not be read: {source}")]
    ReadChunk {
        /// The target.
        target: String,
        /// The chunk's index along each axis.
        chunk: Vec<usize>,
        /// The chunk's key, relative to the array.
        key: String,
        /// What the store or the codec answered.
        source: BoxError,
    },
    /// A region could not be read.
    #[error("the region {region:?} of {target} could not be read: {source}")]
    Read {
        /// The target.
        target: String,
        /// The region: one range per axis.
        region: Vec<std::ops::Range<usize>>,
        /// What the store or the codec answered.
        source: BoxError,
    },
    /// Another array took the place of the one that was opened.
    #[error("{target} was replaced since it was opened; open it again")]
    Replaced {
        /// The target.
        target: String,
    },
    /// The array that was opened is no longer there.
    #[error("{target} was removed since it was opened")]
    Removed {
        /// The target.
        target: String,
    },
    /// A chunk of the stored array, or a shard, is larger than memory can be.
    #[error(
        "{target} cannot be opened: its {unit} shape {shape:?} stands for {bytes} bytes, which memory \
         cannot hold"
    )]
    UnitMemory {
        /// The target.
        target: String,
        /// `chunk` or `shard`.
        unit: &'static str,
        /// The chunk or shard shape.
        shape: Vec<usize>,
        /// The bytes of a chunk or shard.
        bytes: u128,
    },
    /// A region is larger than memory can be.
    #[error(
        "the region {region:?} of {target} has {bytes} bytes, which memory cannot hold; read it in parts"
    )]
    RegionMemory {
        /// The target.
        target: String,
        /// The region: one range per axis.
        region: Vec<std::ops::Range<usize>>,
        /// Its bytes.
        bytes: u128,
    },
}

/// Restores this crate's own errors, which a reduction hands through as
/// [`lazy_core::Error::Other`].
impl From<lazy_core::Error> for Error {
    fn from(error: lazy_core::Error) -> Error {
        match error {
            lazy_core::Error::Other(error) => match error.downcast::<Error>() {
                Ok(error) => *error,
                Err(error) => Error::Sequence(lazy_core::Error::Other(error)),
            },
            error => Error::Sequence(error),
        }
    }
}

impl From<Error> for lazy_core::Error {
    fn from(error: Error) -> lazy_core::Error {
        match error {
            Error::Sequence(error) => error,
            error => lazy_core::Error::other(error),
        }
    }
}

impl Error {
    /// Returns true if the array is complete at the target all the same: the error is of something that
    /// happened after it was published.
    #[must_use]
    pub fn is_published(&self) -> bool {
        matches!(self, Error::Unflushed { .. } | Error::ReplacedAtOnce { .. })
    }
}

fn lost(target: &str, missing: Option<&str>, expected: u64, found: u64) -> String {
    match missing {
        Some(key) => format!(
            "{expected} chunks were stored for {target}, but {found} of them were found: {key} is missing, \
             for instance"
        ),
        None => format!(
            "{expected} chunks were stored for {target}, but the {found} that were found are others, or of \
             other sizes"
        ),
    }
}

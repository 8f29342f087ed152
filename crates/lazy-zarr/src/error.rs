//! The crate's error.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use crate::destination::THIS_PROCESS;
use lazy_core::{BoxError, DType};
use zarrs::array::CodecError;

use crate::DefectKind;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an array could not be stored or read.
///
/// The message says what happened, and leaves the cause to [`source`](std::error::Error::source):
/// [`lazy_core::report`] is both. What to do about it is told by [`hint`](Self::hint), and is no part of a
/// message.
///
/// # Example
///
/// A pass of several reducers fails with [`lazy_core::Error`], which an error of the sink is turned back
/// from:
///
/// ```
/// use lazy_core::{LazyChunkSequence, MeanVariance, NdarrayConverter, report};
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
///     Error::Sequence(error) => println!("a block is wrong: {}", report(&error)),
///     error => println!("it could not be stored: {}", report(&error)),
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
    #[error("{path} is not the JSON of a Zarr node")]
    BrokenMetadata {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        source: BoxError,
    },

    /// There is an array at the target already.
    #[error("{target} exists already")]
    TargetExists {
        /// The target.
        target: String,
    },
    /// There is an array at the target already, which a write of the same job and another revision was to be
    /// equal to.
    #[error("{target} exists already, and differs from this write in {at}")]
    TargetDiffers {
        /// The target.
        target: String,
        /// The first block that is not equal to what is stored.
        at: lazy_core::Location,
    },
    /// The target is to be replaced, but it is a group, which may hold other arrays.
    #[error("{target} is a Zarr group, which is never replaced by an array")]
    TargetIsGroup {
        /// The target.
        target: String,
    },
    /// The target is a file.
    #[error("{target} is a file, which is never overwritten")]
    TargetIsFile {
        /// The target.
        target: String,
    },
    /// The target holds something that is no Zarr array.
    #[error("{target} holds data that is no Zarr array, which is never deleted")]
    TargetNotZarr {
        /// The target.
        target: String,
    },
    /// The target lies within an array.
    #[error("{target} lies in the Zarr array {array}")]
    TargetInArray {
        /// The target.
        target: String,
        /// The array.
        array: String,
    },
    /// The target lies in a group that holds a copy of its members' metadata.
    #[error(
        "{target} lies in the Zarr group {group}, whose consolidated metadata would no longer be true"
    )]
    TargetInConsolidatedGroup {
        /// The target.
        target: String,
        /// The group.
        group: String,
    },
    /// The target lies in a group of Zarr v2, which holds no arrays of v3.
    #[error(
        "{target} lies in the Zarr v2 group {group}, in which no reader would see an array of Zarr v3"
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
         new one is complete"
    )]
    ReplaceUnsupported {
        /// The target.
        target: String,
    },
    /// Another write of the same target is under way.
    #[error("{target} is being written by {holder}")]
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
         do not tell"
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
         from new ones"
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
        /// Why not.
        reason: &'static str,
    },
    /// A write is to be resumed, but what an earlier one left is of something else.
    #[error(
        "cannot resume the unfinished write of {target} in {}: its {what} changed from {expected} to {actual}",
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
    #[error("an unfinished write of {target} is in {}, of the job {job:?}", directory.display())]
    Unfinished {
        /// The target.
        target: String,
        /// Where the unfinished array is.
        directory: PathBuf,
        /// What its blocks depend on, as the user said.
        job: String,
    },
    /// What an earlier write wrote down of itself cannot be understood.
    #[error("the record {} of an unfinished write cannot be understood: {reason}", path.display())]
    BrokenRecord {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The target or what is around it cannot be looked at.
    #[error("{} cannot be examined", path.display())]
    Examine {
        /// The path.
        path: PathBuf,
        /// What the file system answered.
        source: io::Error,
    },
    /// Nothing can be written at the target.
    #[error("{target} cannot be written: nothing can be created in {}", directory.display())]
    NotWritable {
        /// The target.
        target: String,
        /// Where something was to be made.
        directory: PathBuf,
        /// What the file system answered.
        source: io::Error,
    },
    /// A chunk or the metadata could not be written.
    #[error("could not write {}, so the target is unchanged", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The answer of the file system.
        source: io::Error,
    },
    /// The complete array could not be published.
    #[error("could not publish the complete array at {target}, which is unchanged")]
    Publish {
        /// The target.
        target: String,
        /// The answer of the file system.
        source: io::Error,
    },
    /// The complete array could not be flushed to the device.
    #[error("could not flush the new array to the device, so {target} is unchanged")]
    Flush {
        /// The target.
        target: String,
        /// The answer of the file system.
        source: io::Error,
    },
    /// The array is published, but that could not be flushed to the device.
    #[error(
        "the complete array is at {target}, but a power failure may bring back what was there before, since \
         the directory could not be flushed to the device"
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
    #[error("no thread could be started to write chunks")]
    Thread {
        /// What the system answered.
        source: io::Error,
    },
    /// A store instance failed.
    #[error("the store failed at key {key}")]
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
    #[error("chunks of {actual} bytes are more than the {limit} that the codec {codec} takes")]
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
    #[error("chunk {chunk:?} could not be encoded")]
    Encode {
        /// The chunk's index along each axis.
        chunk: Vec<usize>,
        /// What the codec answered.
        source: BoxError,
    },
    /// The array's metadata could not be made.
    #[error("no Zarr metadata can be made for the array")]
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
    #[error("{target} is no Zarr array: {reason}{}", named(members))]
    NotAnArray {
        /// The target.
        target: String,
        /// What it is.
        reason: &'static str,
        /// Of a group, the names of its members.
        members: Vec<String>,
    },
    /// The metadata of the array at the target cannot be understood.
    #[error("{target} cannot be opened")]
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
    #[error("the chunk {chunk:?} of {target}, at {key}, could not be read")]
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
    #[error("the region {region:?} of {target} could not be read")]
    Read {
        /// The target.
        target: String,
        /// The region: one range per axis.
        region: Vec<std::ops::Range<usize>>,
        /// What the store or the codec answered.
        source: BoxError,
    },
    /// Another array took the place of the one that was opened.
    #[error("{target} was replaced since it was opened")]
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
    #[error("the region {region:?} of {target} has {bytes} bytes, which memory cannot hold")]
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
    /// Returns what can be done about the error, if that is known: a clause for programmers, which may name
    /// functions and types of the library. Where the error has none, that of its cause counts.
    ///
    /// # Example
    ///
    /// ```
    /// # use lazy_core::LazyChunkSequence;
    /// use lazy_zarr::{Existing, ToZarr, ZarrSink};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// # let sequence = LazyChunkSequence::new(|| [lazy_core::ArrayBlock::from_vec([2], vec![1, 2]).unwrap()]);
    /// sequence.to_zarr(&path)?;
    ///
    /// let error = sequence.to_zarr(&path).unwrap_err();
    /// assert_eq!(error.to_string(), format!("{} exists already", path.display()));
    /// assert_eq!(
    ///     error.hint().as_deref(),
    ///     Some("name another target, or overwrite this one with `Existing::Replace`")
    /// );
    /// sequence.to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        let hint = match self {
            Error::Sequence(error) => {
                return match causes(error).find_map(|cause| cause.downcast_ref::<Error>()) {
                    Some(cause) => cause.hint(),
                    None => error.hint(),
                };
            }
            Error::InvalidUrl { .. } => {
                "write file:///absolute/path, with three slashes, %3F for ? and %23 for #"
            }
            Error::InvalidName { name, .. } if name.contains('/') => {
                "name the groups on the way one by one, with `Target::member`"
            }
            Error::TargetExists { .. } | Error::TargetDiffers { .. } => {
                "name another target, or overwrite this one with `Existing::Replace`"
            }
            Error::TargetIsGroup { .. }
            | Error::TargetIsFile { .. }
            | Error::TargetNotZarr { .. }
            | Error::UnknownKeys { .. } => "name another target",
            Error::TargetInArray { .. } | Error::TargetInV2Group { .. } => {
                "name a target outside of it"
            }
            Error::TargetInConsolidatedGroup { .. } => {
                "remove the consolidated metadata with `remove_consolidated_metadata`, and consolidate again \
                 afterwards"
            }
            Error::ReplaceUnsupported { .. } => {
                "overwrite it all the same with `Existing::ReplaceInPlace`"
            }
            Error::Locked { holder, .. } if holder == THIS_PROCESS => {
                "name each target of a pass once, or wait until the other write of this process ends"
            }
            Error::Locked { .. } => "wait until that process ends, or stop it",
            Error::MaybeLocked { .. } => {
                "if that process has ended, take over from it with `ZarrSink::with_take_over`, or remove what \
                 it left with `UnfinishedWrite::remove`"
            }
            Error::NotResumable { .. } => {
                "make the sequence of a grid and a function, with `from_fn`, and store it at a path"
            }
            Error::ResumeMismatch { .. } => {
                "resume it with the same job and settings, or start anew with `Resume::or_restart`"
            }
            Error::Unfinished { .. } => {
                "resume it with `ZarrSink::with_resume`, or remove it with `UnfinishedWrite::remove`"
            }
            Error::BrokenRecord { .. } => {
                "start anew with `Resume::or_restart`, or remove it with `UnfinishedWrite::remove`"
            }
            Error::NotWritable { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                "move it away, or remove the chunks of old versions with `Superseded::remove`"
            }
            Error::Thread { .. } => "ask for fewer threads with `ZarrSink::with_writer_threads`",
            Error::ChunkTooLarge { .. } => {
                "ask for smaller chunks with `ZarrSink::with_chunk_shape`"
            }
            Error::NotAnArray { members, .. } if !members.is_empty() => {
                "open one of its members, with `Target::member`"
            }
            Error::ReadChunk { source, .. }
                if matches!(source.downcast_ref(), Some(DefectKind::Missing)) =>
            {
                "if another program removed it as one of fill value, read with `MissingChunks::FillValue`"
            }
            Error::Replaced { .. } => "open it again",
            Error::RegionMemory { .. } => "read it in parts",
            _ => return None,
        };
        Some(hint.into())
    }

    /// Returns true if the array is complete at the target all the same: the error is of something that
    /// happened after it was published.
    #[must_use]
    pub fn is_published(&self) -> bool {
        matches!(self, Error::Unflushed { .. } | Error::ReplacedAtOnce { .. })
    }
}

/// An error of another crate's, as the cause of one of this crate's.
///
/// Some say what their own cause says; that is left out.
pub(crate) fn foreign(error: impl Into<BoxError>) -> BoxError {
    let error = error.into();
    let message = error.to_string();
    let repeats = match error.downcast_ref() {
        Some(CodecError::UnexpectedChunkDecodedSize(_)) => true,
        _ => error.source().is_some_and(|cause| message.contains(&cause.to_string())),
    };
    if repeats { message.into() } else { error }
}

/// The causes of an error, from its own on.
fn causes(error: &dyn StdError) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |error| (*error).source())
}

/// The names of members, as they follow the word for a group.
fn named(members: &[String]) -> String {
    match members {
        [] => String::new(),
        [member] => format!(" with the member {member}"),
        members => format!(" with the members {}", members.join(", ")),
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

//! The kinds of errors.

/// A category of [`Error`](crate::Error), by what a caller can do about it.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{Error, ErrorKind};
///
/// /// The status of an HTTP response.
/// fn status(error: &Error) -> u16 {
///     match error.kind() {
///         ErrorKind::InvalidTarget | ErrorKind::InvalidSetting | ErrorKind::InvalidRegion => 400,
///         ErrorKind::AccessDenied => 403,
///         ErrorKind::NotFound => 404,
///         ErrorKind::Exists | ErrorKind::Occupied | ErrorKind::InUse => 409,
///         _ => 500,
///     }
/// }
///
/// # use lazy_chunks::zarr::StoredArray;
/// # let directory = tempfile::tempdir()?;
/// let error = StoredArray::open(directory.path().join("values.zarr")).unwrap_err();
/// assert_eq!(status(&error), 404);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The target is invalid: its URL, its path or the name of a member is malformed, or the scheme
    /// of its URL is not supported.
    InvalidTarget,
    /// A setting is invalid, or does not fit the array: a codec level, a chunk or shard shape, a
    /// fill value, an attribute, dimension names, a number of threads, or an option of a store.
    /// [`setting`](crate::Error::setting) names it.
    InvalidSetting,
    /// A region, block sizes or an axis do not fit the shape of the stored array.
    InvalidRegion,
    /// An array exists at the target. [`Existing::Replace`](crate::Existing::Replace) replaces it.
    Exists,
    /// The target holds something that is never overwritten: a group, a file or other data. Or a
    /// path above the target is not a Zarr v3 group that can hold the array;
    /// [`parent`](crate::Error::parent) names that path.
    Occupied,
    /// The target lies in a group with consolidated metadata, which the write, the change or the
    /// removal would make outdated. [`parent`](crate::Error::parent) names the group, and
    /// [`Group::remove_consolidated`](crate::Group::remove_consolidated) removes its consolidated
    /// metadata.
    Consolidated,
    /// Nothing exists at the target, a symbolic link leads to a missing path, or the array was
    /// removed after it was opened.
    NotFound,
    /// The target to open is not an array, but a group, a file or other data.
    /// [`members`](crate::Error::members) lists the members of a group.
    NotAnArray,
    /// The target to open is not a group, but an array, a file or other data.
    NotAGroup,
    /// Another write uses the target, may use it, or has taken over from this one.
    InUse,
    /// The target has an unfinished write that can be resumed, and this operation does not resume
    /// it. Resume it with [`ZarrSink::with_resume`](crate::ZarrSink::with_resume), or remove it
    /// with [`UnfinishedWrite::remove`](crate::UnfinishedWrite::remove). If workers share it,
    /// [`setting`](crate::Error::setting) is `workers`.
    Unfinished,
    /// The unfinished write of the target has another key or other settings than the write that
    /// tried to resume it, or its record is invalid. [`difference`](crate::Error::difference) names
    /// the difference, and [`Resume::or_restart`](crate::Resume::or_restart) starts over.
    ResumeMismatch,
    /// The array was replaced after it was opened, or its files changed while it was written.
    Changed,
    /// Stored data is damaged: a chunk is missing, truncated or has a checksum mismatch, or
    /// metadata is invalid.
    Corrupt,
    /// The array, the store or the sequence does not support the operation: an unknown codec or
    /// data type, a replacement in a store that cannot rename, a resumable write of a streamed
    /// sequence, a change of a Zarr v2 group, or the removal of a member with unknown chunk keys.
    Unsupported,
    /// Memory cannot hold a chunk or a region, or a write needs more than its
    /// [limit](crate::ZarrSink::with_memory_limit).
    Memory,
    /// A chunk could not be encoded, or the thread that encodes and writes chunks panicked.
    Encode,
    /// A store refused access: there are no credentials, they have expired, or they do not permit
    /// the operation.
    AccessDenied,
    /// A file system, a store or the operating system failed. [`io_kind`](crate::Error::io_kind)
    /// returns the kind of the I/O error.
    Io,
    /// The sequence failed: its producer, a converter or a reducer returned an error, its blocks do
    /// not fit together, or an observer cancelled the pass. [`sequence`](crate::Error::sequence)
    /// returns the error.
    Sequence,
}

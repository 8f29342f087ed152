//! Storage of lazily evaluated, chunked arrays as Zarr v3.
//!
//! [`ToZarr::to_zarr`] evaluates a sequence once, block by block, and stores it as an array. A
//! [`ZarrSink`] contains the settings of a write, and shares a pass with statistics. The result is
//! a [`StoredArray`], which can be read whole, by region, or as a sequence.
//!
//! ```
//! # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
//! use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
//! use lazy_chunks::zarr::{StoredArray, ToZarr};
//! use ndarray::Array2;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("squares.zarr");
//! let squares = LazyChunkSequence::new(|| {
//!     (0..4).map(|i| Array2::from_shape_fn((2, 3), move |(row, column)| (2 * i + row) * column))
//! });
//! let blocks = squares.map(|block| block.mapv(|x| x as u32)).convert(NdarrayConverter);
//! blocks.to_zarr(&path)?;
//!
//! let stored = StoredArray::open(&path)?;
//! assert_eq!(stored.shape(), [8, 3]);
//! assert_eq!(stored.read_region(&[7..8, 0..3])?.as_slice::<u32>()?, [0, 7, 14]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The main items, in the order in which a block passes them:
//!
//! - [`Target`] is the location of an array: a path, a URL, a store instance, or a
//!   [member](Target::member) of a group there. [`StoreOptions`] are the settings of the client for
//!   a URL.
//! - [`ZarrSink`] contains the settings of a write. Blocks and chunks are independent: the sink
//!   joins and cuts blocks of any sizes into whole chunks, and if requested, it joins chunks into
//!   whole shards. [`Existing`] determines the handling of an array that already exists.
//! - [`StoreResult`] is a statistic whose result is stored beside the blocks.
//! - [`Codec`] and [`Checksum`] determine the encoding of chunks.
//! - [`Store`] is a trait for stores of objects, such as a bucket of an object store.
//!   [`MemoryStore`] is a store in memory. `RemoteStore`, behind the features `s3`, `gcs`, `azure`
//!   and `http`, is a store of the crate `object_store`.
//! - [`FileSystem`] is a trait for file systems. New chunks are stored beside the chunks of the
//!   present version, under keys that its metadata does not reference. The new metadata then
//!   replaces the old metadata atomically.
//! - [`UnfinishedWrite`] is the rest of a write that ended early. [`ZarrSink::with_resume`] resumes
//!   it.
//! - [`Superseded`] represents the chunks of an array that was replaced.
//! - [`Group`] lists the members of a group, changes its attributes and its consolidated metadata,
//!   and removes members.
//! - [`StoredArray`] reads an array. [`MissingChunks`] determines the meaning of a missing chunk.
//! - [`Verify`] checks all chunks of an array and yields the [`Defect`]s. [`MetadataChecksum`] is
//!   the result of checking the metadata.
//! - [`Error`] names the target, the chunk or the setting that it concerns. Programs match on its
//!   [`ErrorKind`].
//! - `conformance`, behind the feature of the same name, has test suites for implementations of
//!   [`FileSystem`] and [`Store`], and an example of each error.
//!
//! An [`Observer`](lazy_core::Observer) of the sequence receives the number of stored chunks and
//! bytes. A write is a [`tracing`] span, `write`, within the span of the evaluation. Events report
//! its layout and its end at level `DEBUG`, and each chunk, with the seconds of encoding and of
//! writing, at level `TRACE`.

#[cfg(feature = "conformance")]
pub mod conformance;
mod defect;
mod error;
mod format;
mod fs;
mod group;
mod layout;
mod memory;
mod objects;
mod read;
mod settings;
mod staging;
mod store;
mod target;
mod threads;
mod write;

pub use defect::{Defect, DefectKind};
pub use error::{Error, ErrorKind, Result};
pub use format::MetadataChecksum;
pub use fs::{
    EntryKind, FileLock, FilePin, FileSystem, FileSystemLayer, LocalFileSystem, LockScope,
    MemoryFileSystem,
};
pub use group::{Consolidation, Group, Member, MemberKind, Removed};
#[cfg(feature = "object-store")]
pub use objects::RemoteStore;
pub use objects::{
    ByteRange, Listing, MemoryStore, NoteTag, Object, ObjectInfo, ObjectRanges, PutCondition,
    Store, StoreError, Tag,
};
pub use read::{MissingChunks, StoredArray, StoredSize, Verify};
pub use settings::{
    BloscCompressor, Checksum, Codec, Durability, Existing, OldChunks, Resume, Shuffle,
};
pub use staging::{SharedProgress, Superseded, UnfinishedWrite, WriteState};
pub use target::{StoreOptions, Target};
// The signatures contain types of these crates.
#[cfg(feature = "object-store")]
pub use object_store;
pub use serde_json;
pub use write::{Storable, StoreResult, ToZarr, ZarrSink, store, store_result};

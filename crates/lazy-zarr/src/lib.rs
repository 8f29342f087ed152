//! Storing lazily evaluated, chunked arrays as Zarr v3, and reading them back.
//!
//! [`ToZarr::to_zarr`] evaluates a sequence once, block by block, and stores it; a [`ZarrSink`]
//! holds the settings, and goes beside statistics into one pass. The result is a [`StoredArray`],
//! which is read whole, by region, or as a sequence again.
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
//! The parts, in the order in which a block meets them:
//!
//! - [`Target`]: a path, a `file://` URL or a store instance, and the [members](Target::member) of a
//!   group there.
//! - [`ZarrSink`]: the settings. Blocks and chunks are independent; blocks of any sizes become whole
//!   chunks, and chunks whole shards where those are asked for. [`Existing`] says what becomes of an
//!   array that is there already.
//! - [`StoreResult`]: a statistic whose result is stored beside the blocks.
//! - [`Codec`] and [`Checksum`]: how chunks are encoded.
//! - [`Store`]: a store of objects, such as a bucket of an object store; [`MemoryStore`] is one in memory.
//! - [`FileSystem`]: where the bytes go. Chunks are stored beside those of the present version, under keys
//!   that its metadata does not name; the new metadata then takes the place of the old in one step.
//! - [`UnfinishedWrite`]: the rest of a write that ended early, which [`ZarrSink::with_resume`] resumes.
//! - [`Superseded`]: the chunks of an array that was replaced.
//! - [`StoredArray`]: the array read back; [`MissingChunks`] says what a chunk that is not there means.
//! - [`Verify`]: all its chunks, checked, and the [`Defect`]s that are found; [`MetadataChecksum`] tells of its
//!   metadata.
//! - [`Error`], whose [`ErrorKind`] a program matches on, and which names the target, the chunk or the
//!   setting.
//! - `conformance`, behind the feature of this name: test cases for those who implement a
//!   [`FileSystem`], and an example of each error.
//!
//! An [`Observer`](lazy_core::Observer) of the sequence sees how many chunks and bytes are stored. A write is a
//! [`tracing`] span, `write`, within that of the evaluation; events tell its layout and its end at level `DEBUG`, and
//! each chunk, with the seconds for encoding and for writing, at `TRACE`.

#[cfg(feature = "conformance")]
pub mod conformance;
mod defect;
mod error;
mod format;
mod fs;
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
pub use objects::{
    ByteRange, Listing, MemoryStore, Object, ObjectInfo, PutCondition, Store, StoreError, Tag,
};
pub use read::{MissingChunks, StoredArray, StoredSize, Verify};
pub use settings::{
    BloscCompressor, Checksum, Codec, Durability, Existing, OldChunks, Resume, Shuffle,
};
pub use staging::{Superseded, UnfinishedWrite, WriteState};
pub use store::{consolidate_metadata, remove_consolidated_metadata};
pub use target::Target;
// The signatures contain types of this crate.
pub use serde_json;
pub use write::{Storable, StoreResult, ToZarr, ZarrSink, store, store_result};

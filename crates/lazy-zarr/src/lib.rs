//! Storing lazily evaluated, chunked arrays as Zarr v3, and reading them back.
//!
//! [`ToZarr::to_zarr`] evaluates a sequence once, block by block, and stores it; a [`ZarrSink`]
//! holds the settings, and goes beside statistics into one pass. The result is a [`StoredArray`],
//! which is read whole, by region, or as a sequence again.
//!
//! ```
//! use lazy_core::{LazyChunkSequence, NdarrayConverter};
//! use lazy_zarr::{StoredArray, ToZarr};
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
//! - [`FileSystem`]: where the bytes go. Chunks are stored beside those of the present version, under keys
//!   that its metadata does not name; the new metadata then takes the place of the old in one step.
//! - [`UnfinishedWrite`]: the rest of a write that ended early, which [`ZarrSink::with_resume`] resumes.
//! - [`Superseded`]: the chunks of an array that was replaced.
//! - [`StoredArray`]: the array read back; [`MissingChunks`] says what a chunk that is not there means.
//! - [`Verify`]: all its chunks, checked, and the [`Defect`]s that are found; [`MetadataSeal`] tells of its
//!   metadata.
//! - [`Error`], which names the target, the chunk or the setting.
//! - `conformance`, behind the feature of this name: test cases for those who implement a
//!   [`FileSystem`].
//!
//! A write is observed by [`ZarrSink::with_observer`]. It is a [`tracing`] span too, `write`, within that
//! of the evaluation; a subscriber is told of its layout and its end at level `DEBUG`, and of each chunk,
//! with the seconds for encoding and for writing, at `TRACE`.

mod assembler;
mod attribute;
mod codec;
#[cfg(feature = "conformance")]
pub mod conformance;
mod consolidated;
mod destination;
mod durability;
mod encode;
mod error;
mod existing;
mod filesystem;
mod format;
mod guard;
mod layout;
mod memory;
mod node;
mod overlap;
mod provenance;
mod resume;
mod sink;
mod store;
mod store_result;
mod stored;
mod superseded;
mod target;
mod threads;
mod to_zarr;
mod trace;
mod unfinished;
mod write;
mod writer;

pub use codec::{BloscCompressor, Checksum, Codec, Shuffle};
pub use consolidated::{consolidate_metadata, remove_consolidated_metadata};
pub use durability::Durability;
pub use error::{Error, Result};
pub use existing::{Existing, OldChunks};
pub use filesystem::{EntryKind, FileLock, FilePin, FileSystem, LocalFileSystem, LockScope};
pub use provenance::MetadataSeal;
pub use resume::Resume;
pub use sink::ZarrSink;
pub use store_result::StoreResult;
pub use stored::{Defect, DefectKind, MissingChunks, StoredArray, StoredSize, Verify};
pub use superseded::Superseded;
pub use target::Target;
pub use to_zarr::ToZarr;
pub use unfinished::{UnfinishedWrite, WriteState};
pub use zarrs::storage::ReadableWritableListableStorageTraits;
pub use zarrs::storage::store::MemoryStore;

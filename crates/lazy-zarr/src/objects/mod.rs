//! Stores of objects: the trait that a backend implements, a store in memory, and the stores of the
//! crate `object_store`.
//!
//! Knows keys and bytes. Ignorant of Zarr, and of everything else in this crate.

mod at_once;
mod byte_range;
mod conditional;
mod error;
mod interface;
mod memory;
mod object;
#[cfg(feature = "object-store")]
mod remote;
mod shared;

pub(crate) use at_once::{both, for_each};
pub use byte_range::ByteRange;
pub(crate) use conditional::put_or_find;
pub use error::StoreError;
pub use interface::{NoteTag, PutCondition, Store};
pub use memory::MemoryStore;
pub use object::{Listing, Object, ObjectInfo, ObjectRanges, Tag};
#[cfg(feature = "object-store")]
pub use remote::RemoteStore;
#[cfg(feature = "object-store")]
pub(crate) use remote::RequestError;
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
pub(crate) use remote::{Retries, innermost};

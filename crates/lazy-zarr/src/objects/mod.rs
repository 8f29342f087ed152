//! Stores of objects: the trait that a backend implements, and a store in memory.
//!
//! Knows keys and bytes. Ignorant of Zarr, and of everything else in this crate.

mod byte_range;
mod conditional;
mod error;
mod interface;
mod memory;
mod object;
mod shared;

pub use byte_range::ByteRange;
pub(crate) use conditional::put_or_find;
pub use error::StoreError;
pub use interface::{PutCondition, Store};
pub use memory::MemoryStore;
pub use object::{Listing, Object, ObjectInfo, Tag};

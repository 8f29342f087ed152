//! The format of an array: its metadata, data types, codecs and chunk keys.
//!
//! Knows Zarr and zarrs. Ignorant of file systems, stores and blocks.

mod attribute;
mod codecs;
mod guard;
pub(crate) mod key_space;
mod metadata;
pub(crate) mod provenance;

pub(crate) use attribute::attribute;
pub(crate) use guard::{ShardCodecs, guarded};
pub(crate) use key_space::KeySpace;
pub(crate) use metadata::{Format, as_u64, dtype_of, one_thread, shared, zarr_data_type};
pub use provenance::MetadataChecksum;

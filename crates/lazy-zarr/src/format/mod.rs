//! The format of an array: its metadata, data types, codecs and chunk keys.
//!
//! Handles Zarr and zarrs, and does not depend on file systems, stores or blocks.

mod attribute;
mod codecs;
pub(crate) mod document;
mod guard;
pub(crate) mod key_space;
mod metadata;
pub(crate) mod provenance;

pub(crate) use attribute::attribute;
pub(crate) use guard::{ABSENT, ShardCodecs, guarded};
pub(crate) use key_space::KeySpace;
pub(crate) use metadata::{
    Format, as_u64, dtype_of, fill_text, one_thread, shared, zarr_data_type,
};
pub use provenance::MetadataChecksum;

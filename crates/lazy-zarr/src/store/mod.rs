//! Storage of arrays: directories of a file system, keys of a store, and the Zarr nodes in them.
//!
//! Handles names, bytes and the kinds of nodes, and does not depend on elements, codecs or writes.

mod adapters;
pub(crate) mod check;
mod chunk_files;
mod chunk_objects;
mod early_check;
pub(crate) mod node;
mod origin;
mod place;
mod search;
pub(crate) mod staging_name;

pub(crate) use adapters::{CompleteStore, DirectoryStore, ObjectReader, WithDocument};
pub(crate) use chunk_files::Found;
pub(crate) use chunk_objects::{chunk_objects, delete_chunks};
pub(crate) use early_check::EarlyCheck;
pub(crate) use origin::{Origin, Source};
pub(crate) use place::absolute;
pub(crate) use search::{directories_below, prefixes_below};

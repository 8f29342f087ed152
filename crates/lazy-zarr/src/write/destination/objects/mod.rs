//! A new version of an array in a store.

mod operations;
mod writing;

pub(crate) use writing::StoreWrite;

//! A new version of an array in a store.

mod claiming;
mod operations;
mod part;
mod place;
mod writing;

pub(super) use part::PartObjects;
pub(crate) use writing::{StoreWrite, WITHOUT_CONDITIONS};

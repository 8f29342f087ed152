//! The destinations of a write, which store its chunks and publish the array.

mod begin;
mod directory;
mod interface;
mod objects;
mod part;

pub(crate) use begin::{Begun, begin};
pub(crate) use directory::{Directory, flush_again};
pub(crate) use interface::{Destination, PartDestination, PlanDestination, PutChunks};
pub(crate) use objects::{StoreWrite, WITHOUT_CONDITIONS};
pub(crate) use part::begin_part;

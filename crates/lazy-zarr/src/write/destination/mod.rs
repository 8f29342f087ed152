//! The destinations of a write, which store its chunks and publish the array.

mod begin;
mod directory;
mod interface;
mod objects;
mod part;
mod settle;

pub(crate) use begin::{Begun, begin, check};
pub(crate) use directory::Directory;
pub(crate) use interface::{Destination, PartDestination, PlanDestination, PutChunks};
pub(crate) use objects::{StoreWrite, WITHOUT_CONDITIONS};
pub(crate) use part::begin_part;
pub(crate) use settle::settle;

//! The destinations of a write, which store its chunks and publish the array.

mod begin;
mod directory;
mod in_place;
mod interface;

pub(crate) use begin::{Begun, begin};
pub(crate) use interface::Destination;

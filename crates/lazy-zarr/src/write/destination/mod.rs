//! Where a write puts its chunks, and how the whole becomes visible.

mod begin;
mod directory;
mod in_place;
mod interface;

pub(crate) use begin::{Begun, begin};
pub(crate) use interface::Destination;

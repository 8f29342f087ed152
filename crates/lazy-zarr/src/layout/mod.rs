//! Chunk and shard shapes, and the boxes that blocks and chunks have in common.
//!
//! Knows shapes and sizes in bytes. Ignorant of zarrs, and of all I/O and threads.

mod automatic;
mod choose;
pub(crate) mod overlap;
mod shapes;

pub(crate) use shapes::{Layout, Seen, n_bytes};

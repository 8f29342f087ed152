//! Writing an array: the sink, the course of a write, and the threads that encode and store chunks.
//!
//! This module uses all other modules of the crate.

mod assembler;
mod base;
mod budget;
mod destination;
mod encode;
mod plan;
mod pool;
mod resume;
mod session;
mod sink;
mod store_result;
mod to_zarr;
mod trace;

pub use sink::ZarrSink;
pub use store_result::StoreResult;
pub use to_zarr::{Storable, ToZarr, store, store_result};

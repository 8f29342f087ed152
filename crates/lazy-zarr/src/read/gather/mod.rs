//! Gathering a region from the chunks or shards that it overlaps, on several threads.

mod cache;
mod checked;
mod direct;
mod joined;
mod part;
mod places;
mod reader;
mod region;
mod shards;

pub(super) use cache::ChunkCache;
pub(super) use direct::{Direct, reads_whole};
pub(super) use reader::ChunkReader;
pub(super) use shards::InShards;

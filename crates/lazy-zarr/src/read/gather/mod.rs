//! A region, gathered from the chunks that it overlaps, or the shards, by several threads.

mod direct;
mod part;
mod places;
mod reader;
mod region;
mod shards;

pub(super) use direct::Direct;
pub(super) use reader::ChunkReader;
pub(super) use shards::InShards;

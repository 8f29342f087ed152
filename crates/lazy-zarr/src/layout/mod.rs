//! Chunk and shard shapes, and the overlaps of blocks and chunks.
//!
//! Knows shapes and sizes in bytes. Ignorant of zarrs, and of all I/O and threads.

mod automatic;
mod block_chunks;
mod choose;
pub(crate) mod overlap;
mod runs;
mod shapes;

pub(crate) use block_chunks::{BlockChunks, ChunksOfGrid, Edges, MOST_CHUNKS, NoGrid};
pub(crate) use runs::BlockRuns;
pub(crate) use shapes::{Layout, Seen, index_in_grid, n_bytes};

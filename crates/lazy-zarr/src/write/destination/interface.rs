//! The operations of a destination.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::format::KeySpace;
use crate::settings::Durability;
use crate::staging::{ChunkJournal, Entry, HeldPart, TaggedTally};
use crate::store::Source;
use crate::write::encode::Encoded;

/// Stores chunks of one array.
pub(crate) trait PutChunks: Send + Sync {
    /// Stores an encoded chunk. It is called from several threads, once for each key.
    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()>;

    /// Counts a chunk that an earlier write stored.
    fn count(&self, key: &str, n_bytes: u64);

    /// Returns true if a thread that stores a chunk mostly waits for a server.
    fn waits(&self) -> bool {
        false
    }
}

/// Stores the chunks of one array and publishes them atomically.
///
/// If it is dropped before the array is published, it leaves the target unchanged.
pub(crate) trait Destination: PutChunks {
    /// Returns the key space of the chunks.
    fn keys(&self) -> KeySpace;

    /// Stores the metadata after the last chunk, flushes everything to the device if the durability
    /// requires it, and checks that all chunks are stored. `n_chunks` is their number along each
    /// axis.
    fn prepare(&self, metadata: &[u8], n_chunks: &[u64]) -> Result<()>;

    /// Publishes the array at the target.
    fn publish(&self) -> Result<()>;

    /// Returns the source that the array is read from once it is published.
    fn reader(&self) -> Result<Source>;
}

/// The destination of the worker that finishes a plan. It stores the chunks that parts share.
pub(crate) trait PlanDestination: Destination {
    /// Counts chunks that the workers of the plan have stored.
    fn add_stored(&self, chunks: TaggedTally);

    /// Returns true if another worker has taken over.
    fn is_taken_over(&self) -> bool;

    /// Returns the bytes of a part in a chunk that it shares with other parts, unless they are
    /// missing or damaged.
    fn fragment(&self, part: usize, key: &str, entry: Entry) -> Result<Option<Bytes>>;
}

/// Stores the chunks of one part of a plan. If it is dropped, others can take the part, and resume
/// it.
pub(crate) trait PartDestination: PutChunks {
    /// Returns the journal of the part.
    fn journal(&self) -> Arc<dyn ChunkJournal>;

    /// Returns true if a chunk has rows of other parts, too.
    fn is_shared(&self, key: &str) -> bool;

    /// Flushes the chunks with these keys, if the durability requires it, and checks that they are
    /// stored. Returns the tally of those that have no rows of other parts.
    fn end(
        &self,
        keys: &dyn Fn() -> Box<dyn Iterator<Item = String>>,
        durability: Durability,
    ) -> Result<TaggedTally>;

    /// Returns the time of the file system after the chunks were stored. Returns `None` if there
    /// are no times.
    fn time(&self) -> Result<Option<SystemTime>>;

    /// Returns an error, or that of another worker that has taken over, which explains it.
    fn explained(&self, error: Error) -> Error;

    /// Gives back the part.
    fn into_held(self: Arc<Self>) -> HeldPart;
}

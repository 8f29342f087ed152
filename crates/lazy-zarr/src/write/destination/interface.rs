//! The operations of a destination.

use crate::error::Result;
use crate::format::KeySpace;
use crate::store::Source;
use crate::write::encode::Encoded;

/// Stores chunks of one array.
pub(crate) trait PutChunks: Send + Sync {
    /// Stores an encoded chunk. It is called from several threads, once for each key.
    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()>;

    /// Counts a chunk that an earlier write stored.
    fn count(&self, key: &str, n_bytes: u64);
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

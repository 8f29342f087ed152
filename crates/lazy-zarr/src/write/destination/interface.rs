//! The operations of a destination.

use crate::error::Result;
use crate::format::KeySpace;
use crate::store::Source;
use crate::write::encode::Encoded;

/// Takes the chunks of one array and makes them visible at once.
///
/// Dropped before it is published, it leaves the target as it was.
pub(crate) trait Destination: Send + Sync {
    /// The keys that the chunks are put under.
    fn keys(&self) -> KeySpace;

    /// Stores an encoded chunk. Called from several threads, once for each key.
    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()>;

    /// Counts a chunk that an earlier write has stored.
    fn count(&self, key: &str, n_bytes: u64);

    /// Stores the metadata, after the last chunk; flushes everything to the device where that is asked for;
    /// and checks that all chunks are there, of which there are `n_chunks` along each axis.
    fn prepare(&self, metadata: &[u8], n_chunks: &[u64]) -> Result<()>;

    /// Makes the array visible at the target.
    fn publish(&self) -> Result<()>;

    /// Returns where the array is read from once it is published.
    fn reader(&self) -> Result<Source>;
}

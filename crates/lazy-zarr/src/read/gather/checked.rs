//! The notes that a read gives to the check that begins before it ends.

use std::sync::Arc;

use bytes::Bytes;
use lazy_core::BoxError;
use zarrs::array::ArraySubset;

use super::cache::ChunkCache;
use super::reader::ChunkReader;
use crate::read::untrusted::caught;
use crate::store::EarlyCheck;

impl ChunkReader {
    /// Returns the number of shards that a region overlaps, if their chunks are read one by one from
    /// a store that waits.
    pub(in crate::read) fn n_shards(&self, region: &ArraySubset) -> Option<u64> {
        self.concurrency?;
        self.in_shards.as_ref().or(self.small_chunks.as_ref())?;
        let shards = caught(|| self.array.chunk_grid().chunks_in_array_subset(region));
        Some(shards.ok()??.num_elements())
    }

    /// Returns a reader for one read, which tells the check what it receives.
    pub(in crate::read) fn checked(&self, check: &Arc<EarlyCheck>) -> ChunkReader {
        let reader = self.clone().with_store(check.reader());
        ChunkReader { check: Some(Arc::clone(check)), ..reader }
    }

    /// Returns a chunk that the cache holds.
    pub(super) fn kept(&self, cache: &ChunkCache, index: &[u64]) -> Option<Bytes> {
        let bytes = cache.get(index)?;
        self.note_kept();
        Some(bytes)
    }

    /// Returns a chunk that the cache holds, or else reads it and keeps it.
    pub(super) fn kept_or_read(
        &self,
        cache: &ChunkCache,
        index: &[u64],
        read: impl FnOnce() -> Result<Option<Bytes>, BoxError>,
    ) -> Result<Option<Bytes>, BoxError> {
        let mut is_read = false;
        let bytes = cache.get_or_read(index, || {
            is_read = true;
            read()
        });
        if !is_read {
            self.note_kept();
        }
        bytes
    }

    fn note_kept(&self) {
        if let Some(check) = &self.check {
            check.note_kept();
        }
    }
}

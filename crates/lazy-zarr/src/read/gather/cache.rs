//! Decoded chunks that are kept for later reads of other parts of them.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lazy_core::BoxError;
use lru::LruCache;

/// The capacity of the cache that handles share by default, in bytes.
const DEFAULT_CAPACITY: u64 = 64 << 20;

/// The bytes that a chunk counts besides its elements: its key and its place in the cache.
const CHUNK_OVERHEAD: u64 = 256;

/// The cache of all handles without a setting. It is shared, so that the memory that it takes does
/// not grow with the number of handles.
static DEFAULT: LazyLock<Arc<Chunks>> = LazyLock::new(|| Arc::new(Chunks::new(DEFAULT_CAPACITY)));

/// The cached chunks of a handle, which its clones share. They are freed with the last clone.
pub(in crate::read) struct ChunkCache {
    chunks: Arc<Chunks>,
    /// The number of the handle, which tells its chunks from those of other handles.
    handle: u64,
    /// False while the cache has never held a chunk of the handle.
    is_used: AtomicBool,
}

impl ChunkCache {
    /// Creates a cache that shares its memory with all other default caches.
    pub(in crate::read) fn shared() -> ChunkCache {
        ChunkCache::of(Arc::clone(&DEFAULT))
    }

    /// Creates a cache that holds at most this many bytes.
    pub(in crate::read) fn new(capacity: u64) -> ChunkCache {
        ChunkCache::of(Arc::new(Chunks::new(capacity)))
    }

    fn of(chunks: Arc<Chunks>) -> ChunkCache {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let handle = NEXT.fetch_add(1, Ordering::Relaxed);
        ChunkCache { chunks, handle, is_used: AtomicBool::new(false) }
    }

    /// Returns an empty cache of the same memory, for a handle that reads other elements.
    pub(in crate::read) fn apart(&self) -> ChunkCache {
        ChunkCache::of(Arc::clone(&self.chunks))
    }

    /// Returns true if the cache can hold a chunk of this many bytes.
    pub(super) fn can_hold(&self, n_bytes: u128) -> bool {
        n_bytes.saturating_add(CHUNK_OVERHEAD.into()) <= self.chunks.capacity.into()
    }

    /// Returns the elements of a chunk, if the cache holds it.
    pub(super) fn get(&self, index: &[u64]) -> Option<Bytes> {
        self.chunks.lock().held.get(&self.key(index)).cloned()
    }

    /// Returns the elements of a chunk. If the cache does not hold it, `read` reads and decodes it
    /// and returns `None` if it stands for the fill value. Other threads that need the chunk
    /// meanwhile wait for it.
    pub(super) fn get_or_read(
        &self,
        index: &[u64],
        read: impl FnOnce() -> Result<Option<Bytes>, BoxError>,
    ) -> Result<Option<Bytes>, BoxError> {
        let key = self.key(index);
        let mut state = self.chunks.lock();
        loop {
            if let Some(bytes) = state.held.get(&key) {
                return Ok(Some(bytes.clone()));
            }
            if !state.reading.contains(&key) {
                break;
            }
            state = self.chunks.is_read.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.reading.insert(key.clone());
        drop(state);
        let reading = Reading { chunks: &self.chunks, key };
        let bytes = read()?;
        if let Some(bytes) = &bytes {
            self.is_used.store(true, Ordering::Relaxed);
            self.chunks.lock().insert(self.chunks.capacity, reading.key.clone(), bytes.clone());
        }
        Ok(bytes)
    }

    fn key(&self, index: &[u64]) -> Key {
        (self.handle, index.into())
    }
}

impl Drop for ChunkCache {
    fn drop(&mut self) {
        if *self.is_used.get_mut() {
            self.chunks.lock().remove(self.handle);
        }
    }
}

impl fmt::Debug for ChunkCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ChunkCache")
            .field("capacity", &self.chunks.capacity)
            .finish_non_exhaustive()
    }
}

/// The number of a handle, and the index of a chunk.
type Key = (u64, Box<[u64]>);

/// Decoded chunks, of which the least recently used make room for new ones.
struct Chunks {
    capacity: u64,
    state: Mutex<State>,
    /// Notified when a thread has read a chunk, or failed to.
    is_read: Condvar,
}

struct State {
    held: LruCache<Key, Bytes>,
    /// The bytes that the held chunks count.
    n_bytes: u64,
    /// The chunks that a thread is reading.
    reading: HashSet<Key>,
}

impl Chunks {
    fn new(capacity: u64) -> Chunks {
        let state = State { held: LruCache::unbounded(), n_bytes: 0, reading: HashSet::new() };
        Chunks { capacity, state: Mutex::new(state), is_read: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Holds a chunk, if it fits the capacity. The least recently used chunks go before it comes,
    /// so the chunks never exceed the capacity.
    fn insert(&mut self, capacity: u64, key: Key, bytes: Bytes) {
        let size = size(&bytes);
        if size > capacity {
            return;
        }
        while self.n_bytes + size > capacity {
            let Some((_, oldest)) = self.held.pop_lru() else { break };
            self.n_bytes -= self::size(&oldest);
        }
        self.n_bytes += size;
        if let Some(before) = self.held.put(key, bytes) {
            self.n_bytes -= self::size(&before);
        }
    }

    /// Frees the chunks of a handle.
    fn remove(&mut self, handle: u64) {
        let of_handle = self.held.iter().map(|(key, _)| key).filter(|key| key.0 == handle);
        for key in of_handle.cloned().collect::<Vec<_>>() {
            if let Some(bytes) = self.held.pop(&key) {
                self.n_bytes -= size(&bytes);
            }
        }
    }
}

fn size(bytes: &Bytes) -> u64 {
    bytes.len() as u64 + CHUNK_OVERHEAD
}

/// Marks a chunk as being read until it is dropped.
struct Reading<'c> {
    chunks: &'c Chunks,
    key: Key,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.chunks.lock().reading.remove(&self.key);
        self.chunks.is_read.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Reads a chunk of `n_bytes` bytes, and returns true if it was not in the cache.
    fn is_read(cache: &ChunkCache, index: u64, n_bytes: usize) -> bool {
        let mut is_read = false;
        let bytes = cache.get_or_read(&[index], || {
            is_read = true;
            Ok(Some(vec![index as u8; n_bytes].into()))
        });
        assert_eq!(bytes.unwrap().unwrap(), vec![index as u8; n_bytes]);
        let state = cache.chunks.lock();
        let n_held: u64 = state.held.iter().map(|(_, bytes)| size(bytes)).sum();
        assert_eq!(state.n_bytes, n_held);
        assert!(n_held <= cache.chunks.capacity);
        is_read
    }

    #[test]
    fn the_least_recently_used_chunks_make_room() {
        let chunk = |n_bytes: u64| n_bytes + CHUNK_OVERHEAD;
        let cache = ChunkCache::new(chunk(100) + chunk(50));
        assert!(is_read(&cache, 0, 100) && is_read(&cache, 1, 50));
        assert!(!is_read(&cache, 0, 100) && !is_read(&cache, 1, 50));
        // Chunk 0 was used last, so chunk 1 goes.
        assert!(!is_read(&cache, 0, 100) && is_read(&cache, 2, 50));
        assert!(!is_read(&cache, 0, 100) && is_read(&cache, 1, 50));
        // A chunk that is too large is not held, and nothing makes room for it.
        let most = cache.chunks.capacity - CHUNK_OVERHEAD;
        assert!(cache.can_hold(most.into()) && !cache.can_hold(u128::from(most) + 1));
        assert!(is_read(&cache, 3, most as usize + 1) && is_read(&cache, 3, most as usize + 1));
        assert!(!is_read(&cache, 0, 100) && !is_read(&cache, 1, 50));
        assert!(is_read(&cache, 3, most as usize) && is_read(&cache, 0, 100));
    }

    #[test]
    fn chunks_are_freed_with_their_handle() {
        let cache = ChunkCache::new(1 << 20);
        let other = cache.apart();
        assert!(is_read(&cache, 0, 10) && is_read(&other, 0, 20) && is_read(&other, 1, 20));
        assert!(other.get(&[1]).is_some() && cache.get(&[1]).is_none());
        drop(other);
        assert_eq!(cache.chunks.lock().n_bytes, 10 + CHUNK_OVERHEAD);
        assert!(!is_read(&cache, 0, 10));
    }

    #[test]
    fn threads_read_a_chunk_once_and_again_after_a_failure() {
        let cache = ChunkCache::new(1 << 20);
        for fails in [true, false] {
            let n_read = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let read = cache.get_or_read(&[7], || {
                            let n_before = n_read.fetch_add(1, Ordering::Relaxed);
                            if fails {
                                Err("lost".into())
                            } else {
                                Ok(Some(vec![n_before as u8].into()))
                            }
                        });
                        assert_eq!(read.ok(), (!fails).then(|| Some(Bytes::from_static(&[0]))));
                    });
                }
            });
            assert_eq!(n_read.into_inner(), if fails { 8 } else { 1 });
        }
        // A chunk that stands for the fill value is not held.
        assert_eq!(cache.get_or_read(&[8], || Ok(None)).unwrap(), None);
        assert!(cache.get(&[8]).is_none());
    }
}

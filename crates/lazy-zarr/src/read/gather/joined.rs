//! Chunks of a shard that lie close together, and are read from a store by one request.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lazy_core::BoxError;
use zarrs::array::ArraySubset;
use zarrs::storage::byte_range::ByteRange;
use zarrs::storage::{ReadableStorage, StoreKey};

use super::reader::ChunkReader;
use super::shards::{InShards, Shards};
use crate::layout::index_in_grid;
use crate::read::untrusted::caught;

/// The largest gap between two chunks that one request reads, in bytes, and the most bytes that one
/// request reads if it reads several chunks. A store that waits transfers about as much while it
/// waits.
const GAP: u64 = 1 << 20;
const MAX_JOINED: u64 = 8 << 20;

/// Chunks of a shard that one request reads.
pub(super) struct Group {
    pub(super) start: u64,
    pub(super) end: u64,
    state: Mutex<State>,
}

struct State {
    /// The number of chunks that no thread has taken.
    n_left: usize,
    /// The bytes from the start to the end, if they were read and chunks are left.
    bytes: Option<Bytes>,
}

impl Group {
    /// Returns the groups of chunks with these offsets and ends.
    pub(super) fn of(mut spans: Vec<(u64, u64)>) -> Arc<[Group]> {
        spans.sort_unstable();
        let mut groups: Vec<Group> = Vec::new();
        for (start, end) in spans {
            match groups.last_mut() {
                Some(group)
                    if start <= group.end.saturating_add(GAP)
                        && end.max(group.end) - group.start <= MAX_JOINED =>
                {
                    group.end = end.max(group.end);
                    let state = group.state.get_mut();
                    state.unwrap_or_else(PoisonError::into_inner).n_left += 1;
                }
                _ => {
                    let state = Mutex::new(State { n_left: 1, bytes: None });
                    groups.push(Group { start, end, state });
                }
            }
        }
        groups.into()
    }

    /// Returns the group of a shard whose bytes were read, of which this many chunks are needed.
    pub(super) fn whole(bytes: Bytes, n_chunks: usize, n_held: &AtomicUsize) -> Arc<[Group]> {
        if n_chunks == 0 {
            return [].into();
        }
        n_held.fetch_add(1, Ordering::Relaxed);
        let end = bytes.len() as u64;
        let state = Mutex::new(State { n_left: n_chunks, bytes: Some(bytes) });
        [Group { start: 0, end, state }].into()
    }

    /// Returns the bytes for one of the chunks, or `None` if the shard is missing. Other threads
    /// that need the same bytes wait. `n_held` is the number of groups whose bytes are in memory.
    pub(super) fn take(
        &self,
        storage: &ReadableStorage,
        key: &StoreKey,
        n_held: &AtomicUsize,
    ) -> Result<Option<Bytes>, BoxError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match state.bytes.take() {
            Some(bytes) => {
                n_held.fetch_sub(1, Ordering::Relaxed);
                bytes
            }
            None => match self.read(storage, key)? {
                Some(bytes) => bytes,
                None => return Ok(None),
            },
        };
        state.n_left = state.n_left.saturating_sub(1);
        if state.n_left > 0 {
            state.bytes = Some(bytes.clone());
            n_held.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Some(bytes))
    }

    /// Reads the bytes, unless a thread has taken a chunk or reads them.
    fn read_ahead(
        &self,
        storage: &ReadableStorage,
        key: &StoreKey,
        n_held: &AtomicUsize,
    ) -> Result<(), BoxError> {
        let Ok(mut state) = self.state.try_lock() else { return Ok(()) };
        if state.bytes.is_none() && state.n_left > 0 {
            state.bytes = self.read(storage, key)?;
            n_held.fetch_add(usize::from(state.bytes.is_some()), Ordering::Relaxed);
        }
        Ok(())
    }

    fn read(&self, storage: &ReadableStorage, key: &StoreKey) -> Result<Option<Bytes>, BoxError> {
        let range = ByteRange::FromStart(self.start, Some(self.end - self.start));
        Ok(storage.get_partial(key, range)?)
    }
}

/// The requests of one read that threads send before they need the response.
pub(super) struct Ahead<'s> {
    reader: &'s ChunkReader,
    in_shards: &'s InShards,
    shards: &'s Shards,
    /// The indices of the shards that the region overlaps.
    overlapped: ArraySubset,
    /// The number of groups that are in memory or on their way there.
    most: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// The number of shards whose index was asked for.
    n_shards: u64,
    /// The groups that were not asked for: a shard's key and groups, and the number of one.
    groups: VecDeque<(StoreKey, Arc<[Group]>, usize)>,
    /// The number of groups and whole shards that threads are reading ahead.
    n_reading: usize,
}

/// A request whose response will be needed.
enum Next {
    Shard(Vec<u64>),
    Group(StoreKey, Arc<[Group]>, usize),
}

impl<'s> Ahead<'s> {
    /// Returns the requests for a region that is read on several threads.
    pub(super) fn new(
        reader: &'s ChunkReader,
        in_shards: &'s InShards,
        shards: &'s Shards,
        region: &ArraySubset,
        n_threads: usize,
    ) -> Result<Ahead<'s>, BoxError> {
        let overlapped = caught(|| reader.array.chunk_grid().chunks_in_array_subset(region))?;
        let overlapped = overlapped.ok_or("it has no shards")?;
        let queue = Mutex::default();
        Ok(Ahead { reader, in_shards, shards, overlapped, most: n_threads, queue })
    }

    /// Sends the next request and waits for it. Returns false if there is none, or if the memory for
    /// responses is full.
    pub(super) fn read(&self) -> Result<bool, BoxError> {
        match self.next() {
            None => return Ok(false),
            Some(Next::Shard(shard)) => {
                let key = self.reader.array.chunk_key(&shard);
                let groups = caught(|| self.shards.groups(self.reader, self.in_shards, &shard));
                self.queue().n_reading -= 1;
                let groups = groups?;
                let numbers = 0..groups.len();
                let numbered = numbers.map(|i| (key.clone(), Arc::clone(&groups), i));
                self.queue().groups.extend(numbered);
            }
            Some(Next::Group(key, groups, i)) => {
                let storage = self.reader.array.storage();
                let is_read = groups[i].read_ahead(&storage, &key, &self.shards.n_held);
                self.queue().n_reading -= 1;
                is_read?;
            }
        }
        Ok(true)
    }

    fn next(&self) -> Option<Next> {
        let mut queue = self.queue();
        let n_used = self.shards.n_held.load(Ordering::Relaxed) + queue.n_reading;
        if n_used < self.most
            && let Some((key, groups, i)) = queue.groups.pop_front()
        {
            queue.n_reading += 1;
            return Some(Next::Group(key, groups, i));
        }
        // One request for a shard may return all of it.
        if n_used >= self.most || queue.n_shards == self.overlapped.num_elements() {
            return None;
        }
        let mut shard = index_in_grid(queue.n_shards, self.overlapped.shape());
        shard.iter_mut().zip(self.overlapped.start()).for_each(|(index, start)| *index += start);
        queue.n_shards += 1;
        queue.n_reading += 1;
        Some(Next::Shard(shard))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

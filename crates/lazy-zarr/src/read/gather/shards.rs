//! Chunks of shards that are read one by one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lazy_core::{BoxError, DType};
use zarrs::array::codec::ShardingIndexLocation;
use zarrs::array::codec::api::ArrayToBytesCodecTraits;
use zarrs::array::{Array, ArrayShardedExt, ArraySubset, ChunkGrid, CodecChain};
use zarrs::plugin::{ExtensionName, ZarrVersion};
use zarrs::storage::byte_range::ByteRange;
use zarrs::storage::{ReadableStorageTraits, StoreKey};

use super::part::{Part, Span};
use crate::format::{ABSENT, ShardCodecs, one_thread, shared};
use crate::read::untrusted::n_bytes;

/// The number of bytes that take about as long to read as opening a file.
pub(super) const BYTES_PER_FILE: usize = 32 << 10;

/// The layout and codecs of shards, for reading their chunks one by one.
#[derive(Clone, Debug)]
pub(in crate::read) struct InShards {
    /// The grid of the chunks.
    pub(super) grid: ChunkGrid,
    codecs: ShardCodecs,
    index_bytes: u64,
    chunk_bytes: u128,
}

impl InShards {
    /// Returns the shards of an array whose codecs are not guarded yet. Returns `None` unless the
    /// grid is regular, and shards contain only chunks.
    pub(in crate::read) fn of(
        array: &Array<dyn ReadableStorageTraits>,
        dtype: DType,
        shard_shape: &[NonZeroU64],
    ) -> Option<InShards> {
        let grid = array.chunk_grid().name(ZarrVersion::V3);
        if !array.is_exclusively_sharded() || grid.is_none_or(|name| name != "regular") {
            return None;
        }
        let codecs = array.codecs();
        let sharding = codecs.array_to_bytes_codec().as_any().downcast_ref()?;
        let codecs = ShardCodecs::guarded(sharding, shard_shape, dtype.size()).ok()?;
        let chunk_sizes = codecs.chunk_shape.iter().map(|size| size.get() as usize);
        let chunk_bytes = n_bytes(dtype, chunk_sizes);
        let index_bytes = codecs.index_bytes().ok()?;
        Some(InShards { grid: array.subchunk_grid(), codecs, index_bytes, chunk_bytes })
    }

    /// Returns true if each chunk is worth a separate read, even if the whole shard is requested.
    pub(in crate::read) fn has_large_chunks(&self) -> bool {
        self.chunk_bytes >= BYTES_PER_FILE as u128
    }

    /// Returns the index of the shard of a chunk, and the number of the chunk in the shard.
    fn place(&self, chunk: &[u64]) -> (Vec<u64>, usize) {
        let chunks_per_shard = self.codecs.index_shape.iter().map(|n| n.get());
        let (mut shard, mut number) = (Vec::new(), 0);
        for (index, n) in chunk.iter().zip(chunks_per_shard) {
            shard.push(index / n);
            number = number * n as usize + (index % n) as usize;
        }
        (shard, number)
    }

    /// Returns the indices of the chunks of a shard.
    fn chunks_of(&self, shard: &[u64]) -> Result<ArraySubset, BoxError> {
        // The last axis of an index has the offset and the length.
        let n_chunks = self.codecs.index_shape.iter().map(|n| n.get());
        let n_chunks: Vec<_> = n_chunks.take(shard.len()).collect();
        let start = shard.iter().zip(&n_chunks).map(|(index, n)| index * n).collect();
        Ok(ArraySubset::new_with_start_shape(start, n_chunks)?)
    }

    /// Returns the codecs of the chunks.
    pub(in crate::read) fn chunk_codecs(&self) -> &CodecChain {
        &self.codecs.chunks
    }

    /// Decodes a whole chunk.
    pub(super) fn decode(
        &self,
        array: &Array<dyn ReadableStorageTraits>,
        encoded: &Bytes,
    ) -> Result<Bytes, BoxError> {
        let decoded = self.codecs.chunks.decode(
            Cow::Borrowed(&**encoded),
            &self.codecs.chunk_shape,
            array.data_type(),
            array.fill_value(),
            &one_thread(),
        )?;
        Ok(shared(decoded.into_fixed()?, encoded))
    }
}

/// The index of a shard: the offset and the length of each chunk.
type Index = Arc<[[u64; 2]]>;

/// The largest gap between two chunks that one request reads, in bytes, and the most bytes that one
/// request reads if it reads several chunks. A store that waits transfers about as much while it
/// waits.
const GAP: u64 = 1 << 20;
const MAX_JOINED: u64 = 8 << 20;

/// The indices of the shards that one read has read so far, and the chunks that it reads together.
#[derive(Default)]
pub(super) struct Shards {
    /// Each index is read once, and is `None` if the shard is missing.
    indices: Mutex<HashMap<Vec<u64>, Option<Index>>>,
    /// The region of the read, if chunks that lie close together in a shard are read together.
    joined: Option<ArraySubset>,
    /// The groups of chunks that are read together, by the key of their shard and in the order of
    /// their offsets.
    groups: Mutex<HashMap<StoreKey, Arc<[Group]>>>,
}

/// Chunks of a shard that one request reads.
struct Group {
    start: u64,
    end: u64,
    state: Mutex<GroupState>,
}

struct GroupState {
    /// The number of chunks that no thread has taken.
    n_left: usize,
    /// The bytes from the start to the end, from the first chunk that is taken to the last one.
    bytes: Option<Bytes>,
}

impl Shards {
    /// Reads chunks of a region that lie close together in a shard with one request.
    pub(super) fn joined(region: &ArraySubset) -> Shards {
        Shards { joined: Some(region.clone()), ..Shards::default() }
    }

    /// Returns the bytes that a chunk lies in, or `None` if the chunk stands for the fill value.
    pub(super) fn span(
        &self,
        array: &Array<dyn ReadableStorageTraits>,
        in_shards: &InShards,
        part: &Part,
    ) -> Result<Option<Span>, BoxError> {
        let (shard, number) = in_shards.place(&part.index);
        let Some(index) = self.index(array, in_shards, &shard)? else { return Ok(None) };
        let place = *index.get(number).ok_or("the index of the shard is too short")?;
        if place == ABSENT {
            return Ok(None);
        }
        let [offset, length] = place;
        if offset.checked_add(length).is_none() {
            return Err("the index of the shard leads beyond it".into());
        }
        let key = array.chunk_key(&shard);
        Ok(Some(Span { key, offset, length: Some(length) }))
    }

    /// Reads the bytes of a chunk, or returns `None` if the chunk stands for the fill value.
    pub(super) fn encoded(
        &self,
        array: &Array<dyn ReadableStorageTraits>,
        in_shards: &InShards,
        part: &Part,
    ) -> Result<Option<Bytes>, BoxError> {
        let Some(span) = self.span(array, in_shards, part)? else { return Ok(None) };
        let alone = || {
            let range = ByteRange::FromStart(span.offset, span.length);
            Ok(array.storage().get_partial(&span.key, range)?)
        };
        let (Some(region), Some(length)) = (&self.joined, span.length) else { return alone() };
        let groups = self.groups(array, in_shards, region, part, &span.key)?;
        let (offset, end) = (span.offset, span.offset + length);
        let group = groups.partition_point(|group| group.start <= offset).checked_sub(1);
        let Some(group) = group.map(|group| &groups[group]) else { return alone() };
        if end > group.end {
            return alone();
        }
        // Other threads that need the same bytes wait.
        let mut state = group.state.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match &state.bytes {
            Some(bytes) => bytes.clone(),
            None => {
                let range = ByteRange::FromStart(group.start, Some(group.end - group.start));
                match array.storage().get_partial(&span.key, range)? {
                    Some(bytes) => bytes,
                    None => return Ok(None),
                }
            }
        };
        state.n_left = state.n_left.saturating_sub(1);
        state.bytes = (state.n_left > 0).then(|| bytes.clone());
        drop(state);
        let within = |offset: u64| (offset - group.start) as usize;
        Ok(Some(bytes.slice(within(offset)..within(end))))
    }

    /// Returns the groups of the chunks that a read needs of a shard.
    fn groups(
        &self,
        array: &Array<dyn ReadableStorageTraits>,
        in_shards: &InShards,
        region: &ArraySubset,
        part: &Part,
        key: &StoreKey,
    ) -> Result<Arc<[Group]>, BoxError> {
        if let Some(groups) = self.groups.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(Arc::clone(groups));
        }
        let (shard, _) = in_shards.place(&part.index);
        let Some(index) = self.index(array, in_shards, &shard)? else { return Ok([].into()) };
        let chunks = in_shards.grid.chunks_in_array_subset(region)?.ok_or("it has no chunks")?;
        let chunks = chunks.overlap(&in_shards.chunks_of(&shard)?)?;
        let mut spans: Vec<_> = chunks
            .indices()
            .into_iter()
            .filter_map(|chunk| index.get(in_shards.place(&chunk).1))
            .filter(|place| **place != ABSENT)
            .filter_map(|[offset, length]| Some((*offset, offset.checked_add(*length)?)))
            .collect();
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
                    let state = Mutex::new(GroupState { n_left: 1, bytes: None });
                    groups.push(Group { start, end, state });
                }
            }
        }
        let mut known = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(known.entry(key.clone()).or_insert_with(|| groups.into())))
    }

    fn index(
        &self,
        array: &Array<dyn ReadableStorageTraits>,
        in_shards: &InShards,
        shard: &[u64],
    ) -> Result<Option<Index>, BoxError> {
        let mut indices = self.indices.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = indices.get(shard) {
            return Ok(index.clone());
        }
        let range = match in_shards.codecs.index_location {
            ShardingIndexLocation::Start => ByteRange::FromStart(0, Some(in_shards.index_bytes)),
            ShardingIndexLocation::End => ByteRange::Suffix(in_shards.index_bytes),
        };
        let key = array.chunk_key(shard);
        let decode = |encoded: Bytes| in_shards.codecs.decode_index(&encoded).map(Index::from);
        let index = array.storage().get_partial(&key, range)?.map(decode).transpose()?;
        indices.insert(shard.to_vec(), index.clone());
        Ok(index)
    }
}

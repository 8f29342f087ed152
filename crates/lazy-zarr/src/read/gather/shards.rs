//! Chunks of shards that are read one by one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lazy_core::{BoxError, DType};
use zarrs::array::codec::ShardingIndexLocation;
use zarrs::array::codec::api::ArrayToBytesCodecTraits;
use zarrs::array::{Array, ArrayShardedExt, ArraySubset, ChunkGrid, CodecChain};
use zarrs::plugin::{ExtensionName, ZarrVersion};
use zarrs::storage::ReadableStorageTraits;
use zarrs::storage::byte_range::ByteRange;

use super::joined::Group;
use super::part::{Part, Span};
use super::reader::ChunkReader;
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

/// The largest shard that is read whole by one request, in bytes of its decoded elements.
const MAX_WHOLE: u128 = 16 << 20;

/// The index of a shard: the offset and the length of each chunk.
type Index = Arc<[[u64; 2]]>;

/// The indices and the chunks of shards that one read has received so far.
#[derive(Default)]
pub(super) struct Shards {
    /// Each index is read once. Threads that need the same one wait.
    indices: Mutex<HashMap<Vec<u64>, Arc<Mutex<FoundIndex>>>>,
    /// The region of the read, if chunks that lie close together in a shard are read together.
    joined: Option<ArraySubset>,
    /// The groups of chunks that are read together, by the index of their shard and in the order of
    /// their offsets.
    groups: Mutex<HashMap<Vec<u64>, Arc<[Group]>>>,
    /// The number of groups whose bytes are in memory.
    pub(super) n_held: AtomicUsize,
}

/// The index of a shard, which may be missing, once it was read.
type FoundIndex = Option<Option<Index>>;

impl Shards {
    /// Reads chunks of a region that lie close together in a shard with one request.
    pub(super) fn joined(region: &ArraySubset) -> Shards {
        Shards { joined: Some(region.clone()), ..Shards::default() }
    }

    /// Returns the bytes that a chunk lies in, or `None` if the chunk stands for the fill value.
    pub(super) fn span(
        &self,
        reader: &ChunkReader,
        in_shards: &InShards,
        part: &Part,
    ) -> Result<Option<Span>, BoxError> {
        let (shard, number) = in_shards.place(&part.index);
        let Some(index) = self.index(reader, in_shards, &shard)? else { return Ok(None) };
        let place = *index.get(number).ok_or("the index of the shard is too short")?;
        if place == ABSENT {
            return Ok(None);
        }
        let [offset, length] = place;
        if offset.checked_add(length).is_none() {
            return Err("the index of the shard leads beyond it".into());
        }
        let key = reader.array.chunk_key(&shard);
        Ok(Some(Span { key, offset, length: Some(length) }))
    }

    /// Reads the bytes of a chunk, or returns `None` if the chunk stands for the fill value.
    pub(super) fn encoded(
        &self,
        reader: &ChunkReader,
        in_shards: &InShards,
        part: &Part,
    ) -> Result<Option<Bytes>, BoxError> {
        let Some(span) = self.span(reader, in_shards, part)? else { return Ok(None) };
        let storage = reader.array.storage();
        let alone = || {
            let range = ByteRange::FromStart(span.offset, span.length);
            Ok(storage.get_partial(&span.key, range)?)
        };
        let (true, Some(length)) = (self.joined.is_some(), span.length) else { return alone() };
        let (offset, end) = (span.offset, span.offset + length);
        let groups = self.groups(reader, in_shards, &in_shards.place(&part.index).0)?;
        let group = groups.partition_point(|group| group.start <= offset).checked_sub(1);
        let Some(group) = group.map(|group| &groups[group]).filter(|group| end <= group.end) else {
            return alone();
        };
        let bytes = group.take(&storage, &span.key, &self.n_held)?;
        let within = |offset: u64| (offset - group.start) as usize;
        Ok(bytes.map(|bytes| bytes.slice(within(offset)..within(end))))
    }

    /// Returns true if one request reads a shard: its index, and all of its chunks.
    fn is_read_whole(
        &self,
        reader: &ChunkReader,
        in_shards: &InShards,
        shard: &[u64],
    ) -> Result<bool, BoxError> {
        let Some(region) = &self.joined else { return Ok(false) };
        let n_chunks = in_shards.chunks_of(shard)?.num_elements();
        if in_shards.chunk_bytes.saturating_mul(n_chunks.into()) > MAX_WHOLE {
            return Ok(false);
        }
        let elements = reader.array.chunk_grid().subset(shard)?.ok_or("there is no such shard")?;
        let array = ArraySubset::new_with_shape(reader.array.shape().to_vec());
        Ok(elements.overlap(&array)?.inbounds(region))
    }

    /// Returns the groups of the chunks that the read needs of a shard.
    pub(super) fn groups(
        &self,
        reader: &ChunkReader,
        in_shards: &InShards,
        shard: &[u64],
    ) -> Result<Arc<[Group]>, BoxError> {
        let known = || self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(groups) = known().get(shard) {
            return Ok(Arc::clone(groups));
        }
        let Some(index) = self.index(reader, in_shards, shard)? else { return Ok([].into()) };
        // The groups of a shard that was read whole are known now.
        if let Some(groups) = known().get(shard) {
            return Ok(Arc::clone(groups));
        }
        let groups = Group::of(self.needed(reader, in_shards, shard, &index)?);
        Ok(Arc::clone(known().entry(shard.to_vec()).or_insert(groups)))
    }

    /// Returns the offsets and ends of the chunks of a shard that the read needs.
    fn needed(
        &self,
        reader: &ChunkReader,
        in_shards: &InShards,
        shard: &[u64],
        index: &Index,
    ) -> Result<Vec<(u64, u64)>, BoxError> {
        let Some(region) = &self.joined else { return Ok(Vec::new()) };
        let chunks = in_shards.grid.chunks_in_array_subset(region)?.ok_or("it has no chunks")?;
        let chunks = chunks.overlap(&in_shards.chunks_of(shard)?)?;
        let spans = chunks
            .indices()
            .into_iter()
            .filter(|chunk| !reader.is_cached(chunk))
            .filter_map(|chunk| index.get(in_shards.place(&chunk).1))
            .filter(|place| **place != ABSENT)
            .filter_map(|[offset, length]| Some((*offset, offset.checked_add(*length)?)));
        Ok(spans.collect())
    }

    fn index(
        &self,
        reader: &ChunkReader,
        in_shards: &InShards,
        shard: &[u64],
    ) -> Result<Option<Index>, BoxError> {
        let index = {
            let mut indices = self.indices.lock().unwrap_or_else(PoisonError::into_inner);
            match indices.get(shard) {
                Some(index) => Arc::clone(index),
                None => Arc::clone(indices.entry(shard.to_vec()).or_default()),
            }
        };
        let mut index = index.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = &*index {
            return Ok(index.clone());
        }
        let key = reader.array.chunk_key(shard);
        let storage = reader.array.storage();
        if self.is_read_whole(reader, in_shards, shard)? {
            let Some(bytes) = storage.get(&key)? else { return Ok(index.insert(None).clone()) };
            let n_bytes = bytes.len().min(usize::try_from(in_shards.index_bytes)?);
            let encoded = match in_shards.codecs.index_location {
                ShardingIndexLocation::Start => bytes.slice(..n_bytes),
                ShardingIndexLocation::End => bytes.slice(bytes.len() - n_bytes..),
            };
            let found = Index::from(in_shards.codecs.decode_index(&encoded)?);
            let n_chunks = self.needed(reader, in_shards, shard, &found)?.len();
            let groups = Group::whole(bytes, n_chunks, &self.n_held);
            self.groups
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(shard.to_vec(), groups);
            return Ok(index.insert(Some(found)).clone());
        }
        let range = match in_shards.codecs.index_location {
            ShardingIndexLocation::Start => ByteRange::FromStart(0, Some(in_shards.index_bytes)),
            ShardingIndexLocation::End => ByteRange::Suffix(in_shards.index_bytes),
        };
        let decode = |encoded: Bytes| in_shards.codecs.decode_index(&encoded).map(Index::from);
        let found = storage.get_partial(&key, range)?.map(decode).transpose()?;
        Ok(index.insert(found).clone())
    }
}

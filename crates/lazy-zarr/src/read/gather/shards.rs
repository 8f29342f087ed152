//! Chunks of shards that are read one by one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lazy_core::{BoxError, DType};
use zarrs::array::codec::ShardingIndexLocation;
use zarrs::array::codec::api::ArrayToBytesCodecTraits;
use zarrs::array::{Array, ArrayShardedExt, ChunkGrid, CodecChain};
use zarrs::plugin::{ExtensionName, ZarrVersion};
use zarrs::storage::ReadableStorageTraits;
use zarrs::storage::byte_range::ByteRange;

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

/// The indices of the shards read so far. Each index is read once, and is `None` if the shard is
/// missing.
#[derive(Default)]
pub(super) struct Shards(Mutex<HashMap<Vec<u64>, Option<Index>>>);

impl Shards {
    /// Returns the bytes that a chunk lies in, or `None` if the chunk stands for the fill value.
    pub(super) fn span(
        &self,
        array: &Array<dyn ReadableStorageTraits>,
        in_shards: &InShards,
        part: &Part,
    ) -> Result<Option<Span>, BoxError> {
        let chunks_per_shard = in_shards.codecs.index_shape.iter().map(|n| n.get());
        let (mut shard, mut number) = (Vec::new(), 0);
        for (index, n) in part.index.iter().zip(chunks_per_shard) {
            shard.push(index / n);
            number = number * n as usize + (index % n) as usize;
        }
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

    fn index(
        &self,
        array: &Array<dyn ReadableStorageTraits>,
        in_shards: &InShards,
        shard: &[u64],
    ) -> Result<Option<Index>, BoxError> {
        let mut indices = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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

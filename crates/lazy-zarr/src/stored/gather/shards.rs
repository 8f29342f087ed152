//! The chunks of shards, each read by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lazy_core::{BoxError, DType};
use zarrs::array::codec::api::ArrayPartialDecoderTraits;
use zarrs::array::{Array, ArrayShardedExt, ArraySubset, ChunkGrid};
use zarrs::plugin::{ExtensionName, ZarrVersion};
use zarrs::storage::ReadableStorageTraits;

use super::BYTES_PER_FILE;
use super::part::Part;
use crate::stored::memory::{caught, n_bytes};
use crate::stored::{StoredArray, one_thread};

/// The grid of the chunks in shards, where they are so large that each is worth a read of its own, and a
/// shard is nothing but chunks.
pub(in crate::stored) fn chunks_in_shards(
    array: &Array<dyn ReadableStorageTraits>,
    dtype: DType,
    chunk_shape: &[usize],
) -> Option<ChunkGrid> {
    let is_regular = array.chunk_grid().name(ZarrVersion::V3).is_some_and(|name| name == "regular");
    let is_large = n_bytes(dtype, chunk_shape.iter().copied()) >= BYTES_PER_FILE as u128;
    (array.is_exclusively_sharded() && is_regular && is_large).then(|| array.subchunk_grid())
}

/// The shards that were begun, whose indices are read once.
#[derive(Default)]
pub(super) struct Shards(Mutex<HashMap<Vec<u64>, Arc<dyn ArrayPartialDecoderTraits>>>);

impl Shards {
    /// The elements of a part of a chunk.
    pub(super) fn read(&self, stored: &StoredArray, part: &Part) -> Result<Bytes, BoxError> {
        let array = &stored.array;
        caught(|| -> Result<_, BoxError> {
            let shard =
                array.chunk_grid().chunk_indices(&part.start)?.ok_or("it is in no shard")?;
            let origin = array.chunk_origin(&shard)?;
            let start = part.start.iter().zip(&origin).map(|(start, origin)| start - origin);
            let extent = part.extent.iter().map(|&size| size as u64).collect();
            let subset = ArraySubset::new_with_start_shape(start.collect(), extent)?;
            let decoder = self.decoder(array, &shard)?;
            let decoded = decoder.partial_decode(&subset, &one_thread())?;
            Ok(decoded.into_owned().into_fixed()?.into_owned().into())
        })
    }

    fn decoder(
        &self,
        array: &Array<dyn ReadableStorageTraits>,
        shard: &[u64],
    ) -> Result<Arc<dyn ArrayPartialDecoderTraits>, BoxError> {
        let mut decoders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decoder) = decoders.get(shard) {
            return Ok(Arc::clone(decoder));
        }
        let decoder = array.partial_decoder_opt(shard, &one_thread())?;
        decoders.insert(shard.to_vec(), Arc::clone(&decoder));
        Ok(decoder)
    }
}

//! Encoding shards: one chunk after the other, into memory that is used again.

use std::borrow::Cow;
use std::num::NonZeroU64;

use bytes::Bytes;
use lazy_core::{BlockBuffer, BlockPool, BoxError};
use zarrs::array::codec::api::ArrayToBytesCodecTraits;
use zarrs::array::codec::{ShardingCodec, ShardingIndexLocation};
use zarrs::array::{ArrayBytes, ArrayBytesRaw, CodecChain, DataType, FillValue, data_type};

use crate::format::{FillElement, one_thread, zarr_data_type};
use crate::guard::ShardCodecs;

/// Encodes whole shards. The chunks follow each other in C order, without those of nothing but fill value,
/// and the index is at the end; so the bytes are those that zarrs makes on one thread.
#[derive(Debug)]
pub(crate) struct ShardEncoder {
    codecs: ShardCodecs,
    fill: FillElement,
    data_type: DataType,
    chunk_bytes: usize,
    /// The bytes that an encoded chunk has at most.
    encoded_bytes: usize,
    /// The memory of encoded shards.
    memory: BlockPool<u8>,
}

/// The place of a chunk that is not there.
const ABSENT: [u64; 2] = [u64::MAX; 2];

impl ShardEncoder {
    /// Of arrays with this fill value, whose chunks have at most so many bytes when they are encoded; none
    /// where the codecs make no shards.
    pub(crate) fn new(
        codecs: &CodecChain,
        shard_shape: &[NonZeroU64],
        fill: &FillElement,
        encoded_bytes: usize,
    ) -> Result<Option<ShardEncoder>, BoxError> {
        let Some(sharding) = codecs.array_to_bytes_codec().as_any().downcast_ref::<ShardingCodec>()
        else {
            return Ok(None);
        };
        let codecs = ShardCodecs::guarded(sharding, shard_shape, fill.dtype.size())?;
        debug_assert_eq!(codecs.index_location, ShardingIndexLocation::End);
        let n_elements = codecs.chunk_shape.iter().map(|size| size.get()).product::<u64>();
        Ok(Some(ShardEncoder {
            chunk_bytes: usize::try_from(n_elements)? * fill.bytes.len(),
            data_type: zarr_data_type(fill.dtype),
            fill: fill.clone(),
            codecs,
            encoded_bytes,
            memory: BlockPool::new(),
        }))
    }

    /// The bytes to be stored for a shard's native-endian bytes: chunk after chunk, each in C order.
    pub(crate) fn encode(&self, shard: &[u8]) -> Result<Bytes, BoxError> {
        let (item_bytes, chunk_bytes) = (self.fill.bytes.len(), self.chunk_bytes);
        let mut places = vec![ABSENT; shard.len() / chunk_bytes];
        let index_bytes = size_of_val(&places[..]);
        let most_bytes = places.len() * self.encoded_bytes + index_bytes + INDEX_MARGIN;
        let mut encoded = Filling { buffer: self.memory.buffer([most_bytes])?, n_bytes: 0 };
        for (chunk, place) in shard.chunks_exact(chunk_bytes).zip(&mut places) {
            if chunk.chunks_exact(item_bytes).all(|element| element == self.fill.bytes) {
                continue;
            }
            let bytes = self.encode_chunk(chunk)?;
            *place = [encoded.n_bytes as u64, bytes.len() as u64];
            encoded.append(&bytes)?;
        }
        encoded.append(&self.encode_index(&places)?)?;
        let n_bytes = encoded.n_bytes;
        Ok(encoded.buffer.into_block().data().slice(..n_bytes))
    }

    fn encode_chunk<'c>(&self, chunk: &'c [u8]) -> Result<ArrayBytesRaw<'c>, BoxError> {
        Ok(self.codecs.chunks.encode(
            ArrayBytes::new_flen(chunk),
            &self.codecs.chunk_shape,
            &self.data_type,
            &FillValue::new(self.fill.bytes.clone()),
            &one_thread(),
        )?)
    }

    fn encode_index(&self, places: &[[u64; 2]]) -> Result<Vec<u8>, BoxError> {
        let bytes: Vec<u8> = places.as_flattened().iter().flat_map(|x| x.to_ne_bytes()).collect();
        let encoded = self.codecs.index.encode(
            ArrayBytes::new_flen(bytes),
            &self.codecs.index_shape,
            &data_type::uint64(),
            &FillValue::from(u64::MAX),
            &one_thread(),
        )?;
        Ok(Cow::into_owned(encoded))
    }
}

/// What the codecs of an index add to it at most: a checksum.
const INDEX_MARGIN: usize = 64;

/// A buffer that is filled from its beginning.
struct Filling {
    buffer: BlockBuffer<u8>,
    n_bytes: usize,
}

impl Filling {
    fn append(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        let room = self.buffer.get_mut(self.n_bytes..self.n_bytes + bytes.len());
        room.ok_or("a chunk is larger encoded than it can be")?.copy_from_slice(bytes);
        self.n_bytes += bytes.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lazy_core::DType;
    use proptest::prelude::*;

    use super::*;
    use crate::format::Format;
    use crate::layout::Layout;
    use crate::overlap::{chunk_after, copy_bytes, n_elements};
    use crate::{Checksum, Codec};

    fn codecs() -> impl Strategy<Value = (Codec, Checksum)> {
        let codec = prop_oneof![
            Just(Codec::None),
            Just(Codec::default()),
            Just(Codec::Zstd { level: 1 }),
            Just(Codec::Gzip { level: 1 }),
        ];
        (codec, prop_oneof![Just(Checksum::None), Just(Checksum::Crc32c)])
    }

    /// The bytes of a shard, chunk after chunk.
    fn in_chunks(shard: &[u8], shard_shape: &[usize], chunk_shape: &[usize]) -> Vec<u8> {
        let zero = vec![0; chunk_shape.len()];
        let mut chunks = Vec::new();
        let mut next = Some(zero.clone());
        while let Some(index) = next {
            let start: Vec<_> = index.iter().zip(chunk_shape).map(|(i, size)| i * size).collect();
            let mut chunk = vec![0; 2 * n_elements(chunk_shape)];
            let source = (shard, shard_shape, &start[..]);
            copy_bytes(2, source, (&mut chunk, chunk_shape, &zero), chunk_shape);
            chunks.extend(chunk);
            next = chunk_after(&index, &zero, shard_shape, chunk_shape);
        }
        chunks
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_zarrs(
            (codec, checksum) in codecs(),
            axes in prop::collection::vec((1..5_usize, 1..4_usize), 1..4),
            bytes in prop::collection::vec(0..4_u8, 1..40),
        ) {
            let chunk_shape: Vec<_> = axes.iter().map(|(size, _)| *size).collect();
            let shard_shape: Vec<_> = axes.iter().map(|(size, n)| size * n).collect();
            let n_bytes = 2 * n_elements(&shard_shape);
            let format = Format {
                dtype: DType::UInt16,
                layout: Layout {
                    chunk_shape: chunk_shape.clone(),
                    shard_shape: Some(shard_shape.clone()),
                },
                codec,
                checksum,
                fill: FillElement::new(0x0101_u16),
                dimension_names: None,
                attributes: serde_json::Map::new(),
            };
            let codec = format.chunk_codec().unwrap();
            // A second shard is encoded into memory of the first.
            for offset in 0..2 {
                // Runs of one value, among them the fill value, so that whole chunks are nothing else.
                let shard: Vec<u8> =
                    (0..n_bytes).map(|i| bytes[(i / 12 + offset) % bytes.len()]).collect();
                let chunks = in_chunks(&shard, &shard_shape, &chunk_shape);
                let encoded = codec.encode(&[0], &chunks.into()).unwrap();
                prop_assert_eq!(&encoded, &codec.encode_by_zarrs(&shard));
                prop_assert_eq!(codec.decode(&encoded).unwrap(), shard);
            }
        }
    }
}

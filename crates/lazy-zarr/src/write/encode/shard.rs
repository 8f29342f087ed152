//! The encoding of shards: their chunks, and the index of the chunks' positions.

use std::num::NonZeroU64;

use lazy_core::BoxError;
use zarrs::array::CodecChain;
use zarrs::array::codec::{ShardingCodec, ShardingIndexLocation};

use super::chunk::ChunkEncoder;
use super::encoded::{Encoded, Piece};
use crate::format::{ABSENT, Format, ShardCodecs};
use crate::write::assembler::Unit;

/// Encodes whole shards. The chunks are stored in C order, without chunks that contain only the
/// fill value, and the index is at the end. The bytes are the same as those zarrs writes on one
/// thread.
#[derive(Debug)]
pub(super) struct ShardEncoder {
    chunks: ChunkEncoder,
    codecs: ShardCodecs,
    /// The bytes of an element of the fill value.
    fill: Vec<u8>,
}

impl ShardEncoder {
    /// Creates an encoder for the codecs of an array whose units have this shape. Returns `None` if
    /// the codecs make no shards.
    pub(super) fn new(
        codecs: &CodecChain,
        shard_shape: &[NonZeroU64],
        format: &Format,
    ) -> Result<Option<ShardEncoder>, BoxError> {
        let Some(sharding) = codecs.array_to_bytes_codec().as_any().downcast_ref::<ShardingCodec>()
        else {
            return Ok(None);
        };
        let codecs = ShardCodecs::guarded(sharding, shard_shape, format.dtype.size())?;
        debug_assert_eq!(codecs.index_location, ShardingIndexLocation::End);
        let chunks =
            ChunkEncoder::new((*codecs.chunks).clone(), codecs.chunk_shape.clone(), format);
        Ok(Some(ShardEncoder { chunks, codecs, fill: format.fill.bytes.clone() }))
    }

    pub(super) fn encode<'u>(&self, shard: &'u Unit) -> Result<Encoded<'u>, BoxError> {
        let mut encoded = Encoded::default();
        let mut places = Vec::new();
        for chunk in shard.chunks() {
            places.push(ABSENT);
            if chunk.is_outside() {
                continue;
            }
            let elements = self.chunks.elements(&chunk)?;
            if elements.iter().all(|piece| self.is_fill(piece)) {
                continue;
            }
            let start = encoded.n_bytes();
            encoded.extend(self.chunks.encode(elements)?);
            places.pop();
            places.push([start as u64, (encoded.n_bytes() - start) as u64]);
        }
        encoded.push(Piece::Own(self.codecs.encode_index(&places)?.into()));
        Ok(encoded)
    }

    fn is_fill(&self, elements: &[u8]) -> bool {
        elements.chunks_exact(self.fill.len()).all(|element| element == self.fill)
    }
}

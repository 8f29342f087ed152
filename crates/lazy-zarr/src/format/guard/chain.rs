//! The guarded codecs of an array and of its shards.

use std::num::NonZeroU64;
use std::sync::Arc;

use lazy_core::BoxError;
use zarrs::array::CodecChain;
use zarrs::array::codec::api::{
    ArrayToBytesCodecTraits, BytesToBytesCodecTraits, CodecMetadataOptions, CodecTraits,
};
use zarrs::array::codec::{ShardingCodec, ShardingCodecConfiguration, ShardingIndexLocation};
use zarrs::metadata::ConfigurationSerialize;

use super::codec::{Guard, MARGIN};

/// Returns guarded codecs for chunks of this shape. The codecs within shards are guarded, too.
///
/// # Errors
///
/// Returns an error if the shape of the chunks of a shard is invalid, or if the configuration of
/// the shards is missing or not supported.
pub(crate) fn guarded(
    codecs: &CodecChain,
    shape: &[NonZeroU64],
    element_size: usize,
) -> Result<CodecChain, BoxError> {
    let mut shape = shape.to_vec();
    for codec in codecs.array_to_array_codecs() {
        shape = codec.encoded_shape(&shape)?;
    }
    let array_to_bytes: Arc<dyn ArrayToBytesCodecTraits> =
        match codecs.array_to_bytes_codec().as_any().downcast_ref::<ShardingCodec>() {
            Some(sharding) => {
                Arc::new(ShardCodecs::guarded(sharding, &shape, element_size)?.into_codec())
            }
            None => Arc::clone(codecs.array_to_bytes_codec()),
        };
    let most = if array_to_bytes.as_any().is::<ShardingCodec>() {
        // The elements, and the overhead of a shard: an index entry for each chunk, and the bytes
        // that a codec adds to each chunk. The estimate of zarrs is larger by a factor of the
        // number of chunks.
        let n_elements = shape.iter().fold(1_u64, |n, size| n.saturating_mul(size.get()));
        n_elements.saturating_mul(2 * element_size as u64 + 128).saturating_add(MARGIN)
    } else {
        u64::MAX
    };
    let guard = |codec: &Arc<_>| Guard::new(Arc::clone(codec), most).into_dyn();
    let bytes_to_bytes = codecs.bytes_to_bytes_codecs().iter().map(guard).collect();
    Ok(CodecChain::new(codecs.array_to_array_codecs().to_vec(), array_to_bytes, bytes_to_bytes))
}

/// The guarded codecs of the chunks of a shard and of its index.
#[derive(Clone, Debug)]
pub(crate) struct ShardCodecs {
    pub(crate) chunk_shape: Vec<NonZeroU64>,
    pub(crate) chunks: Arc<CodecChain>,
    /// The shape of the index, which has two numbers for each chunk.
    pub(crate) index_shape: Vec<NonZeroU64>,
    pub(crate) index: Arc<CodecChain>,
    pub(crate) index_location: ShardingIndexLocation,
}

impl ShardCodecs {
    /// Returns the guarded codecs of shards of this shape.
    ///
    /// # Errors
    ///
    /// Returns an error if the shape of the chunks is invalid, or if the configuration of the
    /// shards is missing or not supported.
    pub(crate) fn guarded(
        sharding: &ShardingCodec,
        shard_shape: &[NonZeroU64],
        element_size: usize,
    ) -> Result<ShardCodecs, BoxError> {
        let configuration = sharding
            .configuration_v3(&CodecMetadataOptions::default())
            .ok_or("the shards have no configuration")?;
        let ShardingCodecConfiguration::V1(configuration) =
            ShardingCodecConfiguration::try_from_configuration(configuration)?
        else {
            return Err("the configuration of the shards is unknown".into());
        };
        let chunk_shape = configuration.chunk_shape;
        let divides =
            |(shard, chunk): (&NonZeroU64, &NonZeroU64)| shard.get().is_multiple_of(chunk.get());
        if chunk_shape.len() != shard_shape.len()
            || !shard_shape.iter().zip(&chunk_shape).all(divides)
        {
            return Err(format!(
                "the shard shape {shard_shape:?} is not a multiple of the chunk shape \
                 {chunk_shape:?}"
            )
            .into());
        }
        let chunks = CodecChain::from_metadata(&configuration.codecs)?;
        let index = CodecChain::from_metadata(&configuration.index_codecs)?;
        let per_axis = shard_shape.iter().zip(&chunk_shape);
        let mut index_shape: Vec<_> = per_axis
            .filter_map(|(shard, chunk)| NonZeroU64::new(shard.get() / chunk.get()))
            .collect();
        index_shape.extend(NonZeroU64::new(2));
        Ok(ShardCodecs {
            chunks: Arc::new(guarded(&chunks, &chunk_shape, element_size)?),
            index: Arc::new(guarded(&index, &index_shape, size_of::<u64>())?),
            chunk_shape: chunk_shape.to_vec(),
            index_shape,
            index_location: configuration.index_location,
        })
    }

    fn into_codec(self) -> ShardingCodec {
        ShardingCodec::new(self.chunk_shape, self.chunks, self.index, self.index_location)
    }
}

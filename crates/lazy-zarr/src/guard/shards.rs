//! The codecs of a shard.

use std::num::NonZeroU64;
use std::sync::Arc;

use lazy_core::BoxError;
use zarrs::array::CodecChain;
use zarrs::array::codec::api::{CodecMetadataOptions, CodecTraits};
use zarrs::array::codec::{ShardingCodec, ShardingCodecConfiguration, ShardingIndexLocation};
use zarrs::metadata::ConfigurationSerialize;

use super::guarded;

/// What the chunks of a shard and its index are encoded by, guarded.
#[derive(Clone, Debug)]
pub(crate) struct ShardCodecs {
    pub(crate) chunk_shape: Vec<NonZeroU64>,
    pub(crate) chunks: Arc<CodecChain>,
    /// Two numbers for each chunk.
    pub(crate) index_shape: Vec<NonZeroU64>,
    pub(crate) index: Arc<CodecChain>,
    pub(crate) index_location: ShardingIndexLocation,
}

impl ShardCodecs {
    /// Those of shards of this shape.
    ///
    /// An error says what is wrong with the shape of the chunks.
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
                "the shard shape {shard_shape:?} is not a whole number of chunks of shape {chunk_shape:?} \
                 along each axis"
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

    pub(super) fn into_codec(self) -> ShardingCodec {
        ShardingCodec::new(self.chunk_shape, self.chunks, self.index, self.index_location)
    }
}

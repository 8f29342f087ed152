//! The index of a shard: the places of its chunks.

use std::borrow::Cow;

use lazy_core::BoxError;
use zarrs::array::codec::api::ArrayToBytesCodecTraits;
use zarrs::array::{ArrayBytes, BytesRepresentation, FillValue, data_type};

use super::ShardCodecs;
use crate::format::one_thread;

/// The entry of a chunk that is missing.
pub(crate) const ABSENT: [u64; 2] = [u64::MAX; 2];

impl ShardCodecs {
    /// Returns the size of the encoded index in bytes.
    pub(crate) fn index_bytes(&self) -> Result<u64, BoxError> {
        let representation = self.index.encoded_representation(
            &self.index_shape,
            &data_type::uint64(),
            &FillValue::from(u64::MAX),
        )?;
        match representation {
            BytesRepresentation::FixedSize(n_bytes) => Ok(n_bytes),
            _ => Err("the index of a shard must not be compressed".into()),
        }
    }

    /// Encodes the offset and the length of each chunk.
    pub(crate) fn encode_index(&self, places: &[[u64; 2]]) -> Result<Vec<u8>, BoxError> {
        let bytes: Vec<u8> = places.as_flattened().iter().flat_map(|x| x.to_ne_bytes()).collect();
        let encoded = self.index.encode(
            ArrayBytes::new_flen(bytes),
            &self.index_shape,
            &data_type::uint64(),
            &FillValue::from(u64::MAX),
            &one_thread(),
        )?;
        Ok(encoded.into_owned())
    }

    /// Decodes the offset and the length of each chunk.
    pub(crate) fn decode_index(&self, encoded: &[u8]) -> Result<Vec<[u64; 2]>, BoxError> {
        let decoded = self.index.decode(
            Cow::Borrowed(encoded),
            &self.index_shape,
            &data_type::uint64(),
            &FillValue::from(u64::MAX),
            &one_thread(),
        )?;
        let decoded = decoded.into_fixed()?;
        let (numbers, _) = decoded.as_chunks::<8>();
        let (places, _) = numbers.as_chunks::<2>();
        Ok(places.iter().map(|place| place.map(u64::from_ne_bytes)).collect())
    }
}

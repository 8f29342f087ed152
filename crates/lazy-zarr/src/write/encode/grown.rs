//! Shards that get more rows while readers use them.
//!
//! A reader looks up a chunk of a shard in two steps, the index and the chunk, and the shard may be
//! replaced between both. So a new shard contains the present one: each chunk that the present
//! index locates has the same bytes at the same offset. New and changed chunks follow, and then the
//! index, if it is at the end. The chunks that they supersede remain in the shard.

use std::borrow::Cow;

use bytes::Bytes;
use lazy_core::BoxError;
use zarrs::array::codec::api::ArrayToBytesCodecTraits;
use zarrs::array::codec::{ShardingCodec, ShardingIndexLocation};
use zarrs::array::{Array, DataType, FillValue};

use super::encoded::{Encoded, Piece};
use super::nonzero;
use crate::format::{ABSENT, Format, ShardCodecs, one_thread};
use crate::read::StoredArray;

/// The shards of an array that gets more rows.
#[derive(Debug)]
pub(super) struct GrowingShards {
    array: StoredArray,
    codecs: ShardCodecs,
    /// The type of the elements of a chunk, if it is that of the array.
    elements: Option<(DataType, FillValue)>,
}

impl GrowingShards {
    /// Returns the shards of a present array, or `None` if its units are not looked up in two
    /// steps: if they are not shards, or if a codec encodes whole shards.
    pub(super) fn of(
        present: &StoredArray,
        array: &Array<()>,
        format: &Format,
    ) -> Result<Option<GrowingShards>, BoxError> {
        let codecs = array.codecs();
        let sharding = codecs.array_to_bytes_codec().as_any().downcast_ref::<ShardingCodec>();
        let (Some(sharding), []) = (sharding, codecs.bytes_to_bytes_codecs()) else {
            return Ok(None);
        };
        let of_array = codecs.array_to_array_codecs();
        let mut shape = nonzero(format.layout.unit_shape());
        for codec in of_array {
            shape = codec.encoded_shape(&shape)?;
        }
        let elements = || (array.data_type().clone(), array.fill_value().clone());
        Ok(Some(GrowingShards {
            array: present.clone(),
            codecs: ShardCodecs::guarded(sharding, &shape, format.dtype.size())?,
            elements: of_array.is_empty().then(elements),
        }))
    }

    /// Returns a shard with the contents of `new` that contains the present shard at this index.
    pub(super) fn grow<'u>(
        &self,
        index: &[u64],
        new: Encoded<'u>,
    ) -> Result<Encoded<'u>, BoxError> {
        let Some(present) = self.array.stored_unit(index)? else { return Ok(new) };
        let new = new.into_bytes();
        let (present_places, new_places) = (self.places(&present)?, self.places(&new)?);
        let mut grown = Encoded::default();
        let mut end = present.len();
        let mut added = Vec::new();
        let mut places = Vec::with_capacity(new_places.len());
        for (place, &present_place) in new_places.into_iter().zip(&present_places) {
            let Some(chunk) = part(&new, place) else {
                places.push(ABSENT);
                continue;
            };
            match part(&present, present_place) {
                Some(present) if self.are_same(&present, &chunk) => places.push(present_place),
                _ => {
                    places.push([end as u64, chunk.len() as u64]);
                    end += chunk.len();
                    added.push(Piece::Own(chunk));
                }
            }
        }
        if places == present_places {
            // An append that was killed while it published the rows is repeated.
            grown.push(Piece::Own(present));
            return Ok(grown);
        }
        let index = self.codecs.encode_index(&places)?;
        match self.codecs.index_location {
            ShardingIndexLocation::End => {
                grown.push(Piece::Own(present));
                grown.extend(added);
                grown.push(Piece::Own(index.into()));
            }
            ShardingIndexLocation::Start => {
                // The index takes the place of the present one.
                let chunks = present.slice(index.len()..);
                grown.push(Piece::Own(index.into()));
                grown.push(Piece::Own(chunks));
                grown.extend(added);
            }
        }
        Ok(grown)
    }

    /// Returns the places of the chunks that the index of a shard lists.
    fn places(&self, shard: &Bytes) -> Result<Vec<[u64; 2]>, BoxError> {
        let n_bytes = usize::try_from(self.codecs.index_bytes()?)?;
        let too_short = "the shard is too short for its index";
        let start = match self.codecs.index_location {
            ShardingIndexLocation::Start => 0,
            ShardingIndexLocation::End => shard.len().checked_sub(n_bytes).ok_or(too_short)?,
        };
        let index = shard.get(start..start + n_bytes).ok_or(too_short)?;
        self.codecs.decode_index(index)
    }

    /// Returns true if two encoded chunks have the same elements. Another program may have encoded
    /// one of them.
    fn are_same(&self, present: &Bytes, new: &Bytes) -> bool {
        if present == new {
            return true;
        }
        let Some((data_type, fill_value)) = &self.elements else { return false };
        let decode = |chunk| {
            let (shape, options) = (&self.codecs.chunk_shape, one_thread());
            let chunk = Cow::Borrowed(chunk);
            let decoded = self.codecs.chunks.decode(chunk, shape, data_type, fill_value, &options);
            decoded.ok().and_then(|decoded| decoded.into_fixed().ok())
        };
        decode(&**present).is_some_and(|present| decode(&**new) == Some(present))
    }
}

/// Returns the bytes of a shard at a place, if the place is in the shard.
fn part(shard: &Bytes, place: [u64; 2]) -> Option<Bytes> {
    let [offset, length] = place.map(|number| usize::try_from(number).ok());
    let (start, end) = (offset?, offset?.checked_add(length?)?);
    (place != ABSENT && end <= shard.len()).then(|| shard.slice(start..end))
}

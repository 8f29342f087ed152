//! Encoding the elements of chunks, which lie in blocks, into stored bytes, and decoding them.

mod chunk;
mod encoded;
mod grown;
mod shard;
mod zstandard;

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use lazy_core::BoxError;
use zarrs::array::codec::api::ArrayToBytesCodecTraits;
use zarrs::array::{Array, ArrayMetadata, CodecChain};

use crate::error::{Error, Result, WriteError, foreign};
use crate::format::{Format, as_u64, guarded, one_thread, shared};
use crate::read::StoredArray;
use crate::write::assembler::Unit;
use chunk::ChunkEncoder;
pub(crate) use encoded::Encoded;
use grown::GrowingShards;
use shard::ShardEncoder;

/// Encodes, decodes and names the units that are written: the chunks of an array, or its shards.
#[derive(Debug)]
pub(crate) struct UnitCodec {
    array: Array<()>,
    codecs: CodecChain,
    encoder: Encoder,
    /// The index along axis 0, in the array, of the first row of units.
    first: usize,
    /// The present shards that the first row of units extends.
    present: Option<GrowingShards>,
}

#[derive(Debug)]
enum Encoder {
    Chunks(ChunkEncoder),
    Shards(ShardEncoder),
}

impl UnitCodec {
    pub(crate) fn new(format: &Format) -> Result<UnitCodec> {
        // Keys and encoding do not depend on the array's shape, which may still be unknown.
        let array = format
            .builder(&vec![0; format.layout.chunk_shape.len()])?
            .build(Arc::new(()), "/")
            .map_err(Error::metadata)?;
        let unit_shape = nonzero(format.layout.unit_shape());
        let codecs =
            guarded(&array.codecs(), &unit_shape, format.dtype.size()).map_err(Error::metadata)?;
        let encoder = match ShardEncoder::new(&array.codecs(), &unit_shape, format) {
            Ok(Some(shards)) => Encoder::Shards(shards),
            Ok(None) => {
                Encoder::Chunks(ChunkEncoder::new(codecs.clone(), unit_shape.clone(), format))
            }
            Err(source) => return Err(Error::metadata(source)),
        };
        Ok(UnitCodec { array, codecs, encoder, first: 0, present: None })
    }

    /// Returns the codec of an array with this metadata document, whose units are encoded whole.
    pub(crate) fn of_document(document: &[u8], format: &Format) -> Result<UnitCodec> {
        let metadata: ArrayMetadata = serde_json::from_slice(document).map_err(Error::metadata)?;
        let array =
            Array::new_with_metadata(Arc::new(()), "/", metadata).map_err(Error::metadata)?;
        let unit_shape = nonzero(format.layout.unit_shape());
        let codecs =
            guarded(&array.codecs(), &unit_shape, format.dtype.size()).map_err(Error::metadata)?;
        let encoder =
            Encoder::Chunks(ChunkEncoder::of_any(codecs.clone(), unit_shape.clone(), format));
        Ok(UnitCodec { array, codecs, encoder, first: 0, present: None })
    }

    /// Sets the index along axis 0, in the array, of the first row of units.
    pub(crate) fn with_first(self, first: usize) -> UnitCodec {
        UnitCodec { first, ..self }
    }

    /// Extends the units of an array by the first row of units.
    pub(crate) fn with_present(self, present: &StoredArray, format: &Format) -> Result<UnitCodec> {
        let present = GrowingShards::of(present, &self.array, format).map_err(Error::metadata)?;
        Ok(UnitCodec { present, ..self })
    }

    /// Returns the index of a unit in the array.
    pub(crate) fn index(&self, unit: &[usize]) -> Vec<usize> {
        let mut index = unit.to_vec();
        index[0] += self.first;
        index
    }

    /// Returns the key of a unit, relative to the array.
    pub(crate) fn key(&self, unit: &[usize]) -> String {
        self.array.chunk_key(&as_u64(&self.index(unit))).to_string()
    }

    /// Encodes a unit.
    pub(crate) fn encode<'u>(&self, unit: &'u Unit) -> Result<Encoded<'u>> {
        let encoded = match &self.encoder {
            Encoder::Shards(shards) => shards.encode(unit),
            Encoder::Chunks(chunks) => {
                // The chunks of a rectilinear grid have shapes of their own.
                let shape = nonzero(unit.shape());
                unit.chunks().try_fold(Encoded::default(), |mut all, chunk| {
                    all.extend(chunks.encode_shape(chunks.elements(&chunk)?, &shape)?);
                    Ok(all)
                })
            }
        };
        let grown = encoded.and_then(|encoded| match &self.present {
            Some(present) if unit.index[0] == 0 => {
                present.grow(&as_u64(&self.index(&unit.index)), encoded)
            }
            _ => Ok(encoded),
        });
        grown.map_err(|error| {
            let chunk = self.index(&unit.index);
            WriteError::Encode { chunk, source: foreign(error) }.into()
        })
    }

    /// Decodes the stored bytes of a unit of this shape into native-endian elements in C order.
    pub(crate) fn decode(&self, stored: &Bytes, shape: &[usize]) -> Result<Bytes, BoxError> {
        let decoded = self.codecs.decode(
            Cow::Borrowed(&**stored),
            &nonzero(shape),
            self.array.data_type(),
            self.array.fill_value(),
            &one_thread(),
        )?;
        Ok(shared(decoded.into_fixed()?, stored))
    }
}

fn nonzero(sizes: &[usize]) -> Vec<NonZeroU64> {
    let sizes = sizes.iter().map(|&size| NonZeroU64::new(size as u64));
    Option::expect(sizes.collect(), "sizes are not 0")
}

#[cfg(test)]
mod tests;

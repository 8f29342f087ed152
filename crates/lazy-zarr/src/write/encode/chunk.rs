//! The encoding of single chunks.

use std::num::NonZeroU64;

use bytes::Bytes;
use lazy_core::{BlockPool, BoxError};
use zarrs::array::codec::api::ArrayToBytesCodecTraits;
use zarrs::array::{ArrayBytes, CodecChain, DataType, FillValue};

use super::encoded::Piece;
use crate::format::{Format, one_thread, zarr_data_type};
use crate::settings::{Checksum, Codec};
use crate::write::assembler::Chunk;

/// Encodes the chunks of an array, or of its shards.
#[derive(Debug)]
pub(super) struct ChunkEncoder {
    codecs: CodecChain,
    shape: Vec<NonZeroU64>,
    data_type: DataType,
    fill_value: FillValue,
    /// The checksum that follows the elements, if they are stored as they are in memory; otherwise
    /// `None`.
    plain: Option<Checksum>,
    /// The memory for chunks whose elements are copied together.
    memory: BlockPool<u8>,
}

/// The least mean length of slices, in bytes, for unencoded elements to be written directly from
/// the blocks. Writing shorter slices takes longer than copying them together.
const LEAST_SLICE: usize = 4 << 10;

impl ChunkEncoder {
    /// Creates an encoder with these codecs, which were made from the codecs of the format.
    pub(super) fn new(codecs: CodecChain, shape: Vec<NonZeroU64>, format: &Format) -> ChunkEncoder {
        let is_native = cfg!(target_endian = "little") || format.dtype.size() == 1;
        let plain = (format.codec == Codec::None && is_native).then_some(format.checksum);
        ChunkEncoder { plain, ..ChunkEncoder::of_any(codecs, shape, format) }
    }

    /// Creates an encoder with any codecs.
    pub(super) fn of_any(
        codecs: CodecChain,
        shape: Vec<NonZeroU64>,
        format: &Format,
    ) -> ChunkEncoder {
        ChunkEncoder {
            codecs,
            shape,
            data_type: zarr_data_type(format.dtype),
            fill_value: FillValue::new(format.fill.bytes.clone()),
            plain: None,
            memory: BlockPool::new(),
        }
    }

    /// Returns the elements in C order, ready to encode: in one piece, unless they are stored
    /// unencoded.
    pub(super) fn elements<'u>(&self, chunk: &Chunk<'u>) -> Result<Vec<Piece<'u>>, BoxError> {
        let least_bytes = if self.plain.is_some() { LEAST_SLICE } else { chunk.n_bytes() };
        if let Some(slices) = chunk.slices(least_bytes) {
            return Ok(slices.into_iter().map(Piece::Lent).collect());
        }
        let mut elements = self.memory.buffer([chunk.n_bytes()])?;
        chunk.gather(&mut elements);
        Ok(vec![Piece::Own(elements.into_block().data().clone())])
    }

    /// Encodes the elements of a chunk of the usual shape.
    pub(super) fn encode<'u>(&self, elements: Vec<Piece<'u>>) -> Result<Vec<Piece<'u>>, BoxError> {
        self.encode_shape(elements, &self.shape)
    }

    /// Encodes the elements of a chunk of this shape.
    pub(super) fn encode_shape<'u>(
        &self,
        mut elements: Vec<Piece<'u>>,
        shape: &[NonZeroU64],
    ) -> Result<Vec<Piece<'u>>, BoxError> {
        match self.plain {
            Some(Checksum::None) => return Ok(elements),
            Some(Checksum::Crc32c) => {
                let crc = elements.iter().fold(0, |crc, piece| crc32c::crc32c_append(crc, piece));
                elements.push(Piece::Own(Bytes::copy_from_slice(&crc.to_le_bytes())));
                return Ok(elements);
            }
            None => {}
        }
        let [elements] = &elements[..] else {
            unreachable!("what a codec takes is in one piece");
        };
        let encoded = self.codecs.encode(
            ArrayBytes::new_flen(&**elements),
            shape,
            &self.data_type,
            &self.fill_value,
            &one_thread(),
        )?;
        Ok(vec![Piece::Own(encoded.into_owned().into())])
    }
}

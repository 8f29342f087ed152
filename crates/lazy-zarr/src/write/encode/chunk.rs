//! The encoding of single chunks.

use std::num::NonZeroU64;

use bytes::Bytes;
use lazy_core::BoxError;
use zarrs::array::codec::api::ArrayToBytesCodecTraits;
use zarrs::array::{ArrayBytes, CodecChain, DataType, FillValue};

use super::encoded::Piece;
use super::zstandard::Zstandard;
use crate::format::{Format, one_thread, zarr_data_type};
use crate::memory::{Buffer, BufferPool};
use crate::settings::{Checksum, Codec};
use crate::write::assembler::Chunk;

/// Encodes the chunks of an array, or of its shards.
#[derive(Debug)]
pub(super) struct ChunkEncoder {
    codecs: CodecChain,
    shape: Vec<NonZeroU64>,
    data_type: DataType,
    fill_value: FillValue,
    way: Way,
    /// The memory for chunks whose elements are copied together, and for compressed chunks.
    memory: BufferPool,
}

/// The way in which elements become stored bytes.
#[derive(Debug)]
enum Way {
    /// The elements are stored as they are in memory, and the checksum follows.
    Plain(Checksum),
    /// The elements are compressed as they are in memory, and the checksum follows.
    Zstandard(Zstandard, Checksum),
    /// The codecs do it.
    Codecs,
}

impl Way {
    /// Returns the least mean length of slices, in bytes, for the elements to be taken directly
    /// from the blocks. Shorter slices take longer than copying them together. Returns `None` if the
    /// elements must be in one piece.
    fn least_slice(&self) -> Option<usize> {
        match self {
            Way::Plain(_) => Some(4 << 10),
            Way::Zstandard(..) | Way::Codecs => None,
        }
    }
}

impl ChunkEncoder {
    /// Creates an encoder with these codecs, which were made from the codecs of the format.
    pub(super) fn new(codecs: CodecChain, shape: Vec<NonZeroU64>, format: &Format) -> ChunkEncoder {
        let is_native = cfg!(target_endian = "little") || format.dtype.size() == 1;
        let way = match format.codec {
            Codec::None if is_native => Way::Plain(format.checksum),
            Codec::Zstd { level } if is_native => {
                Way::Zstandard(Zstandard::new(level), format.checksum)
            }
            _ => Way::Codecs,
        };
        ChunkEncoder { way, ..ChunkEncoder::of_any(codecs, shape, format) }
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
            way: Way::Codecs,
            memory: BufferPool::default(),
        }
    }

    /// Returns the elements in C order, ready to encode: in one piece, unless slices of blocks
    /// can be encoded.
    pub(super) fn elements<'u>(&self, chunk: &Chunk<'u>) -> Result<Vec<Piece<'u>>, BoxError> {
        if let Some(elements) = chunk.shared() {
            return Ok(vec![Piece::Own(elements)]);
        }
        let least_bytes = self.way.least_slice().unwrap_or_else(|| chunk.n_bytes());
        if let Some(slices) = chunk.slices(least_bytes) {
            return Ok(slices.into_iter().map(Piece::Lent).collect());
        }
        let mut elements = Buffer::new(chunk.n_bytes(), Some(&self.memory))?;
        chunk.gather(&mut elements);
        Ok(vec![Piece::Own(elements.into_bytes())])
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
        let checksum = match &self.way {
            Way::Plain(checksum) => checksum,
            Way::Zstandard(zstandard, checksum) => {
                let compressed = zstandard.compress(in_one_piece(&elements), &self.memory)?;
                elements = vec![Piece::Own(compressed)];
                checksum
            }
            Way::Codecs => return self.encode_by_codecs(in_one_piece(&elements), shape),
        };
        match checksum {
            Checksum::None => {}
            Checksum::Crc32c => {
                let crc = elements.iter().fold(0, |crc, piece| crc32c::crc32c_append(crc, piece));
                elements.push(Piece::Own(Bytes::copy_from_slice(&crc.to_le_bytes())));
            }
        }
        Ok(elements)
    }

    fn encode_by_codecs<'u>(
        &self,
        elements: &[u8],
        shape: &[NonZeroU64],
    ) -> Result<Vec<Piece<'u>>, BoxError> {
        let encoded = self.codecs.encode(
            ArrayBytes::new_flen(elements),
            shape,
            &self.data_type,
            &self.fill_value,
            &one_thread(),
        )?;
        Ok(vec![Piece::Own(encoded.into_owned().into())])
    }
}

fn in_one_piece<'p>(elements: &'p [Piece<'_>]) -> &'p [u8] {
    let [elements] = elements else {
        unreachable!("what a codec takes is in one piece");
    };
    elements
}

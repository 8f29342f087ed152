//! How an array is cut into chunks: an inert value, settled before the first chunk is written.

mod automatic;
mod memory;

pub(crate) use automatic::automatic_chunk_shape;
pub(crate) use memory::{BLOCK_OVERHEAD, MemoryBound, kept_bytes, memory_bound};

use lazy_core::DType;

use crate::{Error, Result};

/// The shape of the chunks of a stored array.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkShape {
    /// Chunks of at most this many bytes before encoding, unless a single element is larger.
    ///
    /// Blocks are joined into a chunk as long as it stays below: first along the columns, then
    /// along the rows. A block that is larger is cut, the rows first. A chunk is never larger than
    /// the array. Blocks of less than about 300 bytes make smaller chunks, since so many of them
    /// cannot be kept until the layout is settled.
    Automatic {
        /// The bytes of a chunk, before encoding.
        target_bytes: usize,
    },
    /// Chunks of this shape: one size for each axis of the array, none of them 0.
    Explicit(Vec<usize>),
}

impl Default for ChunkShape {
    /// Automatic chunks of 8 MiB.
    fn default() -> ChunkShape {
        ChunkShape::Automatic { target_bytes: 8 << 20 }
    }
}

impl ChunkShape {
    /// Checks what can be said without an array.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            ChunkShape::Explicit(shape) if shape.contains(&0) => Err(Error::ChunkShape {
                chunk_shape: shape.clone(),
                reason: "a chunk has at least one element along each axis",
            }),
            ChunkShape::Explicit(_) | ChunkShape::Automatic { .. } => Ok(()),
        }
    }

    /// Checks what can be said once the array's dtype and number of axes are known.
    pub(crate) fn check_array(&self, dtype: DType, n_axes: usize) -> Result<()> {
        let ChunkShape::Explicit(shape) = self else { return Ok(()) };
        if shape.len() != n_axes {
            return Err(Error::ChunkRank { chunk_shape: shape.clone(), n_axes });
        }
        let bytes = shape.iter().try_fold(dtype.size(), |bytes, size| bytes.checked_mul(*size));
        match bytes {
            Some(bytes) if isize::try_from(bytes).is_ok() => Ok(()),
            _ => Err(Error::ChunkShape {
                chunk_shape: shape.clone(),
                reason: "a chunk is larger than memory can be",
            }),
        }
    }
}

/// The bytes of a dense array, saturating.
pub(crate) fn n_bytes(dtype: DType, shape: &[usize]) -> usize {
    shape.iter().fold(dtype.size(), |bytes, size| bytes.saturating_mul(*size))
}

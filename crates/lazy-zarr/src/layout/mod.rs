//! How an array is cut into chunks and shards: an inert value, settled before the first of them is
//! written.

mod automatic;
mod memory;

use std::fmt;

pub(crate) use memory::{
    BLOCK_OVERHEAD, LEAST_PART, MemoryBound, kept_bytes, memory_bound, most_waiting_rows, n_waiting,
};

use automatic::{automatic_chunk_shape, automatic_shard_shape, dividing_chunk_shape};
use lazy_core::{Cut, DType};
use serde::{Deserialize, Serialize};

use crate::memory::fits_memory;
use crate::{Error, Result};

/// How an array is cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(crate) chunk_shape: Vec<usize>,
    /// A whole number of chunks along each axis.
    pub(crate) shard_shape: Option<Vec<usize>>,
}

impl Layout {
    /// The shape of what is written at once: a shard where there are shards, else a chunk.
    pub(crate) fn unit_shape(&self) -> &[usize] {
        self.shard_shape.as_deref().unwrap_or(&self.chunk_shape)
    }
}

/// How an array is to be cut, as far as it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayoutSettings {
    pub(crate) chunks: Option<Sizes>,
    pub(crate) shards: Option<Sizes>,
}

/// Chunks or shards of one shape, or of at most so many bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sizes {
    Automatic { target_bytes: usize },
    Explicit(Vec<usize>),
}

impl fmt::Display for LayoutSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = |sizes: &Option<Sizes>, default| match sizes {
            None => default,
            Some(Sizes::Automatic { target_bytes }) => format!("of at most {target_bytes} bytes"),
            Some(Sizes::Explicit(shape)) => format!("of shape {shape:?}"),
        };
        let (chunks, shards) = (sizes(&self.chunks, "automatic".to_owned()), &self.shards);
        match shards {
            None => write!(formatter, "chunks {chunks}"),
            shards => {
                write!(formatter, "chunks {chunks} in shards {}", sizes(shards, String::new()))
            }
        }
    }
}

/// What an automatic layout is made of.
pub(crate) struct Seen<'s> {
    pub(crate) cut: Cut,
    pub(crate) dtype: DType,
    /// The shape of the first block that has elements.
    pub(crate) first_block: &'s [usize],
    /// The bytes of all blocks so far.
    pub(crate) n_bytes: usize,
    /// The array's shape without axis 0. Where axis 1 is cut, its size counts as known when the first
    /// band has ended, so that the layout is the same whether it was declared or not.
    pub(crate) row_shape: &'s [Option<usize>],
    /// The columns of the first band so far.
    pub(crate) n_columns: usize,
    /// The array's size along axis 0, once its last block was seen.
    pub(crate) n_rows: Option<usize>,
}

/// The bytes of an automatic chunk, by itself and in a shard.
const CHUNK_BYTES: usize = 8 << 20;
const CHUNK_BYTES_IN_SHARD: usize = 1 << 20;

impl LayoutSettings {
    fn chunks(&self) -> Sizes {
        let target_bytes = if self.shards.is_some() { CHUNK_BYTES_IN_SHARD } else { CHUNK_BYTES };
        self.chunks.clone().unwrap_or(Sizes::Automatic { target_bytes })
    }

    /// How many bytes of blocks an automatic layout is made of; none when it needs no block.
    pub(crate) fn target_bytes(&self) -> Option<usize> {
        let target = |sizes: &Sizes| match sizes {
            Sizes::Automatic { target_bytes } => Some(*target_bytes),
            Sizes::Explicit(_) => None,
        };
        match &self.shards {
            // Its chunks are made of the shard.
            Some(Sizes::Explicit(_)) => None,
            shards => target(&self.chunks()).max(shards.as_ref().and_then(target)),
        }
    }

    /// The layout, once as much was seen as can be; an error when memory cannot hold a chunk of it.
    pub(crate) fn settle_in_memory(&self, seen: &Seen<'_>) -> Result<Layout> {
        let layout = self.settle(seen);
        match fits_memory(n_bytes(seen.dtype, layout.unit_shape()) as u128) {
            true => Ok(layout),
            false => Err(Error::ChunkShape {
                unit: if layout.shard_shape.is_some() { "shard" } else { "chunk" },
                shape: layout.unit_shape().to_vec(),
                reason: "there is no memory for it",
            }),
        }
    }

    /// The layout, once as much was seen as can be.
    fn settle(&self, seen: &Seen<'_>) -> Layout {
        let chunk_shape = match (self.chunks(), &self.shards) {
            (Sizes::Explicit(shape), _) => shape,
            (Sizes::Automatic { target_bytes }, Some(Sizes::Explicit(shard_shape))) => {
                dividing_chunk_shape(seen.dtype, shard_shape, target_bytes)
            }
            (Sizes::Automatic { target_bytes }, _) => automatic_chunk_shape(seen, target_bytes),
        };
        let shard_shape = self.shards.as_ref().map(|shards| match shards {
            Sizes::Explicit(shape) => shape.clone(),
            Sizes::Automatic { target_bytes } => {
                automatic_shard_shape(seen, &chunk_shape, *target_bytes)
            }
        });
        Layout { chunk_shape, shard_shape }
    }

    fn explicit_shapes(&self) -> impl Iterator<Item = (&'static str, &Vec<usize>)> {
        [("chunk", &self.chunks), ("shard", &self.shards)].into_iter().filter_map(
            |(unit, sizes)| match sizes {
                Some(Sizes::Explicit(shape)) => Some((unit, shape)),
                _ => None,
            },
        )
    }

    /// Checks what can be said without an array.
    pub(crate) fn check(&self) -> Result<()> {
        for (unit, shape) in self.explicit_shapes() {
            if shape.contains(&0) {
                let reason = "it has at least one element along each axis";
                return Err(Error::ChunkShape { unit, shape: shape.clone(), reason });
            }
        }
        if let (Some(Sizes::Explicit(chunk_shape)), Some(Sizes::Explicit(shard_shape))) =
            (&self.chunks, &self.shards)
        {
            let divides = |(shard, chunk): (&usize, &usize)| shard.is_multiple_of(*chunk);
            if chunk_shape.len() != shard_shape.len()
                || !shard_shape.iter().zip(chunk_shape).all(divides)
            {
                return Err(Error::ShardShape {
                    shard_shape: shard_shape.clone(),
                    chunk_shape: chunk_shape.clone(),
                });
            }
        }
        Ok(())
    }

    /// Checks what can be said once the array's dtype and number of axes are known, and gives the
    /// bytes that a chunk has at most.
    pub(crate) fn check_array(&self, dtype: DType, n_axes: usize) -> Result<usize> {
        for (unit, shape) in self.explicit_shapes() {
            if shape.len() != n_axes {
                return Err(Error::ChunkRank { unit, shape: shape.clone(), n_axes });
            }
            if isize::try_from(n_bytes(dtype, shape)).is_err() {
                let reason = "it is larger than memory can be";
                return Err(Error::ChunkShape { unit, shape: shape.clone(), reason });
            }
        }
        Ok(match self.chunks() {
            Sizes::Explicit(shape) => n_bytes(dtype, &shape),
            Sizes::Automatic { target_bytes } => target_bytes,
        })
    }
}

/// The bytes of a dense array, saturating.
pub(crate) fn n_bytes(dtype: DType, shape: &[usize]) -> usize {
    shape.iter().fold(dtype.size(), |bytes, size| bytes.saturating_mul(*size))
}

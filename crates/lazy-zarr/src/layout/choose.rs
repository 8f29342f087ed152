//! The choice of chunk and shard shapes, which is made before the first chunk is written.

use super::automatic::{automatic_chunk_shape, automatic_shard_shape, dividing_chunk_shape};
use super::shapes::{Layout, Seen, n_bytes};
use lazy_core::DType;

use crate::error::{Result, SettingError};
use crate::memory::fits_memory;
use crate::settings::{LayoutSettings, Sizes};

/// The target sizes of automatic chunks in bytes: outside of shards, and in shards.
const CHUNK_BYTES: usize = 8 << 20;
const CHUNK_BYTES_IN_SHARD: usize = 1 << 20;

impl LayoutSettings {
    fn chunks(&self) -> Sizes {
        let target_bytes = if self.shards.is_some() { CHUNK_BYTES_IN_SHARD } else { CHUNK_BYTES };
        self.chunks.clone().unwrap_or(Sizes::Automatic { target_bytes })
    }

    /// Returns the size in bytes of the blocks that determine an automatic layout, or `None` if the
    /// layout depends on no block.
    pub(crate) fn target_bytes(&self) -> Option<usize> {
        let target = |sizes: &Sizes| match sizes {
            Sizes::Automatic { target_bytes } => Some(*target_bytes),
            Sizes::Explicit(_) | Sizes::Blocks | Sizes::FirstBlock => None,
        };
        match &self.shards {
            // The shard shape determines the chunk shape.
            Some(Sizes::Explicit(_)) => None,
            shards => target(&self.chunks()).max(shards.as_ref().and_then(target)),
        }
    }

    /// Chooses the layout, after all blocks that it depends on have been seen. Fails if memory
    /// cannot hold a chunk or a shard of it.
    pub(crate) fn choose_in_memory(&self, seen: &Seen<'_>) -> Result<Layout> {
        let layout = self.choose(seen);
        if fits_memory(n_bytes(seen.dtype, layout.unit_shape()) as u128) {
            return Ok(layout);
        }
        Err(SettingError::ChunkShape {
            unit: if layout.shard_shape.is_some() { "shard" } else { "chunk" },
            shape: layout.unit_shape().to_vec(),
            reason: "memory cannot hold it",
        }
        .into())
    }

    /// Chooses the layout, after all blocks that it depends on have been seen.
    pub(crate) fn choose(&self, seen: &Seen<'_>) -> Layout {
        let chunk_shape = match (self.chunks(), &self.shards) {
            (Sizes::Explicit(shape), _) => shape,
            // Without elements, there is no chunk.
            (Sizes::FirstBlock, _) if seen.first_block.is_empty() => {
                automatic_chunk_shape(seen, CHUNK_BYTES)
            }
            (Sizes::Blocks | Sizes::FirstBlock, _) => seen.first_block.to_vec(),
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
            Sizes::Blocks | Sizes::FirstBlock => unreachable!("a shard is no block"),
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

    /// Checks everything that does not depend on the array.
    pub(crate) fn check(&self) -> Result<()> {
        for (unit, shape) in self.explicit_shapes() {
            if shape.contains(&0) {
                let reason = "every axis must have at least one element";
                return Err(SettingError::ChunkShape { unit, shape: shape.clone(), reason }.into());
            }
        }
        let is_of_blocks = matches!(self.chunks, Some(Sizes::Blocks | Sizes::FirstBlock));
        if is_of_blocks && self.shards.is_some() {
            return Err(SettingError::ShardsOfBlocks.into());
        }
        if let (Some(Sizes::Explicit(chunk_shape)), Some(Sizes::Explicit(shard_shape))) =
            (&self.chunks, &self.shards)
        {
            let divides = |(shard, chunk): (&usize, &usize)| shard.is_multiple_of(*chunk);
            if chunk_shape.len() != shard_shape.len()
                || !shard_shape.iter().zip(chunk_shape).all(divides)
            {
                return Err(SettingError::ShardShape {
                    shard_shape: shard_shape.clone(),
                    chunk_shape: chunk_shape.clone(),
                }
                .into());
            }
        }
        Ok(())
    }

    /// Checks everything that depends on the array's dtype and number of axes, and returns the
    /// maximum size of a chunk in bytes.
    pub(crate) fn check_array(&self, dtype: DType, n_axes: usize) -> Result<usize> {
        for (unit, shape) in self.explicit_shapes() {
            if shape.len() != n_axes {
                return Err(SettingError::ChunkRank { unit, shape: shape.clone(), n_axes }.into());
            }
            if isize::try_from(n_bytes(dtype, shape)).is_err() {
                let reason = "it is larger than any memory";
                return Err(SettingError::ChunkShape { unit, shape: shape.clone(), reason }.into());
            }
        }
        Ok(match self.chunks() {
            Sizes::Explicit(shape) => n_bytes(dtype, &shape),
            Sizes::Automatic { target_bytes } => target_bytes,
            // The size of each block is checked when it arrives.
            Sizes::Blocks | Sizes::FirstBlock => 0,
        })
    }
}

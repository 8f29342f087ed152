//! Settings of chunk and shard shapes.

use std::fmt;

use lazy_core::{BlockGrid, BlockSizes};
use serde::{Deserialize, Serialize};

/// The chunk and shard shapes that a user has set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayoutSettings {
    pub(crate) chunks: Option<Sizes>,
    pub(crate) shards: Option<Sizes>,
}

/// The sizes of chunks or shards: a target size in bytes, a shape, or those of the blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Sizes {
    Automatic {
        target_bytes: usize,
    },
    Explicit(Vec<usize>),
    /// The shapes of the blocks, in a rectilinear grid.
    Blocks,
    /// The shape of the first block. All blocks have it, except for smaller ones at the ends of the
    /// axes, so the grid is regular.
    FirstBlock,
}

impl LayoutSettings {
    /// Returns the settings for a sequence, whose blocks may be the chunks of a regular grid.
    pub(crate) fn for_grid(mut self, grid: Option<&BlockGrid>) -> LayoutSettings {
        let is_equal = |sizes: &BlockSizes| {
            let Some(last) = sizes.n_blocks().checked_sub(1) else { return false };
            let first = sizes.size(0);
            (1..=first).contains(&sizes.size(last)) && (1..last).all(|i| sizes.size(i) == first)
        };
        if self.is_of_blocks()
            && grid.is_some_and(|grid| is_equal(grid.rows()) && grid.columns().is_none_or(is_equal))
        {
            self.chunks = Some(Sizes::FirstBlock);
        }
        self
    }

    /// Returns true if each block is a chunk of a rectilinear grid.
    pub(crate) fn is_of_blocks(&self) -> bool {
        self.chunks == Some(Sizes::Blocks)
    }
}

impl fmt::Display for LayoutSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = |sizes: &Option<Sizes>, default| match sizes {
            None => default,
            Some(Sizes::Automatic { target_bytes }) => format!("of at most {target_bytes} bytes"),
            Some(Sizes::Explicit(shape)) => format!("of shape {shape:?}"),
            Some(Sizes::Blocks | Sizes::FirstBlock) => "as the blocks are".to_owned(),
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

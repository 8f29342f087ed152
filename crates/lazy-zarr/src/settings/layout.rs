//! Settings of chunk and shard shapes.

use std::fmt;

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
}

impl LayoutSettings {
    /// Returns true if each block is a chunk.
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
            Some(Sizes::Blocks) => "as the blocks are".to_owned(),
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

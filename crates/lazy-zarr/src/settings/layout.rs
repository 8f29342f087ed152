//! Settings of chunk and shard shapes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The chunk and shard shapes that a user has set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayoutSettings {
    pub(crate) chunks: Option<Sizes>,
    pub(crate) shards: Option<Sizes>,
}

/// An explicit shape, or a target size in bytes, of chunks or shards.
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

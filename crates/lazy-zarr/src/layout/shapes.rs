//! Shapes of chunks and shards, and the facts about blocks that automatic shapes depend on.

use lazy_core::{Cut, DType};
use serde::{Deserialize, Serialize};

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

/// The bytes of a dense array, saturating.
pub(crate) fn n_bytes(dtype: DType, shape: &[usize]) -> usize {
    shape.iter().fold(dtype.size(), |bytes, size| bytes.saturating_mul(*size))
}

//! Shapes of chunks and shards, and the properties of blocks that determine automatic shapes.

use lazy_core::{Cut, DType};
use serde::{Deserialize, Serialize};

/// The chunk shape and the shard shape of an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(crate) chunk_shape: Vec<usize>,
    /// The shard shape, a multiple of the chunk shape along each axis.
    pub(crate) shard_shape: Option<Vec<usize>>,
}

impl Layout {
    /// Returns the shape of the unit of writing: a shard if the array has shards, otherwise a
    /// chunk.
    pub(crate) fn unit_shape(&self) -> &[usize] {
        self.shard_shape.as_deref().unwrap_or(&self.chunk_shape)
    }

    /// Returns the number of units along each axis of an array of this shape.
    pub(crate) fn n_units(&self, shape: &[usize]) -> Vec<u64> {
        let axes = shape.iter().zip(self.unit_shape());
        axes.map(|(size, unit)| size.div_ceil(*unit) as u64).collect()
    }
}

/// The properties of the blocks seen so far, which determine an automatic layout.
pub(crate) struct Seen<'s> {
    pub(crate) cut: Cut,
    pub(crate) dtype: DType,
    /// The shape of the first block that has elements.
    pub(crate) first_block: &'s [usize],
    /// The size of all blocks so far, in bytes.
    pub(crate) n_bytes: usize,
    /// The array's shape without axis 0. If axis 1 is cut, its size is known from the end of the
    /// first band on, so that the layout does not depend on whether the size was declared.
    pub(crate) row_shape: &'s [Option<usize>],
    /// The number of columns of the first band so far.
    pub(crate) n_columns: usize,
    /// The array's size along axis 0, once its last block has been seen.
    pub(crate) n_rows: Option<usize>,
}

/// Returns the index along each axis of an item of a grid, from its position in C order.
pub(crate) fn index_in_grid(mut place: u64, grid: &[u64]) -> Vec<u64> {
    let mut index = vec![0; grid.len()];
    for (index, &along) in index.iter_mut().zip(grid).rev() {
        (*index, place) = (place % along, place / along);
    }
    index
}

/// Returns the size of a dense array in bytes, or `usize::MAX` if it overflows.
pub(crate) fn n_bytes(dtype: DType, shape: &[usize]) -> usize {
    shape.iter().fold(dtype.size(), |bytes, size| bytes.saturating_mul(*size))
}

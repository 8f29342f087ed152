//! Some of the blocks of a sequence.

use super::refused;
use crate::sequence::{LazyChunkSequence, NestedLazyChunkSequence, RandomAccess};
use crate::stream::PickRule;
use crate::{BlockGrid, Result};

macro_rules! pick {
    ($sequence:expr, $indices:expr, $operation:literal, $unit:literal) => {{
        let (sequence, indices) = ($sequence, $indices.into_iter().collect::<Vec<usize>>());
        let grid = picked(sequence.grid(), &indices, $operation, $unit)?;
        let rule = PickRule::new(indices, grid.blocks_per_band());
        Ok(Self {
            producer: K::derived(sequence.producer, &grid, rule),
            spec: sequence.spec.with_grid(grid),
            pass: sequence.pass,
        })
    }};
}

impl<'a, T: Send + 'a, K: RandomAccess> LazyChunkSequence<'a, T, K> {
    /// Keeps the blocks at these indices, in this order. An index may occur several times. Blocks
    /// that are left out are never computed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if there is no block with one of
    /// the indices.
    ///
    /// # Example
    ///
    /// Every tenth block:
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::LazyChunkSequence;
    ///
    /// let sequence = LazyChunkSequence::from_fn([1; 35], |i| i);
    /// assert_eq!(sequence.take_blocks((0..35).step_by(10))?.collect()?, [0, 10, 20, 30]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn take_blocks(self, indices: impl IntoIterator<Item = usize>) -> Result<Self> {
        pick!(self, indices, "take blocks", "block")
    }
}

impl<'a, T: Send + 'a, K: RandomAccess> NestedLazyChunkSequence<'a, T, K> {
    /// Keeps the bands at these indices, in this order. An index may occur several times. Blocks
    /// that are left out are never computed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSpec`](crate::ErrorKind::InvalidSpec) if there is no band with one of
    /// the indices.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::NestedLazyChunkSequence;
    ///
    /// let sequence = NestedLazyChunkSequence::from_fn([1; 4], [1; 2], |i, j| (i, j));
    /// assert_eq!(sequence.take_bands([3, 0])?.collect()?, [[(3, 0), (3, 1)], [(0, 0), (0, 1)]]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    pub fn take_bands(self, indices: impl IntoIterator<Item = usize>) -> Result<Self> {
        pick!(self, indices, "take bands", "band")
    }
}

/// Returns the grid of the blocks, or bands, at these indices.
fn picked(
    grid: &BlockGrid,
    indices: &[usize],
    operation: &'static str,
    unit: &'static str,
) -> Result<BlockGrid> {
    let rows = grid.rows();
    let mut sizes = Vec::with_capacity(indices.len());
    let mut total = 0_usize;
    for &index in indices {
        if index >= rows.n_blocks() {
            let problem =
                format!("there is no {unit} {index} in a sequence of {} {unit}s", rows.n_blocks());
            return Err(refused(operation, problem));
        }
        sizes.push(rows.size(index));
        total = total
            .checked_add(rows.size(index))
            .ok_or_else(|| refused(operation, "the array would have too many rows"))?;
    }
    Ok(match grid.columns() {
        Some(columns) => BlockGrid::rows_and_columns(sizes, columns.clone()),
        None => BlockGrid::rows_only(sizes),
    })
}

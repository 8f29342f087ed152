//! Assembling blocks of any sizes into whole chunks, or whole shards if there are shards.

mod chunk;
mod part;
mod unit;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use lazy_core::{ArrayBlock, BlockPool, BlockPosition};

use crate::error::Result;
use crate::layout::Layout;
use crate::layout::overlap::{Overlap, chunk_after, first_chunk, n_chunks, n_elements, origin};
use crate::settings::FillElement;
pub(crate) use chunk::Chunk;
use part::{Contents, Frame, Part};
pub(crate) use unit::Unit;

/// The least mean size of a block's parts, in bytes, for units to hold the block. Smaller parts are
/// copied into memory of the units: listing them would take as much time, and memory that counts.
pub(crate) const LEAST_PART: usize = 4 << 10;

/// Returns the most rows of a block that a unit of `unit_rows` rows holds while it waits for the
/// rows below. If the block has more rows, the unit copies its part. If a band is one block, a unit
/// holds only a single block at a time.
pub(crate) fn most_waiting_rows(unit_rows: usize, is_band: bool) -> usize {
    if is_band { unit_rows.saturating_mul(2) } else { unit_rows }
}

/// Takes blocks in order, and outputs each unit once, as soon as its last part arrives.
///
/// A unit does not copy its parts: it holds the blocks, and the encoder reads the elements from
/// them. Two kinds of parts are copied: parts so small that listing them would take long, and parts
/// that would keep a much larger block in memory for long.
#[derive(Debug)]
pub(crate) struct Assembler {
    frame: Arc<Frame>,
    /// The array's shape without axis 0. Its first entry is unknown during the first band of a
    /// nested sequence.
    row_shape: Vec<Option<usize>>,
    /// The units that wait for more parts, by index.
    open: BTreeMap<Vec<usize>, OpenUnit>,
    /// If the mean size of a block's parts is less than this many bytes, the parts are copied.
    least_part: usize,
    /// The memory of units with copied parts, which returns to the pool when they have been
    /// written.
    memory: BlockPool<u8>,
}

#[derive(Debug)]
struct OpenUnit {
    contents: Contents,
    n_filled: usize,
}

/// A receiver of units.
pub(crate) trait Output {
    /// Takes ownership of a unit.
    fn take(&mut self, unit: Unit) -> Result<()>;

    /// Returns true if a unit is already stored. It is called once for each unit, when all parts
    /// have arrived.
    fn is_stored(&mut self, unit: &[usize]) -> bool;
}

impl Assembler {
    /// Creates an assembler. `row_shape` is the array's shape without axis 0, as far as it is
    /// known.
    pub(crate) fn new(
        layout: &Layout,
        row_shape: Vec<Option<usize>>,
        fill: FillElement,
    ) -> Assembler {
        let frame = Arc::new(Frame::new(layout, fill));
        Assembler {
            frame,
            row_shape,
            open: BTreeMap::new(),
            least_part: LEAST_PART,
            memory: BlockPool::new(),
        }
    }

    /// Sets the array's size along axis 1, once the first band of a nested sequence has ended.
    /// Later calls have no effect.
    pub(crate) fn set_width(&mut self, width: usize, output: &mut dyn Output) -> Result<()> {
        if self.row_shape[0].replace(width).is_some() {
            return Ok(());
        }
        // Units at the right edge were waiting for columns beyond the array.
        let whole: Vec<_> = self
            .open
            .iter()
            .filter(|(index, unit)| unit.n_filled == n_elements(&self.valid_extent(index)))
            .map(|(index, _)| index.clone())
            .collect();
        whole.into_iter().try_for_each(|index| {
            let unit = self.open.remove(&index).expect("the index was found there");
            let extent = self.valid_extent(&index);
            self.hand_out(index, unit.contents, extent, output)
        })
    }

    /// Takes the parts of a block, and outputs the units that are now complete.
    pub(crate) fn push(
        &mut self,
        at: BlockPosition,
        block: &ArrayBlock,
        output: &mut dyn Output,
    ) -> Result<()> {
        if block.n_elements() == 0 {
            return Ok(());
        }
        let frame = Arc::clone(&self.frame);
        let (origin, shape) = (origin(at, block.shape().len()), block.shape());
        let are_small =
            block.data().len() / n_chunks(&origin, shape, &frame.unit_shape) < self.least_part;
        if !are_small && self.memory.n_free() > 0 {
            // Blocks that units hold take the place of this memory.
            self.memory = BlockPool::new();
        }
        let mut next = Some(first_chunk(&origin, &frame.unit_shape));
        while let Some(unit) = next {
            next = chunk_after(&unit, &origin, shape, &frame.unit_shape);
            let overlap = Overlap::new(&unit, &origin, shape, &frame.unit_shape);
            let part = if are_small || !self.is_wasteful(block, &overlap) {
                Part::of_block(block, overlap)
            } else {
                Part::copied(block, overlap)
            };
            self.add(unit, part, are_small, output)?;
        }
        Ok(())
    }

    /// Outputs the remaining units: the last row of units, which the array's end cuts.
    pub(crate) fn finish(&mut self, n_rows: usize, output: &mut dyn Output) -> Result<()> {
        while let Some((index, unit)) = self.open.pop_first() {
            let mut extent = self.valid_extent(&index);
            extent[0] = extent[0].min(n_rows - index[0] * self.frame.unit_shape[0]);
            debug_assert_eq!(unit.n_filled, n_elements(&extent));
            self.hand_out(index, unit.contents, extent, output)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        index: Vec<usize>,
        part: Part,
        is_small: bool,
        output: &mut dyn Output,
    ) -> Result<()> {
        let valid = self.valid_extent(&index);
        let n_valid = n_elements(&valid);
        let n_new = n_elements(&part.overlap.extent);
        let add = |contents: &mut Contents| contents.add(part, is_small, &self.frame, &self.memory);
        let (index, contents) = match self.open.entry(index) {
            Entry::Vacant(place) => {
                let mut contents = Contents::Parts(Vec::new());
                add(&mut contents)?;
                if n_new < n_valid {
                    place.insert(OpenUnit { contents, n_filled: n_new });
                    return Ok(());
                }
                (place.into_key(), contents)
            }
            Entry::Occupied(mut open) => {
                let unit = open.get_mut();
                add(&mut unit.contents)?;
                unit.n_filled += n_new;
                if unit.n_filled < n_valid {
                    return Ok(());
                }
                let (index, unit) = open.remove_entry();
                (index, unit.contents)
            }
        };
        self.hand_out(index, contents, valid, output)
    }

    /// Returns true if a unit that holds a block for its part would keep too much memory for too
    /// long.
    fn is_wasteful(&self, block: &ArrayBlock, overlap: &Overlap) -> bool {
        let (unit_rows, block_rows) = (self.frame.unit_shape[0], block.shape()[0]);
        let is_band = self.row_shape.first().is_none_or(|width| *width == Some(block.shape()[1]));
        let n_missing = unit_rows - (overlap.in_chunk[0] + overlap.extent[0]);
        let n_beyond = block_rows - overlap.extent[0];
        // The unit is complete after the next band, if that has as many rows.
        let is_for_long = n_missing > block_rows;
        let is_high = block_rows > most_waiting_rows(unit_rows, is_band);
        n_missing > 0 && n_beyond > unit_rows / 4 && (is_for_long || is_high)
    }

    /// Outputs a complete unit, unless it is already stored.
    fn hand_out(
        &self,
        index: Vec<usize>,
        contents: Contents,
        extent: Vec<usize>,
        output: &mut dyn Output,
    ) -> Result<()> {
        if output.is_stored(&index) {
            return Ok(());
        }
        output.take(Unit::new(index, &self.frame, extent, contents))
    }

    /// Returns the size of a unit's part within the array, as far as the array's end is known: all
    /// rows, and all columns while the width is unknown.
    fn valid_extent(&self, index: &[usize]) -> Vec<usize> {
        let mut extent = self.frame.unit_shape.clone();
        for (axis, size) in self.row_shape.iter().enumerate() {
            let axis = axis + 1;
            if let Some(size) = size {
                extent[axis] = extent[axis].min(size - index[axis] * self.frame.unit_shape[axis]);
            }
        }
        extent
    }
}

#[cfg(test)]
pub(crate) mod tests;

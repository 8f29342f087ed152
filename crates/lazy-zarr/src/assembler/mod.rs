//! Cutting blocks of any sizes into whole chunks, and whole shards where there are shards.

mod frame;
mod unit;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use lazy_core::{ArrayBlock, BlockPool, BlockPosition};

use crate::Result;
use crate::format::FillElement;
use crate::layout::Layout;
use crate::overlap::{Overlap, chunk_after, first_chunk, n_elements, origin};
use frame::Frame;
use unit::SharedUnit;
pub(crate) use unit::{Task, Unit};

/// Takes blocks in order and hands each unit out once, as soon as all its parts are on their way.
#[derive(Debug)]
pub(crate) struct Assembler {
    frame: Arc<Frame>,
    /// The array's shape without axis 0; its first entry is unknown while the first band of a
    /// nested sequence lasts.
    row_shape: Vec<Option<usize>>,
    /// Units that wait for parts, by index.
    open: BTreeMap<Vec<usize>, OpenUnit>,
    /// The memory of units, which comes back when they have been written.
    memory: BlockPool<u8>,
}

#[derive(Debug)]
struct OpenUnit {
    unit: Arc<SharedUnit>,
    /// The elements that are there or on their way.
    n_filled: usize,
}

/// Where units go.
pub(crate) trait Output {
    /// Takes a task over, waiting while there is no room for it.
    fn take(&mut self, task: Task) -> Result<()>;

    /// Whether a unit is stored already. It is asked for once, when all its parts are on their way.
    fn is_stored(&mut self, unit: &[usize]) -> bool;
}

/// Parts of fewer bytes are copied where they come up: handing them over would take longer. The arrays of this
/// module's tests are small.
const LEAST_PIECE: usize = if cfg!(test) { 16 } else { 32 << 10 };

impl Assembler {
    /// `row_shape` is the array's shape without axis 0, as far as it is known.
    pub(crate) fn new(
        layout: &Layout,
        row_shape: Vec<Option<usize>>,
        fill: FillElement,
    ) -> Assembler {
        let frame = Arc::new(Frame::new(layout, fill));
        Assembler { frame, row_shape, open: BTreeMap::new(), memory: BlockPool::new() }
    }

    /// Tells the array's size along axis 1, from the end of a nested sequence's first band on. Only
    /// the first time matters.
    pub(crate) fn set_width(&mut self, width: usize, output: &mut dyn Output) -> Result<()> {
        if self.row_shape[0].replace(width).is_some() {
            return Ok(());
        }
        // Units at the right edge were waiting for columns that do not come.
        let whole: Vec<_> = self
            .open
            .iter()
            .filter(|(index, unit)| unit.n_filled == n_elements(&self.valid_extent(index)))
            .map(|(index, _)| index.clone())
            .collect();
        whole.into_iter().try_for_each(|index| {
            let unit = self.open.remove(&index).expect("the index was found there");
            let extent = self.valid_extent(&index);
            close(&index, &unit, extent, output)
        })
    }

    /// Hands out the parts of a block, and the units of which it has the last.
    pub(crate) fn push(
        &mut self,
        at: BlockPosition,
        block: &ArrayBlock,
        output: &mut dyn Output,
    ) -> Result<()> {
        if block.n_elements() == 0 {
            return Ok(());
        }
        let (origin, shape) = (origin(at, block.shape().len()), block.shape());
        let unit_shape = &self.frame.unit_shape;
        if shape == unit_shape
            && self.frame.chunks_are_in_order()
            && origin.iter().zip(shape).all(|(start, size)| start.is_multiple_of(*size))
        {
            // The block is the unit.
            let index = first_chunk(&origin, unit_shape);
            return match output.is_stored(&index) {
                true => Ok(()),
                false => output.take(Task::Put(Unit { index, data: block.data().clone() })),
            };
        }
        let frame = Arc::clone(&self.frame);
        let mut next = Some(first_chunk(&origin, &frame.chunk_shape));
        while let Some(chunk) = next {
            next = chunk_after(&chunk, &origin, shape, &frame.chunk_shape);
            let overlap = Overlap::new(chunk, &origin, shape, &frame.chunk_shape);
            self.add(overlap, block, output)?;
        }
        Ok(())
    }

    /// Hands out the units of the last row of them, which the array's end leaves incomplete.
    pub(crate) fn finish(&mut self, n_rows: usize, output: &mut dyn Output) -> Result<()> {
        while let Some((index, unit)) = self.open.pop_first() {
            let mut extent = self.valid_extent(&index);
            extent[0] = extent[0].min(n_rows - index[0] * self.frame.unit_shape[0]);
            debug_assert_eq!(unit.n_filled, n_elements(&extent));
            close(&index, &unit, extent, output)?;
        }
        Ok(())
    }

    fn add(&mut self, overlap: Overlap, block: &ArrayBlock, output: &mut dyn Output) -> Result<()> {
        let index = self.frame.unit_of(&overlap.chunk);
        let valid = self.valid_extent(&index);
        let open = match self.open.entry(index.clone()) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let data = self.memory.buffer([self.frame.unit_bytes()])?;
                let unit = SharedUnit::new(index.clone(), &self.frame, data);
                place.insert(OpenUnit { unit, n_filled: 0 })
            }
        };
        let n_elements_of_piece = n_elements(&overlap.extent);
        open.n_filled += n_elements_of_piece;
        if n_elements_of_piece * block.dtype().size() < LEAST_PIECE {
            open.unit.add(block, &overlap);
        } else {
            output.take(Task::Copy(open.unit.piece(block, overlap)))?;
        }
        if open.n_filled < n_elements(&valid) {
            return Ok(());
        }
        let open = self.open.remove(&index).expect("the unit was just filled");
        close(&index, &open, valid, output)
    }

    /// The box of a unit that lies within the array, as far as its end is known: all rows, and all
    /// columns while the width is unknown.
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

/// Hands a unit out for which no more parts come, unless it is stored already.
fn close(
    index: &[usize],
    open: &OpenUnit,
    extent: Vec<usize>,
    output: &mut dyn Output,
) -> Result<()> {
    if output.is_stored(index) {
        return Ok(());
    }
    match open.unit.close(extent) {
        Some(unit) => output.take(Task::Put(unit)),
        // The thread that copies its last piece goes on with it.
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;

//! Cutting blocks of any sizes into whole chunks, and whole shards where there are shards.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use lazy_core::{ArrayBlock, BlockBuffer, BlockPool, BlockPosition};

use crate::Result;
use crate::format::FillElement;
use crate::layout::Layout;
use crate::overlap::{Overlap, chunk_after, copy_bytes, first_chunk, n_elements, origin};

/// A whole unit of what is written: a chunk, or a shard where there are shards; padded with the fill value
/// where it lies outside of the array.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The index along each axis, among units.
    pub(crate) index: Vec<usize>,
    /// The elements' native-endian bytes: chunk after chunk, each in C order.
    pub(crate) data: Bytes,
}

/// Takes blocks in order and emits each unit once, as soon as it is whole.
#[derive(Debug)]
pub(crate) struct Assembler {
    unit_shape: Vec<usize>,
    chunk_shape: Vec<usize>,
    /// The chunks along each axis of a unit.
    chunks_along: Vec<usize>,
    /// The array's shape without axis 0; its first entry is unknown while the first band of a
    /// nested sequence lasts.
    row_shape: Vec<Option<usize>>,
    fill: FillElement,
    /// Units that are not whole yet, by index.
    open: BTreeMap<Vec<usize>, OpenUnit>,
    /// The memory of units, which comes back when they have been written.
    memory: BlockPool<u8>,
}

#[derive(Debug)]
struct OpenUnit {
    data: BlockBuffer<u8>,
    n_filled: usize,
}

impl Assembler {
    /// `row_shape` is the array's shape without axis 0, as far as it is known.
    pub(crate) fn new(
        layout: &Layout,
        row_shape: Vec<Option<usize>>,
        fill: FillElement,
    ) -> Assembler {
        let (unit_shape, chunk_shape) = (layout.unit_shape().to_vec(), layout.chunk_shape.clone());
        let chunks_along = unit_shape.iter().zip(&chunk_shape).map(|(u, c)| u / c).collect();
        let (open, memory) = (BTreeMap::new(), BlockPool::new());
        Assembler { unit_shape, chunk_shape, chunks_along, row_shape, fill, open, memory }
    }

    /// Tells the array's size along axis 1, from the end of a nested sequence's first band on. Only
    /// the first time matters.
    pub(crate) fn set_width(
        &mut self,
        width: usize,
        emit: &mut dyn FnMut(Unit) -> Result<()>,
    ) -> Result<()> {
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
            emit(self.padded(index, unit.data, &extent))
        })
    }

    /// Copies a block into the chunks it overlaps, and emits the units that it makes whole.
    pub(crate) fn push(
        &mut self,
        at: BlockPosition,
        block: &ArrayBlock,
        emit: &mut dyn FnMut(Unit) -> Result<()>,
    ) -> Result<()> {
        if block.n_elements() == 0 {
            return Ok(());
        }
        let (origin, shape) = (origin(at, block.shape().len()), block.shape());
        if shape == self.unit_shape
            && self.chunks_are_in_order()
            && origin.iter().zip(shape).all(|(start, size)| start.is_multiple_of(*size))
        {
            // The block is the unit.
            let index = first_chunk(&origin, &self.unit_shape);
            return emit(Unit { index, data: block.data().clone() });
        }
        let mut next = Some(first_chunk(&origin, &self.chunk_shape));
        while let Some(chunk) = next {
            next = chunk_after(&chunk, &origin, shape, &self.chunk_shape);
            let overlap = Overlap::new(chunk, &origin, shape, &self.chunk_shape);
            self.add(overlap, block, emit)?;
        }
        Ok(())
    }

    /// Emits the units of the last row of them, which the array's end leaves incomplete.
    pub(crate) fn finish(
        &mut self,
        n_rows: usize,
        emit: &mut dyn FnMut(Unit) -> Result<()>,
    ) -> Result<()> {
        while let Some((index, unit)) = self.open.pop_first() {
            let mut extent = self.valid_extent(&index);
            extent[0] = extent[0].min(n_rows - index[0] * self.unit_shape[0]);
            debug_assert_eq!(unit.n_filled, n_elements(&extent));
            emit(self.padded(index, unit.data, &extent))?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        overlap: Overlap,
        block: &ArrayBlock,
        emit: &mut dyn FnMut(Unit) -> Result<()>,
    ) -> Result<()> {
        let Overlap { chunk, in_block, in_chunk, extent } = overlap;
        let along = || chunk.iter().zip(&self.chunks_along);
        let index: Vec<_> = along().map(|(i, n)| i / n).collect();
        let place = along().fold(0, |place, (i, n)| place * n + i % n);
        let item_size = block.dtype().size();
        let chunk_bytes = n_elements(&self.chunk_shape) * item_size;
        let unit_bytes = n_elements(&self.unit_shape) * item_size;
        let valid = self.valid_extent(&index);
        let OpenUnit { data, n_filled } = match self.open.entry(index.clone()) {
            Entry::Occupied(unit) => unit.into_mut(),
            Entry::Vacant(place) => {
                place.insert(OpenUnit { data: self.memory.buffer([unit_bytes])?, n_filled: 0 })
            }
        };
        copy_bytes(
            item_size,
            (block.data(), block.shape(), &in_block),
            (&mut data[place * chunk_bytes..][..chunk_bytes], &self.chunk_shape, &in_chunk),
            &extent,
        );
        *n_filled += n_elements(&extent);
        if *n_filled < n_elements(&valid) {
            return Ok(());
        }
        let unit = self.open.remove(&index).expect("the unit was just filled");
        emit(self.padded(index, unit.data, &valid))
    }

    /// Whether the chunks of a unit, one after the other, are its elements in C order.
    fn chunks_are_in_order(&self) -> bool {
        // Up to some axis a chunk has one index, and from the next one on all that the unit has.
        let n_single = self.chunk_shape.iter().take_while(|size| **size == 1).count();
        let whole = (n_single + 1).min(self.chunk_shape.len());
        self.chunk_shape[whole..] == self.unit_shape[whole..]
    }

    /// The box of a unit that lies within the array, as far as its end is known: all rows, and all
    /// columns while the width is unknown.
    fn valid_extent(&self, index: &[usize]) -> Vec<usize> {
        let mut extent = self.unit_shape.clone();
        for (axis, size) in self.row_shape.iter().enumerate() {
            let axis = axis + 1;
            if let Some(size) = size {
                extent[axis] = extent[axis].min(size - index[axis] * self.unit_shape[axis]);
            }
        }
        extent
    }

    /// A unit whose elements outside of `extent` are the fill value.
    fn padded(&self, index: Vec<usize>, mut data: BlockBuffer<u8>, extent: &[usize]) -> Unit {
        if extent != self.unit_shape {
            let zero = vec![0; extent.len()];
            let mut next = Some(zero.clone());
            for chunk in
                data.chunks_exact_mut(n_elements(&self.chunk_shape) * self.fill.bytes.len())
            {
                let place = next.expect("a place for each chunk");
                let in_chunk: Vec<_> = (0..extent.len())
                    .map(|axis| {
                        let size = self.chunk_shape[axis];
                        extent[axis].saturating_sub(place[axis] * size).min(size)
                    })
                    .collect();
                fill_outside(&self.fill.bytes, chunk, &self.chunk_shape, &in_chunk);
                next = chunk_after(&place, &zero, &self.unit_shape, &self.chunk_shape);
            }
        }
        Unit { index, data: data.into_block().data().clone() }
    }
}

/// Gives the elements of an array that lie outside of the box of this extent at its beginning one value.
fn fill_outside(element: &[u8], array: &mut [u8], shape: &[usize], extent: &[usize]) {
    if shape == extent {
        return;
    }
    let row_bytes = n_elements(&shape[1..]) * element.len();
    let (inside, outside) = array.split_at_mut(extent[0] * row_bytes);
    outside.chunks_exact_mut(element.len()).for_each(|bytes| bytes.copy_from_slice(element));
    for row in inside.chunks_exact_mut(row_bytes) {
        fill_outside(element, row, &shape[1..], &extent[1..]);
    }
}

#[cfg(test)]
mod tests;

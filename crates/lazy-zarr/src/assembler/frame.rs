//! What all units of an array have in common: how chunks lie in them.

use crate::format::FillElement;
use crate::layout::Layout;
use crate::overlap::{chunk_after, n_elements};

/// How chunks lie in a unit, which holds one after the other, each in C order.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) unit_shape: Vec<usize>,
    pub(super) chunk_shape: Vec<usize>,
    /// The chunks along each axis of a unit.
    chunks_along: Vec<usize>,
    fill: FillElement,
    chunk_bytes: usize,
}

impl Frame {
    pub(super) fn new(layout: &Layout, fill: FillElement) -> Frame {
        let (unit_shape, chunk_shape) = (layout.unit_shape().to_vec(), layout.chunk_shape.clone());
        let chunks_along = unit_shape.iter().zip(&chunk_shape).map(|(u, c)| u / c).collect();
        let chunk_bytes = n_elements(&chunk_shape) * fill.bytes.len();
        Frame { unit_shape, chunk_shape, chunks_along, fill, chunk_bytes }
    }

    pub(super) fn unit_bytes(&self) -> usize {
        n_elements(&self.unit_shape) * self.fill.bytes.len()
    }

    /// The index of the unit that a chunk of the array lies in.
    pub(super) fn unit_of(&self, chunk: &[usize]) -> Vec<usize> {
        chunk.iter().zip(&self.chunks_along).map(|(i, n)| i / n).collect()
    }

    /// The bytes of a chunk of the array in its unit.
    pub(super) fn chunk_mut<'u>(&self, unit: &'u mut [u8], chunk: &[usize]) -> &'u mut [u8] {
        let along = chunk.iter().zip(&self.chunks_along);
        let place = along.fold(0, |place, (i, n)| place * n + i % n);
        &mut unit[place * self.chunk_bytes..][..self.chunk_bytes]
    }

    /// Whether the chunks of a unit, one after the other, are its elements in C order.
    pub(super) fn chunks_are_in_order(&self) -> bool {
        // Up to some axis a chunk has one index, and from the next one on all that the unit has.
        let n_single = self.chunk_shape.iter().take_while(|size| **size == 1).count();
        let whole = (n_single + 1).min(self.chunk_shape.len());
        self.chunk_shape[whole..] == self.unit_shape[whole..]
    }

    /// Makes the elements of a unit outside of `extent` the fill value.
    pub(super) fn pad(&self, unit: &mut [u8], extent: &[usize]) {
        if extent == self.unit_shape {
            return;
        }
        let zero = vec![0; extent.len()];
        let mut next = Some(zero.clone());
        for chunk in unit.chunks_exact_mut(self.chunk_bytes) {
            let place = next.expect("there is a place for each chunk");
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

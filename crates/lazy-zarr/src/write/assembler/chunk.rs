//! A chunk whose elements lie in one or several blocks.

use bytes::Bytes;

use super::part::{Frame, Part};
use crate::layout::overlap::{Overlap, copy_bytes, n_elements, runs_of_bytes};

/// A whole chunk of a unit. Its elements outside the array are the fill value.
pub(crate) struct Chunk<'u> {
    frame: &'u Frame,
    /// The size along each axis of the chunk's part within the array, or `None` if it is empty.
    extent: Option<Vec<usize>>,
    /// The parts that fill the extent.
    parts: Vec<ChunkPart<'u>>,
}

/// The overlap of a chunk and a part of its unit.
struct ChunkPart<'u> {
    data: &'u Bytes,
    shape: &'u [usize],
    overlap: Overlap,
}

impl<'u> Chunk<'u> {
    /// Creates the chunk at an index in a unit. `extent` is the unit's size within the array.
    pub(super) fn new(
        frame: &'u Frame,
        index: &[usize],
        extent: &[usize],
        parts: &'u [Part],
    ) -> Chunk<'u> {
        let shape = &frame.chunk_shape;
        let start: Vec<_> = index.iter().zip(shape).map(|(i, size)| i * size).collect();
        let zero = vec![0; start.len()];
        let within = Overlap::of_boxes((&zero, extent), (&start, shape));
        let parts = parts.iter().filter_map(|part| {
            let Overlap { in_block, in_chunk, extent } = &part.overlap;
            let mut overlap = Overlap::of_boxes((in_chunk, extent), (&start, shape))?;
            overlap
                .in_block
                .iter_mut()
                .zip(in_block)
                .for_each(|(start, of_part)| *start += of_part);
            Some(ChunkPart { data: &part.data, shape: &part.shape, overlap })
        });
        Chunk { frame, extent: within.map(|within| within.extent), parts: parts.collect() }
    }

    /// Returns the size of all elements in bytes.
    pub(crate) fn n_bytes(&self) -> usize {
        n_elements(&self.frame.chunk_shape) * self.frame.item_size()
    }

    /// Returns true if no element lies within the array.
    pub(crate) fn is_outside(&self) -> bool {
        self.extent.is_none()
    }

    /// Returns the elements in C order without a copy, as slices of blocks, one after the other.
    /// Returns `None` if the mean length of the slices is less than `least_bytes`, or if a part of
    /// the chunk lies outside the array.
    pub(crate) fn slices(&self, least_bytes: usize) -> Option<Vec<&'u [u8]>> {
        let shape = &self.frame.chunk_shape;
        if self.extent.as_ref() != Some(shape) {
            return None;
        }
        let item_size = self.frame.item_size();
        let mut n_slices = 0_usize;
        let lists = self.parts.iter().map(|part| {
            let Overlap { in_block, in_chunk, extent } = &part.overlap;
            let runs = runs_of_bytes(item_size, (part.shape, in_block), (shape, in_chunk), extent);
            n_slices += n_elements(extent) * item_size / runs.length();
            (part.data, runs)
        });
        let lists: Vec<_> = lists.collect();
        if n_slices.saturating_mul(least_bytes) > self.n_bytes() {
            return None;
        }
        let mut slices = Vec::with_capacity(n_slices);
        for (data, runs) in lists {
            let length = runs.length();
            slices.extend(runs.map(|(from, to)| (to, &data[from..from + length])));
        }
        // Within each part, the slices are in order.
        slices.sort_by_key(|(to, _)| *to);
        Some(slices.into_iter().map(|(_, slice)| slice).collect())
    }

    /// Returns the elements in C order as a piece of their block, without a copy, if they lie in one
    /// piece.
    pub(crate) fn shared(&self) -> Option<Bytes> {
        let [part] = &self.parts[..] else { return None };
        let slices = self.slices(self.n_bytes())?;
        Some(part.data.slice_ref(slices[0]))
    }

    /// Copies the elements in C order into `elements`.
    pub(crate) fn gather(&self, elements: &mut [u8]) {
        let frame = self.frame;
        for part in &self.parts {
            let Overlap { in_block, in_chunk, extent } = &part.overlap;
            copy_bytes(
                frame.item_size(),
                (part.data, part.shape, in_block),
                (elements, &frame.chunk_shape, in_chunk),
                extent,
            );
        }
        match &self.extent {
            Some(extent) => fill_outside(&frame.fill.bytes, elements, &frame.chunk_shape, extent),
            None => fill(&frame.fill.bytes, elements),
        }
    }
}

/// Fills the elements of an array outside the box of this extent at its start with one value.
fn fill_outside(element: &[u8], array: &mut [u8], shape: &[usize], extent: &[usize]) {
    if shape == extent {
        return;
    }
    let row_bytes = n_elements(&shape[1..]) * element.len();
    let (inside, outside) = array.split_at_mut(extent[0] * row_bytes);
    fill(element, outside);
    for row in inside.chunks_exact_mut(row_bytes) {
        fill_outside(element, row, &shape[1..], &extent[1..]);
    }
}

/// Fills an array with one element.
fn fill(element: &[u8], array: &mut [u8]) {
    let n_bytes = array.len();
    let mut n_filled = element.len().min(n_bytes);
    array[..n_filled].copy_from_slice(&element[..n_filled]);
    while n_filled < n_bytes {
        let n_more = n_filled.min(n_bytes - n_filled);
        array.copy_within(..n_more, n_filled);
        n_filled += n_more;
    }
}

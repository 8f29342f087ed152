//! The overlaps of blocks and chunks.

use lazy_core::{BlockPosition, CommonRuns, copy_region};

/// The box of array elements in which one block and one chunk overlap.
#[derive(Debug)]
pub(crate) struct Overlap {
    /// The first index of the box in the block.
    pub(crate) in_block: Vec<usize>,
    /// The first index of the box in the chunk.
    pub(crate) in_chunk: Vec<usize>,
    /// The size of the box along each axis.
    pub(crate) extent: Vec<usize>,
}

impl Overlap {
    /// Returns the overlap of the chunk with this index and a block of shape `shape` at `origin`.
    /// They must overlap.
    pub(crate) fn new(
        chunk: &[usize],
        origin: &[usize],
        shape: &[usize],
        chunk_shape: &[usize],
    ) -> Overlap {
        let start: Vec<_> = chunk.iter().zip(chunk_shape).map(|(i, size)| i * size).collect();
        let overlap = Overlap::of_boxes((origin, shape), (&start, chunk_shape));
        overlap.expect("the chunk is one of the block's")
    }

    /// Returns the overlap of two boxes, each given by its first index and its shape, or `None` if
    /// they do not overlap.
    pub(crate) fn of_boxes(
        block: (&[usize], &[usize]),
        chunk: (&[usize], &[usize]),
    ) -> Option<Overlap> {
        let n_axes = block.0.len();
        let mut overlap = Overlap {
            in_block: vec![0; n_axes],
            in_chunk: vec![0; n_axes],
            extent: vec![0; n_axes],
        };
        for axis in 0..n_axes {
            let start = block.0[axis].max(chunk.0[axis]);
            let end = (block.0[axis] + block.1[axis]).min(chunk.0[axis] + chunk.1[axis]);
            overlap.in_block[axis] = start - block.0[axis];
            overlap.in_chunk[axis] = start - chunk.0[axis];
            overlap.extent[axis] = end.checked_sub(start).filter(|size| *size > 0)?;
        }
        Some(overlap)
    }
}

/// Returns the index in the array of the first element of a block.
pub(crate) fn origin(at: BlockPosition, n_axes: usize) -> Vec<usize> {
    let mut origin = vec![0; n_axes];
    origin[0] = at.row;
    if at.column > 0 {
        origin[1] = at.column;
    }
    origin
}

/// Returns the first chunk in C order that a block at `origin` overlaps.
pub(crate) fn first_chunk(origin: &[usize], chunk_shape: &[usize]) -> Vec<usize> {
    origin.iter().zip(chunk_shape).map(|(start, size)| start / size).collect()
}

/// Returns the number of chunks that a block of this shape at `origin` overlaps. The block must not
/// be empty.
pub(crate) fn n_chunks(origin: &[usize], shape: &[usize], chunk_shape: &[usize]) -> usize {
    let axes = origin.iter().zip(shape).zip(chunk_shape);
    axes.map(|((start, size), chunk)| (start + size - 1) / chunk - start / chunk + 1).product()
}

/// Returns the next chunk in C order that a block of this shape at `origin` overlaps, or `None`
/// after the last one.
pub(crate) fn chunk_after(
    chunk: &[usize],
    origin: &[usize],
    shape: &[usize],
    chunk_shape: &[usize],
) -> Option<Vec<usize>> {
    let mut next = chunk.to_vec();
    for axis in (0..next.len()).rev() {
        next[axis] += 1;
        if next[axis] * chunk_shape[axis] < origin[axis] + shape[axis] {
            return Some(next);
        }
        next[axis] = origin[axis] / chunk_shape[axis];
    }
    None
}

pub(crate) fn n_elements(extent: &[usize]) -> usize {
    extent.iter().product()
}

/// Copies a box between two arrays whose elements have `item_size` bytes. Each array is given with
/// its shape and the first index of the box in it.
pub(crate) fn copy_bytes(
    item_size: usize,
    (source, source_shape, source_start): (&[u8], &[usize], &[usize]),
    (target, target_shape, target_start): (&mut [u8], &[usize], &[usize]),
    extent: &[usize],
) {
    copy_region(
        source,
        &with(source_shape, item_size),
        &with(source_start, 0),
        target,
        &with(target_shape, item_size),
        &with(target_start, 0),
        &with(extent, item_size),
    );
}

/// Returns the runs of a box, as [`CommonRuns`] yields them, in bytes.
pub(crate) fn runs_of_bytes(
    item_size: usize,
    (one_shape, one_start): (&[usize], &[usize]),
    (other_shape, other_start): (&[usize], &[usize]),
    extent: &[usize],
) -> CommonRuns {
    CommonRuns::new(
        (&with(one_shape, item_size), &with(one_start, 0)),
        (&with(other_shape, item_size), &with(other_start, 0)),
        &with(extent, item_size),
    )
}

/// Appends an axis for the bytes of an element.
fn with(sizes: &[usize], last: usize) -> Vec<usize> {
    [sizes, &[last]].concat()
}

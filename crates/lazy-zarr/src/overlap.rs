//! What blocks and chunks have in common.

use lazy_core::{BlockPosition, copy_region};

/// A box of array elements that one block and one chunk have in common.
#[derive(Debug)]
pub(crate) struct Overlap {
    /// The chunk's index along each axis.
    pub(crate) chunk: Vec<usize>,
    /// Where the box begins in the block.
    pub(crate) in_block: Vec<usize>,
    /// Where it begins in the chunk.
    pub(crate) in_chunk: Vec<usize>,
    /// Its size along each axis.
    pub(crate) extent: Vec<usize>,
}

impl Overlap {
    /// Of a chunk, and a block of this shape at `origin`.
    pub(crate) fn new(
        chunk: Vec<usize>,
        origin: &[usize],
        shape: &[usize],
        chunk_shape: &[usize],
    ) -> Overlap {
        let n_axes = shape.len();
        let mut overlap = Overlap {
            chunk,
            in_block: vec![0; n_axes],
            in_chunk: vec![0; n_axes],
            extent: vec![0; n_axes],
        };
        for axis in 0..n_axes {
            let chunk_start = overlap.chunk[axis] * chunk_shape[axis];
            let start = chunk_start.max(origin[axis]);
            let end = (chunk_start + chunk_shape[axis]).min(origin[axis] + shape[axis]);
            overlap.in_block[axis] = start - origin[axis];
            overlap.in_chunk[axis] = start - chunk_start;
            overlap.extent[axis] = end - start;
        }
        overlap
    }
}

/// The array's index of the first element of a block.
pub(crate) fn origin(at: BlockPosition, n_axes: usize) -> Vec<usize> {
    let mut origin = vec![0; n_axes];
    origin[0] = at.row;
    if at.column > 0 {
        origin[1] = at.column;
    }
    origin
}

/// The first chunk in C order that a block at `origin` overlaps.
pub(crate) fn first_chunk(origin: &[usize], chunk_shape: &[usize]) -> Vec<usize> {
    origin.iter().zip(chunk_shape).map(|(start, size)| start / size).collect()
}

/// The next chunk in C order that a block of this shape at `origin` overlaps.
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

/// Copies a box between arrays whose elements have `item_size` bytes; each array is given with its
/// shape and the start of the box in it.
pub(crate) fn copy_bytes(
    item_size: usize,
    (source, source_shape, source_start): (&[u8], &[usize], &[usize]),
    (target, target_shape, target_start): (&mut [u8], &[usize], &[usize]),
    extent: &[usize],
) {
    // The bytes of an element are the elements of one more axis.
    let with = |sizes: &[usize], last: usize| [sizes, &[last]].concat();
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

//! Automatic chunk and shard shapes, which depend on the first blocks.

use lazy_core::{Cut, DType};

use super::shapes::{Seen, n_bytes};

/// Returns a chunk shape of at most `target_bytes`, based on the first block that has elements.
///
/// Blocks are joined along the columns first. Only bands of the full width are joined along the
/// rows. A chunk is never larger than the blocks seen so far, and therefore never larger than the
/// array. An array that is smaller than the target is one chunk.
pub(super) fn automatic_chunk_shape(seen: &Seen<'_>, target_bytes: usize) -> Vec<usize> {
    if let Some(n_rows) = seen.n_rows
        && seen.n_bytes <= target_bytes
    {
        let shape = std::iter::once(Some(n_rows)).chain(seen.row_shape.iter().copied());
        let shape = shape.map(|size| size.unwrap_or(1).max(1)).collect();
        // The shape can exceed the target if one of the array's sizes is 0, since it has at least
        // one element.
        return cut_to_fit(seen.dtype, shape, target_bytes);
    }
    let target_bytes = target_bytes.min(seen.n_bytes);
    let mut shape = seen.first_block.to_vec();
    let block_bytes = n_bytes(seen.dtype, &shape);
    if block_bytes > target_bytes {
        return cut_to_fit(seen.dtype, shape, target_bytes);
    }
    if seen.cut == Cut::RowsAndColumns {
        let widest = target_bytes / block_bytes * shape[1];
        match seen.row_shape[0] {
            Some(width) if width <= widest => shape[1] = width,
            _ => {
                shape[1] = widest;
                return shape;
            }
        }
    }
    shape[0] = shape[0].saturating_mul(target_bytes / n_bytes(seen.dtype, &shape));
    shape
}

/// Returns a shard shape of at least one chunk, and otherwise of at most `target_bytes`.
///
/// Chunks are joined along the last axis first. When they span the array there, or everything seen
/// of it, they are joined along the axis before it. A shard is never larger than the array, rounded
/// up to whole chunks.
pub(super) fn automatic_shard_shape(
    seen: &Seen<'_>,
    chunk_shape: &[usize],
    target_bytes: usize,
) -> Vec<usize> {
    // Until the number of rows is known, only the blocks seen so far are certain to exist.
    let target_bytes = match seen.n_rows {
        Some(_) => target_bytes,
        None => target_bytes.min(seen.n_bytes),
    };
    let mut shape = chunk_shape.to_vec();
    for axis in (0..shape.len()).rev() {
        let size = if axis == 0 { seen.n_rows } else { seen.row_shape[axis - 1] };
        let at_least = if axis == 0 { usize::MAX } else { seen.n_columns };
        let spanning = size.unwrap_or(at_least).div_ceil(shape[axis]).max(1);
        let fitting = (target_bytes / n_bytes(seen.dtype, &shape)).max(1);
        shape[axis] = shape[axis].saturating_mul(spanning.min(fitting));
        if fitting < spanning {
            break;
        }
    }
    shape
}

/// Returns the largest chunk shape of at most `target_bytes` that divides a shard. The rows are cut
/// first, so a chunk stays one run of the shard's memory.
pub(super) fn dividing_chunk_shape(
    dtype: DType,
    shard_shape: &[usize],
    target_bytes: usize,
) -> Vec<usize> {
    let mut shape = shard_shape.to_vec();
    for axis in 0..shape.len() {
        let inner = n_bytes(dtype, &shape[axis + 1..]);
        shape[axis] = largest_divisor(shape[axis], (target_bytes / inner).max(1));
        if inner <= target_bytes {
            break;
        }
    }
    shape
}

/// Returns the largest divisor of `size` that is at most `limit`.
fn largest_divisor(size: usize, limit: usize) -> usize {
    (1..=size.isqrt())
        .filter(|divisor| size.is_multiple_of(*divisor))
        .flat_map(|divisor| [divisor, size / divisor])
        .filter(|divisor| *divisor <= limit)
        .max()
        .unwrap_or(1)
}

/// Cuts a block until it fits, along the outermost axis first, so a chunk stays one run of the
/// block's memory.
fn cut_to_fit(dtype: DType, mut shape: Vec<usize>, target_bytes: usize) -> Vec<usize> {
    for axis in 0..shape.len() {
        let inner = n_bytes(dtype, &shape[axis + 1..]);
        if inner <= target_bytes {
            shape[axis] = shape[axis].min(target_bytes / inner);
            break;
        }
        shape[axis] = 1;
    }
    shape
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen<'s>(cut: Cut, first_block: &'s [usize], row_shape: &'s [Option<usize>]) -> Seen<'s> {
        let dtype = DType::Float32;
        Seen {
            cut,
            dtype,
            first_block,
            n_bytes: usize::MAX,
            row_shape,
            n_columns: 250,
            n_rows: None,
        }
    }

    fn flat(first_block: &[usize], target_bytes: usize) -> Vec<usize> {
        let row_shape: Vec<_> = first_block[1..].iter().copied().map(Some).collect();
        automatic_chunk_shape(&seen(Cut::Rows, first_block, &row_shape), target_bytes)
    }

    fn nested(first_block: &[usize], width: Option<usize>, target_bytes: usize) -> Vec<usize> {
        let mut row_shape: Vec<_> = first_block[1..].iter().copied().map(Some).collect();
        row_shape[0] = width;
        automatic_chunk_shape(&seen(Cut::RowsAndColumns, first_block, &row_shape), target_bytes)
    }

    #[test]
    fn blocks_are_joined_along_the_rows() {
        assert_eq!(flat(&[10, 8], 10 * 8 * 4 * 3), [30, 8]);
        assert_eq!(flat(&[10, 8], 10 * 8 * 4 * 4 - 1), [30, 8]);
        assert_eq!(flat(&[10], 4000), [1000]);
    }

    #[test]
    fn large_blocks_are_cut_along_the_rows_first() {
        assert_eq!(flat(&[10, 8], 3 * 8 * 4), [3, 8]);
        assert_eq!(flat(&[10, 8, 5], 3 * 5 * 4), [1, 3, 5]);
        assert_eq!(flat(&[10, 8, 5], 3), [1, 1, 1]);
    }

    #[test]
    fn nested_blocks_are_joined_along_the_width_first() {
        assert_eq!(nested(&[10, 10], None, 10 * 10 * 4 * 7), [10, 70]);
        assert_eq!(nested(&[10, 10], Some(100), 10 * 10 * 4 * 7), [10, 70]);
        assert_eq!(nested(&[10, 10], Some(65), 10 * 10 * 4 * 7), [10, 65]);
        assert_eq!(nested(&[10, 10], Some(65), 10 * 65 * 4 * 2), [20, 65]);
        assert_eq!(nested(&[10, 10], Some(65), 200), [5, 10]);
    }

    #[test]
    fn an_array_that_ends_early_is_one_chunk() {
        let row_shape = [Some(7)];
        let seen = Seen { n_bytes: 84, n_rows: Some(3), ..seen(Cut::Rows, &[1, 7], &row_shape) };
        assert_eq!(automatic_chunk_shape(&seen, 84), [3, 7]);
        assert_eq!(automatic_chunk_shape(&seen, 83), [2, 7]);
        assert_eq!(automatic_chunk_shape(&Seen { n_rows: None, ..seen }, 1000), [3, 7]);
    }

    #[test]
    fn shards_join_chunks_along_the_last_axis_first() {
        let shard = |row_shape: &[Option<usize>], n_rows, target_chunks: usize| {
            let seen = Seen { n_rows, ..seen(Cut::RowsAndColumns, &[1, 1], row_shape) };
            automatic_shard_shape(&seen, &[10, 20], target_chunks * 10 * 20 * 4)
        };
        assert_eq!(shard(&[Some(100)], None, 3), [10, 60]);
        assert_eq!(shard(&[Some(90)], None, 5), [10, 100]);
        assert_eq!(shard(&[Some(90)], None, 12), [20, 100]);
        assert_eq!(shard(&[Some(90)], Some(15), 100), [20, 100]);
        assert_eq!(shard(&[None], None, 12), [10, 240]);
        assert_eq!(shard(&[None], None, 40), [30, 260]);
        assert_eq!(shard(&[Some(0)], Some(0), 12), [10, 20]);
        assert_eq!(shard(&[Some(100)], None, 0), [10, 20]);
    }

    #[test]
    fn chunks_of_explicit_shards_divide_them() {
        let chunk = |shard: &[usize], n_elements: usize| {
            dividing_chunk_shape(DType::Float32, shard, 4 * n_elements)
        };
        assert_eq!(chunk(&[512, 8192], 1 << 18), [32, 8192]);
        assert_eq!(chunk(&[30, 7], 7 * 14), [10, 7]);
        assert_eq!(chunk(&[31, 7], 7 * 14), [1, 7]);
        assert_eq!(chunk(&[4, 30, 7], 7 * 7), [1, 6, 7]);
        assert_eq!(chunk(&[4, 30], 0), [1, 1]);
        assert_eq!(chunk(&[4, 30], 1000), [4, 30]);
    }

    proptest! {
        #[test]
        fn chunks_are_as_large_as_the_target_allows(
            first_block in prop::collection::vec(1..20usize, 2..4),
            target_bytes in 4..20_000usize,
            blocks_per_band in 1..20usize,
        ) {
            let width = first_block[1] * blocks_per_band;
            for width in [None, Some(width)] {
                let shape = nested(&first_block, width, target_bytes);
                prop_assert!(n_bytes(DType::Float32, &shape) <= target_bytes);
                prop_assert!(shape.iter().all(|&size| size > 0));
                prop_assert!(width.is_none_or(|width| shape[1] <= width));
                // If a chunk had less than half the size, twice as many blocks or rows would fit.
                let whole_width = width.is_some_and(|width| shape[1] == width);
                if whole_width || width.is_none() {
                    prop_assert!(2 * n_bytes(DType::Float32, &shape) > target_bytes);
                }
            }
        }
    }
}

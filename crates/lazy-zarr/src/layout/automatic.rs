//! Chunk shapes made from what is seen of the blocks.

use lazy_core::{Cut, DType};

use super::n_bytes;

/// A chunk shape of at most `target_bytes`, made of the first block that has elements.
///
/// `width` is the array's size along axis 1, when that axis is cut and its size is known. Blocks are
/// joined along the width before bands are joined along the rows, and only a whole width is joined
/// along the rows.
pub(crate) fn automatic_chunk_shape(
    cut: Cut,
    dtype: DType,
    first_block: &[usize],
    width: Option<usize>,
    target_bytes: usize,
) -> Vec<usize> {
    let mut shape = first_block.to_vec();
    let block_bytes = n_bytes(dtype, &shape);
    if block_bytes > target_bytes {
        return cut_to_fit(dtype, shape, target_bytes);
    }
    if cut == Cut::RowsAndColumns {
        let widest = target_bytes / block_bytes * shape[1];
        match width {
            Some(width) if width <= widest => shape[1] = width,
            _ => {
                shape[1] = widest;
                return shape;
            }
        }
    }
    shape[0] *= target_bytes / n_bytes(dtype, &shape);
    shape
}

/// Makes a block smaller until it fits, the outermost axis first, so that a chunk stays one run of
/// the block's memory.
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

    fn flat(first_block: &[usize], target_bytes: usize) -> Vec<usize> {
        automatic_chunk_shape(Cut::Rows, DType::Float32, first_block, None, target_bytes)
    }

    fn nested(first_block: &[usize], width: Option<usize>, target_bytes: usize) -> Vec<usize> {
        let cut = Cut::RowsAndColumns;
        automatic_chunk_shape(cut, DType::Float32, first_block, width, target_bytes)
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
                // Less than half would mean that twice as many blocks, or rows, fit.
                let whole_width = width.is_some_and(|width| shape[1] == width);
                if whole_width || width.is_none() {
                    prop_assert!(2 * n_bytes(DType::Float32, &shape) > target_bytes);
                }
            }
        }
    }
}

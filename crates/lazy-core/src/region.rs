//! Copying a box of elements between two dense arrays.

/// Copies a box of `extent` elements per axis from one dense C-order array into another.
///
/// `source` has shape `source_shape`, the box begins at `source_start` in it and at `target_start`
/// in `target`, which has shape `target_shape`. All five slices have one entry per axis.
/// Consecutive elements are copied in the longest runs that both arrays have in common.
///
/// Any `Copy` element will do; arrays of unknown type are copied as bytes with the element size as
/// one more, innermost axis.
///
/// # Panics
///
/// When the box does not lie within both arrays, or a slice's length differs from its shape.
///
/// # Example
///
/// ```
/// let source = [1, 2, 3, 4, 5, 6]; // 2 × 3
/// let mut target = [0; 8]; // 2 × 4
/// lazy_core::copy_region(&source, &[2, 3], &[0, 1], &mut target, &[2, 4], &[0, 2], &[2, 2]);
/// assert_eq!(target, [0, 0, 2, 3, 0, 0, 5, 6]);
/// ```
pub fn copy_region<E: Copy>(
    source: &[E],
    source_shape: &[usize],
    source_start: &[usize],
    target: &mut [E],
    target_shape: &[usize],
    target_start: &[usize],
    extent: &[usize],
) {
    let n_axes = extent.len();
    assert!(
        [source_shape, source_start, target_shape, target_start]
            .iter()
            .all(|slice| slice.len() == n_axes)
    );
    for axis in 0..n_axes {
        assert!(source_start[axis] + extent[axis] <= source_shape[axis]);
        assert!(target_start[axis] + extent[axis] <= target_shape[axis]);
    }
    if extent.contains(&0) {
        return;
    }
    assert_eq!(source.len(), source_shape.iter().product::<usize>());
    assert_eq!(target.len(), target_shape.iter().product::<usize>());

    // Axes from `run_axis` on are copied as one run: all but the first of them are whole in both.
    let whole =
        |axis: usize| extent[axis] == source_shape[axis] && extent[axis] == target_shape[axis];
    let mut run_axis = n_axes;
    let mut run = 1;
    while run_axis > 0 {
        run_axis -= 1;
        run *= extent[run_axis];
        if !whole(run_axis) {
            break;
        }
    }

    let source_strides = strides(source_shape);
    let target_strides = strides(target_shape);
    let dot = |start: &[usize], strides: &[usize]| -> usize {
        start.iter().zip(strides).map(|(i, stride)| i * stride).sum()
    };
    let mut from = dot(source_start, &source_strides);
    let mut to = dot(target_start, &target_strides);
    let mut index = vec![0; run_axis];
    loop {
        target[to..to + run].copy_from_slice(&source[from..from + run]);
        // Counts up the outer axes like an odometer.
        let mut axis = run_axis;
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            from += source_strides[axis];
            to += target_strides[axis];
            if index[axis] < extent[axis] {
                break;
            }
            index[axis] = 0;
            from -= extent[axis] * source_strides[axis];
            to -= extent[axis] * target_strides[axis];
        }
    }
}

/// The distance in elements between neighbours along each axis of a dense C-order array.
fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, Slice};
    use proptest::prelude::*;

    use super::*;

    /// Per axis: source size, target size, and a box that fits both.
    fn boxes() -> impl Strategy<Value = Vec<[usize; 5]>> {
        let axis = (0..5usize, 0..5usize).prop_flat_map(|(source, target)| {
            (0..=source.min(target)).prop_flat_map(move |extent| {
                (0..=source - extent, 0..=target - extent)
                    .prop_map(move |(from, to)| [source, target, extent, from, to])
            })
        });
        prop::collection::vec(axis, 0..5)
    }

    proptest! {
        #[test]
        fn copies_what_ndarray_assigns(axes in boxes()) {
            let column = |i: usize| axes.iter().map(|axis| axis[i]).collect::<Vec<_>>();
            let (source_shape, target_shape, extent) = (column(0), column(1), column(2));
            let (source_start, target_start) = (column(3), column(4));
            let n_source = source_shape.iter().product::<usize>();
            let source: Vec<usize> = (1..=n_source).collect();
            let mut target = vec![0; target_shape.iter().product()];

            let source_array = ArrayD::from_shape_vec(source_shape.clone(), source.clone()).unwrap();
            let mut expected = ArrayD::<usize>::zeros(target_shape.clone());
            let cut = |start: &[usize], axis: usize| {
                Slice::from(start[axis]..start[axis] + extent[axis])
            };
            expected
                .slice_each_axis_mut(|axis| cut(&target_start, axis.axis.index()))
                .assign(&source_array.slice_each_axis(|axis| cut(&source_start, axis.axis.index())));

            copy_region(
                &source, &source_shape, &source_start,
                &mut target, &target_shape, &target_start, &extent,
            );
            prop_assert_eq!(target, expected.into_raw_vec_and_offset().0);
        }
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn a_box_outside_the_target_panics() {
        copy_region(&[1, 2], &[2], &[0], &mut [0], &[1], &[0], &[2]);
    }
}

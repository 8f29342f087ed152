//! Copying a box of elements between two dense arrays.

/// Copies a box of `extent` elements per axis from one dense C-order array into another.
///
/// `source` has shape `source_shape`, and the box starts at `source_start` in it. `target` has
/// shape `target_shape`, and the box starts at `target_start` in it. All five slices have one entry
/// per axis. Elements are copied in the longest runs that are contiguous in both arrays.
///
/// Any `Copy` element works. Arrays of unknown type are copied as bytes, with the element size as
/// an additional innermost axis.
///
/// # Panics
///
/// Panics if the box does not lie within both arrays, or if the length of a slice does not match
/// its shape.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// let source = [1, 2, 3, 4, 5, 6]; // 2 × 3
/// let mut target = [0; 8]; // 2 × 4
/// lazy_chunks::copy_region(&source, &[2, 3], &[0, 1], &mut target, &[2, 4], &[0, 2], &[2, 2]);
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
    let runs = CommonRuns::new((source_shape, source_start), (target_shape, target_start), extent);
    assert_eq!(source.len(), source_shape.iter().product::<usize>());
    assert_eq!(target.len(), target_shape.iter().product::<usize>());
    let length = runs.length();
    for (from, to) in runs {
        target[to..to + length].copy_from_slice(&source[from..from + length]);
    }
}

/// The runs of a box of elements in two dense C-order arrays: the longest stretches that are
/// contiguous in both arrays. All runs have the same length.
///
/// The iterator yields, in C order, the index of the first element of each run in the one array and
/// in the other. An empty box has no runs.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::CommonRuns;
///
/// // Two rows of two elements, in a 2 × 3 array and in a 2 × 4 array.
/// let runs = CommonRuns::new((&[2, 3], &[0, 1]), (&[2, 4], &[0, 2]), &[2, 2]);
/// assert_eq!(runs.length(), 2);
/// assert_eq!(runs.collect::<Vec<_>>(), [(1, 2), (4, 6)]);
///
/// // Whole rows of both arrays are one run.
/// let runs = CommonRuns::new((&[5, 3], &[1, 0]), (&[2, 3], &[0, 0]), &[2, 3]);
/// assert_eq!(runs.length(), 6);
/// assert_eq!(runs.collect::<Vec<_>>(), [(3, 0)]);
/// ```
#[derive(Clone, Debug)]
pub struct CommonRuns {
    length: usize,
    next: Option<(usize, usize)>,
    /// The axes outside the runs, the last one first.
    outer: Vec<OuterAxis>,
}

#[derive(Clone, Debug)]
struct OuterAxis {
    /// The size of the box.
    extent: usize,
    /// The number of elements from one index to the next, in both arrays.
    strides: (usize, usize),
    /// The index of the next run.
    at: usize,
}

impl CommonRuns {
    /// Creates the runs of a box of `extent` elements per axis. Each array is given by its shape
    /// and by the index at which the box starts in it.
    ///
    /// # Panics
    ///
    /// Panics if the box does not lie within both arrays, or if the slices differ in length.
    #[must_use]
    pub fn new(one: (&[usize], &[usize]), other: (&[usize], &[usize]), extent: &[usize]) -> Self {
        let n_axes = extent.len();
        for (shape, start) in [one, other] {
            assert!(shape.len() == n_axes && start.len() == n_axes);
            for axis in 0..n_axes {
                assert!(start[axis] + extent[axis] <= shape[axis]);
            }
        }
        if extent.contains(&0) {
            // The strides of arrays without elements may be larger than any index.
            return CommonRuns { length: 0, next: None, outer: Vec::new() };
        }
        let (mut length, mut strides, mut first) = (1, (1, 1), (0, 0));
        let mut outer = Vec::new();
        for axis in (0..n_axes).rev() {
            // As long as the box is whole along an axis in both arrays, everything within is one
            // run.
            if length == strides.0 && length == strides.1 {
                length *= extent[axis];
            } else {
                outer.push(OuterAxis { extent: extent[axis], strides, at: 0 });
            }
            first.0 += one.1[axis] * strides.0;
            first.1 += other.1[axis] * strides.1;
            strides = (strides.0 * one.0[axis], strides.1 * other.0[axis]);
        }
        CommonRuns { length, next: Some(first), outer }
    }

    /// Returns the number of elements of each run.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }
}

impl Iterator for CommonRuns {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let current = self.next?;
        // Counts up like an odometer.
        let mut next = current;
        for axis in &mut self.outer {
            axis.at += 1;
            next = (next.0 + axis.strides.0, next.1 + axis.strides.1);
            if axis.at < axis.extent {
                self.next = Some(next);
                return Some(current);
            }
            next.0 -= axis.extent * axis.strides.0;
            next.1 -= axis.extent * axis.strides.1;
            axis.at = 0;
        }
        self.next = None;
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, Slice};
    use proptest::prelude::*;

    use super::*;

    /// For each axis: the source size, the target size, and a box that fits both.
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

            let source_array =
                ArrayD::from_shape_vec(source_shape.clone(), source.clone()).unwrap();
            let mut expected = ArrayD::<usize>::zeros(target_shape.clone());
            let cut = |start: &[usize], axis: usize| {
                Slice::from(start[axis]..start[axis] + extent[axis])
            };
            expected
                .slice_each_axis_mut(|axis| cut(&target_start, axis.axis.index()))
                .assign(&source_array.slice_each_axis(|axis| {
                    cut(&source_start, axis.axis.index())
                }));

            copy_region(
                &source, &source_shape, &source_start,
                &mut target, &target_shape, &target_start, &extent,
            );
            prop_assert_eq!(target, expected.into_raw_vec_and_offset().0);
        }

        #[test]
        fn runs_are_as_long_as_can_be(axes in boxes()) {
            let column = |i: usize| axes.iter().map(|axis| axis[i]).collect::<Vec<_>>();
            let (source_shape, target_shape, extent) = (column(0), column(1), column(2));
            let runs = CommonRuns::new(
                (&source_shape, &column(3)), (&target_shape, &column(4)), &extent,
            );
            let length = runs.length();
            let places: Vec<_> = runs.collect();
            let n_elements = extent.iter().product::<usize>();
            prop_assert_eq!(places.len() * length, n_elements);
            let is_longest = places.windows(2).all(|pair| {
                let distance = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
                distance.0 >= length && distance.1 >= length && distance != (length, length)
            });
            prop_assert!(is_longest, "{:?} of {} elements", places, length);
        }
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn a_box_outside_the_target_panics() {
        copy_region(&[1, 2], &[2], &[0], &mut [0], &[1], &[0], &[2]);
    }
}

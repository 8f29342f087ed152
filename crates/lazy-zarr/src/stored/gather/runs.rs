//! A box of elements in a dense array, as runs of bytes.

/// The runs of bytes of a box in a dense C-order array, in that order, as long as can be: the offset of
/// each. All have the same length, and the box is not empty.
#[derive(Clone)]
pub(super) struct Runs {
    /// The bytes of a run.
    pub(super) length: usize,
    next: Option<usize>,
    /// The axes outside of the runs: the size of the box, the bytes from one index to the next, and where
    /// the next run is.
    outer: Vec<(usize, usize, usize)>,
}

impl Runs {
    pub(super) fn new(
        item_size: usize,
        shape: &[usize],
        start: &[usize],
        extent: &[usize],
    ) -> Runs {
        let (mut length, mut stride, mut offset) = (item_size, item_size, 0);
        let mut outer = Vec::new();
        for axis in (0..shape.len()).rev() {
            // All that lies within is one run, as long as the box is whole there.
            match length == stride {
                true => length *= extent[axis],
                false => outer.push((extent[axis], stride, 0)),
            }
            offset += start[axis] * stride;
            stride *= shape[axis];
        }
        outer.reverse();
        Runs { length, next: Some(offset), outer }
    }
}

impl Iterator for Runs {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let current = self.next?;
        // Counts up like an odometer.
        let mut next = current;
        for (extent, stride, at) in self.outer.iter_mut().rev() {
            *at += 1;
            next += *stride;
            if *at < *extent {
                self.next = Some(next);
                return Some(current);
            }
            next -= *extent * *stride;
            *at = 0;
        }
        self.next = None;
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_the_elements_of_the_box(
            axes in prop::collection::vec((1..5_usize, 0..4_usize, 1..5_usize), 0..4),
            item_size in 1..4_usize,
        ) {
            let start: Vec<_> = axes.iter().map(|axis| axis.1).collect();
            let extent: Vec<_> = axes.iter().map(|axis| axis.2).collect();
            let shape: Vec<_> = axes.iter().map(|axis| axis.1 + axis.2 + axis.0 - 1).collect();
            let runs = Runs::new(item_size, &shape, &start, &extent);
            let length = runs.length;
            let offsets: Vec<_> = runs.collect();
            let bytes: Vec<_> =
                offsets.iter().flat_map(|offset| *offset..offset + length).collect();

            let mut expected = vec![0];
            for ((size, start), extent) in shape.iter().zip(&start).zip(&extent) {
                expected = expected
                    .iter()
                    .flat_map(|index| (*start..start + extent).map(move |i| index * size + i))
                    .collect();
            }
            let expected: Vec<_> = expected
                .iter()
                .flat_map(|index| (0..item_size).map(move |byte| index * item_size + byte))
                .collect();
            prop_assert_eq!(bytes, expected);
            let is_longest = offsets.windows(2).all(|pair| pair[1] - pair[0] > length);
            prop_assert!(is_longest, "{:?} of {} bytes", offsets, length);
        }
    }
}

//! Orders of elements: exact for every dtype, with NumPy's rules for NaN and ties.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::simd::with_widest_vectors;
use crate::number::Number;
use crate::real::Ordered;

/// The position of an element: its row, and its index within the row in C order over all axes of
/// the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ElementIndex {
    /// The row.
    pub row: u64,
    /// The index within the row.
    pub index: u64,
}

/// An element and its position.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The element.
    pub value: Number,
    /// The position of the element.
    pub place: ElementIndex,
}

/// The treatment of NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nan {
    /// As in NumPy: sums become NaN, and NaN counts as both the largest and the smallest element.
    Counts,
    /// NaN is skipped.
    Ignored,
}

/// The number of elements that are examined at once.
pub(crate) const PIECE: usize = 64;

/// The order of elements: the largest or the smallest first, and NaN before or after all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ranking {
    pub(crate) largest: bool,
    pub(crate) nan_first: bool,
}

impl Ranking {
    /// Returns the ranking that puts NaN last if it is ignored.
    pub(crate) fn with(self, nan: Nan) -> Ranking {
        Ranking { nan_first: self.nan_first && nan == Nan::Counts, ..self }
    }

    /// Returns true if `a` comes before `b`.
    pub(crate) fn is_before<A: Ordered>(self, a: A, b: A) -> bool {
        match (a.is_nan(), b.is_nan()) {
            (false, false) if self.largest => a > b,
            (false, false) => a < b,
            (true, false) => self.nan_first,
            (false, true) => !self.nan_first,
            (true, true) => false,
        }
    }

    /// Returns the number of elements at the front, in whole [pieces](PIECE) unless they are all, none
    /// of which comes before `best`.
    #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN compares as false, and comes before")]
    pub(crate) fn n_behind<A: Ordered>(self, elements: &[A], best: A) -> usize {
        fn n_behind<A: Copy>(elements: &[A], is_before: impl Fn(A) -> bool) -> usize {
            // Without a branch for each element.
            let is_behind =
                |piece: &&[A]| !piece.iter().fold(false, |any, element| any | is_before(*element));
            with_widest_vectors(
                #[inline(always)]
                || elements.chunks(PIECE).take_while(is_behind).map(<[A]>::len).sum(),
            )
        }
        match (best.is_nan(), self.largest, self.nan_first) {
            (true, _, true) => elements.len(),
            (true, _, false) => n_behind(elements, |a| !a.is_nan()),
            (false, true, true) => n_behind(elements, |a| !(a <= best)),
            (false, true, false) => n_behind(elements, |a| a > best),
            (false, false, true) => n_behind(elements, |a| !(a >= best)),
            (false, false, false) => n_behind(elements, |a| a < best),
        }
    }

    /// Orders candidates from the first to the last, and candidates of equal values by their
    /// positions.
    pub(crate) fn compare(self, a: &Candidate, b: &Candidate) -> Ordering {
        if self.is_before(a.value, b.value) {
            Ordering::Less
        } else if self.is_before(b.value, a.value) {
            Ordering::Greater
        } else {
            a.place.cmp(&b.place)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_behind_until_one_comes_before() {
        for (largest, nan_first) in [(true, true), (true, false), (false, true), (false, false)] {
            let ranking = Ranking { largest, nan_first };
            for best in [1.0, f32::NAN] {
                for length in [0, 1, 63, 64, 65, 200, 1000] {
                    for (place, element) in (0..=length)
                        .step_by(7)
                        .flat_map(|place| [0.0, 1.0, 2.0, f32::NAN].map(|element| (place, element)))
                    {
                        let mut elements = vec![best; length];
                        if let Some(replaced) = elements.get_mut(place) {
                            *replaced = element;
                        }
                        let is_before = ranking.is_before(element, best);
                        let expected = if is_before && place < length {
                            place / PIECE * PIECE
                        } else {
                            length
                        };
                        let n_behind = ranking.n_behind(&elements, best);
                        assert_eq!(n_behind, expected, "{ranking:?}, {best}, {element} at {place}");
                    }
                }
            }
        }
    }
}

//! Orders of elements: exact for every dtype, with NumPy's rules for NaN and ties.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

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

    /// Returns true if any element comes before `best`, without a branch for each element.
    #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN compares as false, and comes before")]
    pub(crate) fn any_before<A: Ordered>(self, elements: &[A], best: A) -> bool {
        fn any<A: Copy>(elements: &[A], is_before: impl Fn(A) -> bool) -> bool {
            elements.iter().fold(false, |any, element| any | is_before(*element))
        }
        match (best.is_nan(), self.largest, self.nan_first) {
            (true, _, true) => false,
            (true, _, false) => any(elements, |a| !a.is_nan()),
            (false, true, true) => any(elements, |a| !(a <= best)),
            (false, true, false) => any(elements, |a| a > best),
            (false, false, true) => any(elements, |a| !(a >= best)),
            (false, false, false) => any(elements, |a| a < best),
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

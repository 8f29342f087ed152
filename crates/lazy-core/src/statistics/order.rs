//! Orders of elements: exact for every dtype, and NumPy's for NaN and ties.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::Number;

/// Where an element lies: its row, and its index within the row, in C order over all of the row's axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The row.
    pub row: u64,
    /// The index within the row.
    pub index: u64,
}

/// An element and its place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The element.
    pub value: Number,
    /// Where it lies.
    pub place: Place,
}

/// What has an order, but for NaN.
pub trait Ordered: Copy + PartialOrd {
    /// Whether it is a float that is no number.
    fn is_nan(self) -> bool;
}

impl Ordered for Number {
    fn is_nan(self) -> bool {
        matches!(self, Number::Float(value) if value.is_nan())
    }
}

/// Which elements come first: the largest or the smallest, and NaN before or behind all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ranking {
    pub(crate) largest: bool,
    pub(crate) nan_first: bool,
}

impl Ranking {
    /// The same order of numbers, and NaN behind them.
    pub(crate) fn of_numbers(self) -> Ranking {
        Ranking { nan_first: false, ..self }
    }

    /// Whether `a` comes before `b`.
    pub(crate) fn is_before<A: Ordered>(self, a: A, b: A) -> bool {
        match (a.is_nan(), b.is_nan()) {
            (false, false) if self.largest => a > b,
            (false, false) => a < b,
            (true, false) => self.nan_first,
            (false, true) => !self.nan_first,
            (true, true) => false,
        }
    }

    /// Whether one of the elements comes before `best`: without a branch for each of them.
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

    /// Orders candidates from the first to the last; those of equal values by their places.
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

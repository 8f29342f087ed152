//! The order of elements: exact for every dtype, and NumPy's for NaN and ties.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// One element of a real dtype, without loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// An element of a signed integer dtype.
    Signed(i64),
    /// An element of an unsigned integer dtype, or a bool as 0 or 1.
    Unsigned(u64),
    /// An element of a float dtype.
    Float(f64),
}

impl Value {
    /// The nearest `f64`: exact but for integers beyond 2⁵³.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        match self {
            Value::Signed(value) => value as f64,
            Value::Unsigned(value) => value as f64,
            Value::Float(value) => value,
        }
    }

    /// Orders values of one dtype; NaN is larger than every number, and equal to itself.
    fn compare(self, other: Value) -> Ordering {
        match (self, other) {
            (Value::Signed(a), Value::Signed(b)) => a.cmp(&b),
            (Value::Unsigned(a), Value::Unsigned(b)) => a.cmp(&b),
            _ => {
                let (a, b) = (self.to_f64(), other.to_f64());
                a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
            }
        }
    }
}

/// An element and its index within its row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The element.
    pub value: Value,
    /// The index within the row, in C order over all its axes.
    pub index: u64,
}

impl Candidate {
    /// Orders candidates from the largest value to the smallest, equal values by index.
    pub(crate) fn descending(&self, other: &Candidate) -> Ordering {
        other.value.compare(self.value).then(self.index.cmp(&other.index))
    }
}

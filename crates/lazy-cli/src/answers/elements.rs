//! Elements of results, of any of their dtypes.

use std::fmt::{self, Write};

use lazy_chunks::{ArrayBlock, Number};

/// The elements of a result, in C order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Elements<'a> {
    Unsigned(&'a [u64]),
    Signed(&'a [i64]),
    Float(&'a [f64]),
}

impl<'a> Elements<'a> {
    pub(super) fn of(array: &'a ArrayBlock) -> Elements<'a> {
        if let Ok(integers) = array.as_slice() {
            Elements::Unsigned(integers)
        } else if let Ok(integers) = array.as_slice() {
            Elements::Signed(integers)
        } else {
            Elements::Float(array.as_slice().expect("results are uint64, int64 or float64"))
        }
    }

    pub(super) fn len(self) -> usize {
        match self {
            Elements::Unsigned(elements) => elements.len(),
            Elements::Signed(elements) => elements.len(),
            Elements::Float(elements) => elements.len(),
        }
    }

    pub(super) fn get(self, i: usize) -> Number {
        match self {
            Elements::Unsigned(elements) => elements[i].into(),
            Elements::Signed(elements) => elements[i].into(),
            Elements::Float(elements) => elements[i].into(),
        }
    }

    /// Writes an element as text.
    pub(super) fn write(self, i: usize, text: &mut String) -> fmt::Result {
        match self.get(i) {
            Number::Float(float)
                if float != 0.0 && float.is_finite() && !(1e-4..1e16).contains(&float.abs()) =>
            {
                write!(text, "{float:e}")
            }
            number => write!(text, "{number}"),
        }
    }
}

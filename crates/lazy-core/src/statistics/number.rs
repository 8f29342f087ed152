//! Numbers of the results: integers stay integers.

use std::cmp::Ordering;
use std::fmt;

use ndarray::{Array, Dimension};
use serde::{Deserialize, Serialize};

use crate::ArrayBlock;

/// A real number of a result: an integer where the array has integers, and a float where it has floats.
///
/// So no integer is rounded, however large. Numbers are compared by what they are worth: 2 as an integer equals 2 as
/// a float, and 2⁵³ + 1 does not equal 2⁵³. NaN equals nothing.
///
/// # Example
///
/// ```
/// use lazy_core::{LazyChunkSequence, Max, NdarrayConverter, Number};
/// use ndarray::array;
///
/// // Nanoseconds, which as `f64` are 256 apart.
/// let times = LazyChunkSequence::new(|| [array![1_764_336_000_123_456_789_i64]]);
/// let latest = times.convert(NdarrayConverter).compute(Max)?;
/// assert_eq!(latest, Number::Signed(1_764_336_000_123_456_789));
/// assert_eq!(latest.as_i64(), Some(1_764_336_000_123_456_789));
/// assert_eq!(latest.to_f64(), 1_764_336_000_123_456_768.0);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Number {
    /// An element of a signed integer dtype, or a sum of integers.
    Signed(i64),
    /// An element of an unsigned integer dtype, or a bool as 0 or 1.
    Unsigned(u64),
    /// An element of a float dtype.
    Float(f64),
}

impl Number {
    /// The nearest `f64`: exact but for integers beyond 2⁵³.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Signed(number) => number as f64,
            Number::Unsigned(number) => number as f64,
            Number::Float(number) => number,
        }
    }

    /// The integer, if it is one that an `i64` can hold. A float is none.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        i64::try_from(self.integer()?).ok()
    }

    /// The integer, if it is one that a `u64` can hold. A float is none.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        u64::try_from(self.integer()?).ok()
    }

    fn integer(self) -> Option<i128> {
        match self {
            Number::Signed(number) => Some(i128::from(number)),
            Number::Unsigned(number) => Some(i128::from(number)),
            Number::Float(_) => None,
        }
    }

    /// The integer as an `i64` or a `u64`; beyond them, the nearest `f64`.
    pub(super) fn of_integer(integer: i128) -> Number {
        match (i64::try_from(integer), u64::try_from(integer)) {
            (Ok(integer), _) => Number::Signed(integer),
            (_, Ok(integer)) => Number::Unsigned(integer),
            _ => Number::Float(integer as f64),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        match (*self, *other) {
            (Number::Signed(a), Number::Signed(b)) => a.partial_cmp(&b),
            (Number::Unsigned(a), Number::Unsigned(b)) => a.partial_cmp(&b),
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
            (Number::Float(a), b) => compare(b.integer()?, a).map(Ordering::reverse),
            (a, Number::Float(b)) => compare(a.integer()?, b),
            (a, b) => a.integer().partial_cmp(&b.integer()),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

/// Compares an integer of 64 bits with a float, without rounding.
fn compare(integer: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Floats beyond 128 bits saturate, and are beyond 64 bits still.
    let by_integer = integer.cmp(&(float.trunc() as i128));
    Some(by_integer.then(0.0_f64.partial_cmp(&float.fract()).unwrap_or(Ordering::Equal)))
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Signed(number) => number.fmt(formatter),
            Number::Unsigned(number) => number.fmt(formatter),
            Number::Float(number) => number.fmt(formatter),
        }
    }
}

macro_rules! primitive {
    ($($type:ty: $Variant:ident;)*) => {
        $(
            impl From<$type> for Number {
                fn from(number: $type) -> Number {
                    Number::$Variant(number.into())
                }
            }

            impl PartialEq<$type> for Number {
                fn eq(&self, other: &$type) -> bool {
                    *self == Number::from(*other)
                }
            }

            impl PartialOrd<$type> for Number {
                fn partial_cmp(&self, other: &$type) -> Option<Ordering> {
                    self.partial_cmp(&Number::from(*other))
                }
            }
        )*
    };
}

primitive! {
    i32: Signed;
    i64: Signed;
    u32: Unsigned;
    u64: Unsigned;
    f32: Float;
    f64: Float;
}

/// The numbers as an array: of integers where all of them fit into int64 or into uint64, else of float64.
pub(super) fn to_block<D: Dimension>(numbers: &Array<Number, D>) -> ArrayBlock {
    let all = |is: fn(&Number) -> bool| numbers.iter().all(is);
    let is_integer = !numbers.is_empty() && all(|number| number.integer().is_some());
    // Those of an array of unsigned integers stay unsigned.
    let is_signed = !all(|number| matches!(number, Number::Unsigned(_)));
    if is_integer && is_signed && all(|number| number.as_i64().is_some()) {
        ArrayBlock::from_array(numbers.mapv(|number| number.as_i64().unwrap_or_default()))
    } else if is_integer && all(|number| number.as_u64().is_some()) {
        ArrayBlock::from_array(numbers.mapv(|number| number.as_u64().unwrap_or_default()))
    } else {
        ArrayBlock::from_array(numbers.mapv(Number::to_f64))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};

    use super::*;

    #[test]
    fn numbers_are_ordered_by_what_they_are_worth() {
        let ascending: [&[Number]; 9] = [
            &[f64::NEG_INFINITY.into()],
            &[i64::MIN.into(), (-(2.0_f64.powi(63))).into()],
            &[(-1.5).into()],
            &[(-1_i64).into(), (-1.0).into()],
            &[0_i64.into(), 0_u64.into(), (-0.0).into()],
            &[(2.0_f64.powi(53)).into(), (1_u64 << 53).into(), (1_i64 << 53).into()],
            &[((1_u64 << 53) + 1).into(), ((1_i64 << 53) + 1).into()],
            &[u64::MAX.into()],
            &[(2.0_f64.powi(64)).into()],
        ];
        for (i, equal) in ascending.iter().enumerate() {
            for (j, others) in ascending.iter().enumerate() {
                for (a, b) in equal.iter().flat_map(|a| others.iter().map(move |b| (a, b))) {
                    assert_eq!(a.partial_cmp(b), Some(i.cmp(&j)), "{a:?} {b:?}");
                }
            }
        }
        assert_ne!(Number::Float(f64::NAN), Number::Float(f64::NAN));
        assert_eq!(Number::Signed(1).partial_cmp(&Number::Float(f64::NAN)), None);
    }

    #[test]
    fn arrays_of_integers_stay_integers() {
        let block = |numbers: Array1<Number>| {
            let block = to_block(&numbers);
            (block.dtype().to_string(), block.for_each_f64(|_| ()).is_ok())
        };
        let (small, large) = (Number::of_integer(-1), Number::of_integer(i128::from(u64::MAX)));
        let beyond = Number::of_integer(i128::from(u64::MAX) + 1);
        let unsigned = Number::Unsigned(1);
        for (numbers, dtype) in [
            (array![small, Number::Signed(1)], "int64"),
            (array![unsigned, unsigned], "uint64"),
            (array![Number::Signed(1), large], "uint64"),
            (array![small, large], "float64"),
            (array![beyond], "float64"),
            (array![Number::Float(1.0), Number::Signed(1)], "float64"),
            (Array1::from_vec(Vec::new()), "float64"),
        ] {
            assert_eq!(block(numbers.clone()), (dtype.to_owned(), true), "{numbers}");
        }
    }
}

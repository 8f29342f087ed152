//! Numbers in results: integers stay integers.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A real number in a result: an integer if the array has integers, and a float if it has floats.
///
/// So no integer is rounded, however large. Comparison is by numeric value: 2 as an integer equals
/// 2 as a float, and 2⁵³ + 1 does not equal 2⁵³. NaN equals nothing.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, Max, NdarrayConverter, Number};
/// use ndarray::array;
///
/// // Nanoseconds, whose nearest `f64`s are 256 apart.
/// let times = LazyChunkSequence::new(|| [array![1_764_336_000_123_456_789_i64]]);
/// let latest = times.convert(NdarrayConverter).compute(Max)?;
/// assert_eq!(latest, Number::Signed(1_764_336_000_123_456_789));
/// assert_eq!(latest.as_i64(), Some(1_764_336_000_123_456_789));
/// assert_eq!(latest.to_f64(), 1_764_336_000_123_456_768.0);
/// # Ok::<(), lazy_chunks::Error>(())
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
    /// Returns the nearest `f64`, which is exact except for integers beyond 2⁵³.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        match self {
            Number::Signed(number) => number as f64,
            Number::Unsigned(number) => number as f64,
            Number::Float(number) => number,
        }
    }

    /// Returns the number if it is an integer that fits an `i64`; `None` for floats.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        i64::try_from(self.integer()?).ok()
    }

    /// Returns the number if it is an integer that fits a `u64`; `None` for floats.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        u64::try_from(self.integer()?).ok()
    }

    pub(crate) fn integer(self) -> Option<i128> {
        match self {
            Number::Signed(number) => Some(i128::from(number)),
            Number::Unsigned(number) => Some(i128::from(number)),
            Number::Float(_) => None,
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

/// Compares a 64-bit integer with a float, without rounding.
fn compare(integer: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // Floats beyond 128 bits saturate, and the result is still beyond 64 bits.
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

#[cfg(test)]
mod tests {
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
}

//! The casts between dtypes, by what they may lose.

use serde::{Deserialize, Serialize};

use crate::DType;

/// The losses that a cast may have, by the dtypes alone.
///
/// The names are those of NumPy. [`Safe`](Self::Safe) is stricter than NumPy's `safe`, which allows
/// a cast of `int64` to `float64` although integers beyond 2⁵³ are rounded.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Casting, DType};
///
/// assert!(Casting::Safe.allows(DType::Int32, DType::Float64));
/// assert!(!Casting::Safe.allows(DType::Float32, DType::Float16));
/// assert!(Casting::SameKind.allows(DType::Float32, DType::Float16));
/// assert!(!Casting::SameKind.allows(DType::Float32, DType::Int64));
/// assert!(Casting::Unsafe.allows(DType::Float32, DType::Int64));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Casting {
    /// Every element keeps its value.
    #[default]
    Safe,
    /// Elements may be rounded, overflow or wrap, but stay of the same kind or get a larger one:
    /// bool, unsigned integers, signed integers, floats, complex numbers.
    SameKind,
    /// Any cast: floats lose their fraction as integers, and complex numbers their imaginary part.
    Unsafe,
}

impl Casting {
    /// Returns true if elements of `from` may be cast to `to`.
    #[must_use]
    pub fn allows(self, from: DType, to: DType) -> bool {
        match self {
            Casting::Safe => is_safe(from, to),
            Casting::SameKind => is_safe(from, to) || kind(from) <= kind(to),
            Casting::Unsafe => true,
        }
    }
}

/// The kinds of dtypes, in the order of NumPy.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Bool,
    Unsigned,
    Signed,
    Float,
    Complex,
}

pub(crate) fn kind(dtype: DType) -> Kind {
    match dtype {
        DType::Bool => Kind::Bool,
        DType::UInt8 | DType::UInt16 | DType::UInt32 | DType::UInt64 => Kind::Unsigned,
        DType::Int8 | DType::Int16 | DType::Int32 | DType::Int64 => Kind::Signed,
        DType::Float16 | DType::BFloat16 | DType::Float32 | DType::Float64 => Kind::Float,
        DType::Complex64 | DType::Complex128 => Kind::Complex,
    }
}

/// Returns the number of bits of an integer without its sign, or of the significand of a float, and
/// the number of bits of the exponent.
fn precision(dtype: DType) -> (u32, u32) {
    match dtype {
        DType::Bool => (1, 0),
        DType::Int8 => (7, 0),
        DType::UInt8 => (8, 0),
        DType::Int16 => (15, 0),
        DType::UInt16 => (16, 0),
        DType::Int32 => (31, 0),
        DType::UInt32 => (32, 0),
        DType::Int64 => (63, 0),
        DType::UInt64 => (64, 0),
        DType::Float16 => (11, 5),
        DType::BFloat16 => (8, 8),
        DType::Float32 | DType::Complex64 => (24, 8),
        DType::Float64 | DType::Complex128 => (53, 11),
    }
}

/// Returns true if every value of `from` is a value of `to`.
fn is_safe(from: DType, to: DType) -> bool {
    let ((bits, exponent), (bits_to, exponent_to)) = (precision(from), precision(to));
    // No unsigned dtype holds negative numbers, and no dtype before a kind holds all of its values.
    let has_kind = kind(from) <= kind(to);
    has_kind && bits <= bits_to && exponent <= exponent_to
}

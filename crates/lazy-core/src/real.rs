//! Element types with an order.

use half::{bf16, f16};

use crate::number::Number;
use crate::{DType, Element, Error, Result};

/// A value with an order; only NaN is unordered.
pub trait Ordered: Copy + PartialOrd {
    /// Returns true for NaN.
    fn is_nan(self) -> bool;
}

impl Ordered for Number {
    fn is_nan(self) -> bool {
        matches!(self, Number::Float(value) if value.is_nan())
    }
}

/// An element type with an order and a value as `f64`.
pub trait Real: Element + Ordered {
    /// True if values can be NaN, infinite, or rounded.
    const IS_FLOAT: bool;
    /// Returns the nearest `f64`.
    fn to_f64(self) -> f64;
    /// Returns the element as a number, without loss.
    fn to_number(self) -> Number;
    /// Returns the element from which [`to_number`](Self::to_number) made the number.
    fn of_number(number: Number) -> Self;
}

macro_rules! real {
    ($(
        $type:ty: $is_float:literal, $is_nan:expr, $to_f64:expr,
        $Variant:ident, $to:expr, $of:expr;
    )*) => {
        $(
            impl Ordered for $type {
                fn is_nan(self) -> bool {
                    ($is_nan)(self)
                }
            }

            impl Real for $type {
                const IS_FLOAT: bool = $is_float;

                fn to_f64(self) -> f64 {
                    ($to_f64)(self)
                }

                fn to_number(self) -> Number {
                    Number::$Variant(($to)(self))
                }

                fn of_number(number: Number) -> Self {
                    match number {
                        Number::$Variant(number) => ($of)(number),
                        _ => unreachable!("the elements of an array have one dtype"),
                    }
                }
            }
        )*
    };
}

real! {
    bool: false, |_| false, |x| f64::from(u8::from(x)), Unsigned, u64::from, |x| x != 0;
    i8: false, |_| false, f64::from, Signed, i64::from, |x| x as i8;
    i16: false, |_| false, f64::from, Signed, i64::from, |x| x as i16;
    i32: false, |_| false, f64::from, Signed, i64::from, |x| x as i32;
    i64: false, |_| false, |x| x as f64, Signed, |x| x, |x| x;
    u8: false, |_| false, f64::from, Unsigned, u64::from, |x| x as u8;
    u16: false, |_| false, f64::from, Unsigned, u64::from, |x| x as u16;
    u32: false, |_| false, f64::from, Unsigned, u64::from, |x| x as u32;
    u64: false, |_| false, |x| x as f64, Unsigned, |x| x, |x| x;
    f16: true, f16::is_nan, f64::from, Float, f64::from, f16::from_f64;
    bf16: true, bf16::is_nan, f64::from, Float, f64::from, bf16::from_f64;
    f32: true, f32::is_nan, f64::from, Float, f64::from, |x| x as f32;
    f64: true, f64::is_nan, |x| x, Float, |x| x, |x| x;
}

/// Returns the error of a statistic of real numbers for a dtype that is not real.
pub(crate) fn not_real(statistic: &str, dtype: DType) -> Error {
    Error::unsupported_dtype(statistic, dtype, "bool, integers and real floats")
}

pub(crate) fn check_real(statistic: impl FnOnce() -> String, dtype: Option<DType>) -> Result<()> {
    match dtype {
        Some(dtype @ (DType::Complex64 | DType::Complex128)) => Err(not_real(&statistic(), dtype)),
        _ => Ok(()),
    }
}

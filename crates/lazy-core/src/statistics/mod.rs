//! The statistics that come with the crate.
//!
//! A *row* is `array[i]`, all axes but the first. Within a row, elements are counted in C order over
//! all its axes, as `array[i].ravel()` counts them in NumPy. A *column* is what rows have at one index.

mod cell;
mod count;
mod covariance;
mod extremum;
mod float;
mod fold;
mod histogram;
mod ignoring_nan;
mod mean_variance;
mod named_arrays;
mod norm;
mod number;
mod order;
mod per_column;
mod per_row;
mod quantiles;
mod sum;
mod summary;
mod top_k;

pub use count::Count;
pub use covariance::{Covariance, Covariances};
pub use extremum::{ArgMax, ArgMin, Extrema, Extremum, Max, Min};
pub use fold::Fold;
pub use histogram::{Histogram, HistogramCounts};
pub use ignoring_nan::IgnoringNan;
pub use mean_variance::{MeanVariance, Moments, MomentsOfMany};
pub use named_arrays::NamedArrays;
pub use norm::Norm;
pub use number::Number;
pub use per_column::PerColumn;
pub use per_row::PerRow;
pub use quantiles::Quantiles;
pub use sum::Sum;
pub use summary::Summary;
pub use top_k::{BottomK, TopK};

use half::{bf16, f16};
use order::Ordered;

use crate::reduce::short_name;
use crate::{DType, Element, Error, Result};

/// An element type with an order and a value as `f64`.
pub trait Real: Element + Ordered {
    /// Whether it can be NaN, infinite, or rounded.
    const IS_FLOAT: bool;
    /// The nearest `f64`.
    fn to_f64(self) -> f64;
    /// The element, without loss.
    fn to_number(self) -> Number;
    /// The element that [`to_number`](Self::to_number) was given.
    fn of_number(number: Number) -> Self;
}

macro_rules! real {
    ($($type:ty: $is_float:literal, $is_nan:expr, $to_f64:expr, $Variant:ident, $to:expr, $of:expr;)*) => {
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

/// The error of a statistic of real numbers that is given complex ones.
pub(crate) fn not_real(statistic: &str, dtype: DType) -> Error {
    Error::UnsupportedDType {
        taker: short_name(statistic.to_owned()),
        dtype,
        supported: "it takes bool, integers and real floats",
    }
}

fn check_real(statistic: impl FnOnce() -> String, dtype: Option<DType>) -> Result<()> {
    match dtype {
        Some(dtype @ (DType::Complex64 | DType::Complex128)) => Err(not_real(&statistic(), dtype)),
        _ => Ok(()),
    }
}

//! The statistics that come with the crate.
//!
//! A *row* is `array[i]`, all axes but the first. Within a row, elements are counted in C order over
//! all its axes, as `array[i].ravel()` counts them in NumPy.

mod arg_max;
mod mean_variance;
mod order;
mod rows;
mod top_k;

pub use arg_max::{ArgMax, ArgMaxPerRow};
pub use mean_variance::{MeanVariance, Moments};
use order::{Candidate, Value};
use rows::PerRow;
pub use top_k::{TopK, TopKPerRow};

use half::{bf16, f16};

use crate::{DType, Element, Error, Result};

/// An element type with an order and a value as `f64`.
pub(crate) trait Real: Element {
    fn to_f64(self) -> f64;
    fn to_value(self) -> Value;
}

macro_rules! real {
    ($($type:ty: $to_f64:expr, $to_value:expr;)*) => {
        $(impl Real for $type {
            fn to_f64(self) -> f64 {
                ($to_f64)(self)
            }

            fn to_value(self) -> Value {
                ($to_value)(self)
            }
        })*
    };
}

real! {
    bool: |x| f64::from(u8::from(x)), |x| Value::Unsigned(u64::from(x));
    i8: f64::from, |x| Value::Signed(i64::from(x));
    i16: f64::from, |x| Value::Signed(i64::from(x));
    i32: f64::from, |x| Value::Signed(i64::from(x));
    i64: |x| x as f64, Value::Signed;
    u8: f64::from, |x| Value::Unsigned(u64::from(x));
    u16: f64::from, |x| Value::Unsigned(u64::from(x));
    u32: f64::from, |x| Value::Unsigned(u64::from(x));
    u64: |x| x as f64, Value::Unsigned;
    f16: f64::from, |x| Value::Float(f64::from(x));
    bf16: f64::from, |x| Value::Float(f64::from(x));
    f32: f64::from, |x| Value::Float(f64::from(x));
    f64: |x| x, Value::Float;
}

/// The error of a statistic of real numbers that is given complex ones.
pub(crate) fn not_real(statistic: &str, dtype: DType) -> Error {
    Error::UnsupportedDType {
        taker: statistic.to_owned(),
        dtype,
        supported: "it takes bool, integers and real floats",
    }
}

fn check_real(statistic: &str, dtype: Option<DType>) -> Result<()> {
    match dtype {
        Some(dtype @ (DType::Complex64 | DType::Complex128)) => Err(not_real(statistic, dtype)),
        _ => Ok(()),
    }
}

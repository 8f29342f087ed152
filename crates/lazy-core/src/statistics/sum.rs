//! The sum.

use ndarray::{Array, Dimension};
use serde::{Deserialize, Serialize};

use super::cell::{Along, Cell, Run, arrange};
use super::float::{Compensated, pairwise_sum};
use super::order::Nan;
use crate::Result;
use crate::number::Number;
use crate::real::Real;

/// The sum: an integer for integers, and an `f64` for floats; 0 if there are no elements.
///
/// Floats of all sizes are added as `f64`, pairwise within a block, and the rounding errors are
/// carried from block to block. So the error bound grows with the logarithm of the size of a block,
/// and not with the number of blocks. Integers are added exactly, in 128 bits, which 2⁶³ elements
/// of any dtype do not overflow; a sum beyond 64 bits is returned as the nearest `f64`. For bool,
/// the sum is the number of true elements. NaN and infinities give the same result as in NumPy. The
/// state takes 48 bytes.
///
/// # Errors
///
/// [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) for complex dtypes.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Sum, Summary};
/// use ndarray::array;
///
/// // As `i64` the sum would overflow.
/// let sequence = LazyChunkSequence::new(|| [array![[i64::MAX, 1]], array![[i64::MAX, -1]]]);
/// let (sum, of_rows) = sequence.convert(NdarrayConverter).compute((Sum, Sum.per_row()))?;
/// assert_eq!(sum, u64::MAX - 1);
/// assert_eq!(of_rows, array![1_u64 << 63, (1 << 63) - 2]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum;

/// The sums of floats and of integers; an array has only one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Total {
    float: Compensated,
    /// `None` before the first integer.
    integer: Option<i128>,
}

impl Total {
    /// If parts of an array have different dtypes, the sum is a float.
    fn to_number(self) -> Number {
        match self.integer {
            Some(integer) if self.float == Compensated::default() => Number::of_integer(integer),
            integer => Number::Float(self.float.total() + integer.unwrap_or(0) as f64),
        }
    }

    fn add_integer(&mut self, integer: i128) {
        self.integer = Some(self.integer.unwrap_or(0) + integer);
    }
}

impl Cell for Sum {
    type State = Total;
    type Value = Number;
    type Values<D: Dimension + 'static> = Array<Number, D>;

    fn name(&self) -> String {
        "the sum".to_owned()
    }

    fn value_size(&self) -> usize {
        size_of::<Number>()
    }

    fn empty(&self) -> Total {
        Total::default()
    }

    fn update<A: Real>(&self, state: &mut Total, run: Run<'_, A>, _: Nan) {
        if A::IS_FLOAT {
            state.float.add(pairwise_sum(run.elements, &|x| x));
        } else {
            state.add_integer(run.elements.iter().map(|x| to_integer(x.to_number())).sum());
        }
    }

    fn merge(&self, state: &mut Total, next: Total, _: Nan) {
        state.float.merge(next.float);
        if let Some(integer) = next.integer {
            state.add_integer(integer);
        }
    }

    fn value(&self, state: Total) -> Result<Number> {
        Ok(state.to_number())
    }

    fn values<D: Dimension + 'static>(
        &self,
        states: Vec<Total>,
        shape: D,
        _: Along,
    ) -> Result<Array<Number, D>> {
        Ok(arrange(shape, states.into_iter().map(Total::to_number).collect()))
    }
}

fn to_integer(number: Number) -> i128 {
    match number {
        Number::Signed(number) => i128::from(number),
        Number::Unsigned(number) => i128::from(number),
        Number::Float(_) => unreachable!("floats are added as floats"),
    }
}

//! The sum.

use ndarray::{Array, Dimension};
use serde::{Deserialize, Serialize};

use super::cell::{Along, Cell, Run, arrange};
use super::float::{Compensated, pairwise_sum};
use super::{Real, Value};
use crate::Result;

/// The sum, as an `f64`; of no elements, 0.
///
/// Floats of all sizes are added as `f64`, pairwise within a block, and with the rounding errors kept from
/// block to block: the bound on the error grows with the logarithm of a block's size, and not with the
/// number of blocks. Integers are added exactly, in 128 bits, which 2⁶³ elements of any dtype do not overflow,
/// and rounded once; of bool, it is how many are true. NaN and infinities give what they give in NumPy. The state is
/// 32 bytes.
///
/// # Errors
///
/// [`Error::UnsupportedDType`](crate::Error::UnsupportedDType) for complex dtypes.
///
/// # Example
///
/// ```
/// use lazy_core::{LazyChunkSequence, NdarrayConverter, Sum, Summary};
/// use ndarray::array;
///
/// // As `i64` this would overflow.
/// let sequence = LazyChunkSequence::new(|| [array![[i64::MAX, 1]], array![[i64::MAX, -1]]]);
/// let (sum, of_rows) = sequence.convert(NdarrayConverter).compute((Sum, Sum.per_row()))?;
/// assert_eq!(sum, 2.0_f64.powi(64));
/// assert_eq!(of_rows, array![2.0_f64.powi(63), 2.0_f64.powi(63)]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum;

/// The sums of floats and of integers, of which an array has either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Total {
    float: Compensated,
    integer: i128,
}

impl Total {
    fn to_f64(self) -> f64 {
        self.float.total() + self.integer as f64
    }
}

impl Cell for Sum {
    type State = Total;
    type Value = f64;
    type Values<D: Dimension> = Array<f64, D>;

    fn name(&self) -> String {
        "the sum".to_owned()
    }

    fn empty(&self) -> Total {
        Total::default()
    }

    fn push<A: Real>(&self, state: &mut Total, run: Run<'_, A>) {
        if A::IS_FLOAT {
            state.float.add(pairwise_sum(run.elements, &|x| x));
        } else {
            let sum: i128 = run.elements.iter().map(|x| to_integer(x.to_value())).sum();
            state.integer += sum;
        }
    }

    fn merge(&self, state: &mut Total, next: Total) {
        state.float.merge(next.float);
        state.integer += next.integer;
    }

    fn value(&self, state: Total) -> Result<f64> {
        Ok(state.to_f64())
    }

    fn values<D: Dimension>(
        &self,
        states: Vec<Total>,
        shape: D,
        _: Along,
    ) -> Result<Array<f64, D>> {
        Ok(arrange(shape, states.into_iter().map(Total::to_f64).collect()))
    }
}

fn to_integer(value: Value) -> i128 {
    match value {
        Value::Signed(value) => i128::from(value),
        Value::Unsigned(value) => i128::from(value),
        Value::Float(_) => unreachable!("floats are added as floats"),
    }
}

//! The sum.

use ndarray::{Array, Dimension};
use serde::{Deserialize, Serialize};

use super::cell::{Along, Cell, Run, arrange};
use super::float::{Compensated, pairwise_sum};
use super::{Number, Real};
use crate::Result;

/// The sum: of integers an integer, of floats an `f64`; of no elements, 0.
///
/// Floats of all sizes are added as `f64`, pairwise within a block, and with the rounding errors kept from
/// block to block: the bound on the error grows with the logarithm of a block's size, and not with the
/// number of blocks. Integers are added exactly, in 128 bits, which 2⁶³ elements of any dtype do not overflow;
/// a sum beyond 64 bits is the nearest `f64`. Of bool, it is how many are true. NaN and infinities give what they give in NumPy. The state is
/// 48 bytes.
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
/// // As `i64` the sum would overflow.
/// let sequence = LazyChunkSequence::new(|| [array![[i64::MAX, 1]], array![[i64::MAX, -1]]]);
/// let (sum, of_rows) = sequence.convert(NdarrayConverter).compute((Sum, Sum.per_row()))?;
/// assert_eq!(sum, u64::MAX - 1);
/// assert_eq!(of_rows, array![1_u64 << 63, (1 << 63) - 2]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum;

/// The sums of floats and of integers, of which an array has either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Total {
    float: Compensated,
    /// None before the first integer.
    integer: Option<i128>,
}

impl Total {
    /// Parts of an array may turn out to have different dtypes; then the sum is a float.
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
    type Values<D: Dimension> = Array<Number, D>;

    fn name(&self) -> String {
        "the sum".to_owned()
    }

    fn value_size(&self) -> usize {
        size_of::<Number>()
    }

    fn empty(&self) -> Total {
        Total::default()
    }

    fn push<A: Real>(&self, state: &mut Total, run: Run<'_, A>) {
        if A::IS_FLOAT {
            state.float.add(pairwise_sum(run.elements, &|x| x));
        } else {
            state.add_integer(run.elements.iter().map(|x| to_integer(x.to_number())).sum());
        }
    }

    fn merge(&self, state: &mut Total, next: Total) {
        state.float.merge(next.float);
        if let Some(integer) = next.integer {
            state.add_integer(integer);
        }
    }

    fn value(&self, state: Total) -> Result<Number> {
        Ok(state.to_number())
    }

    fn values<D: Dimension>(
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

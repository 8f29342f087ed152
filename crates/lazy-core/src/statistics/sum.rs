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
/// Floats of all sizes are added as `f64`, pairwise within pieces of 16,384 elements, and the
/// rounding errors are carried from piece to piece. So the error bound grows neither with the size of
/// the blocks nor with their number. Integers are added exactly, in 128 bits, which 2⁶³ elements
/// of any dtype do not overflow; a sum beyond 64 bits is returned as the nearest `f64`. The sum of
/// signed integers is a [signed](Number::Signed) number if it fits, or else an unsigned one; the
/// sum of unsigned integers is unsigned. For bool, the sum is the number of true elements. NaN and
/// infinities give the same result as in NumPy. The state takes 32 bytes.
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

/// A sum. Its kind is the kind of the elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Total {
    /// No elements.
    #[default]
    Nothing,
    Float(Compensated),
    Signed(i128),
    Unsigned(u128),
}

impl Total {
    fn to_number(self) -> Number {
        match self {
            Total::Nothing => Number::Float(0.0),
            Total::Float(sum) => Number::Float(sum.total()),
            Total::Signed(sum) => match (i64::try_from(sum), u64::try_from(sum)) {
                (Ok(sum), _) => Number::Signed(sum),
                (_, Ok(sum)) => Number::Unsigned(sum),
                _ => Number::Float(sum as f64),
            },
            Total::Unsigned(sum) => match u64::try_from(sum) {
                Ok(sum) => Number::Unsigned(sum),
                Err(_) => Number::Float(sum as f64),
            },
        }
    }

    /// Adds another sum. If parts of an array have different dtypes, integers become signed, and
    /// integers and floats become a float.
    fn add(&mut self, next: Total) {
        *self = match (*self, next) {
            (Total::Nothing, sum) | (sum, Total::Nothing) => sum,
            (Total::Signed(a), Total::Signed(b)) => Total::Signed(a + b),
            (Total::Unsigned(a), Total::Unsigned(b)) => Total::Unsigned(a + b),
            (Total::Signed(a), Total::Unsigned(b)) | (Total::Unsigned(b), Total::Signed(a)) => {
                Total::Signed(a + b as i128)
            }
            (a, b) => {
                let mut sum = a.compensated();
                sum.merge(b.compensated());
                Total::Float(sum)
            }
        }
    }

    fn compensated(self) -> Compensated {
        let of_integer = |sum: f64| {
            let mut compensated = Compensated::default();
            compensated.add(sum);
            compensated
        };
        match self {
            Total::Nothing => Compensated::default(),
            Total::Float(sum) => sum,
            Total::Signed(sum) => of_integer(sum as f64),
            Total::Unsigned(sum) => of_integer(sum as f64),
        }
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
        let numbers = || run.elements.iter().map(|x| x.to_number());
        // The additions to a float stay in the order of the elements.
        match (A::default().to_number(), &mut *state) {
            (Number::Float(_), Total::Float(sum)) => sum.add(pairwise_sum(run.elements, |x| x)),
            (Number::Float(_), _) => {
                let mut sum = Compensated::default();
                sum.add(pairwise_sum(run.elements, |x| x));
                state.add(Total::Float(sum));
            }
            (Number::Signed(_), _) => {
                let signed = |number| match number {
                    Number::Signed(integer) => i128::from(integer),
                    _ => unreachable!("the elements have one dtype"),
                };
                state.add(Total::Signed(numbers().map(signed).sum()));
            }
            (Number::Unsigned(_), _) => {
                let unsigned = |number| match number {
                    Number::Unsigned(integer) => u128::from(integer),
                    _ => unreachable!("the elements have one dtype"),
                };
                state.add(Total::Unsigned(numbers().map(unsigned).sum()));
            }
        }
    }

    fn merge(&self, state: &mut Total, next: Total, _: Nan) {
        state.add(next);
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

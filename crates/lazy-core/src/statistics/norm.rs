//! Norms.

use ndarray::{Array, Dimension};

use super::cell::{Along, Cell, Run, arrange};
use super::float::{Compensated, pairwise_sum};
use super::order::Nan;
use crate::Result;
use crate::real::Real;

/// A norm of the elements as one vector, as an `f64`; 0 if there are no elements.
///
/// All norms are accumulated as `f64`, like [`Sum`](super::Sum); an integer beyond 2⁵³ is rounded
/// first. As in NumPy, squares may overflow: elements beyond 10¹⁵⁴ have an infinite L2 norm. NaN
/// gives NaN. The state takes 16 bytes.
///
/// # Errors
///
/// [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) for complex dtypes.
///
/// # Example
///
/// The lengths of gradients, one row for each sample:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Norm, Summary};
/// use ndarray::array;
///
/// let gradients = LazyChunkSequence::new(|| [array![[3.0_f32, -4.0]], array![[0.0, 2.0]]])
///     .convert(NdarrayConverter);
/// let (lengths, largest) = gradients.compute((Norm::L2.per_row(), Norm::LInf))?;
/// assert_eq!(lengths, array![5.0, 2.0]);
/// assert_eq!(largest, 4.0);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// The sum of the absolute values.
    L1,
    /// The square root of the sum of the squares.
    L2,
    /// The largest absolute value.
    LInf,
}

impl Norm {
    fn finish(self, state: Compensated) -> f64 {
        match self {
            Norm::L1 | Norm::LInf => state.total(),
            Norm::L2 => state.total().sqrt(),
        }
    }

    fn add(self, state: &mut Compensated, next: f64) {
        match self {
            Norm::L1 | Norm::L2 => state.add(next),
            Norm::LInf => {
                let largest = larger(state.total(), next);
                *state = Compensated::default();
                state.add(largest);
            }
        }
    }
}

/// Returns the larger of two floats, or NaN if one of them is NaN.
fn larger(a: f64, b: f64) -> f64 {
    if a >= b || a.is_nan() { a } else { b }
}

impl Cell for Norm {
    type State = Compensated;
    type Value = f64;
    type Values<D: Dimension + 'static> = Array<f64, D>;

    fn name(&self) -> String {
        match self {
            Norm::L1 => "the L1 norm",
            Norm::L2 => "the L2 norm",
            Norm::LInf => "the L∞ norm",
        }
        .to_owned()
    }

    fn value_size(&self) -> usize {
        size_of::<f64>()
    }

    fn empty(&self) -> Compensated {
        Compensated::default()
    }

    fn update<A: Real>(&self, state: &mut Compensated, run: Run<'_, A>, _: Nan) {
        let elements = run.elements;
        let next = match self {
            Norm::L1 => pairwise_sum(elements, f64::abs),
            Norm::L2 => pairwise_sum(elements, |x| x * x),
            Norm::LInf => elements.iter().fold(0.0, |norm, x| larger(norm, x.to_f64().abs())),
        };
        self.add(state, next);
    }

    fn merge(&self, state: &mut Compensated, next: Compensated, _: Nan) {
        match self {
            Norm::L1 | Norm::L2 => state.merge(next),
            Norm::LInf => self.add(state, next.total()),
        }
    }

    fn value(&self, state: Compensated) -> Result<f64> {
        Ok(self.finish(state))
    }

    fn values<D: Dimension + 'static>(
        &self,
        states: Vec<Compensated>,
        shape: D,
        _: Along,
    ) -> Result<Array<f64, D>> {
        Ok(arrange(shape, states.into_iter().map(|state| self.finish(state)).collect()))
    }
}

//! The number of elements.

use ndarray::{Array, Dimension};

use super::cell::{Along, Cell, Run, arrange};
use super::order::Nan;
use crate::Result;
use crate::real::Real;

/// The number of elements, or the number of elements that are not NaN if [NaN is
/// ignored](super::Summary::ignoring_nan).
///
/// The state is 8 bytes.
///
/// # Errors
///
/// [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) for complex dtypes.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Count, LazyChunkSequence, NdarrayConverter, Summary};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![[1.0, f64::NAN], [3.0, 4.0]]]);
/// let statistics = (Count, Count.ignoring_nan().per_column());
/// let (n_elements, n_numbers) = sequence.convert(NdarrayConverter).compute(statistics)?;
/// assert_eq!(n_elements, 4);
/// assert_eq!(n_numbers, array![2, 1].into_dyn());
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Count;

impl Cell for Count {
    type State = u64;
    type Value = u64;
    type Values<D: Dimension + 'static> = Array<u64, D>;

    fn name(&self) -> String {
        "the count".to_owned()
    }

    fn value_size(&self) -> usize {
        size_of::<u64>()
    }

    fn empty(&self) -> u64 {
        0
    }

    fn update<A: Real>(&self, state: &mut u64, run: Run<'_, A>, _: Nan) {
        *state += run.elements.len() as u64;
    }

    fn merge(&self, state: &mut u64, next: u64, _: Nan) {
        *state += next;
    }

    fn value(&self, state: u64) -> Result<u64> {
        Ok(state)
    }

    fn values<D: Dimension + 'static>(
        &self,
        states: Vec<u64>,
        shape: D,
        _: Along,
    ) -> Result<Array<u64, D>> {
        Ok(arrange(shape, states))
    }
}

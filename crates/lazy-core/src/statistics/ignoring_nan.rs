//! Statistics that ignore NaN.

use ndarray::Dimension;

use super::cell::{Along, Cell, Run};
use super::order::Nan;
use crate::real::Real;
use crate::{DType, Result};

/// A statistic that ignores NaN; see [`Summary::ignoring_nan`](super::Summary::ignoring_nan).
///
/// If all elements are NaN, a sum is 0 and a mean is NaN, as in NumPy. An extremum is then NaN and
/// has the index of the first element, whereas NumPy's `nanargmax` fails.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArgMax, Count, LazyChunkSequence, NdarrayConverter, Summary};
/// use ndarray::array;
///
/// // The largest of each row, and the number of elements that are not NaN.
/// let sequence = LazyChunkSequence::new(|| [array![[f64::NAN, 2.0], [f64::NAN, f64::NAN]]]);
/// let statistics = (ArgMax.ignoring_nan().per_row(), Count.ignoring_nan().per_row());
/// let (largest, n_numbers) = sequence.convert(NdarrayConverter).compute(statistics)?;
/// assert_eq!((largest.indices, n_numbers), (array![1, 0], array![1, 0]));
/// assert!(largest.values[1].to_f64().is_nan());
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct IgnoringNan<S>(pub(super) S);

impl<S: Cell> Cell for IgnoringNan<S> {
    type State = S::State;
    type Value = S::Value;
    type Values<D: Dimension + 'static> = S::Values<D>;
    const HAS_HEAP: bool = S::HAS_HEAP;
    const HANDLES_NAN: bool = true;

    fn name(&self) -> String {
        format!("{} ignoring NaN", self.0.name())
    }

    fn check(&self, n_elements: Option<usize>) -> Result<()> {
        self.0.check(n_elements)
    }

    fn least_heap(&self, n_elements: usize) -> usize {
        self.0.least_heap(n_elements)
    }

    fn most_heap(&self, n_elements: Option<usize>, dtype: DType) -> Option<usize> {
        self.0.most_heap(n_elements, dtype)
    }

    fn most_spare(&self, n_elements: Option<usize>, dtype: DType) -> Option<usize> {
        self.0.most_spare(n_elements, dtype)
    }

    fn heap(&self, state: &S::State) -> usize {
        self.0.heap(state)
    }

    fn value_size(&self) -> usize {
        self.0.value_size()
    }

    fn empty(&self) -> S::State {
        self.0.empty()
    }

    fn update<A: Real>(&self, state: &mut S::State, run: Run<'_, A>, _: Nan) {
        /// The number of elements that are copied at once: few enough for the stack.
        const PIECE: usize = 256;
        if !A::IS_FLOAT || S::HANDLES_NAN {
            return self.0.update(state, run, Nan::Ignored);
        }
        for (i, piece) in run.elements.chunks(PIECE).enumerate() {
            let run = run.piece(i * PIECE, piece);
            if !piece.iter().fold(false, |any, x| any | x.is_nan()) {
                self.0.update(state, run, Nan::Ignored);
                continue;
            }
            let mut numbers = [A::default(); PIECE];
            let mut n_numbers = 0;
            for element in piece.iter().filter(|x| !x.is_nan()) {
                numbers[n_numbers] = *element;
                n_numbers += 1;
            }
            self.0.update(state, run.piece(0, &numbers[..n_numbers]), Nan::Ignored);
        }
    }

    fn normalize(&self, state: &mut S::State, _: Nan) {
        self.0.normalize(state, Nan::Ignored);
    }

    fn merge(&self, state: &mut S::State, next: S::State, _: Nan) {
        self.0.merge(state, next, Nan::Ignored);
    }

    fn is_valid(&self, state: &S::State) -> bool {
        self.0.is_valid(state)
    }

    fn value(&self, state: S::State) -> Result<S::Value> {
        self.0.value(state)
    }

    fn values<D: Dimension + 'static>(
        &self,
        states: Vec<S::State>,
        shape: D,
        along: Along,
    ) -> Result<S::Values<D>> {
        self.0.values(states, shape, along)
    }
}

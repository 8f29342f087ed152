//! Statistics that leave out NaN.

use ndarray::Dimension;

use super::Real;
use super::cell::{Along, Cell, Run};
use crate::Result;

/// A statistic as if there were no NaN; see [`Summary::ignoring_nan`](super::Summary::ignoring_nan).
///
/// Where there is nothing but NaN, a sum is 0 and a mean NaN, as in NumPy; an extremum is NaN, and its index
/// that of the first, where NumPy's `nanargmax` fails.
///
/// # Example
///
/// ```
/// use lazy_core::{ArgMax, Count, LazyChunkSequence, NdarrayConverter, Summary};
/// use ndarray::array;
///
/// // Of each row the largest, and how many there were to choose from.
/// let sequence = LazyChunkSequence::new(|| [array![[f64::NAN, 2.0], [f64::NAN, f64::NAN]]]);
/// let statistics = (ArgMax.ignoring_nan().per_row(), Count.ignoring_nan().per_row());
/// let (largest, n_numbers) = sequence.convert(NdarrayConverter).compute(statistics)?;
/// assert_eq!((largest.indices, n_numbers), (array![1, 0], array![1, 0]));
/// assert!(largest.values[1].to_f64().is_nan());
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct IgnoringNan<S>(pub(super) S);

impl<S: Cell> Cell for IgnoringNan<S> {
    type State = S::State;
    type Value = S::Value;
    type Values<D: Dimension> = S::Values<D>;
    const HAS_HEAP: bool = S::HAS_HEAP;

    fn name(&self) -> String {
        format!("{} ignoring NaN", self.0.name())
    }

    fn check(&self, n_elements: Option<usize>) -> Result<()> {
        self.0.check(n_elements)
    }

    fn least_heap(&self, n_elements: usize) -> usize {
        self.0.least_heap(n_elements)
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

    fn push<A: Real>(&self, state: &mut S::State, run: Run<'_, A>) {
        if A::IS_FLOAT { self.0.push_numbers(state, run) } else { self.0.push(state, run) }
    }

    fn push_numbers<A: Real>(&self, state: &mut S::State, run: Run<'_, A>) {
        Cell::push(self, state, run);
    }

    fn settle(&self, state: &mut S::State) {
        self.0.settle_numbers(state);
    }

    fn settle_numbers(&self, state: &mut S::State) {
        self.0.settle_numbers(state);
    }

    fn merge(&self, state: &mut S::State, next: S::State) {
        self.0.merge_numbers(state, next);
    }

    fn merge_numbers(&self, state: &mut S::State, next: S::State) {
        self.0.merge_numbers(state, next);
    }

    fn is_state(&self, state: &S::State) -> bool {
        self.0.is_state(state)
    }

    fn value(&self, state: S::State) -> Result<S::Value> {
        self.0.value(state)
    }

    fn values<D: Dimension>(
        &self,
        states: Vec<S::State>,
        shape: D,
        along: Along,
    ) -> Result<S::Values<D>> {
        self.0.values(states, shape, along)
    }
}

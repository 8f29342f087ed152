//! Statistics of the whole array, which can also be computed per row or per column.

use std::ops::Range;

use super::bound;
use super::cell::{Cell, Heap, Run, merge_counted};
use super::float::{N_AHEAD, RUN};
use super::order::Nan;
use super::simd::fetch;
use super::{
    ArgMax, ArgMin, BottomK, Count, Histogram, IgnoringNan, Max, MeanVariance, Min, Norm,
    PerColumn, PerRow, Quantiles, Sum, TopK,
};
use crate::dtype::with_element;
use crate::memory::{n_elements, take};
use crate::real::{check_real, not_real};
use crate::reduce::{InPieces, Making, pieces};
use crate::{
    ArrayBlock, BlockPosition, DType, Result, SaveState, SequenceSpec, StateSize, Statistic,
};

/// A statistic of elements, computed for the whole array, or for each row or each column.
///
/// The result for the whole array is a value of the statistic's own type, such as
/// [`Extremum`](super::Extremum). Per row and per column, the results are ndarrays, such as
/// [`Extrema`](super::Extrema).
///
/// The trait cannot be implemented outside this crate.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, Max, NdarrayConverter, Sum, Summary};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![[1, 2, 3]], array![[7, 6, 5]]])
///     .convert(NdarrayConverter);
/// let statistics = (Sum, Sum.per_row(), Sum.per_column(), Max.per_column());
/// let (sum, of_rows, of_columns, largest) = sequence.compute(statistics)?;
/// assert_eq!(sum, 24.0);
/// assert_eq!(of_rows, array![6.0, 18.0]);
/// assert_eq!(of_columns, array![8.0, 8.0, 8.0].into_dyn());
/// assert_eq!(largest, array![7.0, 6.0, 5.0].into_dyn());
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub trait Summary:
    Cell + SaveState<State = <Self as Cell>::State> + Statistic<Output = <Self as Cell>::Value>
{
    /// Computes the statistic per row. There is a state for each row; if they exceed the [memory
    /// limit](crate::LazyChunkSequence::with_memory_limit), the evaluation returns
    /// [`ErrorKind::Memory`](crate::ErrorKind::Memory).
    fn per_row(self) -> PerRow<Self> {
        PerRow(self)
    }

    /// Computes the statistic per column: of `array[:, i]`, or of `array[:, i, j]` if there are
    /// more axes. There is a state for each column, with the same error as [per
    /// row](Self::per_row).
    fn per_column(self) -> PerColumn<Self> {
        PerColumn(self)
    }

    /// Computes the statistic without NaN elements, as NumPy's `nansum`, `nanmax`, … do.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{ArgMax, LazyChunkSequence, MeanVariance, NdarrayConverter, Summary};
    /// use ndarray::array;
    ///
    /// let sequence = LazyChunkSequence::new(|| [array![[1.0, f64::NAN, 3.0]]])
    ///     .convert(NdarrayConverter);
    /// let (with, without) = sequence.compute((MeanVariance, MeanVariance.ignoring_nan()))?;
    /// assert!(with.mean.is_nan());
    /// assert_eq!((without.count, without.mean), (2, 2.0));
    ///
    /// let largest = sequence.compute(ArgMax.ignoring_nan().per_row())?;
    /// assert_eq!(largest.indices, array![2]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    fn ignoring_nan(self) -> IgnoringNan<Self> {
        IgnoringNan(self)
    }
}

/// Adds a block to the state of the whole array.
fn update_block<C: Cell>(
    summary: &C,
    state: &mut C::State,
    at: BlockPosition,
    block: &ArrayBlock,
) -> Result<()> {
    let mut making = Box::new(StateOfBlock::begin(summary, at, block)?);
    pieces(block.n_elements()).try_for_each(|piece| making.add(piece))?;
    summary.merge(state, making.finish()?, Nan::Counts);
    Ok(())
}

/// The state of a block in the making.
struct StateOfBlock<'b, C: Cell> {
    summary: &'b C,
    at: BlockPosition,
    block: &'b ArrayBlock,
    state: C::State,
    heap: Heap,
}

impl<'b, C: Cell> StateOfBlock<'b, C> {
    fn begin(
        summary: &'b C,
        at: BlockPosition,
        block: &'b ArrayBlock,
    ) -> Result<StateOfBlock<'b, C>> {
        take(summary.size_of_cells(Some(1), block.n_elements()), || Cell::name(summary))?;
        let heap = Heap::of(summary.least_heap(block.n_elements()));
        Ok(StateOfBlock { summary, at, block, state: summary.empty(), heap })
    }
}

impl<C: Cell> InPieces<C::State> for StateOfBlock<'_, C> {
    fn add(&mut self, elements: Range<usize>) -> Result<()> {
        let StateOfBlock { summary, at, block, state, .. } = self;
        let dtype = block.dtype();
        with_element!(
            dtype,
            real A => {
                let run = Run::<A>::of_block(*at, block)?;
                let later = elements.end..elements.end + N_AHEAD * RUN;
                fetch(run.elements.get(later).unwrap_or_default());
                let piece = run.piece(elements.start, &run.elements[elements]);
                summary.update(state, piece, Nan::Counts);
                Ok(())
            },
            _ => Err(not_real(&summary.name(), dtype))
        )
    }

    fn finish(mut self: Box<Self>) -> Result<C::State> {
        self.summary.normalize(&mut self.state, Nan::Counts);
        let StateOfBlock { summary, state, mut heap, .. } = *self;
        heap.grow(0, summary.heap(&state), || Cell::name(summary))?;
        heap.give_back();
        Ok(state)
    }
}

/// Implements [`Statistic`] of the whole array for summaries. A blanket implementation would
/// conflict with the implementation for references.
macro_rules! of_the_whole_array {
    ($($Summary:ident $(<$S:ident>)?),*) => {
        $(
            /// The statistic of the whole array.
            impl $(<$S: Cell>)? Statistic for $Summary $(<$S>)? {
                type State = <Self as Cell>::State;
                type Output = <Self as Cell>::Value;

                fn name(&self) -> String {
                    Cell::name(self)
                }

                fn check(&self, dtype: Option<DType>, _: Option<&[usize]>) -> Result<()> {
                    Cell::check(self, None)?;
                    check_real(|| Cell::name(self), dtype)
                }

                fn state_size(&self, n_rows: usize, row_shape: Option<&[usize]>) -> StateSize {
                    let row_length = row_shape.and_then(n_elements).unwrap_or(0);
                    self.size_of_cells(Some(1), n_rows.saturating_mul(row_length))
                }

                fn empty(&self) -> Self::State {
                    Cell::empty(self)
                }

                fn state_bound(&self, spec: &SequenceSpec) -> Option<StateSize> {
                    bound::of_the_whole_array(self, spec)
                }

                fn init(&self, _: &SequenceSpec) -> Result<Self::State> {
                    take(self.size_of_cells(Some(1), 0), || Cell::name(self))?;
                    Ok(Cell::empty(self))
                }

                fn update(
                    &self,
                    state: &mut Self::State,
                    at: BlockPosition,
                    block: &ArrayBlock,
                ) -> Result<()> {
                    update_block(self, state, at, block)
                }

                fn state_in_pieces<'b>(
                    &'b self,
                    at: BlockPosition,
                    block: &'b ArrayBlock,
                ) -> Result<Making<'b, Self::State>> {
                    Ok(Some(Box::new(StateOfBlock::begin(self, at, block)?)))
                }

                fn merge(&self, state: &mut Self::State, next: Self::State) -> Result<()> {
                    merge_counted(self, state, next, || Cell::name(self))
                }

                fn finish(&self, state: Self::State) -> Result<Self::Output> {
                    self.value(state)
                }
            }

            impl $(<$S: Cell>)? SaveState for $Summary $(<$S>)? {
                fn is_valid(&self, state: &<Self as Cell>::State) -> bool {
                    Cell::is_valid(self, state)
                }
            }

            impl $(<$S: Cell>)? Summary for $Summary $(<$S>)? {}
        )*
    };
}

of_the_whole_array!(
    ArgMax,
    ArgMin,
    BottomK,
    Count,
    Histogram,
    IgnoringNan<S>,
    Max,
    MeanVariance,
    Min,
    Norm,
    Quantiles,
    Sum,
    TopK
);

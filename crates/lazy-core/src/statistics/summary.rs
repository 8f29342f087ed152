//! Statistics of the whole array, and how to have them of each row or each column.

use super::cell::{Cell, Heap, Run, merge_counted};
use super::{
    ArgMax, ArgMin, BottomK, Count, Histogram, IgnoringNan, Max, MeanVariance, Min, Norm,
    PerColumn, PerRow, Quantiles, Sum, TopK, check_real, not_real,
};
use crate::dtype::with_element;
use crate::memory::{n_elements, take};
use crate::{ArrayBlock, BlockPosition, DType, Result, StateSize, Statistic};

/// A statistic of elements: by itself of the whole array; and of each row, or of each column.
///
/// What each is of the whole array is a value of its own type; per row and per column it is as many, as
/// ndarrays: [`Extremum`](super::Extremum) and [`Extrema`](super::Extrema).
///
/// The trait is sealed.
///
/// # Example
///
/// ```
/// use lazy_core::{LazyChunkSequence, Max, NdarrayConverter, Sum, Summary};
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
/// # Ok::<(), lazy_core::Error>(())
/// ```
pub trait Summary: Cell + Sized {
    /// The same of each row. The state is one for each row: if they would take more memory than
    /// [there may be](crate::LazyChunkSequence::with_memory_limit), it is
    /// [`Error::StatisticMemory`](crate::Error::StatisticMemory).
    fn per_row(self) -> PerRow<Self> {
        PerRow(self)
    }

    /// The same of each column: of `array[:, i]`, and of `array[:, i, j]` where there are more axes. The
    /// state is one for each column, with the same error as [of each row](Self::per_row).
    fn per_column(self) -> PerColumn<Self> {
        PerColumn(self)
    }

    /// The same, as if there were no NaN: as NumPy's `nansum`, `nanmax`, ….
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{ArgMax, LazyChunkSequence, MeanVariance, NdarrayConverter, Summary};
    /// use ndarray::array;
    ///
    /// let sequence = LazyChunkSequence::new(|| [array![[1.0, f64::NAN, 3.0]]]).convert(NdarrayConverter);
    /// let (with, without) = sequence.compute((MeanVariance, MeanVariance.ignoring_nan()))?;
    /// assert!(with.mean.is_nan());
    /// assert_eq!((without.count, without.mean), (2, 2.0));
    ///
    /// let largest = sequence.compute(ArgMax.ignoring_nan().per_row())?;
    /// assert_eq!(largest.indices, array![2]);
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    fn ignoring_nan(self) -> IgnoringNan<Self> {
        IgnoringNan(self)
    }
}

impl<C: Cell> Summary for C {}

/// Adds a block to the state of the whole array.
fn push_block<C: Cell>(
    summary: &C,
    state: &mut C::State,
    at: BlockPosition,
    block: &ArrayBlock,
) -> Result<()> {
    let name = || Cell::name(summary);
    take(summary.size_of_cells(Some(1), block.n_elements()), name)?;
    let mut heap = Heap::of(summary.least_heap(block.n_elements()));
    let mut next = summary.empty();
    let dtype = block.dtype();
    with_element!(
        dtype,
        real A => summary.push(&mut next, Run::<A>::of_block(at, block)?),
        _ => return Err(not_real(&summary.name(), dtype))
    );
    summary.settle(&mut next);
    heap.grow(0, summary.heap(&next), name)?;
    heap.settle();
    summary.merge(state, next);
    Ok(())
}

/// Makes statistics of the whole array of summaries. One implementation for all of them would be in the way of that
/// for references.
macro_rules! of_the_whole_array {
    ($($Summary:ident $(<$S:ident>)?),*) => {
        $(
            /// Of the whole array.
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

                fn begin(&self, _: Option<&[usize]>) -> Result<Self::State> {
                    take(self.size_of_cells(Some(1), 0), || Cell::name(self))?;
                    Ok(Cell::empty(self))
                }

                fn push(
                    &self,
                    state: &mut Self::State,
                    at: BlockPosition,
                    block: &ArrayBlock,
                ) -> Result<()> {
                    push_block(self, state, at, block)
                }

                fn merge(&self, state: &mut Self::State, next: Self::State) -> Result<()> {
                    merge_counted(self, state, next, || Cell::name(self))
                }

                fn is_state(&self, state: &Self::State) -> bool {
                    Cell::is_state(self, state)
                }

                fn finish(&self, state: Self::State) -> Result<Self::Output> {
                    self.value(state)
                }
            }
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

//! The largest and the smallest element, and their positions.

use ndarray::{Array, Dimension};

use super::cell::{Along, Cell, Run, arrange};
use super::order::{Candidate, Nan, PIECE, Ranking};
use crate::Result;
use crate::number::Number;
use crate::real::Real;

/// The first element of the whole array in an order, and its position.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArgMin, LazyChunkSequence, NdarrayConverter};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![[4.0, 2.0]], array![[1.0, 3.0]]]);
/// let smallest = sequence.convert(NdarrayConverter).compute(ArgMin)?;
/// assert_eq!(smallest.value, 1.0);
/// assert_eq!((smallest.row, smallest.index), (1, 0));
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extremum {
    /// The element.
    pub value: Number,
    /// The row of the element.
    pub row: u64,
    /// The index of the element within the row, in C order over all axes of the row.
    pub index: u64,
}

impl From<Candidate> for Extremum {
    fn from(candidate: Candidate) -> Extremum {
        let Candidate { value, place } = candidate;
        Extremum { value, row: place.row, index: place.index }
    }
}

/// The first element of each row or each column in an order, or the [first `k`
/// elements](super::TopK) along the last axis, with their positions.
///
/// # Example
///
/// The predicted class for each row of scores per class:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArgMax, LazyChunkSequence, NdarrayConverter, Summary};
/// use ndarray::array;
///
/// let labels = [2, 0, 1];
/// let scores = LazyChunkSequence::new(|| {
///     [array![[0.1, 0.2, 0.7], [0.8, 0.1, 0.1]], array![[0.5, 0.1, 0.4]]]
/// });
/// let predicted = scores.convert(NdarrayConverter).compute(ArgMax.per_row())?;
/// let n_right = predicted.indices.iter().zip(labels).filter(|(i, label)| **i == *label).count();
/// assert_eq!(n_right, 2);
/// // The least certain prediction.
/// assert_eq!(predicted.values.fold(1.0, |least: f64, value| least.min(value.to_f64())), 0.5);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Extrema<D: Dimension> {
    /// The index of a row's element within the row, in C order over all axes of the row, or the row
    /// of a column's element.
    pub indices: Array<u64, D>,
    /// The elements.
    pub values: Array<Number, D>,
}

impl Ranking {
    /// Returns the first element of a run.
    fn first_of<A: Real>(self, run: Run<'_, A>) -> Option<Candidate> {
        let mut first: Option<(A, usize)> = None;
        let mut start = 0;
        while start < run.elements.len() {
            let rest = &run.elements[start..];
            let n_behind = first.map_or(0, |(value, _)| self.n_behind(rest, value));
            for (i, element) in rest.iter().enumerate().skip(n_behind).take(PIECE) {
                if first.is_none_or(|(value, _)| self.is_before(*element, value)) {
                    first = Some((*element, start + i));
                }
            }
            start += n_behind + PIECE;
        }
        first.map(|(value, i)| Candidate { value: value.to_number(), place: run.place(i) })
    }

    fn keep_first(self, state: &mut Option<Candidate>, next: Option<Candidate>) {
        if let Some(next) = next
            && state.is_none_or(|first| self.compare(&next, &first).is_lt())
        {
            *state = Some(next);
        }
    }
}

/// NaN comes first by default. If it is ignored, it comes last, so that the result is NaN if there
/// is nothing else.
macro_rules! extremum {
    (
        $(#[$attribute:meta])* $Name:ident, $name:literal, $largest:literal,
        $Value:ty, $to_value:expr, $Values:ty, $to_values:expr
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $Name;

        impl $Name {
            const RANKING: Ranking = Ranking { largest: $largest, nan_first: true };
        }

        impl Cell for $Name {
            type State = Option<Candidate>;
            type Value = $Value;
            type Values<D: Dimension + 'static> = $Values;
            const HANDLES_NAN: bool = true;

            fn name(&self) -> String {
                $name.to_owned()
            }

            fn check(&self, n_elements: Option<usize>) -> Result<()> {
                match n_elements {
                    Some(0) => Err(self.problem(NO_ELEMENTS)),
                    _ => Ok(()),
                }
            }

            fn value_size(&self) -> usize {
                size_of::<Extremum>()
            }

            fn empty(&self) -> Self::State {
                None
            }

            fn update<A: Real>(&self, state: &mut Self::State, run: Run<'_, A>, nan: Nan) {
                let ranking = Self::RANKING.with(nan);
                ranking.keep_first(state, ranking.first_of(run));
            }

            fn merge(&self, state: &mut Self::State, next: Self::State, nan: Nan) {
                Self::RANKING.with(nan).keep_first(state, next);
            }

            fn value(&self, state: Self::State) -> Result<$Value> {
                let first = state.ok_or_else(|| self.problem(NO_ELEMENTS))?;
                Ok(($to_value)(Extremum::from(first)))
            }

            fn values<D: Dimension + 'static>(
                &self,
                states: Vec<Self::State>,
                shape: D,
                along: Along,
            ) -> Result<$Values> {
                let first: Option<Vec<Candidate>> = states.into_iter().collect();
                let first = first.ok_or_else(|| self.problem(NO_ELEMENTS))?;
                let values = first.iter().map(|candidate| candidate.value).collect();
                let indices =
                    || first.iter().map(|candidate| along.index(candidate.place)).collect();
                Ok(($to_values)(shape, values, indices))
            }
        }
    };
}

const NO_ELEMENTS: &str = "undefined for an array without elements";

fn only_values<D: Dimension + 'static>(
    shape: D,
    values: Vec<Number>,
    _: impl FnOnce() -> Vec<u64>,
) -> Array<Number, D> {
    arrange(shape, values)
}

fn values_and_indices<D: Dimension + 'static>(
    shape: D,
    values: Vec<Number>,
    indices: impl FnOnce() -> Vec<u64>,
) -> Extrema<D> {
    Extrema { values: arrange(shape.clone(), values), indices: arrange(shape, indices()) }
}

extremum!(
    /// The largest element.
    ///
    /// NaN counts as the largest, as in NumPy. The order and the result are exact for every dtype:
    /// integers stay [integers](Number). The state takes 32 bytes.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) for complex dtypes.
    /// - [`ErrorKind::Statistic`](crate::ErrorKind::Statistic) if there are no elements.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{LazyChunkSequence, Max, Min, NdarrayConverter, Summary};
    /// use ndarray::array;
    ///
    /// let sequence = LazyChunkSequence::new(|| [array![[1, 7], [2, 3]]])
    ///     .convert(NdarrayConverter);
    /// let (smallest, largest) = sequence.compute((Min, Max.per_column()))?;
    /// assert_eq!(smallest, 1.0);
    /// assert_eq!(largest, array![2.0, 7.0].into_dyn());
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    Max, "the largest element", true, Number, |first: Extremum| first.value,
    Array<Number, D>, only_values
);

extremum!(
    /// The smallest element. NaN counts as the smallest. Otherwise like [`Max`].
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{LazyChunkSequence, Min, NdarrayConverter, Summary};
    /// use ndarray::array;
    ///
    /// let sequence = LazyChunkSequence::new(|| [array![[4.0, f64::NAN], [2.0, 3.0]]])
    ///     .convert(NdarrayConverter);
    /// let (smallest, of_numbers) = sequence.compute((Min, Min.ignoring_nan()))?;
    /// assert!(smallest.to_f64().is_nan());
    /// assert_eq!(of_numbers, 2.0);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    Min, "the smallest element", false, Number, |first: Extremum| first.value,
    Array<Number, D>, only_values
);

extremum!(
    /// The largest element and its position.
    ///
    /// As in NumPy, NaN counts as the largest, and among equal elements the one with the smallest
    /// index is returned. The order is exact for every dtype. The state takes 32 bytes.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) for complex dtypes.
    /// - [`ErrorKind::Statistic`](crate::ErrorKind::Statistic) if there are no elements.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{ArgMax, NdarrayConverter, NestedLazyChunkSequence, Summary};
    /// use ndarray::array;
    ///
    /// let sequence =
    ///     NestedLazyChunkSequence::new(|| [[array![[1, 7], [2, 3]], array![[4], [9]]]]);
    /// let largest = sequence.convert(NdarrayConverter).compute(ArgMax.per_row())?;
    /// assert_eq!(largest.indices, array![1, 2]);
    /// assert_eq!(largest.values, array![7.0, 9.0]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    ArgMax, "the arg-max", true, Extremum, |first: Extremum| first, Extrema<D>, values_and_indices
);

extremum!(
    /// The smallest element and its position. NaN counts as the smallest. Otherwise like
    /// [`ArgMax`].
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{ArgMin, LazyChunkSequence, NdarrayConverter, Summary};
    /// use ndarray::array;
    ///
    /// // The sample with the smallest value of each feature.
    /// let features = LazyChunkSequence::new(|| [array![[3, 8], [1, 9]], array![[2, 8]]]);
    /// let least = features.convert(NdarrayConverter).compute(ArgMin.per_column())?;
    /// assert_eq!(least.indices, array![1, 0].into_dyn());
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    ArgMin, "the arg-min", false, Extremum, |first: Extremum| first, Extrema<D>, values_and_indices
);

//! The largest and the smallest element, and where they are.

use ndarray::{Array, Dimension};

use super::cell::{Along, Cell, Run, arrange};
use super::order::{Candidate, Ranking};
use super::{Number, Real};
use crate::Result;

/// An element of the whole array that comes first in an order.
///
/// # Example
///
/// ```
/// use lazy_core::{ArgMin, LazyChunkSequence, NdarrayConverter};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![[4.0, 2.0]], array![[1.0, 3.0]]]);
/// let smallest = sequence.convert(NdarrayConverter).compute(ArgMin)?;
/// assert_eq!(smallest.value, 1.0);
/// assert_eq!((smallest.row, smallest.index), (1, 0));
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extremum {
    /// The element.
    pub value: Number,
    /// Its row.
    pub row: u64,
    /// Its index within the row, in C order over all the row's axes.
    pub index: u64,
}

impl From<Candidate> for Extremum {
    fn from(candidate: Candidate) -> Extremum {
        let Candidate { value, place } = candidate;
        Extremum { value, row: place.row, index: place.index }
    }
}

/// The elements of rows or of columns that come first in an order: one for each; or
/// [as many as were asked for](super::TopK), along the last axis.
///
/// # Example
///
/// Of scores per class it is a prediction:
///
/// ```
/// use lazy_core::{ArgMax, LazyChunkSequence, NdarrayConverter, Summary};
/// use ndarray::array;
///
/// let labels = [2, 0, 1];
/// let scores =
///     LazyChunkSequence::new(|| [array![[0.1, 0.2, 0.7], [0.8, 0.1, 0.1]], array![[0.5, 0.1, 0.4]]]);
/// let predicted = scores.convert(NdarrayConverter).compute(ArgMax.per_row())?;
/// let n_right = predicted.indices.iter().zip(labels).filter(|(i, label)| **i == *label).count();
/// assert_eq!(n_right, 2);
/// // The least certain prediction.
/// assert_eq!(predicted.values.fold(1.0, |least: f64, value| least.min(value.to_f64())), 0.5);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Extrema<D: Dimension> {
    /// Of a row's element its index within the row, in C order over all the row's axes; of a column's element its
    /// row.
    pub indices: Array<u64, D>,
    /// The elements.
    pub values: Array<Number, D>,
}

impl Ranking {
    /// The first of a run's elements.
    fn first_of<A: Real>(self, run: Run<'_, A>) -> Option<Candidate> {
        /// Elements that are looked at together.
        const PIECE: usize = 64;
        let mut first: Option<(A, usize)> = None;
        for (i, piece) in run.elements.chunks(PIECE).enumerate() {
            if first.is_some_and(|(value, _)| !self.any_before(piece, value)) {
                continue;
            }
            for (j, element) in piece.iter().enumerate() {
                if first.is_none_or(|(value, _)| self.is_before(*element, value)) {
                    first = Some((*element, i * PIECE + j));
                }
            }
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

/// NaN comes first by default, and last where it is ignored, so that there is something where there is nothing else.
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
            type Values<D: Dimension> = $Values;

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

            fn push<A: Real>(&self, state: &mut Self::State, run: Run<'_, A>) {
                Self::RANKING.keep_first(state, Self::RANKING.first_of(run));
            }

            fn push_numbers<A: Real>(&self, state: &mut Self::State, run: Run<'_, A>) {
                let ranking = Self::RANKING.of_numbers();
                ranking.keep_first(state, ranking.first_of(run));
            }

            fn merge(&self, state: &mut Self::State, next: Self::State) {
                Self::RANKING.keep_first(state, next);
            }

            fn merge_numbers(&self, state: &mut Self::State, next: Self::State) {
                Self::RANKING.of_numbers().keep_first(state, next);
            }

            fn value(&self, state: Self::State) -> Result<$Value> {
                let first = state.ok_or_else(|| self.problem(NO_ELEMENTS))?;
                Ok(($to_value)(Extremum::from(first)))
            }

            fn values<D: Dimension>(
                &self,
                states: Vec<Self::State>,
                shape: D,
                along: Along,
            ) -> Result<$Values> {
                let first: Option<Vec<Candidate>> = states.into_iter().collect();
                let first = first.ok_or_else(|| self.problem(NO_ELEMENTS))?;
                let values = first.iter().map(|candidate| candidate.value).collect();
                let indices = || first.iter().map(|candidate| along.index(candidate.place)).collect();
                Ok(($to_values)(shape, values, indices))
            }
        }
    };
}

const NO_ELEMENTS: &str = "of no elements, none comes first";

fn only_values<D: Dimension>(
    shape: D,
    values: Vec<Number>,
    _: impl FnOnce() -> Vec<u64>,
) -> Array<Number, D> {
    arrange(shape, values)
}

fn values_and_indices<D: Dimension>(
    shape: D,
    values: Vec<Number>,
    indices: impl FnOnce() -> Vec<u64>,
) -> Extrema<D> {
    Extrema { values: arrange(shape.clone(), values), indices: arrange(shape, indices()) }
}

extremum!(
    /// The largest element.
    ///
    /// NaN counts as the largest, as in NumPy. The order is exact for every dtype, and so is the
    /// result: integers stay [integers](Number). The state is 32 bytes.
    ///
    /// # Errors
    ///
    /// - [`Error::UnsupportedDType`](crate::Error::UnsupportedDType) for complex dtypes.
    /// - [`Error::Statistic`](crate::Error::Statistic) where there are no elements.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{LazyChunkSequence, Max, Min, NdarrayConverter, Summary};
    /// use ndarray::array;
    ///
    /// let sequence = LazyChunkSequence::new(|| [array![[1, 7], [2, 3]]]).convert(NdarrayConverter);
    /// let (smallest, largest) = sequence.compute((Min, Max.per_column()))?;
    /// assert_eq!(smallest, 1.0);
    /// assert_eq!(largest, array![2.0, 7.0].into_dyn());
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    Max, "the largest element", true, Number, |first: Extremum| first.value, Array<Number, D>, only_values
);

extremum!(
    /// The smallest element. In all else as [`Max`]: NaN counts as the smallest, too.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{LazyChunkSequence, Min, NdarrayConverter, Summary};
    /// use ndarray::array;
    ///
    /// let sequence = LazyChunkSequence::new(|| [array![[4.0, f64::NAN], [2.0, 3.0]]]).convert(NdarrayConverter);
    /// let (smallest, of_numbers) = sequence.compute((Min, Min.ignoring_nan()))?;
    /// assert!(smallest.to_f64().is_nan());
    /// assert_eq!(of_numbers, 2.0);
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    Min, "the smallest element", false, Number, |first: Extremum| first.value, Array<Number, D>, only_values
);

extremum!(
    /// The largest element, and where it is.
    ///
    /// As in NumPy, NaN counts as the largest, and of equal elements it is the one with the smallest index. The order
    /// is exact for every dtype. The state is 32 bytes.
    ///
    /// # Errors
    ///
    /// - [`Error::UnsupportedDType`](crate::Error::UnsupportedDType) for complex dtypes.
    /// - [`Error::Statistic`](crate::Error::Statistic) where there are no elements.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{ArgMax, NdarrayConverter, NestedLazyChunkSequence, Summary};
    /// use ndarray::array;
    ///
    /// let sequence = NestedLazyChunkSequence::new(|| [[array![[1, 7], [2, 3]], array![[4], [9]]]]);
    /// let largest = sequence.convert(NdarrayConverter).compute(ArgMax.per_row())?;
    /// assert_eq!(largest.indices, array![1, 2]);
    /// assert_eq!(largest.values, array![7.0, 9.0]);
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    ArgMax, "the arg-max", true, Extremum, |first: Extremum| first, Extrema<D>, values_and_indices
);

extremum!(
    /// The smallest element, and where it is. In all else as [`ArgMax`]: NaN counts as the smallest, too.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{ArgMin, LazyChunkSequence, NdarrayConverter, Summary};
    /// use ndarray::array;
    ///
    /// // Which sample has the least of each feature.
    /// let features = LazyChunkSequence::new(|| [array![[3, 8], [1, 9]], array![[2, 8]]]);
    /// let least = features.convert(NdarrayConverter).compute(ArgMin.per_column())?;
    /// assert_eq!(least.indices, array![1, 0].into_dyn());
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    ArgMin, "the arg-min", false, Extremum, |first: Extremum| first, Extrema<D>, values_and_indices
);

//! The largest element of each row.

use ndarray::Array1;

use super::{Candidate, PerRow, Real, check_real, not_real};
use crate::dtype::with_element;
use crate::{ArrayBlock, BlockPosition, DType, Error, Result, Statistic};

const NAME: &str = "the arg-max per row";

/// The largest element of each row, and its index.
///
/// As in NumPy, NaN counts as the largest value and the first of equal elements wins. The order is
/// exact for every dtype. The state is 24 bytes per row.
///
/// # Errors
///
/// - [`Error::UnsupportedDType`] for complex dtypes.
/// - [`Error::Statistic`] when a row has no elements.
///
/// # Example
///
/// ```
/// use lazy_core::{ArgMax, NdarrayConverter, NestedLazyChunkSequence};
/// use ndarray::array;
///
/// let sequence = NestedLazyChunkSequence::new(|| [[array![[1, 7], [2, 3]], array![[4], [9]]]]);
/// let largest = sequence.convert(NdarrayConverter).compute(ArgMax::per_row())?;
/// assert_eq!(largest.indices, array![1, 2]);
/// assert_eq!(largest.values, array![7.0, 9.0]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ArgMax(());

/// The result of [`ArgMax::per_row`]: one entry per row.
///
/// # Example
///
/// Of scores per class it is a prediction:
///
/// ```
/// use lazy_core::{ArgMax, LazyChunkSequence, NdarrayConverter};
/// use ndarray::array;
///
/// let labels = [2, 0, 1];
/// let scores =
///     LazyChunkSequence::new(|| [array![[0.1, 0.2, 0.7], [0.8, 0.1, 0.1]], array![[0.5, 0.1, 0.4]]]);
/// let predicted = scores.convert(NdarrayConverter).compute(ArgMax::per_row())?;
/// let n_right = predicted.indices.iter().zip(labels).filter(|(i, label)| **i == *label).count();
/// assert_eq!(n_right, 2);
/// // The least certain prediction.
/// assert_eq!(predicted.values.fold(1.0, |least, value| value.min(least)), 0.5);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ArgMaxPerRow {
    /// The index of the largest element within its row, in C order over all the row's axes.
    pub indices: Array1<u64>,
    /// The largest element, as the nearest `f64`.
    pub values: Array1<f64>,
}

impl ArgMax {
    /// The largest element of each row.
    #[must_use]
    pub fn per_row() -> ArgMax {
        ArgMax(())
    }
}

impl Statistic for ArgMax {
    type State = PerRow<Option<Candidate>>;
    type Output = ArgMaxPerRow;

    fn check(&self, dtype: Option<DType>, row_shape: Option<&[usize]>) -> Result<()> {
        check_real(NAME, dtype)?;
        if row_shape.is_some_and(|shape| shape.contains(&0)) {
            return Err(no_elements());
        }
        Ok(())
    }

    fn empty(&self) -> Self::State {
        PerRow::empty()
    }

    fn push(&self, state: &mut Self::State, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        let dtype = block.dtype();
        let rows = with_element!(
            dtype,
            real A => PerRow::of_block(at, block, largest::<A>)?,
            _ => return Err(not_real(NAME, dtype))
        );
        self.merge(state, rows)
    }

    fn merge(&self, state: &mut Self::State, next: Self::State) -> Result<()> {
        state.merge(next, |row, next| {
            *row = larger(*row, next);
            Ok(())
        })
    }

    fn finish(&self, state: Self::State) -> Result<ArgMaxPerRow> {
        let largest: Vec<Candidate> = state
            .into_rows()
            .into_iter()
            .map(|row| row.ok_or_else(no_elements))
            .collect::<Result<_>>()?;
        Ok(ArgMaxPerRow {
            indices: largest.iter().map(|candidate| candidate.index).collect(),
            values: largest.iter().map(|candidate| candidate.value.to_f64()).collect(),
        })
    }
}

fn largest<A: Real>(elements: &[A], first_index: u64) -> Option<Candidate> {
    let candidates = elements
        .iter()
        .zip(first_index..)
        .map(|(element, index)| Candidate { value: element.to_value(), index });
    candidates.fold(None, |best, candidate| larger(best, Some(candidate)))
}

fn larger(a: Option<Candidate>, b: Option<Candidate>) -> Option<Candidate> {
    match (a, b) {
        (Some(a), Some(b)) if b.descending(&a).is_lt() => Some(b),
        (None, b) => b,
        (a, _) => a,
    }
}

fn no_elements() -> Error {
    Error::Statistic {
        statistic: NAME,
        problem: "a row without elements has no largest one".to_owned(),
    }
}

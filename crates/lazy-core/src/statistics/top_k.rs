//! The k largest elements of each row.

use ndarray::Array2;

use super::{Candidate, PerRow, Real, check_real, not_real};
use crate::dtype::with_element;
use crate::{ArrayBlock, BlockPosition, DType, Error, Result, Statistic};

const NAME: &str = "the top k per row";

/// The `k` largest elements of each row in descending order, and their indices.
///
/// NaN counts as the largest value, and equal elements come in the order of their indices. The
/// order is exact for every dtype. The state is 24 · (`k` + 1) bytes per row; 24 bytes per
/// element of one row come on top while a block is taken.
///
/// # Errors
///
/// - [`Error::UnsupportedDType`] for complex dtypes.
/// - [`Error::Statistic`] when `k` is 0 or larger than a row.
///
/// # Example
///
/// ```
/// use lazy_core::{LazyChunkSequence, NdarrayConverter, TopK};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![[1, 7, 2, 7]], array![[4, 0, 9, 8]]]);
/// let top = sequence.convert(NdarrayConverter).compute(TopK::per_row(2))?;
/// assert_eq!(top.indices, array![[1, 3], [2, 3]]);
/// assert_eq!(top.values, array![[7.0, 7.0], [9.0, 8.0]]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TopK {
    k: usize,
}

/// The result of [`TopK::per_row`]: one row of `k` entries per row of the array.
///
/// # Example
///
/// Which training samples influence each test sample most, and all of them together:
///
/// ```
/// use std::collections::BTreeSet;
///
/// use lazy_core::{LazyChunkSequence, NdarrayConverter, TopK};
/// use ndarray::array;
///
/// // A row per test sample, a column per training sample.
/// let influence =
///     LazyChunkSequence::new(|| [array![[0.1, 5.0, 0.2, 3.0]], array![[0.3, 4.0, 0.9, 0.1]]]);
/// let top = influence.convert(NdarrayConverter).compute(TopK::per_row(2))?;
/// for (indices, values) in top.indices.rows().into_iter().zip(top.values.rows()) {
///     println!("most influential are {indices}, with {values}");
/// }
/// assert_eq!(top.indices.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 3]));
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TopKPerRow {
    /// The elements' indices within their row, in C order over all the row's axes.
    pub indices: Array2<u64>,
    /// The elements, as the nearest `f64`.
    pub values: Array2<f64>,
}

impl TopK {
    /// The `k` largest elements of each row. That there are so many is checked in the pass: before
    /// the first block where the row type is declared.
    #[must_use]
    pub fn per_row(k: usize) -> TopK {
        TopK { k }
    }

    /// Keeps the first `k` candidates in descending order.
    fn select(&self, candidates: &mut Vec<Candidate>) {
        if candidates.len() > self.k {
            candidates.select_nth_unstable_by(self.k, Candidate::descending);
            candidates.truncate(self.k);
        }
        candidates.sort_unstable_by(Candidate::descending);
    }

    fn of_row<A: Real>(&self, elements: &[A], first_index: u64) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = elements
            .iter()
            .zip(first_index..)
            .map(|(element, index)| Candidate { value: element.to_value(), index })
            .collect();
        self.select(&mut candidates);
        candidates.shrink_to_fit();
        candidates
    }

    fn too_large(&self, row_length: usize) -> Error {
        Error::Statistic {
            statistic: NAME,
            problem: format!("k is {}, but a row has {row_length} elements", self.k),
        }
    }
}

impl Statistic for TopK {
    type State = PerRow<Vec<Candidate>>;
    type Output = TopKPerRow;

    fn check(&self, dtype: Option<DType>, row_shape: Option<&[usize]>) -> Result<()> {
        if self.k == 0 {
            return Err(Error::Statistic {
                statistic: NAME,
                problem: "k is 0; ask for one element at least".to_owned(),
            });
        }
        if let Some(shape) = row_shape {
            let row_length = shape.iter().product();
            if self.k > row_length {
                return Err(self.too_large(row_length));
            }
        }
        check_real(NAME, dtype)
    }

    fn empty(&self) -> Self::State {
        PerRow::empty()
    }

    fn push(&self, state: &mut Self::State, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        let dtype = block.dtype();
        let rows = with_element!(
            dtype,
            real A => PerRow::of_block(at, block, |row, index| self.of_row::<A>(row, index))?,
            _ => return Err(not_real(NAME, dtype))
        );
        self.merge(state, rows)
    }

    fn merge(&self, state: &mut Self::State, next: Self::State) -> Result<()> {
        state.merge(next, |row, next| {
            row.extend(next);
            self.select(row);
            Ok(())
        })
    }

    fn finish(&self, state: Self::State) -> Result<TopKPerRow> {
        let rows = state.into_rows();
        if let Some(row) = rows.iter().find(|row| row.len() < self.k) {
            return Err(self.too_large(row.len()));
        }
        let shape = (rows.len(), self.k);
        let candidates = || rows.iter().flatten();
        let array = "every row has k entries";
        Ok(TopKPerRow {
            indices: Array2::from_shape_vec(shape, candidates().map(|c| c.index).collect())
                .expect(array),
            values: Array2::from_shape_vec(shape, candidates().map(|c| c.value.to_f64()).collect())
                .expect(array),
        })
    }
}

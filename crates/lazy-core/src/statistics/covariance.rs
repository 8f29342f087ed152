//! Covariances and products of columns.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis, Zip, s};
use serde::{Deserialize, Serialize};

use crate::dtype::with_element;
use crate::memory::{give_back, n_elements, take};
use crate::real::{Real, check_real, not_real};
use crate::{
    ArrayBlock, BlockPosition, DType, Error, Result, RowType, SaveState, SequenceSpec, StateSize,
    Statistic,
};

const NAME: &str = "the covariance";

/// The covariances and the Gram matrix of the columns: a value for each pair of the `d` elements of
/// a row.
///
/// A row is an observation, and each of its elements is a variable, as in NumPy's
/// `cov(rowvar=False)`. The axes after axis 0 are flattened. Everything is accumulated as `f64`:
/// for each block the means of the columns, which are summed row by row, and the products of the
/// deviations from them. Blocks are joined by the update of Chan, Golub and LeVeque. NaN and
/// infinities make every value that they contribute to NaN. The state takes 8 · `d`² + 8 · `d`
/// bytes. Each block that is being added takes as much, and 16 bytes for each of its elements.
/// [`covariance`](Covariances::covariance) makes another matrix from the result;
/// [`into_covariance`](Covariances::into_covariance) and similar methods work in place.
///
/// # Errors
///
/// - [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) for complex dtypes.
/// - [`ErrorKind::Statistic`](crate::ErrorKind::Statistic) for a nested sequence, whose blocks have
///   no whole rows.
/// - [`ErrorKind::Memory`](crate::ErrorKind::Memory) if the matrices exceed the memory limit.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Covariance, LazyChunkSequence, NdarrayConverter};
/// use ndarray::array;
///
/// let samples = LazyChunkSequence::new(|| [array![[1.0, 2.0], [2.0, 4.0]], array![[3.0, 6.0]]]);
/// let covariances = samples.convert(NdarrayConverter).compute(Covariance)?;
/// assert_eq!(covariances.covariance(1), array![[1.0, 2.0], [2.0, 4.0]]);
/// assert_eq!(covariances.gram(), array![[14.0, 28.0], [28.0, 56.0]]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Covariance;

/// The result of [`Covariance`], and its state.
///
/// # Example
///
/// Correlated columns:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Covariance, LazyChunkSequence, NdarrayConverter};
/// use ndarray::array;
///
/// let samples = LazyChunkSequence::new(|| [array![[1, 0, 3], [2, 5, 2]], array![[3, 0, 1]]]);
/// let correlation = samples.convert(NdarrayConverter).compute(Covariance)?.correlation();
/// assert_eq!(correlation[[0, 1]], 0.0);
/// assert!((correlation[[0, 2]] + 1.0).abs() < 1e-15);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Covariances {
    /// The number of rows.
    pub count: u64,
    /// The mean of each column.
    pub mean: Array1<f64>,
    /// The sums of the products of two columns' deviations from their means.
    pub sum_of_products: Array2<f64>,
}

impl Covariances {
    /// Returns the covariances with `ddof` delta degrees of freedom, as NumPy's `cov(ddof=…)` does:
    /// the divisor is the number of rows minus `ddof`. Returns NaN if there are too few rows.
    #[must_use]
    pub fn covariance(&self, ddof: u64) -> Array2<f64> {
        let divisor = self.divisor(ddof);
        self.sum_of_products.mapv(|sum| sum / divisor)
    }

    /// Returns the [`covariance`](Self::covariance) in the memory of the result.
    #[must_use]
    pub fn into_covariance(self, ddof: u64) -> Array2<f64> {
        let divisor = self.divisor(ddof);
        self.sum_of_products.mapv_into(|sum| sum / divisor)
    }

    fn divisor(&self, ddof: u64) -> f64 {
        match self.count.checked_sub(ddof) {
            None | Some(0) => f64::NAN,
            Some(divisor) => divisor as f64,
        }
    }

    /// Returns the correlation coefficients, as NumPy's `corrcoef` does: NaN for columns whose
    /// deviations are exactly 0.
    #[must_use]
    pub fn correlation(&self) -> Array2<f64> {
        self.clone().into_correlation()
    }

    /// Returns the [`correlation`](Self::correlation) in the memory of the result.
    #[must_use]
    pub fn into_correlation(self) -> Array2<f64> {
        let deviations = self.sum_of_products.diag().mapv(f64::sqrt);
        let mut correlation = self.sum_of_products;
        for ((i, j), entry) in correlation.indexed_iter_mut() {
            *entry /= deviations[i];
            *entry /= deviations[j];
            *entry = entry.clamp(-1.0, 1.0);
        }
        correlation
    }

    /// Returns the Gram matrix of the columns, `arrayᵀ · array`.
    #[must_use]
    pub fn gram(&self) -> Array2<f64> {
        self.clone().into_gram()
    }

    /// Returns the [`gram`](Self::gram) matrix in the memory of the result.
    #[must_use]
    pub fn into_gram(self) -> Array2<f64> {
        let mut gram = self.sum_of_products;
        if self.count == 0 {
            return gram;
        }
        for ((i, j), entry) in gram.indexed_iter_mut() {
            *entry += self.count as f64 * self.mean[i] * self.mean[j];
        }
        gram
    }

    /// Computes the result for the rows of one block.
    fn of(rows: &ArrayView2<'_, f64>) -> Covariances {
        let n_columns = rows.ncols();
        let n = rows.nrows() as f64;
        let mean = rows.sum_axis(Axis(0)) / n;
        let deviations = rows - &mean;
        // The rounding of the mean leaves a small remainder, which is corrected. For an infinite
        // mean, it is NaN.
        let rest = deviations.sum_axis(Axis(0)) / n;
        let rest = Zip::from(&rest)
            .and(&mean)
            .map_collect(|rest, mean| if mean.is_finite() { *rest } else { 0.0 });
        let mut sum_of_products = Array2::zeros((n_columns, n_columns));
        // The matrix is symmetric: each panel of columns is multiplied with itself and those behind.
        for start in (0..n_columns).step_by(N_PANEL) {
            let end = n_columns.min(start + N_PANEL);
            let panel = deviations.slice(s![.., start..end]);
            let behind = deviations.slice(s![.., start..]);
            let mut sums = sum_of_products.slice_mut(s![start.., start..end]);
            general_mat_mul(1.0, &behind.t(), &panel, 0.0, &mut sums);
        }
        for (i, mut sums) in sum_of_products.rows_mut().into_iter().enumerate() {
            let of_row = n * rest[i];
            sums.iter_mut().zip(&rest).for_each(|(sum, rest)| *sum -= of_row * rest);
        }
        mirror(&mut sum_of_products);
        Covariances { count: rows.nrows() as u64, mean: mean + rest, sum_of_products }
    }

    fn merge(&mut self, next: &Covariances) {
        let count = self.count + next.count;
        let (n, n_next, n_total) = (self.count as f64, next.count as f64, count as f64);
        let delta = &next.mean - &self.mean;
        let weight = n * n_next / n_total;
        let rows = self.sum_of_products.rows_mut().into_iter().zip(next.sum_of_products.rows());
        for (delta_of_row, (sums, next)) in delta.iter().zip(rows) {
            Zip::from(sums).and(next).and(&delta).for_each(|sum, next, delta| {
                *sum = (*sum + next) + delta_of_row * delta * weight;
            });
        }
        Zip::from(&mut self.mean).and(&next.mean).and(&delta).for_each(|mean, next, delta| {
            *mean = if delta.is_finite() {
                *mean + delta * (n_next / n_total)
            } else {
                *mean * (n / n_total) + next * (n_next / n_total)
            };
        });
        self.count = count;
    }
}

/// The number of columns that are multiplied at once with those behind them: few enough that little is
/// computed twice.
const N_PANEL: usize = 128;

/// Copies the entries below the diagonal of a square matrix to those above.
fn mirror(matrix: &mut Array2<f64>) {
    /// The size of a tile, which stays in the cache while it is read in one order and written in
    /// another.
    const TILE: usize = 32;
    let size = matrix.nrows();
    for first_row in (0..size).step_by(TILE) {
        for first_column in (0..=first_row).step_by(TILE) {
            for i in first_row..size.min(first_row + TILE) {
                for j in first_column..i.min(first_column + TILE) {
                    matrix[[j, i]] = matrix[[i, j]];
                }
            }
        }
    }
}

impl Statistic for Covariance {
    type State = Option<Covariances>;
    type Output = Covariances;

    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn needs_whole_rows(&self) -> bool {
        true
    }

    fn check(&self, dtype: Option<DType>, row_shape: Option<&[usize]>) -> Result<()> {
        let _ = row_shape;
        check_real(|| NAME.to_owned(), dtype)
    }

    fn state_size(&self, _: usize, row_shape: Option<&[usize]>) -> StateSize {
        row_shape.map_or(StateSize::default(), size)
    }

    fn empty(&self) -> Option<Covariances> {
        None
    }

    fn state_bound(&self, spec: &SequenceSpec) -> Option<StateSize> {
        // A product is computed from copies of at most so many of its columns, rows and sums.
        const N_COLUMNS: usize = 1024;
        const N_ROWS: usize = 256;
        const N_SUMS: usize = 64;
        let (row_type, block) = (spec.row_type()?, spec.largest_block()?);
        let n_columns = n_elements(&row_type.shape)?;
        let of_block = n_elements(&block)?;
        let packed = block[0].min(N_ROWS) * (n_columns.min(N_COLUMNS) + N_SUMS);
        // The elements, their deviations, and lists of an entry for each column.
        let lists = n_columns.checked_mul(8)?;
        let n_floats = of_block.checked_mul(2)?.checked_add(lists)?.checked_add(packed)?;
        let spare = StateSize::growth(n_floats.checked_mul(size_of::<f64>())?);
        let state = size(&row_type.shape);
        Some(state.plus(state.plus(spare).times(spec.max_in_flight())))
    }

    fn init(&self, spec: &SequenceSpec) -> Result<Option<Covariances>> {
        let Some(RowType { shape, .. }) = spec.row_type() else { return Ok(None) };
        take(size(shape), || NAME.to_owned())?;
        // Sizes that overflow were refused before.
        Ok(Some(Covariances::of_nothing(n_elements(shape).unwrap_or(0))))
    }

    fn update(
        &self,
        state: &mut Option<Covariances>,
        _: BlockPosition,
        block: &ArrayBlock,
    ) -> Result<()> {
        let (dtype, row_shape) = (block.dtype(), &block.shape()[1..]);
        take(size(row_shape), || NAME.to_owned())?;
        // The elements as `f64`, and their deviations.
        let copies = StateSize::growth(block.n_elements().saturating_mul(2 * size_of::<f64>()));
        take(copies, || NAME.to_owned())?;
        let elements: Vec<f64> = with_element!(
            dtype,
            real A => block.as_slice::<A>()?.iter().map(|x| x.to_f64()).collect(),
            _ => return Err(not_real(NAME, dtype))
        );
        let (n_rows, n_columns) = (block.shape()[0], n_elements(row_shape).unwrap_or(0));
        let next = if elements.is_empty() {
            Covariances { count: n_rows as u64, ..Covariances::of_nothing(n_columns) }
        } else {
            let rows = ArrayView2::from_shape((n_rows, n_columns), &elements);
            Covariances::of(&rows.expect("a block has all its elements"))
        };
        give_back(copies);
        if state.is_none() {
            *state = Some(next);
            return Ok(());
        }
        self.merge(state, Some(next))
    }

    fn merge(&self, state: &mut Option<Covariances>, next: Option<Covariances>) -> Result<()> {
        match (state.as_mut(), next) {
            (Some(state), Some(next)) if state.mean.len() != next.mean.len() => {
                let problem = format!(
                    "cannot merge rows of {} elements with rows of {}",
                    state.mean.len(),
                    next.mean.len()
                );
                return Err(Error::statistic(NAME, problem));
            }
            (Some(state), Some(next)) if state.count > 0 => {
                if next.count > 0 {
                    state.merge(&next);
                }
            }
            (Some(state), Some(next)) => *state = next,
            (None, Some(next)) => {
                take(size(&[next.mean.len()]), || NAME.to_owned())?;
                *state = Some(next);
            }
            (_, None) => {}
        }
        Ok(())
    }

    fn finish(&self, state: Option<Covariances>) -> Result<Covariances> {
        Ok(state.unwrap_or_else(|| Covariances::of_nothing(0)))
    }
}

impl SaveState for Covariance {
    fn is_valid(&self, state: &Option<Covariances>) -> bool {
        state.as_ref().is_none_or(|state| {
            let n_columns = state.mean.len();
            state.sum_of_products.dim() == (n_columns, n_columns)
        })
    }
}

/// Returns the size of the state of rows of this shape.
fn size(row_shape: &[usize]) -> StateSize {
    let n_columns = n_elements(row_shape).map_or(u128::MAX, |n_columns| n_columns as u128);
    let n_floats = n_columns.saturating_mul(n_columns).saturating_add(n_columns);
    StateSize { states: 1, bytes: n_floats.saturating_mul(size_of::<f64>() as u128) }
}

impl Covariances {
    fn of_nothing(n_columns: usize) -> Covariances {
        Covariances {
            count: 0,
            mean: Array1::from_elem(n_columns, f64::NAN),
            sum_of_products: Array2::zeros((n_columns, n_columns)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_any_number_of_columns_are_symmetric_and_those_of_pairs() {
        for n_columns in [1, 2, 31, 32, 33, N_PANEL - 1, N_PANEL, N_PANEL + 1, 2 * N_PANEL + 45] {
            let rows = Array2::from_shape_fn((7, n_columns), |(i, j)| {
                (i * 31 + j * 17 % 29) as f64 * 0.37 % 5.0
            });
            let found = Covariances::of(&rows.view());
            let mean = rows.mean_axis(Axis(0)).unwrap();
            let deviations = &rows - &mean;
            for i in 0..n_columns {
                for j in 0..n_columns {
                    let expected = deviations.column(i).dot(&deviations.column(j));
                    let sum = found.sum_of_products[[i, j]];
                    assert!((sum - expected).abs() < 1e-9, "{n_columns}: {i}, {j}");
                    assert_eq!(sum, found.sum_of_products[[j, i]], "{n_columns}: {i}, {j}");
                }
            }
        }
    }
}

//! Quantiles: exact for few elements, and within an error in rank for many.

use ndarray::{Array, Array1, Dimension};

use super::cell::{Along, Cell, Run, arrange_many};
use super::compactor::Plan;
use super::order::Nan;
use super::sketch::{Sketch, most_bytes};
use crate::number::Number;
use crate::real::Real;
use crate::{DType, Result};

/// The default error in rank.
const RANK_ERROR: f64 = 0.001;

/// The default number of elements that are kept exactly is this, divided by the error in rank. So
/// many take as much memory as their sketch.
const EXACT_LEN: f64 = 16.0;

/// Quantiles: exact for few elements, by default up to 16,000, and otherwise within an error in
/// *rank*, by default 0.1 % of the number of elements.
///
/// Each result is an element of the array. The quantile `q` of `n` elements is the element at index
/// ⌊`q` · (`n` − 1)⌋ of the sorted elements, as in NumPy's `quantile` with the method `lower`:
///
/// - exactly, if the array, the row or the column has at most 16,000 elements that are not NaN
///   ([`with_exact_len`](Self::with_exact_len) sets another number);
/// - otherwise, it is an element whose rank differs by at most 0.001 · `n`
///   ([`with_rank_error`](Self::with_rank_error) sets another fraction). So the result for 0.5 lies
///   between the quantiles 0.499 and 0.501. The error does not depend on the values: kelvins and
///   time stamps have results as good as numbers near 0 have. The bound holds always, and most
///   results are much closer. The smallest and the largest element, for 0 and 1, are exact.
///
/// The sketch is deterministic: blocks are merged in their order, so the result has the same bits
/// on any number of threads. If elements are kept exactly, it has the same bits for any cut as
/// well.
///
/// Integers stay [integers](Number), even beyond 2⁵³. As in NumPy, all quantiles are NaN if any
/// element is NaN. Without elements, they are NaN as well. Infinities are ranked like other
/// elements.
///
/// The state takes 56 bytes and an entry for each element, with room for an eighth more while it
/// grows. A sketch with an error of `e` takes 1.3 kB and at most (`i` + 4) / `e` entries for each
/// level `i` from 0 to log₂(`e` · `n`). An entry takes 4 bytes for dtypes of at most 4 bytes, and 8
/// bytes otherwise. So the default sketch of a million `f32`
/// takes at most 270 kB, and of a thousand million at most 880 kB; with an error of 0.01, it is 43
/// and 115 kB. Per row and per column, there is a state for each row or column.
/// [`memory_bound`](crate::LazyChunkSequence::memory_bound) returns the bound for a pass.
///
/// # Errors
///
/// - [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) for complex dtypes.
/// - [`ErrorKind::Statistic`](crate::ErrorKind::Statistic) if there are no quantiles, a quantile is
///   not from 0 to 1, or the error is not from 0.00001 to 0.5.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Quantiles};
/// use ndarray::Array1;
///
/// // A million time stamps in nanoseconds, 1 ms apart.
/// let first = 1_764_336_000_000_000_000;
/// let times = LazyChunkSequence::new(move || {
///     (0..1000).map(move |i| Array1::from_iter((0..1000).map(|j| first + 1_000_000 * (1000 * i + j))))
/// });
/// let quantiles = times.convert(NdarrayConverter).compute(Quantiles::new([0.0, 0.5]))?;
/// assert_eq!(quantiles[0], first);
/// let after = quantiles[1].as_i64().expect("integers stay integers") - first;
/// // The median, within 1000 of a million ranks.
/// assert!((after / 1_000_000 - 499_999).abs() <= 1000);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Quantiles {
    quantiles: Vec<f64>,
    rank_error: f64,
    /// The number of elements that are kept exactly, if it is set.
    exact_len: Option<usize>,
}

impl Quantiles {
    /// Creates a statistic of these quantiles, from 0, the smallest element, to 1, the largest. The
    /// quantiles are checked when the statistic is used.
    pub fn new(quantiles: impl Into<Vec<f64>>) -> Quantiles {
        Quantiles { quantiles: quantiles.into(), rank_error: RANK_ERROR, exact_len: None }
    }

    /// Sets the largest error in rank, as a fraction of the number of elements, from 0.00001 to
    /// 0.5. The memory grows as the error decreases. Unless
    /// [`with_exact_len`](Self::with_exact_len) sets the number, quantiles of up to 16 /
    /// `rank_error` elements are exact: so many take as much memory as a sketch.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Quantiles, Summary};
    /// use ndarray::Array2;
    ///
    /// // Medians of 500 columns, between the quantiles 0.48 and 0.52.
    /// let medians = Quantiles::new([0.5]).with_rank_error(0.02).per_column();
    /// let sequence = LazyChunkSequence::from_fn([100; 20], |i| {
    ///     Array2::from_shape_fn((100, 500), |(row, _)| (100 * i + row) as f32)
    /// });
    /// let medians = sequence.convert(NdarrayConverter).compute(medians)?;
    /// assert!(medians.iter().all(|median| *median >= 959.0 && *median <= 1039.0));
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    #[must_use]
    pub fn with_rank_error(self, rank_error: f64) -> Quantiles {
        Quantiles { rank_error, ..self }
    }

    /// Sets the number of elements of the array, or of each row or column, up to which quantiles
    /// are exact. Quantiles of at most 4 / `rank_error` elements are always exact.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Quantiles, Summary};
    /// use ndarray::Array2;
    ///
    /// let element = |(row, column)| (row + column) as u32;
    /// let rows = LazyChunkSequence::new(move || [Array2::from_shape_fn((2, 50_000), element)]);
    /// let medians = Quantiles::new([0.5]).with_exact_len(50_000).per_row();
    /// let medians = rows.convert(NdarrayConverter).compute(medians)?;
    /// assert_eq!(medians[[0, 0]], 24_999_u32);
    /// assert_eq!(medians[[1, 0]], 25_000_u32);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    #[must_use]
    pub fn with_exact_len(self, n_elements: usize) -> Quantiles {
        Quantiles { exact_len: Some(n_elements), ..self }
    }

    fn plan(&self) -> Plan {
        // A state may be made before the settings are checked.
        let rank_error = self.rank_error.clamp(1e-5, 0.5);
        let exact_len = self.exact_len.unwrap_or((EXACT_LEN / rank_error) as usize);
        Plan { exact_len, rank_error }
    }
}

impl Cell for Quantiles {
    type State = Sketch;
    type Value = Array1<Number>;
    type Values<D: Dimension + 'static> = Array<Number, D::Larger>;
    const HAS_HEAP: bool = true;
    const HANDLES_NAN: bool = true;

    fn name(&self) -> String {
        let Quantiles { quantiles, rank_error, exact_len } = self;
        let exact = exact_len
            .map_or_else(String::new, |n_elements| format!(", exact for {n_elements} elements"));
        format!("the quantiles {quantiles:?} within {rank_error} in rank{exact}")
    }

    fn check(&self, _: Option<usize>) -> Result<()> {
        if self.quantiles.is_empty() {
            return Err(self.problem("needs at least one quantile"));
        }
        if let Some(quantile) = self.quantiles.iter().find(|q| !(0.0..=1.0).contains(*q)) {
            return Err(self.problem(format!("a quantile must be from 0 to 1, got {quantile}")));
        }
        if !(1e-5..=0.5).contains(&self.rank_error) {
            return Err(self.problem("the error in rank must be from 0.00001 to 0.5"));
        }
        Ok(())
    }

    fn most_heap(&self, n_elements: Option<usize>, dtype: DType) -> Option<usize> {
        Some(most_bytes(self.plan(), n_elements?, dtype).0)
    }

    fn most_spare(&self, n_elements: Option<usize>, dtype: DType) -> Option<usize> {
        Some(most_bytes(self.plan(), n_elements?, dtype).1)
    }

    fn heap(&self, state: &Sketch) -> usize {
        state.heap()
    }

    fn value_size(&self) -> usize {
        self.quantiles.len().saturating_mul(size_of::<Number>())
    }

    fn empty(&self) -> Sketch {
        Sketch::EMPTY
    }

    fn update<A: Real>(&self, state: &mut Sketch, run: Run<'_, A>, nan: Nan) {
        state.extend(self.plan(), run.elements, nan);
    }

    fn normalize(&self, state: &mut Sketch, _: Nan) {
        state.shrink();
    }

    fn merge(&self, state: &mut Sketch, next: Sketch, _: Nan) {
        state.merge(self.plan(), next);
    }

    fn is_valid(&self, state: &Sketch) -> bool {
        state.is_valid(self.plan())
    }

    fn value(&self, state: Sketch) -> Result<Array1<Number>> {
        let mut found = Vec::with_capacity(self.quantiles.len());
        state.quantiles(&self.quantiles, |number| found.push(number));
        Ok(found.into())
    }

    fn values<D: Dimension + 'static>(
        &self,
        states: Vec<Sketch>,
        shape: D,
        _: Along,
    ) -> Result<Array<Number, D::Larger>> {
        let mut found = Vec::with_capacity(states.len() * self.quantiles.len());
        // Each state is freed when its quantiles are found.
        for state in states {
            state.quantiles(&self.quantiles, |number| found.push(number));
        }
        Ok(arrange_many(&shape, self.quantiles.len(), found))
    }
}

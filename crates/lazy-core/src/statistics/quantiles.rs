//! Quantiles, estimated by a sketch.

use std::fmt;

use ndarray::{Array, Array1, Dimension};
use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

use super::cell::{Along, Cell, Run, arrange_many};
use super::order::Nan;
use crate::Result;
use crate::real::Real;

/// Quantiles, each within a relative error of an element of that rank; the default error is 1 %.
///
/// Elements are counted in bins whose width grows with the magnitude: Masson, Rim and Lee,
/// *`DDSketch`: a fast and fully-mergeable quantile sketch with relative-error guarantees* (2019).
/// The result for the quantile `q` of `n` elements is within the error of the element that has ⌊`q`
/// · (`n` − 1)⌋ others below it, which NumPy's `quantile` with the method `lower` returns exactly.
/// For 0 and 1, the result is the smallest and the largest element. Counts of bins add up, so the
/// result does not depend on the cut of the array.
///
/// As in NumPy, all quantiles are NaN if any element is NaN. Without elements, they are NaN as
/// well. Infinities are ranked like other elements. Magnitudes up to 2.2 · 10⁻³⁰⁸ count as 0.
///
/// The state takes 300 bytes and 8 bytes per bin. For each sign, bins are allocated 128 at a time
/// as the magnitudes of the elements require: with an error of 1 %, 115 bins for a factor of ten,
/// and 71,000 for the whole range of `f64`. Per row and per column, there is a sketch for each row
/// or column.
///
/// # Errors
///
/// - [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) for complex dtypes.
/// - [`ErrorKind::Statistic`](crate::ErrorKind::Statistic) if there are no quantiles, a quantile is
///   not from 0 to 1, or the error is not from 0.0001 to 0.5.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Quantiles};
/// use ndarray::Array1;
///
/// let sequence = LazyChunkSequence::new(|| {
///     (0..100).map(|i| Array1::from_iter((0..100).map(|j| i * 100 + j)))
/// });
/// let quantiles = sequence.convert(NdarrayConverter).compute(Quantiles::new([0.5, 0.99]))?;
/// assert!((quantiles[0] - 4999.0).abs() <= 0.01 * 4999.0);
/// assert!((quantiles[1] - 9899.0).abs() <= 0.01 * 9899.0);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Quantiles {
    quantiles: Vec<f64>,
    relative_error: f64,
}

impl Quantiles {
    /// Creates a statistic of these quantiles, from 0, the smallest element, to 1, the largest. The
    /// quantiles are checked when the statistic is used.
    pub fn new(quantiles: impl Into<Vec<f64>>) -> Quantiles {
        Quantiles { quantiles: quantiles.into(), relative_error: 0.01 }
    }

    /// Sets the maximum relative error between a result and the element of its rank, from 0.0001 to
    /// 0.5.
    #[must_use]
    pub fn with_relative_error(self, relative_error: f64) -> Quantiles {
        Quantiles { relative_error, ..self }
    }

    fn of(&self, sketch: &Sketch) -> Vec<f64> {
        self.quantiles.iter().map(|quantile| sketch.quantile(*quantile)).collect()
    }
}

/// The numbers of elements by magnitude, and the numbers of elements without a magnitude.
#[derive(Clone, Serialize, Deserialize)]
pub struct Sketch {
    finite: DDSketch,
    n_negative_infinite: u64,
    n_infinite: u64,
    n_nan: u64,
}

impl Sketch {
    /// Returns the element at the rank of the quantile.
    fn quantile(&self, quantile: f64) -> f64 {
        let n_finite = self.finite.count() as u64;
        let n_elements = self.n_negative_infinite + n_finite + self.n_infinite;
        if self.n_nan > 0 || n_elements == 0 {
            return f64::NAN;
        }
        let rank = (quantile * (n_elements - 1) as f64) as u64;
        let Some(rank) = rank.checked_sub(self.n_negative_infinite) else {
            return f64::NEG_INFINITY;
        };
        if rank >= n_finite {
            return f64::INFINITY;
        }
        let extreme = |extreme: Option<f64>| extreme.expect("there is a finite element");
        let (min, max) = (extreme(self.finite.min()), extreme(self.finite.max()));
        if rank == 0 {
            return min;
        }
        if rank == n_finite - 1 {
            return max;
        }
        // The sketch converts quantiles into ranks, rounding down.
        let quantile = (rank as f64 + 0.5) / (n_finite - 1) as f64;
        let value = self.finite.quantile(quantile).expect("ranks are within 0 and 1");
        extreme(value).clamp(min, max)
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sketch")
            .field("n_finite", &self.finite.count())
            .field("n_bins", &self.finite.length())
            .finish_non_exhaustive()
    }
}

impl Cell for Quantiles {
    type State = Sketch;
    type Value = Array1<f64>;
    type Values<D: Dimension + 'static> = Array<f64, D::Larger>;
    const HAS_HEAP: bool = true;

    fn name(&self) -> String {
        format!("the quantiles {:?} within {}", self.quantiles, self.relative_error)
    }

    fn check(&self, _: Option<usize>) -> Result<()> {
        if self.quantiles.is_empty() {
            return Err(self.problem("needs at least one quantile"));
        }
        if let Some(quantile) = self.quantiles.iter().find(|q| !(0.0..=1.0).contains(*q)) {
            return Err(self.problem(format!("a quantile must be from 0 to 1, got {quantile}")));
        }
        if !(1e-4..=0.5).contains(&self.relative_error) {
            return Err(self.problem("the relative error must be from 0.0001 to 0.5"));
        }
        Ok(())
    }

    fn heap(&self, state: &Sketch) -> usize {
        state.finite.length() * size_of::<u64>()
    }

    fn value_size(&self) -> usize {
        self.quantiles.len().saturating_mul(size_of::<f64>())
    }

    fn empty(&self) -> Sketch {
        let gamma = (1.0 + self.relative_error) / (1.0 - self.relative_error);
        // The maximum number of bins, so that bins are never joined and the error bound holds.
        let n_bins = (f64::MAX.ln() - f64::MIN_POSITIVE.ln()) / gamma.ln() + 2.0;
        let config = Config::new(self.relative_error, n_bins as u32, f64::MIN_POSITIVE);
        Sketch { finite: DDSketch::new(config), n_negative_infinite: 0, n_infinite: 0, n_nan: 0 }
    }

    fn update<A: Real>(&self, state: &mut Sketch, run: Run<'_, A>, _: Nan) {
        for x in run.elements.iter().map(|x| x.to_f64()) {
            if x.is_finite() {
                state.finite.add(x);
            } else if x.is_nan() {
                state.n_nan += 1;
            } else if x > 0.0 {
                state.n_infinite += 1;
            } else {
                state.n_negative_infinite += 1;
            }
        }
    }

    fn merge(&self, state: &mut Sketch, next: Sketch, _: Nan) {
        state.finite.merge(&next.finite).expect("all sketches of a statistic have its error");
        state.n_negative_infinite += next.n_negative_infinite;
        state.n_infinite += next.n_infinite;
        state.n_nan += next.n_nan;
    }

    fn is_valid(&self, state: &Sketch) -> bool {
        let Sketch { finite, .. } = state;
        // Sketches of another error do not merge, and a sketch with elements has a smallest one.
        self.empty().finite.merge(finite).is_ok() && (finite.count() == 0) == finite.min().is_none()
    }

    fn value(&self, state: Sketch) -> Result<Array1<f64>> {
        Ok(self.of(&state).into())
    }

    fn values<D: Dimension + 'static>(
        &self,
        states: Vec<Sketch>,
        shape: D,
        _: Along,
    ) -> Result<Array<f64, D::Larger>> {
        let values = states.iter().flat_map(|state| self.of(state)).collect();
        Ok(arrange_many(&shape, self.quantiles.len(), values))
    }
}

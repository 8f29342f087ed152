//! Count, mean and variance.

use ndarray::{Array, Dimension, Zip};
use serde::{Deserialize, Serialize};

use super::cell::{Along, Cell, Run, arrange};
use super::float::{by_halves, sum_of_run, sums_of_deviations};
use super::order::Nan;
use crate::Result;
use crate::real::Real;

/// The count, the mean and the variance, accumulated in `f64`.
///
/// Pieces of 16,384 elements are summed pairwise, and pieces and blocks are joined by the update of
/// Chan, Golub and LeVeque, *Updating formulae and a pairwise algorithm for computing sample
/// variances* (1979). The error bound grows with the number of pieces of a block and with the number
/// of blocks; for columns, and if NaN is ignored, a piece has 256 elements. NaN and infinities give the same mean as in NumPy,
/// and a variance of NaN. The state takes 24 bytes.
///
/// # Errors
///
/// [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) for complex dtypes.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![1.0, 2.0], array![3.0, 4.0]]);
/// let moments = sequence.convert(NdarrayConverter).compute(MeanVariance)?;
/// assert_eq!((moments.count, moments.mean, moments.variance(0)), (4, 2.5, 1.25));
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct MeanVariance;

/// The result of [`MeanVariance`] of the whole array.
///
/// # Example
///
/// One pass computes the moments, and a second pass standardizes with them:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Concatenate, LazyChunkSequence, MeanVariance, NdarrayConverter};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![1.0, 1.0], array![5.0, 5.0]]);
/// let moments = sequence.clone().convert(NdarrayConverter).compute(MeanVariance)?;
/// let (mean, deviation) = (moments.mean, moments.standard_deviation(0));
///
/// let standardized = sequence.map(move |block| (block - mean) / deviation).compute(Concatenate)?;
/// assert_eq!(standardized.to_vec(), [-1.0, -1.0, 1.0, 1.0]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// The number of elements.
    pub count: u64,
    /// The mean, or NaN if there are no elements.
    pub mean: f64,
    /// The sum of the squared deviations from the mean.
    pub sum_of_squares: f64,
}

impl Moments {
    const EMPTY: Moments = Moments { count: 0, mean: f64::NAN, sum_of_squares: 0.0 };

    /// Returns the variance with `ddof` delta degrees of freedom, as NumPy's `var(ddof=…)` does:
    /// the divisor is the number of elements minus `ddof`. Returns NaN if there are too few
    /// elements.
    #[must_use]
    pub fn variance(&self, ddof: u64) -> f64 {
        variance(self.count, self.sum_of_squares, ddof)
    }

    /// Returns the square root of the [`variance`](Self::variance).
    #[must_use]
    pub fn standard_deviation(&self, ddof: u64) -> f64 {
        self.variance(ddof).sqrt()
    }

    fn merge(self, next: Moments) -> Moments {
        if self.count == 0 {
            return next;
        }
        if next.count == 0 {
            return self;
        }
        let count = self.count + next.count;
        if !(self.mean.is_finite() && next.mean.is_finite()) {
            return Moments { count, mean: self.mean + next.mean, sum_of_squares: f64::NAN };
        }
        let (n, n_next, n_total) = (self.count as f64, next.count as f64, count as f64);
        let delta = next.mean - self.mean;
        if !delta.is_finite() {
            // Means at opposite ends of the range of floats.
            let mean = self.mean * (n / n_total) + next.mean * (n_next / n_total);
            return Moments { count, mean, sum_of_squares: f64::INFINITY };
        }
        Moments {
            count,
            mean: self.mean + delta * (n_next / n_total),
            sum_of_squares: self.sum_of_squares
                + next.sum_of_squares
                + delta * delta * (n * n_next / n_total),
        }
    }

    fn of<A: Real>(elements: &[A]) -> Moments {
        by_halves(
            elements,
            Moments::EMPTY,
            // Unlike the function, a closure is inlined.
            #[inline(always)]
            |run| Moments::of_run(run),
            Moments::merge,
        )
    }

    #[inline(always)]
    fn of_run<A: Real>(elements: &[A]) -> Moments {
        let count = elements.len() as u64;
        let n = count as f64;
        // One pass over the deviations from one element, if that is close enough to the mean to
        // lose at most two bits.
        let shift = elements[0].to_f64();
        let (sum, squares) = sums_of_deviations(elements, shift);
        let of_shift = sum * sum / n;
        if squares.is_finite() && of_shift <= 0.75 * squares {
            return Moments { count, mean: shift + sum / n, sum_of_squares: squares - of_shift };
        }
        // Otherwise a second pass over the deviations from the mean, which also corrects the
        // rounding of the mean.
        let mean = sum_of_run(|x| x)(elements) / n;
        if !mean.is_finite() {
            return Moments { count, mean, sum_of_squares: f64::NAN };
        }
        let (rest, squares) = sums_of_deviations(elements, mean);
        Moments { count, mean: mean + rest / n, sum_of_squares: squares - rest * rest / n }
    }
}

/// The results of [`MeanVariance`] of each row or each column.
///
/// # Example
///
/// Constant columns contain no information:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter, Summary};
/// use ndarray::array;
///
/// let features = LazyChunkSequence::new(|| [array![[1.0, 7.0]], array![[3.0, 7.0]]]);
/// let moments = features.convert(NdarrayConverter).compute(MeanVariance.per_column())?;
/// assert_eq!(moments.mean, array![2.0, 7.0].into_dyn());
/// assert_eq!(moments.variance(0).iter().filter(|variance| **variance == 0.0).count(), 1);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MomentsOfMany<D: Dimension> {
    /// The numbers of elements.
    pub count: Array<u64, D>,
    /// The means, or NaN where there are no elements.
    pub mean: Array<f64, D>,
    /// The sums of the squared deviations from the means.
    pub sum_of_squares: Array<f64, D>,
}

impl<D: Dimension> MomentsOfMany<D> {
    /// Returns the variances, as [`Moments::variance`] does.
    #[must_use]
    pub fn variance(&self, ddof: u64) -> Array<f64, D> {
        Zip::from(&self.count)
            .and(&self.sum_of_squares)
            .map_collect(|count, sum_of_squares| variance(*count, *sum_of_squares, ddof))
    }

    /// Returns the square roots of the [`variance`](Self::variance)s.
    #[must_use]
    pub fn standard_deviation(&self, ddof: u64) -> Array<f64, D> {
        self.variance(ddof).mapv_into(f64::sqrt)
    }
}

fn variance(count: u64, sum_of_squares: f64, ddof: u64) -> f64 {
    match count.checked_sub(ddof) {
        None | Some(0) => f64::NAN,
        Some(divisor) => sum_of_squares / divisor as f64,
    }
}

impl Cell for MeanVariance {
    type State = Moments;
    type Value = Moments;
    type Values<D: Dimension + 'static> = MomentsOfMany<D>;

    fn name(&self) -> String {
        "the mean and variance".to_owned()
    }

    fn value_size(&self) -> usize {
        size_of::<Moments>()
    }

    fn empty(&self) -> Moments {
        Moments::EMPTY
    }

    fn update<A: Real>(&self, state: &mut Moments, run: Run<'_, A>, _: Nan) {
        *state = state.merge(Moments::of(run.elements));
    }

    fn merge(&self, state: &mut Moments, next: Moments, _: Nan) {
        *state = state.merge(next);
    }

    fn value(&self, state: Moments) -> Result<Moments> {
        Ok(state)
    }

    fn values<D: Dimension + 'static>(
        &self,
        states: Vec<Moments>,
        shape: D,
        _: Along,
    ) -> Result<MomentsOfMany<D>> {
        Ok(MomentsOfMany {
            count: arrange(shape.clone(), states.iter().map(|moments| moments.count).collect()),
            mean: arrange(shape.clone(), states.iter().map(|moments| moments.mean).collect()),
            sum_of_squares: arrange(
                shape,
                states.iter().map(|moments| moments.sum_of_squares).collect(),
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_offset_does_not_cancel() {
        let elements: Vec<f64> = (0..1000).map(|i| 1e9 + f64::from(i % 2)).collect();
        let moments = Moments::of(&elements);
        assert_eq!(moments.mean, 1e9 + 0.5);
        // If the mean of a run is not a multiple of the spacing of floats near 1e9, its rounding
        // shows in the result.
        assert!((moments.variance(0) - 0.25).abs() < 1e-8);
    }

    #[test]
    fn merging_at_any_place_gives_the_moments_of_the_whole() {
        let elements: Vec<i32> = (0..300).map(|i| i * i % 17 - 8).collect();
        let whole = Moments::of(&elements);
        for place in 0..=elements.len() {
            let (left, right) = elements.split_at(place);
            let merged = Moments::of(left).merge(Moments::of(right));
            assert_eq!(merged.count, whole.count);
            assert!((merged.mean - whole.mean).abs() < 1e-12);
            assert!((merged.variance(1) - whole.variance(1)).abs() < 1e-11);
        }
    }

    #[test]
    fn too_few_elements_and_nan_give_nan() {
        assert!(Moments::EMPTY.mean.is_nan());
        assert!(Moments::EMPTY.variance(0).is_nan());
        assert!(Moments::of(&[1.0]).variance(1).is_nan());
        assert!(Moments::of(&[1.0, f64::NAN]).mean.is_nan());
        assert!(Moments::of(&[1.0, f64::INFINITY]).variance(0).is_nan());
    }

    #[test]
    fn infinities_give_the_mean_that_numpy_gives() {
        let infinite = f64::INFINITY;
        assert_eq!(Moments::of(&[1.0, infinite]).mean, infinite);
        assert!(Moments::of(&[-infinite, infinite]).mean.is_nan());
        let merged = Moments::of(&[1.0, -infinite]).merge(Moments::of(&[2.0]));
        assert_eq!((merged.count, merged.mean), (3, -infinite));
        assert!(merged.merge(Moments::of(&[infinite])).mean.is_nan());
        assert!(merged.merge(Moments::of(&[f64::NAN])).mean.is_nan());
    }
}

//! Sums of floats: pairwise within a piece of a block, compensated between pieces and blocks.

use serde::{Deserialize, Serialize};

use super::simd::{fetch, with_widest_vectors};
use crate::real::Real;

/// Returns a sum in at least as many lanes as the processor adds at once.
///
/// The code determines the order of the additions, not the processor.
#[inline(always)]
fn sum_in_lanes<A: Real, const N_LANES: usize>(elements: &[A], term: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; N_LANES];
    let (whole, rest) = elements.as_chunks::<N_LANES>();
    for elements in whole {
        for (lane, element) in lanes.iter_mut().zip(elements) {
            *lane += term(element.to_f64());
        }
    }
    for (lane, element) in lanes.iter_mut().zip(rest) {
        *lane += term(element.to_f64());
    }
    joined(lanes)
}

/// The number of elements that are added in lanes, few enough to stay in the cache while they are
/// transformed.
pub(crate) const RUN: usize = 256;

/// The number of elements up to which vectors of the target are as fast as wider ones.
const SHORT_RUN: usize = 32;

/// The number of runs that are read ahead.
pub(crate) const N_AHEAD: usize = 4;

/// The number of runs that one call adds.
const N_RUNS: usize = 64;

/// Returns the sums of the deviations from a number and of their squares, for the elements of a
/// run.
#[inline(always)]
pub(crate) fn sums_of_deviations<A: Real>(elements: &[A], from: f64) -> (f64, f64) {
    // Each loop does one thing, so that the compiler vectorizes it.
    let mut deviations = [0.0; RUN];
    let deviations = &mut deviations[..elements.len()];
    for (deviation, element) in deviations.iter_mut().zip(elements) {
        *deviation = element.to_f64() - from;
    }
    (sum_in_lanes::<_, 8>(deviations, |x| x), sum_in_lanes::<_, 8>(deviations, |x| x * x))
}

/// Returns the sum of all lanes, by halves.
#[inline(always)]
fn joined<const N_LANES: usize>(mut lanes: [f64; N_LANES]) -> f64 {
    let mut n_lanes = N_LANES;
    while n_lanes > 1 {
        n_lanes /= 2;
        for lane in 0..n_lanes {
            lanes[lane] += lanes[lane + n_lanes];
        }
    }
    lanes[0]
}

/// Returns the sum of a term of each element, by halves, so that the error grows with the logarithm
/// of the number of elements.
pub(crate) fn pairwise_sum<A: Real>(elements: &[A], term: impl Fn(f64) -> f64 + Copy) -> f64 {
    by_halves(elements, 0.0, sum_of_run(term), |left, right| left + right)
}

/// Returns the function that returns the sum of a term of each element of a run.
#[inline(always)]
pub(crate) fn sum_of_run<A: Real>(term: impl Fn(f64) -> f64 + Copy) -> impl Fn(&[A]) -> f64 + Copy {
    #[inline(always)]
    move |run| sum_in_lanes::<_, 16>(run, term)
}

/// Computes a result of each run of elements, and joins the results by halves.
pub(crate) fn by_halves<A, T: Copy>(
    elements: &[A],
    empty: T,
    of_run: impl Fn(&[A]) -> T + Copy,
    join: impl Fn(T, T) -> T + Copy,
) -> T {
    match elements.len() {
        0 => return empty,
        // Wide vectors take longer to fill and to join than such a row or column to add.
        1..=SHORT_RUN => return of_run(elements),
        _ => {}
    }
    if elements.len() > N_RUNS * RUN {
        let n_runs = elements.len().div_ceil(RUN);
        let (left, right) = elements.split_at(n_runs.div_ceil(2) * RUN);
        return join(by_halves(left, empty, of_run, join), by_halves(right, empty, of_run, join));
    }
    if elements.len() <= RUN {
        return with_widest_vectors(
            #[inline(always)]
            || of_run(elements),
        );
    }
    let mut results = [empty; N_RUNS];
    let results = &mut results[..elements.len().div_ceil(RUN)];
    with_widest_vectors(
        #[inline(always)]
        || {
            for (i, (result, run)) in results.iter_mut().zip(elements.chunks(RUN)).enumerate() {
                if let Some(later) = elements.get((i + N_AHEAD) * RUN..(i + N_AHEAD + 1) * RUN) {
                    fetch(later);
                }
                *result = of_run(run);
            }
        },
    );
    joined_by_halves(results, join)
}

fn joined_by_halves<T: Copy>(results: &[T], join: impl Fn(T, T) -> T + Copy) -> T {
    if let [result] = results {
        return *result;
    }
    let (left, right) = results.split_at(results.len().div_ceil(2));
    join(joined_by_halves(left, join), joined_by_halves(right, join))
}

/// A sum and its accumulated rounding error, by Neumaier's *Rundungsfehleranalyse einiger Verfahren
/// zur Summation endlicher Summen* (1974).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    pub(crate) fn add(&mut self, term: f64) {
        let sum = self.sum + term;
        // Infinities, NaN and a sum that overflows have no rounding error.
        if sum.is_finite() {
            self.lost += if self.sum.abs() >= term.abs() {
                (self.sum - sum) + term
            } else {
                (term - sum) + self.sum
            };
        }
        self.sum = sum;
    }

    pub(crate) fn merge(&mut self, next: Compensated) {
        self.add(next.sum);
        self.lost += next.lost;
    }

    pub(crate) fn total(self) -> f64 {
        if self.sum.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::with_all_vectors;
    use super::*;

    #[test]
    fn sums_of_any_length_are_whole() {
        for length in 0..1000_usize {
            let elements: Vec<u32> = (0..length as u32).collect();
            let expected = (length * length.saturating_sub(1) / 2) as f64;
            assert_eq!(pairwise_sum(&elements, |x| x), expected, "{length}");
        }
    }

    /// Elements whose sums depend on the order of the additions.
    fn elements<A>(length: usize, of: impl Fn(f64) -> A) -> Vec<A> {
        (0..length).map(|i| of((i as f64 * 0.7).sin() * 10_f64.powi(i as i32 % 9 - 4))).collect()
    }

    /// Adds lane by lane, and then by halves, without a loop that a compiler could vectorize.
    fn sum_by_halves(elements: &[f64]) -> f64 {
        if elements.len() > RUN {
            let (left, right) = elements.split_at(elements.len().div_ceil(2 * RUN) * RUN);
            return sum_by_halves(left) + sum_by_halves(right);
        }
        let mut lanes: Vec<f64> = (0..16)
            .map(|lane| elements.iter().skip(lane).step_by(16).fold(0.0, |sum, x| sum + x))
            .collect();
        while lanes.len() > 1 {
            let half = lanes.split_off(lanes.len() / 2);
            lanes.iter_mut().zip(half).for_each(|(lane, other)| *lane += other);
        }
        lanes[0]
    }

    #[test]
    fn sums_have_the_same_bits_with_all_vectors() {
        for length in (0..600).chain([16_383, 16_384, 16_385, 40_000, 100_003]) {
            let elements = elements(length, |x| x as f32);
            let expected: Vec<_> = elements.iter().copied().map(f64::from).collect();
            let squares: Vec<_> = expected.iter().map(|x| x * x).collect();
            assert_eq!(pairwise_sum(&elements, |x| x), sum_by_halves(&expected), "{length}");
            assert_eq!(pairwise_sum(&expected, |x| x), sum_by_halves(&expected), "{length}");
            assert_eq!(pairwise_sum(&elements, |x| x * x), sum_by_halves(&squares), "{length}");
            let run = &elements[..length.min(RUN)];
            for sum in with_all_vectors(|| sum_of_run(|x| x)(run)) {
                assert_eq!(sum, sum_by_halves(&expected[..run.len()]), "{length}");
            }
            let sums = with_all_vectors(|| sums_of_deviations(run, 0.3));
            assert!(sums.iter().all(|each| *each == sums[0]), "{length}: {sums:?}");
        }
    }

    #[test]
    fn what_cancels_is_not_lost() {
        let mut sum = Compensated::default();
        [1.0, 1e100, 1.0, -1e100].into_iter().for_each(|term| sum.add(term));
        assert_eq!(sum.total(), 2.0);
    }

    #[test]
    fn infinities_are_those_of_a_plain_sum() {
        let total = |terms: &[f64]| {
            let mut sum = Compensated::default();
            terms.iter().for_each(|term| sum.add(*term));
            sum.total()
        };
        assert_eq!(total(&[1.0, f64::INFINITY, 2.0]), f64::INFINITY);
        assert_eq!(total(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert!(total(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(total(&[f64::NAN, 1.0]).is_nan());
    }
}

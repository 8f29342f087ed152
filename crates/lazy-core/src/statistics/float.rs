//! Sums of floats: pairwise within a block, compensated between blocks.

use serde::{Deserialize, Serialize};

use crate::real::Real;

/// Returns a sum in at least as many lanes as the processor adds at once.
///
/// The code determines the order of the additions, not the processor.
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

/// The number of elements that are transformed before they are added, few enough to stay in the
/// cache.
pub(crate) const RUN: usize = 256;

/// Returns the sums of the deviations from a number and of their squares, for the elements of a
/// run.
pub(crate) fn sums_of_deviations<A: Real>(
    elements: &[A],
    from: f64,
    deviations: &mut [f64; RUN],
) -> (f64, f64) {
    // Each loop does one thing, so that the compiler vectorizes it.
    let deviations = &mut deviations[..elements.len()];
    for (deviation, element) in deviations.iter_mut().zip(elements) {
        *deviation = element.to_f64() - from;
    }
    (sum_in_lanes::<_, 8>(deviations, |x| x), sum_in_lanes::<_, 8>(deviations, |x| x * x))
}

/// Returns the sum of all lanes, by halves.
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
pub(crate) fn pairwise_sum<A: Real>(elements: &[A], term: &impl Fn(f64) -> f64) -> f64 {
    if elements.len() <= RUN {
        return sum_in_lanes::<_, 16>(elements, term);
    }
    let (left, right) = elements.split_at(middle(elements.len()));
    pairwise_sum(left, term) + pairwise_sum(right, term)
}

/// Returns the index at which to halve more elements than one run: a multiple of the run length.
pub(crate) fn middle(n_elements: usize) -> usize {
    n_elements.div_ceil(2 * RUN) * RUN
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
    use super::*;

    #[test]
    fn sums_of_any_length_are_whole() {
        for length in 0..1000_usize {
            let elements: Vec<u32> = (0..length as u32).collect();
            let expected = (length * length.saturating_sub(1) / 2) as f64;
            assert_eq!(pairwise_sum(&elements, &|x| x), expected, "{length}");
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

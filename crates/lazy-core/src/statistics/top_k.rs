//! The k largest and the k smallest elements.

use ndarray::Dimension;
use serde::{Deserialize, Serialize};

use super::cell::{Along, Cell, Run, arrange_many};
use super::order::{Candidate, Ranking};
use super::{Extrema, Extremum, Number, Real};
use crate::Result;

/// Elements that come first in an order, and whether there may be more than are asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    candidates: Vec<Candidate>,
    /// How many of them, at the front, are the first in their order.
    n_settled: usize,
}

/// How the first `k` are kept.
#[derive(Clone, Copy, Debug)]
struct Selection {
    k: usize,
    ranking: Ranking,
}

impl Selection {
    /// Keeps the first `k`, in order.
    fn settle(self, ranked: &mut Ranked) {
        let Ranked { candidates, n_settled } = ranked;
        if *n_settled == candidates.len() {
            return;
        }
        let order = |a: &Candidate, b: &Candidate| self.ranking.compare(a, b);
        if candidates.len() > self.k {
            candidates.select_nth_unstable_by(self.k, order);
            candidates.truncate(self.k);
        }
        candidates.sort_unstable_by(order);
        *n_settled = candidates.len();
    }

    /// Adds elements that come behind all others: those that come before the last of `k`.
    fn push<A: Real>(self, ranked: &mut Ranked, run: Run<'_, A>) {
        /// Elements that are looked at together.
        const PIECE: usize = 64;
        /// Candidates that wait until they are worth being selected from.
        const N_WAITING: usize = 32;
        let last = |ranked: &Ranked| {
            let last = ranked.n_settled == self.k;
            last.then(|| A::of_number(ranked.candidates[self.k - 1].value))
        };
        let mut bound = last(ranked);
        for (i, piece) in run.elements.chunks(PIECE).enumerate() {
            if bound.is_some_and(|bound| !self.ranking.any_before(piece, bound)) {
                continue;
            }
            for (j, element) in piece.iter().enumerate() {
                if bound.is_none_or(|bound| self.ranking.is_before(*element, bound)) {
                    let place = run.place(i * PIECE + j);
                    ranked.candidates.push(Candidate { value: element.to_number(), place });
                }
            }
            if ranked.candidates.len() >= self.k.saturating_add(self.k.max(N_WAITING)) {
                self.settle(ranked);
                bound = last(ranked);
            }
        }
    }

    fn merge(self, ranked: &mut Ranked, next: Ranked) {
        if ranked.candidates.is_empty() {
            *ranked = next;
        } else if !next.candidates.is_empty() {
            // Both are in order, so that a stable sort merges two runs.
            ranked.candidates.extend(next.candidates);
            ranked.candidates.sort_by(|a, b| self.ranking.compare(a, b));
            ranked.candidates.truncate(self.k);
            ranked.candidates.shrink_to_fit();
            ranked.n_settled = ranked.candidates.len();
        }
    }
}

macro_rules! top_k {
    (
        $(#[$attribute:meta])* $Name:ident, $adjective:literal, $ranking:expr, $(#[$new:meta])*
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug)]
        pub struct $Name {
            k: usize,
        }

        impl $Name {
            $(#[$new])*
            #[must_use]
            pub fn new(k: usize) -> $Name {
                $Name { k }
            }

            fn selection(self) -> Selection {
                Selection { k: self.k, ranking: $ranking }
            }

            fn selection_of_numbers(self) -> Selection {
                let ranking: Ranking = $ranking;
                Selection { k: self.k, ranking: ranking.of_numbers() }
            }

            fn check_number(&self, n_elements: usize) -> Result<()> {
                if self.k > n_elements {
                    let problem = format!("there are {n_elements} elements to choose from");
                    return Err(self.problem(problem));
                }
                Ok(())
            }
        }

        impl Cell for $Name {
            type State = Ranked;
            type Value = Vec<Extremum>;
            type Values<D: Dimension> = Extrema<D::Larger>;
            const HAS_HEAP: bool = true;

            fn name(&self) -> String {
                format!(concat!("the {} ", $adjective), self.k)
            }

            fn check(&self, n_elements: Option<usize>) -> Result<()> {
                if self.k == 0 {
                    return Err(self.problem("it is asked for 0 elements, but needs at least 1"));
                }
                n_elements.map_or(Ok(()), |n_elements| self.check_number(n_elements))
            }

            fn least_heap(&self, n_elements: usize) -> usize {
                self.k.min(n_elements).saturating_mul(size_of::<Candidate>())
            }

            fn heap(&self, state: &Ranked) -> usize {
                state.candidates.capacity() * size_of::<Candidate>()
            }

            fn value_size(&self) -> usize {
                self.k.saturating_mul(size_of::<Number>() + size_of::<u64>())
            }

            fn empty(&self) -> Ranked {
                Ranked::default()
            }

            fn push<A: Real>(&self, state: &mut Ranked, run: Run<'_, A>) {
                self.selection().push(state, run);
            }

            fn push_numbers<A: Real>(&self, state: &mut Ranked, run: Run<'_, A>) {
                self.selection_of_numbers().push(state, run);
            }

            fn settle(&self, state: &mut Ranked) {
                self.selection().settle(state);
                state.candidates.shrink_to_fit();
            }

            fn settle_numbers(&self, state: &mut Ranked) {
                self.selection_of_numbers().settle(state);
                state.candidates.shrink_to_fit();
            }

            fn merge(&self, state: &mut Ranked, next: Ranked) {
                self.selection().merge(state, next);
            }

            fn merge_numbers(&self, state: &mut Ranked, next: Ranked) {
                self.selection_of_numbers().merge(state, next);
            }

            fn is_state(&self, state: &Ranked) -> bool {
                state.candidates.len() <= self.k && state.n_settled == state.candidates.len()
            }

            fn value(&self, state: Ranked) -> Result<Vec<Extremum>> {
                self.check_number(state.candidates.len())?;
                Ok(state.candidates.into_iter().map(Extremum::from).collect())
            }

            fn values<D: Dimension>(
                &self,
                states: Vec<Ranked>,
                shape: D,
                along: Along,
            ) -> Result<Extrema<D::Larger>> {
                for state in &states {
                    self.check_number(state.candidates.len())?;
                }
                let candidates = || states.iter().flat_map(|state| &state.candidates);
                let indices = candidates().map(|candidate| along.index(candidate.place)).collect();
                let values = candidates().map(|candidate| candidate.value).collect();
                Ok(Extrema {
                    indices: arrange_many(&shape, self.k, indices),
                    values: arrange_many(&shape, self.k, values),
                })
            }
        }
    };
}

top_k!(
    /// The `k` largest elements in descending order, and where they are.
    ///
    /// NaN counts as the largest; [ignored](super::Summary::ignoring_nan), it comes last, where there are fewer
    /// than `k` numbers. Equal elements come in the order of their indices. The order is exact for every dtype.
    /// The state is 32 · `k` bytes and 32 more.
    ///
    /// # Errors
    ///
    /// - [`Error::UnsupportedDType`](crate::Error::UnsupportedDType) for complex dtypes.
    /// - [`Error::Statistic`](crate::Error::Statistic) when `k` is 0, or more than there are elements: per row, before
    ///   the first block is computed where a row type is declared; else when all are.
    ///
    /// # Example
    ///
    /// Which training samples influence each test sample most, and which test samples each training sample:
    ///
    /// ```
    /// use lazy_core::{LazyChunkSequence, NdarrayConverter, Summary, TopK};
    /// use ndarray::array;
    ///
    /// // A row per test sample, a column per training sample.
    /// let influence =
    ///     LazyChunkSequence::new(|| [array![[0.1, 5.0, 0.2, 3.0]], array![[0.3, 4.0, 0.9, 0.1]]])
    ///         .convert(NdarrayConverter);
    /// let statistics = (TopK::new(2).per_row(), TopK::new(1).per_column(), TopK::new(2));
    /// let (of_tests, of_training, of_all) = influence.compute(statistics)?;
    /// assert_eq!(of_tests.indices, array![[1, 3], [1, 2]]);
    /// assert_eq!(of_tests.values, array![[5.0, 3.0], [4.0, 0.9]]);
    /// assert_eq!(of_training.indices, array![[1], [0], [1], [0]].into_dyn());
    /// assert_eq!(of_all[1].value, 4.0);
    /// assert_eq!((of_all[1].row, of_all[1].index), (1, 1));
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    TopK, "largest", Ranking { largest: true, nan_first: true },
    /// The `k` largest. That there are so many is checked in the pass.
);

top_k!(
    /// The `k` smallest elements in ascending order, and where they are.
    ///
    /// NaN comes last, as where NumPy sorts. In all else as [`TopK`].
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{BottomK, LazyChunkSequence, NdarrayConverter, Summary};
    /// use ndarray::array;
    ///
    /// let sequence = LazyChunkSequence::new(|| [array![[3.0, f64::NAN, -1.0, 3.0]]]);
    /// let smallest = sequence.convert(NdarrayConverter).compute(BottomK::new(3).per_row())?;
    /// assert_eq!(smallest.indices, array![[2, 0, 3]]);
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    BottomK, "smallest", Ranking { largest: false, nan_first: false },
    /// The `k` smallest. That there are so many is checked in the pass.
);

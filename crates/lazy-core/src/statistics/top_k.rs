//! The k largest and the k smallest elements.

use ndarray::Dimension;
use serde::{Deserialize, Serialize};

use super::cell::{Along, Cell, Run, arrange_many};
use super::order::{Candidate, Nan, PIECE, Ranking};
use super::{Extrema, Extremum};
use crate::number::Number;
use crate::real::Real;
use crate::{DType, Result};

/// The first elements in an order, and possibly more that are not ranked yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    candidates: Vec<Candidate>,
    /// The number of ranked elements, which are the first of all and are at the front.
    n_ranked: usize,
}

/// The selection of the first `k` elements.
#[derive(Clone, Copy, Debug)]
struct Selection {
    k: usize,
    ranking: Ranking,
}

impl Selection {
    /// The number of candidates that are collected before the next selection, if `k` is less.
    const N_WAITING: usize = 32;
    /// An upper bound of the candidates beyond twice `k` that wait for a selection, halved.
    const N_SPARE: usize = 48;

    /// Keeps the first `k`, in order.
    fn select(self, ranked: &mut Ranked) {
        let Ranked { candidates, n_ranked } = ranked;
        if *n_ranked == candidates.len() {
            return;
        }
        let order = |a: &Candidate, b: &Candidate| self.ranking.compare(a, b);
        if candidates.len() > self.k {
            candidates.select_nth_unstable_by(self.k, order);
            candidates.truncate(self.k);
        }
        candidates.sort_unstable_by(order);
        *n_ranked = candidates.len();
    }

    /// Adds elements that come after all others in the array: only those that rank before the last
    /// of `k`.
    fn update<A: Real>(self, ranked: &mut Ranked, run: Run<'_, A>) {
        let last = |ranked: &Ranked| {
            let last = ranked.n_ranked == self.k;
            last.then(|| A::of_number(ranked.candidates[self.k - 1].value))
        };
        let mut bound = last(ranked);
        let mut start = 0;
        while start < run.elements.len() {
            let rest = &run.elements[start..];
            let n_behind = bound.map_or(0, |bound| self.ranking.n_behind(rest, bound));
            for (i, element) in rest.iter().enumerate().skip(n_behind).take(PIECE) {
                if bound.is_none_or(|bound| self.ranking.is_before(*element, bound)) {
                    let place = run.place(start + i);
                    ranked.candidates.push(Candidate { value: element.to_number(), place });
                }
            }
            if ranked.candidates.len() >= self.k.saturating_add(self.k.max(Selection::N_WAITING)) {
                self.select(ranked);
                bound = last(ranked);
            }
            start += n_behind + PIECE;
        }
    }

    fn merge(self, ranked: &mut Ranked, next: Ranked) {
        if ranked.candidates.is_empty() {
            *ranked = next;
        } else if !next.candidates.is_empty() {
            // Both are in order, so a stable sort merges two runs.
            ranked.candidates.extend(next.candidates);
            ranked.candidates.sort_by(|a, b| self.ranking.compare(a, b));
            ranked.candidates.truncate(self.k);
            ranked.candidates.shrink_to_fit();
            ranked.n_ranked = ranked.candidates.len();
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

            fn selection(self, nan: Nan) -> Selection {
                let ranking: Ranking = $ranking;
                Selection { k: self.k, ranking: ranking.with(nan) }
            }

            fn check_number(&self, n_elements: usize) -> Result<()> {
                if self.k > n_elements {
                    let problem =
                        format!("k exceeds the number of elements, which is {n_elements}");
                    return Err(self.problem(problem));
                }
                Ok(())
            }
        }

        impl Cell for $Name {
            type State = Ranked;
            type Value = Vec<Extremum>;
            type Values<D: Dimension + 'static> = Extrema<D::Larger>;
            const HAS_HEAP: bool = true;
            const HANDLES_NAN: bool = true;

            fn name(&self) -> String {
                format!(concat!("the {} ", $adjective), self.k)
            }

            fn check(&self, n_elements: Option<usize>) -> Result<()> {
                if self.k == 0 {
                    return Err(self.problem("k must be at least 1, got 0"));
                }
                n_elements.map_or(Ok(()), |n_elements| self.check_number(n_elements))
            }

            fn least_heap(&self, n_elements: usize) -> usize {
                self.k.min(n_elements).saturating_mul(size_of::<Candidate>())
            }

            fn most_spare(&self, n_elements: Option<usize>, _: DType) -> Option<usize> {
                // Candidates wait in a list that doubles, and two states are merged into one list.
                let n_elements = n_elements.unwrap_or(usize::MAX);
                let n_candidates = self.k.saturating_add(Selection::N_SPARE).min(n_elements);
                Some(n_candidates.saturating_mul(6 * size_of::<Candidate>()))
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

            fn update<A: Real>(&self, state: &mut Ranked, run: Run<'_, A>, nan: Nan) {
                self.selection(nan).update(state, run);
            }

            fn normalize(&self, state: &mut Ranked, nan: Nan) {
                self.selection(nan).select(state);
                state.candidates.shrink_to_fit();
            }

            fn merge(&self, state: &mut Ranked, next: Ranked, nan: Nan) {
                self.selection(nan).merge(state, next);
            }

            fn is_valid(&self, state: &Ranked) -> bool {
                state.candidates.len() <= self.k && state.n_ranked == state.candidates.len()
            }

            fn value(&self, state: Ranked) -> Result<Vec<Extremum>> {
                self.check_number(state.candidates.len())?;
                Ok(state.candidates.into_iter().map(Extremum::from).collect())
            }

            fn values<D: Dimension + 'static>(
                &self,
                states: Vec<Ranked>,
                shape: D,
                along: Along,
            ) -> Result<Extrema<D::Larger>> {
                for state in &states {
                    self.check_number(state.candidates.len())?;
                }
                let candidates = || states.iter().flat_map(|state| &state.candidates);
                let n_candidates = states.len() * self.k;
                let mut indices = Vec::with_capacity(n_candidates);
                indices.extend(candidates().map(|candidate| along.index(candidate.place)));
                let mut values = Vec::with_capacity(n_candidates);
                values.extend(candidates().map(|candidate| candidate.value));
                Ok(Extrema {
                    indices: arrange_many(&shape, self.k, indices),
                    values: arrange_many(&shape, self.k, values),
                })
            }
        }
    };
}

top_k!(
    /// The `k` largest elements in descending order, and their positions.
    ///
    /// NaN counts as the largest. If [NaN is ignored](super::Summary::ignoring_nan), it comes last,
    /// and only if there are fewer than `k` numbers. Equal elements come in the order of their
    /// indices. The order is exact for every dtype. The state takes 32 · `k` + 32 bytes.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) for complex dtypes.
    /// - [`ErrorKind::Statistic`](crate::ErrorKind::Statistic) if `k` is 0 or exceeds the number of
    ///   elements. Per row, the latter is detected before the first block if a row type is
    ///   declared; otherwise after the last block.
    ///
    /// # Example
    ///
    /// The training samples that influence each test sample most, and the test samples that each
    /// training sample influences most:
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Summary, TopK};
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
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    TopK, "largest", Ranking { largest: true, nan_first: true },
    /// Selects the `k` largest elements. The evaluation checks that there are enough elements.
);

top_k!(
    /// The `k` smallest elements in ascending order, and their positions.
    ///
    /// NaN comes last, as in NumPy's `sort`. Otherwise like [`TopK`].
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{BottomK, LazyChunkSequence, NdarrayConverter, Summary};
    /// use ndarray::array;
    ///
    /// let sequence = LazyChunkSequence::new(|| [array![[3.0, f64::NAN, -1.0, 3.0]]]);
    /// let smallest = sequence.convert(NdarrayConverter).compute(BottomK::new(3).per_row())?;
    /// assert_eq!(smallest.indices, array![[2, 0, 3]]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    BottomK, "smallest", Ranking { largest: false, nan_first: false },
    /// Selects the `k` smallest elements. The evaluation checks that there are enough elements.
);

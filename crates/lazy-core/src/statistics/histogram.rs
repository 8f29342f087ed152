//! Histograms.

use std::cmp::Ordering;

use ndarray::{Array, Array1, Dimension};
use serde::{Deserialize, Serialize};

use super::cell::{Along, Cell, Run, arrange, arrange_many};
use super::order::Nan;
use crate::real::Real;
use crate::{Error, Result};

/// The number of elements between given edges.
///
/// As in NumPy's `histogram`, a bin includes its lower edge and excludes its upper edge, except for
/// the last bin, which includes both. Elements outside the edges and NaN are in no bin and are
/// counted separately. Edges may be infinite. Elements are compared as `f64`, so integers beyond
/// 2⁵³ are rounded. The state takes 8 bytes per bin and 48 more.
///
/// # Errors
///
/// - [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType) for complex dtypes.
/// - [`ErrorKind::Statistic`](crate::ErrorKind::Statistic) if there are fewer than two edges, or if
///   they are not strictly increasing.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Histogram, LazyChunkSequence, NdarrayConverter, Summary};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![[0.5, 1.0, 7.0], [1.5, 2.0, f64::NAN]]]);
/// let histogram = Histogram::new([0.0, 1.0, 2.0]);
/// let statistics = (&histogram, histogram.clone().per_row());
/// let (counts, of_rows) = sequence.convert(NdarrayConverter).compute(statistics)?;
/// assert_eq!(counts.bins, array![1, 3]);
/// assert_eq!((counts.below, counts.above, counts.nan), (0, 1, 1));
/// assert_eq!(of_rows, array![[1, 1], [0, 2]]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Histogram {
    edges: Vec<f64>,
}

/// The result of a [`Histogram`] of the whole array. Histograms of rows and columns return only the
/// bins.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Histogram, LazyChunkSequence, NdarrayConverter};
/// use ndarray::array;
///
/// let scores = LazyChunkSequence::new(|| [array![-3.0, 0.1], array![0.2, 0.9]])
///     .convert(NdarrayConverter);
/// let counts = scores.compute(Histogram::new([0.0, 0.5, 1.0]))?;
/// let n_outside = counts.below + counts.above;
/// assert_eq!(counts.bins.sum() + n_outside, 4);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramCounts {
    /// The number of elements in each bin.
    pub bins: Array1<u64>,
    /// The number of elements below the first edge.
    pub below: u64,
    /// The number of elements above the last edge.
    pub above: u64,
    /// The number of elements that are NaN.
    pub nan: u64,
}

impl Histogram {
    /// Creates a histogram with a bin from each edge to the next, one bin fewer than edges. The
    /// edges are checked when the histogram is used.
    pub fn new(edges: impl Into<Vec<f64>>) -> Histogram {
        Histogram { edges: edges.into() }
    }

    fn n_bins(&self) -> usize {
        self.edges.len().saturating_sub(1)
    }
}

impl Cell for Histogram {
    type State = Counts;
    type Value = HistogramCounts;
    type Values<D: Dimension + 'static> = Array<u64, D::Larger>;
    const HAS_HEAP: bool = true;

    fn name(&self) -> String {
        format!("the histogram between the edges {:?}", self.edges)
    }

    fn check(&self, _: Option<usize>) -> Result<()> {
        let problem = |what: String| Error::statistic("a histogram", what);
        if self.edges.len() < 2 {
            return Err(problem(format!("needs at least two edges, got {}", self.edges.len())));
        }
        for (i, pair) in self.edges.windows(2).enumerate() {
            // NaN is neither below nor above.
            if pair[0].partial_cmp(&pair[1]).is_none_or(Ordering::is_ge) {
                return Err(problem(format!(
                    "the edges must be strictly increasing, but edge {} is {} and edge {i} is {}",
                    i + 1,
                    pair[1],
                    pair[0]
                )));
            }
        }
        Ok(())
    }

    fn least_heap(&self, _: usize) -> usize {
        self.n_bins().saturating_mul(size_of::<u64>())
    }

    fn heap(&self, state: &Counts) -> usize {
        state.bins.capacity() * size_of::<u64>()
    }

    fn value_size(&self) -> usize {
        self.least_heap(0)
    }

    fn empty(&self) -> Counts {
        Counts { bins: vec![0; self.n_bins()], below: 0, above: 0, nan: 0 }
    }

    fn update<A: Real>(&self, state: &mut Counts, run: Run<'_, A>, _: Nan) {
        let last = self.edges.len() - 1;
        for x in run.elements.iter().map(|x| x.to_f64()) {
            if x.is_nan() {
                state.nan += 1;
                continue;
            }
            match self.edges.partition_point(|edge| *edge <= x) {
                0 => state.below += 1,
                i if i <= last => state.bins[i - 1] += 1,
                _ if x == self.edges[last] => state.bins[last - 1] += 1,
                _ => state.above += 1,
            }
        }
    }

    fn merge(&self, state: &mut Counts, next: Counts, _: Nan) {
        state.bins.iter_mut().zip(next.bins).for_each(|(count, next)| *count += next);
        state.below += next.below;
        state.above += next.above;
        state.nan += next.nan;
    }

    fn is_valid(&self, state: &Counts) -> bool {
        state.bins.len() + 1 == self.edges.len()
    }

    fn value(&self, state: Counts) -> Result<HistogramCounts> {
        let Counts { bins, below, above, nan } = state;
        let n_bins = ndarray::Ix1(bins.len());
        Ok(HistogramCounts { bins: arrange(n_bins, bins), below, above, nan })
    }

    fn values<D: Dimension + 'static>(
        &self,
        states: Vec<Counts>,
        shape: D,
        _: Along,
    ) -> Result<Array<u64, D::Larger>> {
        let mut counts = Vec::with_capacity(states.len() * self.n_bins());
        counts.extend(states.into_iter().flat_map(|state| state.bins));
        Ok(arrange_many(&shape, self.n_bins(), counts))
    }
}

/// The number of elements in each bin, and outside the bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    bins: Vec<u64>,
    below: u64,
    above: u64,
    nan: u64,
}

use lazy_chunks::{ArrayBlock, BlockPosition, DType, Error, Result, SaveState, Statistic};
use serde::{Deserialize, Serialize};

/// Counts the elements between each edge and the next one. The edges are ascending.
#[derive(Clone, Debug)]
pub struct Histogram {
    edges: Vec<f64>,
}

/// The result of [`Histogram`], and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The elements from each edge on and below the next one.
    pub bins: Vec<u64>,
    /// The elements that are in no bin, NaN among them.
    pub outside: u64,
}

impl Histogram {
    /// Returns a histogram with one bin less than edges. They are checked when it is computed.
    pub fn new(edges: impl Into<Vec<f64>>) -> Self {
        Self { edges: edges.into() }
    }

    fn count(&self, counts: &mut Counts, value: f64) {
        let n_edges_below = self.edges.partition_point(|edge| *edge <= value);
        // No edge is above NaN either, so it lies where a value that is too small does.
        match n_edges_below.checked_sub(1).and_then(|bin| counts.bins.get_mut(bin)) {
            Some(n) => *n += 1,
            None => counts.outside += 1,
        }
    }
}

impl Statistic for Histogram {
    type State = Counts;
    type Output = Counts;

    fn name(&self) -> String {
        format!("the histogram of {:?}", self.edges)
    }

    /// Called before the first block, so that a wrong edge is found at once.
    fn check(&self, dtype: Option<DType>, _: Option<&[usize]>) -> Result<()> {
        let is_ascending = self.edges.is_sorted_by(|one, next| one < next);
        if self.edges.len() < 2 || !is_ascending {
            return Err(Error::statistic(self.name(), "the edges must be two or more, ascending"));
        }
        match dtype {
            Some(dtype @ (DType::Complex64 | DType::Complex128)) => {
                let supported = "bool, integers and floats";
                Err(Error::unsupported_dtype(self.name(), dtype, supported))
            }
            _ => Ok(()),
        }
    }

    fn empty(&self) -> Counts {
        Counts { bins: vec![0; self.edges.len().saturating_sub(1)], outside: 0 }
    }

    fn update(&self, counts: &mut Counts, _: BlockPosition, block: &ArrayBlock) -> Result<()> {
        block.for_each_f64(|value| self.count(counts, value))
    }

    fn merge(&self, counts: &mut Counts, next: Counts) -> Result<()> {
        counts.bins.iter_mut().zip(next.bins).for_each(|(n, more)| *n += more);
        counts.outside += next.outside;
        Ok(())
    }

    fn finish(&self, counts: Counts) -> Result<Counts> {
        Ok(counts)
    }
}

/// States travel between processes.
impl SaveState for Histogram {
    fn is_valid(&self, counts: &Counts) -> bool {
        counts.bins.len() + 1 == self.edges.len()
    }
}

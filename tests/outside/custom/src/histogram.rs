use lazy_chunks::{ArrayBlock, BlockPosition, DType, Error, Result, Statistic};
use serde::{Deserialize, Serialize};

/// Counts the elements between each edge and the next one. The edges are ascending.
#[derive(Clone, Debug)]
pub struct Histogram {
    edges: Vec<f64>,
}

/// The result of [`Histogram`], and what is accumulated for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// The elements from each edge on and below the next one.
    pub bins: Vec<u64>,
    /// The elements that are in no bin, NaN among them.
    pub outside: u64,
}

impl Histogram {
    /// A histogram with one bin less than edges. They are checked when it is computed.
    pub fn new(edges: impl Into<Vec<f64>>) -> Self {
        Self { edges: edges.into() }
    }

    fn count(&self, counts: &mut Counts, value: f64) {
        let n_edges_below = self.edges.partition_point(|edge| *edge <= value);
        // No edge is above NaN either, so it lies where what is too small does.
        match n_edges_below.checked_sub(1).and_then(|bin| counts.bins.get_mut(bin)) {
            Some(n) => *n += 1,
            None => counts.outside += 1,
        }
    }
}

impl Statistic for Histogram {
    type State = Counts;
    type Output = Counts;

    /// Called before the first block, so nobody waits for an hour to hear of a wrong edge.
    fn check(&self, dtype: Option<DType>, _: Option<&[usize]>) -> Result<()> {
        let ascending = self.edges.is_sorted_by(|one, next| one < next);
        if self.edges.len() < 2 || !ascending {
            let problem =
                format!("the edges are {:?}, but must be two or more, ascending", self.edges);
            return Err(Error::Statistic { statistic: "Histogram".to_owned(), problem });
        }
        match dtype {
            Some(dtype @ (DType::Complex64 | DType::Complex128)) => Err(Error::UnsupportedDType {
                taker: "Histogram".to_owned(),
                dtype,
                supported: "it takes bool, integers and floats",
            }),
            _ => Ok(()),
        }
    }

    fn empty(&self) -> Counts {
        Counts { bins: vec![0; self.edges.len().saturating_sub(1)], outside: 0 }
    }

    fn push(&self, counts: &mut Counts, _: BlockPosition, block: &ArrayBlock) -> Result<()> {
        block.for_each_f64(|value| self.count(counts, value))
    }

    fn merge(&self, counts: &mut Counts, next: Counts) -> Result<()> {
        let (ours, theirs) = (counts.bins.len(), next.bins.len());
        if ours != theirs {
            let problem = format!(
                "counts of {theirs} bins cannot be added to those of {ours}; the edges must be the same"
            );
            return Err(Error::Statistic { statistic: "Histogram".to_owned(), problem });
        }
        for (n, more) in counts.bins.iter_mut().zip(next.bins) {
            *n += more;
        }
        counts.outside += next.outside;
        Ok(())
    }

    fn finish(&self, counts: Counts) -> Result<Counts> {
        Ok(counts)
    }
}

//! Statistics whose results are arrays by name.

use lazy_chunks::{
    BlockPosition, Contribution, NamedArrays, Reducer, Result, Run, SequenceSpec, Statistic,
    StatisticMap, StatisticRun,
};

use super::Found;

/// A statistic whose result is arrays by name, with dtypes that follow from the array's dtype.
pub(super) struct Named<S>(pub(super) S);

/// The run of a [`Named`] statistic.
pub(super) struct NamedRun<S: Statistic>(StatisticRun<S>);

impl<S: Statistic<Output: NamedArrays>> Reducer for Named<S> {
    type Map = StatisticMap<S>;
    type Run = NamedRun<S>;
    type Output = Found;

    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        self.0.memory_bound(spec)
    }

    fn start(self, spec: &SequenceSpec) -> Result<(StatisticMap<S>, NamedRun<S>)> {
        let (map, run) = self.0.start(spec)?;
        Ok((map, NamedRun(run)))
    }
}

impl<S: Statistic<Output: NamedArrays>> Run for NamedRun<S> {
    type Partial = Contribution<S::State>;
    type Output = Found;

    fn merge(&mut self, at: BlockPosition, partial: Contribution<S::State>) -> Result<()> {
        self.0.merge(at, partial)
    }

    fn prepare(&mut self) -> Result<()> {
        self.0.prepare()
    }

    fn commit(self) -> Result<Found> {
        let dtype = self.0.dtype();
        let arrays = self.0.commit()?.arrays_for(dtype);
        Ok(S::Output::NAMES.iter().copied().zip(arrays).collect())
    }
}

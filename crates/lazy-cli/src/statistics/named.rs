//! Statistics whose results are arrays by name.

use std::sync::Arc;

use lazy_chunks::{
    BlockPosition, Claimed, Contribution, DType, DividedReducer, DivisibleReducer, MemoryClaim,
    NamedArrays, Part, PartReport, PlanSpec, Reducer, Result, Run, SaveState, SavedState,
    SequenceSpec, StateOf, Statistic, StatisticMap, StatisticRun, TakeOver,
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
        Ok(found(&self.0.commit()?, dtype))
    }
}

fn found<O: NamedArrays>(output: &O, dtype: Option<DType>) -> Found {
    O::NAMES.iter().copied().zip(output.arrays_for(dtype)).collect()
}

/// A statistic that workers compute together.
type DividedOf<S> = <S as DivisibleReducer>::Divided;

/// Merges the states of the parts of a statistic.
type JoinOf<S> = <DividedOf<S> as DividedReducer>::Join;

/// A [`Named`] statistic that workers compute together.
pub(super) struct DividedNamed<S: SaveState> {
    divided: DividedOf<S>,
    dtype: Option<DType>,
}

/// Merges the states of the parts of a [`Named`] statistic.
pub(super) struct JoinedNamed<S: SaveState> {
    joined: JoinOf<S>,
    dtype: Option<DType>,
}

impl<S: SaveState<Output: NamedArrays>> DivisibleReducer for Named<S> {
    type Divided = DividedNamed<S>;

    fn describe(&self, names: &mut Vec<String>) {
        self.0.describe(names);
    }

    fn claim_memory(&self, spec: &SequenceSpec) -> Result<Vec<MemoryClaim>> {
        self.0.claim_memory(spec)
    }

    fn divide(self, plan: &PlanSpec) -> Result<DividedNamed<S>> {
        let dtype = plan.sequence().row_type().map(|row_type| row_type.dtype);
        Ok(DividedNamed { divided: self.0.divide(plan)?, dtype })
    }
}

impl<S: SaveState<Output: NamedArrays>> DividedReducer for DividedNamed<S> {
    type Partial = SavedState<S::State>;
    type PartReducer = StateOf<Arc<S>>;
    type Join = JoinedNamed<S>;
    type Output = Found;

    fn claim(&self, part: &Part, take_over: TakeOver) -> Result<Claimed<StateOf<Arc<S>>>> {
        self.divided.claim(part, take_over)
    }

    fn keep(
        &self,
        report: &PartReport,
        partial: SavedState<S::State>,
        record: &mut Option<Vec<u8>>,
    ) -> Result<()> {
        self.divided.keep(report, partial, record)
    }

    fn join(&self, take_over: TakeOver) -> Result<Claimed<JoinedNamed<S>>> {
        Ok(self.divided.join(take_over)?.map(|joined| JoinedNamed { joined, dtype: self.dtype }))
    }
}

impl<S: SaveState<Output: NamedArrays>> Run for JoinedNamed<S> {
    type Partial = SavedState<S::State>;
    type Output = Found;

    fn merge(&mut self, at: BlockPosition, partial: SavedState<S::State>) -> Result<()> {
        self.joined.merge(at, partial)
    }

    fn prepare(&mut self) -> Result<()> {
        self.joined.prepare()
    }

    fn commit(self) -> Result<Found> {
        Ok(found(&self.joined.commit()?, self.dtype))
    }
}

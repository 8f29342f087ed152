//! Statistics in a plan: each part has a saved state, and the states are merged in order.

use std::mem;
use std::sync::Arc;

use super::{Claimed, DividedReducer, DivisibleReducer, Part, PartReport, PlanSpec, TakeOver};
use crate::reduce::{SaveState, SavedState, StateOf, claim_memory};
use crate::{BlockPosition, MemoryClaim, Result, Run, SequenceSpec};

impl<S: SaveState> DivisibleReducer for S {
    type Divided = DividedStatistic<S>;

    fn describe(&self, names: &mut Vec<String>) {
        names.push(self.name());
    }

    fn claim_memory(&self, spec: &SequenceSpec) -> Result<Vec<MemoryClaim>> {
        Ok(vec![MemoryClaim(claim_memory(self, spec)?)])
    }

    fn divide(self, _: &PlanSpec) -> Result<DividedStatistic<S>> {
        self.check(None, None)?;
        Ok(DividedStatistic(Arc::new(self)))
    }
}

/// A statistic in a plan.
#[derive(Debug)]
pub struct DividedStatistic<S>(Arc<S>);

impl<S: SaveState> DividedReducer for DividedStatistic<S> {
    type Partial = SavedState<S::State>;
    type PartReducer = StateOf<Arc<S>>;
    type Join = JoinedStates<S>;
    type Output = S::Output;

    fn claim(&self, part: &Part, _: TakeOver) -> Result<Claimed<StateOf<Arc<S>>>> {
        let state = StateOf::new(Arc::clone(&self.0)).from_row(part.rows().start);
        Ok(Claimed::Taken(state))
    }

    fn keep(&self, _: &PartReport, _: Self::Partial, _: &mut Option<Vec<u8>>) -> Result<()> {
        Ok(())
    }

    fn join(&self, _: TakeOver) -> Result<Claimed<JoinedStates<S>>> {
        let statistic = Arc::clone(&self.0);
        let stage = Stage::Merging(statistic.empty());
        Ok(Claimed::Taken(JoinedStates { statistic, stage }))
    }
}

/// The merged states of the parts of a plan.
pub struct JoinedStates<S: SaveState> {
    statistic: Arc<S>,
    stage: Stage<S>,
}

enum Stage<S: SaveState> {
    Merging(S::State),
    Prepared(S::Output),
    /// The statistic returned an error.
    Failed,
}

impl<S: SaveState> std::fmt::Debug for JoinedStates<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("JoinedStates").finish_non_exhaustive()
    }
}

const IN_ORDER: &str = "a run is merged, then prepared, then committed";

impl<S: SaveState> Run for JoinedStates<S> {
    type Partial = SavedState<S::State>;
    type Output = S::Output;

    fn merge(&mut self, _: BlockPosition, next: SavedState<S::State>) -> Result<()> {
        let Stage::Merging(state) = &mut self.stage else { unreachable!("{IN_ORDER}") };
        self.statistic.merge(state, next.restore(&*self.statistic)?)
    }

    fn prepare(&mut self) -> Result<()> {
        let Stage::Merging(state) = mem::replace(&mut self.stage, Stage::Failed) else {
            unreachable!("{IN_ORDER}")
        };
        self.stage = Stage::Prepared(self.statistic.finish(state)?);
        Ok(())
    }

    fn commit(self) -> Result<S::Output> {
        match self.stage {
            Stage::Prepared(output) => Ok(output),
            Stage::Merging(_) | Stage::Failed => unreachable!("{IN_ORDER}"),
        }
    }
}

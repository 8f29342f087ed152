//! Limits of memory in a plan.

use super::{
    Claimed, DividedReducer, DivisibleReducer, Part, PartReport, PartStore, PlanSpec, TakeOver,
};
use crate::{MemoryClaim, MemoryLimit, Result, SequenceSpec};

/// The limit holds for the pass of each part. It does not count what a worker needs to merge the
/// results of all parts.
impl<R: DivisibleReducer> DivisibleReducer for MemoryLimit<R> {
    type Divided = MemoryLimit<R::Divided>;

    fn describe(&self, names: &mut Vec<String>) {
        self.reducer.describe(names);
    }

    fn keeps_plan(&self) -> bool {
        self.reducer.keeps_plan()
    }

    fn part_rows(&self, spec: &SequenceSpec) -> Result<Option<usize>> {
        self.reducer.part_rows(spec)
    }

    fn claim_memory(&self, spec: &SequenceSpec) -> Result<Vec<MemoryClaim>> {
        self.reducer.claim_memory(&spec.clone().with_memory_limit(self.bytes))
    }

    fn divide(self, plan: &PlanSpec) -> Result<MemoryLimit<R::Divided>> {
        Ok(MemoryLimit { bytes: self.bytes, reducer: self.reducer.divide(plan)? })
    }
}

impl<R: DividedReducer> DividedReducer for MemoryLimit<R> {
    type Partial = R::Partial;
    type PartReducer = MemoryLimit<R::PartReducer>;
    type Join = R::Join;
    type Output = R::Output;

    fn claim(&self, part: &Part, take_over: TakeOver) -> Result<Claimed<Self::PartReducer>> {
        let claimed = self.reducer.claim(part, take_over)?;
        Ok(claimed.map(|reducer| MemoryLimit { bytes: self.bytes, reducer }))
    }

    fn keep(
        &self,
        report: &PartReport,
        partial: R::Partial,
        record: &mut Option<Vec<u8>>,
    ) -> Result<()> {
        self.reducer.keep(report, partial, record)
    }

    fn join(&self, take_over: TakeOver) -> Result<Claimed<R::Join>> {
        self.reducer.join(take_over)
    }

    fn store(&self) -> Option<&dyn PartStore> {
        self.reducer.store()
    }
}

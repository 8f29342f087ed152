//! Tuples, vectors and options of divisible reducers.

use super::{
    Claimed, DividedReducer, DivisibleReducer, Part, PartReport, PartStore, PlanSpec, TakeOver,
};
use crate::{MemoryClaim, Result, SequenceSpec};

/// Returns what was taken, or returns from the function.
macro_rules! taken {
    ($claimed:expr) => {
        match $claimed {
            Claimed::Taken(taken) => taken,
            Claimed::Held(holder) => return Ok(Claimed::Held(holder)),
            Claimed::Finished => return Ok(Claimed::Finished),
        }
    };
}

/// Keeps the results of all reducers, the last one first.
macro_rules! reversed {
    ($self:ident, $partial:ident, $report:ident, $record:ident, [$($i:tt),*], $first:tt $(, $rest:tt)*) => {
        reversed!($self, $partial, $report, $record, [$first $(, $i)*] $(, $rest)*)
    };
    ($self:ident, $partial:ident, $report:ident, $record:ident, [$($i:tt),*]) => {
        $($self.$i.keep($report, $partial.$i, $record)?;)*
    };
}

macro_rules! divisible_tuple {
    ($($R:ident $i:tt),+) => {
        impl<$($R: DivisibleReducer),+> DivisibleReducer for ($($R,)+) {
            type Divided = ($($R::Divided,)+);

            fn describe(&self, names: &mut Vec<String>) {
                $(self.$i.describe(names);)+
            }

            fn keeps_plan(&self) -> bool {
                $(self.$i.keeps_plan())||+
            }

            fn part_rows(&self, spec: &SequenceSpec) -> Result<Option<usize>> {
                $(
                    if let Some(rows) = self.$i.part_rows(spec)? {
                        return Ok(Some(rows));
                    }
                )+
                Ok(None)
            }

            fn claim_memory(&self, spec: &SequenceSpec) -> Result<Vec<MemoryClaim>> {
                let mut claims = Vec::new();
                $(claims.append(&mut self.$i.claim_memory(spec)?);)+
                Ok(claims)
            }

            fn divide(self, plan: &PlanSpec) -> Result<Self::Divided> {
                Ok(($(self.$i.divide(plan)?,)+))
            }
        }

        impl<$($R: DividedReducer),+> DividedReducer for ($($R,)+) {
            type Partial = ($($R::Partial,)+);
            type PartReducer = ($($R::PartReducer,)+);
            type Join = ($($R::Join,)+);
            type Output = ($($R::Output,)+);

            fn claim(&self, part: &Part, take_over: TakeOver) -> Result<Claimed<Self::PartReducer>> {
                Ok(Claimed::Taken(($(taken!(self.$i.claim(part, take_over)?),)+)))
            }

            fn keep(
                &self,
                report: &PartReport,
                partial: Self::Partial,
                record: &mut Option<Vec<u8>>,
            ) -> Result<()> {
                // The last sink keeps the plan, so it comes first.
                reversed!(self, partial, report, record, [], $($i),+);
                Ok(())
            }

            fn join(&self, take_over: TakeOver) -> Result<Claimed<Self::Join>> {
                Ok(Claimed::Taken(($(taken!(self.$i.join(take_over)?),)+)))
            }

            fn store(&self) -> Option<&dyn PartStore> {
                let stores = [$(self.$i.store()),+];
                stores.into_iter().rev().flatten().next()
            }
        }
    };
}

divisible_tuple!(A 0);
divisible_tuple!(A 0, B 1);
divisible_tuple!(A 0, B 1, C 2);
divisible_tuple!(A 0, B 1, C 2, D 3);
divisible_tuple!(A 0, B 1, C 2, D 3, E 4);
divisible_tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
divisible_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
divisible_tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

impl<R: DivisibleReducer> DivisibleReducer for Vec<R> {
    type Divided = Vec<R::Divided>;

    fn describe(&self, names: &mut Vec<String>) {
        self.iter().for_each(|reducer| reducer.describe(names));
    }

    fn keeps_plan(&self) -> bool {
        self.iter().any(DivisibleReducer::keeps_plan)
    }

    fn part_rows(&self, spec: &SequenceSpec) -> Result<Option<usize>> {
        for reducer in self {
            if let Some(rows) = reducer.part_rows(spec)? {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }

    fn claim_memory(&self, spec: &SequenceSpec) -> Result<Vec<MemoryClaim>> {
        let mut claims = Vec::new();
        for reducer in self {
            claims.append(&mut reducer.claim_memory(spec)?);
        }
        Ok(claims)
    }

    fn divide(self, plan: &PlanSpec) -> Result<Self::Divided> {
        self.into_iter().map(|reducer| reducer.divide(plan)).collect()
    }
}

impl<R: DividedReducer> DividedReducer for Vec<R> {
    type Partial = Vec<R::Partial>;
    type PartReducer = Vec<R::PartReducer>;
    type Join = Vec<R::Join>;
    type Output = Vec<R::Output>;

    fn claim(&self, part: &Part, take_over: TakeOver) -> Result<Claimed<Self::PartReducer>> {
        let mut all = Vec::with_capacity(self.len());
        for reducer in self {
            all.push(taken!(reducer.claim(part, take_over)?));
        }
        Ok(Claimed::Taken(all))
    }

    fn keep(
        &self,
        report: &PartReport,
        partial: Self::Partial,
        record: &mut Option<Vec<u8>>,
    ) -> Result<()> {
        let partials = partial.into_iter().rev();
        let mut each = self.iter().rev().zip(partials);
        each.try_for_each(|(reducer, partial)| reducer.keep(report, partial, record))
    }

    fn join(&self, take_over: TakeOver) -> Result<Claimed<Self::Join>> {
        let mut all = Vec::with_capacity(self.len());
        for reducer in self {
            all.push(taken!(reducer.join(take_over)?));
        }
        Ok(Claimed::Taken(all))
    }

    fn store(&self) -> Option<&dyn PartStore> {
        self.iter().rev().find_map(DividedReducer::store)
    }
}

impl<R: DivisibleReducer> DivisibleReducer for Option<R> {
    type Divided = Option<R::Divided>;

    fn describe(&self, names: &mut Vec<String>) {
        if let Some(reducer) = self {
            reducer.describe(names);
        }
    }

    fn keeps_plan(&self) -> bool {
        self.as_ref().is_some_and(DivisibleReducer::keeps_plan)
    }

    fn part_rows(&self, spec: &SequenceSpec) -> Result<Option<usize>> {
        self.as_ref().map_or(Ok(None), |reducer| reducer.part_rows(spec))
    }

    fn claim_memory(&self, spec: &SequenceSpec) -> Result<Vec<MemoryClaim>> {
        self.as_ref().map_or(Ok(Vec::new()), |reducer| reducer.claim_memory(spec))
    }

    fn divide(self, plan: &PlanSpec) -> Result<Self::Divided> {
        self.map(|reducer| reducer.divide(plan)).transpose()
    }
}

impl<R: DividedReducer> DividedReducer for Option<R> {
    type Partial = Option<R::Partial>;
    type PartReducer = Option<R::PartReducer>;
    type Join = Option<R::Join>;
    type Output = Option<R::Output>;

    fn claim(&self, part: &Part, take_over: TakeOver) -> Result<Claimed<Self::PartReducer>> {
        match self {
            Some(reducer) => Ok(reducer.claim(part, take_over)?.map(Some)),
            None => Ok(Claimed::Taken(None)),
        }
    }

    fn keep(
        &self,
        report: &PartReport,
        partial: Self::Partial,
        record: &mut Option<Vec<u8>>,
    ) -> Result<()> {
        match (self, partial) {
            (Some(reducer), Some(partial)) => reducer.keep(report, partial, record),
            _ => Ok(()),
        }
    }

    fn join(&self, take_over: TakeOver) -> Result<Claimed<Self::Join>> {
        match self {
            Some(reducer) => Ok(reducer.join(take_over)?.map(Some)),
            None => Ok(Claimed::Taken(None)),
        }
    }

    fn store(&self) -> Option<&dyn PartStore> {
        self.as_ref().and_then(DividedReducer::store)
    }
}

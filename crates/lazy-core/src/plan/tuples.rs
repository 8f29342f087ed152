//! Tuples, vectors and options of divisible reducers.

use super::{Claimed, DividedReducer, DivisibleReducer, Part, PartReport, PartStore, PlanSpec};
use crate::{Result, SequenceSpec};

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

macro_rules! divisible_tuple {
    ($($R:ident $i:tt),+) => {
        impl<$($R: DivisibleReducer),+> DivisibleReducer for ($($R,)+) {
            type Divided = ($($R::Divided,)+);

            fn describe(&self, names: &mut Vec<String>) {
                $(self.$i.describe(names);)+
            }

            fn part_rows(&self, spec: &SequenceSpec) -> Result<Option<usize>> {
                $(
                    if let Some(rows) = self.$i.part_rows(spec)? {
                        return Ok(Some(rows));
                    }
                )+
                Ok(None)
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

            fn claim(&self, part: &Part, takes_over: bool) -> Result<Claimed<Self::PartReducer>> {
                Ok(Claimed::Taken(($(taken!(self.$i.claim(part, takes_over)?),)+)))
            }

            fn keep(
                &self,
                report: &PartReport,
                partial: Self::Partial,
                record: &mut Option<Vec<u8>>,
            ) -> Result<()> {
                $(self.$i.keep(report, partial.$i, record)?;)+
                Ok(())
            }

            fn join(&self) -> Result<Claimed<Self::Join>> {
                Ok(Claimed::Taken(($(taken!(self.$i.join()?),)+)))
            }

            fn store(&self) -> Option<&dyn PartStore> {
                $(
                    if let Some(store) = self.$i.store() {
                        return Some(store);
                    }
                )+
                None
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

    fn part_rows(&self, spec: &SequenceSpec) -> Result<Option<usize>> {
        for reducer in self {
            if let Some(rows) = reducer.part_rows(spec)? {
                return Ok(Some(rows));
            }
        }
        Ok(None)
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

    fn claim(&self, part: &Part, takes_over: bool) -> Result<Claimed<Self::PartReducer>> {
        let mut all = Vec::with_capacity(self.len());
        for reducer in self {
            all.push(taken!(reducer.claim(part, takes_over)?));
        }
        Ok(Claimed::Taken(all))
    }

    fn keep(
        &self,
        report: &PartReport,
        partial: Self::Partial,
        record: &mut Option<Vec<u8>>,
    ) -> Result<()> {
        let each = self.iter().zip(partial);
        each.into_iter().try_for_each(|(reducer, partial)| reducer.keep(report, partial, record))
    }

    fn join(&self) -> Result<Claimed<Self::Join>> {
        let mut all = Vec::with_capacity(self.len());
        for reducer in self {
            all.push(taken!(reducer.join()?));
        }
        Ok(Claimed::Taken(all))
    }

    fn store(&self) -> Option<&dyn PartStore> {
        self.iter().find_map(DividedReducer::store)
    }
}

impl<R: DivisibleReducer> DivisibleReducer for Option<R> {
    type Divided = Option<R::Divided>;

    fn describe(&self, names: &mut Vec<String>) {
        if let Some(reducer) = self {
            reducer.describe(names);
        }
    }

    fn part_rows(&self, spec: &SequenceSpec) -> Result<Option<usize>> {
        self.as_ref().map_or(Ok(None), |reducer| reducer.part_rows(spec))
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

    fn claim(&self, part: &Part, takes_over: bool) -> Result<Claimed<Self::PartReducer>> {
        match self {
            Some(reducer) => Ok(reducer.claim(part, takes_over)?.map(Some)),
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

    fn join(&self) -> Result<Claimed<Self::Join>> {
        match self {
            Some(reducer) => Ok(reducer.join()?.map(Some)),
            None => Ok(Claimed::Taken(None)),
        }
    }

    fn store(&self) -> Option<&dyn PartStore> {
        self.as_ref().and_then(DividedReducer::store)
    }
}

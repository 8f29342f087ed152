//! A sink in a plan: the write of one array that several workers share.

mod contents;
mod finish;
mod join;
mod part;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use lazy_core::{
    Claimed, DividedReducer, DivisibleReducer, Holder, MemoryClaim, Part, PartReport, PartStore,
    PlanSpec, SequenceSpec, TakeOver,
};

use crate::read::StoredArray;
use crate::staging::{PartRecord, TakenPart};
use crate::write::ZarrSink;
use join::{StoredParts, of_plan};
use part::{PartSink, StoredPart, of_part};
use shared::Shared;

impl DivisibleReducer for ZarrSink {
    type Divided = DividedSink;

    fn describe(&self, names: &mut Vec<String>) {
        names.push(format!("array {}", self.target().name()));
    }

    fn keeps_plan(&self) -> bool {
        true
    }

    fn part_rows(&self, spec: &SequenceSpec) -> lazy_core::Result<Option<usize>> {
        Ok(Some(shared::layout(self.settings(), spec)?.unit_shape()[0]))
    }

    fn claim_memory(&self, spec: &SequenceSpec) -> lazy_core::Result<Vec<MemoryClaim>> {
        let mut claim = MemoryClaim::new(spec);
        part::claim_memory(self.settings(), spec, &mut claim)?;
        Ok(vec![claim])
    }

    fn divide(self, plan: &PlanSpec) -> lazy_core::Result<DividedSink> {
        Ok(DividedSink(Arc::new(Shared::join(self.into_settings(), plan)?)))
    }
}

/// A [`ZarrSink`] in a [`Plan`](lazy_core::Plan).
#[derive(Debug)]
pub struct DividedSink(Arc<Shared>);

impl DividedReducer for DividedSink {
    type Partial = StoredPart;
    type PartReducer = PartSink;
    type Join = StoredParts;
    type Output = StoredArray;

    fn claim(&self, part: &Part, take_over: TakeOver) -> lazy_core::Result<Claimed<PartSink>> {
        if let Some(complete) = self.0.complete() {
            return Ok(Claimed::Taken(PartSink::of_complete(&self.0, &complete, part)));
        }
        let takes_over = self.0.takes_over(take_over);
        Ok(match self.0.place().take(part.number(), takes_over)? {
            TakenPart::Taken(held) => Claimed::Taken(PartSink::new(&self.0, part, held)),
            TakenPart::Held { holder, is_certain } => {
                Claimed::Held(Holder::new(holder, is_certain))
            }
            TakenPart::Finished => Claimed::Finished,
            TakenPart::Gone => {
                self.0.find_complete()?;
                Claimed::Finished
            }
        })
    }

    fn keep(
        &self,
        report: &PartReport,
        mut partial: StoredPart,
        record: &mut Option<Vec<u8>>,
    ) -> lazy_core::Result<()> {
        let Some(held) = partial.take_held() else { return Ok(()) };
        match record.take() {
            Some(record) => {
                let number = report.part.number();
                let (n_bytes, stored) = (partial.n_bytes, partial.to_bytes());
                let record = PartRecord::bytes(report, n_bytes, &stored, &record);
                let target = self.0.name();
                let finished = self.0.place().finish(&target, number, held, &record);
                finished.map_err(|error| of_part(error.into(), target))
            }
            None => {
                self.0.place().give_back(held);
                Ok(())
            }
        }
    }

    fn join(&self, take_over: TakeOver) -> lazy_core::Result<Claimed<StoredParts>> {
        let begun = StoredParts::begin(&self.0, self.0.takes_over(take_over));
        begun.map_err(|error| of_plan(error.into(), self.0.name()))
    }

    fn store(&self) -> Option<&dyn PartStore> {
        if self.0.complete().is_some() { None } else { Some(&*self.0) }
    }
}

impl PartStore for Shared {
    fn target(&self) -> String {
        self.name()
    }

    fn knows_ended(&self) -> lazy_core::Result<bool> {
        Ok(self.place().knows_ended()?)
    }

    fn patience(&self) -> Option<Duration> {
        self.place().patience()
    }

    fn finished(&self) -> lazy_core::Result<Vec<usize>> {
        Ok(match self.place().finished()? {
            Some(finished) => finished,
            None => {
                self.find_complete()?;
                (0..self.n_parts()).collect()
            }
        })
    }

    fn record(&self, part: usize) -> lazy_core::Result<Option<Vec<u8>>> {
        // A damaged record has no results.
        let pass = |bytes: Vec<u8>| PartRecord::parse(&bytes).map_or(Vec::new(), |it| it.pass);
        Ok(self.place().record(part)?.map(pass))
    }

    fn discard(&self, part: usize) -> lazy_core::Result<()> {
        Ok(self.place().discard(part)?)
    }

    fn taken(&self) -> lazy_core::Result<Vec<(usize, Holder)>> {
        let taken = self.place().taken()?.into_iter();
        Ok(taken.map(|(part, name, is_certain)| (part, Holder::new(name, is_certain))).collect())
    }
}

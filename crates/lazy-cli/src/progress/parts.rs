//! The parts that a worker computes.

use std::sync::{Arc, Mutex, PoisonError};

use lazy_chunks::{
    ArrayBlock, BlockPosition, Claimed, DividedReducer, DivisibleReducer, Part, PartReport,
    PlanSpec, Reducer, Result, Run, SequenceSpec, TakeOver,
};

use super::Display;

/// A reducer that computes nothing: it shows which part of a plan is computed, and lists the parts
/// that this worker has finished.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    display: Display,
    n_parts: usize,
    finished: Arc<Mutex<Vec<PartReport>>>,
}

impl Parts {
    pub(crate) fn new(display: &Display) -> Parts {
        Parts { display: display.clone(), n_parts: 0, finished: Arc::default() }
    }

    /// Returns the parts that this worker has finished.
    pub(crate) fn finished(&self) -> Vec<PartReport> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Reducer for Parts {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<()>;
    type Run = Nothing;
    type Output = ();

    fn start(self, _: &SequenceSpec) -> Result<(Self::Map, Nothing)> {
        Ok((|_, _| Ok(()), Nothing))
    }
}

impl DivisibleReducer for Parts {
    type Divided = Parts;

    fn describe(&self, _: &mut Vec<String>) {}

    fn divide(self, plan: &PlanSpec) -> Result<Parts> {
        Ok(Parts { n_parts: plan.parts().len(), ..self })
    }
}

impl DividedReducer for Parts {
    type Partial = ();
    type PartReducer = Begun;
    type Join = Nothing;
    type Output = ();

    fn claim(&self, part: &Part, _: TakeOver) -> Result<Claimed<Begun>> {
        Ok(Claimed::Taken(Begun { parts: self.clone(), number: part.number() }))
    }

    fn keep(&self, report: &PartReport, (): (), _: &mut Option<Vec<u8>>) -> Result<()> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner).push(report.clone());
        Ok(())
    }

    fn join(&self, _: TakeOver) -> Result<Claimed<Nothing>> {
        Ok(Claimed::Taken(Nothing))
    }
}

/// A part whose pass begins.
#[derive(Debug)]
pub(crate) struct Begun {
    parts: Parts,
    number: usize,
}

impl Reducer for Begun {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<()>;
    type Run = Nothing;
    type Output = ();

    fn start(self, _: &SequenceSpec) -> Result<(Self::Map, Nothing)> {
        self.parts.display.begin_part(self.number, self.parts.n_parts);
        Ok((|_, _| Ok(()), Nothing))
    }
}

/// A run that computes nothing.
#[derive(Debug)]
pub(crate) struct Nothing;

impl Run for Nothing {
    type Partial = ();
    type Output = ();

    fn merge(&mut self, _: BlockPosition, (): ()) -> Result<()> {
        Ok(())
    }

    fn commit(self) -> Result<()> {
        Ok(())
    }
}

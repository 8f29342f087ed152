//! The guard around every evaluation: panics are caught, steps are counted, located and timed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Failure, Parallel, Produce, Step, Steps, Trace};
use crate::{BoxError, Cut, Declared, Error, Location, Result, panic_message};

/// A running evaluation that names the block a failure belongs to, checks the declared number of
/// bands, and never calls the producer again once it has failed or ended.
pub(crate) struct BlockStream<'s, T> {
    state: State<'s, T>,
    declared: &'s Declared,
    trace: Trace,
    /// How other threads compute blocks too, where they may.
    parallel: Option<Parallel<'s, T>>,
    /// Bands that have ended.
    band: usize,
    /// Blocks of the open band.
    column: usize,
    /// Whether the open band has had a step.
    in_band: bool,
}

enum State<'s, T> {
    NotStarted(&'s dyn Produce<T>),
    Running(Box<dyn Steps<T> + 's>),
    Over,
}

impl<'s, T> BlockStream<'s, T> {
    pub(crate) fn new(producer: &'s dyn Produce<T>, declared: &'s Declared) -> BlockStream<'s, T> {
        BlockStream {
            state: State::NotStarted(producer),
            declared,
            trace: Trace::new(declared),
            parallel: None,
            band: 0,
            column: 0,
            in_band: false,
        }
    }

    pub(crate) fn with_parallel(self, parallel: Parallel<'s, T>) -> BlockStream<'s, T> {
        BlockStream { parallel: Some(parallel), ..self }
    }

    /// How the blocks are to be computed by several threads, if they are: none where some are gone already.
    pub(crate) fn parallel(&self) -> Option<Parallel<'s, T>> {
        let is_whole = matches!(self.state, State::NotStarted(_));
        self.parallel.filter(|parallel| is_whole && parallel.n_threads() > 1)
    }

    /// Ends the evaluation: its blocks were computed by several threads.
    pub(crate) fn complete(&mut self) {
        self.trace.completed();
        self.state = State::Over;
    }

    pub(crate) fn declared(&self) -> &'s Declared {
        self.declared
    }

    /// What is told of the evaluation, to be kept by who consumes the stream.
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The next step; none at the end and after an error.
    pub(crate) fn next_step(&mut self) -> Option<Result<Step<T>>> {
        if matches!(self.state, State::Over) {
            return None;
        }
        let step = self.guarded_step();
        match &step {
            Some(Ok(Step::Block(_))) => self.trace.block(),
            Some(Ok(Step::EndBand)) => {}
            Some(Err(error)) => {
                self.trace.failed(error);
                self.state = State::Over;
            }
            None => {
                self.trace.completed();
                self.state = State::Over;
            }
        }
        step
    }

    /// Leaves out the rest of the open band, if one is open, without evaluating it.
    pub(crate) fn skip_band(&mut self) -> Result<()> {
        if !self.in_band {
            return Ok(());
        }
        if let State::Running(steps) = &mut self.state {
            steps.skip_band();
        }
        while self.in_band {
            match self.next_step() {
                Some(step) => drop(step?),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Leaves out the next block of the grid, which the open band has.
    pub(crate) fn skip_block(&mut self) -> Result<()> {
        self.start()?;
        if let State::Running(steps) = &mut self.state {
            steps.skip_block();
            self.column += 1;
            self.in_band = true;
            self.trace.recalled();
        }
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        if let State::NotStarted(producer) = self.state {
            let in_producer = self.trace.in_producer();
            let started = catch_unwind(AssertUnwindSafe(|| producer.steps()));
            drop(in_producer);
            match started {
                Ok(steps) => self.state = State::Running(steps),
                Err(payload) => return Err(panicked(&*payload, self.location(false))),
            }
        }
        Ok(())
    }

    fn guarded_step(&mut self) -> Option<Result<Step<T>>> {
        if let Err(error) = self.start() {
            return Some(Err(error));
        }
        let State::Running(steps) = &mut self.state else { return None };
        let in_producer = self.trace.in_producer();
        let result = catch_unwind(AssertUnwindSafe(|| steps.next_step()));
        drop(in_producer);
        let in_band = steps.in_band();
        let step = match result {
            Ok(Some(Ok(step))) => step,
            Ok(Some(Err(failure))) => return Some(Err(failed(failure, self.location(in_band)))),
            Ok(None) => return self.end().err().map(Err),
            Err(payload) => return Some(Err(panicked(&*payload, self.location(in_band)))),
        };
        if !self.in_band && Some(self.band) == self.declared.n_bands() {
            return Some(Err(Error::TooManyBlocks {
                unit: self.declared.cut().unit(),
                declared: self.band,
            }));
        }
        match step {
            Step::Block(_) => {
                self.column += 1;
                self.in_band = true;
            }
            Step::EndBand => {
                self.band += 1;
                self.column = 0;
                self.in_band = false;
            }
        }
        Some(Ok(step))
    }

    fn end(&self) -> Result<()> {
        match self.declared.n_bands() {
            Some(declared) if declared != self.band => Err(Error::TooFewBlocks {
                unit: self.declared.cut().unit(),
                declared,
                actual: self.band,
            }),
            _ => Ok(()),
        }
    }

    /// The block or the band that the producer is at.
    fn location(&self, in_band: bool) -> Location {
        match self.declared.cut() {
            Cut::RowsAndColumns if !in_band && !self.in_band => Location::Band(self.band),
            cut => Location::of_block(cut, self.band, self.column),
        }
    }
}

/// Calls the producer for one block at `at`.
pub(crate) fn guarded<T>(at: Location, block: impl FnOnce() -> Result<T, Failure>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(block)) {
        Ok(Ok(block)) => Ok(block),
        Ok(Err(failure)) => Err(failed(failure, at)),
        Err(payload) => Err(panicked(&*payload, at)),
    }
}

fn failed(failure: Failure, at: Location) -> Error {
    match failure {
        Failure::Producer(source) => Error::Producer { at, source: carried(source) },
        Failure::Conversion(source) => Error::Conversion { at, source: Box::new(source) },
    }
}

/// The error of somebody else's that [`Error::Other`] only hands on, so that it can be told by its type.
fn carried(source: BoxError) -> BoxError {
    match source.downcast::<Error>() {
        Ok(error) => match *error {
            Error::Other(carried) => carried,
            error => error.into(),
        },
        Err(source) => source,
    }
}

fn panicked(payload: &(dyn Any + Send), at: Location) -> Error {
    Error::ProducerPanicked { at, message: panic_message(payload).to_owned() }
}

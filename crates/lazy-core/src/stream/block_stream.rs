//! The guard around every evaluation, which catches panics, and counts, locates and times steps.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Failure, Parallel, Produce, Step, Steps, Trace};
use crate::error::Case;
use crate::progress::Tracker;
use crate::{BlockIndex, Cut, Error, Observer, Result, SequenceSpec, panic_message};

/// A running evaluation. Names the block in errors, checks the declared number of bands, and never
/// calls the producer again after a failure or the end.
pub(crate) struct BlockStream<'s, T> {
    state: State<'s, T>,
    spec: &'s SequenceSpec,
    /// Counts blocks for an observer, until a reduction takes it.
    tracker: Tracker<'s>,
    /// The block that the consumer works on. It counts when the consumer asks for the next step.
    handed_out: Option<BlockIndex>,
    trace: Trace,
    /// The settings for computing blocks on several threads, if allowed.
    parallel: Option<Parallel<'s, T>>,
    /// The number of bands that have ended.
    band: usize,
    /// The number of blocks of the open band.
    column: usize,
    /// True if the open band has had a step.
    in_band: bool,
}

enum State<'s, T> {
    NotStarted(Start<'s, T>),
    Running(Box<dyn Steps<T> + 's>),
    Over,
}

/// The origin of the steps.
enum Start<'s, T> {
    Producer(&'s (dyn Produce<T> + 's)),
    OnThreads(Box<dyn Steps<T> + 's>),
}

impl<'s, T> BlockStream<'s, T> {
    pub(crate) fn new(
        producer: &'s dyn Produce<T>,
        spec: &'s SequenceSpec,
        observer: Option<&'s (dyn Observer + 's)>,
    ) -> BlockStream<'s, T> {
        BlockStream {
            state: State::NotStarted(Start::Producer(producer)),
            spec,
            tracker: Tracker::new(spec, observer),
            handed_out: None,
            trace: Trace::new(spec),
            parallel: None,
            band: 0,
            column: 0,
            in_band: false,
        }
    }

    /// Takes the blocks from these steps instead of the producer.
    pub(crate) fn with_steps<'q>(self, steps: Box<dyn Steps<T> + 'q>) -> BlockStream<'q, T>
    where
        's: 'q,
    {
        BlockStream { state: State::NotStarted(Start::OnThreads(steps)), parallel: None, ..self }
    }

    pub(crate) fn with_parallel(self, parallel: Parallel<'s, T>) -> BlockStream<'s, T> {
        BlockStream { parallel: Some(parallel), ..self }
    }

    /// Returns how several threads compute the blocks, if they do. They do not once a block was
    /// taken, or if another number of bands is declared than the grid has: one thread finds that in
    /// order.
    pub(crate) fn parallel(&self) -> Option<Parallel<'s, T>> {
        let is_whole = matches!(self.state, State::NotStarted(_))
            && self.spec.n_bands() == self.spec.grid().map(|grid| grid.rows().n_blocks());
        self.parallel.filter(|parallel| is_whole && parallel.n_threads() > 1)
    }

    /// Ends the evaluation, after several threads have computed its blocks.
    pub(crate) fn complete(&mut self) {
        self.trace.completed();
        self.state = State::Over;
    }

    pub(crate) fn spec(&self) -> &'s SequenceSpec {
        self.spec
    }

    /// Returns the trace of the evaluation, which the consumer of the stream may clone and keep.
    pub(crate) fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Returns the next step, or `None` at the end and after an error.
    pub(crate) fn next_step(&mut self) -> Option<Result<Step<T>>> {
        if matches!(self.state, State::Over) {
            return None;
        }
        let step = match self.track() {
            Ok(()) => self.guarded_step(),
            Err(error) => Some(Err(error)),
        };
        match &step {
            Some(Ok(Step::Block(_))) => {
                self.trace.block();
                let column = self.column - 1;
                self.handed_out = Some(BlockIndex::of_block(self.spec.cut(), self.band, column));
            }
            Some(Ok(Step::EndBand)) => {}
            Some(Err(error)) => {
                self.trace.failed(error);
                self.state = State::Over;
            }
            None => {
                self.trace.completed();
                self.state = State::Over;
                self.finish_tracker();
            }
        }
        step
    }

    /// Returns the tracker, for a reduction, which knows more about the blocks than the stream
    /// does.
    pub(crate) fn take_tracker(&mut self) -> Tracker<'s> {
        mem::replace(&mut self.tracker, Tracker::new(self.spec, None))
    }

    /// Calls the observer at the start of the evaluation, or for the block that the consumer got
    /// last.
    fn track(&mut self) -> Result<()> {
        if matches!(self.state, State::NotStarted(_)) {
            return self.tracker.start();
        }
        match self.handed_out.take() {
            Some(at) => self.tracker.block(at, 0, false, |_| {}),
            None => Ok(()),
        }
    }

    fn finish_tracker(&mut self) {
        let tracker = self.take_tracker();
        if tracker.is_running() {
            tracker.finish();
        }
    }

    /// Skips the rest of the open band without evaluating it, if a band is open.
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

    /// Skips the next block of the grid, which must be in the open band.
    pub(crate) fn skip_block(&mut self) -> Result<()> {
        self.start()?;
        if let State::Running(steps) = &mut self.state {
            steps.skip_block();
            self.column += 1;
            self.in_band = true;
            self.trace.restored();
        }
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        if !matches!(self.state, State::NotStarted(_)) {
            return Ok(());
        }
        let State::NotStarted(start) = mem::replace(&mut self.state, State::Over) else {
            return Ok(());
        };
        let steps = match start {
            Start::OnThreads(steps) => steps,
            Start::Producer(producer) => {
                let in_producer = self.trace.in_producer();
                let started = catch_unwind(AssertUnwindSafe(|| producer.steps()));
                drop(in_producer);
                started.map_err(|payload| panicked(&*payload, self.location(false)))?
            }
        };
        self.state = State::Running(steps);
        Ok(())
    }

    fn guarded_step(&mut self) -> Option<Result<Step<T>>> {
        if let Err(error) = self.start() {
            return Some(Err(error));
        }
        let State::Running(steps) = &mut self.state else { return None };
        let in_producer = if steps.is_timed() { None } else { self.trace.in_producer() };
        let result = catch_unwind(AssertUnwindSafe(|| steps.next_step()));
        drop(in_producer);
        let in_band = steps.in_band();
        let step = match result {
            Ok(Some(Ok(step))) => step,
            Ok(Some(Err(failure))) => return Some(Err(failed(failure, self.location(in_band)))),
            Ok(None) => return self.end().err().map(Err),
            Err(payload) => return Some(Err(panicked(&*payload, self.location(in_band)))),
        };
        if !self.in_band && Some(self.band) == self.spec.n_bands() {
            return Some(Err(Case::TooManyBlocks {
                unit: self.spec.cut().unit(),
                declared: self.band,
            }
            .into()));
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
        match self.spec.n_bands() {
            Some(declared) if declared != self.band => Err(Case::TooFewBlocks {
                unit: self.spec.cut().unit(),
                declared,
                actual: self.band,
            }
            .into()),
            _ => Ok(()),
        }
    }

    /// Returns the index of the block or the band that the producer works on.
    fn location(&self, in_band: bool) -> BlockIndex {
        match self.spec.cut() {
            Cut::RowsAndColumns if !in_band && !self.in_band => BlockIndex::Band(self.band),
            cut => BlockIndex::of_block(cut, self.band, self.column),
        }
    }
}

/// Calls the producer for one block at `at`.
pub(crate) fn guarded<T>(at: BlockIndex, block: impl FnOnce() -> Result<T, Failure>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(block)) {
        Ok(Ok(block)) => Ok(block),
        Ok(Err(failure)) => Err(failed(failure, at)),
        Err(payload) => Err(panicked(&*payload, at)),
    }
}

fn failed(failure: Failure, at: BlockIndex) -> Error {
    let source = match failure {
        Failure::Producer(source) => source,
        Failure::Conversion(source) => {
            return Case::Conversion { at, source }.into();
        }
        Failure::Assembly(source) => return Case::Assembly { at, source }.into(),
    };
    // A producer that evaluates another sequence returns an error of this crate. Its message would
    // repeat the message of this error, so only its cause is kept, with the index of this block.
    let case = match source.downcast::<Error>().map(|error| error.into_case()) {
        Ok(Case::Producer { source, .. } | Case::Other(source)) => {
            return failed(Failure::Producer(source), at);
        }
        Ok(Case::ProducerPanicked { message, .. }) => Case::ProducerPanicked { at, message },
        Ok(cancelled @ Case::Cancelled { .. }) => cancelled,
        Ok(case) => Case::Producer { at, source: Error::from(case).into() },
        Err(source) => Case::Producer { at, source },
    };
    case.into()
}

fn panicked(payload: &(dyn Any + Send), at: BlockIndex) -> Error {
    Case::ProducerPanicked { at, message: panic_message(payload).to_owned() }.into()
}

//! What an evaluation tells a `tracing` subscriber: a span, and one event when it is over.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tracing::dispatcher::{get_default, with_default};
use tracing::span::Entered;
use tracing::{Dispatch, Level, Span, debug, debug_span};

use crate::{Cut, Declared, Error, Result, report};

/// The record of one evaluation, which its stream shares with whoever knows how it ends.
///
/// It is empty when no subscriber is interested: then no clock is read and nothing is counted. The
/// event is emitted when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Trace(Option<Rc<Evaluation>>);

struct Evaluation {
    span: Span,
    start: Instant,
    n_blocks: Cell<u64>,
    /// Of these, the blocks that were not computed.
    n_recalled: Cell<u64>,
    /// The bytes of all blocks, once somebody who knows what a block is has counted one.
    n_bytes: Cell<Option<u64>>,
    in_producer: Cell<Duration>,
    outcome: Cell<Outcome>,
    error: RefCell<Option<String>>,
}

#[derive(Clone, Copy)]
enum Outcome {
    /// The stream came to its end, and nothing failed.
    Completed,
    /// The producer, a check or the aggregator failed.
    Failed,
    /// Blocks were left over when the stream was dropped.
    Abandoned,
}

impl Trace {
    /// Opens the span of an evaluation, below that of whoever starts it.
    pub(crate) fn new(declared: &Declared) -> Trace {
        if !tracing::enabled!(Level::DEBUG) {
            return Trace(None);
        }
        let cut = match declared.cut() {
            Cut::Rows => "rows",
            Cut::RowsAndColumns => "rows and columns",
        };
        Trace(Some(Rc::new(Evaluation {
            span: debug_span!("evaluation", cut, n_bands = declared.n_bands()),
            start: Instant::now(),
            n_blocks: Cell::new(0),
            n_recalled: Cell::new(0),
            n_bytes: Cell::new(None),
            in_producer: Cell::new(Duration::ZERO),
            outcome: Cell::new(Outcome::Abandoned),
            error: RefCell::new(None),
        })))
    }

    /// Enters the span and times what the producer does, until the guard is dropped.
    pub(crate) fn in_producer(&self) -> Option<InProducer<'_>> {
        self.0.as_deref().map(|evaluation| InProducer {
            in_producer: &evaluation.in_producer,
            start: Instant::now(),
            _entered: evaluation.span.enter(),
        })
    }

    /// What threads that compute blocks are given of it, if anybody is told.
    pub(crate) fn for_threads(&self) -> TraceOfThreads {
        TraceOfThreads(
            self.0
                .as_ref()
                .map(|evaluation| (evaluation.span.clone(), get_default(Dispatch::clone))),
        )
    }

    /// Adds what another thread's producer took.
    pub(crate) fn add_in_producer(&self, duration: Duration) {
        if let Some(evaluation) = &self.0 {
            evaluation.in_producer.set(evaluation.in_producer.get() + duration);
        }
    }

    /// Consumes the blocks: within the span, and a failure is the evaluation's.
    pub(crate) fn consuming<T>(&self, consume: impl FnOnce() -> Result<T>) -> Result<T> {
        let Some(evaluation) = &self.0 else { return consume() };
        let result = evaluation.span.in_scope(consume);
        if let Err(error) = &result {
            self.failed(error);
        }
        result
    }

    /// Counts a block.
    pub(crate) fn block(&self) {
        if let Some(evaluation) = &self.0 {
            evaluation.n_blocks.set(evaluation.n_blocks.get() + 1);
        }
    }

    /// Counts a block that was not computed.
    pub(crate) fn recalled(&self) {
        self.block();
        if let Some(evaluation) = &self.0 {
            evaluation.n_recalled.set(evaluation.n_recalled.get() + 1);
        }
    }

    /// Counts the bytes of a block.
    pub(crate) fn bytes(&self, n_bytes: usize) {
        if let Some(evaluation) = &self.0 {
            let so_far = evaluation.n_bytes.get().unwrap_or(0);
            evaluation.n_bytes.set(Some(so_far + n_bytes as u64));
        }
    }

    /// Notes that the stream came to its end.
    pub(crate) fn completed(&self) {
        if let Some(evaluation) = &self.0 {
            evaluation.outcome.set(Outcome::Completed);
        }
    }

    /// Notes why the evaluation failed.
    pub(crate) fn failed(&self, error: &Error) {
        if let Some(evaluation) = &self.0 {
            evaluation.outcome.set(Outcome::Failed);
            evaluation.error.replace(Some(report(error)));
        }
    }
}

/// The span of an evaluation, and who is told, for other threads.
#[derive(Clone)]
pub(crate) struct TraceOfThreads(Option<(Span, Dispatch)>);

impl TraceOfThreads {
    /// Does what another thread does for the evaluation, within the span; a subscriber of the evaluating thread alone
    /// hears of it.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some((span, dispatch)) => with_default(dispatch, || span.in_scope(work)),
            None => work(),
        }
    }

    /// Calls the producer within the span, and says how long that took.
    pub(crate) fn in_producer<T>(&self, produce: impl FnOnce() -> T) -> (T, Duration) {
        match &self.0 {
            Some((span, _)) => {
                let start = Instant::now();
                let produced = span.in_scope(produce);
                (produced, start.elapsed())
            }
            None => (produce(), Duration::ZERO),
        }
    }
}

/// The producer is at work. The guard never outlives one call of it.
pub(crate) struct InProducer<'t> {
    in_producer: &'t Cell<Duration>,
    start: Instant,
    _entered: Entered<'t>,
}

impl Drop for InProducer<'_> {
    fn drop(&mut self) {
        self.in_producer.set(self.in_producer.get() + self.start.elapsed());
    }
}

impl Drop for Evaluation {
    fn drop(&mut self) {
        let outcome = match self.outcome.get() {
            Outcome::Completed => "completed",
            Outcome::Failed => "failed",
            Outcome::Abandoned => "abandoned",
        };
        let error = self.error.take();
        debug!(
            parent: &self.span,
            blocks = self.n_blocks.get(),
            bytes = self.n_bytes.get(),
            recalled = self.n_recalled.get(),
            producer_seconds = self.in_producer.get().as_secs_f64(),
            seconds = self.start.elapsed().as_secs_f64(),
            outcome,
            error = error.as_deref(),
            "evaluation {outcome}",
        );
    }
}

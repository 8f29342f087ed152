//! The `tracing` output of an evaluation: a span, and one event at the end.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tracing::dispatcher::{get_default, with_default};
use tracing::span::Entered;
use tracing::{Dispatch, Level, Span, debug, debug_span};

use crate::{Cut, Error, Result, SequenceSpec, report};

/// The record of one evaluation. Its stream shares the record with the code that knows the outcome.
///
/// It is empty if no subscriber is interested; then no clock is read and nothing is counted. The
/// event is emitted when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Trace(Option<Rc<Evaluation>>);

struct Evaluation {
    span: Span,
    start: Instant,
    n_blocks: Cell<u64>,
    /// The blocks among these that were not computed.
    n_restored: Cell<u64>,
    /// The bytes of all blocks; `None` until a consumer that knows their size counts one.
    n_bytes: Cell<Option<u64>>,
    in_producer: Cell<Duration>,
    outcome: Cell<Outcome>,
    error: RefCell<Option<String>>,
}

#[derive(Clone, Copy)]
enum Outcome {
    /// The stream ended without a failure.
    Completed,
    /// The producer, a check or the aggregator failed.
    Failed,
    /// The stream was dropped before its end.
    Abandoned,
}

impl Trace {
    /// Opens the span of an evaluation, within the current span of the caller.
    pub(crate) fn new(spec: &SequenceSpec) -> Trace {
        if !tracing::enabled!(Level::DEBUG) {
            return Trace(None);
        }
        let cut = match spec.cut() {
            Cut::Rows => "rows",
            Cut::RowsAndColumns => "rows and columns",
        };
        Trace(Some(Rc::new(Evaluation {
            span: debug_span!("evaluation", cut, n_bands = spec.n_bands()),
            start: Instant::now(),
            n_blocks: Cell::new(0),
            n_restored: Cell::new(0),
            n_bytes: Cell::new(None),
            in_producer: Cell::new(Duration::ZERO),
            outcome: Cell::new(Outcome::Abandoned),
            error: RefCell::new(None),
        })))
    }

    /// Enters the span and times the producer until the guard is dropped.
    pub(crate) fn in_producer(&self) -> Option<InProducer<'_>> {
        self.0.as_deref().map(|evaluation| InProducer {
            in_producer: &evaluation.in_producer,
            start: Instant::now(),
            _entered: evaluation.span.enter(),
        })
    }

    /// Returns the part of the trace that threads need to compute blocks. It is empty without a
    /// subscriber.
    pub(crate) fn for_threads(&self) -> TraceOfThreads {
        TraceOfThreads(
            self.0
                .as_ref()
                .map(|evaluation| (evaluation.span.clone(), get_default(Dispatch::clone))),
        )
    }

    /// Adds the time that the producer took on another thread.
    pub(crate) fn add_in_producer(&self, duration: Duration) {
        if let Some(evaluation) = &self.0 {
            evaluation.in_producer.set(evaluation.in_producer.get() + duration);
        }
    }

    /// Runs the consumer of the blocks within the span, and records its failure.
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
    pub(crate) fn restored(&self) {
        self.block();
        if let Some(evaluation) = &self.0 {
            evaluation.n_restored.set(evaluation.n_restored.get() + 1);
        }
    }

    /// Counts the bytes of a block.
    pub(crate) fn bytes(&self, n_bytes: usize) {
        if let Some(evaluation) = &self.0 {
            let so_far = evaluation.n_bytes.get().unwrap_or(0);
            evaluation.n_bytes.set(Some(so_far + n_bytes as u64));
        }
    }

    /// Records that the stream reached its end.
    pub(crate) fn completed(&self) {
        if let Some(evaluation) = &self.0 {
            evaluation.outcome.set(Outcome::Completed);
        }
    }

    /// Records the error of the evaluation.
    pub(crate) fn failed(&self, error: &Error) {
        if let Some(evaluation) = &self.0 {
            evaluation.outcome.set(Outcome::Failed);
            evaluation.error.replace(Some(report(error)));
        }
    }
}

/// The span of an evaluation and the subscriber, for other threads.
#[derive(Clone)]
pub(crate) struct TraceOfThreads(Option<(Span, Dispatch)>);

impl TraceOfThreads {
    /// Runs work of another thread for the evaluation within the span, and with the subscriber of
    /// the evaluating thread.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some((span, dispatch)) => with_default(dispatch, || span.in_scope(work)),
            None => work(),
        }
    }

    /// Calls the producer within the span, and returns the time that it took.
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

/// A guard that times the producer. It never outlives one call of the producer.
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
            restored = self.n_restored.get(),
            producer_seconds = self.in_producer.get().as_secs_f64(),
            seconds = self.start.elapsed().as_secs_f64(),
            outcome,
            error = error.as_deref(),
            "evaluation {outcome}",
        );
    }
}

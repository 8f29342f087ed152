//! Events of a write for `tracing` subscribers: a span, the layout, every chunk and the outcome.

use std::time::{Duration, Instant};

use tracing::{Level, Span, debug, debug_span, enabled, trace};

use crate::layout::Layout;
use crate::target::Target;
use crate::write::assembler::Unit;

/// Reports one write. It reads no clock if no subscriber is interested.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    span: Span,
    start: Option<Instant>,
}

impl Trace {
    /// Opens the span of a write, within the span of the evaluation.
    pub(crate) fn new(target: &Target) -> Trace {
        let start = enabled!(Level::DEBUG).then(Instant::now);
        Trace { span: debug_span!("write", %target), start }
    }

    pub(crate) fn layout(&self, layout: &Layout) {
        let (chunk_shape, shard_shape) = (&layout.chunk_shape, &layout.shard_shape);
        debug!(parent: &self.span, ?chunk_shape, ?shard_shape, "layout chosen");
    }

    /// Reports that the array was published.
    pub(crate) fn published(&self, shape: &[usize], n_bytes: usize, written: (u64, u64)) {
        let (chunks, stored_bytes) = written;
        let seconds = self.start.map(|start| start.elapsed().as_secs_f64());
        debug!(
            parent: &self.span,
            ?shape, chunks, bytes = n_bytes, stored_bytes, seconds,
            "array stored",
        );
    }

    /// Starts to time a chunk.
    pub(crate) fn chunk(&self) -> ChunkClock<'_> {
        let is_heard = self.start.is_some() && enabled!(Level::TRACE);
        ChunkClock { trace: self, start: is_heard.then(Instant::now), encoding: Duration::ZERO }
    }
}

/// Times the encoding and writing of one chunk.
pub(crate) struct ChunkClock<'t> {
    trace: &'t Trace,
    start: Option<Instant>,
    encoding: Duration,
}

impl ChunkClock<'_> {
    pub(crate) fn encoded(&mut self) {
        self.encoding = self.start.map_or(Duration::ZERO, |start| start.elapsed());
    }

    pub(crate) fn written(self, chunk: &Unit, stored_bytes: usize) {
        let Some(start) = self.start else { return };
        trace!(
            parent: &self.trace.span,
            chunk = ?chunk.index,
            bytes = chunk.n_bytes(),
            stored_bytes,
            encode_seconds = self.encoding.as_secs_f64(),
            write_seconds = (start.elapsed() - self.encoding).as_secs_f64(),
            "chunk stored",
        );
    }
}

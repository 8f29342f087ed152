//! Threads that encode chunks and put them where they belong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use lazy_core::panic_message;
use tracing::Dispatch;
use tracing::dispatcher::{get_default, with_default};

use crate::assembler::Chunk;
use crate::destination::Destination;
use crate::format::Encoder;
use crate::trace::Trace;
use crate::{Error, Result};

/// Encodes and writes chunks on several threads behind one bounded queue.
///
/// After a failure nothing more is written; the first error is what [`put`](Self::put) or
/// [`finish`](Self::finish) returns. The threads have ended when the writer is dropped.
pub(crate) struct Writer {
    /// None once no more chunks come.
    queue: Option<SyncSender<Chunk>>,
    threads: Vec<JoinHandle<()>>,
    outcome: Arc<Outcome>,
}

/// What has been written, and the first error until it is taken.
#[derive(Default)]
struct Outcome {
    state: Mutex<State>,
    n_chunks: AtomicU64,
    n_bytes: AtomicU64,
}

#[derive(Default)]
struct State {
    stopped: bool,
    error: Option<Error>,
}

impl Outcome {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The lock is held for assignments alone, so what it guards is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Stops all threads; keeps the error when it is the first one.
    fn stop(&self, error: Option<Error>) {
        let mut state = self.lock();
        if !state.stopped {
            state.stopped = true;
            state.error = error;
        }
    }

    fn take_error(&self) -> Option<Error> {
        self.lock().error.take()
    }
}

impl Writer {
    pub(crate) fn start(
        n_threads: usize,
        encoder: Encoder,
        destination: &Arc<dyn Destination>,
        trace: &Trace,
    ) -> Result<Writer> {
        let (queue, chunks) = sync_channel(n_threads);
        let chunks = Arc::new(Mutex::new(chunks));
        let encoder = Arc::new(encoder);
        let outcome = Arc::new(Outcome::default());
        let mut writer = Writer { queue: Some(queue), threads: Vec::new(), outcome };
        for _ in 0..n_threads {
            let (chunks, encoder) = (Arc::clone(&chunks), Arc::clone(&encoder));
            let (outcome, destination) = (Arc::clone(&writer.outcome), Arc::clone(destination));
            let (trace, dispatch) = (trace.clone(), get_default(Dispatch::clone));
            let thread = thread::Builder::new()
                .name("lazy-zarr writer".to_owned())
                .spawn(move || {
                    // A subscriber of the evaluating thread alone hears of the chunks as well.
                    with_default(&dispatch, || {
                        work(&chunks, &encoder, &*destination, &outcome, &trace);
                    });
                })
                .map_err(|source| Error::Thread { source })?;
            writer.threads.push(thread);
        }
        Ok(writer)
    }

    /// The chunks and the bytes that have been written so far.
    pub(crate) fn written(&self) -> (u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.outcome.n_chunks), load(&self.outcome.n_bytes))
    }

    /// Hands over a chunk, waiting while the queue is full.
    pub(crate) fn put(&mut self, chunk: Chunk) -> Result<()> {
        let queue = self.queue.as_ref().expect("no chunk comes after the last one");
        if !self.outcome.stopped() && queue.send(chunk).is_ok() {
            return Ok(());
        }
        self.finish()
    }

    /// Waits until all chunks are written.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.queue = None;
        for thread in self.threads.drain(..) {
            thread.join().expect("a writer's thread catches its panics");
        }
        match self.outcome.take_error() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.outcome.stop(None);
        // An error here would hide the one that ended the write.
        let _ = self.finish();
    }
}

fn work(
    chunks: &Mutex<Receiver<Chunk>>,
    encoder: &Encoder,
    destination: &dyn Destination,
    outcome: &Outcome,
    trace: &Trace,
) {
    loop {
        let chunk = chunks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(chunk) = chunk else { return };
        if outcome.stopped() {
            // The queue is emptied, so that nobody waits for room in it.
            continue;
        }
        let written = catch_unwind(AssertUnwindSafe(|| {
            let mut clock = trace.chunk();
            let bytes = encoder.encode(&chunk.index, &chunk.data)?;
            clock.encoded();
            let n_bytes = bytes.len();
            destination.put(&encoder.key(&chunk.index), bytes)?;
            clock.written(&chunk, n_bytes);
            outcome.n_bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
            outcome.n_chunks.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }));
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => outcome.stop(Some(error)),
            Err(payload) => outcome.stop(Some(Error::WriterPanicked {
                chunk: chunk.index,
                message: panic_message(&*payload).to_owned(),
            })),
        }
    }
}

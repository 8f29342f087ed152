//! Threads that put chunks together, encode them, and put them where they belong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use lazy_core::panic_message;
use tracing::Dispatch;
use tracing::dispatcher::{get_default, with_default};

use crate::assembler::Task;
use crate::destination::Destination;
use crate::format::ChunkCodec;
use crate::layout::n_waiting;
use crate::trace::Trace;
use crate::{Error, Result};

/// Assembles, encodes and writes chunks on several threads behind one bounded queue.
///
/// After a failure nothing more is written; the first error is what [`put`](Self::put) or
/// [`finish`](Self::finish) returns. The threads have ended when the writer is dropped.
pub(crate) struct Writer {
    /// None once no more chunks come.
    queue: Option<SyncSender<Task>>,
    threads: Vec<JoinHandle<()>>,
    outcome: Arc<Outcome>,
    /// Whether chunks that wait are worth writing when the write ends early.
    keeps_chunks: bool,
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
        codec: ChunkCodec,
        destination: &Arc<dyn Destination>,
        trace: &Trace,
        keeps_chunks: bool,
    ) -> Result<Writer> {
        let (queue, tasks) = sync_channel(n_waiting(n_threads));
        let tasks = Arc::new(Mutex::new(tasks));
        let codec = Arc::new(codec);
        let outcome = Arc::new(Outcome::default());
        let mut writer = Writer { queue: Some(queue), threads: Vec::new(), outcome, keeps_chunks };
        for _ in 0..n_threads {
            let (tasks, codec) = (Arc::clone(&tasks), Arc::clone(&codec));
            let (outcome, destination) = (Arc::clone(&writer.outcome), Arc::clone(destination));
            let (trace, dispatch) = (trace.clone(), get_default(Dispatch::clone));
            let thread = thread::Builder::new()
                .name("lazy-zarr writer".to_owned())
                .spawn(move || {
                    // A subscriber of the evaluating thread alone hears of the chunks as well.
                    with_default(&dispatch, || {
                        work(&tasks, &codec, &*destination, &outcome, &trace);
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

    /// Counts a chunk that was there already.
    pub(crate) fn count_kept(&self, stored_bytes: u64) {
        self.outcome.n_bytes.fetch_add(stored_bytes, Ordering::Relaxed);
        self.outcome.n_chunks.fetch_add(1, Ordering::Relaxed);
    }

    /// Hands over a chunk, or a part of one, waiting while the queue is full.
    pub(crate) fn put(&mut self, task: Task) -> Result<()> {
        let queue = self.queue.as_ref().expect("no chunk comes after the last one");
        if !self.outcome.stopped() && queue.send(task).is_ok() {
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
        if !self.keeps_chunks {
            self.outcome.stop(None);
        }
        // An error here would hide the one that ended the write.
        let _ = self.finish();
    }
}

fn work(
    tasks: &Mutex<Receiver<Task>>,
    codec: &ChunkCodec,
    destination: &dyn Destination,
    outcome: &Outcome,
    trace: &Trace,
) {
    loop {
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(task) = task else { return };
        if outcome.stopped() {
            // The queue is emptied, so that nobody waits for room in it.
            continue;
        }
        // Where a panic comes up, the chunk is not known before its parts are together.
        let mut chunk = Vec::new();
        let written = catch_unwind(AssertUnwindSafe(|| {
            let Some(unit) = task.unit() else { return Ok(()) };
            chunk.clone_from(&unit.index);
            let mut clock = trace.chunk();
            let bytes = codec.encode(&unit.index, &unit.data)?;
            clock.encoded();
            let n_bytes = bytes.len();
            destination.put(&codec.key(&unit.index), bytes)?;
            clock.written(&unit, n_bytes);
            outcome.n_bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
            outcome.n_chunks.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }));
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => outcome.stop(Some(error)),
            Err(payload) => outcome.stop(Some(Error::WriterPanicked {
                chunk,
                message: panic_message(&*payload).to_owned(),
            })),
        }
    }
}

//! Threads that encode and store chunks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use lazy_core::panic_message;
use tracing::Dispatch;
use tracing::dispatcher::{get_default, with_default};

use crate::error::{Error, Result, WriteError};
use crate::write::assembler::Unit;
use crate::write::destination::PutChunks;
use crate::write::encode::UnitCodec;
use crate::write::trace::Trace;

/// Returns the most units that are queued for a thread.
pub(crate) fn n_waiting(n_threads: usize) -> usize {
    n_threads.div_ceil(2)
}

/// Encodes and writes chunks on several threads: threads behind a bounded queue and, while the
/// queue is full, the thread that submits the chunks. So no thread is idle while there is work, and
/// if no other thread is free, a chunk is written by the thread that has just computed its last
/// block.
///
/// If a thread that stores a chunk mostly waits for a server, the thread that submits the chunks
/// stores none: the queue would run empty meanwhile.
///
/// After a failure no more chunks are written, and [`put`](Self::put) or [`finish`](Self::finish)
/// returns the first error. Dropping the writer waits for its threads to end.
pub(crate) struct Writer {
    /// `None` after the last chunk.
    queue: Option<SyncSender<Unit>>,
    threads: Vec<JoinHandle<()>>,
    work: Arc<Work>,
    /// True if queued chunks are written even if the write ends early.
    keeps_chunks: bool,
    /// True if the thread that submits chunks writes some of them.
    helps: bool,
}

/// The steps that any thread applies to a chunk.
struct Work {
    codec: UnitCodec,
    destination: Arc<dyn PutChunks>,
    trace: Trace,
    outcome: Outcome,
}

/// The counts of written chunks and bytes, and the first error until it is taken.
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
    fn lock(&self) -> MutexGuard<'_, State> {
        // The lock is held only during assignments, so the state is consistent even after a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Stops all threads, and keeps the error if it is the first one.
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
    /// Starts a writer with this many threads, including the caller's.
    pub(crate) fn start(
        n_threads: usize,
        codec: UnitCodec,
        destination: Arc<dyn PutChunks>,
        trace: &Trace,
        keeps_chunks: bool,
    ) -> Result<Writer> {
        let (queue, units) = sync_channel(n_waiting(n_threads));
        let units = Arc::new(Mutex::new(units));
        let work = Arc::new(Work {
            codec,
            destination,
            trace: trace.clone(),
            outcome: Outcome::default(),
        });
        let helps = n_threads <= 1 || !work.destination.waits();
        let (queue, threads) = (Some(queue), Vec::new());
        let mut writer = Writer { queue, threads, work, keeps_chunks, helps };
        for _ in 1..n_threads {
            let (units, work) = (Arc::clone(&units), Arc::clone(&writer.work));
            let dispatch = get_default(Dispatch::clone);
            let thread = thread::Builder::new()
                .name("lazy-zarr writer".to_owned())
                .spawn(move || {
                    // A subscriber that is set only on the evaluating thread also receives the
                    // events of chunks.
                    with_default(&dispatch, || work.work_off(&units));
                })
                .map_err(|source| WriteError::Thread { source })?;
            writer.threads.push(thread);
        }
        Ok(writer)
    }

    /// Returns the numbers of chunks and bytes that have been written so far.
    pub(crate) fn written(&self) -> (u64, u64) {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (load(&self.work.outcome.n_chunks), load(&self.work.outcome.n_bytes))
    }

    /// Counts a chunk that an earlier write has stored.
    pub(crate) fn count_kept(&self, index: &[usize], stored_bytes: u64) {
        self.work.destination.count(&self.work.codec.key(index), stored_bytes);
        self.work.outcome.n_bytes.fetch_add(stored_bytes, Ordering::Relaxed);
        self.work.outcome.n_chunks.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a chunk, and returns when the chunk is queued for another thread or written.
    pub(crate) fn put(&mut self, unit: Unit) -> Result<()> {
        let queue = self.queue.as_ref().expect("no chunk comes after the last one");
        if !self.work.outcome.stopped() {
            match queue.try_send(unit) {
                Ok(()) => {}
                Err(TrySendError::Full(unit)) if !self.helps => {
                    queue.send(unit).expect("threads take chunks until the queue is closed");
                }
                Err(TrySendError::Full(unit) | TrySendError::Disconnected(unit)) => {
                    self.work.write(&unit);
                }
            }
        }
        if self.work.outcome.stopped() { self.finish() } else { Ok(()) }
    }

    /// Waits until all chunks are written.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.queue = None;
        for thread in self.threads.drain(..) {
            thread.join().expect("a writer's thread catches its panics");
        }
        match self.work.outcome.take_error() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.keeps_chunks {
            self.work.outcome.stop(None);
        }
        // An error here would hide the error that ended the write.
        let _ = self.finish();
    }
}

impl Work {
    /// Writes the chunks of a queue until it is closed.
    fn work_off(&self, units: &Mutex<Receiver<Unit>>) {
        loop {
            let unit = units.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(unit) = unit else { return };
            // After a failure the queue is emptied, so that no thread waits for room in it.
            if !self.outcome.stopped() {
                self.write(&unit);
            }
        }
    }

    fn write(&self, unit: &Unit) {
        match catch_unwind(AssertUnwindSafe(|| self.try_to_write(unit))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.outcome.stop(Some(error)),
            Err(payload) => {
                let chunk = self.codec.index(&unit.index);
                let message = panic_message(&*payload).to_owned();
                self.outcome.stop(Some(WriteError::WriterPanicked { chunk, message }.into()));
            }
        }
    }

    fn try_to_write(&self, unit: &Unit) -> Result<()> {
        let mut clock = self.trace.chunk();
        let encoded = self.codec.encode(unit)?;
        clock.encoded();
        let n_bytes = encoded.n_bytes();
        self.destination.put(&self.codec.key(&unit.index), encoded)?;
        clock.written(unit, n_bytes);
        self.outcome.n_bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
        self.outcome.n_chunks.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

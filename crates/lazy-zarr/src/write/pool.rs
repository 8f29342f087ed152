//! Threads that encode chunks and put them where they belong.

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
use crate::write::destination::Destination;
use crate::write::encode::UnitCodec;
use crate::write::trace::Trace;

/// How many units wait for a thread at most.
pub(crate) fn n_waiting(n_threads: usize) -> usize {
    n_threads.div_ceil(2)
}

/// Encodes and writes chunks on several threads: those behind a bounded queue and, while that is full, the one
/// that hands the chunks over. So nobody waits as long as there is something to do, and a chunk is written by
/// the thread that has just made its last block, if no other is free.
///
/// After a failure nothing more is written; the first error is what [`put`](Self::put) or
/// [`finish`](Self::finish) returns. The threads have ended when the writer is dropped.
pub(crate) struct Writer {
    /// None once no more chunks come.
    queue: Option<SyncSender<Unit>>,
    threads: Vec<JoinHandle<()>>,
    work: Arc<Work>,
    /// Whether chunks that wait are worth writing when the write ends early.
    keeps_chunks: bool,
}

/// What is done with each chunk, on any thread.
struct Work {
    codec: UnitCodec,
    destination: Arc<dyn Destination>,
    trace: Trace,
    outcome: Outcome,
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
    fn lock(&self) -> MutexGuard<'_, State> {
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
    /// With so many threads, that of the caller among them.
    pub(crate) fn start(
        n_threads: usize,
        codec: UnitCodec,
        destination: &Arc<dyn Destination>,
        trace: &Trace,
        keeps_chunks: bool,
    ) -> Result<Writer> {
        let (queue, units) = sync_channel(n_waiting(n_threads));
        let units = Arc::new(Mutex::new(units));
        let work = Arc::new(Work {
            codec,
            destination: Arc::clone(destination),
            trace: trace.clone(),
            outcome: Outcome::default(),
        });
        let mut writer = Writer { queue: Some(queue), threads: Vec::new(), work, keeps_chunks };
        for _ in 1..n_threads {
            let (units, work) = (Arc::clone(&units), Arc::clone(&writer.work));
            let dispatch = get_default(Dispatch::clone);
            let thread = thread::Builder::new()
                .name("lazy-zarr writer".to_owned())
                .spawn(move || {
                    // A subscriber of the evaluating thread alone hears of the chunks as well.
                    with_default(&dispatch, || work.work_off(&units));
                })
                .map_err(|source| WriteError::Thread { source })?;
            writer.threads.push(thread);
        }
        Ok(writer)
    }

    /// The chunks and the bytes that have been written so far.
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

    /// Takes a chunk, and returns when it waits for another thread, or is written.
    pub(crate) fn put(&mut self, unit: Unit) -> Result<()> {
        let queue = self.queue.as_ref().expect("no chunk comes after the last one");
        if !self.work.outcome.stopped()
            && let Err(TrySendError::Full(unit) | TrySendError::Disconnected(unit)) =
                queue.try_send(unit)
        {
            self.work.write(&unit);
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
        // An error here would hide the one that ended the write.
        let _ = self.finish();
    }
}

impl Work {
    /// Writes what comes out of a queue until no more does.
    fn work_off(&self, units: &Mutex<Receiver<Unit>>) {
        loop {
            let unit = units.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(unit) = unit else { return };
            // Once it is over the queue is emptied, so that nobody waits for room in it.
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
                let chunk = unit.index.clone();
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

//! Work on a thread of its own, while the calling thread looks for Ctrl-C.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use crate::attach::{Call, check_ending};
use crate::errors::named;
use crate::{fork, logging};

/// The time between two looks for Ctrl-C.
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// The time for which Ctrl-C waits for a thread to end.
const GRACE: Duration = Duration::from_millis(120);

/// The number of threads that still end, after Ctrl-C.
static ENDING: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Prepares for work: checks the process, and waits for earlier work.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    fork::check(py)?;
    logging::start();
    wait_for_earlier(py)
}

/// Waits until the threads that Ctrl-C has left have ended, and given back their targets.
fn wait_for_earlier(py: Python<'_>) -> PyResult<()> {
    loop {
        let is_done = py.detach(|| {
            let n_ending = ENDING.0.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = ENDING.1.wait_timeout_while(n_ending, BETWEEN_LOOKS, |n| *n > 0);
            *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
        });
        if is_done {
            return Ok(());
        }
        py.check_signals()?;
    }
}

/// Calls a function of the library on a thread of its own, and meanwhile looks for Ctrl-C.
pub(crate) fn detached<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let _call = Call::begin();
    prepare(py)?;
    let (sender, mut results) = mpsc::sync_channel(1);
    let thread = spawn(py, move || {
        // After Ctrl-C, the result is not received.
        let _ = sender.send(work());
    })?;
    loop {
        let results = &mut results;
        match py.detach(move || results.recv_timeout(BETWEEN_LOOKS)) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => return Err(panicked(py)),
            Err(RecvTimeoutError::Timeout) => {
                if let Err(interrupt) = check_ending().and_then(|()| py.check_signals()) {
                    leave(py, thread);
                    return Err(interrupt);
                }
            }
        }
    }
}

pub(crate) fn spawn(
    py: Python<'_>,
    work: impl FnOnce() + Send + 'static,
) -> PyResult<thread::JoinHandle<()>> {
    let thread = thread::Builder::new().name("lazy-chunks".to_owned()).spawn(work);
    thread.map_err(|error| {
        named(py, "LazyChunksError", format!("the system starts no thread: {error}"))
    })
}

/// Returns the exception for a panic, whose message is on standard error.
pub(crate) fn panicked(py: Python<'_>) -> PyErr {
    named(py, "LazyChunksError", "the library panicked, which is a bug; please report it")
}

/// Waits a short time for a thread to end, and lets it end by itself afterwards.
pub(crate) fn leave(py: Python<'_>, thread: thread::JoinHandle<()>) {
    let end = Instant::now() + GRACE;
    py.detach(|| {
        while !thread.is_finished() && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
    });
    if thread.is_finished() {
        return;
    }
    *ENDING.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    // If the system starts no thread, later passes do not wait.
    let _ = thread::Builder::new().spawn(move || {
        let _ = thread.join();
        *ENDING.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ENDING.1.notify_all();
    });
}

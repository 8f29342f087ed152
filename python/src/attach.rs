//! Calls of Python from the library, until the interpreter ends.
//!
//! A thread that is in the library when it would return to an interpreter that has ended takes the
//! process down. So the interpreter waits for such threads, which end their calls early.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// The number of threads that would return to the interpreter.
static N_CALLS: AtomicUsize = AtomicUsize::new(0);

/// The thread that ends the interpreter, once it does.
static ENDING: OnceLock<ThreadId> = OnceLock::new();

/// The time for which the interpreter waits at its end.
const MOST_WAITED: Duration = Duration::from_secs(10);

/// A call that returns to the interpreter.
pub(crate) struct Call(());

impl Call {
    pub(crate) fn begin() -> Call {
        N_CALLS.fetch_add(1, Ordering::SeqCst);
        Call(())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        N_CALLS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Returns an error if the interpreter ends, unless this thread ends it.
pub(crate) fn check_ending() -> PyResult<()> {
    match ENDING.get() {
        Some(ending) if *ending != thread::current().id() => {
            Err(PyRuntimeError::new_err("the interpreter ends"))
        }
        _ => Ok(()),
    }
}

/// Calls Python from a thread of the library. Once the interpreter ends, this is an error.
pub(crate) fn attach<T>(function: impl FnOnce(Python<'_>) -> PyResult<T>) -> PyResult<T> {
    let _call = Call::begin();
    check_ending()?;
    Python::attach(function)
}

/// Waits for the threads in the library, and lets no other one return to the interpreter. Python
/// calls this before it ends the interpreter.
#[pyfunction]
pub(crate) fn wait_at_exit(py: Python<'_>) -> PyResult<()> {
    let _ = ENDING.set(thread::current().id());
    let begin = Instant::now();
    while N_CALLS.load(Ordering::SeqCst) > 0 && begin.elapsed() < MOST_WAITED {
        py.detach(|| thread::sleep(Duration::from_millis(1)));
        py.check_signals()?;
    }
    Ok(())
}

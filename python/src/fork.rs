//! Processes that were forked.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;

use crate::errors::named;

/// The process that has used the package. 0 before the first use.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Checks that this process was not forked after its parent had used the package: the threads of
/// the parent, and their locks, do not exist here.
pub(crate) fn check(py: Python<'_>) -> PyResult<()> {
    let this = process::id();
    match PROCESS.compare_exchange(0, this, Ordering::Relaxed, Ordering::Relaxed) {
        Err(other) if other != this => Err(named(
            py,
            "ForkedError",
            format!(
                "process {this} was forked from process {other} after that had used lazy_chunks; \
                 start processes with the method \"spawn\" or \"forkserver\""
            ),
        )),
        _ => Ok(()),
    }
}

//! The display of the progress, as the user has chosen it.

use std::time::{Duration, Instant};

use lazy_chunks::{Progress, Stage};
use pyo3::prelude::*;

/// The time between two calls.
const BETWEEN_CALLS: Duration = Duration::from_millis(100);

/// Calls a Python function with the progress, on the thread that called the package.
pub(crate) struct Display {
    function: Option<Py<PyAny>>,
    last: Instant,
}

impl Display {
    /// Creates the display for an argument: a function, `True` for a bar, or none.
    pub(crate) fn new(py: Python<'_>, progress: Option<Bound<'_, PyAny>>) -> PyResult<Display> {
        let function = match progress {
            None => None,
            Some(progress) => py
                .import("lazy_chunks._progress")?
                .call_method1("function", (progress,))?
                .extract::<Option<Py<PyAny>>>()?,
        };
        Ok(Display { function, last: Instant::now() })
    }

    /// Returns true if it is time to show the progress.
    pub(crate) fn is_due(&self) -> bool {
        self.function.is_some() && self.last.elapsed() >= BETWEEN_CALLS
    }

    pub(crate) fn show(&mut self, py: Python<'_>, progress: &Progress) -> PyResult<()> {
        self.last = Instant::now();
        let Some(function) = &self.function else { return Ok(()) };
        let stage = match progress.stage {
            Stage::Finished => "finished",
            Stage::Aborted => "aborted",
            Stage::Waiting => "waiting",
            _ => "running",
        };
        let of = (
            progress.blocks,
            progress.n_blocks,
            progress.bytes,
            progress.restored,
            progress.chunks,
            progress.stored_bytes,
            stage,
        );
        let progress = py.import("lazy_chunks._progress")?.getattr("Progress")?.call1(of)?;
        function.call1(py, (progress,)).map(drop)
    }
}

//! The calling thread's view of a pass.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lazy_chunks::{Observer, Progress};
use pyo3::prelude::*;

use crate::attach::check_ending;
use crate::progress::Display;

/// The state of a pass that both threads see.
#[derive(Default)]
pub(crate) struct Shared {
    is_cancelled: AtomicBool,
    progress: Mutex<Progress>,
}

impl Observer for Shared {
    fn observe(&self, progress: &Progress) -> ControlFlow<()> {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = *progress;
        if self.is_cancelled.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// The calling thread's side of a pass.
pub(crate) struct Watch<'d> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) display: &'d mut Display,
}

impl Watch<'_> {
    /// Ends the evaluation at its next block.
    pub(crate) fn cancel(&self) {
        self.shared.is_cancelled.store(true, Ordering::Relaxed);
    }

    /// Looks for Ctrl-C, and displays the progress.
    pub(crate) fn look(&mut self, py: Python<'_>) -> PyResult<()> {
        check_ending()?;
        py.check_signals()?;
        if self.display.is_due() { self.show(py) } else { Ok(()) }
    }

    pub(crate) fn show(&mut self, py: Python<'_>) -> PyResult<()> {
        let progress = *self.shared.progress.lock().unwrap_or_else(PoisonError::into_inner);
        self.display.show(py, &progress)
    }

    /// Waits until a function returns something. The function waits a short time each.
    pub(crate) fn wait<T: Send>(
        &mut self,
        py: Python<'_>,
        mut attempt: impl FnMut() -> Option<T> + Send,
    ) -> PyResult<T> {
        loop {
            if let Some(found) = py.detach(&mut attempt) {
                return Ok(found);
            }
            self.look(py)?;
        }
    }
}

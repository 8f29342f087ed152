use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use lazy_chunks::{Observer, Progress};

/// Keeps the account of an evaluation: all that it was told.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Vec<Progress>>);

impl Ledger {
    /// Returns the entries so far, in order.
    pub fn entries(&self) -> Vec<Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for Ledger {
    fn observe(&self, progress: &Progress) -> ControlFlow<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(*progress);
        ControlFlow::Continue(())
    }
}

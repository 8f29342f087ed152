use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use lazy_chunks::{Observer, Progress, Stage};

/// Keeps the account of one evaluation: how often it was told, and the last that it heard.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<(usize, Option<Progress>)>);

impl Ledger {
    /// How often there was news.
    pub fn n_entries(&self) -> usize {
        self.read().0
    }

    /// The last news; none when there was none.
    pub fn last(&self) -> Option<Progress> {
        self.read().1
    }

    /// Whether the evaluation came to its end.
    pub fn is_finished(&self) -> bool {
        self.last().is_some_and(|last| last.stage == Stage::Finished)
    }

    /// The bytes that were stored.
    pub fn stored_bytes(&self) -> u64 {
        self.last().map_or(0, |last| last.stored_bytes)
    }

    fn read(&self) -> (usize, Option<Progress>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Ledger {
    fn observe(&self, progress: &Progress) -> ControlFlow<()> {
        let mut account = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *account = (account.0 + 1, Some(*progress));
        ControlFlow::Continue(())
    }
}

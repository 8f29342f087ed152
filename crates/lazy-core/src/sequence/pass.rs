//! Settings of the passes over a sequence.

use std::sync::Arc;

use crate::Observer;
use crate::stream::Threads;

/// The threads and the observer of each evaluation of a sequence.
#[derive(Clone, Default)]
pub(crate) struct Pass<'a> {
    threads: Threads,
    observer: Option<Arc<dyn Observer + 'a>>,
}

impl<'a> Pass<'a> {
    pub(crate) fn with_threads(self, n_threads: usize) -> Pass<'a> {
        Pass { threads: self.threads.with_number(n_threads), ..self }
    }

    pub(crate) fn with_max_in_flight(self, n_blocks: usize) -> Pass<'a> {
        Pass { threads: self.threads.with_max_in_flight(n_blocks), ..self }
    }

    pub(crate) fn with_observer(self, observer: impl Observer + 'a) -> Pass<'a> {
        Pass { observer: Some(Arc::new(observer)), ..self }
    }

    pub(crate) fn threads(&self) -> Threads {
        self.threads
    }

    pub(crate) fn observer(&self) -> Option<&(dyn Observer + 'a)> {
        self.observer.as_deref()
    }
}

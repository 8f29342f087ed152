//! Progress on a terminal, and the end of a pass that a signal asks for.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{HumanBytes, ProgressStyle};
use lazy_chunks::progress::ProgressBar;
use lazy_chunks::{Observer, Progress};

use crate::stop;

/// What is told of a pass: a bar on standard error where that is a terminal.
#[derive(Clone, Debug)]
pub(crate) struct Display {
    bar: indicatif::ProgressBar,
    last: Arc<Mutex<Progress>>,
}

impl Display {
    pub(crate) fn new(is_quiet: bool) -> Display {
        let bar = if is_quiet {
            indicatif::ProgressBar::hidden()
        } else {
            indicatif::ProgressBar::no_length()
        };
        Display { bar, last: Arc::default() }
    }

    /// An observer of a pass: of this many blocks, if that is known, and of this much memory at most, which may be
    /// known when the first block has come.
    pub(crate) fn of_pass(
        &self,
        n_blocks: Option<usize>,
        memory_bound: impl Fn() -> Option<usize> + Send + Sync + 'static,
    ) -> Watcher {
        let counts = match n_blocks {
            Some(_) => "{bar:20} {pos}/{len} blocks",
            None => "{spinner} {pos} blocks",
        };
        let time = if n_blocks.is_some() { "{elapsed}, {eta} left" } else { "{elapsed}" };
        // What there is no room for is cut off, so that no line wraps.
        self.bar.set_style(style(&format!("{counts} [{time}]{{prefix}} {{wide_msg}}")));
        Watcher {
            progress: ProgressBar::from_bar(self.bar.clone()),
            bar: self.bar.clone(),
            last: Arc::clone(&self.last),
            memory_bound: Box::new(memory_bound),
        }
    }

    /// A bar of steps of another kind.
    pub(crate) fn of_steps(&self, n_steps: u64, unit: &str) -> indicatif::ProgressBar {
        self.bar.set_style(style(&format!(
            "{{bar:20}} {{pos}}/{{len}} {unit} [{{elapsed}}, {{eta}} left]"
        )));
        self.bar.set_length(n_steps);
        self.bar.clone()
    }

    /// How far the pass has come.
    pub(crate) fn last(&self) -> Progress {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints nothing more.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is one of indicatif's")
}

/// Draws, and stops the pass when a signal has come.
pub(crate) struct Watcher {
    progress: ProgressBar,
    bar: indicatif::ProgressBar,
    last: Arc<Mutex<Progress>>,
    memory_bound: Box<dyn Fn() -> Option<usize> + Send + Sync>,
}

impl Observer for Watcher {
    fn observe(&self, progress: &Progress) -> ControlFlow<()> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = *progress;
        if stop::is_asked_for() {
            return ControlFlow::Break(());
        }
        if !self.bar.is_hidden()
            && self.bar.prefix().is_empty()
            && let Some(bytes) = (self.memory_bound)()
        {
            self.bar.set_prefix(format!(" in ≤ {}", HumanBytes(bytes as u64)));
        }
        self.progress.observe(progress)
    }
}

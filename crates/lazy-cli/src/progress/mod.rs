//! Progress bars on a terminal, and the observer that stops a pass when a signal comes.
//!
//! Ignorant of what the pass computes.

mod parts;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{HumanBytes, ProgressStyle};
use lazy_chunks::progress::ProgressBar;
use lazy_chunks::{Observer, Progress};

pub(crate) use parts::Parts;

use crate::stop;

/// The display of progress: a bar on standard error, if that is a terminal.
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

    /// Returns an observer of a pass of this many blocks, if the number is known. The memory bound
    /// may be none until the first block has come.
    pub(crate) fn of_pass(
        &self,
        n_blocks: Option<usize>,
        memory_bound: impl Fn() -> Option<usize> + Send + Sync + 'static,
    ) -> Watcher {
        self.bar.set_style(match n_blocks {
            Some(_) => style(&of_blocks("{bar:20} {pos}/{len}", "{elapsed}, {eta} left")),
            None => style(&of_blocks("{spinner} {pos}", "{elapsed}")),
        });
        Watcher {
            progress: ProgressBar::from_bar(self.bar.clone()),
            bar: self.bar.clone(),
            last: Arc::clone(&self.last),
            memory_bound: Box::new(memory_bound),
        }
    }

    /// Shows which part of how many the next pass computes.
    fn begin_part(&self, number: usize, n_parts: usize) {
        let counts = format!("part {number} of {n_parts} {{bar:20}} {{pos}}/{{len}}");
        self.bar.set_style(style(&of_blocks(&counts, "{elapsed}, {eta} left")));
    }

    /// Returns a bar that shows a text of any number of lines.
    pub(crate) fn of_text(&self) -> indicatif::ProgressBar {
        self.bar.set_style(style("{msg}"));
        self.bar.clone()
    }

    /// Returns a bar that counts steps of another unit.
    pub(crate) fn of_steps(&self, n_steps: u64, unit: &str) -> indicatif::ProgressBar {
        self.bar.set_style(style(&format!(
            "{{bar:20}} {{pos}}/{{len}} {unit} [{{elapsed}}, {{eta}} left]"
        )));
        self.bar.set_length(n_steps);
        self.bar.clone()
    }

    /// Returns the progress at the last block.
    pub(crate) fn last(&self) -> Progress {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the bar from the terminal.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Returns the template of a bar that counts blocks. A message that is too long is cut off, so that
/// no line wraps.
fn of_blocks(counts: &str, time: &str) -> String {
    format!("{counts} blocks [{time}]{{prefix}} {{wide_msg}}")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is valid")
}

/// An observer that draws the bar, and stops the pass when a signal has come.
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

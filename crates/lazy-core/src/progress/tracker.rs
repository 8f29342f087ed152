//! Counts the blocks of one evaluation and calls its observer.

use std::ops::ControlFlow;

use super::{Observer, Progress, Stage};
use crate::error::Case;
use crate::{BlockIndex, Result, SequenceSpec};

/// The progress of one evaluation, with its observer if there is one.
///
/// If it is dropped before it [finishes](Self::finish), it reports to the observer that the
/// evaluation was [aborted](Stage::Aborted).
pub(crate) struct Tracker<'o> {
    observer: Option<&'o (dyn Observer + 'o)>,
    progress: Progress,
    /// The number of bands that have at least one block.
    begun_bands: usize,
    /// True while the observer runs, so that an observer that panics is not called again, and after
    /// the end.
    is_silent: bool,
}

impl<'o> Tracker<'o> {
    /// Creates a tracker that does not call the observer before [`start`](Self::start).
    pub(crate) fn new(
        spec: &SequenceSpec,
        observer: Option<&'o (dyn Observer + 'o)>,
    ) -> Tracker<'o> {
        Tracker { observer, progress: Progress::new(spec), begun_bands: 0, is_silent: true }
    }

    /// Reports the start of the evaluation to the observer.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.is_silent = false;
        self.observe()
    }

    /// Returns true if the evaluation has started and not ended.
    pub(crate) fn is_running(&self) -> bool {
        !self.is_silent
    }

    /// Counts a block, and reports it and the additions of `report` to the observer.
    pub(crate) fn block(
        &mut self,
        at: BlockIndex,
        n_bytes: usize,
        is_restored: bool,
        report: impl FnOnce(&mut Progress),
    ) -> Result<()> {
        if self.observer.is_none() {
            return Ok(());
        }
        self.progress.add(at, n_bytes as u64);
        self.progress.restored += usize::from(is_restored);
        if let BlockIndex::Block(band) | BlockIndex::NestedBlock(band, _) = at {
            self.begun_bands = band + 1;
        }
        self.report(report);
        self.observe()
    }

    /// Updates the chunks that sinks have stored. The observer receives them with the next block or
    /// at the end.
    pub(crate) fn report(&mut self, report: impl FnOnce(&mut Progress)) {
        if self.observer.is_some() {
            (self.progress.chunks, self.progress.stored_bytes) = (0, 0);
            report(&mut self.progress);
        }
    }

    /// Reports the completion of the evaluation to the observer.
    pub(crate) fn finish(mut self) {
        self.progress.bands = self.begun_bands;
        self.end(Stage::Finished);
    }

    fn end(&mut self, stage: Stage) {
        self.progress.stage = stage;
        // The evaluation is over, so it cannot be cancelled any more.
        let _ = self.observe();
        self.is_silent = true;
    }

    fn observe(&mut self) -> Result<()> {
        let Some(observer) = self.observer else { return Ok(()) };
        self.is_silent = true;
        let verdict = observer.observe(&self.progress);
        self.is_silent = false;
        match verdict {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => {
                Err(Case::Cancelled { blocks: self.progress.blocks, kept: Vec::new() }.into())
            }
        }
    }
}

impl Drop for Tracker<'_> {
    fn drop(&mut self) {
        if !self.is_silent {
            self.end(Stage::Aborted);
        }
    }
}

//! Producers that fail, panic, or are stopped.

use anyhow::{Result, ensure};

use crate::bench::{Bench, Reference};
use crate::program::Trouble;
use crate::trial::Trial;

/// Makes the producer of a course fail at each block, in each way. Returns the number of failures.
pub(crate) fn run(bench: &Bench, reference: &Reference) -> Result<usize> {
    let n_blocks = reference.course.grid().blocks().count();
    let mut n_troubles = 0;
    for at in 0..n_blocks {
        let troubles = [
            (Trouble::Error, "injected error"),
            (Trouble::Panic, "injected panic"),
            (Trouble::Cancellation, "was cancelled after"),
        ];
        for (trouble, message) in troubles {
            let name = format!("{trouble:?} at block {at}");
            let is_cancelled = matches!(trouble, Trouble::Cancellation);
            Trial::run(bench, reference, &name, |trial| {
                let mut task = trial.next_task();
                task.trouble = Some((trouble, at));
                let report = task.report()?;
                let failure = report.outcome.err();
                let is_said = failure.as_ref().is_some_and(|said| said.message.contains(message));
                ensure!(is_said, "the error is {failure:?}");
                let before = trial.found_before();
                let (found, left) = trial.end_early(&task)?;
                ensure!(found == before, "{found:?} is at the target, expected {before:?}");
                // A write is kept if it is resumable and has stored a chunk. A cancelled write has
                // stored the chunks of the blocks before.
                let course = trial.course();
                let before = left.chunks_within(course, at);
                let most = left.chunks_within(course, at + usize::from(is_cancelled));
                let kept = left.complete.clone().unwrap_or_default();
                let must_be_kept = is_cancelled && course.is_resumable && !before.is_empty();
                let is_right = kept.is_subset(&most) && (!must_be_kept || !kept.is_empty());
                ensure!(is_right, "{left:?}, expected {before:?}");
                ensure!(left.complete.is_some() != kept.is_empty(), "{left:?}");
                ensure!(course.is_resumable || kept.is_empty(), "{left:?}");
                if kept.is_empty() {
                    trial.check_nothing_left()?;
                }
                trial.finish()
            })?;
            n_troubles += 1;
        }
    }
    Ok(n_troubles)
}

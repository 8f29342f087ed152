//! Processes that kill themselves at every point in turn.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use lazy_tests::{Failpoint, Operation, Progress};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::bench::{Bench, Reference};
use crate::process::Ending;
use crate::program::Action;
use crate::trial::Trial;

/// The numbers of trials.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    /// The number of points at which a process was killed.
    pub(crate) points: usize,
    /// The number of times that a process that took over was killed again.
    pub(crate) again: usize,
    /// The number of times that a process that cleaned up was killed.
    pub(crate) cleaning: usize,
}

impl Count {
    pub(crate) fn add(&mut self, other: &Count) {
        self.points += other.points;
        self.again += other.again;
        self.cleaning += other.cleaning;
    }
}

/// The step after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The program runs again.
    Run,
    /// The program runs again, and is killed again at some points.
    KillAgain,
    /// The remains are removed, and the program runs again.
    Remove,
}

/// Kills the process of a course at every point.
pub(crate) fn run(bench: &Bench, reference: &Reference) -> Result<Count> {
    let mut random = SmallRng::seed_from_u64(bench.seed ^ crc(&reference.course.to_string()));
    let mut count = Count::default();
    for failpoint in failpoints(&reference.operations) {
        let then = match random.random_range(0..6) {
            0 => Then::KillAgain,
            1 | 2 => Then::Remove,
            _ => Then::Run,
        };
        check(bench, reference, failpoint, then, &mut random, &mut count)?;
    }
    // There is no further point.
    let operation = reference.operations.len();
    let failpoint = Failpoint { operation, progress: Progress::NotBegun };
    Trial::run(bench, reference, "the point after the last one", |trial| {
        let mut task = trial.next_task();
        task.failpoint = Some(failpoint);
        let report = task.succeed()?;
        let operations = in_order(&report.operations);
        ensure!(operations == in_order(&reference.operations), "the operations differ");
        Ok(())
    })?;
    Ok(count)
}

/// Sorts operations of the same name in a row by path, since several threads run them in any order.
fn in_order(operations: &[Operation]) -> Vec<&Operation> {
    let mut ordered: Vec<&Operation> = Vec::new();
    for same in operations.chunk_by(|one, other| one.name == other.name) {
        let start = ordered.len();
        ordered.extend(same);
        ordered[start..].sort_by_key(|operation| &operation.path);
    }
    ordered
}

/// Returns the points before each operation, in the middle of each divisible one, and after the
/// last.
pub(crate) fn failpoints(operations: &[Operation]) -> Vec<Failpoint> {
    let mut failpoints = Vec::new();
    for (operation, what) in operations.iter().enumerate() {
        failpoints.push(Failpoint { operation, progress: Progress::NotBegun });
        if what.is_divisible {
            failpoints.push(Failpoint { operation, progress: Progress::Half });
        }
    }
    let operation = operations.len() - 1;
    failpoints.push(Failpoint { operation, progress: Progress::Done });
    failpoints
}

/// Kills a process at a point, and checks the rest of the trial.
fn check(
    bench: &Bench,
    reference: &Reference,
    failpoint: Failpoint,
    then: Then,
    random: &mut SmallRng,
    count: &mut Count,
) -> Result<()> {
    let at = described(&reference.operations, failpoint);
    let name = format!("killed at {at}, then {then:?}");
    Trial::run(bench, reference, &name, |trial| {
        trial.kill(failpoint)?;
        count.points += 1;
        match then {
            Then::Run => {}
            Then::Remove => trial.remove_what_is_left()?,
            Then::KillAgain => {
                for _ in 0..3 {
                    let mut task = trial.next_task();
                    task.failpoint = Some(Failpoint {
                        operation: random.random_range(0..trial.n_operations()),
                        progress: if random.random() { Progress::NotBegun } else { Progress::Half },
                    });
                    match task.run()? {
                        Ending::Killed => count.again += 1,
                        // A resumed run has fewer operations, and may have ended before the point.
                        Ending::Reported(report) => {
                            let failure = report.outcome.err();
                            ensure!(failure.is_none(), "the run after it fails: {failure:?}");
                        }
                    }
                    trial.end_early(&task)?;
                }
            }
        }
        trial.finish()
    })
}

/// Kills a process in the middle of the blocks or right after publishing, and then the process that
/// takes over, or cleans up, at every point.
pub(crate) fn run_after(bench: &Bench, reference: &Reference) -> Result<Count> {
    let mut count = Count::default();
    let publishes = |operation: &Operation| {
        operation.name == "publish" && operation.path.ends_with(Path::new(".lazy.1/zarr.json"))
    };
    let publication = reference.operations.iter().position(publishes);
    let publication = publication.context("nothing is published")?;
    let points = [
        Failpoint { operation: publication * 2 / 3, progress: Progress::Half },
        Failpoint { operation: publication, progress: Progress::NotBegun },
        Failpoint { operation: publication, progress: Progress::Done },
    ];
    for first in points {
        count.again += sweep(bench, reference, Some(first), Action::Write)?;
        count.cleaning += sweep(bench, reference, Some(first), Action::RemoveUnfinished)?;
    }
    count.cleaning += sweep(bench, reference, None, Action::RemoveSuperseded)?;
    Ok(count)
}

/// Kills the following process at every point until it ends without a kill. Returns the number of
/// kills.
fn sweep(
    bench: &Bench,
    reference: &Reference,
    first: Option<Failpoint>,
    action: Action,
) -> Result<usize> {
    let mut n_kills = 0;
    for operation in 0..1000 {
        let mut has_ended = false;
        // Without a middle, `Half` is the end of the operation.
        for progress in [Progress::NotBegun, Progress::Half] {
            let failpoint = Failpoint { operation, progress };
            let at = |first| described(&reference.operations, first);
            let first_point = first.map_or("nothing".to_owned(), at);
            let name = format!("killed at {first_point}, then {action:?} with {failpoint:?}");
            has_ended = Trial::run(bench, reference, &name, |trial| {
                if let Some(first) = first {
                    trial.kill(first)?;
                }
                match action {
                    Action::Write | Action::Work(_) => {}
                    Action::RemoveUnfinished => trial.allow_older(),
                    Action::RemoveSuperseded => trial.allow_removal_of_old(),
                }
                let mut task = trial.next_task();
                (task.action, task.failpoint) = (action, Some(failpoint));
                let has_ended = match task.run()? {
                    Ending::Killed => false,
                    Ending::Reported(report) => {
                        let failure = report.outcome.err();
                        ensure!(failure.is_none(), "{action:?} fails: {failure:?}");
                        true
                    }
                };
                trial.end_early(&task)?;
                trial.finish()?;
                Ok(has_ended)
            })?;
            n_kills += usize::from(!has_ended);
        }
        if has_ended {
            return Ok(n_kills);
        }
    }
    bail!("{action:?} does not end")
}

impl Trial<'_> {
    /// Kills a process at a point that it reaches, and checks its remains.
    fn kill(&mut self, failpoint: Failpoint) -> Result<()> {
        let mut task = self.next_task();
        task.failpoint = Some(failpoint);
        let ending = task.run()?;
        ensure!(matches!(ending, Ending::Killed), "the process was not killed: {ending:?}");
        self.end_early(&task).map(drop)
    }
}

/// Describes a point of an uninterrupted write.
pub(crate) fn described(operations: &[Operation], failpoint: Failpoint) -> String {
    let operation = &operations[failpoint.operation];
    format!("{failpoint:?}, {} {}", operation.name, operation.path.display())
}

pub(crate) fn crc(text: &str) -> u64 {
    crc32c::crc32c(text.as_bytes()).into()
}

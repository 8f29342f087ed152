//! Processes that kill themselves, at every point in turn.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use lazy_tests::{Failpoint, Operation, Progress};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::bench::{Bench, Reference};
use crate::process::Ending;
use crate::program::Action;
use crate::trial::Trial;

/// What was tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    /// The points at which a process was killed.
    pub(crate) points: usize,
    /// How often one that took over was killed again.
    pub(crate) again: usize,
    /// How often one that cleaned up was killed.
    pub(crate) cleaning: usize,
}

impl Count {
    pub(crate) fn add(&mut self, other: &Count) {
        self.points += other.points;
        self.again += other.again;
        self.cleaning += other.cleaning;
    }
}

/// What follows a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The program runs again.
    Run,
    /// It runs again, and is killed again at some points.
    KillAgain,
    /// What is left is removed, and then it runs again.
    Remove,
}

/// Kills a course's process at every point.
pub(crate) fn run(bench: &Bench, reference: &Reference) -> Result<Count> {
    let mut random = SmallRng::seed_from_u64(bench.seed ^ crc(&reference.course.to_string()));
    let mut count = Count::default();
    for failpoint in failpoints(reference) {
        let then = match random.random_range(0..6) {
            0 => Then::KillAgain,
            1 | 2 => Then::Remove,
            _ => Then::Run,
        };
        check(bench, reference, failpoint, then, &mut random, &mut count)?;
    }
    // Those were all.
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

/// The operations, of which several threads do some in any order.
fn in_order(operations: &[Operation]) -> Vec<&Operation> {
    let mut ordered: Vec<&Operation> = Vec::new();
    for same in operations.chunk_by(|one, other| one.name == other.name) {
        let start = ordered.len();
        ordered.extend(same);
        ordered[start..].sort_by_key(|operation| &operation.path);
    }
    ordered
}

/// Before every operation, in the midst of those that have one, and after the last.
fn failpoints(reference: &Reference) -> Vec<Failpoint> {
    let mut failpoints = Vec::new();
    for (operation, what) in reference.operations.iter().enumerate() {
        failpoints.push(Failpoint { operation, progress: Progress::NotBegun });
        if what.is_divisible {
            failpoints.push(Failpoint { operation, progress: Progress::Half });
        }
    }
    let operation = reference.operations.len() - 1;
    failpoints.push(Failpoint { operation, progress: Progress::Done });
    failpoints
}

/// Kills a process.
fn check(
    bench: &Bench,
    reference: &Reference,
    failpoint: Failpoint,
    then: Then,
    random: &mut SmallRng,
    count: &mut Count,
) -> Result<()> {
    let name = format!("killed at {}, then {then:?}", described(reference, failpoint));
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
                        progress: match random.random() {
                            true => Progress::NotBegun,
                            false => Progress::Half,
                        },
                    });
                    match task.run()? {
                        Ending::Killed => count.again += 1,
                        // One that resumes has less to do, and may have come to its end.
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

/// Kills a process in the midst of the blocks or right after it has published, and then the one that takes over,
/// or cleans up, at every point.
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

/// Kills the process that follows one at every point until it comes to its end; returns how often.
fn sweep(
    bench: &Bench,
    reference: &Reference,
    first: Option<Failpoint>,
    action: Action,
) -> Result<usize> {
    let mut n_kills = 0;
    for operation in 0..1000 {
        let mut has_ended = false;
        // In the midst is at the end where there is no midst.
        for progress in [Progress::NotBegun, Progress::Half] {
            let failpoint = Failpoint { operation, progress };
            let first_point =
                first.map_or("nothing".to_owned(), |first| described(reference, first));
            let name = format!("killed at {first_point}, then {action:?} with {failpoint:?}");
            has_ended = Trial::run(bench, reference, &name, |trial| {
                if let Some(first) = first {
                    trial.kill(first)?;
                }
                match action {
                    Action::Write => {}
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
    bail!("{action:?} has no end")
}

impl Trial<'_> {
    /// Kills a process at a point that it comes to, and checks what it leaves.
    fn kill(&mut self, failpoint: Failpoint) -> Result<()> {
        let mut task = self.next_task();
        task.failpoint = Some(failpoint);
        let ending = task.run()?;
        ensure!(matches!(ending, Ending::Killed), "the process was not killed: {ending:?}");
        self.end_early(&task).map(drop)
    }
}

/// A point of an uninterrupted write, in words.
fn described(reference: &Reference, failpoint: Failpoint) -> String {
    let operation = &reference.operations[failpoint.operation];
    format!("{failpoint:?}, {} {}", operation.name, operation.path.display())
}

fn crc(text: &str) -> u64 {
    crc32c::crc32c(text.as_bytes()).into()
}

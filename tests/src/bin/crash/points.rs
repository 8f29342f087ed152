//! Processes that kill themselves, at every point in turn.

use anyhow::{Result, ensure};
use lazy_tests::{Failpoint, Progress};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::bench::{Bench, Reference};
use crate::process::Ending;
use crate::trial::Trial;

/// What was tried.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    /// The points at which a process was killed.
    pub(crate) points: usize,
    /// How often one that went on was killed again.
    pub(crate) again: usize,
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
    for failpoint in failpoints(reference, &mut random) {
        let then = match random.random_range(0..6) {
            0 => Then::KillAgain,
            1 => Then::Remove,
            _ => Then::Run,
        };
        let is_old_aside = check(bench, reference, failpoint, then, &mut random, &mut count)?;
        if is_old_aside && then != Then::Remove {
            check(bench, reference, failpoint, Then::Remove, &mut random, &mut count)?;
        }
    }
    // Those were all.
    let operation = reference.operations.len();
    let failpoint = Failpoint { operation, progress: Progress::NotBegun };
    Trial::run(bench, reference, "the point after the last one", |trial| {
        let mut task = trial.next_task();
        task.failpoint = Some(failpoint);
        let report = task.succeed()?;
        ensure!(report.operations == reference.operations, "the operations differ");
        Ok(())
    })?;
    Ok(count)
}

/// Before every operation, in the midst of those that have one, and after the last.
fn failpoints(reference: &Reference, random: &mut SmallRng) -> Vec<Failpoint> {
    let mut failpoints = Vec::new();
    for (operation, what) in reference.operations.iter().enumerate() {
        failpoints.push(Failpoint { operation, progress: Progress::NotBegun });
        // What may be left of a directory varies most.
        let n_halves = match what.name.as_str() {
            "remove directory" => 6,
            _ => usize::from(what.is_divisible),
        };
        failpoints.extend((0..n_halves).map(|_| {
            let progress = Progress::Half { seed: random.random() };
            Failpoint { operation, progress }
        }));
    }
    let operation = reference.operations.len() - 1;
    failpoints.push(Failpoint { operation, progress: Progress::Done });
    failpoints
}

/// Kills a process; returns whether the old array is aside then.
fn check(
    bench: &Bench,
    reference: &Reference,
    failpoint: Failpoint,
    then: Then,
    random: &mut SmallRng,
    count: &mut Count,
) -> Result<bool> {
    let operation = &reference.operations[failpoint.operation];
    let name = format!(
        "killed at {failpoint:?}, {} {}, then {then:?}",
        operation.name,
        operation.path.display()
    );
    Trial::run(bench, reference, &name, |trial| {
        let mut task = trial.next_task();
        task.failpoint = Some(failpoint);
        let ending = task.run()?;
        ensure!(matches!(ending, Ending::Killed), "the process was not killed: {ending:?}");
        count.points += 1;
        let (found, left) = trial.end_early(&task)?;
        match then {
            Then::Run => {}
            Then::Remove => trial.remove_what_is_left(found)?,
            Then::KillAgain => {
                for _ in 0..3 {
                    let mut task = trial.next_task();
                    task.failpoint = Some(Failpoint {
                        operation: random.random_range(0..trial.n_operations()),
                        progress: match random.random() {
                            true => Progress::NotBegun,
                            false => Progress::Half { seed: random.random() },
                        },
                    });
                    match task.run()? {
                        Ending::Killed => count.again += 1,
                        // One that goes on has less to do, and may have come to its end.
                        Ending::Reported(report) => {
                            let failure = report.outcome.err();
                            ensure!(failure.is_none(), "the run after it fails: {failure:?}");
                        }
                    }
                    trial.end_early(&task)?;
                }
            }
        }
        trial.finish()?;
        Ok(left.is_old_aside)
    })
}

fn crc(text: &str) -> u64 {
    crc32c::crc32c(text.as_bytes()).into()
}

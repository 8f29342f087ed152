//! Workers that are killed one after the other, at every point in turn.

use anyhow::{Result, ensure};
use lazy_tests::{Failpoint, Progress};
use rand::Rng;

use super::reference::{Reference, random};
use super::trial::Trial;
use super::worker::Worker;
use crate::bench::Bench;
use crate::points::described;

/// The step after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Another worker completes the array.
    Work,
    /// The next worker is killed as well, and a third one completes the array.
    KillAgain,
    /// The plan is removed, and a worker starts anew.
    Remove,
}

/// Kills a worker at a point, and lets others complete the array. Returns the number of kills of
/// workers that took over.
pub(super) fn run(bench: &Bench, reference: &Reference, failpoint: Failpoint) -> Result<usize> {
    let name = format!("killed at {}", described(&reference.operations, failpoint));
    let mut random = random(bench, reference, failpoint);
    let then = match random.random_range(0..6) {
        0..3 => Then::KillAgain,
        3 => Then::Remove,
        _ => Then::Work,
    };
    Trial::run(bench, reference, &format!("{name}, then {then:?}"), |trial| {
        let mut first = trial.next_task(Worker::ALONE);
        first.failpoint = Some(failpoint);
        ensure!(trial.run_alone(&first)?, "the worker was not killed");
        let mut n_again = 0;
        match then {
            Then::Work => {}
            Then::Remove => trial.remove()?,
            Then::KillAgain => {
                let mut second = trial.next_task(Worker::ALONE);
                second.failpoint = Some(Failpoint {
                    operation: random.random_range(0..reference.operations.len()),
                    progress: if random.random() { Progress::NotBegun } else { Progress::Half },
                });
                // A worker that takes over has fewer operations, and may have ended before.
                n_again = usize::from(trial.run_alone(&second)?);
            }
        }
        trial.finish()?;
        Ok(n_again)
    })
}

//! Three workers at once, all of which are killed at random moments, from outside, until one has
//! published the array.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, bail};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::reference::Reference;
use super::trial::Trial;
use super::worker::{Host, REMAINING, Worker};
use crate::bench::Bench;
use crate::course::Course;
use crate::process::{Ending, ending};
use crate::program::computed;

const N_WORKERS: usize = 3;

/// Kills workers of a course in one round. Returns the number of kills.
pub(super) fn run(bench: &Bench, course: &Course, round: usize) -> Result<usize> {
    let reference = &Reference::new(bench, *course)?;
    let mut random = SmallRng::seed_from_u64(bench.seed.wrapping_add(round as u64));
    Trial::run(bench, reference, &format!("random kills, round {round}"), |trial| {
        let mut n_kills = 0;
        // The time before the kills only determines the progress of the workers.
        let mut longest = Duration::from_millis(10);
        while !trial.is_published() {
            let missing = trial.missing()?;
            let mut running = Vec::new();
            for index in 0..N_WORKERS {
                let waits = random.random();
                let worker = Worker { index, count: N_WORKERS, waits, host: Host::Common };
                let mut task = trial.next_task(worker);
                task.n_threads = random.random_range(1..4);
                task.block_time = Duration::from_micros(500);
                let delay = longest.mul_f64(random.random());
                running.push((delay, task.start()?, task.log));
            }
            running.sort_by_key(|(delay, ..)| *delay);
            let (mut waited, mut ended) = (Duration::ZERO, Vec::new());
            for (delay, mut child, log) in running {
                sleep(delay - waited);
                waited = delay;
                child.kill()?;
                ended.push((child, log));
            }
            for (child, log) in ended {
                match ending(child)? {
                    Ending::Killed => n_kills += 1,
                    Ending::Reported(report) => match &report.outcome {
                        Err(failure) if failure.kind == REMAINING => {}
                        _ => trial.check_statistics(&report)?,
                    },
                }
                let is_again = |block: &_| !missing.contains(block);
                let Some(again) = computed(&log).into_iter().find(is_again) else { continue };
                bail!("{again:?} was computed again, but only {missing:?} were missing");
            }
            trial.end()?;
            longest = longest.mul_f64(1.3);
        }
        trial.finish()?;
        Ok(n_kills)
    })
}

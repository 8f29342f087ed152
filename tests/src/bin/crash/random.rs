//! Processes that are killed at random moments, from outside.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::bench::{Bench, Reference};
use crate::course::Course;
use crate::process::Ending;
use crate::trial::Trial;

/// Returns the courses in which processes are killed, with large arrays, as varied as the number of
/// rounds allows.
pub(crate) fn courses(n_rounds: usize, seed: u64) -> Vec<Course> {
    let mut courses = Course::all();
    courses.shuffle(&mut SmallRng::seed_from_u64(seed));
    courses.truncate(n_rounds);
    courses.into_iter().map(|course| Course { is_large: true, ..course }).collect()
}

/// Kills processes of a course in one round, and lets the last one finish. Returns the number of
/// kills.
pub(crate) fn run(bench: &Bench, reference: &Reference, round: usize) -> Result<usize> {
    let mut random = SmallRng::seed_from_u64(bench.seed.wrapping_add(round as u64));
    Trial::run(bench, reference, &format!("random kills, round {round}"), |trial| {
        let mut n_kills = 0;
        // The time before the kill only determines the progress of the process.
        let mut longest = Duration::from_millis(80);
        for _ in 0..random.random_range(1..4) {
            let mut task = trial.next_task();
            task.n_threads = random.random_range(1..4);
            task.block_time = Duration::from_micros(500);
            let start = Instant::now();
            match task.run_for(longest.mul_f64(random.random()))? {
                Ending::Killed => n_kills += 1,
                Ending::Reported(report) => {
                    let failure = report.outcome.err();
                    ensure!(failure.is_none(), "the run fails: {failure:?}");
                    longest = start.elapsed();
                }
            }
            trial.end_early(&task)?;
        }
        trial.finish()?;
        Ok(n_kills)
    })
}

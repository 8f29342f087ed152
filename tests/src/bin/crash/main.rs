//! Writes that are killed, fail, or race: the target is always the old array or the new one.
//!
//! `crash check PYTHON ROUNDS SEED` runs all trials. PYTHON is an interpreter with zarr-python,
//! which reads the targets with `tests/python/crash.py`. Further arguments select the courses whose
//! names contain all of these words; those of appends contain `append`, and those of several workers
//! `workers`. `crash program TASK` and `crash append TASK` are the programs that are killed.

mod append;
mod array;
mod bench;
mod course;
mod found;
mod keys;
mod left;
mod permission;
mod points;
mod process;
mod producer;
mod program;
mod random;
mod reader;
mod rivals;
mod space;
mod state;
mod trial;
mod workers;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail};

use bench::{Bench, Reference};
use course::{Course, Place};

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [task, json] if task == "program" => program::run(json),
        [task, json] if task == "append" => append::program(json),
        [task, python, rounds, seed, words @ ..] if task == "check" => {
            check(Path::new(python), rounds.parse()?, seed.parse()?, words)
        }
        _ => bail!("usage: crash check PYTHON ROUNDS SEED [WORD...]"),
    }
}

/// With more rounds than this, all courses run. With fewer, each start and place is tried resumable
/// and streamed, and with and without shards, but not with every combination of the other settings.
const FEW_ROUNDS: usize = 100;

fn check(python: &Path, n_rounds: usize, seed: u64, words: &[String]) -> Result<()> {
    let start = Instant::now();
    println!("seed {seed}");
    let bench = Bench::new(python, seed)?;
    let mut courses = courses(n_rounds);
    courses.retain(|course| words.iter().all(|word| course.to_string().contains(word)));
    let references = on_all_cores(&courses, |course| bench.reference(*course))?;

    let mut counts = on_all_cores(&references, |reference| points::run(&bench, reference))?;
    let is_swept = |(i, _): &(usize, &Reference)| n_rounds > FEW_ROUNDS || i % SWEPT == 0;
    let swept: Vec<_> = references.iter().enumerate().filter(is_swept).collect();
    let after = on_all_cores(&swept, |(_, reference)| points::run_after(&bench, reference))?;
    for ((i, _), count) in swept.iter().zip(&after) {
        counts[*i].add(count);
    }
    println!("{:74} {:>12} {:>12} {:>12}", "course", "crash points", "killed again", "in cleaning");
    let mut all = points::Count::default();
    for (reference, count) in references.iter().zip(&counts) {
        let course = reference.course.to_string();
        println!("{course:74} {:12} {:12} {:12}", count.points, count.again, count.cleaning);
        all.add(count);
    }

    let mut appends = append::Course::all();
    appends.retain(|course| words.iter().all(|word| course.to_string().contains(word)));
    if n_rounds <= FEW_ROUNDS {
        // Every value of each setting, but not every combination.
        let mut i = 0;
        appends.retain(|_| {
            i += 1;
            i % 5 == 1 || !words.is_empty()
        });
    }
    let killed = on_all_cores(&appends, |course| append::run(&bench, course))?;
    let n_killed: usize = killed.iter().sum();
    println!("{n_killed} crash points in {} courses of an append", appends.len());

    workers::check(&bench, n_rounds, words)?;

    let large = on_all_cores(&random::courses(n_rounds, seed), |course| bench.reference(*course))?;
    let rounds: Vec<_> = (0..n_rounds).map(|round| (round, &large[round % large.len()])).collect();
    let kills = on_all_cores(&rounds, |(round, reference)| random::run(&bench, reference, *round))?;
    let n_kills: usize = kills.iter().sum();

    let plain: Vec<_> = references.iter().filter(|reference| is_plain(reference)).collect();
    let troubles = on_all_cores(&plain, |reference| producer::run(&bench, reference))?;
    let n_troubles: usize = troubles.iter().sum();
    println!("{n_troubles} producers failed, panicked or were stopped");
    let n_full = count(on_all_cores(&plain, |reference| space::run(&bench, reference))?);
    match n_full {
        Some(n_full) => println!("{n_full} devices were full"),
        None => println!("skipped: a full device, since no device can be mounted"),
    }
    let n_withdrawn = count(on_all_cores(&plain, |reference| permission::run(&bench, reference))?);
    match n_withdrawn {
        Some(n_withdrawn) => println!("permission was withdrawn {n_withdrawn} times"),
        None => {
            println!("skipped: withdrawn permission, since permissions bind no user here");
        }
    }

    let races: Vec<_> = (0..n_rounds).zip(references.iter().cycle()).collect();
    let wins = on_all_cores(&races, |(round, reference)| rivals::race(&bench, reference, *round))?;
    let n_wins: usize = wins.iter().sum();
    let taken = on_all_cores(&races, |(round, reference)| {
        rivals::race_to_take_over(&bench, reference, *round)
    })?;
    let n_taken: usize = taken.iter().sum();
    println!("{} races for a target, which {n_wins} processes wrote", races.len());
    println!("{} races for a killed process's remains; {n_taken} processes wrote", races.len());
    let mut n_held = 0;
    for reference in &plain {
        for first in rivals::unusual_points(reference) {
            rivals::hold(&bench, reference, first)?;
            n_held += 1;
        }
        rivals::remove_meanwhile(&bench, reference)?;
    }
    println!("{n_held} processes were writing, and {} while others cleaned up", plain.len());
    println!(
        "{} crash points, {} kills of processes that took over, {} of those that cleaned up, \
         {n_kills} at random moments: the target was always the old array or the new one ({} s)",
        all.points,
        all.again,
        all.cleaning,
        start.elapsed().as_secs()
    );
    Ok(())
}

/// With few rounds, the process that takes over is killed at every point in only one of this many
/// courses. The number is coprime to the numbers of settings.
const SWEPT: usize = 7;

/// Returns the courses in which a process is killed at every point.
fn courses(n_rounds: usize) -> Vec<Course> {
    // Two courses for each start and place, with no setting in common.
    let is_chosen = |(i, course): &(usize, &Course)| {
        let scenario = i / Course::N_SETTINGS;
        let has_flush = course.flush as usize == (scenario + usize::from(course.is_sharded)) % 3;
        let is_pair = (course.is_resumable == course.is_sharded) == scenario.is_multiple_of(2);
        n_rounds > FEW_ROUNDS || (has_flush && is_pair)
    };
    let all = Course::all();
    all.iter().enumerate().filter(is_chosen).map(|(_, course)| *course).collect()
}

/// Returns true if a course represents all others in trials that do not depend on the place and on
/// shards.
fn is_plain(reference: &Reference) -> bool {
    let course = reference.course;
    course.place == Place::Bare && !course.is_sharded
}

/// Returns the sum of the counts, or `None` if one of the trials could not run.
fn count(counts: Vec<Option<usize>>) -> Option<usize> {
    counts.into_iter().sum()
}

/// Calls a function with each item, on one thread per core. The first failure stops all threads.
fn on_all_cores<I: Sync, T: Send>(
    items: &[I],
    run: impl Fn(&I) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<T>>>> = Mutex::new(items.iter().map(|_| None).collect());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(i) else { return };
                    let result = run(item);
                    if result.is_err() {
                        next.store(items.len(), Ordering::Relaxed);
                    }
                    results.lock().expect("no thread panics with the lock")[i] = Some(result);
                }
            });
        }
    });
    let results = results.into_inner().expect("no thread panicked");
    // Results are missing only after a failure.
    results.into_iter().flatten().collect()
}

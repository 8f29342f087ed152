//! Writes that are killed, fail, and race: the target is the old array or the new one.
//!
//! `crash check PYTHON ROUNDS SEED` runs all; PYTHON is an interpreter that has zarr-python, which reads
//! what is found by `tests/python/crash.py`. `crash program TASK` is the program that is killed.

mod array;
mod bench;
mod course;
mod found;
mod left;
mod permission;
mod points;
mod process;
mod producer;
mod program;
mod random;
mod rivals;
mod space;
mod trial;

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
        [task, python, rounds, seed] if task == "check" => {
            check(Path::new(python), rounds.parse()?, seed.parse()?)
        }
        _ => bail!("usage: crash check PYTHON ROUNDS SEED"),
    }
}

/// With more rounds than this, the courses are all there are; else every setting meets every start and
/// place, but not every other setting.
const FEW_ROUNDS: usize = 100;

fn check(python: &Path, n_rounds: usize, seed: u64) -> Result<()> {
    let start = Instant::now();
    println!("seed {seed}");
    let bench = Bench::new(python, seed)?;
    let is_chosen =
        |course: &Course| n_rounds > FEW_ROUNDS || course.is_sharded != course.is_durable;
    let courses: Vec<_> = Course::all().into_iter().filter(is_chosen).collect();
    let references = on_all_cores(&courses, |course| bench.reference(*course))?;

    let counts = on_all_cores(&references, |reference| points::run(&bench, reference))?;
    println!("{:54} {:>12} {:>12}", "course", "crash points", "killed again");
    for (reference, count) in references.iter().zip(&counts) {
        println!("{:54} {:12} {:12}", reference.course.to_string(), count.points, count.again);
    }
    let n_points: usize = counts.iter().map(|count| count.points).sum();
    let n_again: usize = counts.iter().map(|count| count.again).sum();

    let large = on_all_cores(&random::courses(), |course| bench.reference(*course))?;
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
        None => println!("skipped: a full device, since none can be mounted"),
    }
    let n_withdrawn = count(on_all_cores(&plain, |reference| permission::run(&bench, reference))?);
    match n_withdrawn {
        Some(n_withdrawn) => println!("{n_withdrawn} times, permission was withdrawn"),
        None => println!("skipped: permission that is withdrawn, since it binds nobody here"),
    }

    let races: Vec<_> = (0..n_rounds.div_ceil(3)).zip(references.iter().cycle()).collect();
    let wins = on_all_cores(&races, |(round, reference)| rivals::race(&bench, reference, *round))?;
    let n_wins: usize = wins.iter().sum();
    for reference in &plain {
        rivals::hold(&bench, reference)?;
        rivals::remove_meanwhile(&bench, reference)?;
    }
    println!(
        "{} races for a target, in which {n_wins} processes got it, and {} that held it",
        races.len(),
        2 * plain.len()
    );
    println!(
        "{n_points} crash points, {n_again} kills of processes that went on, {n_kills} at random \
         moments: the target was always the old array or the new one ({} s)",
        start.elapsed().as_secs()
    );
    Ok(())
}

/// Whether a course stands for others where it makes no difference which it is.
fn is_plain(reference: &Reference) -> bool {
    let course = reference.course;
    course.place == Place::Bare && !course.is_sharded
}

/// How often something happened, unless it could not.
fn count(counts: Vec<Option<usize>>) -> Option<usize> {
    counts.into_iter().sum()
}

/// Does something with all items, on as many threads as there are cores. The first failure ends it.
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
                    results.lock().expect("nothing panics while it is locked")[i] = Some(result);
                }
            });
        }
    });
    let results = results.into_inner().expect("nothing panicked");
    // Those that were not begun are missing only when one failed.
    results.into_iter().flatten().collect()
}

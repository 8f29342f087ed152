//! Several processes that write one target at the same time.

use std::process::Child;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lazy_chunks::zarr::{Superseded, UnfinishedWrite, WriteState};
use lazy_tests::is_locked;
use lazy_tests::{Failpoint, Progress};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::array::NEW;
use crate::bench::{Bench, Reference};
use crate::found::Found;
use crate::left::staging;
use crate::process::{Ending, ending};
use crate::program::{Action, Failure, Trouble, computed};
use crate::trial::Trial;

/// The number of processes that write at the same time.
const N_RIVALS: usize = 4;
/// The time that a block takes: in one race, other processes wait until the write has ended; in the
/// other, they give up.
const BLOCK_TIMES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(60)];
/// Longer than a process waits for a staging directory without a lock.
const LONGEST_PAUSE: Duration = Duration::from_millis(150);

/// Lets processes race for a target. Some write it, one after the other, and the others report
/// which process does.
pub(crate) fn race(bench: &Bench, reference: &Reference, round: usize) -> Result<usize> {
    let mut random = random(bench, round);
    Trial::run(bench, reference, &format!("race {round}"), |trial| {
        let block_time = BLOCK_TIMES[round % 2];
        let n_wins = trial.race(bench, |rival| NEW + rival as u64, block_time, &mut random)?;
        ensure!(n_wins > 0, "no process wrote the target");
        // Two more writes remove the versions of the rivals.
        trial.finish_twice()?;
        Ok(n_wins)
    })
}

/// Lets processes race to take over, or clean up, the remains of a killed process.
pub(crate) fn race_to_take_over(
    bench: &Bench,
    reference: &Reference,
    round: usize,
) -> Result<usize> {
    let mut random = random(bench, round);
    Trial::run(bench, reference, &format!("race {round} to take over"), |trial| {
        let mut task = trial.next_task();
        task.failpoint = Some(Failpoint {
            operation: random.random_range(0..trial.n_operations()),
            progress: Progress::NotBegun,
        });
        ensure!(matches!(task.run()?, Ending::Killed), "the process was not killed");
        trial.end_early(&task)?;
        let mut cleaner = trial.next_task();
        cleaner.action =
            if random.random() { Action::RemoveUnfinished } else { Action::RemoveSuperseded };
        cleaner.pause = pause(trial.n_operations(), &mut random);
        let cleaner = cleaner.start()?;
        // All of them write one version, which any of them may resume.
        let n_wins = trial.race(bench, |_| NEW, BLOCK_TIMES[round % 2], &mut random);
        let Ending::Reported(report) = ending(cleaner)? else { bail!("the cleaner was killed") };
        if let Err(failure) = report.outcome {
            // An interrupted write may have run in between, or still be there.
            let is_told = is_refused(&failure) || failure.kind == "Unfinished";
            ensure!(is_told, "cleaning up fails: {failure:?}");
        }
        let n_wins = n_wins?;
        trial.finish_twice()?;
        Ok(n_wins)
    })
}

fn random(bench: &Bench, round: usize) -> SmallRng {
    SmallRng::seed_from_u64(bench.seed.wrapping_add(round as u64))
}

/// Returns the operation before which a process pauses, and the length of the pause. Most often it
/// pauses while it takes the target, when other processes may consider it crashed.
fn pause(n_operations: usize, random: &mut SmallRng) -> Option<(usize, Duration)> {
    let operation = match random.random_range(0..4) {
        0 => return None,
        1 => random.random_range(0..n_operations),
        _ => random.random_range(0..8),
    };
    Some((operation, LONGEST_PAUSE.mul_f64(random.random())))
}

/// Checks that a running process is named in errors and left alone, whatever other processes do,
/// and that it leaves no stale lock if it is killed. The same must hold after it took over from a
/// process that was killed at some point.
pub(crate) fn hold(bench: &Bench, reference: &Reference, first: Option<usize>) -> Result<()> {
    let name = format!("a running process, after a kill at {first:?}");
    Trial::run(bench, reference, &name, |trial| {
        if let Some(operation) = first {
            let mut task = trial.next_task();
            task.failpoint = Some(Failpoint { operation, progress: Progress::NotBegun });
            ensure!(matches!(task.run()?, Ending::Killed), "the process was not killed");
            trial.end_early(&task)?;
        }
        let mut task = trial.next_task();
        // A resumed write may have few blocks to compute.
        let at = if first.is_none() { 4 } else { 0 };
        task.trouble = Some((Trouble::Wait, at));
        let mut holder = task.start()?;
        while computed(&task.log).len() <= at {
            ensure!(holder.try_wait()?.is_none(), "the process does not wait");
            thread::sleep(Duration::from_millis(1));
        }
        let result = trial.with_holder(&format!("process {} on ", holder.id()));
        holder.kill()?;
        let ending = ending(holder)?;
        result?;
        ensure!(matches!(ending, Ending::Killed), "{ending:?}");
        trial.end_early(&task)?;
        trial.finish()
    })
}

/// Returns operations to kill a process at which leave unusual remains: a staging directory without
/// a process's name, or without a lock.
pub(crate) fn unusual_points(reference: &Reference) -> Vec<Option<usize>> {
    let written = |name: &str| {
        let is_written = |operation: &lazy_tests::Operation| {
            operation.name == "write" && operation.path.ends_with(name)
        };
        reference.operations.iter().position(is_written)
    };
    let in_midst = reference.operations.len() / 3;
    let points = [written(".lazy.1/holder"), written(".lazy.1/lock"), Some(in_midst)];
    [None].into_iter().chain(points.into_iter().flatten().map(Some)).collect()
}

impl Trial<'_> {
    /// Lets processes write versions at the same time. Returns the number that succeeded.
    fn race(
        &mut self,
        bench: &Bench,
        version: impl Fn(usize) -> u64,
        block_time: Duration,
        random: &mut SmallRng,
    ) -> Result<usize> {
        let mut rivals: Vec<(u64, Child)> = Vec::new();
        for rival in 0..N_RIVALS {
            let mut task = self.next_task();
            task.version = version(rival);
            task.block_time = block_time;
            task.pause = pause(self.n_operations(), random);
            rivals.push((task.version, task.start()?));
        }
        let mut published = Vec::new();
        for (version, rival) in rivals {
            let Ending::Reported(report) = ending(rival)? else { bail!("a rival was killed") };
            match report.outcome {
                Ok(_) => published.push(Found::Version(version)),
                Err(failure) => ensure!(is_refused(&failure), "{failure:?}"),
            }
        }
        let found = bench.found(self.course(), &self.directory())?;
        if !published.is_empty() {
            let is_known = published.contains(&found);
            ensure!(is_known, "{found:?} is at the target, but {published:?} wrote");
            ensure!(staging(&self.array())?.is_none(), "a staging directory is left");
        }
        self.set_published(published.len())?;
        Ok(published.len())
    }

    /// Writes the array twice more, after which only those two versions remain.
    fn finish_twice(&mut self) -> Result<()> {
        for _ in 0..2 {
            let report = self.next_task().succeed()?;
            ensure!(report.outcome.is_ok(), "the next run fails");
            self.set_published(1)?;
        }
        self.set_all_missing();
        self.finish()
    }

    /// Checks other processes while a process with this name is running.
    fn with_holder(&mut self, name: &str) -> Result<()> {
        let report = self.next_task().report()?;
        let failure = report.outcome.err().context("two processes write at the same time")?;
        ensure!(failure.kind == "InUse" && failure.message.contains(name), "{failure:?}");
        let target = self.array();
        for _ in 0..50 {
            let [unfinished] = &UnfinishedWrite::list(&target)?[..] else {
                bail!("the write is not listed")
            };
            match unfinished.state() {
                WriteState::Running { holder } if holder.starts_with(name) => {}
                state => bail!("the listed state is {state:?}"),
            }
            let superseded = Superseded::list(&target)?;
            ensure!(superseded.is_empty(), "{superseded:?} is listed while a process writes");
        }
        let unfinished = UnfinishedWrite::list(&target)?;
        match unfinished.into_iter().try_for_each(UnfinishedWrite::remove) {
            Err(error)
                if is_locked(&error)
                    && error.holder().is_some_and(|holder| holder.starts_with(name)) =>
            {
                Ok(())
            }
            removed => bail!("a running write was removed: {removed:?}"),
        }
    }
}

/// Returns true if a failure reports that another process is writing.
fn is_refused(failure: &Failure) -> bool {
    // A process that has just ended has removed its name.
    let is_named = failure.message.contains("is being written by process ")
        || failure.message.contains("is being written by another process");
    failure.kind == "InUse" && is_named
}

/// Lists and removes unfinished writes while a process is running.
pub(crate) fn remove_meanwhile(bench: &Bench, reference: &Reference) -> Result<usize> {
    Trial::run(bench, reference, "unfinished writes are removed during a write", |trial| {
        let mut task = trial.next_task();
        task.block_time = Duration::from_millis(1);
        let mut child = task.start()?;
        let target = trial.array();
        let mut n_tries = 0;
        while child.try_wait()?.is_none() {
            // Before the first block, it may not have taken its lock.
            if computed(&task.log).is_empty() {
                continue;
            }
            for unfinished in UnfinishedWrite::list(&target)? {
                n_tries += 1;
                match unfinished.remove() {
                    // The listed write may have ended meanwhile.
                    Ok(()) => {}
                    Err(error) if is_locked(&error) => {}
                    Err(error) => bail!("the write cannot be removed: {error}"),
                }
            }
        }
        let Ending::Reported(report) = ending(child)? else { bail!("the process was killed") };
        trial.check_success(&task, &report)?;
        trial.finish().map(|()| n_tries)
    })
}

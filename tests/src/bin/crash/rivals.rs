//! Several processes that write one target at once.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lazy_chunks::zarr::{Error, UnfinishedWrite, WriteState};

use crate::bench::{Bench, Reference};
use crate::found::Found;
use crate::left::staging;
use crate::process::{Ending, ending};
use crate::program::{Trouble, computed};
use crate::trial::Trial;

/// How many processes write at once.
const N_RIVALS: u64 = 4;

/// Lets processes race for a target: some get it, each for itself, and the others say who has it.
pub(crate) fn race(bench: &Bench, reference: &Reference, round: usize) -> Result<usize> {
    Trial::run(bench, reference, &format!("race {round}"), |trial| {
        let mut rivals = Vec::new();
        for version in (2..).take(N_RIVALS as usize) {
            let mut task = trial.next_task();
            task.version = version;
            task.block_time = Duration::from_millis(2);
            rivals.push((version, task.start()?));
        }
        let processes: Vec<_> = rivals.iter().map(|(_, rival)| rival.id()).collect();
        let mut published = Vec::new();
        for (version, rival) in rivals {
            let Ending::Reported(report) = ending(rival)? else { bail!("it was killed") };
            match report.outcome {
                Ok(_) => published.push(Found::Version(version)),
                Err(failure) => {
                    let is_named = |process: &u32| {
                        failure
                            .message
                            .contains(&format!("is being written by process {process} on "))
                    };
                    // One that had just ended has taken its name with it.
                    let is_told = processes.iter().any(is_named)
                        || failure.message.contains("is being written by another process");
                    ensure!(failure.kind == "Locked" && is_told, "{failure:?}");
                }
            }
        }
        let found = bench.found(trial.course(), &trial.directory())?;
        ensure!(published.contains(&found), "{found:?} is at the target, but {published:?} wrote");
        ensure!(staging(&trial.directory())?.is_none(), "something is left");
        trial.finish().map(|()| published.len())
    })
}

/// A process that is at work is named and left alone, whatever others do; when it is killed, it is in nobody's
/// way.
pub(crate) fn hold(bench: &Bench, reference: &Reference) -> Result<()> {
    Trial::run(bench, reference, "a process that holds the target", |trial| {
        let mut task = trial.next_task();
        task.trouble = Some((Trouble::Wait, 4));
        let mut holder = task.start()?;
        while computed(&task.log).len() < 5 {
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

impl Trial<'_> {
    /// What others do while a process of this name is at work.
    fn with_holder(&mut self, name: &str) -> Result<()> {
        let report = self.next_task().report()?;
        let failure = report.outcome.err().context("two processes write at once")?;
        ensure!(failure.kind == "Locked" && failure.message.contains(name), "{failure:?}");
        let target = self.directory().join(self.course().path());
        for _ in 0..50 {
            let [unfinished] = &UnfinishedWrite::list(&target)?[..] else {
                bail!("it is not listed")
            };
            match unfinished.state() {
                WriteState::Running { holder } if holder.starts_with(name) => {}
                state => bail!("its state is {state:?}"),
            }
            match unfinished.clone().remove() {
                Err(Error::Locked { holder, .. }) if holder.starts_with(name) => {}
                removed => bail!("it is removed while it runs: {removed:?}"),
            }
        }
        Ok(())
    }
}

/// Somebody lists and removes all the while that a process is at work.
pub(crate) fn remove_meanwhile(bench: &Bench, reference: &Reference) -> Result<usize> {
    Trial::run(bench, reference, "what is unfinished is removed meanwhile", |trial| {
        let mut task = trial.next_task();
        task.block_time = Duration::from_millis(1);
        let mut child = task.start()?;
        let target = trial.directory().join(trial.course().path());
        let mut n_tries = 0;
        while child.try_wait()?.is_none() {
            // Before the first block, it may not have taken its lock.
            if computed(&task.log).is_empty() {
                continue;
            }
            for unfinished in UnfinishedWrite::list(&target)? {
                n_tries += 1;
                match unfinished.remove() {
                    // What was there is gone meanwhile.
                    Ok(()) | Err(Error::Locked { .. }) => {}
                    Err(error) => bail!("it cannot be removed: {error}"),
                }
            }
        }
        let Ending::Reported(report) = ending(child)? else { bail!("it was killed") };
        ensure!(report.outcome.is_ok(), "it failed: {:?}", report.outcome);
        ensure!(bench.found(trial.course(), &trial.directory())? == Found::NEW, "it is not whole");
        trial.finish().map(|()| n_tries)
    })
}

//! Two workers at once, one of which is killed: the other one completes the array.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use lazy_tests::Failpoint;
use rand::Rng;

use super::reference::{Reference, random};
use super::trial::Trial;
use super::worker::{Host, Worker, parts};
use crate::bench::Bench;
use crate::points::described;
use crate::process::{Ending, ending};
use crate::program::computed;

/// Runs two workers, and kills one at a point. Returns false if it has ended before, since the
/// other one has computed much.
pub(super) fn run(bench: &Bench, reference: &Reference, failpoint: Failpoint) -> Result<bool> {
    let name = format!("a pair, {}", described(&reference.operations, failpoint));
    let killed_index = random(bench, reference, failpoint).random_range(0..2);
    Trial::run(bench, reference, &format!("{name}, worker {killed_index}"), |trial| {
        let tasks = [0, 1].map(|index| {
            let mut task =
                trial.next_task(Worker { index, count: 2, waits: true, host: Host::Common });
            // So that both compute at the same time.
            task.block_time = Duration::from_millis(1);
            task.failpoint = (index == killed_index).then_some(failpoint);
            task
        });
        let children = [tasks[0].start()?, tasks[1].start()?];
        let mut was_killed = false;
        for (index, child) in children.into_iter().enumerate() {
            match ending(child)? {
                Ending::Killed if index == killed_index => was_killed = true,
                Ending::Killed => bail!("worker {index} was killed unexpectedly"),
                Ending::Reported(report) => trial.check_statistics(&report)?,
            }
        }
        trial.look()?;
        ensure!(trial.is_published(), "nothing was published");

        let logs = [0, 1].map(|index| computed(&tasks[index].log));
        let parts = parts(&reference.course.grid());
        let part_of = |band: usize| parts.iter().position(|part| part.bands().contains(&band));
        // The killed worker may have left the last part that it computed.
        let left =
            logs[killed_index].last().filter(|_| was_killed).and_then(|last| part_of(last.0));
        let mut counts = BTreeMap::new();
        for block in logs.iter().flatten() {
            *counts.entry(*block).or_insert(0) += 1;
        }
        for block in reference.course.grid().blocks() {
            let count = counts.remove(&block).unwrap_or(0);
            let most = if left.is_some() && part_of(block.0) == left { 2 } else { 1 };
            ensure!((1..=most).contains(&count), "{block:?} was computed {count} times: {logs:?}");
        }
        trial.finish()?;
        Ok(was_killed)
    })
}

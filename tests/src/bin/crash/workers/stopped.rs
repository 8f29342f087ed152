//! Workers that are stopped and taken for crashed, and that continue when another worker has taken
//! over and finished: they change nothing any more, and find that the array is there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::reference::Reference;
use super::trial::{Trial, is_finished_before};
use super::worker::{Host, Worker};
use crate::bench::Bench;
use crate::left::is_staging;
use crate::process::{Ending, ending, stops};
use crate::program::Report;
use crate::state::Files;

/// Stops a worker before every `step`th operation in turn, from the first one on. Returns the
/// number of stops.
pub(super) fn run(
    bench: &Bench,
    reference: &Reference,
    first: usize,
    step: usize,
) -> Result<usize> {
    for (n_stops, operation) in (first..).step_by(step).enumerate() {
        if !run_at(bench, reference, operation)? {
            return Ok(n_stops);
        }
    }
    bail!("the worker does not end")
}

/// Stops a worker before an operation until another one has finished, where no lock tells that the
/// first one is still running. Returns false if it has fewer operations.
fn run_at(bench: &Bench, reference: &Reference, operation: usize) -> Result<bool> {
    Trial::run(bench, reference, &format!("stopped before operation {operation}"), |trial| {
        let mut first = trial.next_task(Worker { host: Host::First, ..Worker::ALONE });
        first.stop = Some(operation);
        let mut child = first.start()?;
        let stop = stops(&child).and_then(|is_stopped| {
            if !is_stopped {
                return Ok(None);
            }
            let stop = trial.take_over()?;
            kill_process(Pid::from_child(&child), Signal::CONT)?;
            Ok(Some(stop))
        });
        if stop.is_err() {
            // A stopped process does not end by itself.
            child.kill()?;
        }
        let ending = ending(child);
        let (stop, Ending::Reported(report)) = (stop?, ending?) else {
            bail!("the worker was killed");
        };
        match &stop {
            Some(stop) => trial.check_continued(&report, stop)?,
            None => trial.check_statistics(&report)?,
        }
        trial.look()?;
        trial.finish()?;
        Ok(stop.is_some())
    })
}

/// A worker that was stopped while another one took over.
struct Stop {
    /// True if the worker had published the array before.
    was_published: bool,
    /// The files when the other one had finished.
    files: Files,
}

impl Trial<'_> {
    /// Lets a worker take over from one that is stopped.
    fn take_over(&mut self) -> Result<Stop> {
        self.look()?;
        let was_published = self.is_published();
        let second = self.next_task(Worker { host: Host::Second, ..Worker::ALONE });
        let report = second.succeed().context("the worker that takes over")?;
        self.check_statistics(&report)?;
        self.look()?;
        ensure!(self.is_published(), "the worker that took over has published nothing");
        Ok(Stop { was_published, files: self.files()? })
    }

    /// Checks a worker that was stopped, and that has continued and ended.
    fn check_continued(&self, report: &Report, stop: &Stop) -> Result<()> {
        self.check_statistics(report).context("the worker that was stopped")?;
        let is_right = stop.was_published || is_finished_before(report);
        ensure!(is_right, "the worker that was stopped publishes as well");
        let (before, after) = (&stop.files, self.files()?);
        let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let is_changed = |path: &&&PathBuf| {
            // A worker that has published the array removes what it no longer needs.
            let is_own = stop.was_published && path.iter().any(|name| is_staging(name.as_ref()));
            before.get(**path) != after.get(**path) && !is_own
        };
        let changed: Vec<_> = paths.iter().filter(is_changed).collect();
        ensure!(changed.is_empty(), "the worker that was stopped has changed {changed:?}");
        Ok(())
    }
}

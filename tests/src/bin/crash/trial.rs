//! One write that ends early, perhaps several times, and is brought to its end.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lazy_chunks::zarr::UnfinishedWrite;

use crate::array::NEW;
use crate::bench::{Bench, Reference, files};
use crate::course::Course;
use crate::found::Found;
use crate::left::Left;
use crate::program::{Task, computed};

/// One write that ends early, perhaps several times, and is brought to its end.
///
/// Whatever ends a run, what it leaves is checked by [`end_early`](Self::end_early), and the last run by
/// [`finish`](Self::finish).
pub(crate) struct Trial<'b> {
    bench: &'b Bench,
    reference: &'b Reference,
    home: PathBuf,
    n_runs: usize,
    /// Whether the new array has been at the target, which tells nothing of a later run.
    was_published: bool,
    /// The blocks that the next run has to compute.
    missing: Vec<(usize, usize)>,
    /// What was done, and found, for when something is wrong.
    history: String,
}

impl<'b> Trial<'b> {
    /// Runs a trial in a directory of its own, which is kept when anything is not as it should be.
    pub(crate) fn run<T>(
        bench: &'b Bench,
        reference: &'b Reference,
        name: &str,
        run: impl FnOnce(&mut Trial<'b>) -> Result<T>,
    ) -> Result<T> {
        let home = bench.home()?;
        Trial::run_in(bench, reference, home.clone(), name, run).inspect(|_| {
            // What is left of it would only fill the memory.
            let _ = fs::remove_dir_all(home);
        })
    }

    /// The same, in a directory that somebody else removes.
    pub(crate) fn run_in<T>(
        bench: &'b Bench,
        reference: &'b Reference,
        home: PathBuf,
        name: &str,
        run: impl FnOnce(&mut Trial<'b>) -> Result<T>,
    ) -> Result<T> {
        let missing = reference.course.grid().blocks().collect();
        let mut trial = Trial {
            bench,
            reference,
            home,
            n_runs: 0,
            was_published: false,
            missing,
            history: String::new(),
        };
        let result = reference.set_up(&trial.directory()).and_then(|()| run(&mut trial));
        result.with_context(|| {
            let kept = match bench.keep(&trial.home) {
                Ok(kept) => format!("what is left is in {}", kept.display()),
                Err(error) => format!("what is left could not be kept: {error}"),
            };
            let (course, seed, history) = (&reference.course, bench.seed, &trial.history);
            format!("{course}: {name}, seed {seed}: {kept}{history}")
        })
    }

    pub(crate) fn course(&self) -> &'b Course {
        &self.reference.course
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The next run, which nothing befalls.
    pub(crate) fn next_task(&mut self) -> Task {
        self.n_runs += 1;
        Task {
            course: self.reference.course,
            directory: self.directory(),
            log: self.home.join(format!("log-{}", self.n_runs)),
            version: NEW,
            n_threads: 1,
            failpoint: None,
            block_time: Duration::ZERO,
            trouble: None,
        }
    }

    /// Checks what a run that ended early leaves: the target is the old array or the new one; what is said
    /// of the rest fits; and it computed nothing again.
    pub(crate) fn end_early(&mut self, task: &Task) -> Result<(Found, Left)> {
        if let Some(failpoint) = &task.failpoint {
            write!(self.history, "\n  a process with {failpoint:?}")?;
        }
        self.check_computed(task, true)?;
        let course = self.course();
        let found = self.bench.found(course, &self.directory())?;
        let is_published = found == Found::NEW && !self.was_published;
        let left = Left::in_directory(course, &self.directory(), found, is_published)?;
        self.was_published |= is_published;
        write!(self.history, "\n  {found:?} is at the target, and {left:?}")?;
        match found {
            Found::Nothing | Found::OLD | Found::NEW => {}
            Found::Version(version) => bail!("there is a version {version}"),
        }
        self.missing = left.missing_blocks(course);
        Ok((found, left))
    }

    /// The blocks that a run computed are those that were missing; or, when it ended early, the first of
    /// them.
    fn check_computed(&self, task: &Task, ended_early: bool) -> Result<()> {
        let (computed, missing) = (computed(&task.log), &self.missing);
        let is_right = match ended_early {
            true => missing.starts_with(&computed),
            false => *missing == computed,
        };
        ensure!(is_right, "the blocks {computed:?} were computed, but {missing:?} were missing");
        Ok(())
    }

    /// Removes what is left, after which the target is what it was.
    pub(crate) fn remove_what_is_left(&mut self, before: Found) -> Result<()> {
        let target = self.directory().join(self.course().path());
        for unfinished in UnfinishedWrite::list(&target)? {
            unfinished.remove()?;
        }
        let left = UnfinishedWrite::list(&target)?;
        ensure!(left.is_empty(), "{left:?} is left after it was removed");
        let found = self.bench.found(self.course(), &self.directory())?;
        let is_as_it_was = match (before, self.course().before()) {
            (Found::Nothing, Some(version)) => found == Found::Version(version),
            _ => found == before,
        };
        ensure!(is_as_it_was, "{found:?} is at the target after what was left was removed");
        self.missing = self.course().grid().blocks().collect();
        Ok(())
    }

    /// Runs once more, with nothing in the way: the result is that of a write which nothing interrupted.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let task = self.next_task();
        let report = task.succeed().context("the run after it")?;
        self.check_computed(&task, false)?;
        let statistics = report.outcome.expect("it succeeded");
        ensure!(statistics == self.reference.statistics, "the statistics are {statistics}");
        ensure!(self.bench.found(self.course(), &self.directory())? == Found::NEW, "in the end");
        let files = files(&self.directory())?;
        if files != self.reference.files {
            let differs: Vec<_> = files
                .iter()
                .filter(|(path, bytes)| self.reference.files.get(*path) != Some(bytes))
                .map(|(path, _)| path)
                .chain(self.reference.files.keys().filter(|path| !files.contains_key(*path)))
                .collect();
            bail!("other files than those of an uninterrupted write: {differs:?}");
        }
        Ok(())
    }

    /// The name of the staging directory.
    pub(crate) fn staging_name(&self) -> String {
        let path = self.course().path();
        format!(".{}.staging", path.to_string_lossy().replace('/', "%2F"))
    }

    /// The operations that an uninterrupted write takes.
    pub(crate) fn n_operations(&self) -> usize {
        self.reference.operations.len()
    }
}

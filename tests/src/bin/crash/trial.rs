//! One write that is interrupted, perhaps several times, and then completed.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use lazy_chunks::zarr::{Superseded, UnfinishedWrite};

use crate::bench::{Bench, Reference};
use crate::course::{Course, Place};
use crate::found::Found;
use crate::keys::Keys;
use crate::left::{Left, is_staging, n_created, staging};
use crate::process::while_none_starts;
use crate::program::{Report, Task, computed};
use crate::reader::Reader;
use crate::state::{Files, files, without_replaced};

/// One write that is interrupted, perhaps several times, and then completed.
///
/// [`end_early`](Self::end_early) checks the remains of each interrupted run, and
/// [`finish`](Self::finish) runs and checks the last one.
pub(crate) struct Trial<'b> {
    bench: &'b Bench,
    reference: &'b Reference,
    home: PathBuf,
    n_runs: usize,
    /// The number of times that the new array was published.
    n_published: usize,
    /// The keys of the version at the target.
    keys: Option<Keys>,
    /// True if the chunks of the previous version may have been removed on request.
    is_old_removed: bool,
    /// True if chunks of all older versions may exist. The next write removes them.
    has_older: bool,
    /// The reader that has opened the old array.
    reader: Option<Reader<'b>>,
    /// The blocks that the next run has to compute.
    missing: Vec<(usize, usize)>,
    /// The actions and observations, for the message of a failure.
    history: String,
}

impl<'b> Trial<'b> {
    /// Runs a trial in its own directory, which is kept if the trial fails.
    pub(crate) fn run<T>(
        bench: &'b Bench,
        reference: &'b Reference,
        name: &str,
        run: impl FnOnce(&mut Trial<'b>) -> Result<T>,
    ) -> Result<T> {
        let home = bench.home()?;
        Trial::run_in(bench, reference, home.clone(), name, run).inspect(|_| {
            // The directory is in memory.
            let _ = fs::remove_dir_all(home);
        })
    }

    /// Runs a trial in a directory that the caller removes.
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
            n_published: 0,
            keys: None,
            is_old_removed: false,
            has_older: false,
            reader: None,
            missing,
            history: String::new(),
        };
        let result = trial.set_up().and_then(|()| run(&mut trial));
        result.with_context(|| {
            let kept = match bench.keep(&trial.home) {
                Ok(kept) => format!("its directory is kept in {}", kept.display()),
                Err(error) => format!("its directory could not be kept: {error}"),
            };
            let (course, seed, history) = (&reference.course, bench.seed, &trial.history);
            format!("{course}: {name}, seed {seed}: {kept}{history}")
        })
    }

    fn set_up(&mut self) -> Result<()> {
        self.reference.set_up(&self.directory())?;
        self.keys = Keys::of_present(&self.array())?;
        if self.course().before().is_some() {
            let (python, grid) = (self.bench.python(), self.course().grid());
            self.reader = Some(Reader::open(python, &self.array(), grid)?);
        }
        Ok(())
    }

    pub(crate) fn course(&self) -> &'b Course {
        &self.reference.course
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Returns the array's directory.
    pub(crate) fn array(&self) -> PathBuf {
        self.directory().join(self.course().path())
    }

    /// Returns the keys of the version at the target.
    pub(crate) fn keys(&self) -> Option<Keys> {
        self.keys
    }

    /// Returns the array at the target before the first run.
    pub(crate) fn found_before(&self) -> Found {
        self.course().before().map_or(Found::Nothing, Found::Version)
    }

    /// Returns the next run, without failures.
    pub(crate) fn next_task(&mut self) -> Task {
        self.n_runs += 1;
        let log = self.home.join(format!("log-{}", self.n_runs));
        Task::new(self.reference.course, self.directory(), log)
    }

    /// Checks the remains of an interrupted run: the target is the old array or the new one, the
    /// listing matches the remains, and the run computed no block again.
    pub(crate) fn end_early(&mut self, task: &Task) -> Result<(Found, Left)> {
        if let Some(failpoint) = &task.failpoint {
            write!(self.history, "\n  {:?} with {failpoint:?}", task.action)?;
        }
        let n_published = self.n_published;
        let found = self.look()?;
        self.check_computed(task, n_published == self.n_published)?;
        let course = self.course();
        let left = Left::in_directory(course, &self.directory(), self.keys)?;
        write!(self.history, "\n  {found:?} is at the target, and {left:?}")?;
        self.check_files(&files(&self.directory())?)?;
        self.missing = left.missing_blocks(course);
        Ok((found, left))
    }

    /// Returns the array at the target, and checks that readers of the old array can still read it.
    fn look(&mut self) -> Result<Found> {
        let found = self.bench.found(self.course(), &self.directory())?;
        let keys = Keys::of_present(&self.array())?;
        if keys != self.keys {
            let next = Keys::after(self.keys);
            ensure!(keys == Some(next), "the keys are {keys:?}, after {:?}", self.keys);
            self.set_published(1)?;
        }
        let expected = if self.n_published > 0 { Found::NEW } else { self.found_before() };
        ensure!(found == expected, "{found:?} is at the target, expected {expected:?}");
        self.check_reader()?;
        Ok(found)
    }

    /// Records that the array was published this many times more.
    pub(crate) fn set_published(&mut self, n_times: usize) -> Result<()> {
        self.n_published += n_times;
        self.keys = Keys::of_present(&self.array())?;
        (self.is_old_removed, self.has_older) = (false, false);
        Ok(())
    }

    fn check_reader(&self) -> Result<()> {
        let Some(reader) = &self.reader else { return Ok(()) };
        let is_kept = self.n_published == 1 && !self.course().removes_old && !self.is_old_removed;
        if self.n_published == 0 || is_kept {
            reader.check_whole()?;
        }
        reader.check_here(self.n_published > 0, self.course().is_of_v2())
    }

    /// Returns the expected contents of the directory.
    fn state(&self) -> Result<Files> {
        let state = self.reference.states.after(self.n_published);
        if self.is_old_removed { without_replaced(self.course(), state) } else { Ok(state.clone()) }
    }

    /// Checks that no expected file is lost or changed, and that all other files are possible
    /// remains of an interrupted write. Returns the other files.
    fn check_files(&self, files: &Files) -> Result<Vec<PathBuf>> {
        let (state, path) = (self.state()?, self.course().path());
        for (path, bytes) in &state {
            let there = files.get(path).with_context(|| format!("{} is lost", path.display()))?;
            ensure!(there == bytes, "{} is changed", path.display());
        }
        let is_left = files.keys().any(|path| is_staging(path));
        let before = || (0..self.n_published).map(|n| self.reference.states.after(n));
        let may_be_left = |below: &Path, file: &Path, bytes: &Option<Vec<u8>>| {
            let is_before = |state: &Files| state.get(file) == Some(bytes);
            Keys::after(self.keys).cover(below) || before().any(is_before)
        };
        let with_old = self.reference.states.after(self.n_published);
        let may_be_old = |file: &Path, bytes: &Option<Vec<u8>>| {
            self.is_old_removed && with_old.get(file) == Some(bytes)
        };
        let may_be_older = |below: &Path, file: &Path, bytes: &Option<Vec<u8>>| {
            let is_chunk = Keys::ALL.iter().any(|keys| keys.cover(below));
            self.has_older && is_chunk && before().any(|state| state.get(file) == Some(bytes))
        };
        let mut rest = Vec::new();
        for (file, bytes) in files.iter().filter(|(file, _)| !state.contains_key(*file)) {
            let is_expected = match file.strip_prefix(&path) {
                Ok(below) => {
                    let is_staging =
                        below.iter().next().is_none_or(|name| is_staging(name.as_ref()));
                    is_staging
                        || is_left && may_be_left(below, file, bytes)
                        || may_be_old(file, bytes)
                        || may_be_older(below, file, bytes)
                }
                // A group is published before its array, and is kept.
                Err(_) => {
                    let is_new = self.course().place == Place::NewGroups;
                    is_new && self.reference.states.after(1).get(file) == Some(bytes)
                }
            };
            ensure!(is_expected, "{} is unexpected", file.display());
            rest.push(file.clone());
        }
        Ok(rest)
    }

    /// Checks that a failed write has left nothing.
    pub(crate) fn check_nothing_left(&self) -> Result<()> {
        let rest = self.check_files(&files(&self.directory())?)?;
        ensure!(rest.is_empty(), "left behind: {rest:?}");
        Ok(())
    }

    /// Checks that a run computed the missing blocks or, if it was interrupted, the first of them.
    fn check_computed(&self, task: &Task, ended_early: bool) -> Result<()> {
        let (computed, missing) = (computed(&task.log), &self.missing);
        let is_right =
            if ended_early { missing.starts_with(&computed) } else { *missing == computed };
        ensure!(is_right, "the blocks {computed:?} were computed, but {missing:?} were missing");
        Ok(())
    }

    /// Removes the remains, and checks that the target is unchanged.
    pub(crate) fn remove_what_is_left(&mut self) -> Result<()> {
        let target = self.array();
        let staging = staging(&target)?;
        let left = while_none_starts(|| {
            UnfinishedWrite::list(&target)?.into_iter().try_for_each(UnfinishedWrite::remove)?;
            UnfinishedWrite::list(&target)
        })?;
        ensure!(left.is_empty(), "{left:?} is still listed after the removal");
        self.look()?;
        self.allow_older();
        let rest = self.check_files(&files(&self.directory())?)?;
        self.check_listed()?;
        // A directory that was created just before the kill is kept, and so is a published group.
        let is_noted = staging.is_some_and(|staging| n_created(&staging) > 0);
        let is_removed = |path: &&PathBuf| {
            let is_group = self.home.join("data").join(path).join("zarr.json").exists();
            let is_older = path.strip_prefix(self.course().path()).is_ok_and(|below| {
                self.has_older && Keys::ALL.iter().any(|keys| keys.cover(below))
            });
            let is_metadata = path.file_name().is_some_and(|name| name == "zarr.json");
            is_noted && !is_metadata && !is_group && !is_older
        };
        let left: Vec<_> = rest.iter().filter(is_removed).collect();
        ensure!(left.is_empty(), "{left:?} still exists after the removal");
        self.set_all_missing();
        Ok(())
    }

    /// Expects the next run to compute all blocks.
    pub(crate) fn set_all_missing(&mut self) {
        self.missing = self.course().grid().blocks().collect();
    }

    /// Allows chunks of older versions: the removed write may have published without removing them
    /// yet.
    pub(crate) fn allow_older(&mut self) {
        self.has_older = self.n_published > 0;
    }

    /// Allows that the chunks of the previous version were removed on request.
    pub(crate) fn allow_removal_of_old(&mut self) {
        self.is_old_removed = true;
    }

    /// Runs the program once more without a failure. The result must be that of an uninterrupted
    /// write.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let task = self.next_task();
        let report = task.succeed().context("the next run")?;
        self.check_success(&task, &report)
    }

    /// Checks that a successful run has done the same as an uninterrupted write.
    pub(crate) fn check_success(&mut self, task: &Task, report: &Report) -> Result<()> {
        self.check_computed(task, false)?;
        let statistics = report.outcome.as_ref().ok().context("the run failed")?;
        ensure!(*statistics == self.reference.statistics, "the statistics are {statistics}");
        let n_published = self.n_published;
        self.look().context("after the last run")?;
        ensure!(self.n_published == n_published + 1, "nothing was published");
        self.check_nothing_left().context("after the last run")?;
        self.set_all_missing();
        self.check_superseded()
    }

    /// Checks that the chunks of older versions can be removed.
    fn check_superseded(&mut self) -> Result<()> {
        let listed = self.check_listed()?;
        self.allow_removal_of_old();
        while_none_starts(|| listed.into_iter().try_for_each(Superseded::remove))?;
        self.check_nothing_left().context("after old chunks were removed")?;
        let listed = self.check_listed()?;
        ensure!(listed.is_empty(), "{listed:?} is listed after it was removed");
        Ok(())
    }

    /// Checks that the chunks of older versions are listed, and returns the list.
    fn check_listed(&self) -> Result<Vec<Superseded>> {
        let files = files(&self.directory())?;
        let rest = without_replaced(self.course(), &files)?;
        let old = files.iter().filter(|(path, _)| !rest.contains_key(*path));
        let sizes: Vec<_> = old.filter_map(|(_, bytes)| bytes.as_ref().map(Vec::len)).collect();
        let listed = Superseded::list(self.directory())?;
        let is_right = match &listed[..] {
            // Without an array, it has no older versions.
            [] => sizes.is_empty() || self.keys.is_none(),
            [one] => {
                let n_bytes = sizes.iter().sum::<usize>() as u64;
                one.target().path()? == Some(self.array())
                    && (one.n_files(), one.bytes()) == (sizes.len() as u64, n_bytes)
            }
            _ => false,
        };
        ensure!(is_right, "{listed:?} is listed, but there are old chunks of {sizes:?} bytes");
        Ok(listed)
    }

    /// Returns the number of operations of an uninterrupted write.
    pub(crate) fn n_operations(&self) -> usize {
        self.reference.operations.len()
    }
}

//! One array that workers store, some of which are killed or stopped.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lazy_chunks::zarr::{UnfinishedWrite, WriteState};
use lazy_tests::finished_parts;

use super::reference::{Reference, task};
use super::worker::{FINISHED_BEFORE, Worker, parts};
use crate::array::NEW;
use crate::bench::Bench;
use crate::course::Course;
use crate::found::Found;
use crate::keys::Keys;
use crate::left::{complete, is_staging, journal, staging};
use crate::process::{Ending, while_none_starts};
use crate::program::{Report, Task, computed, job};
use crate::reader::Reader;
use crate::state::{Files, copy, files};

/// The index of a block.
pub(super) type Block = (usize, usize);

/// One array that workers store.
pub(super) struct Trial<'b> {
    bench: &'b Bench,
    reference: &'b Reference,
    home: PathBuf,
    n_tasks: usize,
    is_published: bool,
    /// The reader that has opened the old array.
    reader: Option<Reader<'b>>,
    /// The observations, for the message of a failure.
    history: String,
}

impl<'b> Trial<'b> {
    /// Runs a trial in its own directory, which is kept if the trial fails.
    pub(super) fn run<T>(
        bench: &'b Bench,
        reference: &'b Reference,
        name: &str,
        run: impl FnOnce(&mut Trial<'b>) -> Result<T>,
    ) -> Result<T> {
        let home = bench.home()?;
        let mut trial = Trial {
            bench,
            reference,
            home: home.clone(),
            n_tasks: 0,
            is_published: false,
            reader: None,
            history: String::new(),
        };
        let result = trial.set_up().and_then(|()| run(&mut trial)).with_context(|| {
            let kept = match bench.keep(&home) {
                Ok(kept) => format!("its directory is kept in {}", kept.display()),
                Err(error) => format!("its directory could not be kept: {error}"),
            };
            let (course, seed, history) = (&reference.course, bench.seed, &trial.history);
            format!("workers {course}: {name}, seed {seed}: {kept}{history}")
        })?;
        fs::remove_dir_all(home)?;
        Ok(result)
    }

    fn set_up(&mut self) -> Result<()> {
        copy(&self.reference.start, &self.directory())?;
        if self.course().before().is_some() {
            let (python, grid) = (self.bench.python(), self.course().grid());
            self.reader = Some(Reader::open(python, &self.array(), grid)?);
        }
        Ok(())
    }

    fn course(&self) -> &'b Course {
        &self.reference.course
    }

    fn directory(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Returns the array's directory.
    fn array(&self) -> PathBuf {
        self.directory().join(self.course().path())
    }

    pub(super) fn is_published(&self) -> bool {
        self.is_published
    }

    /// Returns the present files.
    pub(super) fn files(&self) -> Result<Files> {
        files(&self.directory())
    }

    /// Returns the next task of a worker, without failures.
    pub(super) fn next_task(&mut self, worker: Worker) -> Task {
        self.n_tasks += 1;
        task(worker, self.reference.course, &self.home, self.n_tasks)
    }

    /// Checks the statistics that a worker has returned.
    pub(super) fn check_statistics(&self, report: &Report) -> Result<()> {
        let found = match &report.outcome {
            Ok(found) => found.strip_prefix(FINISHED_BEFORE).unwrap_or(found),
            Err(failure) => bail!("the worker fails: {failure:?}"),
        };
        ensure!(found == self.reference.statistics, "the statistics are {found}");
        Ok(())
    }

    /// Checks the target while no worker is running, or the only one is stopped: it is the old
    /// array or the new one, also for readers of the old one, and no file is lost.
    pub(super) fn look(&mut self) -> Result<()> {
        let found = self.bench.found(self.course(), &self.directory())?;
        let old = self.course().before().map_or(Found::Nothing, Found::Version);
        let is_right = found == Found::NEW || found == old && !self.is_published;
        ensure!(is_right, "{found:?} is at the target");
        self.is_published = found == Found::NEW;
        write!(self.history, "\n  {found:?} is at the target")?;
        if let Some(reader) = &self.reader {
            reader.check_whole()?;
            reader.check_here(self.is_published, false)?;
        }
        self.check_files()
    }

    /// Checks that no expected file is lost or changed, and that all other files are possible
    /// remains of workers.
    fn check_files(&self) -> Result<()> {
        let (old, new) = &self.reference.states;
        let (expected, found) = (if self.is_published { new } else { old }, self.files()?);
        let changed = |path: &&PathBuf| found.get(*path) != expected.get(*path);
        let lost: Vec<_> = expected.keys().filter(changed).collect();
        ensure!(lost.is_empty(), "{lost:?} are missing or changed");
        let keys = Keys::after(self.reference.old_keys);
        let is_unexpected = |(path, bytes): &(&PathBuf, &Option<Vec<u8>>)| {
            if expected.contains_key(*path) || bytes.is_none() || new.get(*path) == Some(*bytes) {
                return false;
            }
            path.strip_prefix(self.course().path()).map_or(true, |below| {
                !below.iter().any(|name| is_staging(name.as_ref())) && !keys.cover(below)
            })
        };
        let unexpected: Vec<_> = found.iter().filter(is_unexpected).map(|(path, _)| path).collect();
        ensure!(unexpected.is_empty(), "{unexpected:?} are unexpected");
        Ok(())
    }

    /// Checks the list of unfinished writes while no worker is running.
    fn check_listed(&self) -> Result<()> {
        let listed = while_none_starts(|| UnfinishedWrite::list(self.directory()))?;
        let array = self.array();
        let Some(staging) = staging(&array)? else {
            ensure!(listed.is_empty(), "{listed:?} is listed, but nothing is there");
            return Ok(());
        };
        let [unfinished] = &listed[..] else { bail!("{} is not listed", staging.display()) };
        ensure!(
            unfinished.target().path()? == Some(array.clone()),
            "the target of {unfinished:?} is wrong"
        );
        let has_plan = staging.join("plan").exists() && !self.is_published;
        match unfinished.state() {
            WriteState::Shared { key, progress } if has_plan => {
                let finished = finished_parts(&array);
                let is_right = *key == job(NEW)
                    && progress.finished_parts == finished.len()
                    && progress.parts == parts(&self.course().grid()).len()
                    && progress.workers.is_empty();
                ensure!(is_right, "{progress:?} of {key} is listed, but {finished:?} are finished");
            }
            WriteState::Abandoned | WriteState::Resumable { .. } if !has_plan => {}
            state => bail!("no worker is running, but the state is {state:?}"),
        }
        Ok(())
    }

    /// Returns the blocks that the next worker has to compute: those of unfinished parts that touch
    /// an incomplete chunk.
    pub(super) fn missing(&self) -> Result<Vec<Block>> {
        let (array, grid) = (self.array(), self.course().grid());
        let staging = staging(&array)?;
        if self.is_published {
            return Ok(Vec::new());
        }
        let finished = staging.as_ref().map(|_| finished_parts(&array)).unwrap_or_default();
        let keys = Keys::after(self.reference.old_keys);
        let mut missing = Vec::new();
        for part in parts(&grid) {
            if finished.contains(&part.number()) {
                continue;
            }
            let complete = match &staging {
                Some(staging) => complete_of(&array, staging, part.number())?,
                None => BTreeSet::new(),
            };
            let is_missing = |(i, j): &Block| {
                let keys = grid.keys(keys, *i, *j);
                part.bands().contains(i) && !keys.iter().all(|key| complete.contains(key))
            };
            missing.extend(grid.blocks().filter(is_missing));
        }
        Ok(missing)
    }

    /// Checks what workers have left that have ended, all of them.
    pub(super) fn end(&mut self) -> Result<()> {
        self.look()?;
        self.check_listed()?;
        let missing = self.missing()?;
        write!(self.history, ", and the blocks {missing:?} are missing")?;
        Ok(())
    }

    /// Runs a worker that may be killed, and checks that it computes only missing blocks, in order.
    /// Returns true if it was killed.
    pub(super) fn run_alone(&mut self, task: &Task) -> Result<bool> {
        let missing = self.missing()?;
        let ending = task.run()?;
        if let Some(failpoint) = task.failpoint {
            write!(self.history, "\n  a worker with {failpoint:?}")?;
        }
        let was_killed = matches!(ending, Ending::Killed);
        if let Ending::Reported(report) = &ending {
            self.check_statistics(report)?;
            let is_told = is_finished_before(report);
            ensure!(is_told == self.is_published, "the worker tells {:?}", report.outcome);
        }
        self.end()?;
        let computed = computed(&task.log);
        let is_right = if was_killed && !self.is_published {
            missing.starts_with(&computed)
        } else {
            missing == computed
        };
        ensure!(is_right, "the blocks {computed:?} were computed, but {missing:?} were missing");
        Ok(was_killed)
    }

    /// Removes what workers have left.
    pub(super) fn remove(&mut self) -> Result<()> {
        let directory = self.directory();
        while_none_starts(|| {
            UnfinishedWrite::list(&directory)?.into_iter().try_for_each(UnfinishedWrite::remove)
        })?;
        self.look().context("after the removal")?;
        write!(self.history, ", after the removal")?;
        ensure!(staging(&self.array())?.is_none(), "a staging directory is left");
        let (old, new) = &self.reference.states;
        let expected = if self.is_published { new } else { old };
        let is_left = |(path, bytes): &(&PathBuf, &Option<Vec<u8>>)| {
            // A group is published before its array.
            let is_group = path.ends_with("zarr.json");
            bytes.is_some() && !is_group && !expected.contains_key(*path)
        };
        let found = self.files()?;
        let left: Vec<_> = found.iter().filter(is_left).map(|(path, _)| path).collect();
        ensure!(left.is_empty(), "{left:?} are left after the removal");
        Ok(())
    }

    /// Runs a worker that completes the array. Everything must be as after one undisturbed worker.
    pub(super) fn finish(&mut self) -> Result<()> {
        let task = self.next_task(Worker::ALONE);
        let was_killed = self.run_alone(&task).context("the last worker")?;
        ensure!(!was_killed && self.is_published, "nothing was published");
        let (found, expected) = (self.files()?, &self.reference.states.1);
        let paths: HashSet<_> = found.keys().chain(expected.keys()).collect();
        let differs = |path: &&&PathBuf| found.get(**path) != expected.get(**path);
        let different: Vec<_> = paths.iter().filter(differs).collect();
        ensure!(different.is_empty(), "{different:?} differ from an undisturbed worker's");
        Ok(())
    }
}

/// Returns true if a worker tells that the array was published before.
pub(super) fn is_finished_before(report: &Report) -> bool {
    report.outcome.as_ref().is_ok_and(|outcome| outcome.starts_with(FINISHED_BEFORE))
}

/// Returns the keys of the complete chunks of a part that is not finished.
fn complete_of(array: &Path, plan: &Path, part: usize) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(plan)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with("parts.") {
            continue;
        }
        let Some(staging) = staging(&entry.path().join(part.to_string()))? else { continue };
        found.extend(complete(&journal(&staging)?, |key| {
            // A chunk that the part shares with others is kept in pieces.
            let piece = format!("{part}.{}", key.replace('/', "."));
            let piece = plan.join("fragments").join(piece);
            if piece.exists() { piece } else { array.join(key) }
        }));
    }
    Ok(found)
}

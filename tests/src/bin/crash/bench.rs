//! Where the trials take place, and what they share.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lazy_tests::Operation;
use tempfile::TempDir;

use crate::array::NEW;
use crate::course::Course;
use crate::found::{Found, ZarrPython, found_here, outermost};
use crate::program::Task;

/// Where the trials take place, and what they share.
pub(crate) struct Bench {
    pub(crate) seed: u64,
    directory: TempDir,
    python: Mutex<ZarrPython>,
    n_homes: AtomicUsize,
}

/// Where what went wrong is kept.
const KEPT: &str = "target/crash";

/// The result of a write that nothing interrupts, and where it begins.
pub(crate) struct Reference {
    pub(crate) course: Course,
    /// What is there before.
    start: PathBuf,
    /// All files, by their paths; directories have no bytes.
    pub(crate) files: BTreeMap<PathBuf, Option<Vec<u8>>>,
    pub(crate) statistics: String,
    pub(crate) operations: Vec<Operation>,
}

impl Bench {
    pub(crate) fn new(interpreter: &Path, seed: u64) -> Result<Bench> {
        fs::create_dir_all(KEPT)?;
        // In memory, where there is such a place: no device is waited for.
        let directory = tempfile::Builder::new().prefix("lazy-crash-").tempdir_in("/dev/shm");
        let directory = match directory {
            Ok(directory) => directory,
            Err(_) => tempfile::Builder::new().tempdir_in(fs::canonicalize(KEPT)?)?,
        };
        // Some programs run as somebody else.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        Ok(Bench {
            seed,
            directory,
            python: Mutex::new(ZarrPython::start(interpreter)?),
            n_homes: AtomicUsize::new(0),
        })
    }

    /// A new directory.
    pub(crate) fn home(&self) -> Result<PathBuf> {
        let n = self.n_homes.fetch_add(1, Ordering::Relaxed);
        let home = self.directory.path().join(n.to_string());
        fs::create_dir(&home)?;
        Ok(home)
    }

    /// Keeps what went wrong; returns where.
    pub(crate) fn keep(&self, home: &Path) -> Result<PathBuf> {
        let kept = Path::new(KEPT).join(home.file_name().context("it has a name")?);
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        copy(home, &kept)?;
        Ok(kept)
    }

    /// What is found at the target in a directory: zarr-python and we agree.
    pub(crate) fn found(&self, course: &Course, directory: &Path) -> Result<Found> {
        let (path, grid) = (directory.join(course.path()), course.grid());
        let found = found_here(&path, &grid)?;
        let by_peer =
            self.python.lock().unwrap_or_else(PoisonError::into_inner).found(&path, &grid)?;
        ensure!(found == by_peer, "{found:?}, but zarr-python finds {by_peer:?}");
        if found == Found::Nothing && course.place != crate::course::Place::Group {
            let path = outermost(directory, &course.path());
            ensure!(!path.exists(), "{} is there without its array", path.display());
        }
        Ok(found)
    }

    /// Writes an array that nothing interrupts.
    pub(crate) fn reference(&self, course: Course) -> Result<Reference> {
        let (start, home) = (self.home()?, self.home()?);
        course.set_up(&start)?;
        let directory = home.join("data");
        copy(&start, &directory)?;
        let task = Task {
            course,
            directory: directory.clone(),
            log: home.join("log"),
            version: NEW,
            n_threads: 1,
            failpoint: None,
            block_time: Duration::ZERO,
            trouble: None,
        };
        let report = task.succeed()?;
        ensure!(self.found(&course, &directory)? == Found::NEW, "the array is not found");
        let files = files(&directory)?;
        fs::remove_dir_all(home)?;
        let statistics = report.outcome.expect("it succeeded");
        Ok(Reference { course, start, files, statistics, operations: report.operations })
    }
}

impl Reference {
    /// Makes what is there before.
    pub(crate) fn set_up(&self, directory: &Path) -> Result<()> {
        copy(&self.start, directory)
    }
}

/// Copies a directory.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => drop(fs::copy(entry.path(), to)?),
        }
    }
    Ok(())
}

/// All that lies below a directory.
pub(crate) fn files(directory: &Path) -> Result<BTreeMap<PathBuf, Option<Vec<u8>>>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(below) = directories.pop() {
        for entry in fs::read_dir(below)? {
            let path = entry?.path();
            let name = path.strip_prefix(directory)?.to_owned();
            if path.is_dir() {
                files.insert(name, None);
                directories.push(path);
            } else {
                files.insert(name, Some(fs::read(&path)?));
            }
        }
    }
    Ok(files)
}

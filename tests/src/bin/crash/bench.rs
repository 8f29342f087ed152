//! The directory and the peers that all trials share.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, ensure};
use lazy_tests::Operation;
use tempfile::TempDir;

use crate::course::{Course, OLD_MODE, Place};
use crate::found::{Found, ZarrPython, found_here};
use crate::program::Task;
use crate::state::{N_PUBLICATIONS, States, copy, files};

/// The directory and the peers that all trials share.
pub(crate) struct Bench {
    pub(crate) seed: u64,
    directory: TempDir,
    pythons: Vec<Mutex<ZarrPython>>,
    n_homes: AtomicUsize,
}

/// The directory in which failed trials are kept.
const KEPT: &str = "target/crash";

/// An uninterrupted write: its start, its result, and its operations.
pub(crate) struct Reference {
    pub(crate) course: Course,
    /// The directory before the write.
    start: PathBuf,
    pub(crate) states: States,
    pub(crate) statistics: String,
    pub(crate) operations: Vec<Operation>,
}

impl Bench {
    pub(crate) fn new(interpreter: &Path, seed: u64) -> Result<Bench> {
        fs::create_dir_all(KEPT)?;
        // In memory if possible, so that no trial waits for a device.
        let directory = tempfile::Builder::new().prefix("lazy-crash-").tempdir_in("/dev/shm");
        let directory = match directory {
            Ok(directory) => directory,
            Err(_) => tempfile::Builder::new().tempdir_in(fs::canonicalize(KEPT)?)?,
        };
        // Some programs run as another user.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        let n_pythons = thread::available_parallelism().map_or(1, usize::from);
        let pythons = (0..n_pythons)
            .map(|_| ZarrPython::start(interpreter).map(Mutex::new))
            .collect::<Result<_>>()?;
        Ok(Bench { seed, directory, pythons, n_homes: AtomicUsize::new(0) })
    }

    /// Creates a new directory.
    pub(crate) fn home(&self) -> Result<PathBuf> {
        let n = self.n_homes.fetch_add(1, Ordering::Relaxed);
        let home = self.directory.path().join(n.to_string());
        fs::create_dir(&home)?;
        Ok(home)
    }

    /// Returns a process of zarr-python, a free one if possible.
    pub(crate) fn python(&self) -> &Mutex<ZarrPython> {
        let free = self.pythons.iter().find(|python| python.try_lock().is_ok());
        free.unwrap_or(&self.pythons[0])
    }

    /// Keeps the directory of a failed trial, and returns its new path.
    pub(crate) fn keep(&self, home: &Path) -> Result<PathBuf> {
        let kept = Path::new(KEPT).join(home.file_name().context("the directory has no name")?);
        if kept.exists() {
            fs::remove_dir_all(&kept)?;
        }
        copy(home, &kept)?;
        Ok(kept)
    }

    /// Returns the array at the target in a directory. Checks that zarr-python and this library
    /// agree.
    pub(crate) fn found(&self, course: &Course, directory: &Path) -> Result<Found> {
        let (path, grid) = (directory.join(course.path()), course.grid());
        let found = found_here(&path, &grid)?;
        let mut python = lock(self.python());
        let (by_peer, warnings) = python.found(&path, &grid)?;
        ensure!(found == by_peer, "{found:?}, but zarr-python finds {by_peer:?}");
        let has_both = path.join(".zarray").exists() && path.join("zarr.json").exists();
        let is_known =
            |warning: &&String| has_both && warning.contains("Both zarr.json (Zarr format 3) and");
        let warning = warnings.iter().find(|warning| !is_known(warning));
        ensure!(warning.is_none(), "zarr-python warns: {warning:?}");
        if course.place == Place::Group && !course.is_of_v2() {
            let members = python.members(&directory.join("group.zarr"))?;
            let expected = match found {
                Found::Nothing => &["other"][..],
                Found::Version(_) => &["other", "values"],
            };
            ensure!(members == expected, "zarr-python finds the members {members:?}");
        }
        Ok(found)
    }

    /// Writes an array several times without interruption.
    pub(crate) fn reference(&self, course: Course) -> Result<Reference> {
        let (start, home) = (self.home()?, self.home()?);
        course.set_up(&start.join("data"))?;
        let start = start.join("data");
        let directory = home.join("data");
        copy(&start, &directory)?;
        let (mut states, mut reports) = (vec![files(&directory)?], Vec::new());
        for n in 1..=N_PUBLICATIONS {
            let task = Task::new(course, directory.clone(), home.join(format!("log-{n}")));
            reports.push(task.succeed().with_context(|| course.to_string())?);
            ensure!(
                self.found(&course, &directory)? == Found::NEW,
                "{course}: the new array is not found"
            );
            states.push(files(&directory)?);
            if course.before().is_some() && !course.is_of_v2() {
                let metadata = fs::metadata(directory.join(course.path()).join("zarr.json"))?;
                let mode = metadata.permissions().mode() & 0o777;
                ensure!(mode == OLD_MODE, "{course}: the permissions of the metadata are {mode:o}");
            }
        }
        fs::remove_dir_all(home)?;
        let states = States::new(&course, states).with_context(|| course.to_string())?;
        let report = reports.swap_remove(0);
        let statistics = report.outcome.expect("the write succeeded");
        Ok(Reference { course, start, states, statistics, operations: report.operations })
    }
}

impl Reference {
    /// Creates the directory as it is before the write.
    pub(crate) fn set_up(&self, directory: &Path) -> Result<()> {
        copy(&self.start, directory)
    }
}

/// Locks a mutex. A panic of another thread leaves its value valid.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

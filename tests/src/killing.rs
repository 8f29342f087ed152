//! A file system that kills or stops its own process.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use lazy_chunks::zarr::{FileLock, FileSystem, FileSystemLayer, LocalFileSystem};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

/// The moment at which a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failpoint {
    /// The number of the operation that changes or flushes something, counted from 0.
    pub operation: usize,
    /// The progress of that operation.
    pub progress: Progress,
}

/// The progress of an operation when its process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// The operation has not begun.
    NotBegun,
    /// The operation is torn: half of the bytes of a file are written. An operation with a single
    /// step is done.
    Half,
    /// The operation is done.
    Done,
}

/// The local file system, but it kills its own process with SIGKILL at a [`Failpoint`], or stops it
/// with SIGSTOP.
#[derive(Debug)]
pub struct KillingFileSystem {
    failpoint: Option<Failpoint>,
    /// An operation, and the length of the pause before it.
    pause: Option<(usize, Duration)>,
    /// The operation before which the process stops.
    stop: Option<usize>,
    can_sync_all: bool,
    operations: Mutex<Vec<Operation>>,
}

/// An operation that changes or flushes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The name of the operation.
    pub name: String,
    /// The path it applies to, or the first of two paths.
    pub path: PathBuf,
    /// True if it takes more than one step.
    pub is_divisible: bool,
}

impl KillingFileSystem {
    /// Returns a file system that kills its process at this point, if there is one.
    #[must_use]
    pub fn new(failpoint: Option<Failpoint>) -> KillingFileSystem {
        KillingFileSystem {
            failpoint,
            pause: None,
            stop: None,
            can_sync_all: true,
            operations: Mutex::new(Vec::new()),
        }
    }

    /// Makes the process pause before an operation, counted from 0.
    #[must_use]
    pub fn with_pause(self, operation: usize, time: Duration) -> KillingFileSystem {
        KillingFileSystem { pause: Some((operation, time)), ..self }
    }

    /// Makes the process stop before an operation, counted from 0, until it receives SIGCONT.
    #[must_use]
    pub fn with_stop(self, operation: usize) -> KillingFileSystem {
        KillingFileSystem { stop: Some(operation), ..self }
    }

    /// Makes the operation that flushes all files unsupported, so that each file is flushed on its
    /// own.
    #[must_use]
    pub fn without_sync_of_all(self) -> KillingFileSystem {
        KillingFileSystem { can_sync_all: false, ..self }
    }

    /// Returns the operations so far, including the last one that was tried.
    ///
    /// # Panics
    ///
    /// Panics if another thread panicked while it recorded an operation.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.operations.lock().expect("no thread panics while it holds the lock").clone()
    }

    /// Runs an operation that takes one step.
    fn step<T>(
        &self,
        name: &str,
        path: &Path,
        all: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.run(name, path, None::<fn() -> io::Result<()>>, all)
    }

    /// Runs an operation of several steps; `half` does some of them.
    fn steps<T, H>(
        &self,
        name: &str,
        path: &Path,
        half: impl FnOnce() -> io::Result<H>,
        all: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.run(name, path, Some(half), all)
    }

    fn run<T, H>(
        &self,
        name: &str,
        path: &Path,
        half: Option<impl FnOnce() -> io::Result<H>>,
        all: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let operation = {
            let mut operations = self.operations.lock().map_err(|_| io::ErrorKind::Other)?;
            operations.push(Operation {
                name: name.to_owned(),
                path: path.to_owned(),
                is_divisible: half.is_some(),
            });
            operations.len() - 1
        };
        match self.pause {
            Some((at, time)) if at == operation => thread::sleep(time),
            _ => {}
        }
        if self.stop == Some(operation) {
            kill_process(getpid(), Signal::STOP).expect("a process can stop itself");
        }
        let progress = match self.failpoint {
            Some(failpoint) if failpoint.operation == operation => failpoint.progress,
            _ => return all(),
        };
        // Keeps the results of the killed operation alive until the process is gone, for example a
        // lock.
        let (mut torn, mut done) = (None, None);
        match (progress, half) {
            (Progress::NotBegun, _) => {}
            (Progress::Half, Some(half)) => torn = Some(half()),
            (Progress::Half | Progress::Done, _) => done = Some(all()),
        }
        kill();
        drop(torn);
        done.unwrap_or_else(|| unreachable!("the process is dead"))
    }
}

fn kill() {
    kill_process(getpid(), Signal::KILL).expect("a process can kill itself");
    loop {
        thread::park();
    }
}

impl FileSystemLayer for KillingFileSystem {
    type Inner = LocalFileSystem;

    fn inner(&self) -> &LocalFileSystem {
        &LocalFileSystem
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.step("create directory", path, || LocalFileSystem.create_directory(path))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let half = || LocalFileSystem.write(path, &bytes[..bytes.len() / 2]);
        self.steps("write", path, half, || LocalFileSystem.write(path, bytes))
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let half = || LocalFileSystem.append(path, &bytes[..bytes.len() / 2]);
        self.steps("append", path, half, || LocalFileSystem.append(path, bytes))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step("remove file", path, || LocalFileSystem.remove_file(path))
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.step("remove directory", path, || LocalFileSystem.remove_directory(path))
    }

    fn lock(&self, path: &Path) -> io::Result<FileLock> {
        self.step("lock", path, || LocalFileSystem.lock(path))
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("take over", from, || LocalFileSystem.rename_directory(from, to))
    }

    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("publish", from, || LocalFileSystem.rename_file(from, to))
    }

    fn rename_new_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("publish", from, || LocalFileSystem.rename_new_file(from, to))
    }

    fn copy_permissions(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("copy permissions", to, || LocalFileSystem.copy_permissions(from, to))
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.step("flush file", path, || LocalFileSystem.sync_file(path))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.step("flush directory", directory, || LocalFileSystem.sync_directory(directory))
    }

    fn sync_file_system(&self, directory: &Path) -> io::Result<()> {
        if !self.can_sync_all {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.step("flush all", directory, || LocalFileSystem.sync_file_system(directory))
    }
}

//! A file system that kills its own process.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use lazy_chunks::zarr::{FileLock, FileSystem, LocalFileSystem};

use crate::forward::forward_to_local;
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};

use crate::faulty::remove_some;

/// The moment at which a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failpoint {
    /// The operation that changes or flushes something, counted from 0.
    pub operation: usize,
    /// How far it gets.
    pub progress: Progress,
}

/// How far an operation gets before its process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// It has yet to begin.
    NotBegun,
    /// It is torn: half of the bytes of a file are written, some files of a directory are removed, of which
    /// the seed says which. An operation that is done in one step is done.
    Half {
        /// What is drawn follows from it.
        seed: u64,
    },
    /// It is done.
    Done,
}

/// The local file system, which kills its process with SIGKILL at a [`Failpoint`].
#[derive(Debug)]
pub struct KillingFileSystem {
    failpoint: Option<Failpoint>,
    can_exchange: bool,
    operations: Mutex<Vec<Operation>>,
}

/// An operation that changes or flushes something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// What it does.
    pub name: String,
    /// What it does that to; of two paths the first.
    pub path: PathBuf,
    /// Whether it takes more than one step.
    pub is_divisible: bool,
}

impl KillingFileSystem {
    /// A file system that kills its process at this point, if at any.
    #[must_use]
    pub fn new(failpoint: Option<Failpoint>) -> KillingFileSystem {
        KillingFileSystem { failpoint, can_exchange: true, operations: Mutex::new(Vec::new()) }
    }

    /// The same, on which directories cannot be exchanged.
    #[must_use]
    pub fn without_exchange(self) -> KillingFileSystem {
        KillingFileSystem { can_exchange: false, ..self }
    }

    /// What has been done so far, and been tried.
    ///
    /// # Panics
    ///
    /// When another thread panicked while it noted what it does.
    #[must_use]
    pub fn operations(&self) -> Vec<Operation> {
        self.operations.lock().expect("nothing panics while it is locked").clone()
    }

    /// Does something in one step.
    fn step<T>(
        &self,
        name: &str,
        path: &Path,
        all: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.run(name, path, None::<fn(u64) -> io::Result<()>>, all)
    }

    /// Does something of which `half` does a part.
    fn steps<T, H>(
        &self,
        name: &str,
        path: &Path,
        half: impl FnOnce(u64) -> io::Result<H>,
        all: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        self.run(name, path, Some(half), all)
    }

    fn run<T, H>(
        &self,
        name: &str,
        path: &Path,
        half: Option<impl FnOnce(u64) -> io::Result<H>>,
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
        let progress = match self.failpoint {
            Some(failpoint) if failpoint.operation == operation => failpoint.progress,
            _ => return all(),
        };
        // What is made by the killed operation is kept until the process is gone: a lock is held.
        let (mut torn, mut done) = (None, None);
        match (progress, half) {
            (Progress::NotBegun, _) => {}
            (Progress::Half { seed }, Some(half)) => torn = Some(half(seed)),
            (Progress::Half { .. } | Progress::Done, _) => done = Some(all()),
        }
        kill();
        drop(torn);
        done.unwrap_or_else(|| unreachable!("the process is dead"))
    }
}

fn kill() {
    kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
    loop {
        thread::park();
    }
}

impl FileSystem for KillingFileSystem {
    forward_to_local!(kind canonicalize check_writable is_same_device identity list read size);

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.step("create directory", path, || LocalFileSystem.create_directory(path))
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        let outermost = |_| match path.ancestors().filter(|above| !above.exists()).last() {
            Some(outermost) => LocalFileSystem.create_directory(outermost),
            None => Ok(()),
        };
        let all = || LocalFileSystem.create_directories(path);
        self.steps("create directories", path, outermost, all)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let half = |_| LocalFileSystem.write(path, &bytes[..bytes.len() / 2]);
        self.steps("write", path, half, || LocalFileSystem.write(path, bytes))
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let half = |_| LocalFileSystem.append(path, &bytes[..bytes.len() / 2]);
        self.steps("append", path, half, || LocalFileSystem.append(path, bytes))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step("remove file", path, || LocalFileSystem.remove_file(path))
    }

    fn lock(&self, path: &Path, holder: &[u8]) -> io::Result<FileLock> {
        let half = |_| LocalFileSystem.lock(path, b"");
        self.steps("lock", path, half, || LocalFileSystem.lock(path, holder))
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step("rename", from, || LocalFileSystem.rename_directory(from, to))
    }

    fn exchange_directories(&self, one: &Path, other: &Path) -> io::Result<()> {
        if !self.can_exchange {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.step("exchange", one, || LocalFileSystem.exchange_directories(one, other))
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let half = |seed| remove_some(path, seed);
        self.steps("remove directory", path, half, || LocalFileSystem.remove_directory(path))
    }

    fn sync_tree(&self, directory: &Path) -> io::Result<()> {
        self.step("flush tree", directory, || LocalFileSystem.sync_tree(directory))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.step("flush directory", directory, || LocalFileSystem.sync_directory(directory))
    }
}

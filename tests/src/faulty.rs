//! A file system with injected faults.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{FileLock, FileSystem, FileSystemLayer, LocalFileSystem};

/// The faults of a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The number of the changing operation that fails, counted from 0.
    pub change: Option<usize>,
    /// True if the failing operation takes effect nevertheless, as when the reply of a server is
    /// lost.
    pub is_done: bool,
    /// The number of the changing operation from which on the device is full: nothing can be
    /// created or written, but files and directories can be removed.
    pub full_from: Option<usize>,
    /// The number of the changing operation that panics.
    pub panic: Option<usize>,
    /// True if no file can be removed.
    pub no_removal: bool,
    /// True if no directory can be renamed.
    pub no_renamed_directory: bool,
    /// True if the file system does not support locks.
    pub no_locks: bool,
    /// True if no operation flushes all files at once, so that each file is flushed on its own.
    pub no_sync_of_all: bool,
}

/// The local file system with a fault.
#[derive(Debug)]
pub struct FaultyFileSystem {
    fault: Fault,
    n_changes: AtomicUsize,
    rival: Option<Rival>,
}

/// An action of another process that runs once, just before a lock is taken.
struct Rival(Once, Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for Rival {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rival")
    }
}

impl FaultyFileSystem {
    /// Returns a file system with this fault.
    #[must_use]
    pub fn new(fault: Fault) -> FaultyFileSystem {
        FaultyFileSystem { fault, n_changes: AtomicUsize::new(0), rival: None }
    }

    /// Returns a file system on which another process acts just before the first lock is taken.
    pub fn with_rival(rival: impl Fn() + Send + Sync + 'static) -> FaultyFileSystem {
        let rival = Some(Rival(Once::new(), Box::new(rival)));
        FaultyFileSystem { rival, ..FaultyFileSystem::new(Fault::default()) }
    }

    /// Returns the number of changing operations so far, including failed ones.
    #[must_use]
    pub fn n_changes(&self) -> usize {
        self.n_changes.load(Ordering::Relaxed)
    }

    /// Performs an operation that needs space.
    fn fill<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let is_full = self.fault.full_from.is_some_and(|from| from <= self.n_changes());
        self.change(|| if is_full { Err(io::ErrorKind::StorageFull.into()) } else { operation() })
    }

    fn change<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let n = self.n_changes.fetch_add(1, Ordering::Relaxed);
        assert_ne!(self.fault.panic, Some(n), "injected panic");
        if self.fault.change != Some(n) {
            return operation();
        }
        if self.fault.is_done {
            operation()?;
        }
        Err(io::Error::other("injected fault"))
    }
}

impl FileSystemLayer for FaultyFileSystem {
    type Inner = LocalFileSystem;

    fn inner(&self) -> &LocalFileSystem {
        &LocalFileSystem
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.fill(|| LocalFileSystem.create_directory(path))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.fill(|| LocalFileSystem.write(path, bytes))
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.fill(|| LocalFileSystem.append(path, bytes))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change(|| {
            if self.fault.no_removal && LocalFileSystem.entry_kind(path)?.is_some() {
                return Err(io::Error::other("injected fault"));
            }
            LocalFileSystem.remove_file(path)
        })
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.change(|| LocalFileSystem.remove_directory(path))
    }

    fn lock(&self, path: &Path) -> io::Result<FileLock> {
        self.change(|| {
            if let Some(Rival(once, act)) = &self.rival {
                once.call_once(act);
            }
            if self.fault.no_locks {
                return Err(io::ErrorKind::Unsupported.into());
            }
            LocalFileSystem.lock(path)
        })
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|| {
            if self.fault.no_renamed_directory {
                return Err(io::ErrorKind::CrossesDevices.into());
            }
            LocalFileSystem.rename_directory(from, to)
        })
    }

    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|| LocalFileSystem.rename_file(from, to))
    }

    fn rename_new_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|| LocalFileSystem.rename_new_file(from, to))
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.change(|| LocalFileSystem.sync_file(path))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.change(|| LocalFileSystem.sync_directory(directory))
    }

    fn sync_file_system(&self, directory: &Path) -> io::Result<()> {
        if self.fault.no_sync_of_all {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.change(|| LocalFileSystem.sync_file_system(directory))
    }
}

//! A file system that fails when it is told to.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{FileLock, FileSystem, LocalFileSystem};

use crate::forward::forward_to_local;

/// What fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The operation that changes something, counted from 0, which fails.
    pub change: Option<usize>,
    /// Whether that one is done all the same, as when a server's answer is lost.
    pub is_done: bool,
    /// The one that panics.
    pub panic: Option<usize>,
    /// Whether no file can be removed.
    pub no_removal: bool,
    /// Whether no directory can be renamed.
    pub no_renamed_directory: bool,
    /// Whether the file system has no locks.
    pub no_locks: bool,
    /// Whether each file is flushed by itself, since no operation flushes all of them.
    pub no_sync_of_all: bool,
}

/// The local file system, with a fault.
#[derive(Debug)]
pub struct FaultyFileSystem {
    fault: Fault,
    n_changes: AtomicUsize,
    rival: Option<Rival>,
}

/// What another process does once, just before a lock is taken.
struct Rival(Once, Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for Rival {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rival")
    }
}

impl FaultyFileSystem {
    /// A file system with this fault.
    #[must_use]
    pub fn new(fault: Fault) -> FaultyFileSystem {
        FaultyFileSystem { fault, n_changes: AtomicUsize::new(0), rival: None }
    }

    /// A file system on which another process does something just before the first lock is taken.
    pub fn with_rival(rival: impl Fn() + Send + Sync + 'static) -> FaultyFileSystem {
        let rival = Some(Rival(Once::new(), Box::new(rival)));
        FaultyFileSystem { rival, ..FaultyFileSystem::new(Fault::default()) }
    }

    /// How often something was changed, or was to be.
    #[must_use]
    pub fn n_changes(&self) -> usize {
        self.n_changes.load(Ordering::Relaxed)
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

impl FileSystem for FaultyFileSystem {
    forward_to_local!(kind entry_kind canonicalize list read size pin lock_scope copy_permissions have_same_permissions check_replaceable);

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.change(|| LocalFileSystem.create_directory(path))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.change(|| LocalFileSystem.write(path, bytes))
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.change(|| LocalFileSystem.append(path, bytes))
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

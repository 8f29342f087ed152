//! A file system that fails when it is told to.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{FileLock, FileSystem, LocalFileSystem};

use crate::forward::forward_to_local;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// What fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The operation that changes something, counted from 0, which fails.
    pub change: Option<usize>,
    /// The one that panics.
    pub panic: Option<usize>,
    /// Whether directories can not be exchanged at all.
    pub no_exchange: bool,
    /// Whether no directory can be removed; some of its files are, which follow from this seed.
    pub no_removal: Option<u64>,
}

/// Why nothing can be made outside of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// It is another device.
    OtherDevice,
    /// It cannot be written.
    Unwritable,
}

/// The local file system, with a fault.
#[derive(Debug)]
pub struct FaultyFileSystem {
    fault: Fault,
    n_changes: AtomicUsize,
    outside: Option<(PathBuf, Outside)>,
    unwritable: Option<PathBuf>,
    rival: Option<Rival>,
}

/// What somebody else does, just before a lock is taken.
struct Rival(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for Rival {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rival")
    }
}

impl FaultyFileSystem {
    /// A file system with this fault.
    #[must_use]
    pub fn new(fault: Fault) -> FaultyFileSystem {
        FaultyFileSystem {
            fault,
            n_changes: AtomicUsize::new(0),
            outside: None,
            unwritable: None,
            rival: None,
        }
    }

    /// A file system on which somebody else does something just before a lock is taken.
    pub fn with_rival(rival: impl Fn() + Send + Sync + 'static) -> FaultyFileSystem {
        let rival = Some(Rival(Box::new(rival)));
        FaultyFileSystem { rival, ..FaultyFileSystem::new(Fault::default()) }
    }

    /// A file system on which nothing can be made outside of `directory`, for this reason.
    #[must_use]
    pub fn confined(directory: PathBuf, reason: Outside) -> FaultyFileSystem {
        let outside = Some((directory, reason));
        FaultyFileSystem { outside, ..FaultyFileSystem::new(Fault::default()) }
    }

    /// A file system on which this one directory cannot be written.
    #[must_use]
    pub fn unwritable_at(directory: PathBuf) -> FaultyFileSystem {
        let unwritable = Some(directory);
        FaultyFileSystem { unwritable, ..FaultyFileSystem::new(Fault::default()) }
    }

    fn is_outside(&self, path: &Path, reason: Outside) -> bool {
        self.outside
            .as_ref()
            .is_some_and(|(directory, outside)| *outside == reason && !path.starts_with(directory))
    }

    /// How often something was changed, or was to be.
    #[must_use]
    pub fn n_changes(&self) -> usize {
        self.n_changes.load(Ordering::Relaxed)
    }

    fn change(&self) -> io::Result<()> {
        let n = self.n_changes.fetch_add(1, Ordering::Relaxed);
        assert_ne!(self.fault.panic, Some(n), "injected panic");
        match self.fault.change {
            Some(change) if change == n => Err(io::Error::other("injected fault")),
            _ => Ok(()),
        }
    }
}

impl FileSystem for FaultyFileSystem {
    forward_to_local!(kind canonicalize identity list read size);

    fn check_writable(&self, directory: &Path) -> io::Result<()> {
        if self.is_outside(directory, Outside::Unwritable)
            || self.unwritable.as_deref() == Some(directory)
        {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        LocalFileSystem.check_writable(directory)
    }

    fn is_same_device(&self, one: &Path, other: &Path) -> io::Result<bool> {
        let outside = |path| self.is_outside(path, Outside::OtherDevice);
        Ok(outside(one) == outside(other) && LocalFileSystem.is_same_device(one, other)?)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        let reasons = [Outside::OtherDevice, Outside::Unwritable];
        assert!(!reasons.iter().any(|reason| self.is_outside(path, *reason)), "{path:?}");
        LocalFileSystem.create_directory(path)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        LocalFileSystem.create_directories(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.change()?;
        LocalFileSystem.write(path, bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.change()?;
        LocalFileSystem.append(path, bytes)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        LocalFileSystem.remove_file(path)
    }

    fn lock(&self, path: &Path, holder: &[u8]) -> io::Result<FileLock> {
        self.change()?;
        if let Some(Rival(act)) = &self.rival {
            act();
        }
        LocalFileSystem.lock(path, holder)
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        LocalFileSystem.rename_directory(from, to)
    }

    fn exchange_directories(&self, one: &Path, other: &Path) -> io::Result<()> {
        if self.fault.no_exchange {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.change()?;
        LocalFileSystem.exchange_directories(one, other)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.change()?;
        match self.fault.no_removal {
            Some(seed) => {
                remove_some(path, seed)?;
                Err(io::Error::other("injected fault"))
            }
            None => LocalFileSystem.remove_directory(path),
        }
    }

    fn sync_tree(&self, directory: &Path) -> io::Result<()> {
        self.change()?;
        LocalFileSystem.sync_tree(directory)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.change()?;
        LocalFileSystem.sync_directory(directory)
    }
}

/// Removes some files below a directory, as may be gone when its removal is interrupted: in no order that
/// is promised. Which follows from the seed.
pub(crate) fn remove_some(directory: &Path, seed: u64) -> io::Result<()> {
    let mut files = Vec::new();
    files_below(directory, &mut files)?;
    files.sort();
    let mut random = SmallRng::seed_from_u64(seed);
    files.iter().filter(|_| random.random()).try_for_each(fs::remove_file)
}

fn files_below(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.is_dir() {
            true => files_below(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

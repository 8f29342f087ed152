//! Locks of files.

use std::fmt;

/// A [locked](super::FileSystem::lock) file. Dropping it releases the lock.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use std::io;
///
/// use lazy_chunks::zarr::{FileSystem, LocalFileSystem};
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("lock");
/// LocalFileSystem.write(&path, b"the first")?;
/// let lock = LocalFileSystem.lock(&path)?;
/// let error = LocalFileSystem.lock(&path).unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
///
/// drop(lock);
/// LocalFileSystem.lock(&path)?;
/// # Ok::<(), io::Error>(())
/// ```
pub struct FileLock {
    /// Releases the lock when it is dropped.
    _held: Box<dyn Send + Sync>,
}

impl FileLock {
    /// Creates a lock that is released when `held` is dropped.
    pub fn new(held: impl Send + Sync + 'static) -> FileLock {
        FileLock { _held: Box::new(held) }
    }
}

impl fmt::Debug for FileLock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FileLock").finish_non_exhaustive()
    }
}

/// The processes that a [lock](super::FileSystem::lock) excludes.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{FileSystem, LocalFileSystem, LockScope};
///
/// # let directory = tempfile::tempdir()?;
/// match LocalFileSystem.lock_scope(directory.path())? {
///     LockScope::Everywhere => println!("one writer at a time, on whichever machine"),
///     LockScope::Mount => println!("one writer at a time on this mount"),
///     _ => println!("?"),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockScope {
    /// All processes that can access the file, on any machine.
    Everywhere,
    /// At least the processes that access the file through the same mount. Others may get the lock
    /// as well.
    Mount,
}

//! A file that one holds, and nobody else.

use std::fmt;

/// A file that is [locked](super::FileSystem::lock). Dropped, it is released, and removed where that can
/// be done.
///
/// # Example
///
/// ```
/// use std::io;
///
/// use lazy_zarr::{FileSystem, LocalFileSystem};
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("lock");
/// let lock = LocalFileSystem.lock(&path, b"the first")?;
/// let error = LocalFileSystem.lock(&path, b"the second").unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
/// assert_eq!(&*LocalFileSystem.read(&path, 0, None)?, b"the first");
///
/// drop(lock);
/// LocalFileSystem.lock(&path, b"the second")?;
/// # Ok::<(), io::Error>(())
/// ```
pub struct FileLock {
    /// Releases the file when it is dropped.
    _held: Box<dyn Send + Sync>,
}

impl FileLock {
    /// The lock that is released when `held` is dropped.
    pub fn new(held: impl Send + Sync + 'static) -> FileLock {
        FileLock { _held: Box::new(held) }
    }
}

impl fmt::Debug for FileLock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FileLock").finish_non_exhaustive()
    }
}

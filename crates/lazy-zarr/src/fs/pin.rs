//! Pins of files.

use std::fmt;
use std::io;
use std::path::Path;

/// A file that [`FileSystem::pin`](super::FileSystem::pin) has opened, to check later whether a
/// path still leads to it.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{FileSystem, LocalFileSystem};
///
/// # let directory = tempfile::tempdir()?;
/// let (path, other) = (directory.path().join("zarr.json"), directory.path().join("new"));
/// LocalFileSystem.write(&path, b"{}")?;
/// let pin = LocalFileSystem.pin(&path)?;
/// assert!(pin.is_at(&path)?);
///
/// LocalFileSystem.write(&other, b"[]")?;
/// LocalFileSystem.rename_file(&other, &path)?;
/// assert!(!pin.is_at(&path)?);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct FilePin {
    is_at: Box<IsAt>,
}

type IsAt = dyn Fn(&Path) -> io::Result<bool> + Send + Sync;

impl FilePin {
    /// Creates a pin from the function that [`is_at`](Self::is_at) calls. The function owns
    /// whatever identifies the file, such as an open handle.
    pub fn new(is_at: impl Fn(&Path) -> io::Result<bool> + Send + Sync + 'static) -> FilePin {
        FilePin { is_at: Box::new(is_at) }
    }

    /// Returns true if `path` leads to the pinned file, and the file has the same length and
    /// modification time as when it was pinned.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] if `path` does not exist.
    /// - Any other kind if the operation fails.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        (self.is_at)(path)
    }
}

impl fmt::Debug for FilePin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FilePin").finish_non_exhaustive()
    }
}

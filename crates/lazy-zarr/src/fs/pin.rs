//! Recognizing a file that was opened earlier.

use std::fmt;
use std::io;
use std::path::Path;

/// A file that [`FileSystem::pin`](super::FileSystem::pin) has opened, to find out later whether a path
/// still leads to it.
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
    /// A pin whose [`is_at`](Self::is_at) is this function. The function owns whatever keeps the file
    /// recognizable, such as an open handle.
    pub fn new(is_at: impl Fn(&Path) -> io::Result<bool> + Send + Sync + 'static) -> FilePin {
        FilePin { is_at: Box::new(is_at) }
    }

    /// Returns true if `path` leads to the pinned file, and the file has the length and the time of its last
    /// change that it had when it was pinned.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] if nothing lies at `path`.
    /// - Any other kind if that cannot be found out.
    pub fn is_at(&self, path: &Path) -> io::Result<bool> {
        (self.is_at)(path)
    }
}

impl fmt::Debug for FilePin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FilePin").finish_non_exhaustive()
    }
}

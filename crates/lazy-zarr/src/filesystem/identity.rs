//! What tells a directory from the one that takes its place.

use serde::{Deserialize, Serialize};

/// What tells a directory from every other that lies at its path before or after it.
///
/// # Example
///
/// ```
/// use lazy_zarr::{FileSystem, LocalFileSystem};
///
/// # let directory = tempfile::tempdir()?;
/// let (here, there) = (directory.path().join("here"), directory.path().join("there"));
/// LocalFileSystem.create_directory(&here)?;
/// let identity = LocalFileSystem.identity(&here)?;
///
/// LocalFileSystem.rename_directory(&here, &there)?;
/// LocalFileSystem.create_directory(&here)?;
/// assert_eq!(LocalFileSystem.identity(&there)?, identity);
/// assert_ne!(LocalFileSystem.identity(&here)?, identity);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DirectoryId([u64; 3]);

impl DirectoryId {
    /// An identity of numbers that no other directory of the file system has, now or later: for
    /// instance its own number, and the seconds and nanoseconds of its birth, since numbers are given
    /// again to what is made after it was removed.
    #[must_use]
    pub fn new(numbers: [u64; 3]) -> DirectoryId {
        DirectoryId(numbers)
    }
}

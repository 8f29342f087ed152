//! The removal of directories that other processes use.

use std::io;
use std::path::Path;

use super::file_system::FileSystem;

/// Removes a directory, unless other files are in it or another process has removed it.
pub(crate) fn remove_if_empty(file_system: &dyn FileSystem, path: &Path) -> io::Result<()> {
    let Err(error) = file_system.remove_directory(path) else { return Ok(()) };
    match file_system.list(path) {
        Ok(names) if names.is_empty() => Err(error),
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => Ok(()),
        listed => listed.map(drop),
    }
}

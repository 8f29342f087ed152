//! The removal of files and directories that may already be gone.

use std::io;
use std::path::Path;

use crate::fs::{EntryKind, FileSystem};

/// Removes empty directories, starting with the innermost.
pub(crate) fn remove_empty<'p>(
    file_system: &dyn FileSystem,
    directories: impl Iterator<Item = &'p Path>,
) {
    for directory in directories {
        // A directory that another write uses stays, and so do those above it.
        if file_system.remove_directory(directory).is_err() {
            return;
        }
    }
}

/// Removes the metadata of a Zarr v2 array that was replaced.
pub(crate) fn remove_v2_metadata(file_system: &dyn FileSystem, array: &Path) -> io::Result<()> {
    let mut documents = [".zarray", ".zattrs"].iter().map(|name| array.join(name));
    documents.try_for_each(|path| remove_if_there(file_system, &path))
}

/// Removes a file, unless it is already gone.
pub(crate) fn remove_if_there(file_system: &dyn FileSystem, path: &Path) -> io::Result<()> {
    match file_system.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            let message = format!("{} cannot be removed: {error}", path.display());
            Err(io::Error::new(error.kind(), message))
        }
        Ok(()) => Ok(()),
    }
}

/// Removes a directory and everything in it.
pub(crate) fn remove_all(file_system: &dyn FileSystem, directory: &Path) -> io::Result<()> {
    for name in file_system.list(directory)? {
        let path = directory.join(name);
        match file_system.entry_kind(&path)? {
            Some(EntryKind::Directory) => remove_all(file_system, &path)?,
            _ => remove_if_there(file_system, &path)?,
        }
    }
    match file_system.remove_directory(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

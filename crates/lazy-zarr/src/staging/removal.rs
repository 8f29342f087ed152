//! The removal of files and directories that may already be gone.

use std::io;
use std::path::Path;
use std::thread::sleep;

use super::directory::{BETWEEN_TRIES, MOST_TRIES};
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
///
/// Other processes may use the directory meanwhile, until they notice that it is to be removed: a
/// worker that has just begun a part of a plan creates files there, renames directories, and removes
/// them itself.
pub(crate) fn remove_all(file_system: &dyn FileSystem, directory: &Path) -> io::Result<()> {
    let mut n_tries = 1;
    loop {
        remove_contents(file_system, directory)?;
        match file_system.remove_directory(directory) {
            // Another process has just created a file.
            Err(error)
                if error.kind() == io::ErrorKind::DirectoryNotEmpty && n_tries < MOST_TRIES =>
            {
                n_tries += 1;
                sleep(BETWEEN_TRIES);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            removed => return removed,
        }
    }
}

fn remove_contents(file_system: &dyn FileSystem, directory: &Path) -> io::Result<()> {
    let names = match file_system.list(directory) {
        // Another process has just renamed or removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed?,
    };
    for name in names {
        let path = directory.join(name);
        match file_system.entry_kind(&path)? {
            Some(EntryKind::Directory) => remove_all(file_system, &path)?,
            _ => remove_if_there(file_system, &path)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::sync::Mutex;

    use super::*;
    use crate::fs::{FileSystemLayer, MemoryFileSystem};

    /// A change that another process makes.
    type Change = fn(&MemoryFileSystem) -> io::Result<()>;

    /// A file system on which another process makes one change, before an operation of ours.
    #[derive(Debug)]
    struct Shared {
        files: MemoryFileSystem,
        /// The number of operations before the change, and the change.
        next: Mutex<(usize, Option<Change>)>,
    }

    impl Shared {
        fn before(&self) {
            let mut next = self.next.lock().unwrap();
            match (next.0, next.1) {
                (0, Some(change)) => {
                    next.1 = None;
                    // It fails where the directory is gone already.
                    let _ = change(&self.files);
                }
                _ => next.0 = next.0.saturating_sub(1),
            }
        }
    }

    impl FileSystemLayer for Shared {
        type Inner = MemoryFileSystem;

        fn inner(&self) -> &MemoryFileSystem {
            &self.files
        }

        fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
            self.before();
            self.files.list(directory)
        }

        fn entry_kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
            self.before();
            self.files.entry_kind(path)
        }

        fn remove_file(&self, path: &Path) -> io::Result<()> {
            self.before();
            self.files.remove_file(path)
        }

        fn remove_directory(&self, path: &Path) -> io::Result<()> {
            self.before();
            self.files.remove_directory(path)
        }
    }

    #[test]
    fn a_directory_that_others_use_is_removed() {
        let changes: [Change; 5] = [
            |files| files.write(Path::new("/parts/3/.lazy.1/journal"), b""),
            |files| {
                files.rename_directory(Path::new("/parts/3/.lazy.1"), Path::new("/parts/3/.lazy.2"))
            },
            |files| {
                files.create_directory(Path::new("/parts/4"))?;
                files.create_directory(Path::new("/parts/4/.lazy.1"))?;
                files.write(Path::new("/parts/4/.lazy.1/lock"), b"")
            },
            |files| files.remove_file(Path::new("/parts/3/.lazy.1/lock")),
            |files| {
                files.remove_file(Path::new("/parts/3/.lazy.1/lock"))?;
                files.remove_file(Path::new("/parts/3/.lazy.1/holder"))?;
                files.remove_directory(Path::new("/parts/3/.lazy.1"))?;
                files.remove_directory(Path::new("/parts/3"))
            },
        ];
        for (which, change) in changes.into_iter().enumerate() {
            let mut n_before = 0;
            loop {
                let files = MemoryFileSystem::new();
                for directory in ["/parts", "/parts/3", "/parts/3/.lazy.1"] {
                    files.create_directory(Path::new(directory)).unwrap();
                }
                for file in ["lock", "holder"] {
                    files.write(&Path::new("/parts/3/.lazy.1").join(file), b"").unwrap();
                }
                let next = Mutex::new((n_before, Some(change)));
                let shared = Shared { files: files.clone(), next };
                let removed = remove_all(&shared, Path::new("/parts"));
                removed.unwrap_or_else(|error| panic!("change {which} at {n_before}: {error}"));
                let left = files.list(Path::new("/")).unwrap();
                assert!(left.is_empty(), "change {which} at {n_before}: {left:?}");
                if shared.next.lock().unwrap().1.is_some() {
                    assert!(n_before > 8, "each operation is one before which it happened");
                    break;
                }
                n_before += 1;
            }
        }
    }
}

//! The directory of a write within that of its array, and the lock that keeps other writes out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::process;
use crate::format::KeySpace;
use crate::fs::{EntryKind, FileLock, FilePin, FileSystem};
use crate::store::staging_name::{directory, number_of};

/// The file that is locked.
pub(crate) const LOCK: &str = "lock";
/// The description of the process that holds the lock.
pub(crate) const HOLDER: &str = "holder";
/// The number of directories that the write created, from the array's upwards.
const CREATED: &str = "created";
/// The array's metadata, as it is to be.
const METADATA: &str = "zarr.json";

/// How often a directory is removed in which other processes are at work, or files are yet to be closed.
const MOST_REMOVALS: usize = 3;
/// How often a directory is looked at that another write holds, creates or removes.
pub(super) const MOST_TRIES: usize = 40;
/// The time between two tries.
pub(crate) const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// The staging directory of a write, which no other write touches as long as this lives, and the file
/// system's locks do what they say.
///
/// It holds little: who writes, the record and the journal of a write that can be resumed, and in the end
/// the new metadata. Chunks lie in the array's directory, under keys that the present metadata does not
/// name.
///
/// A write takes over from one that ended early by renaming the directory to the next number. So of
/// several that do so one succeeds; and a process that was taken for dead, and goes on, finds its own
/// directory gone, with the metadata that it would have published.
#[derive(Debug)]
pub(crate) struct Staging {
    pub(crate) file_system: Arc<dyn FileSystem>,
    array: PathBuf,
    pub(crate) directory: PathBuf,
    /// None where the file system has no locks.
    pub(crate) lock: Option<FileLock>,
    /// The file that describes this process, which tells the directory from a later one of the same number. None
    /// before the directory is taken, and after it is removed.
    pub(crate) holder: Option<FilePin>,
}

impl Staging {
    /// A staging directory that this process has created or renamed, and has yet to describe itself in.
    pub(crate) fn unheld(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        directory: PathBuf,
        lock: Option<FileLock>,
    ) -> Staging {
        let (file_system, array) = (Arc::clone(file_system), array.to_owned());
        Staging { file_system, array, directory, lock, holder: None }
    }

    /// Replaces the description of the process that holds the directory, in one step: where there is none, the
    /// write has ended.
    pub(crate) fn describe(&mut self, description: &str) -> io::Result<()> {
        const NEW: &str = "holder.new";
        self.replace(NEW, description.as_bytes())?;
        self.file_system.rename_file(&self.directory.join(NEW), &self.holder_file())?;
        self.holder = Some(self.file_system.pin(&self.holder_file())?);
        Ok(())
    }

    /// Returns the staging directory that an array has, if it has one, without taking it over.
    pub(crate) fn find(file_system: &dyn FileSystem, array: &Path) -> io::Result<Option<PathBuf>> {
        Ok(numbers(file_system, array)?.pop().map(|number| directory(array, number)))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a file that this process has created.
    pub(crate) fn holder_file(&self) -> PathBuf {
        self.directory.join(HOLDER)
    }

    /// The path of the new metadata until it is published.
    pub(crate) fn metadata(&self) -> PathBuf {
        self.directory.join(METADATA)
    }

    /// The path of the metadata of a new group until it is published.
    pub(crate) fn group(&self, level: usize) -> PathBuf {
        self.directory.join(format!("group.{level}.json"))
    }

    /// Returns true as long as no other write has taken over.
    pub(crate) fn is_held(&self) -> io::Result<bool> {
        let Some(holder) = &self.holder else { return Ok(false) };
        match holder.is_at(&self.holder_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            is_held => is_held,
        }
    }

    /// Notes how many directories were created for the array.
    pub(crate) fn note_created(&self, n_directories: usize) -> io::Result<()> {
        self.replace(CREATED, n_directories.to_string().as_bytes())
    }

    /// Writes a file that may be there already.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.directory.join(name);
        remove_if_there(&*self.file_system, &path)?;
        self.file_system.write(&path, bytes)
    }

    /// Removes what an earlier write has left in the directory.
    pub(crate) fn reset(&self) -> io::Result<()> {
        self.remove_all_but(&[LOCK, HOLDER, CREATED])
    }

    fn remove_all_but(&self, kept: &[&str]) -> io::Result<()> {
        for name in self.file_system.list(&self.directory)? {
            if !kept.iter().any(|kept| name == *kept) {
                remove_if_there(&*self.file_system, &self.directory.join(name))?;
            }
        }
        Ok(())
    }

    /// Removes the staging directory.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        let file_system = Arc::clone(&self.file_system);
        self.remove_all_but(&[LOCK, HOLDER])?;
        // Once the lock is gone, nothing is removed there by its name any more: other writes may have come and
        // gone, and what lies there be another one's. And files that are open keep NFS and FUSE from removing
        // their directory.
        remove_if_there(&*file_system, &self.holder_file())?;
        self.holder = None;
        remove_if_there(&*file_system, &self.directory.join(LOCK))?;
        self.lock = None;
        for _ in 0..MOST_REMOVALS {
            match file_system.remove_directory(&self.directory) {
                // It was taken over just now.
                Err(error) if is_of_other_write(&error) => return Ok(()),
                // FUSE closes files some time later.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                    sleep(BETWEEN_TRIES);
                }
                removed => return removed,
            }
        }
        // Another write is taking it over.
        Ok(())
    }

    /// Removes what a write has left: its chunks, this directory, and the directories that were created for
    /// the array, as far as they are empty.
    pub(crate) fn discard(mut self, keys: KeySpace) -> io::Result<()> {
        if keys.clear(&*self.file_system, &self.array)? {
            self.file_system.sync_directory(&self.array)?;
        }
        if self.file_system.entry_kind(&self.array.join(METADATA))?.is_some() {
            remove_v2_metadata(&*self.file_system, &self.array)?;
        }
        let created = self.created();
        self.remove()?;
        remove_empty(&*self.file_system, created.iter().map(PathBuf::as_path));
        Ok(())
    }

    /// Returns the directories that were created for the array, the innermost first.
    pub(crate) fn created(&self) -> Vec<PathBuf> {
        let text = self.file_system.read(&self.directory.join(CREATED), 0, Some(20));
        let number = text.ok().and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
        self.array.ancestors().take(number.unwrap_or(0)).map(Path::to_owned).collect()
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A directory that is kept is no longer this process's, though it goes on running.
        if matches!(self.is_held(), Ok(true)) {
            let _ = self.describe(&process::ended());
        }
    }
}

/// Removes directories that hold nothing, from the innermost on.
pub(crate) fn remove_empty<'p>(
    file_system: &dyn FileSystem,
    directories: impl Iterator<Item = &'p Path>,
) {
    for directory in directories {
        // One that another write uses stays, with those above it.
        if file_system.remove_directory(directory).is_err() {
            return;
        }
    }
}

/// Removes the metadata of an array of Zarr v2 that was replaced.
pub(crate) fn remove_v2_metadata(file_system: &dyn FileSystem, array: &Path) -> io::Result<()> {
    let mut documents = [".zarray", ".zattrs"].iter().map(|name| array.join(name));
    documents.try_for_each(|path| remove_if_there(file_system, &path))
}

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

/// Returns the numbers of an array's staging directories, in order: none or one, but for the instant in which
/// one is created beside one that was taken over.
pub(crate) fn numbers(file_system: &dyn FileSystem, array: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for name in file_system.list(array)? {
        let Some(number) = name.to_str().and_then(number_of) else { continue };
        let path = array.join(&name);
        match file_system.entry_kind(&path)? {
            Some(EntryKind::Directory) => numbers.push(number),
            // It was renamed just now.
            None => {}
            // A link could lead anywhere.
            Some(_) => {
                let place = path.display();
                let message = format!("{place} is in the way: it is not a directory of a write");
                return Err(io::Error::other(message));
            }
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns true if an error says that another write was faster.
pub(crate) fn is_of_other_write(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, NotFound, WouldBlock};

    matches!(error.kind(), AlreadyExists | NotFound | WouldBlock)
}

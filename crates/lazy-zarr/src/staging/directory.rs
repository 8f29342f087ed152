//! The staging directory of a write in the directory of its array, and the lock that keeps other
//! writes out.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::chunk_files::{APPEND, ChunkFiles};
use super::file_journal::JOURNAL;
use super::plan::is_of_plan;
use super::process;
use super::removal::{remove_all, remove_empty, remove_if_there, remove_v2_metadata};
use crate::fs::{EntryKind, FileLock, FilePin, FileSystem};
use crate::store::staging_name::{directory, number_of};

/// The lock file.
pub(crate) const LOCK: &str = "lock";
/// The file that describes the process that holds the lock.
pub(crate) const HOLDER: &str = "holder";
/// The file with the number of directories that the write created, from the directory of the array
/// upwards.
const CREATED: &str = "created";
/// The file with the plan of a write that several workers share.
pub(crate) const PLAN: &str = "plan";
/// The file with the new metadata of the array.
const METADATA: &str = "zarr.json";

/// The number of attempts to remove a directory that other processes use, or in which files are
/// still to be closed.
const MOST_REMOVALS: usize = 3;
/// The number of attempts to examine a directory that another write holds, creates or removes.
pub(super) const MOST_TRIES: usize = 40;
/// The time between two attempts.
pub(crate) const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// The staging directory of a write. No other write touches it while this value lives, provided
/// that the locks of the file system work.
///
/// The directory holds little: the description of the process, the record and the journal of a
/// resumable write, and finally the new metadata. Chunks lie in the directory of the array, under
/// keys that the present metadata does not use.
///
/// A write takes over from one that ended early by renaming the directory to the next number. If
/// several writes try this, one succeeds. If a process was assumed dead but continues, it finds
/// that its directory no longer exists, together with the metadata that it would have published.
#[derive(Debug)]
pub(crate) struct Staging {
    pub(crate) file_system: Arc<dyn FileSystem>,
    pub(super) array: PathBuf,
    pub(crate) directory: PathBuf,
    /// The lock, or `None` if the file system does not support locks.
    pub(crate) lock: Option<FileLock>,
    /// The file that describes this process. It tells the directory apart from a later one with the
    /// same number. `None` before the directory is taken and after it is removed.
    pub(crate) holder: Option<FilePin>,
}

impl Staging {
    /// Returns a staging directory that this process has created or renamed, before it writes its
    /// description there.
    pub(crate) fn unheld(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        directory: PathBuf,
        lock: Option<FileLock>,
    ) -> Staging {
        let (file_system, array) = (Arc::clone(file_system), array.to_owned());
        Staging { file_system, array, directory, lock, holder: None }
    }

    /// Replaces the description of the process that holds the directory, atomically. A directory
    /// without a description belongs to a write that has ended.
    pub(crate) fn describe(&mut self, description: &str) -> io::Result<()> {
        use io::ErrorKind::{QuotaExceeded, StorageFull};

        const NEW: &str = "holder.new";
        match self.replace(NEW, description.as_bytes()) {
            // On a full device, the old description makes room, so that chunks can be removed.
            Err(error) if matches!(error.kind(), StorageFull | QuotaExceeded) => {
                remove_if_there(&*self.file_system, &self.holder_file())?;
                self.replace(NEW, description.as_bytes())?;
            }
            replaced => replaced?,
        }
        self.file_system.rename_file(&self.directory.join(NEW), &self.holder_file())?;
        self.holder = Some(self.file_system.pin(&self.holder_file())?);
        Ok(())
    }

    /// Returns the path of the staging directory of an array, if there is one, without taking it
    /// over.
    pub(crate) fn find(file_system: &dyn FileSystem, array: &Path) -> io::Result<Option<PathBuf>> {
        Ok(numbers(file_system, array)?.pop().map(|number| directory(array, number)))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns true if the file system has locks.
    pub(crate) fn has_locks(file_system: &dyn FileSystem, directory: &Path) -> io::Result<bool> {
        match file_system.lock(&directory.join(LOCK)) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(false),
            // A worker that finishes the plan has the lock, or renames the directory.
            Err(error) if is_of_other_write(&error) => Ok(true),
            lock => lock.map(|_| true),
        }
    }

    /// Returns the path of the description, a file that this process has created.
    pub(crate) fn holder_file(&self) -> PathBuf {
        self.directory.join(HOLDER)
    }

    /// Returns the path of the new metadata before publication.
    pub(crate) fn metadata(&self) -> PathBuf {
        self.directory.join(METADATA)
    }

    /// Returns the path of the metadata of a new group before publication.
    pub(crate) fn group(&self, level: usize) -> PathBuf {
        self.directory.join(format!("group.{level}.json"))
    }

    /// Returns true if no other write has taken over.
    pub(crate) fn is_held(&self) -> io::Result<bool> {
        let Some(holder) = &self.holder else { return Ok(false) };
        match holder.is_at(&self.holder_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            is_held => is_held,
        }
    }

    /// Writes down the number of directories that were created for the array.
    pub(crate) fn note_created(&self, n_directories: usize) -> io::Result<()> {
        self.replace(CREATED, n_directories.to_string().as_bytes())
    }

    /// Writes a file, and replaces it if it exists.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.directory.join(name);
        remove_if_there(&*self.file_system, &path)?;
        self.file_system.write(&path, bytes)
    }

    /// Marks the write as one that appends: the chunks behind the rows of the present version are
    /// its chunks from now on.
    pub(crate) fn mark_append(&self) -> io::Result<()> {
        self.replace(APPEND, b"")
    }

    /// Flushes the mark of a write that appends.
    pub(crate) fn sync_mark(&self) -> io::Result<()> {
        self.file_system.sync_file(&self.directory.join(APPEND))?;
        self.file_system.sync_directory(&self.directory)
    }

    /// Removes the mark of a write that appended, when its chunks are gone. Returns true if there
    /// was one.
    pub(crate) fn unmark_append(&self) -> io::Result<bool> {
        let path = self.directory.join(APPEND);
        let is_marked = self.file_system.entry_kind(&path)?.is_some();
        remove_if_there(&*self.file_system, &path)?;
        Ok(is_marked)
    }

    /// Removes the files that an earlier write left in the directory, except the mark of a write
    /// that appends, and the chunks of an array whose removal ended early.
    pub(crate) fn reset(&self) -> io::Result<()> {
        self.unplan()?;
        self.clear_removed()?;
        self.remove_all_but(&[LOCK, HOLDER, CREATED, APPEND])
    }

    fn remove_all_but(&self, kept: &[&str]) -> io::Result<()> {
        self.remove_each(|name| !kept.iter().any(|kept| name == *kept))
    }

    /// Removes the files and the directories of a plan whose names a function chooses.
    fn remove_each(&self, is_chosen: impl Fn(&OsStr) -> bool) -> io::Result<()> {
        for name in self.file_system.list(&self.directory)? {
            if !is_chosen(&name) {
                continue;
            }
            let path = self.directory.join(&name);
            match self.file_system.entry_kind(&path)? {
                Some(EntryKind::Directory) if is_of_plan(&name) => {
                    remove_all(&*self.file_system, &path)?;
                }
                _ => remove_if_there(&*self.file_system, &path)?,
            }
        }
        Ok(())
    }

    /// Removes the files that an earlier worker was writing when it left a part.
    pub(crate) fn remove_in_progress(&self) -> io::Result<()> {
        self.remove_all_but(&[LOCK, HOLDER, JOURNAL])
    }

    /// Removes the plan in the directory, if there is one, so that no worker joins it or takes a
    /// part of it any more.
    pub(crate) fn unplan(&self) -> io::Result<()> {
        remove_if_there(&*self.file_system, &self.directory.join(PLAN))
    }

    /// Removes the plan in the directory, and the directories of its parts, so that no worker stores
    /// a chunk any more.
    fn remove_plan(&self) -> io::Result<()> {
        self.unplan()?;
        self.remove_each(is_of_plan)
    }

    /// Removes the staging directory.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        let file_system = Arc::clone(&self.file_system);
        self.unplan()?;
        self.remove_all_but(&[LOCK, HOLDER, CREATED])?;
        // If another file cannot be removed, a later removal needs this one.
        remove_if_there(&*file_system, &self.directory.join(CREATED))?;
        // After the lock is removed, no file is removed by name any more: other writes may have
        // started and ended, and the files may belong to one of them. Open files prevent NFS and
        // FUSE from removing their directory, so they are closed first.
        remove_if_there(&*file_system, &self.holder_file())?;
        self.holder = None;
        remove_if_there(&*file_system, &self.directory.join(LOCK))?;
        self.lock = None;
        for _ in 0..MOST_REMOVALS {
            match file_system.remove_directory(&self.directory) {
                // Another write has just taken over the directory.
                Err(error) if is_of_other_write(&error) => return Ok(()),
                // FUSE closes files with a delay.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                    sleep(BETWEEN_TRIES);
                }
                removed => return removed,
            }
        }
        // Another write is taking over the directory.
        Ok(())
    }

    /// Removes the chunks of a write, this directory, and the directories that were created for the
    /// array if they are empty.
    pub(crate) fn discard(mut self, chunks: &ChunkFiles) -> io::Result<()> {
        self.remove_plan()?;
        self.clear_removed()?;
        if chunks.clear()? {
            chunks.sync_cleared()?;
        }
        if chunks.appended_rows().is_none()
            && self.file_system.entry_kind(&self.array.join(METADATA))?.is_some()
        {
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
        // A directory that is kept no longer belongs to this process, even if the process keeps
        // running.
        if matches!(self.is_held(), Ok(true)) {
            let _ = self.describe(&process::ended());
        }
    }
}

/// Returns the numbers of the staging directories of an array, in ascending order. There is at most
/// one, except for the instant in which one is created beside one that was taken over.
pub(crate) fn numbers(file_system: &dyn FileSystem, array: &Path) -> io::Result<Vec<u64>> {
    // Some file systems list removed directories for a while.
    const MOST_TRIES: usize = 10;
    let mut n_tries = 1;
    loop {
        let (numbers, has_changed) = numbers_listed(file_system, array)?;
        if !has_changed || n_tries == MOST_TRIES {
            return Ok(numbers);
        }
        n_tries += 1;
    }
}

/// Returns the numbers of the staging directories in one listing, and true if one of them has been
/// renamed or removed since.
fn numbers_listed(file_system: &dyn FileSystem, array: &Path) -> io::Result<(Vec<u64>, bool)> {
    let (mut numbers, mut has_changed) = (Vec::new(), false);
    for name in file_system.list(array)? {
        let Some(number) = name.to_str().and_then(number_of) else { continue };
        let path = array.join(&name);
        match file_system.entry_kind(&path)? {
            Some(EntryKind::Directory) => numbers.push(number),
            None => has_changed = true,
            // A link could lead anywhere.
            Some(_) => {
                let place = path.display();
                let message = format!("{place} is in the way: it is not a directory of a write");
                return Err(io::Error::other(message));
            }
        }
    }
    numbers.sort_unstable();
    Ok((numbers, has_changed))
}

/// Returns true if an error says that another write was faster.
pub(crate) fn is_of_other_write(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, NotFound, WouldBlock};

    matches!(error.kind(), AlreadyExists | NotFound | WouldBlock)
}

//! The directory in which an array lies until it is published, and the lock that one write has on it.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::StagingPlace;
use super::holder::{check_is_lock, holder, said_by_holder};
use crate::node::{Node, zarr_node_at_path};
use crate::resume::{self, Journal, Record};
use crate::{DirectoryId, EntryKind, Error, FileLock, FileSystem, Result};

/// The array, until it is complete; and in the end, when no group is made for it.
pub(crate) const ARRAY: &str = "array";
/// The outermost group that is made for the array, with all that is in it: its name goes on with how many
/// names lead from there to the array.
const GROUPS: &str = "groups-";
/// What was at the target, between the two renames of a replacement.
pub(super) const OLD: &str = "old";
/// The identity of the array that is about to be published.
const SEALED: &str = "sealed";
/// Says that the directory holds what was at the target, which is not to be removed.
const KEPT: &str = "kept";
/// Says that the directory is being removed: what is left in it is of no use, whatever it looks like.
const OVER: &str = "over";

/// How often a lock is asked for, and how long is waited in between.
const MOST_TRIES: usize = 40;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// A staging directory that nobody else touches as long as this lives.
#[derive(Debug)]
pub(crate) struct Staging {
    file_system: Arc<dyn FileSystem>,
    directory: PathBuf,
    /// Released in the end.
    _lock: FileLock,
}

impl Staging {
    /// Takes hold of a place; the directory need not be there yet. Says who has hold of it when somebody
    /// has.
    pub(crate) fn take(
        file_system: Arc<dyn FileSystem>,
        place: &StagingPlace,
    ) -> io::Result<Result<Staging, String>> {
        if file_system.kind(&place.parent)? == Some(EntryKind::File) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let path = place.lock_file();
        check_is_lock(&*file_system, &path)?;
        let mut n_tries = 0;
        loop {
            match file_system.lock(&path, holder().as_bytes()) {
                Ok(_lock) => {
                    let directory = place.directory();
                    return Ok(Ok(Staging { file_system, directory, _lock }));
                }
                // Who lists unfinished writes has the lock for an instant.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && n_tries < MOST_TRIES => {
                    n_tries += 1;
                    sleep(BETWEEN_TRIES);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Err(said_by_holder(&*file_system, &path)));
                }
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether an earlier write left the directory behind.
    pub(crate) fn is_there(&self) -> Result<bool> {
        let kind = self.file_system.kind(&self.directory);
        Ok(kind.map_err(|source| self.unexamined(source))? == Some(EntryKind::Directory))
    }

    fn unexamined(&self, source: io::Error) -> Error {
        Error::Examine { path: self.directory.clone(), source }
    }

    /// What an earlier write had written down, once what it had begun to do to the target is brought to an
    /// end. What of it nobody can use is removed.
    pub(super) fn take_over(&self, array: &Path, is_durable: bool) -> Result<Option<Record>> {
        if !self.is_there()? {
            return Ok(None);
        }
        self.settle(Some(array), is_durable)?;
        if !self.is_over()?
            && !self.is_published(array)?
            && let Some(record) = self.journal().record()?
        {
            return Ok(Some(record));
        }
        self.discard(array, is_durable).map_err(|source| self.unexamined(source))?;
        Ok(None)
    }

    /// Removes the directory, once what its write may have done to the target is on the device: else a power
    /// failure could bring back what was there before, of which parts were removed with the directory.
    pub(crate) fn discard(&self, target: &Path, is_durable: bool) -> io::Result<()> {
        let above = self.directory.parent().unwrap_or(&self.directory);
        let changed = target.ancestors().skip(1).take_while(|changed| changed.starts_with(above));
        for directory in changed.filter(|_| is_durable) {
            if self.file_system.kind(directory)? == Some(EntryKind::Directory) {
                self.file_system.sync_directory(directory)?;
            }
        }
        self.remove()
    }

    /// Undoes a replacement that was interrupted between its renames, and makes sure that what is left is
    /// an unfinished array, or one that was replaced, and nothing else.
    pub(crate) fn settle(&self, target: Option<&Path>, is_durable: bool) -> Result<()> {
        let file_system = &*self.file_system;
        let examine = |source| self.unexamined(source);
        let exists =
            |path: &Path| file_system.kind(path).map(|kind| kind.is_some()).map_err(examine);
        if self.is_over()? {
            return Ok(());
        }
        for name in file_system.list(&self.directory).map_err(examine)? {
            if let Some(n_names) = name.to_str().and_then(number_of_names) {
                if let Some(target) = target {
                    self.take_out_of_groups(n_names, target).map_err(examine)?;
                }
            } else if !is_known(&name) {
                return Err(self.kept_aside(target));
            }
        }
        let (old, array) = (self.directory.join(OLD), self.directory.join(ARRAY));
        if exists(&old)? {
            let flush = |directory: &Path| match is_durable {
                true => file_system.sync_directory(directory),
                false => Ok(()),
            };
            let Some(target) = target else { return Err(self.kept_aside(target)) };
            let settled = if !exists(target)? {
                let parent = target.parent().unwrap_or(target);
                file_system.rename_directory(&old, target).and_then(|()| flush(parent))
            } else if exists(&array)? {
                return Err(self.kept_aside(Some(target)));
            } else {
                // So that it does not come back with the power when there is an array beside it again.
                file_system.remove_directory(&old).and_then(|()| flush(&self.directory))
            };
            settled.map_err(examine)?;
        }
        if exists(&array)? && !is_array_or_part(file_system, &array)? {
            return Err(self.kept_aside(target));
        }
        Ok(())
    }

    /// Puts an array that was complete back to where it was before groups were made for it, which are there
    /// now, or will be others.
    fn take_out_of_groups(&self, n_names: usize, target: &Path) -> io::Result<()> {
        let groups = self.groups(n_names);
        let staged = below_groups(&groups, n_names, target);
        if self.file_system.kind(&staged)?.is_some() {
            self.file_system.rename_directory(&staged, &self.directory.join(ARRAY))?;
        }
        self.file_system.remove_directory(&groups)
    }

    /// Where the outermost group is staged from which so many names lead to the array.
    pub(super) fn groups(&self, n_names: usize) -> PathBuf {
        self.directory.join(format!("{GROUPS}{n_names}"))
    }

    /// What is written down of a write beside its chunks.
    pub(crate) fn journal(&self) -> Journal {
        Journal::new(Arc::clone(&self.file_system), self.directory.clone())
    }

    fn kept_aside(&self, target: Option<&Path>) -> Error {
        let target = target.map_or("its target".to_owned(), |target| target.display().to_string());
        Error::KeptAside { target, directory: self.directory.clone() }
    }

    /// Whether the array in this directory has become the one at its target.
    pub(crate) fn is_published(&self, array: &Path) -> Result<bool> {
        let path = self.directory.join(SEALED);
        let sealed = match self.file_system.read(&path, 0, None) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(Error::Examine { path, source }),
        };
        // What is torn was written just before, and nothing was published.
        let sealed = serde_json::from_slice::<DirectoryId>(&sealed).ok();
        Ok(sealed.is_some() && sealed == self.file_system.identity(array).ok())
    }

    /// Notes which array is about to be published.
    pub(super) fn seal(&self, array: &Path) -> io::Result<()> {
        let identity = self.file_system.identity(array)?;
        let text = serde_json::to_vec(&identity).map_err(io::Error::other)?;
        let path = self.directory.join(SEALED);
        self.make_room(&path)?;
        self.file_system.write(&path, &text)
    }

    /// Removes a file that an earlier write may have left where one is to be written.
    pub(super) fn make_room(&self, path: &Path) -> io::Result<()> {
        match self.file_system.kind(path)? {
            Some(EntryKind::File) => self.file_system.remove_file(path),
            _ => Ok(()),
        }
    }

    /// Notes that the directory is not to be removed.
    pub(super) fn keep(&self) {
        // The error that is on its way says where it is, too.
        let _ = self.file_system.write(&self.directory.join(KEPT), b"");
    }

    pub(super) fn create(&self) -> io::Result<()> {
        self.file_system.create_directory(&self.directory)
    }

    /// Whether a removal of it has begun.
    pub(crate) fn is_over(&self) -> Result<bool> {
        let kind = self.file_system.kind(&self.directory.join(OVER));
        Ok(kind.map_err(|source| self.unexamined(source))?.is_some())
    }

    /// Removes the directory. Where that is interrupted, what remains is not taken for what it was a part
    /// of: an unfinished array that has lost its seal, or something else than the array that was replaced.
    pub(crate) fn remove(&self) -> io::Result<()> {
        // Where nothing can be written, all may be removed nevertheless.
        let _ = self.file_system.write(&self.directory.join(OVER), b"");
        for name in self.file_system.list(&self.directory)? {
            let path = self.directory.join(&name);
            match self.file_system.kind(&path)? {
                Some(EntryKind::Directory) => self.file_system.remove_directory(&path)?,
                _ if name == OVER => {}
                _ => self.file_system.remove_file(&path)?,
            }
        }
        self.file_system.remove_directory(&self.directory)
    }
}

/// Where the array of a target is in groups that are staged with it.
fn below_groups(groups: &Path, n_names: usize, target: &Path) -> PathBuf {
    let outside = target.ancestors().nth(n_names).unwrap_or(target);
    groups.join(target.strip_prefix(outside).unwrap_or(target))
}

/// Whether this is a name of what a write puts into its staging directory.
fn is_known(name: &OsStr) -> bool {
    [ARRAY, OLD, SEALED].into_iter().chain(resume::NAMES).any(|known| name == known)
}

/// How many names lead from a staged group of this name to the array.
fn number_of_names(name: &str) -> Option<usize> {
    name.strip_prefix(GROUPS)?.parse().ok()
}

/// Whether a directory holds nothing but what a write puts there, or an array that it replaced.
fn is_array_or_part(file_system: &dyn FileSystem, path: &Path) -> Result<bool> {
    match zarr_node_at_path(file_system, path) {
        Ok(Some(node)) => return Ok(node == Node::Array),
        // The metadata was being written.
        Ok(None) | Err(Error::BrokenMetadata { .. }) => {}
        Err(error) => return Err(error),
    }
    let names = file_system.list(path);
    let names = names.map_err(|source| Error::Examine { path: path.to_owned(), source })?;
    Ok(names.iter().all(|name| name == "c" || name == "zarr.json"))
}

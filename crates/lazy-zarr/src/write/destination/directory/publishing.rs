//! The publication of an array in a directory, and the cleanup after it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::claim::check_groups;
use super::writing::Directory;
use crate::error::{Error, Result, TargetError, WriteError};
use crate::format::KeySpace;
use crate::fs::FileSystem;
use crate::settings::{Durability, OldChunks, WriteSettings};
use crate::staging::ChunkFiles;
use crate::staging::removal::remove_v2_metadata;
use crate::store::check::is_missing_group;
use crate::store::node::{document_at_path, group_at_path, present_at_path, rows_at_path};

/// Flushes the directory entries of an array that another process has published: it may have failed
/// to flush them, or may not have done it yet.
pub(in crate::write::destination) fn flush_again(
    settings: &WriteSettings,
    file_system: &dyn FileSystem,
    path: PathBuf,
    members: &[String],
) -> Result<()> {
    let array = members.iter().fold(path, |path, name| path.join(name));
    let changed = array.ancestors().take(1 + members.len());
    flush_directories(file_system, settings.durability, changed).map_err(|source| {
        WriteError::Unflushed { target: settings.target.to_string(), source }.into()
    })
}

/// Flushes the entries of directories, if the array must survive power failures.
fn flush_directories<P: AsRef<Path>>(
    file_system: &dyn FileSystem,
    durability: Durability,
    directories: impl IntoIterator<Item = P>,
) -> io::Result<()> {
    match durability {
        Durability::Full => {
            let mut directories = directories.into_iter();
            directories.try_for_each(|directory| file_system.sync_directory(directory.as_ref()))
        }
        Durability::None => Ok(()),
    }
}

impl Directory {
    /// Checks the target again, which may have changed while blocks were computed.
    pub(super) fn check_again(&self) -> Result<()> {
        let file_system = &*self.file_system;
        let missing = check_groups(file_system, &self.target, &self.array, self.n_groups)?;
        if let Some(group) = missing.iter().find(|group| !self.new_groups.contains(group)) {
            let message = format!("{} is no longer a Zarr group", group.display());
            return Err(self.unpublished(io::Error::new(io::ErrorKind::NotFound, message)));
        }
        if !self.is_held() {
            return Err(Error::taken_over(self.name()));
        }
        match (self.present, present_at_path(file_system, &self.array)?) {
            (before, now) if before == now && self.is_base_there()? => Ok(()),
            // The write that has taken over may have published it.
            _ if !self.is_held() => Err(Error::taken_over(self.name())),
            (None, Some(_)) => Err(TargetError::Exists { target: self.name() }.into()),
            _ => {
                let change = if self.base.is_some() {
                    "the array to append to has changed, or is no longer there"
                } else {
                    "the array to replace is no longer there, or is another one"
                };
                Err(self.unpublished(io::Error::other(change)))
            }
        }
    }

    /// Returns true if the write does not append, or the version that it appends to is present.
    fn is_base_there(&self) -> Result<bool> {
        let Some(base) = &self.base else { return Ok(true) };
        let now = document_at_path(&*self.file_system, &self.array.join("zarr.json"))?;
        Ok(now.is_some_and(|now| now == base))
    }

    /// Removes the chunks of this write, unless they belong to a published version. Another program
    /// may have published one without checking for a lock.
    pub(super) fn clear_unpublished(&self) -> io::Result<()> {
        if self.base.is_none() {
            let present = present_at_path(&*self.file_system, &self.array);
            let is_own = present
                .is_ok_and(|present| present.is_none_or(|now| now.keys != self.chunks.keys()));
            return if is_own { self.clear(&self.chunks) } else { Ok(()) };
        }
        // The array may have other rows now. The chunks behind them are those of this write.
        match rows_at_path(&*self.file_system, &self.array).map_err(io::Error::other)? {
            Some(rows) if rows.keys == self.chunks.keys() => {
                let staging = self.staging.directory();
                self.clear(&ChunkFiles::of_append(&self.file_system, &self.array, staging, rows))
            }
            _ => Err(io::Error::other("the array is no longer there, so its chunks are unknown")),
        }
    }

    /// Renames the chunks of the last present row, with the new rows, over the present ones. The
    /// rows of the present version are the same in both, so a reader of it does not notice.
    pub(super) fn publish_last_row(&self) -> Result<()> {
        let file_system = &*self.file_system;
        let publish = || {
            let mut directories = BTreeSet::new();
            for (key, staged) in self.chunks.staged()? {
                let path = self.array.join(key);
                let directory = path.parent().unwrap_or(&self.array);
                // A chunk that another program left out has no directory.
                self.permissions.create_directory(file_system, &self.array, directory)?;
                if !self.staging.is_held()? {
                    return Err(io::ErrorKind::NotFound.into());
                }
                file_system.rename_file(&staged, &path)?;
                directories.insert(directory.to_owned());
            }
            // The new metadata must not be there without these chunks after a power failure.
            if self.durability == Durability::Full {
                let above = directories.iter().flat_map(|directory| directory.ancestors());
                let within: BTreeSet<_> =
                    above.filter(|directory| directory.starts_with(&self.array)).collect();
                within.iter().try_for_each(|directory| file_system.sync_directory(directory))?;
            }
            Ok(())
        };
        publish().map_err(|source| self.unpublished(source))
    }

    /// Publishes the missing groups, and returns their metadata files. Other writes may do the same
    /// at the same time.
    pub(super) fn publish_groups(&self, published: &mut Vec<PathBuf>) -> Result<()> {
        let file_system = &*self.file_system;
        for (level, group) in self.new_groups.iter().enumerate() {
            let metadata = group.join("zarr.json");
            match file_system.rename_new_file(&self.staging.group(level), &metadata) {
                Ok(()) => published.push(metadata),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let node = group_at_path(file_system, group)?;
                    if is_missing_group(&self.target, node, &group.display())? {
                        return Err(self.unpublished(error));
                    }
                }
                Err(source) => return Err(self.unpublished(source)),
            }
        }
        // The array must not be there without its groups after a power failure.
        self.flush_directories(&self.new_groups).map_err(|source| self.unpublished(source))
    }

    pub(super) fn publish_array(&self) -> Result<()> {
        let (from, to) = (self.staging.metadata(), self.array.join("zarr.json"));
        let renamed = match self.present {
            Some(present) if !present.is_v2 => self.file_system.rename_file(&from, &to),
            _ => self.file_system.rename_new_file(&from, &to),
        };
        let Err(source) = renamed else { return Ok(()) };
        // A server may have renamed the file even though its answer was lost.
        if self.is_held() && self.lies_at(&to) && !self.lies_at(&from) {
            return Ok(());
        }
        Err(match source.kind() {
            io::ErrorKind::AlreadyExists if self.is_held() => {
                TargetError::Exists { target: self.name() }.into()
            }
            _ => self.unpublished(source),
        })
    }

    /// Returns true if the file at a path is the metadata of the new version.
    fn lies_at(&self, path: &Path) -> bool {
        let found = self.file_system.read(path, 0, None);
        self.metadata.get().is_some_and(|metadata| found.is_ok_and(|found| found == metadata))
    }

    /// Flushes the directory entries that publishing has changed.
    pub(super) fn flush_published(&self) -> Result<()> {
        self.flush_directories([&self.array])
            .map_err(|source| WriteError::Unflushed { target: self.name(), source }.into())
    }

    fn flush_directories<'d>(
        &self,
        directories: impl IntoIterator<Item = &'d PathBuf>,
    ) -> io::Result<()> {
        flush_directories(&*self.file_system, self.durability, directories)
    }

    /// Removes the chunks of all versions that no reader can have opened since the present version
    /// was published, or the chunks of all versions except the new one.
    pub(super) fn clear_old(&self) -> io::Result<()> {
        let kept = match self.old_chunks {
            // The present version is still whole, and so is the version before it.
            OldChunks::Keep if self.base.is_some() => return Ok(()),
            OldChunks::Keep => self.present.map(|present| present.keys),
            OldChunks::Remove => None,
        };
        // This includes an older version: the write that published the version after it may have
        // been killed before it removed these chunks.
        if self.present.is_some() && self.base.is_none() {
            remove_v2_metadata(&*self.file_system, &self.array)?;
        }
        let is_old = |keys: &KeySpace| *keys != self.chunks.keys() && Some(*keys) != kept;
        self.clear_key_spaces(&KeySpace::ALL.into_iter().filter(is_old).collect::<Vec<_>>())
    }

    fn unpublished(&self, source: io::Error) -> Error {
        if self.is_held() {
            WriteError::Publish { target: self.name(), source }.into()
        } else {
            Error::taken_over(self.name())
        }
    }
}

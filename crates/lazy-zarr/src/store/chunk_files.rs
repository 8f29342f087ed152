//! The files that hold the chunks of a version in the directory of an array.

use std::io;
use std::path::{Path, PathBuf};

use crate::format::key_space::{KeySpace, index_below, is_index};
use crate::fs::{EntryKind, FileSystem, remove_if_empty};

/// An entry of a key space.
pub(crate) enum Found<'f> {
    /// A directory that holds chunks or directories of chunks.
    Directory(&'f Path),
    /// A chunk, or a shard in an array with shards.
    Chunk { key: &'f str, path: &'f Path },
}

impl KeySpace {
    /// Visits the chunks of an array with `n_chunks` chunks along each axis that lie in its
    /// directory, and the directories that hold them. Other files are skipped.
    pub(crate) fn walk(
        self,
        file_system: &dyn FileSystem,
        array: &Path,
        n_chunks: &[u64],
        visit: impl FnMut(Found<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.walk_from(file_system, array, 0, n_chunks, visit)
    }

    /// Visits the chunks whose index along axis 0 is at least `first`, and the directories that
    /// hold chunks. Other files are skipped.
    pub(crate) fn walk_from(
        self,
        file_system: &dyn FileSystem,
        array: &Path,
        first: u64,
        n_chunks: &[u64],
        mut visit: impl FnMut(Found<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let n_before = n_chunks.iter().skip(1).fold(first, |n, along| n.saturating_mul(*along));
        if matches!(self, KeySpace::Dotted | KeySpace::BareDotted) {
            for name in file_system.list(array)? {
                let Some(key) = name.to_str() else { continue };
                if self.number(key, n_chunks).is_some_and(|number| number >= n_before) {
                    visit(Found::Chunk { key, path: &array.join(key) })?;
                }
            }
            return Ok(());
        }
        let mut open: Vec<(String, usize)> = Vec::new();
        if self == KeySpace::Bare {
            open.push((String::new(), 0));
        } else if file_system.entry_kind(&array.join("c"))? == Some(EntryKind::Directory) {
            open.push(("c/".to_owned(), 0));
        }
        while let Some((prefix, axis)) = open.pop() {
            let directory = array.join(&prefix);
            if !prefix.is_empty() {
                visit(Found::Directory(&directory))?;
            }
            for name in file_system.list(&directory)? {
                let Some(name) = name.to_str() else { continue };
                let least = if axis == 0 { first } else { 0 };
                if index_below(name, n_chunks[axis]).is_none_or(|index| index < least) {
                    continue;
                }
                let (key, path) = (format!("{prefix}{name}"), directory.join(name));
                if axis + 1 == n_chunks.len() {
                    visit(Found::Chunk { key: &key, path: &path })?;
                } else if file_system.entry_kind(&path)? == Some(EntryKind::Directory) {
                    open.push((key + "/", axis + 1));
                }
            }
        }
        Ok(())
    }

    /// Removes all chunks of this key space from the directory of an array, whatever their number
    /// of axes, and returns true if there were any. Files with other names stay, and so do the
    /// directories that hold them.
    ///
    /// # Errors
    ///
    /// Returns an error if a chunk cannot be removed, or if another Zarr node lies at the place of
    /// chunks of this key space.
    pub(crate) fn clear(self, file_system: &dyn FileSystem, array: &Path) -> io::Result<bool> {
        self.clear_from(file_system, array, 0)
    }

    /// Removes the chunks whose index along axis 0 is at least `first`, like
    /// [`clear`](Self::clear).
    pub(crate) fn clear_from(
        self,
        file_system: &dyn FileSystem,
        array: &Path,
        first: u64,
    ) -> io::Result<bool> {
        let entries = self.entries(file_system, array, first)?;
        entries.iter().try_for_each(|path| remove(file_system, path))?;
        Ok(!entries.is_empty())
    }

    /// Returns the number of files of the chunks of this key space, and their size in bytes.
    pub(crate) fn usage(
        self,
        file_system: &dyn FileSystem,
        array: &Path,
    ) -> io::Result<(u64, u64)> {
        let (mut n_files, mut n_bytes) = (0, 0);
        let mut open = self.entries(file_system, array, 0)?;
        while let Some(path) = open.pop() {
            match file_system.entry_kind(&path)? {
                Some(EntryKind::Directory) => open.extend(indices(file_system, &path)?),
                Some(EntryKind::File) => {
                    n_files += 1;
                    n_bytes += file_system.size(&path)?;
                }
                Some(EntryKind::Link | EntryKind::Other) => n_files += 1,
                None => {}
            }
        }
        Ok((n_files, n_bytes))
    }

    /// Returns a file in the directory of an array that has the name of a chunk of this key space
    /// whose index along axis 0 is at least `first`, if there is one.
    pub(crate) fn first_file(
        self,
        file_system: &dyn FileSystem,
        array: &Path,
        first: u64,
    ) -> io::Result<Option<PathBuf>> {
        let mut open = self.entries(file_system, array, first)?;
        while let Some(path) = open.pop() {
            match file_system.entry_kind(&path)? {
                Some(EntryKind::Directory) => open.extend(indices(file_system, &path)?),
                Some(_) => return Ok(Some(path)),
                None => {}
            }
        }
        Ok(None)
    }

    /// Returns the outermost entries that are, or hold, only chunks whose index along axis 0 is at
    /// least `first`.
    fn entries(
        self,
        file_system: &dyn FileSystem,
        array: &Path,
        first: u64,
    ) -> io::Result<Vec<PathBuf>> {
        if self == KeySpace::Nested && first > 0 {
            let directory = array.join("c");
            return match file_system.entry_kind(&directory)? {
                Some(EntryKind::Directory) => {
                    let names = file_system.list(&directory)?;
                    let names = names.iter().filter_map(|name| name.to_str());
                    let is_behind = |name: &&str| {
                        index_below(name, u64::MAX).is_some_and(|index| index >= first)
                    };
                    Ok(names.filter(is_behind).map(|name| directory.join(name)).collect())
                }
                _ => Ok(Vec::new()),
            };
        }
        let is_behind =
            |name: &&str| first == 0 || self.first_index(name).is_some_and(|index| index >= first);
        let names = file_system.list(array)?;
        let names = names.iter().filter_map(|name| name.to_str());
        let entries = names.filter(|name| self.has_entry(name)).filter(is_behind);
        Ok(entries.map(|name| array.join(name)).collect())
    }
}

/// Removes a chunk, or a directory of chunks. A directory that holds other files stays.
fn remove(file_system: &dyn FileSystem, path: &Path) -> io::Result<()> {
    let Err(error) = file_system.remove_file(path) else { return Ok(()) };
    match file_system.entry_kind(path)? {
        None => return Ok(()),
        Some(EntryKind::Directory) => {}
        Some(_) => {
            let message = format!("{} cannot be removed: {error}", path.display());
            return Err(io::Error::new(error.kind(), message));
        }
    }
    for below in indices(file_system, path)? {
        remove(file_system, &below)?;
    }
    remove_if_empty(file_system, path)
}

/// Returns the paths in a directory of chunks whose names are indices.
///
/// A directory that another process has just removed holds none.
fn indices(file_system: &dyn FileSystem, directory: &Path) -> io::Result<Vec<PathBuf>> {
    let names = match file_system.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    if names.iter().any(|name| name == "zarr.json" || name == ".zarray" || name == ".zgroup") {
        let place = directory.display();
        let message = format!("{place} is in the way: it is another Zarr node");
        return Err(io::Error::other(message));
    }
    let names = names.iter().filter_map(|name| name.to_str()).filter(|name| is_index(name));
    Ok(names.map(|name| directory.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::LocalFileSystem;

    /// Three axes, of 3, 1 and 4 chunks.
    const N_CHUNKS: [u64; 3] = [3, 1, 4];

    fn keys(keys: KeySpace) -> Vec<String> {
        let indices = (0..3).flat_map(|i| (0..4).map(move |k| [i, 0, k]));
        indices.map(|index| keys.encoding().encode(&index).to_string()).collect()
    }

    #[test]
    fn chunks_are_found_and_removed_and_nothing_else() {
        let file_system = LocalFileSystem;
        for space in [KeySpace::Nested, KeySpace::Bare, KeySpace::Dotted] {
            let directory = tempfile::tempdir().unwrap();
            let array = directory.path();
            let all: Vec<_> = KeySpace::ALL.into_iter().flat_map(keys).collect();
            for key in all.iter().map(String::as_str).chain(["notes.txt", "c/notes.txt", "1/note"])
            {
                let path = array.join(key);
                file_system.create_directories(path.parent().unwrap()).unwrap();
                file_system.write(&path, b"12345").unwrap();
            }
            let found = |space: KeySpace| {
                let mut found = Vec::new();
                let visit = |entry: Found<'_>| {
                    if let Found::Chunk { key, .. } = entry {
                        found.push(key.to_owned());
                    }
                    Ok(())
                };
                space.walk(&file_system, array, &N_CHUNKS, visit).unwrap();
                found.sort();
                found
            };
            assert_eq!(found(space), keys(space));
            assert_eq!(space.usage(&file_system, array).unwrap(), (12, 60));
            assert!(space.clear(&file_system, array).unwrap());
            assert_eq!(found(space), [""; 0]);
            for other in KeySpace::ALL.into_iter().filter(|other| *other != space) {
                assert_eq!(found(other), keys(other));
            }
            for note in ["notes.txt", "c/notes.txt", "1/note"] {
                assert!(array.join(note).exists(), "{note}");
            }
        }
    }

    #[test]
    fn chunks_behind_a_row_are_found_and_removed() {
        let file_system = LocalFileSystem;
        for space in KeySpace::ALL {
            for first in 0..4 {
                let directory = tempfile::tempdir().unwrap();
                let array = directory.path();
                for key in KeySpace::ALL.into_iter().flat_map(keys) {
                    let path = array.join(key);
                    file_system.create_directories(path.parent().unwrap()).unwrap();
                    file_system.write(&path, b"12345").unwrap();
                }
                let found = |first| {
                    let mut found = Vec::new();
                    let visit = |entry: Found<'_>| {
                        if let Found::Chunk { key, .. } = entry {
                            found.push(key.to_owned());
                        }
                        Ok(())
                    };
                    space.walk_from(&file_system, array, first, &N_CHUNKS, visit).unwrap();
                    found.sort();
                    found
                };
                let mut before = keys(space);
                let behind = before.split_off(4 * first as usize);
                assert_eq!(found(first), behind);
                let file = space.first_file(&file_system, array, first).unwrap();
                assert_eq!(file.is_some(), !behind.is_empty());
                let has_removed = space.clear_from(&file_system, array, first).unwrap();
                assert_eq!((found(0), has_removed), (before, !behind.is_empty()));
            }
        }
    }

    #[test]
    fn another_array_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("0");
        LocalFileSystem.create_directories(&inner.join("0")).unwrap();
        LocalFileSystem.write(&inner.join(".zarray"), b"{}").unwrap();
        LocalFileSystem.write(&inner.join("0/0"), b"1").unwrap();
        let error = KeySpace::Bare.clear(&LocalFileSystem, directory.path()).unwrap_err();
        assert!(error.to_string().contains("another Zarr node"), "{error}");
        assert!(inner.join("0/0").exists());
    }
}

//! The files that hold the chunks of a version in the directory of an array.

use std::io;
use std::path::{Path, PathBuf};

use crate::format::key_space::{KeySpace, index_below, is_index};
use crate::fs::{EntryKind, FileSystem};

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
        mut visit: impl FnMut(Found<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        if matches!(self, KeySpace::Dotted | KeySpace::BareDotted) {
            for name in file_system.list(array)? {
                let Some(key) = name.to_str() else { continue };
                if self.number(key, n_chunks).is_some() {
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
                if index_below(name, n_chunks[axis]).is_none() {
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
        let entries = self.entries(file_system, array)?;
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
        let mut open = self.entries(file_system, array)?;
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

    /// Returns a file in the directory of an array that has the name of a chunk of this key space,
    /// if there is one.
    pub(crate) fn first_file(
        self,
        file_system: &dyn FileSystem,
        array: &Path,
    ) -> io::Result<Option<PathBuf>> {
        let mut open = self.entries(file_system, array)?;
        while let Some(path) = open.pop() {
            match file_system.entry_kind(&path)? {
                Some(EntryKind::Directory) => open.extend(indices(file_system, &path)?),
                Some(_) => return Ok(Some(path)),
                None => {}
            }
        }
        Ok(None)
    }

    fn entries(self, file_system: &dyn FileSystem, array: &Path) -> io::Result<Vec<PathBuf>> {
        let names = file_system.list(array)?;
        let names = names.iter().filter_map(|name| name.to_str());
        Ok(names.filter(|name| self.has_entry(name)).map(|name| array.join(name)).collect())
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
    match file_system.remove_directory(path) {
        // Other files are in the directory.
        Err(_) if !file_system.list(path)?.is_empty() => Ok(()),
        removed => removed,
    }
}

/// Returns the paths in a directory of chunks whose names are indices.
fn indices(file_system: &dyn FileSystem, directory: &Path) -> io::Result<Vec<PathBuf>> {
    let names = file_system.list(directory)?;
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

//! A file system that caches directory listings.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lazy_chunks::zarr::{FileSystem, FileSystemLayer, LocalFileSystem};

/// The local file system with a cache of directory listings. It lists a directory again only after
/// it has changed the directory itself. Network file systems do the same for a while, whatever
/// other machines change.
#[derive(Debug, Default)]
pub struct CachingFileSystem {
    listed: Mutex<HashMap<PathBuf, Vec<OsString>>>,
}

impl CachingFileSystem {
    fn changed<T>(&self, path: &Path, result: io::Result<T>) -> io::Result<T> {
        if let (Ok(_), Some(directory)) = (&result, path.parent()) {
            self.listed.lock().unwrap_or_else(PoisonError::into_inner).remove(directory);
        }
        result
    }
}

impl FileSystemLayer for CachingFileSystem {
    type Inner = LocalFileSystem;

    fn inner(&self) -> &LocalFileSystem {
        &LocalFileSystem
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(names) = listed.get(directory) {
            return Ok(names.clone());
        }
        let names = LocalFileSystem.list(directory)?;
        listed.insert(directory.to_owned(), names.clone());
        Ok(names)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.changed(path, LocalFileSystem.create_directory(path))
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        let created = LocalFileSystem.create_directories(path);
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).clear();
        created
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.changed(path, LocalFileSystem.write(path, bytes))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.changed(path, LocalFileSystem.remove_file(path))
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.changed(path, LocalFileSystem.remove_directory(path))
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.changed(to, LocalFileSystem.rename_directory(from, to))
    }

    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.changed(to, LocalFileSystem.rename_file(from, to))
    }

    fn rename_new_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.changed(to, LocalFileSystem.rename_new_file(from, to))
    }
}

use std::ffi::OsString;
use std::io::{IoSliceMut, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lazy_chunks::zarr::{DirectoryId, EntryKind, FileLock, FileSystem};

/// A file system that counts the bytes that go into another one, and those that come out of it.
#[derive(Debug)]
pub struct Metered<F> {
    file_system: F,
    read: AtomicU64,
    written: AtomicU64,
}

impl<F: FileSystem> Metered<F> {
    /// Counts what goes through `file_system`, from 0 on.
    pub fn new(file_system: F) -> Self {
        Self { file_system, read: AtomicU64::new(0), written: AtomicU64::new(0) }
    }

    /// The bytes that have been read.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The bytes that have been written.
    pub fn bytes_written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }
}

impl<F: FileSystem> FileSystem for Metered<F> {
    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> Result<Bytes> {
        let bytes = self.file_system.read(path, offset, length)?;
        self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    fn read_into(&self, path: &Path, offset: u64, buffers: &mut [IoSliceMut<'_>]) -> Result<usize> {
        let n_bytes = self.file_system.read_into(path, offset, buffers)?;
        self.read.fetch_add(n_bytes as u64, Ordering::Relaxed);
        Ok(n_bytes)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.file_system.write(path, bytes)?;
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.file_system.append(path, bytes)?;
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    // All else is the other file system's business.

    fn kind(&self, path: &Path) -> Result<Option<EntryKind>> {
        self.file_system.kind(path)
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf> {
        self.file_system.canonicalize(path)
    }

    fn check_writable(&self, directory: &Path) -> Result<()> {
        self.file_system.check_writable(directory)
    }

    fn is_same_device(&self, one: &Path, other: &Path) -> Result<bool> {
        self.file_system.is_same_device(one, other)
    }

    fn identity(&self, directory: &Path) -> Result<DirectoryId> {
        self.file_system.identity(directory)
    }

    fn list(&self, directory: &Path) -> Result<Vec<OsString>> {
        self.file_system.list(directory)
    }

    fn size(&self, path: &Path) -> Result<u64> {
        self.file_system.size(path)
    }

    fn create_directory(&self, path: &Path) -> Result<()> {
        self.file_system.create_directory(path)
    }

    fn create_directories(&self, path: &Path) -> Result<()> {
        self.file_system.create_directories(path)
    }

    fn remove_file(&self, path: &Path) -> Result<()> {
        self.file_system.remove_file(path)
    }

    fn lock(&self, path: &Path, holder: &[u8]) -> Result<FileLock> {
        self.file_system.lock(path, holder)
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> Result<()> {
        self.file_system.rename_directory(from, to)
    }

    fn exchange_directories(&self, one: &Path, other: &Path) -> Result<()> {
        self.file_system.exchange_directories(one, other)
    }

    fn remove_directory(&self, path: &Path) -> Result<()> {
        self.file_system.remove_directory(path)
    }

    fn sync_tree(&self, directory: &Path) -> Result<()> {
        self.file_system.sync_tree(directory)
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        self.file_system.sync_directory(directory)
    }
}

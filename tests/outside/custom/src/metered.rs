use std::ffi::OsString;
use std::io::{IoSlice, IoSliceMut, Result};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use lazy_chunks::zarr::{EntryKind, FileLock, FilePin, FileSystem, LockScope};

/// A file system that counts the bytes that are written to another one, and read from it.
#[derive(Debug)]
pub struct Metered<F> {
    file_system: F,
    read: AtomicU64,
    written: AtomicU64,
}

impl<F: FileSystem> Metered<F> {
    /// Counts the bytes of `file_system`, from 0 on.
    pub fn new(file_system: F) -> Self {
        Self { file_system, read: AtomicU64::new(0), written: AtomicU64::new(0) }
    }

    /// Returns the number of bytes that have been read.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Returns the number of bytes that have been written.
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

    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> Result<()> {
        self.file_system.write_slices(path, slices)?;
        let n_bytes: usize = slices.iter().map(|slice| slice.len()).sum();
        self.written.fetch_add(n_bytes as u64, Ordering::Relaxed);
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.file_system.append(path, bytes)?;
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    // The other operations are those of the file system below.

    fn kind(&self, path: &Path) -> Result<Option<EntryKind>> {
        self.file_system.kind(path)
    }

    fn entry_kind(&self, path: &Path) -> Result<Option<EntryKind>> {
        self.file_system.entry_kind(path)
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf> {
        self.file_system.canonicalize(path)
    }

    fn list(&self, directory: &Path) -> Result<Vec<OsString>> {
        self.file_system.list(directory)
    }

    fn size(&self, path: &Path) -> Result<u64> {
        self.file_system.size(path)
    }

    fn pin(&self, path: &Path) -> Result<FilePin> {
        self.file_system.pin(path)
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

    fn remove_directory(&self, path: &Path) -> Result<()> {
        self.file_system.remove_directory(path)
    }

    fn lock(&self, path: &Path) -> Result<FileLock> {
        self.file_system.lock(path)
    }

    fn lock_scope(&self, directory: &Path) -> Result<LockScope> {
        self.file_system.lock_scope(directory)
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> Result<()> {
        self.file_system.rename_directory(from, to)
    }

    fn rename_file(&self, from: &Path, to: &Path) -> Result<()> {
        self.file_system.rename_file(from, to)
    }

    fn rename_new_file(&self, from: &Path, to: &Path) -> Result<()> {
        self.file_system.rename_new_file(from, to)
    }

    fn copy_permissions(&self, from: &Path, to: &Path) -> Result<()> {
        self.file_system.copy_permissions(from, to)
    }

    fn have_same_permissions(&self, one: &Path, other: &Path) -> Result<bool> {
        self.file_system.have_same_permissions(one, other)
    }

    fn check_replaceable(&self, path: &Path) -> Result<()> {
        self.file_system.check_replaceable(path)
    }

    fn sync_file(&self, path: &Path) -> Result<()> {
        self.file_system.sync_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> Result<()> {
        self.file_system.sync_directory(directory)
    }

    fn sync_file_system(&self, directory: &Path) -> Result<()> {
        self.file_system.sync_file_system(directory)
    }
}

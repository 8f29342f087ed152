use std::io::{IoSlice, IoSliceMut, Result};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use lazy_chunks::bytes::Bytes;
use lazy_chunks::zarr::{FileSystem, FileSystemLayer};

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

impl<F: FileSystem> FileSystemLayer for Metered<F> {
    type Inner = F;

    fn inner(&self) -> &F {
        &self.file_system
    }

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
}

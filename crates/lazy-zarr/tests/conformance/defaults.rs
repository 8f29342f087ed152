//! A file system that uses the trait's default operations.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lazy_zarr::{EntryKind, FileLock, FilePin, FileSystem, LocalFileSystem};

/// The local file system without locks, with the trait's default operations.
#[derive(Debug)]
pub(crate) struct Defaults;

impl FileSystem for Defaults {
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        LocalFileSystem.kind(path)
    }

    fn entry_kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        LocalFileSystem.entry_kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        LocalFileSystem.canonicalize(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        LocalFileSystem.list(directory)
    }

    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes> {
        LocalFileSystem.read(path, offset, length)
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        LocalFileSystem.size(path)
    }

    fn pin(&self, path: &Path) -> io::Result<FilePin> {
        LocalFileSystem.pin(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        LocalFileSystem.create_directory(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        LocalFileSystem.write(path, bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        LocalFileSystem.append(path, bytes)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        LocalFileSystem.remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        LocalFileSystem.remove_directory(path)
    }

    fn lock(&self, _: &Path) -> io::Result<FileLock> {
        Err(ErrorKind::Unsupported.into())
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        LocalFileSystem.rename_directory(from, to)
    }

    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        LocalFileSystem.rename_file(from, to)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        LocalFileSystem.sync_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        LocalFileSystem.sync_directory(directory)
    }
}

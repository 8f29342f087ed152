//! A file system that somebody else holds as well.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::{DirectoryId, EntryKind, FileLock, FileSystem};

impl<F: FileSystem + ?Sized> FileSystem for Arc<F> {
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        (**self).kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        (**self).canonicalize(path)
    }

    fn check_writable(&self, directory: &Path) -> io::Result<()> {
        (**self).check_writable(directory)
    }

    fn is_same_device(&self, one: &Path, other: &Path) -> io::Result<bool> {
        (**self).is_same_device(one, other)
    }

    fn identity(&self, directory: &Path) -> io::Result<DirectoryId> {
        (**self).identity(directory)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        (**self).list(directory)
    }

    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes> {
        (**self).read(path, offset, length)
    }

    fn read_into(
        &self,
        path: &Path,
        offset: u64,
        buffers: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        (**self).read_into(path, offset, buffers)
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        (**self).size(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        (**self).create_directory(path)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        (**self).create_directories(path)
    }

    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> io::Result<()> {
        (**self).write_slices(path, slices)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        (**self).write(path, bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        (**self).append(path, bytes)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        (**self).remove_file(path)
    }

    fn lock(&self, path: &Path, holder: &[u8]) -> io::Result<FileLock> {
        (**self).lock(path, holder)
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename_directory(from, to)
    }

    fn exchange_directories(&self, one: &Path, other: &Path) -> io::Result<()> {
        (**self).exchange_directories(one, other)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        (**self).remove_directory(path)
    }

    fn sync_tree(&self, directory: &Path) -> io::Result<()> {
        (**self).sync_tree(directory)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        (**self).sync_directory(directory)
    }
}

//! A file system behind a shared pointer.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::{EntryKind, FileLock, FilePin, FileSystem, LockScope};

impl<F: FileSystem + ?Sized> FileSystem for Arc<F> {
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        (**self).kind(path)
    }

    fn entry_kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        (**self).entry_kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        (**self).canonicalize(path)
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

    fn pin(&self, path: &Path) -> io::Result<FilePin> {
        (**self).pin(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        (**self).create_directory(path)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        (**self).create_directories(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        (**self).write(path, bytes)
    }

    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> io::Result<()> {
        (**self).write_slices(path, slices)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        (**self).append(path, bytes)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        (**self).remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        (**self).remove_directory(path)
    }

    fn lock(&self, path: &Path) -> io::Result<FileLock> {
        (**self).lock(path)
    }

    fn lock_scope(&self, directory: &Path) -> io::Result<LockScope> {
        (**self).lock_scope(directory)
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename_directory(from, to)
    }

    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename_file(from, to)
    }

    fn rename_new_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename_new_file(from, to)
    }

    fn copy_permissions(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).copy_permissions(from, to)
    }

    fn have_same_permissions(&self, one: &Path, other: &Path) -> io::Result<bool> {
        (**self).have_same_permissions(one, other)
    }

    fn check_replaceable(&self, path: &Path) -> io::Result<()> {
        (**self).check_replaceable(path)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        (**self).sync_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        (**self).sync_directory(directory)
    }

    fn sync_file_system(&self, directory: &Path) -> io::Result<()> {
        (**self).sync_file_system(directory)
    }
}

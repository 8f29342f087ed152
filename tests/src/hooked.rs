//! A file system in which something happens meanwhile.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lazy_chunks::zarr::{DirectoryId, EntryKind, FileLock, FileSystem, LocalFileSystem};

/// The local file system, where something happens just before some operations, or they fail.
pub struct HookedFileSystem(Box<Hook>);

type Hook = dyn Fn(&str, &Path) -> io::Result<()> + Send + Sync;

impl HookedFileSystem {
    /// Calls `hook` before a directory is renamed, exchanged or flushed, with `rename`, `exchange` or `flush`
    /// and the path of the first one; when it fails, so does the operation.
    pub fn new(
        hook: impl Fn(&str, &Path) -> io::Result<()> + Send + Sync + 'static,
    ) -> HookedFileSystem {
        HookedFileSystem(Box::new(hook))
    }
}

impl fmt::Debug for HookedFileSystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HookedFileSystem").finish_non_exhaustive()
    }
}

impl FileSystem for HookedFileSystem {
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        LocalFileSystem.kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        LocalFileSystem.canonicalize(path)
    }

    fn check_writable(&self, directory: &Path) -> io::Result<()> {
        LocalFileSystem.check_writable(directory)
    }

    fn is_same_device(&self, one: &Path, other: &Path) -> io::Result<bool> {
        LocalFileSystem.is_same_device(one, other)
    }

    fn identity(&self, directory: &Path) -> io::Result<DirectoryId> {
        LocalFileSystem.identity(directory)
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

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        LocalFileSystem.create_directory(path)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        LocalFileSystem.create_directories(path)
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

    fn lock(&self, path: &Path, holder: &[u8]) -> io::Result<FileLock> {
        LocalFileSystem.lock(path, holder)
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.0)("rename", from)?;
        LocalFileSystem.rename_directory(from, to)
    }

    fn exchange_directories(&self, one: &Path, other: &Path) -> io::Result<()> {
        (self.0)("exchange", one)?;
        LocalFileSystem.exchange_directories(one, other)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        LocalFileSystem.remove_directory(path)
    }

    fn sync_tree(&self, directory: &Path) -> io::Result<()> {
        LocalFileSystem.sync_tree(directory)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        (self.0)("flush", directory)?;
        LocalFileSystem.sync_directory(directory)
    }
}

//! A file system in which something happens meanwhile.

use std::fmt;
use std::io;
use std::path::Path;

use lazy_chunks::zarr::{FileLock, FileSystem, LocalFileSystem};

use crate::forward::forward_to_local;

/// The local file system, where something happens just before each operation that changes something.
pub struct HookedFileSystem(Box<Hook>);

type Hook = dyn Fn(&str, &Path) + Send + Sync;

impl HookedFileSystem {
    /// Calls `hook` before each operation that changes something, or takes a lock, with the operation's name
    /// and its path; of two paths the first.
    pub fn new(hook: impl Fn(&str, &Path) + Send + Sync + 'static) -> HookedFileSystem {
        HookedFileSystem(Box::new(hook))
    }
}

impl fmt::Debug for HookedFileSystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HookedFileSystem").finish_non_exhaustive()
    }
}

impl FileSystem for HookedFileSystem {
    forward_to_local!(kind entry_kind canonicalize list read size pin create_directories lock_scope copy_permissions have_same_permissions check_replaceable sync_file sync_directory sync_file_system);

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        (self.0)("create_directory", path);
        LocalFileSystem.create_directory(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        (self.0)("write", path);
        LocalFileSystem.write(path, bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        (self.0)("append", path);
        LocalFileSystem.append(path, bytes)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        (self.0)("remove_file", path);
        LocalFileSystem.remove_file(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        (self.0)("remove_directory", path);
        LocalFileSystem.remove_directory(path)
    }

    fn lock(&self, path: &Path) -> io::Result<FileLock> {
        (self.0)("lock", path);
        LocalFileSystem.lock(path)
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.0)("rename_directory", from);
        LocalFileSystem.rename_directory(from, to)
    }

    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.0)("rename_file", from);
        LocalFileSystem.rename_file(from, to)
    }

    fn rename_new_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.0)("rename_new_file", from);
        LocalFileSystem.rename_new_file(from, to)
    }
}

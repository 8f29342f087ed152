//! A file system that calls a hook before each change.

use std::fmt;
use std::io;
use std::path::Path;

use lazy_chunks::zarr::{FileLock, FileSystem, FileSystemLayer, LocalFileSystem};

/// The local file system with a hook that runs just before each changing operation.
pub struct HookedFileSystem(Box<Hook>);

type Hook = dyn Fn(&str, &Path) + Send + Sync;

impl HookedFileSystem {
    /// Returns a file system that calls `hook` before each operation that changes something or
    /// takes a lock. The hook gets the operation's name and its path, or the first of two paths.
    pub fn new(hook: impl Fn(&str, &Path) + Send + Sync + 'static) -> HookedFileSystem {
        HookedFileSystem(Box::new(hook))
    }
}

impl fmt::Debug for HookedFileSystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HookedFileSystem").finish_non_exhaustive()
    }
}

impl FileSystemLayer for HookedFileSystem {
    type Inner = LocalFileSystem;

    fn inner(&self) -> &LocalFileSystem {
        &LocalFileSystem
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        LocalFileSystem.create_directories(path)
    }

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

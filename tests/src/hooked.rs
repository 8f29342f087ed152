//! A file system in which something happens meanwhile.

use std::fmt;
use std::io;
use std::path::Path;

use lazy_chunks::zarr::{FileSystem, LocalFileSystem};

use crate::forward::forward_to_local;

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
    forward_to_local!(kind canonicalize check_writable is_same_device identity list read size create_directory create_directories write append remove_file lock remove_directory sync_tree);

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.0)("rename", from)?;
        LocalFileSystem.rename_directory(from, to)
    }

    fn exchange_directories(&self, one: &Path, other: &Path) -> io::Result<()> {
        (self.0)("exchange", one)?;
        LocalFileSystem.exchange_directories(one, other)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        (self.0)("flush", directory)?;
        LocalFileSystem.sync_directory(directory)
    }
}

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
    /// Calls `hook` before something is renamed or a directory is flushed, with `take over`, `publish` or
    /// `flush` and the path of what is renamed or flushed; when it fails, so does the operation.
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
    forward_to_local!(kind entry_kind canonicalize list read size pin create_directory write append remove_file remove_directory lock lock_scope copy_permissions have_same_permissions check_replaceable sync_file sync_file_system);

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.0)("take over", from)?;
        LocalFileSystem.rename_directory(from, to)
    }

    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.0)("publish", from)?;
        LocalFileSystem.rename_file(from, to)
    }

    fn rename_new_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.0)("publish", from)?;
        LocalFileSystem.rename_new_file(from, to)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        (self.0)("flush", directory)?;
        LocalFileSystem.sync_directory(directory)
    }
}

//! A file system that calls a hook before each operation.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use lazy_chunks::zarr::{
    EntryKind, FileLock, FilePin, FileSystem, FileSystemLayer, LocalFileSystem,
};

/// The local file system with a hook that runs just before each operation.
pub struct HookedFileSystem {
    hook: Arc<Hook>,
    /// True if the hook also runs before operations that read or flush.
    is_before_all: bool,
}

type Hook = dyn Fn(&str, &Path) + Send + Sync;

impl HookedFileSystem {
    /// Returns a file system that calls `hook` before each operation that changes something or
    /// takes a lock. The hook gets the operation's name and its path, or the first of two paths.
    pub fn new(hook: impl Fn(&str, &Path) + Send + Sync + 'static) -> HookedFileSystem {
        HookedFileSystem { hook: Arc::new(hook), is_before_all: false }
    }

    /// Calls the hook before operations that read or flush as well.
    #[must_use]
    pub fn before_all(self) -> HookedFileSystem {
        HookedFileSystem { is_before_all: true, ..self }
    }

    fn before_reading(&self, operation: &str, path: &Path) {
        if self.is_before_all {
            (self.hook)(operation, path);
        }
    }
}

impl fmt::Debug for HookedFileSystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("HookedFileSystem").finish_non_exhaustive()
    }
}

macro_rules! hooked {
    (
        reads: $(fn $read:ident($path:ident $(, $with:ident: $with_type:ty)*) -> $read_result:ty;)*
        changes: $(fn $change:ident($of:ident $(, $more:ident: $more_type:ty)*) -> $result:ty;)*
    ) => {
        impl FileSystemLayer for HookedFileSystem {
            type Inner = LocalFileSystem;

            fn inner(&self) -> &LocalFileSystem {
                &LocalFileSystem
            }

            fn pin(&self, path: &Path) -> io::Result<FilePin> {
                self.before_reading("pin", path);
                let pin = LocalFileSystem.pin(path)?;
                if !self.is_before_all {
                    return Ok(pin);
                }
                let hook = Arc::clone(&self.hook);
                Ok(FilePin::new(move |path| {
                    hook("is_at", path);
                    pin.is_at(path)
                }))
            }
            $(
                fn $read(&self, $path: &Path $(, $with: $with_type)*) -> io::Result<$read_result> {
                    self.before_reading(stringify!($read), $path);
                    FileSystem::$read(&LocalFileSystem, $path $(, $with)*)
                }
            )*
            $(
                fn $change(&self, $of: &Path $(, $more: $more_type)*) -> io::Result<$result> {
                    (self.hook)(stringify!($change), $of);
                    FileSystem::$change(&LocalFileSystem, $of $(, $more)*)
                }
            )*
        }
    };
}

hooked! {
    reads:
    fn kind(path) -> Option<EntryKind>;
    fn entry_kind(path) -> Option<EntryKind>;
    fn canonicalize(path) -> PathBuf;
    fn list(path) -> Vec<OsString>;
    fn read(path, offset: u64, length: Option<u64>) -> Bytes;
    fn size(path) -> u64;
    fn modified(path) -> Option<SystemTime>;
    fn sync_file(path) -> ();
    fn sync_directory(path) -> ();
    fn sync_file_system(path) -> ();
    changes:
    fn create_directory(path) -> ();
    fn write(path, bytes: &[u8]) -> ();
    fn append(path, bytes: &[u8]) -> ();
    fn remove_file(path) -> ();
    fn remove_directory(path) -> ();
    fn lock(path) -> FileLock;
    fn rename_directory(from, to: &Path) -> ();
    fn rename_file(from, to: &Path) -> ();
    fn rename_new_file(from, to: &Path) -> ();
}

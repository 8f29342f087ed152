//! A file system as one of several machines sees it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lazy_chunks::zarr::{FileLock, FileSystem, FileSystemLayer, LockScope};

/// A file system as one of several machines sees it: its locks do not reach the other machines, and
/// it cannot tell which of their processes are running.
///
/// All machines of a test are threads or processes of this one. So the descriptions of processes
/// get the name of the machine where they are written, and lose it where the same machine reads
/// them.
#[derive(Debug)]
pub struct Machine<F> {
    inner: F,
    name: &'static str,
    /// The numbers of the locked files, or `None` if there are no locks.
    locked: Option<Arc<Mutex<BTreeSet<u64>>>>,
}

/// A locked file.
struct LockedFile {
    number: u64,
    locked: Arc<Mutex<BTreeSet<u64>>>,
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

impl<F> Machine<F> {
    /// Returns a file system of local files, as the machine with this name sees it. It has no
    /// locks.
    #[must_use]
    pub fn new(name: &'static str, inner: F) -> Machine<F> {
        Machine { inner, name, locked: None }
    }

    /// Adds locks, which exclude those who use this value only.
    #[must_use]
    pub fn with_locks(self) -> Machine<F> {
        Machine { locked: Some(Arc::default()), ..self }
    }

    /// Returns the end of a description that this machine has written.
    fn mark(&self) -> Vec<u8> {
        format!(" of {}\n", self.name).into_bytes()
    }
}

/// Returns true if a file describes a process.
fn is_description(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("holder"))
}

impl<F: FileSystem> FileSystemLayer for Machine<F> {
    type Inner = F;

    fn inner(&self) -> &F {
        &self.inner
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match bytes.strip_suffix(b"\n") {
            Some(line) if is_description(path) && !line.ends_with(b"\nended") => {
                self.inner.write(path, &[line, &self.mark()].concat())
            }
            _ => self.inner.write(path, bytes),
        }
    }

    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes> {
        let bytes = self.inner.read(path, offset, length)?;
        match bytes.strip_suffix(&self.mark()[..]) {
            Some(line) if is_description(path) => Ok([line, b"\n"].concat().into()),
            _ => Ok(bytes),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<FileLock> {
        use std::os::unix::fs::MetadataExt;

        // The inner file system may stop here.
        let _ = self.inner.kind(path)?;
        let Some(locked) = &self.locked else { return Err(io::ErrorKind::Unsupported.into()) };
        let number = std::fs::symlink_metadata(path)?.ino();
        if !locked.lock().unwrap_or_else(PoisonError::into_inner).insert(number) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(FileLock::new(LockedFile { number, locked: Arc::clone(locked) }))
    }

    fn lock_scope(&self, _: &Path) -> io::Result<LockScope> {
        Ok(LockScope::Mount)
    }
}

//! A file system in memory.

mod state;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use self::state::{Node, Number, State};
use super::entry_kind::EntryKind;
use super::file_system::FileSystem;
use super::lock::FileLock;
use super::pin::FilePin;

/// A file system in memory, for tests of programs that store arrays.
///
/// It supports every operation that a write needs: it replaces arrays, keeps and resumes unfinished
/// writes, and lets one writer at a time lock an array. The root directory is `/`, and relative
/// paths start there. There are no symbolic links and no permissions. Flushing does nothing.
///
/// A clone shares the contents. The contents are freed with the last clone, target, handle and
/// lock.
///
/// # Example
///
/// A test calls the production function with another target, lets it fail halfway, and calls it
/// again:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use lazy_chunks::{BoxError, LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{
///     MemoryFileSystem, StoredArray, Target, ToZarr, UnfinishedWrite, ZarrSink,
/// };
/// use ndarray::{Array1, array};
///
/// /// Stores four blocks of a model, and resumes where an earlier call ended.
/// fn store_blocks(
///     target: impl Into<Target>,
///     model: impl Fn(usize) -> Result<Array1<f64>, BoxError> + Send + Sync,
/// ) -> Result<(), BoxError> {
///     let blocks = LazyChunkSequence::try_from_fn([2; 4], model);
///     let sink = ZarrSink::new(target).with_chunk_shape([2]).with_resume("model 17");
///     blocks.convert(NdarrayConverter).to_zarr(sink)?;
///     Ok(())
/// }
///
/// let target = Target::on(MemoryFileSystem::new(), "values.zarr");
/// let block = |i: usize| array![i as f64, 0.5];
/// let interrupted = |i| if i == 3 { Err("out of memory".into()) } else { Ok(block(i)) };
/// assert!(store_blocks(&target, interrupted).is_err());
/// assert!(StoredArray::open(&target).is_err());
/// assert_eq!(UnfinishedWrite::list(&target)?.len(), 1);
///
/// let n_computed = AtomicUsize::new(0);
/// store_blocks(&target, |i| {
///     n_computed.fetch_add(1, Ordering::Relaxed);
///     Ok(block(i))
/// })?;
/// assert_eq!(n_computed.into_inner(), 1, "the first three blocks are stored");
/// let stored = StoredArray::open(&target)?.read()?;
/// assert_eq!(stored.as_slice::<f64>()?, [0.0, 0.5, 1.0, 0.5, 2.0, 0.5, 3.0, 0.5]);
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryFileSystem {
    state: Arc<Mutex<State>>,
}

impl MemoryFileSystem {
    /// Returns an empty file system.
    #[must_use]
    pub fn new() -> MemoryFileSystem {
        MemoryFileSystem::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn add_file(&self, path: &Path, bytes: Bytes) -> io::Result<()> {
        self.state().add(path, Node::File(bytes)).map(drop)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FileSystem for MemoryFileSystem {
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        let state = self.state();
        Ok(state.find(path).map(|(_, node)| match node {
            Node::Directory(_) => EntryKind::Directory,
            Node::File(_) => EntryKind::File,
        }))
    }

    fn entry_kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        self.kind(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.state().canonicalize(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        Ok(self.state().directory(directory)?.1.keys().cloned().collect())
    }

    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes> {
        let bytes = self.state().file(path)?.1.clone();
        let limit = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let start = limit(offset).min(bytes.len());
        let end = start.saturating_add(length.map_or(usize::MAX, limit)).min(bytes.len());
        Ok(bytes.slice(start..end))
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        Ok(self.state().file(path)?.1.len() as u64)
    }

    fn pin(&self, path: &Path) -> io::Result<FilePin> {
        // Files change only by appending, so the length shows whether a file has changed.
        let identity = |state: &State, path: &Path| -> io::Result<_> {
            state.file(path).map(|(number, bytes)| (number, bytes.len()))
        };
        let pinned = identity(&self.state(), path)?;
        let state = Arc::clone(&self.state);
        Ok(FilePin::new(move |path| match identity(&lock(&state), path) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(false),
            found => Ok(found? == pinned),
        }))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.state().add(path, Node::Directory(Default::default())).map(drop)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.add_file(path, Bytes::copy_from_slice(bytes))
    }

    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> io::Result<()> {
        let slices: Vec<_> = slices.iter().map(|slice| &**slice).collect();
        self.add_file(path, slices.concat().into())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.state().append(path, bytes)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.file(path)?;
        state.remove(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let (_, entries) = state.directory(path)?;
        if !entries.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        state.remove(path)
    }

    fn lock(&self, path: &Path) -> io::Result<FileLock> {
        let mut state = self.state();
        let file = state.file(path)?.0;
        if !state.locked.insert(file) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(FileLock::new(LockedFile { state: Arc::clone(&self.state), file }))
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let (moved, _) = state.directory(from)?;
        if state.find(to).is_some() {
            let (there, entries) = state.directory(to)?;
            if !entries.is_empty() && there != moved {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
        }
        state.rename(from, to)
    }

    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.file(from)?;
        if state.find(to).is_some() {
            state.file(to)?;
        }
        state.rename(from, to)
    }

    fn rename_new_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.file(from)?;
        if state.find(to).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.rename(from, to)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.state().file(path).map(drop)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.state().directory(directory).map(drop)
    }

    fn sync_file_system(&self, directory: &Path) -> io::Result<()> {
        self.sync_directory(directory)
    }
}

impl fmt::Debug for MemoryFileSystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryFileSystem").finish_non_exhaustive()
    }
}

/// A locked file, which is unlocked when it is dropped.
struct LockedFile {
    state: Arc<Mutex<State>>,
    file: Number,
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        lock(&self.state).locked.remove(&self.file);
    }
}

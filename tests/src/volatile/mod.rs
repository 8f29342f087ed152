//! A file system in memory that can lose power, and with it any unflushed change.

mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lazy_chunks::zarr::{EntryKind, FileLock, FilePin, FileSystem};

use state::{Change, Inode, Node, ROOT, State, names};

/// A file system in memory. [A power failure](Self::after_power_loss) keeps or loses each unflushed
/// change separately: the contents of a file, an entry of a directory, a rename.
///
/// Only a rename is atomic, as on journaling file systems: it happened completely or not at all.
#[derive(Debug)]
pub struct VolatileFileSystem {
    state: Arc<Mutex<State>>,
    can_sync_all: bool,
}

/// A lock on a file, which is released when it is dropped.
struct LockedFile {
    state: Arc<Mutex<State>>,
    file: Inode,
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.locked.remove(&self.file);
    }
}

impl VolatileFileSystem {
    /// Returns an empty file system.
    #[must_use]
    pub fn new() -> VolatileFileSystem {
        let state = State::of(vec![Node::Directory(BTreeMap::new())]);
        VolatileFileSystem { state: Arc::new(Mutex::new(state)), can_sync_all: true }
    }

    /// Makes the operation that flushes all files unsupported.
    #[must_use]
    pub fn without_sync_of_all(self) -> VolatileFileSystem {
        VolatileFileSystem { can_sync_all: false, ..self }
    }

    /// Makes every write of a new file fail on closing, from number `n` on, counted from 0 from now
    /// on, like a full disk behind a network: the file exists without its bytes.
    pub fn fail_close_at(&self, n: usize) {
        self.lock().n_writes_until_full = Some(n);
    }

    /// Makes the power fail before operation number `n` that changes or flushes something, counted
    /// from 0 from now on. That operation and all later ones fail.
    pub fn fail_at(&self, n: usize) {
        let mut state = self.lock();
        state.fails_at = Some(n);
        state.n_changes = 0;
    }

    /// Makes operation number `n` that flushes something fail, counted from 0 from now on. What the
    /// files contain that it should have flushed is never flushed, although programs still read it:
    /// a later operation finds nothing to flush, and succeeds.
    pub fn lose_at(&self, n: usize) {
        let mut state = self.lock();
        state.loses_at = Some(n);
        state.n_flushes = 0;
    }

    /// Returns the number of operations that flushed something, or tried to, since
    /// [`lose_at`](Self::lose_at).
    #[must_use]
    pub fn n_flushes(&self) -> usize {
        self.lock().n_flushes
    }

    /// Returns the number of operations that changed or flushed something, or tried to, since
    /// [`fail_at`](Self::fail_at).
    #[must_use]
    pub fn n_changes(&self) -> usize {
        self.lock().n_changes
    }

    /// Returns the file system as it is after the power is back. For every unflushed change,
    /// `choose` decides whether it is kept: it gets an exclusive upper bound and returns a number
    /// from 0 on.
    pub fn after_power_loss(&self, choose: impl FnMut(usize) -> usize) -> VolatileFileSystem {
        let state = State::of(self.lock().after_power_loss(choose));
        VolatileFileSystem { state: Arc::new(Mutex::new(state)), can_sync_all: self.can_sync_all }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state for an operation that changes or flushes it.
    fn lock_to_change(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.begin_change()?;
        Ok(state)
    }
}

impl Default for VolatileFileSystem {
    fn default() -> VolatileFileSystem {
        VolatileFileSystem::new()
    }
}

impl FileSystem for VolatileFileSystem {
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        let state = self.lock();
        Ok(state.find(path).map(|inode| {
            if state.is_directory(inode) { EntryKind::Directory } else { EntryKind::File }
        }))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.lock().find(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Path::new("/").join(names(path).iter().collect::<PathBuf>()))
    }

    fn entry_kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        self.kind(path)
    }

    fn pin(&self, path: &Path) -> io::Result<FilePin> {
        let pinned = {
            let state = self.lock();
            (state.file_number(path)?, state.file(path)?.clone())
        };
        let state = Arc::clone(&self.state);
        Ok(FilePin::new(move |path| {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            Ok((state.file_number(path)?, state.file(path)?) == (pinned.0, &pinned.1))
        }))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        Ok(self.lock().directory(directory)?.1.keys().cloned().collect())
    }

    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes> {
        let state = self.lock();
        let bytes = state.file(path)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let length = length.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        let end = start.saturating_add(length).min(bytes.len());
        Ok(Bytes::copy_from_slice(&bytes[start..end]))
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        Ok(self.lock().file(path)?.len() as u64)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        if names(path).is_empty() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (entry, there) = state.entry(path)?;
        if there.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.add(Node::Directory(BTreeMap::new()));
        state.change(Change::Link { entry, inode });
        Ok(())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let (entry, there) = state.entry(path)?;
        if there.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.add(Node::File(Vec::new()));
        state.change(Change::Link { entry, inode });
        if !state.has_room() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.change(Change::Contents { file: inode, bytes: bytes.to_vec() });
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let (entry, there) = state.entry(path)?;
        let file = state.file_at(entry, there)?;
        let Node::File(old) = &state.seen[file] else { unreachable!("`file_at` returns a file") };
        let bytes = [old, bytes].concat();
        state.change(Change::Contents { file, bytes });
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let (entry, there) = state.entry(path)?;
        match there.ok_or(io::ErrorKind::NotFound)? {
            inode if state.is_directory(inode) => Err(io::ErrorKind::IsADirectory.into()),
            _ => {
                state.change(Change::Unlink { entry });
                Ok(())
            }
        }
    }

    fn lock(&self, path: &Path) -> io::Result<FileLock> {
        let mut state = self.lock_to_change()?;
        let file = state.file_number(path)?;
        if !state.locked.insert(file) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(FileLock::new(LockedFile { state: Arc::clone(&self.state), file }))
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let (inode, _) = state.directory(from)?;
        let ((from, _), (to, there)) = (state.entry(from)?, state.entry(to)?);
        match there.map(|there| &state.seen[there]) {
            Some(Node::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
            Some(Node::Directory(entries)) if !entries.is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            _ => {}
        }
        state.change(Change::Rename { from, to, inode });
        Ok(())
    }

    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let inode = state.file_number(from)?;
        let ((from, _), (to, there)) = (state.entry(from)?, state.entry(to)?);
        if there.is_some_and(|there| state.is_directory(there)) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        state.change(Change::Rename { from, to, inode });
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let (_, entries) = state.directory(path)?;
        if !entries.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let (entry, _) = state.entry(path)?;
        state.change(Change::Unlink { entry });
        Ok(())
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let inode = state.file_number(path)?;
        state.flush(&BTreeSet::from([inode]))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let (inode, _) = state.directory(directory)?;
        state.flush(&BTreeSet::from([inode]))
    }

    fn sync_file_system(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        state.directory(directory)?;
        if !self.can_sync_all {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let all = state.tree(ROOT);
        state.flush(&all)
    }
}

/// Returns numbers below a given end that follow from a seed, for
/// [`VolatileFileSystem::after_power_loss`].
pub fn chooser(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |end| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % end
    }
}

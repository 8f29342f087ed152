//! A file system in memory that loses power: of what was not flushed, anything may be gone.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use lazy_chunks::zarr::{DirectoryId, EntryKind, FileLock, FileSystem};

/// A file system in memory. What was not flushed when [the power fails](Self::after_power_loss) is kept
/// or lost change by change: the contents of a file, an entry of a directory, a rename.
///
/// Only this much is kept together, as journaling file systems do: a rename or an exchange happened
/// wholly or not at all.
#[derive(Debug)]
pub struct VolatileFileSystem {
    state: Arc<Mutex<State>>,
    can_exchange: bool,
}

/// The number of a file or a directory, which it keeps wherever it is moved.
type Inode = usize;

/// The directory that all others lie in.
const ROOT: Inode = 0;

/// An entry of a directory.
type Entry = (Inode, OsString);

#[derive(Clone, Debug)]
enum Node {
    Directory(BTreeMap<OsString, Inode>),
    File(Vec<u8>),
}

/// The files and directories, by number. They are never freed.
type Nodes = Vec<Node>;

#[derive(Debug)]
struct State {
    /// What programs see.
    seen: Nodes,
    /// What the device has.
    flushed: Nodes,
    /// What programs have changed since, in order.
    pending: Vec<Change>,
    /// How often something was changed or flushed, or was to be.
    n_changes: usize,
    /// From which of these on the power is off.
    fails_at: Option<usize>,
    /// The files that somebody holds.
    locked: BTreeSet<Inode>,
}

#[derive(Clone, Debug)]
enum Change {
    Link { entry: Entry, inode: Inode },
    Unlink { entry: Entry },
    Rename { from: Entry, to: Entry, inode: Inode },
    Exchange { one: Entry, other: Entry, inodes: (Inode, Inode) },
    Contents { file: Inode, bytes: Vec<u8> },
}

impl Change {
    /// The entries that change.
    fn entries(&self) -> Vec<&Entry> {
        match self {
            Change::Link { entry, .. } | Change::Unlink { entry } => vec![entry],
            Change::Rename { from, to, .. } => vec![from, to],
            Change::Exchange { one, other, .. } => vec![one, other],
            Change::Contents { .. } => vec![],
        }
    }

    fn is_within(&self, directories: &BTreeSet<Inode>) -> bool {
        match self {
            Change::Contents { file, .. } => directories.contains(file),
            _ => self.entries().iter().any(|(directory, _)| directories.contains(directory)),
        }
    }

    fn apply(&self, nodes: &mut Nodes) {
        let mut set = |(directory, name): &Entry, inode: Option<Inode>| {
            let Node::Directory(entries) = &mut nodes[*directory] else {
                unreachable!("entries are those of directories");
            };
            match inode {
                Some(inode) => entries.insert(name.clone(), inode),
                None => entries.remove(name),
            };
        };
        match self {
            Change::Link { entry, inode } => set(entry, Some(*inode)),
            Change::Unlink { entry } => set(entry, None),
            Change::Rename { from, to, inode } => {
                set(from, None);
                set(to, Some(*inode));
            }
            Change::Exchange { one, other, inodes } => {
                set(one, Some(inodes.1));
                set(other, Some(inodes.0));
            }
            Change::Contents { file, bytes } => nodes[*file] = Node::File(bytes.clone()),
        }
    }
}

/// A file that is removed when it is dropped, and then unlocked.
struct LockedFile {
    state: Arc<Mutex<State>>,
    file: Inode,
    entry: Entry,
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.locked.remove(&self.file);
        if state.begin_change().is_ok() {
            state.change(Change::Unlink { entry: self.entry.clone() });
        }
    }
}

impl State {
    /// Counts an operation that changes or flushes something.
    fn begin_change(&mut self) -> io::Result<()> {
        let n = self.n_changes;
        self.n_changes += 1;
        match self.fails_at {
            Some(fails_at) if fails_at <= n => Err(io::Error::other("the power has failed")),
            _ => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    /// A new file or directory, which lies nowhere yet.
    fn add(&mut self, node: Node) -> Inode {
        // The device has the file's number before it has what is in it.
        self.flushed.push(match node {
            Node::Directory(_) => Node::Directory(BTreeMap::new()),
            Node::File(_) => Node::File(Vec::new()),
        });
        self.seen.push(node);
        self.seen.len() - 1
    }

    fn find(&self, path: &Path) -> Option<Inode> {
        names(path).iter().try_fold(ROOT, |inode, name| match &self.seen[inode] {
            Node::Directory(entries) => entries.get(name).copied(),
            Node::File(_) => None,
        })
    }

    fn directory(&self, path: &Path) -> io::Result<(Inode, &BTreeMap<OsString, Inode>)> {
        let inode = self.find(path).ok_or(io::ErrorKind::NotFound)?;
        match &self.seen[inode] {
            Node::Directory(entries) => Ok((inode, entries)),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// The entry that a path names, in a directory that is there.
    fn entry(&self, path: &Path) -> io::Result<(Entry, Option<Inode>)> {
        let names = names(path);
        let name = names.last().ok_or(io::ErrorKind::InvalidInput)?;
        let above: PathBuf = names[..names.len() - 1].iter().collect();
        let (directory, entries) = match self.directory(&above) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(io::ErrorKind::NotFound.into());
            }
            found => found?,
        };
        Ok(((directory, name.clone()), entries.get(name).copied()))
    }

    fn file(&self, path: &Path) -> io::Result<&Vec<u8>> {
        match &self.seen[self.find(path).ok_or(io::ErrorKind::NotFound)?] {
            Node::File(bytes) => Ok(bytes),
            Node::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// The file at an entry, which is made where there is none.
    fn file_at(&mut self, entry: Entry, there: Option<Inode>) -> io::Result<Inode> {
        match there {
            Some(inode) if self.is_directory(inode) => Err(io::ErrorKind::IsADirectory.into()),
            Some(inode) => Ok(inode),
            None => {
                let inode = self.add(Node::File(Vec::new()));
                self.change(Change::Link { entry, inode });
                Ok(inode)
            }
        }
    }

    fn is_directory(&self, inode: Inode) -> bool {
        matches!(self.seen[inode], Node::Directory(_))
    }

    /// A directory or file, and all below.
    fn tree(&self, inode: Inode) -> BTreeSet<Inode> {
        let mut tree = BTreeSet::from([inode]);
        if let Node::Directory(entries) = &self.seen[inode] {
            tree.extend(entries.values().flat_map(|below| self.tree(*below)));
        }
        tree
    }

    /// Unlinks all in a directory, from below.
    fn empty(&mut self, directory: Inode) {
        let Node::Directory(entries) = self.seen[directory].clone() else { return };
        for (name, inode) in entries {
            self.empty(inode);
            self.change(Change::Unlink { entry: (directory, name) });
        }
    }

    /// Makes the pending changes in these directories and files part of what the device has.
    fn flush(&mut self, inodes: &BTreeSet<Inode>) {
        let mut pending: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            if change.is_within(inodes) {
                change.apply(&mut self.flushed);
                // An older change of the same entry is not to undo this one later.
                let entries = change.entries();
                pending
                    .retain(|older| older.entries().iter().all(|entry| !entries.contains(entry)));
            } else {
                pending.push(change);
            }
        }
        self.pending = pending;
    }
}

/// The names that lead from the root to a path; relative paths begin there as well.
fn names(path: &Path) -> Vec<OsString> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_owned()),
            Component::ParentDir => {
                names.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    names
}

impl VolatileFileSystem {
    /// An empty file system.
    #[must_use]
    pub fn new() -> VolatileFileSystem {
        VolatileFileSystem::of(vec![Node::Directory(BTreeMap::new())])
    }

    fn of(nodes: Nodes) -> VolatileFileSystem {
        let state = State {
            seen: nodes.clone(),
            flushed: nodes,
            pending: vec![],
            n_changes: 0,
            fails_at: None,
            locked: BTreeSet::new(),
        };
        VolatileFileSystem { state: Arc::new(Mutex::new(state)), can_exchange: true }
    }

    /// The same, where directories cannot be exchanged.
    #[must_use]
    pub fn without_exchange(self) -> VolatileFileSystem {
        VolatileFileSystem { can_exchange: false, ..self }
    }

    /// Lets the power fail before the operation of this number that changes or flushes something, counted
    /// from 0 from now on: that one and all after it fail.
    pub fn fail_at(&self, n: usize) {
        let mut state = self.lock();
        state.fails_at = Some(n);
        state.n_changes = 0;
    }

    /// How often something was changed or flushed, or was to be, since [`fail_at`](Self::fail_at).
    #[must_use]
    pub fn n_changes(&self) -> usize {
        self.lock().n_changes
    }

    /// The file system that is found when power is back. `choose` is asked for a number from 0 up to
    /// below its argument: of every change that was not flushed, whether it is there.
    pub fn after_power_loss(&self, mut choose: impl FnMut(usize) -> usize) -> VolatileFileSystem {
        let state = self.lock();
        let mut nodes = state.flushed.clone();
        for change in &state.pending {
            match change {
                Change::Contents { file, bytes } => {
                    // A file's contents arrive in parts; what was reserved and not written reads as 0.
                    let end = match choose(3) {
                        0 => 0,
                        1 => choose(bytes.len() + 1),
                        _ => bytes.len(),
                    };
                    let mut kept = bytes[..end].to_vec();
                    if choose(2) == 1 {
                        kept.resize(bytes.len(), 0);
                    }
                    nodes[*file] = Node::File(kept);
                }
                change if choose(2) == 1 => change.apply(&mut nodes),
                _ => {}
            }
        }
        VolatileFileSystem { can_exchange: self.can_exchange, ..VolatileFileSystem::of(nodes) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, to change it or to flush it.
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
        Ok(state.find(path).map(|inode| match state.is_directory(inode) {
            true => EntryKind::Directory,
            false => EntryKind::File,
        }))
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.lock().find(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Path::new("/").join(names(path).iter().collect::<PathBuf>()))
    }

    fn check_writable(&self, directory: &Path) -> io::Result<()> {
        self.lock().directory(directory).map(|_| ())
    }

    fn is_same_device(&self, one: &Path, other: &Path) -> io::Result<bool> {
        let state = self.lock();
        state.directory(one).and(state.directory(other)).map(|_| true)
    }

    fn identity(&self, directory: &Path) -> io::Result<DirectoryId> {
        Ok(DirectoryId::new([self.lock().directory(directory)?.0 as u64, 0, 0]))
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
        let (entry, there) = state.entry(path)?;
        if there.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.add(Node::Directory(BTreeMap::new()));
        state.change(Change::Link { entry, inode });
        Ok(())
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        if self.kind(path)? == Some(EntryKind::Directory) {
            return Ok(());
        }
        if let Some(above) = path.parent() {
            self.create_directories(above)?;
        }
        match self.create_directory(path) {
            // Another thread was here first.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.lock().directory(path).map(|_| ())
            }
            created => created,
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let (entry, there) = state.entry(path)?;
        if there.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.add(Node::File(Vec::new()));
        state.change(Change::Link { entry, inode });
        state.change(Change::Contents { file: inode, bytes: bytes.to_vec() });
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let (entry, there) = state.entry(path)?;
        let file = state.file_at(entry, there)?;
        let Node::File(old) = &state.seen[file] else { unreachable!("it is a file") };
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

    fn lock(&self, path: &Path, holder: &[u8]) -> io::Result<FileLock> {
        let mut state = self.lock_to_change()?;
        let (entry, there) = state.entry(path)?;
        let file = state.file_at(entry.clone(), there)?;
        if !state.locked.insert(file) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.change(Change::Contents { file, bytes: holder.to_vec() });
        Ok(FileLock::new(LockedFile { state: Arc::clone(&self.state), file, entry }))
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

    fn exchange_directories(&self, one: &Path, other: &Path) -> io::Result<()> {
        if !self.can_exchange {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut state = self.lock_to_change()?;
        let inodes = (state.directory(one)?.0, state.directory(other)?.0);
        let ((one, _), (other, _)) = (state.entry(one)?, state.entry(other)?);
        state.change(Change::Exchange { one, other, inodes });
        Ok(())
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let (inode, _) = state.directory(path)?;
        let (entry, _) = state.entry(path)?;
        state.empty(inode);
        state.change(Change::Unlink { entry });
        Ok(())
    }

    fn sync_tree(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let (inode, _) = state.directory(directory)?;
        let tree = state.tree(inode);
        state.flush(&tree);
        Ok(())
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.lock_to_change()?;
        let (inode, _) = state.directory(directory)?;
        state.flush(&BTreeSet::from([inode]));
        Ok(())
    }
}

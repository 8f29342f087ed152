//! The state of the file system: the view of programs, the contents of the device, and the changes
//! between.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The number of a file or a directory. A rename does not change it.
pub(super) type Inode = usize;

/// The root directory.
pub(super) const ROOT: Inode = 0;

/// An entry of a directory.
pub(super) type Entry = (Inode, OsString);

#[derive(Clone, Debug)]
pub(super) enum Node {
    Directory(BTreeMap<OsString, Inode>),
    File(Vec<u8>),
}

/// The files and directories, by number. They are never freed.
pub(super) type Nodes = Vec<Node>;

#[derive(Debug)]
pub(super) struct State {
    /// The view of programs.
    pub(super) seen: Nodes,
    /// The contents of the device.
    pub(super) flushed: Nodes,
    /// The unflushed changes, in order.
    pub(super) pending: Vec<Change>,
    /// The number of operations that changed or flushed something, or tried to.
    pub(super) n_changes: usize,
    /// The number of the first operation that fails because the power is off.
    pub(super) fails_at: Option<usize>,
    /// The number of operations that flushed something, or tried to.
    pub(super) n_flushes: usize,
    /// The number of the operation that fails to flush, and loses what files contain.
    pub(super) loses_at: Option<usize>,
    /// The locked files.
    pub(super) locked: BTreeSet<Inode>,
    /// The number of files that can still be written before the device is full.
    pub(super) n_writes_until_full: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Link { entry: Entry, inode: Inode },
    Unlink { entry: Entry },
    Rename { from: Entry, to: Entry, inode: Inode },
    Contents { file: Inode, bytes: Vec<u8> },
}

impl Change {
    /// Returns the entries that change.
    pub(super) fn entries(&self) -> Vec<&Entry> {
        match self {
            Change::Link { entry, .. } | Change::Unlink { entry } => vec![entry],
            Change::Rename { from, to, .. } => vec![from, to],
            Change::Contents { .. } => vec![],
        }
    }

    pub(super) fn is_within(&self, directories: &BTreeSet<Inode>) -> bool {
        match self {
            Change::Contents { file, .. } => directories.contains(file),
            _ => self.entries().iter().any(|(directory, _)| directories.contains(directory)),
        }
    }

    pub(super) fn apply(&self, nodes: &mut Nodes) {
        let mut set = |(directory, name): &Entry, inode: Option<Inode>| {
            let Node::Directory(entries) = &mut nodes[*directory] else {
                unreachable!("only directories have entries");
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
            Change::Contents { file, bytes } => nodes[*file] = Node::File(bytes.clone()),
        }
    }
}

impl State {
    /// Returns the state after the power is back.
    pub(super) fn of(nodes: Nodes) -> State {
        State {
            seen: nodes.clone(),
            flushed: nodes,
            pending: vec![],
            n_changes: 0,
            fails_at: None,
            n_flushes: 0,
            loses_at: None,
            locked: BTreeSet::new(),
            n_writes_until_full: None,
        }
    }

    /// Returns the contents of the device, with each unflushed change kept or lost as `choose`
    /// decides: it gets an exclusive upper bound and returns a number from 0 on.
    pub(super) fn after_power_loss(&self, mut choose: impl FnMut(usize) -> usize) -> Nodes {
        let mut nodes = self.flushed.clone();
        for change in &self.pending {
            match change {
                Change::Contents { file, bytes } => {
                    // A file's contents arrive in parts. Space that was reserved but not written
                    // reads as 0.
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
        nodes
    }

    /// Counts an operation that changes or flushes something. Fails if the power is off.
    pub(super) fn begin_change(&mut self) -> io::Result<()> {
        let n = self.n_changes;
        self.n_changes += 1;
        match self.fails_at {
            Some(fails_at) if fails_at <= n => Err(io::Error::other("the power has failed")),
            _ => Ok(()),
        }
    }

    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    /// Adds a new file or directory without an entry in any directory.
    pub(super) fn add(&mut self, node: Node) -> Inode {
        // The device has the file's number before it has its contents.
        self.flushed.push(match node {
            Node::Directory(_) => Node::Directory(BTreeMap::new()),
            Node::File(_) => Node::File(Vec::new()),
        });
        self.seen.push(node);
        self.seen.len() - 1
    }

    pub(super) fn find(&self, path: &Path) -> Option<Inode> {
        names(path).iter().try_fold(ROOT, |inode, name| match &self.seen[inode] {
            Node::Directory(entries) => entries.get(name).copied(),
            Node::File(_) => None,
        })
    }

    pub(super) fn directory(&self, path: &Path) -> io::Result<(Inode, &BTreeMap<OsString, Inode>)> {
        let inode = self.find(path).ok_or(io::ErrorKind::NotFound)?;
        match &self.seen[inode] {
            Node::Directory(entries) => Ok((inode, entries)),
            Node::File(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// Returns the entry of a path, in a directory that exists.
    pub(super) fn entry(&self, path: &Path) -> io::Result<(Entry, Option<Inode>)> {
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

    pub(super) fn file(&self, path: &Path) -> io::Result<&Vec<u8>> {
        match &self.seen[self.find(path).ok_or(io::ErrorKind::NotFound)?] {
            Node::File(bytes) => Ok(bytes),
            Node::Directory(_) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// Returns the file at an entry, and creates it if it does not exist.
    pub(super) fn file_at(&mut self, entry: Entry, there: Option<Inode>) -> io::Result<Inode> {
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

    pub(super) fn is_directory(&self, inode: Inode) -> bool {
        matches!(self.seen[inode], Node::Directory(_))
    }

    /// Returns a directory or file and everything below it.
    pub(super) fn tree(&self, inode: Inode) -> BTreeSet<Inode> {
        let mut tree = BTreeSet::from([inode]);
        if let Node::Directory(entries) = &self.seen[inode] {
            tree.extend(entries.values().flat_map(|below| self.tree(*below)));
        }
        tree
    }

    /// Counts a written file. Returns false if the device is full.
    pub(super) fn has_room(&mut self) -> bool {
        match &mut self.n_writes_until_full {
            Some(0) => false,
            Some(n) => {
                *n -= 1;
                true
            }
            None => true,
        }
    }

    /// Returns the number of the file at a path.
    pub(super) fn file_number(&self, path: &Path) -> io::Result<Inode> {
        match self.find(path).ok_or(io::ErrorKind::NotFound)? {
            inode if self.is_directory(inode) => Err(io::ErrorKind::IsADirectory.into()),
            inode => Ok(inode),
        }
    }

    /// Applies the pending changes in these directories and files to the contents of the device.
    /// An operation that fails is the last one that tries to write the contents of the files.
    pub(super) fn flush(&mut self, inodes: &BTreeSet<Inode>) -> io::Result<()> {
        let n = self.n_flushes;
        self.n_flushes += 1;
        if self.loses_at == Some(n) {
            let is_lost = |change: &Change| {
                matches!(change, Change::Contents { .. }) && change.is_within(inodes)
            };
            self.pending.retain(|change| !is_lost(change));
            return Err(io::Error::other("the device has failed"));
        }
        let mut pending: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut self.pending) {
            if change.is_within(inodes) {
                change.apply(&mut self.flushed);
                // An older change of the same entry must not undo this one later.
                let entries = change.entries();
                pending
                    .retain(|older| older.entries().iter().all(|entry| !entries.contains(entry)));
            } else {
                pending.push(change);
            }
        }
        self.pending = pending;
        Ok(())
    }
}

/// Returns the names on the way from the root to a path. Relative paths begin at the root as well.
pub(super) fn names(path: &Path) -> Vec<OsString> {
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

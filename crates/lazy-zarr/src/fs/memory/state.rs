//! The directories and files of a file system in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem;
use std::path::{Component, Path, PathBuf};

use bytes::{Bytes, BytesMut};

/// The number of a directory or a file. A rename does not change it, and it is never reused.
pub(super) type Number = u64;

/// The number of the directory `/`.
const ROOT: Number = 0;

pub(super) enum Node {
    Directory(BTreeMap<OsString, Number>),
    File(Bytes),
}

pub(super) struct State {
    nodes: BTreeMap<Number, Node>,
    next: Number,
    /// The files that are locked. They may have been removed.
    pub(super) locked: BTreeSet<Number>,
}

impl Default for State {
    fn default() -> State {
        let nodes = BTreeMap::from([(ROOT, Node::Directory(BTreeMap::new()))]);
        State { nodes, next: ROOT + 1, locked: BTreeSet::new() }
    }
}

impl State {
    /// Returns the numbers and names on the way from the root to a path, or `None` if the path does
    /// not exist.
    fn way(&self, path: &Path) -> Option<Vec<(Number, &OsStr)>> {
        let mut way = vec![(ROOT, OsStr::new("/"))];
        for component in path.components() {
            let Node::Directory(entries) = &self.nodes[&way[way.len() - 1].0] else { return None };
            match component {
                Component::Normal(name) => {
                    let (name, number) = entries.get_key_value(name)?;
                    way.push((*number, name));
                }
                Component::ParentDir if way.len() > 1 => {
                    way.pop();
                }
                _ => {}
            }
        }
        Some(way)
    }

    pub(super) fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        let way = self.way(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(way.into_iter().map(|(_, name)| name).collect())
    }

    pub(super) fn find(&self, path: &Path) -> Option<(Number, &Node)> {
        let number = self.way(path)?.pop()?.0;
        Some((number, &self.nodes[&number]))
    }

    pub(super) fn directory(
        &self,
        path: &Path,
    ) -> io::Result<(Number, &BTreeMap<OsString, Number>)> {
        match self.find(path).ok_or(io::ErrorKind::NotFound)? {
            (number, Node::Directory(entries)) => Ok((number, entries)),
            (_, Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<(Number, &Bytes)> {
        match self.find(path).ok_or(io::ErrorKind::NotFound)? {
            (number, Node::File(bytes)) => Ok((number, bytes)),
            (_, Node::Directory(_)) => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    /// Returns the entries of the directory that holds a path, and the path's name in it.
    fn entry<'p>(
        &mut self,
        path: &'p Path,
    ) -> io::Result<(&mut BTreeMap<OsString, Number>, &'p OsStr)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let (directory, _) = self.directory(path.parent().unwrap_or(Path::new("")))?;
        match self.nodes.get_mut(&directory) {
            Some(Node::Directory(entries)) => Ok((entries, name)),
            _ => unreachable!("it is a directory"),
        }
    }

    /// Adds a directory or a file at a path that does not exist.
    pub(super) fn add(&mut self, path: &Path, node: Node) -> io::Result<Number> {
        if self.find(path).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = self.next;
        let (entries, name) = self.entry(path)?;
        entries.insert(name.to_owned(), number);
        self.nodes.insert(number, node);
        self.next += 1;
        Ok(number)
    }

    pub(super) fn append(&mut self, path: &Path, more: &[u8]) -> io::Result<()> {
        let number = match self.file(path) {
            Ok((number, _)) => number,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.add(path, Node::File(Bytes::new()))?
            }
            Err(error) => return Err(error),
        };
        let Some(Node::File(bytes)) = self.nodes.get_mut(&number) else {
            unreachable!("it is a file");
        };
        // The bytes change in place, unless a reader holds them.
        let mut all =
            mem::take(bytes).try_into_mut().unwrap_or_else(|bytes| BytesMut::from(&*bytes));
        all.extend_from_slice(more);
        *bytes = all.freeze();
        Ok(())
    }

    /// Removes the file or empty directory at a path.
    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        let (entries, name) = self.entry(path)?;
        let number = entries.remove(name).ok_or(io::ErrorKind::NotFound)?;
        self.nodes.remove(&number);
        Ok(())
    }

    /// Moves a file or directory from one path to another. It replaces a file or an empty directory
    /// there.
    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (moved, _) = self.find(from).ok_or(io::ErrorKind::NotFound)?;
        let above = self.way(to.parent().unwrap_or(Path::new(""))).unwrap_or_default();
        if above.iter().any(|(number, _)| *number == moved) {
            let message = "a directory cannot be moved into itself";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        // Looks up both entries before it changes one.
        self.entry(from)?;
        let (entries, name) = self.entry(to)?;
        let replaced = entries.insert(name.to_owned(), moved);
        if replaced == Some(moved) {
            return Ok(());
        }
        if let Some(replaced) = replaced {
            self.nodes.remove(&replaced);
        }
        let (entries, name) = self.entry(from)?;
        entries.remove(name);
        Ok(())
    }
}

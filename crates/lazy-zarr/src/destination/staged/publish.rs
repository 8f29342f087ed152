//! How a complete array takes its place.

use std::io;
use std::path::{Path, PathBuf};

use super::Staged;
use crate::destination::staging::OLD;
use crate::destination::{check_ancestor, is_missing_group};
use crate::node::{Node, node_at_path, zarr_node_at_path};
use crate::{Durability, Error, Result};

impl Staged {
    /// Checks again what holds the target: it may have changed while blocks were computed.
    pub(super) fn check_again(&self) -> Result<()> {
        let file_system = &*self.file_system;
        if self.is_member {
            let group = self.root.parent().unwrap_or(&self.root);
            let node = node_at_path(file_system, group)?;
            if is_missing_group(&self.target, node, &group.display())? {
                let gone = io::Error::new(io::ErrorKind::NotFound, "its group is gone");
                return Err(self.unmoved(gone));
            }
        }
        self.root.ancestors().skip(1).try_for_each(|above| {
            let node = zarr_node_at_path(file_system, above)?;
            check_ancestor(&self.target, node, &above.display())
        })
    }

    /// A new array appears, or the outermost of its groups that are not there yet.
    pub(super) fn move_to_target(&self) -> Result<()> {
        let (mut from, mut to) = (self.staged_root(), self.root.clone());
        let parent = to.parent().unwrap_or(&to).to_owned();
        let unmoved = |source| self.unmoved(source);
        // The directories whose entries change: that of the array, and where it is made.
        let mut changed = vec![parent.clone()];
        for above in parent.ancestors().skip(1) {
            let below = changed.last().expect("it holds the parent");
            if self.file_system.kind(below).map_err(unmoved)?.is_some() {
                break;
            }
            changed.push(above.to_owned());
        }
        self.file_system.create_directories(&parent).map_err(unmoved)?;
        for name in &self.below_root {
            let Err(error) = self.file_system.rename_directory(&from, &to) else {
                return self.flush_entries(&changed, || self.move_back(&from, &to));
            };
            // Another array of the same new group may have been published meanwhile.
            let node = zarr_node_at_path(&*self.file_system, &to)?;
            if !matches!(node, Some(Node::Group { is_v2: false, is_consolidated: false })) {
                return Err(self.unmoved(error));
            }
            changed.push(to.clone());
            from.push(name);
            to.push(name);
        }
        self.file_system.rename_directory(&from, &to).map_err(unmoved)?;
        self.flush_entries(&changed, || self.move_back(&from, &to))
    }

    fn move_back(&self, from: &Path, to: &Path) -> Result<(), Option<PathBuf>> {
        self.file_system.rename_directory(to, from).map_err(|_| None)
    }

    /// An array that is replaced is the root, since the groups that hold it are there.
    pub(super) fn exchange_with_target(&self) -> Result<()> {
        let unpublished = self.unpublished();
        let exchange = || self.file_system.exchange_directories(&unpublished, &self.root);
        match exchange() {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                return self.replace_by_two_renames();
            }
            exchanged => exchanged.map_err(|source| self.unmoved(source))?,
        }
        // What was replaced is what was there in that instant, not when the write began.
        if !matches!(node_at_path(&*self.file_system, &unpublished), Ok(Node::Array)) {
            return match exchange() {
                Ok(()) => Err(self.unmoved(io::Error::other("it is no longer a Zarr array"))),
                Err(source) => Err(self.left_aside(unpublished, source)),
            };
        }
        let parent = self.root.parent().unwrap_or(&self.root).to_owned();
        self.flush_entries(&[parent], || exchange().map_err(|_| Some(unpublished.clone())))
    }

    /// Between the two renames there is nothing at the target.
    fn replace_by_two_renames(&self) -> Result<()> {
        let (unpublished, old) = (self.unpublished(), self.staging.directory().join(OLD));
        let file_system = &*self.file_system;
        match node_at_path(file_system, &self.root)? {
            Node::Array => {}
            _ => return Err(self.unmoved(io::Error::other("it is no longer a Zarr array"))),
        }
        // What goes to a directory that is not on the device would be lost with it.
        let directory = self.staging.directory().to_owned();
        let above_staging = directory.parent().unwrap_or(&directory).to_owned();
        self.flush_entries(&[above_staging], || Ok(()))?;
        file_system.rename_directory(&self.root, &old).map_err(|source| self.unmoved(source))?;
        let back = || file_system.rename_directory(&old, &self.root);
        // What was moved away is what was there in that instant.
        let renamed = match node_at_path(file_system, &old) {
            Ok(Node::Array) => file_system.rename_directory(&unpublished, &self.root),
            _ => Err(io::Error::other("it is no longer a Zarr array")),
        };
        if let Err(error) = renamed {
            return match back() {
                Ok(()) => Err(self.unmoved(error)),
                Err(source) => Err(self.left_aside(old, source)),
            };
        }
        let parent = self.root.parent().unwrap_or(&self.root).to_owned();
        self.flush_entries(&[parent, directory], || {
            file_system
                .rename_directory(&self.root, &unpublished)
                .and_then(|()| back())
                .map_err(|_| Some(old.clone()))
        })
    }

    /// Flushes the entries of directories. Where that fails, what was done to them is undone; an undoing
    /// that fails says where the array is that was at the target, if one was.
    fn flush_entries(
        &self,
        directories: &[PathBuf],
        undo: impl FnOnce() -> Result<(), Option<PathBuf>>,
    ) -> Result<()> {
        if self.durability == Durability::None {
            return Ok(());
        }
        let flush = |directory: &PathBuf| self.file_system.sync_directory(directory);
        let Err(source) = directories.iter().try_for_each(flush) else { return Ok(()) };
        let target = self.target.to_string();
        match undo() {
            Ok(()) => Err(Error::Flush { target, source }),
            Err(old) => Err(Error::Unflushed { target, old, source }),
        }
    }

    fn unmoved(&self, source: io::Error) -> Error {
        Error::Publish { target: self.target.to_string(), source }
    }

    fn left_aside(&self, old: PathBuf, source: io::Error) -> Error {
        Error::LeftAside { target: self.target.to_string(), old, source }
    }
}

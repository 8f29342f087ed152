//! A directory beside the target, which takes the target's place by one rename.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zarrs::storage::ReadableStorage;

use super::{Destination, check_ancestor, check_existing};
use crate::node::{Node, node_at_path, zarr_node_at_path};
use crate::store::DirectoryStore;
use crate::{EntryKind, Error, Existing, FileSystem, Result, Target};

/// An array that is written to a staging directory.
///
/// The staging directory lies on the target's file system; outside of the Zarr hierarchy that the
/// target belongs to, or, where that cannot be had, as high in it as can be written. The array is one
/// level below it, so that no reader takes it for a member of a group. The staging directory is
/// removed in the end, whether the write succeeds or not.
pub(crate) struct Staged {
    file_system: Arc<dyn FileSystem>,
    /// The target as the user named it, for messages.
    target: String,
    path: PathBuf,
    staging: PathBuf,
    replaces: bool,
    /// Whether the staging directory holds what must not be lost.
    keeps_staging: AtomicBool,
}

impl Staged {
    pub(crate) fn begin(
        target: &Target,
        file_system: Arc<dyn FileSystem>,
        path: &Path,
        existing: Existing,
    ) -> Result<Staged> {
        // As it was named, where a link can lead nowhere; and what that is.
        check_existing(target, node_at_path(&*file_system, path)?, existing)?;
        let (path, ancestor) = absolute(&*file_system, path)?;
        let node = node_at_path(&*file_system, &path)?;
        check_existing(target, node, existing)?;
        let not_writable = |directory: &Path, source| Error::NotWritable {
            target: target.to_string(),
            directory: directory.to_owned(),
            source,
        };
        // Where the rename, and directories on the way there, will be made.
        file_system.check_writable(&ancestor).map_err(|source| not_writable(&ancestor, source))?;
        let directory = staging_parent(&*file_system, target, &ancestor)?;
        let staging = create_staging(&*file_system, &path, &directory)
            .map_err(|source| not_writable(&directory, source))?;
        Ok(Staged {
            file_system,
            target: target.to_string(),
            path,
            staging,
            replaces: node != Node::Vacant,
            keeps_staging: AtomicBool::new(false),
        })
    }

    /// Where the array is until it is published.
    fn unpublished(&self) -> PathBuf {
        self.staging.join("array")
    }

    fn write(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let path = self.unpublished().join(key);
        let written = match self.file_system.write(&path, bytes) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // The first chunk of its row makes the directory.
                let directory = path.parent().unwrap_or(&self.staging);
                self.file_system
                    .create_directories(directory)
                    .and_then(|()| self.file_system.write(&path, bytes))
            }
            written => written,
        };
        written.map_err(|source| Error::Write { path, source })
    }

    fn move_to_target(&self) -> Result<()> {
        let parent = self.path.parent().unwrap_or(&self.path);
        self.file_system
            .create_directories(parent)
            .and_then(|()| self.file_system.rename_directory(&self.unpublished(), &self.path))
            .map_err(|source| self.unmoved(source))
    }

    fn exchange_with_target(&self) -> Result<()> {
        let unpublished = self.unpublished();
        match self.file_system.exchange_directories(&unpublished, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                return self.replace_by_two_renames();
            }
            exchanged => exchanged.map_err(|source| self.unmoved(source))?,
        }
        // What was replaced is what was there in that instant, not when the write began.
        if let Ok(Node::Array) = node_at_path(&*self.file_system, &unpublished) {
            return Ok(());
        }
        match self.file_system.exchange_directories(&unpublished, &self.path) {
            Ok(()) => Err(self.unmoved(io::Error::other("it is no longer a Zarr array"))),
            Err(source) => Err(self.left_aside(unpublished, source)),
        }
    }

    /// Between the two renames there is nothing at the target.
    fn replace_by_two_renames(&self) -> Result<()> {
        let old = self.staging.join("old");
        let file_system = &*self.file_system;
        match node_at_path(file_system, &self.path)? {
            Node::Array => {}
            _ => return Err(self.unmoved(io::Error::other("it is no longer a Zarr array"))),
        }
        file_system.rename_directory(&self.path, &old).map_err(|source| self.unmoved(source))?;
        let Err(error) = file_system.rename_directory(&self.unpublished(), &self.path) else {
            return Ok(());
        };
        match file_system.rename_directory(&old, &self.path) {
            Ok(()) => Err(self.unmoved(error)),
            Err(source) => Err(self.left_aside(old, source)),
        }
    }

    fn unmoved(&self, source: io::Error) -> Error {
        Error::Publish { target: self.target.clone(), source }
    }

    fn left_aside(&self, old: PathBuf, source: io::Error) -> Error {
        self.keeps_staging.store(true, Ordering::Relaxed);
        Error::LeftAside { target: self.target.clone(), old, source }
    }
}

impl Destination for Staged {
    fn put(&self, key: &str, bytes: &[u8]) -> Result<()> {
        self.write(key, bytes)
    }

    fn seal(&self, metadata: &[u8]) -> Result<()> {
        self.write("zarr.json", metadata)
    }

    fn publish(&self) -> Result<()> {
        if self.replaces { self.exchange_with_target() } else { self.move_to_target() }
    }

    fn reader(&self) -> (ReadableStorage, String) {
        let store = DirectoryStore::new(Arc::clone(&self.file_system), self.path.clone());
        (Arc::new(store), "/".to_owned())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.keeps_staging.load(Ordering::Relaxed) {
            // An error here would hide the one that ended the write, or undo nothing of a write
            // that succeeded.
            let _ = self.file_system.remove_directory(&self.staging);
        }
    }
}

/// The absolute path without symbolic links, as far as it exists; and the nearest existing directory
/// above it.
///
/// So a link to an array stays one, and what it leads to is replaced.
fn absolute(file_system: &dyn FileSystem, path: &Path) -> Result<(PathBuf, PathBuf)> {
    let examine = |source| Error::Examine { path: path.to_owned(), source };
    for ancestor in path.ancestors() {
        let existing = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        if file_system.kind(existing).map_err(examine)?.is_none() {
            continue;
        }
        let existing = file_system.canonicalize(existing).map_err(examine)?;
        let rest = path.strip_prefix(ancestor).expect("an ancestor is a prefix");
        if rest.as_os_str().is_empty() {
            let parent = existing.parent().unwrap_or(&existing).to_owned();
            return Ok((existing, parent));
        }
        return Ok((existing.join(rest), existing));
    }
    Err(examine(io::ErrorKind::NotFound.into()))
}

/// Where the staging directory goes: above all groups that hold `ancestor`, or as high among them as
/// can be written on the same file system.
fn staging_parent(
    file_system: &dyn FileSystem,
    target: &Target,
    ancestor: &Path,
) -> Result<PathBuf> {
    let mut directory = ancestor;
    for above in ancestor.ancestors() {
        let node = zarr_node_at_path(file_system, above)?;
        check_ancestor(target, node, &above.display())?;
        if matches!(node, Some(Node::Group { .. })) {
            directory = above.parent().unwrap_or(above);
        }
    }
    // The groups may fill their file system, or all that may be written.
    let examine = |source| Error::Examine { path: directory.to_owned(), source };
    let mut highest = ancestor;
    for above in ancestor.ancestors().take_while(|above| above.starts_with(directory)) {
        if !file_system.is_same_device(ancestor, above).map_err(examine)? {
            break;
        }
        if file_system.check_writable(above).is_ok() {
            highest = above;
        }
    }
    Ok(highest.to_owned())
}

/// Makes a new directory for the unfinished array.
fn create_staging(
    file_system: &dyn FileSystem,
    path: &Path,
    directory: &Path,
) -> io::Result<PathBuf> {
    if file_system.kind(directory)? == Some(EntryKind::File) {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut attempt = 0_u64;
    loop {
        let staging = directory.join(format!(".{name}.staging-{attempt}"));
        match file_system.create_directory(&staging) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1,
            created => return created.map(|()| staging),
        }
    }
}

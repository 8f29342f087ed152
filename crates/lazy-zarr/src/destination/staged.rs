//! A directory beside the target, which takes the target's place by one rename.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zarrs::storage::ReadableStorage;

use super::{Destination, check_existing};
use crate::node::{Node, node_at_path};
use crate::store::DirectoryStore;
use crate::{EntryKind, Error, Existing, FileSystem, Result, Target};

/// An array that is written to a staging directory.
///
/// The staging directory lies on the target's file system, outside of the Zarr hierarchy that the
/// target belongs to, so that no reader lists it. It is removed when the write does not succeed.
pub(crate) struct Staged {
    file_system: Arc<dyn FileSystem>,
    /// The target as the user named it, for messages.
    target: String,
    path: PathBuf,
    staging: PathBuf,
    replaces: bool,
    published: AtomicBool,
}

impl Staged {
    pub(crate) fn begin(
        target: &Target,
        file_system: Arc<dyn FileSystem>,
        path: &Path,
        existing: Existing,
    ) -> Result<Staged> {
        let node = node_at_path(&*file_system, path)?;
        check_existing(target, node, existing)?;
        let path = absolute(&*file_system, path)?;
        let directory = staging_parent(&*file_system, target, &path)?;
        let staging = create_staging(&*file_system, target, &path, directory)?;
        Ok(Staged {
            file_system,
            target: target.to_string(),
            path,
            staging,
            replaces: node != Node::Vacant,
            published: AtomicBool::new(false),
        })
    }

    fn write(&self, key: &str, bytes: &[u8]) -> Result<()> {
        let path = self.staging.join(key);
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

    fn rename(&self) -> io::Result<()> {
        let file_system = &*self.file_system;
        if !self.replaces {
            if let Some(parent) = self.path.parent() {
                file_system.create_directories(parent)?;
            }
            return file_system.rename_directory(&self.staging, &self.path);
        }
        match file_system.exchange_directories(&self.staging, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                // Two renames: between them there is no array at the target.
                let old = with_suffix(&self.staging, "-old");
                file_system.rename_directory(&self.path, &old)?;
                if let Err(error) = file_system.rename_directory(&self.staging, &self.path) {
                    file_system.rename_directory(&old, &self.path)?;
                    return Err(error);
                }
                file_system.rename_directory(&old, &self.staging)
            }
            exchanged => exchanged,
        }
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
        self.rename().map_err(|source| Error::Publish { target: self.target.clone(), source })?;
        self.published.store(true, Ordering::Relaxed);
        if self.replaces {
            // The new array is in place; an old one that cannot be removed does not undo that.
            let _ = self.file_system.remove_directory(&self.staging);
        }
        Ok(())
    }

    fn reader(&self) -> (ReadableStorage, String) {
        let store = DirectoryStore::new(Arc::clone(&self.file_system), self.path.clone());
        (Arc::new(store), "/".to_owned())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published.load(Ordering::Relaxed) {
            // An error here would hide the one that ended the write.
            let _ = self.file_system.remove_directory(&self.staging);
        }
    }
}

/// The absolute path without symbolic links, as far as it exists.
///
/// So a link to an array stays one, and what it leads to is replaced.
fn absolute(file_system: &dyn FileSystem, path: &Path) -> Result<PathBuf> {
    let examine = |source| Error::Examine { path: path.to_owned(), source };
    for ancestor in path.ancestors() {
        let existing = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        if file_system.kind(existing).map_err(examine)?.is_some() {
            let existing = file_system.canonicalize(existing).map_err(examine)?;
            let rest = path.strip_prefix(ancestor).expect("an ancestor is a prefix");
            // Joining an empty path would end the path in a slash.
            return Ok(if rest.as_os_str().is_empty() { existing } else { existing.join(rest) });
        }
    }
    Ok(path.to_owned())
}

/// The nearest existing directory above `path` that is in no Zarr hierarchy.
fn staging_parent(file_system: &dyn FileSystem, target: &Target, path: &Path) -> Result<PathBuf> {
    let mut directory = path;
    while let Some(parent) = directory.parent() {
        directory = parent;
        let kind = file_system
            .kind(directory)
            .map_err(|source| Error::Examine { path: directory.to_owned(), source })?;
        match kind {
            None => {}
            Some(EntryKind::File) => {
                return Err(Error::NotWritable {
                    target: target.to_string(),
                    directory: directory.to_owned(),
                    source: io::ErrorKind::NotADirectory.into(),
                });
            }
            Some(EntryKind::Directory) => match node_at_path(file_system, directory)? {
                Node::Array => {
                    return Err(Error::TargetInArray {
                        target: target.to_string(),
                        array: directory.to_owned(),
                    });
                }
                Node::Group => {}
                _ => return Ok(directory.to_owned()),
            },
        }
    }
    // The root of the file system has no parent, and can be a group itself.
    Ok(directory.to_owned())
}

/// Makes a new directory for the unfinished array.
fn create_staging(
    file_system: &dyn FileSystem,
    target: &Target,
    path: &Path,
    directory: PathBuf,
) -> Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    for attempt in 0_u64.. {
        let staging = directory.join(format!(".{name}.staging-{attempt}"));
        match file_system.create_directory(&staging) {
            Ok(()) => return Ok(staging),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                let target = target.to_string();
                return Err(Error::NotWritable { target, directory, source });
            }
        }
    }
    unreachable!("there are fewer directories than attempts")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

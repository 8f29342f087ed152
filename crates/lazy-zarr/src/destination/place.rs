//! Where on a file system an array is to be, and where it is until then.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::check_ancestor;
use crate::node::{Node, zarr_node_at_path};
use crate::{Error, FileSystem, Result, Target};

/// The absolute path without symbolic links, as far as it exists; and the nearest existing directory
/// above it.
///
/// So a link to an array stays one, and what it leads to is replaced.
pub(crate) fn absolute(file_system: &dyn FileSystem, path: &Path) -> Result<(PathBuf, PathBuf)> {
    let examine = |source| Error::Examine { path: path.to_owned(), source };
    for ancestor in path.ancestors() {
        let existing = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        if file_system.kind(existing).map_err(examine)?.is_none() {
            continue;
        }
        let existing = file_system.canonicalize(existing).map_err(examine)?;
        let rest = path.strip_prefix(ancestor).expect("an ancestor is a prefix");
        if rest.components().any(|part| part == Component::ParentDir) {
            let reason = "`..` follows a directory that does not exist";
            return Err(Error::InvalidPath { path: path.to_owned(), reason });
        }
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
pub(super) fn staging_parent(
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

/// Whether the directory that lies where the array or its group is to be, if one does, can be moved
/// away.
pub(super) fn check_movable(
    file_system: &dyn FileSystem,
    root: &Path,
    ancestor: &Path,
) -> io::Result<()> {
    if file_system.kind(root)?.is_none() {
        return Ok(());
    }
    if !file_system.is_same_device(root, ancestor)? {
        return Err(io::Error::other("a file system is mounted there; name a target below it"));
    }
    if file_system.canonicalize(Path::new(".")).is_ok_and(|working| working == root) {
        return Err(io::Error::other("it is the working directory; name a target below it"));
    }
    // A directory that moves to another one is written to, since its `..` changes.
    file_system.check_writable(root)
}

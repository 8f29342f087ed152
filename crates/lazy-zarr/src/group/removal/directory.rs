//! The removal of members from a directory.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Removed, UNKNOWN_KEYS, UNKNOWN_NODE, V2_GROUP, V2_GROUP_DOCUMENTS};
use crate::error::{Error, Result, ResumeError, TargetError, WriteError};
use crate::fs::{EntryKind, FileSystem, remove_if_empty};
use crate::group::place::is_staged;
use crate::staging::removal::remove_if_there;
use crate::staging::{ChunkFiles, FileJournal, Journal, Staging, Taken, open_plan};
use crate::store::node::{Node, present_at_path, zarr_node_at_path};
use crate::target::Target;

/// The entry of a directory that a removal looks at.
enum Found {
    Array,
    Group,
    /// A symbolic link to a node.
    Link,
    /// An array without metadata: an earlier write or removal of it has ended, or has yet to end.
    Unpublished,
    /// Anything that does not belong to Zarr.
    Other,
}

/// Removes the member in a directory.
pub(super) fn remove(
    file_system: &Arc<dyn FileSystem>,
    path: &Path,
    target: &Target,
    removed: &mut Removed,
) -> Result<()> {
    match found(&**file_system, path, target)? {
        Found::Array => remove_array(file_system, path, target, removed)?,
        Found::Group => {
            check_group(file_system, path, target)?;
            remove_group(file_system, path, target, removed)?;
        }
        Found::Link => remove_link(&**file_system, path)?,
        Found::Unpublished => {
            check_idle(file_system, path, target)?;
            remove_array(file_system, path, target, removed)?;
        }
        Found::Other => {
            return Err(TargetError::NotFound { target: target.to_string() }.into());
        }
    }
    let parent = path.parent().unwrap_or(path);
    file_system.sync_directory(parent).map_err(|source| Error::examine(parent, source))?;
    removed.kept = files(&**file_system, path)?;
    Ok(())
}

fn found(file_system: &dyn FileSystem, path: &Path, target: &Target) -> Result<Found> {
    let examine = |source| Error::examine(path, source);
    let kind = file_system.entry_kind(path).map_err(examine)?;
    if !matches!(kind, Some(EntryKind::Directory | EntryKind::Link)) {
        return Ok(Found::Other);
    }
    let node = zarr_node_at_path(file_system, path);
    if kind == Some(EntryKind::Link) {
        return Ok(if matches!(node, Ok(Some(_))) { Found::Link } else { Found::Other });
    }
    let not_removable =
        |reason| Err(TargetError::NotRemovable { target: target.to_string(), reason }.into());
    match node? {
        Some(Node::Array) => match present_at_path(file_system, path)? {
            Some(_) => Ok(Found::Array),
            None => not_removable(UNKNOWN_KEYS),
        },
        Some(Node::Group { is_v2: false, .. }) => Ok(Found::Group),
        Some(Node::Group { is_v2: true, .. }) => not_removable(V2_GROUP),
        Some(_) => not_removable(UNKNOWN_NODE),
        None => {
            let staging = Staging::find(file_system, path).map_err(examine)?;
            Ok(if staging.is_some() { Found::Unpublished } else { Found::Other })
        }
    }
}

/// Removes a symbolic link.
fn remove_link(file_system: &dyn FileSystem, path: &Path) -> Result<()> {
    remove_if_there(file_system, path).map_err(|source| Error::examine(path, source))
}

/// Checks, before anything is removed, that everything in a group can be removed.
fn check_group(file_system: &Arc<dyn FileSystem>, group: &Path, target: &Target) -> Result<()> {
    let mut open = vec![(group.to_owned(), target.clone())];
    while let Some((group, target)) = open.pop() {
        for name in list(&**file_system, &group)? {
            let (path, target) = (group.join(&name), target.member(name.to_string_lossy()));
            match found(&**file_system, &path, &target)? {
                Found::Array | Found::Unpublished => check_idle(file_system, &path, &target)?,
                Found::Group => open.push((path, target)),
                Found::Link | Found::Other => {}
            }
        }
    }
    Ok(())
}

/// Checks that an array is not being written, and has no unfinished write that can be resumed.
fn check_idle(file_system: &Arc<dyn FileSystem>, path: &Path, target: &Target) -> Result<()> {
    let examine = |source| Error::examine(path, source);
    let Some(directory) = Staging::find(&**file_system, path).map_err(examine)? else {
        return Ok(());
    };
    let name = target.to_string();
    match Staging::holder(&**file_system, &directory).map_err(examine)? {
        Some((holder, true)) => Err(WriteError::Locked { target: name, holder }.into()),
        Some((holder, false)) => Err(WriteError::MaybeLocked { target: name, holder }.into()),
        None => match open_plan(&**file_system, path, &directory).map_err(examine)? {
            Some(key) => Err(ResumeError::Planned { target: name, directory, key }.into()),
            None => check_not_resumable(file_system, path, &directory, target),
        },
    }
}

fn check_not_resumable(
    file_system: &Arc<dyn FileSystem>,
    path: &Path,
    directory: &Path,
    target: &Target,
) -> Result<()> {
    let chunks = ChunkFiles::left(file_system, path, directory)?;
    match FileJournal::new(chunks).record() {
        Ok(Some(record)) => {
            let (target, directory) = (target.to_string(), directory.to_owned());
            Err(ResumeError::Unfinished { target, directory, key: record.key }.into())
        }
        Ok(None) => Ok(()),
        // A write with an invalid record cannot be resumed.
        Err(error) if error.is_of_record() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes an array, or the rest of one whose removal or write ended early.
fn remove_array(
    file_system: &Arc<dyn FileSystem>,
    path: &Path,
    target: &Target,
    removed: &mut Removed,
) -> Result<()> {
    let examine = |source| Error::examine(path, source);
    let name = || target.to_string();
    let (mut staging, is_left) = match Staging::take(file_system, path, false).map_err(examine)? {
        Taken::Created(staging) => (staging, false),
        Taken::Left(staging) => (staging, true),
        Taken::Held { holder } => return Err(WriteError::Locked { target: name(), holder }.into()),
        Taken::MaybeHeld { holder } => {
            return Err(WriteError::MaybeLocked { target: name(), holder }.into());
        }
        Taken::Plan { directory, key } => {
            return Err(ResumeError::Planned { target: name(), directory, key }.into());
        }
    };
    let is_removed = staging.holds_removed().map_err(examine)?;
    if let Err(error) = unpublish(file_system, path, target, &staging, is_left) {
        // As long as the array exists, the staging directory of this removal marks nothing.
        if !is_left && matches!(staging.holds_removed(), Ok(false)) {
            let _ = staging.remove();
        }
        return Err(error);
    }
    removed.n_arrays += u64::from(is_removed || staging.holds_removed().map_err(examine)?);
    staging.clear_removed().map_err(examine)?;
    staging.remove().map_err(examine)?;
    remove_directory(&**file_system, path)
}

/// Makes an array cease to exist, after a check that nothing else needs its staging directory.
fn unpublish(
    file_system: &Arc<dyn FileSystem>,
    path: &Path,
    target: &Target,
    staging: &Staging,
    is_left: bool,
) -> Result<()> {
    let examine = |source| Error::examine(path, source);
    if is_left {
        check_not_resumable(file_system, path, staging.directory(), target)?;
        staging.clear_removed().map_err(examine)?;
        // The chunks of a write that ended early.
        let chunks = ChunkFiles::left(file_system, path, staging.directory())?;
        if chunks.clear().map_err(examine)? {
            chunks.sync_cleared().map_err(examine)?;
        }
    }
    // Another write may have replaced the array before this removal took the staging directory.
    match (found(&**file_system, path, target)?, present_at_path(&**file_system, path)?) {
        (Found::Array, Some(present)) => staging.unpublish(present.document()).map_err(examine),
        _ => Ok(()),
    }
}

/// Removes the members of a group, and then the group.
fn remove_group(
    file_system: &Arc<dyn FileSystem>,
    group: &Path,
    target: &Target,
    removed: &mut Removed,
) -> Result<()> {
    // The groups are ordered such that each comes after the group that holds it.
    let (mut groups, mut next) = (vec![(group.to_owned(), target.clone())], 0);
    while let Some((group, target)) = groups.get(next).cloned() {
        next += 1;
        for name in list(&**file_system, &group)? {
            let (path, target) = (group.join(&name), target.member(name.to_string_lossy()));
            match found(&**file_system, &path, &target)? {
                Found::Array | Found::Unpublished => {
                    remove_array(file_system, &path, &target, removed)?;
                }
                Found::Group => groups.push((path, target)),
                Found::Link => remove_link(&**file_system, &path)?,
                Found::Other => {}
            }
        }
    }
    for (group, _) in groups.iter().rev() {
        remove_emptied_group(&**file_system, group)
            .map_err(|source| Error::examine(group, source))?;
        removed.n_groups += 1;
    }
    Ok(())
}

/// Removes a group whose members were removed.
fn remove_emptied_group(file_system: &dyn FileSystem, group: &Path) -> io::Result<()> {
    for name in file_system.list(group)? {
        let path = group.join(&name);
        if name.to_str().is_some_and(is_staged) {
            remove_if_there(file_system, &path)?;
        } else if file_system.entry_kind(&path)? == Some(EntryKind::Directory) {
            // A removal that ended early may have left the empty directory of an array.
            remove_if_empty(file_system, &path)?;
        }
    }
    // After this flush, no power failure brings back directories of members without the group.
    file_system.sync_directory(group)?;
    // Older metadata would come into effect after the present metadata.
    for document in V2_GROUP_DOCUMENTS.into_iter().chain(["zarr.json"]) {
        remove_if_there(file_system, &group.join(document))?;
    }
    file_system.sync_directory(group)?;
    remove_if_empty(file_system, group)
}

fn remove_directory(file_system: &dyn FileSystem, path: &Path) -> Result<()> {
    remove_if_empty(file_system, path).map_err(|source| Error::examine(path, source))
}

/// Returns the files below a path, if it still exists. An empty directory counts as a file.
fn files(file_system: &dyn FileSystem, path: &Path) -> Result<Vec<String>> {
    let (mut files, mut open) = (Vec::new(), vec![path.to_owned()]);
    while let Some(path) = open.pop() {
        let kind = file_system.entry_kind(&path).map_err(|source| Error::examine(&path, source))?;
        let below = match kind {
            Some(EntryKind::Directory) => list(file_system, &path)?,
            Some(_) => Vec::new(),
            None => continue,
        };
        if below.is_empty() {
            files.push(path.display().to_string());
        }
        open.extend(below.iter().map(|name| path.join(name)));
    }
    Ok(files)
}

fn list(file_system: &dyn FileSystem, path: &Path) -> Result<Vec<OsString>> {
    file_system.list(path).map_err(|source| Error::examine(path, source))
}

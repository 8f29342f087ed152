//! The array that `lazy store` writes.

use std::fs;
use std::path::Path;

use lazy_chunks::zarr::{FileSystem, Group, LocalFileSystem, LockScope, Target};
use serde::Deserialize;

use crate::location::Location;
use crate::options::Store;

/// Returns true if the array lies on a file system whose locks do not reach other machines.
pub(super) fn locks_end_here(output: &Location) -> bool {
    let Some(output) = output.path() else { return false };
    let output = std::path::absolute(output).unwrap_or_else(|_| output.to_owned());
    let mut above = output.ancestors();
    above.find(|path| path.is_dir()).is_some_and(|directory| {
        matches!(LocalFileSystem.lock_scope(directory), Ok(LockScope::Mount))
    })
}

/// Returns the target of the write. An array in a group is a member of it, since the axes of
/// members are named.
pub(super) fn target(options: &Store) -> Target {
    let output = &options.output;
    if options.array.is_none()
        && let Some((group, name)) = output.parent()
        && is_group(&group)
    {
        return group.target().member(name);
    }
    let members = options.array.iter().flat_map(|name| name.split('/'));
    members.fold(output.target(), |group, name| group.member(name))
}

/// Returns true if a Zarr group lies at a place.
fn is_group(location: &Location) -> bool {
    match location.path() {
        Some(path) => is_group_at_path(path),
        None => Group::open(location).is_ok(),
    }
}

/// Returns true if a directory holds a Zarr group.
fn is_group_at_path(directory: &Path) -> bool {
    #[derive(Deserialize)]
    struct Node {
        node_type: String,
    }

    let path = directory.join("zarr.json");
    // Opening a FIFO might wait.
    let is_file = fs::metadata(&path).is_ok_and(|metadata| metadata.is_file());
    let text = if is_file { fs::read(&path).unwrap_or_default() } else { Vec::new() };
    serde_json::from_slice::<Node>(&text).is_ok_and(|node| node.node_type == "group")
}

//! A search for the directories or the prefixes below a target at which arrays can lie.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::node::{Node, zarr_node_at_path, zarr_node_in_store};
use super::place::absolute;
use super::staging_name::{STAGING_PREFIX, is_staging};
use crate::error::{Error, Result};
use crate::fs::{EntryKind, FileSystem};
use crate::objects::{Listing, Store};
use crate::target::{Resolved, StorageRoot, Target};

/// Visits the directory of a target, and the directories below it that hold an array or can hold
/// one later. Directories inside arrays and symbolic links are skipped.
pub(crate) fn directories_below(
    target: &Target,
    mut visit: impl FnMut(&Arc<dyn FileSystem>, &Path) -> Result<()>,
) -> Result<()> {
    let Resolved { place, members } = target.resolve()?;
    let StorageRoot::Directory { file_system, mut path } = place else { return Ok(()) };
    path.extend(&members);
    let path = absolute(&*file_system, &path)?;
    if file_system.kind(&path).ok().flatten() != Some(EntryKind::Directory) {
        return Ok(());
    }
    let mut open = vec![path];
    while let Some(directory) = open.pop() {
        visit(&file_system, &directory)?;
        let names = match file_system.list(&directory) {
            // Another process has just removed the directory, or another user owns it.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
                ) =>
            {
                continue;
            }
            names => names.map_err(|source| Error::examine(&directory, source))?,
        };
        let names: Vec<_> = names.iter().filter_map(|name| name.to_str()).collect();
        let is_array = names.iter().any(|name| is_staging(name) || *name == ".zarray")
            || zarr_node_at_path(&*file_system, &directory).ok().flatten() == Some(Node::Array);
        if is_array {
            continue;
        }
        for name in names {
            let below = directory.join(name);
            let kind = file_system.entry_kind(&below);
            let kind = kind.map_err(|source| Error::examine(&below, source))?;
            if kind == Some(EntryKind::Directory) {
                open.push(below);
            }
        }
    }
    Ok(())
}

/// Visits a prefix of a store, and the prefixes below it at which an array lies or can lie later,
/// with what lies directly below them. Prefixes inside arrays are skipped.
pub(crate) fn prefixes_below(
    store: &dyn Store,
    prefix: &str,
    mut visit: impl FnMut(&str, &Listing) -> Result<()>,
) -> Result<()> {
    let mut open = vec![prefix.to_owned()];
    while let Some(prefix) = open.pop() {
        let below = store.list_directory(&prefix).map_err(|error| Error::store(&prefix, error))?;
        visit(&prefix, &below)?;
        let has =
            |name: &str| below.objects.iter().any(|object| object.key[prefix.len()..] == *name);
        let is_staging = |name: &String| name[prefix.len()..] == *STAGING_PREFIX;
        let is_array = has(".zarray")
            || below.prefixes.iter().any(is_staging)
            || (has("zarr.json")
                && zarr_node_in_store(store, &prefix).ok().flatten() == Some(Node::Array));
        if !is_array {
            open.extend(below.prefixes);
        }
    }
    Ok(())
}

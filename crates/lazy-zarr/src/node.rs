//! What lies at a target, and what it lies in.

use std::path::Path;

use bytes::Bytes;
use zarrs::storage::{ReadableWritableListableStorageTraits, StoreKey, StorePrefix};

use crate::{EntryKind, Error, FileSystem, Result};

/// A longer document of metadata is not parsed, which takes many times its memory.
const MOST_METADATA_BYTES: u64 = 64 << 20;

/// Whether a document of metadata is one that is parsed.
pub(crate) fn check_size(n_bytes: u64, place: impl Fn() -> String) -> Result<()> {
    if n_bytes <= MOST_METADATA_BYTES {
        return Ok(());
    }
    let source = format!("it has {n_bytes} bytes, but at most {MOST_METADATA_BYTES} are read");
    Err(Error::BrokenMetadata { path: place(), source: source.into() })
}

/// What lies at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Nothing, or an empty directory.
    Vacant,
    /// A Zarr array.
    Array,
    /// A Zarr group.
    Group {
        /// Whether it is one of Zarr v2.
        is_v2: bool,
        /// Whether it holds a copy of the metadata of all that is in it.
        is_consolidated: bool,
    },
    /// A directory or keys that are no Zarr node.
    NotZarr,
    /// Something that is no directory.
    File,
}

/// The node whose metadata documents `get` finds by their names, if there is one; `place` says where
/// a document is.
fn zarr_node(
    get: impl Fn(&str) -> Result<Option<Bytes>>,
    place: impl Fn(&str) -> String,
) -> Result<Option<Node>> {
    if let Some(metadata) = get("zarr.json")? {
        check_size(metadata.len() as u64, || place("zarr.json"))?;
        let json: serde_json::Value = serde_json::from_slice(&metadata).map_err(|error| {
            Error::BrokenMetadata { path: place("zarr.json"), source: error.into() }
        })?;
        return Ok(Some(match json["node_type"].as_str() {
            Some("array") => Node::Array,
            Some("group") => {
                let is_consolidated = !json["consolidated_metadata"].is_null();
                Node::Group { is_v2: false, is_consolidated }
            }
            _ => Node::NotZarr,
        }));
    }
    if get(".zarray")?.is_some() {
        return Ok(Some(Node::Array));
    }
    if get(".zgroup")?.is_some() {
        let is_consolidated = get(".zmetadata")?.is_some();
        return Ok(Some(Node::Group { is_v2: true, is_consolidated }));
    }
    Ok(None)
}

/// What lies at a path.
pub(crate) fn node_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Node> {
    let examine = |source| Error::Examine { path: path.to_owned(), source };
    match file_system.kind(path).map_err(examine)? {
        None => return Ok(Node::Vacant),
        Some(EntryKind::File) => return Ok(Node::File),
        Some(EntryKind::Directory) => {}
    }
    if let Some(node) = zarr_node_at_path(file_system, path)? {
        return Ok(node);
    }
    let is_empty = file_system.list(path).map_err(examine)?.is_empty();
    Ok(if is_empty { Node::Vacant } else { Node::NotZarr })
}

/// The Zarr node at a path, if there is one.
pub(crate) fn zarr_node_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Option<Node>> {
    let get = |name: &str| {
        let path = path.join(name);
        let examine = |source| Error::Examine { path: path.clone(), source };
        if file_system.kind(&path).map_err(examine)? != Some(EntryKind::File) {
            return Ok(None);
        }
        // It is not read to see that it is too long.
        let n_bytes = file_system.size(&path).map_err(examine)?;
        check_size(n_bytes, || path.display().to_string())?;
        file_system.read(&path, 0, None).map(Some).map_err(examine)
    };
    zarr_node(get, |name| path.join(name).display().to_string())
}

/// The names of what may be a member of the group at a path, in order.
pub(crate) fn members_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Vec<String>> {
    let examine = |source| Error::Examine { path: path.to_owned(), source };
    let mut names = Vec::new();
    for name in file_system.list(path).map_err(examine)? {
        if file_system.kind(&path.join(&name)).map_err(examine)? == Some(EntryKind::Directory) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The names of what may be a member of the group below a prefix of a store, in order.
pub(crate) fn members_in_store(
    store: &dyn ReadableWritableListableStorageTraits,
    prefix: &StorePrefix,
) -> Result<Vec<String>> {
    let below = store
        .list_dir(prefix)
        .map_err(|error| Error::Store { key: prefix.to_string(), source: error.into() })?;
    let name = |below: &StorePrefix| {
        below.as_str()[prefix.as_str().len()..].trim_end_matches('/').to_owned()
    };
    let mut names: Vec<_> = below.prefixes().iter().map(name).collect();
    names.sort();
    Ok(names)
}

/// What lies below a prefix of a store.
pub(crate) fn node_in_store(
    store: &dyn ReadableWritableListableStorageTraits,
    prefix: &StorePrefix,
) -> Result<Node> {
    if let Some(node) = zarr_node_in_store(store, prefix)? {
        return Ok(node);
    }
    let keys = store
        .list_prefix(prefix)
        .map_err(|error| Error::Store { key: prefix.to_string(), source: error.into() })?;
    Ok(if keys.is_empty() { Node::Vacant } else { Node::NotZarr })
}

/// The Zarr node at a prefix of a store, if there is one.
pub(crate) fn zarr_node_in_store(
    store: &dyn ReadableWritableListableStorageTraits,
    prefix: &StorePrefix,
) -> Result<Option<Node>> {
    let get = |name: &str| {
        let name = format!("{}{name}", prefix.as_str());
        StoreKey::new(name.as_str())
            .map_err(Into::into)
            .and_then(|key| store.get(&key))
            .map_err(|error| Error::Store { key: name, source: error.into() })
    };
    zarr_node(get, |name| format!("store:/{prefix}{name}"))
}

//! What lies at a target.

use std::path::Path;

use zarrs::storage::{ReadableWritableListableStorageTraits, StoreKey, StorePrefix};

use crate::{EntryKind, Error, FileSystem, Result};

/// What lies at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Nothing, or an empty directory.
    Vacant,
    /// A Zarr array.
    Array,
    /// A Zarr group.
    Group,
    /// A directory or keys that are no Zarr node.
    NotZarr,
    /// Something that is no directory.
    File,
}

/// What a `zarr.json` says its node is.
fn node_of_metadata(metadata: &[u8]) -> Node {
    let json: serde_json::Value = serde_json::from_slice(metadata).unwrap_or_default();
    match json["node_type"].as_str() {
        Some("array") => Node::Array,
        Some("group") => Node::Group,
        _ => Node::NotZarr,
    }
}

/// What lies at a path.
pub(crate) fn node_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Node> {
    let examine = |source| Error::Examine { path: path.to_owned(), source };
    match file_system.kind(path).map_err(examine)? {
        None => return Ok(Node::Vacant),
        Some(EntryKind::File) => return Ok(Node::File),
        Some(EntryKind::Directory) => {}
    }
    let exists = |name: &str| file_system.kind(&path.join(name)).map_err(examine);
    if exists("zarr.json")?.is_some() {
        let metadata = file_system.read(&path.join("zarr.json"), 0, None).map_err(examine)?;
        return Ok(node_of_metadata(&metadata));
    }
    if exists(".zarray")?.is_some() {
        return Ok(Node::Array);
    }
    if exists(".zgroup")?.is_some() {
        return Ok(Node::Group);
    }
    let is_empty = file_system.list(path).map_err(examine)?.is_empty();
    Ok(if is_empty { Node::Vacant } else { Node::NotZarr })
}

/// What lies below a prefix of a store.
pub(crate) fn node_in_store(
    store: &dyn ReadableWritableListableStorageTraits,
    prefix: &StorePrefix,
) -> Result<Node> {
    let failed = |source: zarrs::storage::StorageError| Error::Store {
        key: prefix.to_string(),
        source: source.into(),
    };
    let get = |name: &str| {
        let key = StoreKey::new(format!("{}{name}", prefix.as_str()));
        key.map_err(Into::into).and_then(|key| store.get(&key)).map_err(failed)
    };
    if let Some(metadata) = get("zarr.json")? {
        return Ok(node_of_metadata(&metadata));
    }
    if get(".zarray")?.is_some() {
        return Ok(Node::Array);
    }
    if get(".zgroup")?.is_some() {
        return Ok(Node::Group);
    }
    let is_empty = store.list_prefix(prefix).map_err(failed)?.is_empty();
    Ok(if is_empty { Node::Vacant } else { Node::NotZarr })
}

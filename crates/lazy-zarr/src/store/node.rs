//! What lies at a target, and what it lies in.

use std::path::Path;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::staging_name::is_staging;
use crate::error::{AccessError, Error, Result, foreign};
use crate::format::KeySpace;
use crate::fs::{EntryKind, FileSystem};
use crate::objects::{Store, StoreError};

/// A longer document of metadata is not read. That of a group may hold copies of those of many arrays.
const MOST_METADATA_BYTES: u64 = 64 << 20;

/// A longer document of an array's metadata is not parsed, since its attributes take many times its memory.
const MOST_ARRAY_METADATA_BYTES: u64 = 16 << 20;

fn check_size(n_bytes: u64, most: u64, place: impl Fn() -> String) -> Result<()> {
    if n_bytes <= most {
        return Ok(());
    }
    Err(AccessError::LongMetadata { path: place(), n_bytes, limit: most }.into())
}

/// Checks that a document of an array's metadata, or of its attributes, is not too long to be parsed.
pub(crate) fn check_array_size(n_bytes: u64, place: impl Fn() -> String) -> Result<()> {
    check_size(n_bytes, MOST_ARRAY_METADATA_BYTES, place)
}

/// The entries that identify a node of Zarr v3. Parsing keeps nothing else.
#[derive(Deserialize)]
struct Head<'j> {
    #[serde(borrow, default)]
    node_type: Option<&'j RawValue>,
    /// None of `null`, too.
    #[serde(borrow, default)]
    consolidated_metadata: Option<&'j RawValue>,
}

fn broken(error: serde_json::Error, place: impl Fn() -> String) -> Error {
    AccessError::InvalidMetadata { path: place(), source: foreign(error) }.into()
}

/// What lies at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Nothing, an empty directory, or one that a write has yet to publish in.
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
        let place = || place("zarr.json");
        check_size(metadata.len() as u64, MOST_METADATA_BYTES, place)?;
        let head: Head<'_> =
            serde_json::from_slice(&metadata).map_err(|error| broken(error, place))?;
        return match head.node_type.map(RawValue::get) {
            Some("\"array\"") => {
                check_array_size(metadata.len() as u64, place)?;
                Ok(Some(Node::Array))
            }
            Some("\"group\"") => {
                let is_consolidated = head.consolidated_metadata.is_some();
                Ok(Some(Node::Group { is_v2: false, is_consolidated }))
            }
            _ => Ok(Some(Node::NotZarr)),
        };
    }
    if let Some(metadata) = get(".zarray")? {
        let place = || place(".zarray");
        check_array_size(metadata.len() as u64, place)?;
        return Ok(Some(Node::Array));
    }
    if get(".zgroup")?.is_some() {
        let is_consolidated = get(".zmetadata")?.is_some();
        return Ok(Some(Node::Group { is_v2: true, is_consolidated }));
    }
    Ok(None)
}

/// Returns what lies at a path, where an array is or is to be.
pub(crate) fn node_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Node> {
    node_or_vacant(file_system, path, |names| {
        Ok(names.is_empty() || names.iter().any(|name| is_staging(name)))
    })
}

/// Returns what lies at a path, where a group is or is to be.
pub(crate) fn group_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Node> {
    node_or_vacant(file_system, path, |names| all_are_unpublished(file_system, path, names))
}

/// Returns what lies at a path; `is_vacant` tells by the names in a directory that is no Zarr node.
fn node_or_vacant(
    file_system: &dyn FileSystem,
    path: &Path,
    is_vacant: impl FnOnce(&[String]) -> Result<bool>,
) -> Result<Node> {
    let examine = |source| Error::examine(path, source);
    match file_system.kind(path).map_err(examine)? {
        None => return Ok(Node::Vacant),
        Some(EntryKind::Directory) => {}
        Some(_) => return Ok(Node::File),
    }
    if let Some(node) = zarr_node_at_path(file_system, path)? {
        return Ok(node);
    }
    let names = names(file_system, path)?;
    // Between the two looks, a node may have been published.
    match is_vacant(&names)? {
        true => Ok(zarr_node_at_path(file_system, path)?.unwrap_or(Node::Vacant)),
        false => Ok(zarr_node_at_path(file_system, path)?.unwrap_or(Node::NotZarr)),
    }
}

/// Returns true if everything in a directory is an array that has yet to be published, or a directory of
/// such arrays. So is a group that several writes are about to create.
fn all_are_unpublished(
    file_system: &dyn FileSystem,
    directory: &Path,
    names: &[String],
) -> Result<bool> {
    for name in names {
        let path = directory.join(name);
        let examine = |source| Error::examine(&path, source);
        match file_system.entry_kind(&path).map_err(examine)? {
            Some(EntryKind::Directory) => {}
            // It was removed just now.
            None => continue,
            Some(_) => return Ok(false),
        }
        let below = self::names(file_system, &path)?;
        if !(below.iter().any(|name| is_staging(name))
            || zarr_node_at_path(file_system, &path)?.is_some()
            || all_are_unpublished(file_system, &path, &below)?)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns the names in a directory; none where it was removed just now.
fn names(file_system: &dyn FileSystem, directory: &Path) -> Result<Vec<String>> {
    match file_system.list(directory) {
        Ok(names) => {
            Ok(names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(Error::examine(directory, source)),
    }
}

/// A version of an array that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Present {
    /// Where its chunks are.
    pub(crate) keys: KeySpace,
    /// Whether it is one of Zarr v2.
    pub(crate) is_v2: bool,
}

impl Present {
    /// Returns the name of its metadata file.
    pub(crate) fn document(self) -> &'static str {
        if self.is_v2 { ".zarray" } else { "zarr.json" }
    }
}

/// Returns the version of the array that lies at a path, if one does and its keys are known.
pub(crate) fn present_at_path(
    file_system: &dyn FileSystem,
    path: &Path,
) -> Result<Option<Present>> {
    for (name, is_v2) in [("zarr.json", false), (".zarray", true)] {
        let Some(document) = document_at_path(file_system, &path.join(name))? else { continue };
        let place = || path.join(name).display().to_string();
        let head: Head<'_> =
            serde_json::from_slice(&document).map_err(|error| broken(error, place))?;
        let is_array = is_v2 || head.node_type.map(RawValue::get) == Some("\"array\"");
        let keys = KeySpace::of_metadata(&document).filter(|_| is_array);
        return Ok(keys.map(|keys| Present { keys, is_v2 }));
    }
    Ok(None)
}

/// Returns true if a directory holds directories that are Zarr nodes.
pub(crate) fn holds_nodes(file_system: &dyn FileSystem, path: &Path) -> Result<bool> {
    for name in members_at_path(file_system, path)? {
        if zarr_node_at_path(file_system, &path.join(name))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The Zarr node at a path, if there is one.
pub(crate) fn zarr_node_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Option<Node>> {
    let get = |name: &str| document_at_path(file_system, &path.join(name));
    zarr_node(get, |name| path.join(name).display().to_string())
}

/// Returns the bytes of a document of metadata, if there is one.
pub(crate) fn document_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Option<Bytes>> {
    let examine = |source| Error::examine(path, source);
    match file_system.kind(path).map_err(examine)? {
        None | Some(EntryKind::Directory) => return Ok(None),
        Some(_) => {}
    }
    // It is not read to see that it is too long.
    let n_bytes = file_system.size(path).map_err(examine)?;
    check_size(n_bytes, MOST_METADATA_BYTES, || path.display().to_string())?;
    match file_system.read(path, 0, None) {
        // It was removed just now.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(examine),
    }
}

/// The names of what may be a member of the group at a path, in order.
pub(crate) fn members_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Vec<String>> {
    let examine = |source| Error::examine(path, source);
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
pub(crate) fn members_in_store(store: &dyn Store, prefix: &str) -> Result<Vec<String>> {
    let below = store.list_directory(prefix).map_err(|error| Error::store(prefix, error))?;
    let name = |below: &String| below[prefix.len()..].trim_end_matches('/').to_owned();
    let mut names: Vec<_> = below.prefixes.iter().map(name).collect();
    names.sort();
    Ok(names)
}

/// What lies below a prefix of a store.
pub(crate) fn node_in_store(store: &dyn Store, prefix: &str) -> Result<Node> {
    if let Some(node) = zarr_node_in_store(store, prefix)? {
        return Ok(node);
    }
    let below = store.list_directory(prefix).map_err(|error| Error::store(prefix, error))?;
    let is_empty = below.objects.is_empty() && below.prefixes.is_empty();
    Ok(if is_empty { Node::Vacant } else { Node::NotZarr })
}

/// The Zarr node at a prefix of a store, if there is one.
pub(crate) fn zarr_node_in_store(store: &dyn Store, prefix: &str) -> Result<Option<Node>> {
    let get = |name: &str| {
        let key = format!("{prefix}{name}");
        match store.get(&key) {
            Ok(object) => Ok(Some(object.bytes)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(Error::store(&key, error)),
        }
    };
    zarr_node(get, |name| format!("store:/{prefix}{name}"))
}

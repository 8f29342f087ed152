//! The nodes at a target and in the groups above it.

use std::convert::Infallible;
use std::path::Path;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::staging_name::{STAGING_PREFIX, is_staging};
use crate::error::{AccessError, Error, Result, foreign};
use crate::format::KeySpace;
use crate::fs::{EntryKind, FileSystem};
use crate::objects::{Listing, Object, Store, StoreError, both, for_each};

/// The maximum size in bytes of a metadata document. Longer documents are not read. The document of
/// a group may hold copies of the metadata of many arrays.
const MOST_METADATA_BYTES: u64 = 64 << 20;

/// The maximum size in bytes of the metadata document of an array. Longer documents are not parsed,
/// because attributes take many times their size in memory.
const MOST_ARRAY_METADATA_BYTES: u64 = 16 << 20;

fn check_size(n_bytes: u64, most: u64, place: impl Fn() -> String) -> Result<()> {
    if n_bytes <= most {
        return Ok(());
    }
    Err(AccessError::LongMetadata { path: place(), n_bytes, limit: most }.into())
}

/// Checks that a document with the metadata or the attributes of an array is short enough to be
/// parsed.
pub(crate) fn check_array_size(n_bytes: u64, place: impl Fn() -> String) -> Result<()> {
    check_size(n_bytes, MOST_ARRAY_METADATA_BYTES, place)
}

/// The entries that identify a Zarr v3 node. Parsing skips all other entries.
#[derive(Deserialize)]
struct Head<'j> {
    #[serde(borrow, default)]
    node_type: Option<&'j RawValue>,
    /// `None` if the entry is missing or `null`.
    #[serde(borrow, default)]
    consolidated_metadata: Option<&'j RawValue>,
}

fn broken(error: serde_json::Error, place: impl Fn() -> String) -> Error {
    AccessError::InvalidMetadata { path: place(), source: foreign(error) }.into()
}

/// The node at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Nothing, an empty directory, or a directory in which a write has yet to publish an array.
    Vacant,
    /// A Zarr array.
    Array,
    /// A Zarr group.
    Group {
        /// True for Zarr v2.
        is_v2: bool,
        /// True if the group has consolidated metadata.
        is_consolidated: bool,
    },
    /// A directory or keys without a Zarr node.
    NotZarr,
    /// A file, or anything else that is neither a directory nor a broken link.
    File,
    /// A symbolic link to a missing path.
    BrokenLink,
}

/// Returns the node whose metadata documents `get` and `get_both` read by name, if there is one.
/// `place` returns the location of a document for error messages.
fn zarr_node(
    get: impl Fn(&str) -> Result<Option<Bytes>>,
    get_both: impl Fn([&str; 2]) -> Result<[Option<Bytes>; 2]>,
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
    let [array, group] = get_both([".zarray", ".zgroup"])?;
    if let Some(metadata) = array {
        let place = || place(".zarray");
        check_array_size(metadata.len() as u64, place)?;
        return Ok(Some(Node::Array));
    }
    if group.is_some() {
        let is_consolidated = get(".zmetadata")?.is_some();
        return Ok(Some(Node::Group { is_v2: true, is_consolidated }));
    }
    Ok(None)
}

/// Returns the node at a path where an array exists or is to be written.
pub(crate) fn node_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Node> {
    node_or_vacant(file_system, path, |names| {
        Ok(names.is_empty() || names.iter().any(|name| is_staging(name)))
    })
}

/// Returns the node at a path where a group exists or is to be created.
pub(crate) fn group_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Node> {
    node_or_vacant(file_system, path, |names| all_are_unpublished(file_system, path, names))
}

/// Returns the node at a path. If a directory has no Zarr node, `is_vacant` decides by the names in
/// it whether it is vacant.
fn node_or_vacant(
    file_system: &dyn FileSystem,
    path: &Path,
    is_vacant: impl FnOnce(&[String]) -> Result<bool>,
) -> Result<Node> {
    let examine = |source| Error::examine(path, source);
    match file_system.kind(path).map_err(examine)? {
        None => return Ok(Node::Vacant),
        Some(EntryKind::Directory) => {}
        Some(EntryKind::Link) => return Ok(Node::BrokenLink),
        Some(_) => return Ok(Node::File),
    }
    if let Some(node) = zarr_node_at_path(file_system, path)? {
        return Ok(node);
    }
    let names = names(file_system, path)?;
    // A node may have been published since the first check.
    let otherwise = if is_vacant(&names)? { Node::Vacant } else { Node::NotZarr };
    Ok(zarr_node_at_path(file_system, path)?.unwrap_or(otherwise))
}

/// Returns true if everything in a directory is an array that has yet to be published, a Zarr node,
/// or a directory of these. A group that several writes are about to create looks like this.
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
            // Another process has just removed it.
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

/// Returns the names in a directory, or no names if the directory does not exist.
fn names(file_system: &dyn FileSystem, directory: &Path) -> Result<Vec<String>> {
    match file_system.list(directory) {
        Ok(names) => {
            Ok(names.into_iter().map(|name| name.to_string_lossy().into_owned()).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(Error::examine(directory, source)),
    }
}

/// The present version of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Present {
    /// The key space of the chunks.
    pub(crate) keys: KeySpace,
    /// True for Zarr v2.
    pub(crate) is_v2: bool,
}

impl Present {
    /// Returns the name of the metadata file.
    pub(crate) fn document(self) -> &'static str {
        if self.is_v2 { ".zarray" } else { "zarr.json" }
    }
}

/// Returns the version of the array at a path, if there is one and its key space is known.
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

/// The rows of the present version of a Zarr v3 array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PresentRows {
    /// The key space of the chunks.
    pub(crate) keys: KeySpace,
    pub(crate) n_rows: u64,
    /// The number of rows of a chunk, or of a shard if there are shards.
    pub(crate) unit_rows: u64,
}

/// Returns the rows of the array at a path, if it is a Zarr v3 array with an axis, a regular grid
/// and a known key space.
pub(crate) fn rows_at_path(
    file_system: &dyn FileSystem,
    path: &Path,
) -> Result<Option<PresentRows>> {
    let document = document_at_path(file_system, &path.join("zarr.json"))?;
    Ok(document.as_deref().and_then(rows_of_document))
}

/// Returns the rows of the array with a `zarr.json`, if the array has an axis, a regular grid and a
/// known key space.
pub(crate) fn rows_of_document(document: &[u8]) -> Option<PresentRows> {
    #[derive(Deserialize)]
    struct Head {
        shape: Vec<u64>,
        chunk_grid: Grid,
    }

    #[derive(Deserialize)]
    struct Grid {
        name: String,
        configuration: Regular,
    }

    #[derive(Deserialize)]
    struct Regular {
        chunk_shape: Vec<u64>,
    }

    let keys = KeySpace::of_metadata(document)?;
    let head: Head = serde_json::from_slice(document).ok()?;
    let (&n_rows, &unit_rows) =
        head.shape.first().zip(head.chunk_grid.configuration.chunk_shape.first())?;
    (unit_rows > 0 && head.chunk_grid.name == "regular").then_some(PresentRows {
        keys,
        n_rows,
        unit_rows,
    })
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

/// Returns the Zarr node at a path, if there is one.
pub(crate) fn zarr_node_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Option<Node>> {
    let get = |name: &str| document_at_path(file_system, &path.join(name));
    let get_both = |[first, second]: [&str; 2]| Ok([get(first)?, get(second)?]);
    zarr_node(get, get_both, |name| path.join(name).display().to_string())
}

/// Returns the bytes of a metadata document, if it exists.
pub(crate) fn document_at_path(file_system: &dyn FileSystem, path: &Path) -> Result<Option<Bytes>> {
    let examine = |source| Error::examine(path, source);
    match file_system.kind(path).map_err(examine)? {
        None | Some(EntryKind::Directory) => return Ok(None),
        Some(_) => {}
    }
    // The size is checked before the document is read.
    let n_bytes = file_system.size(path).map_err(examine)?;
    check_size(n_bytes, MOST_METADATA_BYTES, || path.display().to_string())?;
    match file_system.read(path, 0, None) {
        // Another process has just removed it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(examine),
    }
}

/// Returns the names of the directories at a path, which may be members of the group there, in
/// ascending order.
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

/// Returns the names below a prefix of a store that may be members of the group there, in ascending
/// order.
pub(crate) fn members_in_store(store: &dyn Store, prefix: &str) -> Result<Vec<String>> {
    let below = store.list_directory(prefix).map_err(|error| Error::store(prefix, error))?;
    let name = |below: &String| below[prefix.len()..].trim_end_matches('/').to_owned();
    let mut names: Vec<_> = below.prefixes.iter().map(name).collect();
    names.sort();
    Ok(names)
}

/// Returns the node at a prefix of a store where an array exists or is to be written.
pub(crate) fn node_in_store(store: &dyn Store, prefix: &str) -> Result<Node> {
    Ok(node_with_documents(store, prefix)?.0)
}

/// Returns the node at a prefix of a store where an array exists or is to be written, and its
/// metadata documents. All requests of a new array are sent at once.
pub(crate) fn node_with_documents(store: &dyn Store, prefix: &str) -> Result<(Node, Documents)> {
    let documents = || Documents::read(store, prefix);
    let is_empty = || store.is_empty(prefix).map_err(|error| Error::store(prefix, error));
    let (documents, is_empty) = both(store, documents, is_empty);
    let documents = documents?;
    let node = match documents.node(store)? {
        Some(node) => node,
        None if is_empty? => Node::Vacant,
        None if is_unpublished(prefix, &list_directory(store, prefix)?) => Node::Vacant,
        None => just_published(store, prefix)?,
    };
    Ok((node, documents))
}

/// Returns the node at a prefix of a store where a group exists or is to be created.
pub(crate) fn group_in_store(store: &dyn Store, prefix: &str) -> Result<Node> {
    if let Some(node) = Documents::read(store, prefix)?.node(store)? {
        return Ok(node);
    }
    let below = list_directory(store, prefix)?;
    let is_vacant = all_below_are_unpublished(store, &below)?;
    if is_vacant { Ok(Node::Vacant) } else { just_published(store, prefix) }
}

/// Returns the node that a write may have published since it was looked for.
fn just_published(store: &dyn Store, prefix: &str) -> Result<Node> {
    Ok(Documents::read(store, prefix)?.node(store)?.unwrap_or(Node::NotZarr))
}

fn list_directory(store: &dyn Store, prefix: &str) -> Result<Listing> {
    store.list_directory(prefix).map_err(|error| Error::store(prefix, error))
}

/// Returns true if a write has yet to publish an array at a prefix.
fn is_unpublished(prefix: &str, below: &Listing) -> bool {
    below.prefixes.iter().any(|name| name.strip_prefix(prefix) == Some(STAGING_PREFIX))
}

/// Returns true if everything below a prefix is an array that has yet to be published, a Zarr node,
/// or a prefix of these. A group that several writes are about to create looks like this.
fn all_below_are_unpublished(store: &dyn Store, below: &Listing) -> Result<bool> {
    if !below.objects.is_empty() {
        return Ok(false);
    }
    for prefix in &below.prefixes {
        let below = list_directory(store, prefix)?;
        if !(is_unpublished(prefix, &below)
            || zarr_node_in_store(store, prefix)?.is_some()
            || all_below_are_unpublished(store, &below)?)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The present version of an array in a store.
#[derive(Clone, Debug)]
pub(crate) struct PresentObject {
    /// `None` if the encoding of keys is unknown to this crate.
    pub(crate) keys: Option<KeySpace>,
    /// True for Zarr v2.
    pub(crate) is_v2: bool,
    pub(crate) document: Object,
}

/// The metadata documents at a prefix of a store. If there is a `zarr.json`, the others are left
/// out.
pub(crate) struct Documents {
    prefix: String,
    zarr_json: Option<Object>,
    zarray: Option<Object>,
    zgroup: Option<Object>,
}

impl Documents {
    /// Reads the documents, all at once.
    pub(crate) fn read(store: &dyn Store, prefix: &str) -> Result<Documents> {
        const NAMES: [&str; 3] = ["zarr.json", ".zarray", ".zgroup"];
        let get = |name: &&str| Ok::<_, Infallible>(get(store, &format!("{prefix}{name}")));
        let Ok(found) = for_each(store, &NAMES, get);
        let [zarr_json, zarray, zgroup] = found.try_into().expect("each name has a result");
        let prefix = prefix.to_owned();
        match zarr_json? {
            Some(found) => {
                Ok(Documents { prefix, zarr_json: Some(found), zarray: None, zgroup: None })
            }
            None => Ok(Documents { prefix, zarr_json: None, zarray: zarray?, zgroup: zgroup? }),
        }
    }

    /// Returns the Zarr node that the documents describe, if there is one.
    pub(crate) fn node(&self, store: &dyn Store) -> Result<Option<Node>> {
        let found = |object: &Option<Object>| object.as_ref().map(|object| object.bytes.clone());
        let key = |name: &str| format!("{}{name}", self.prefix);
        zarr_node(
            |name| match name {
                "zarr.json" => Ok(found(&self.zarr_json)),
                _ => Ok(get(store, &key(name))?.map(|object| object.bytes)),
            },
            |_| Ok([found(&self.zarray), found(&self.zgroup)]),
            |name| store.url(&key(name)),
        )
    }

    /// Returns the version of the array that the documents describe, if there is one.
    pub(crate) fn into_present(self, store: &dyn Store) -> Result<Option<PresentObject>> {
        let Documents { prefix, zarr_json, zarray, .. } = self;
        let (document, name, is_v2) = match (zarr_json, zarray) {
            (Some(document), _) => (document, "zarr.json", false),
            (None, Some(document)) => (document, ".zarray", true),
            (None, None) => return Ok(None),
        };
        let place = || store.url(&format!("{prefix}{name}"));
        let head: Head<'_> =
            serde_json::from_slice(&document.bytes).map_err(|error| broken(error, place))?;
        if !is_v2 && head.node_type.map(RawValue::get) != Some("\"array\"") {
            return Ok(None);
        }
        let keys = KeySpace::of_metadata(&document.bytes);
        Ok(Some(PresentObject { keys, is_v2, document }))
    }
}

/// Returns the object under a key, if it exists.
fn get(store: &dyn Store, key: &str) -> Result<Option<Object>> {
    match store.get(key) {
        Ok(object) => Ok(Some(object)),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(Error::store(key, error)),
    }
}

/// Returns the version of the array at a prefix of a store, if there is one.
pub(crate) fn present_in_store(store: &dyn Store, prefix: &str) -> Result<Option<PresentObject>> {
    Documents::read(store, prefix)?.into_present(store)
}

/// Returns the node that a metadata document under a key of a store describes.
pub(crate) fn node_of_document(key: &str, document: &Bytes) -> Result<Node> {
    let found = |name: &str| key.ends_with(name).then(|| document.clone());
    let node = zarr_node(
        |name| Ok(found(name)),
        |names| Ok(names.map(found)),
        |_| format!("store:/{key}"),
    );
    Ok(node?.unwrap_or(Node::NotZarr))
}

/// Returns the Zarr node at a prefix of a store, if there is one.
pub(crate) fn zarr_node_in_store(store: &dyn Store, prefix: &str) -> Result<Option<Node>> {
    let get = |name: &str| Ok(get(store, &format!("{prefix}{name}"))?.map(|object| object.bytes));
    let get_both = |names: [&str; 2]| {
        let documents = for_each(store, &names, |name| get(name))?;
        Ok(documents.try_into().expect("each name has a result"))
    };
    zarr_node(get, get_both, |name| store.url(&format!("{prefix}{name}")))
}

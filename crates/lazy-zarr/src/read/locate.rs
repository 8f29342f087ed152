//! The location and the metadata of a stored array.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lazy_core::BoxError;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use zarrs::array::Array;
use zarrs::storage::{ReadableStorage, ReadableStorageTraits, StorageError, StoreKey};

use super::grid::{AxisSizes, listed_sizes};
use crate::error::{Error, ErrorKind, Result, TargetError};
use crate::store::node::{
    Node, check_array_size, members_at_path, members_in_store, node_at_path, node_in_store,
    node_of_document,
};
use crate::store::{DirectoryStore, ObjectReader, Origin, Source, WithDocument};
use crate::target::{Resolved, StorageRoot, Target, store_prefix};

/// The most attempts to open an array that is replaced meanwhile.
const MOST_TRIES: usize = 100;

/// Returns the source of the array at a target, and the text of its metadata.
///
/// The source is bound to this version: an array that replaces it later is another array.
pub(super) fn locate(target: &Target) -> Result<(Source, Bytes)> {
    let Resolved { place, members } = target.resolve()?;
    match place {
        StorageRoot::Directory { file_system, mut path } => {
            path.extend(&members);
            let node = node_at_path(&*file_system, &path)?;
            check_array(target, node, || members_at_path(&*file_system, &path))?;
            let mut origin = Origin::of_directory(Arc::clone(&file_system), path.clone());
            let store = Arc::new(DirectoryStore::new(file_system, path));
            let (mut key, _) = document(target, &*store, "")?;
            // The array may be replaced between two looks, though not every time.
            let mut n_tries = 0;
            loop {
                origin.pin(key.as_str())?;
                let (now, metadata) = document(target, &*store, "")?;
                let checked = origin.check(&target.to_string());
                if now == key && checked.is_ok() {
                    return Ok((Source { store, path: "/".to_owned(), origin }, metadata));
                }
                n_tries += 1;
                match checked {
                    Err(error) if error.is_of_other_version() && n_tries < MOST_TRIES => {}
                    Ok(()) if n_tries < MOST_TRIES => {}
                    Ok(()) => {
                        return Err(TargetError::Replaced { target: target.to_string() }.into());
                    }
                    Err(error) => return Err(error),
                }
                key = now;
            }
        }
        StorageRoot::Store { store, path } => {
            let prefix = store_prefix(&path, &members);
            let reader: ReadableStorage = Arc::new(ObjectReader::new(Arc::clone(&store)));
            // One request is enough for an array, and for a store that refuses it.
            let found = match document(target, &*reader, &prefix) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                found => found,
            };
            let node = match &found {
                Ok((key, bytes)) => node_of_document(key.as_str(), bytes)?,
                Err(_) => node_in_store(&*store, &prefix)?,
            };
            check_array(target, node, || members_in_store(&*store, &prefix))?;
            let (document, bytes) = found?;
            let metadata = bytes.clone();
            let origin = Origin::Keys { store, document, bytes };
            let path = format!("/{}", prefix.trim_end_matches('/'));
            Ok((Source { store: reader, path, origin }, metadata))
        }
    }
}

/// An array without its attributes.
pub(super) struct Opened {
    pub(super) array: Array<dyn ReadableStorageTraits>,
    pub(super) attributes: Map<String, Value>,
    /// The sizes of the chunks, or shards, if the metadata lists them.
    pub(super) sizes: Option<Vec<AxisSizes>>,
}

/// Opens the array with this metadata, and parses its attributes. They are parsed only once and
/// separately, since they may take much more memory than their text.
pub(super) fn open_array(
    target: &str,
    source: &Source,
    metadata: &[u8],
) -> std::result::Result<Opened, BoxError> {
    let mut entries: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(metadata)?;
    if entries.get("zarr_format").is_none_or(|format| format.get() != "3") {
        // Zarr v2 stores the attributes in a separate document.
        let array = Array::open(Arc::clone(&source.store), &source.path)?;
        let attributes = array.attributes().clone();
        return Ok(Opened { array, attributes, sizes: None });
    }
    let sizes = listed_sizes(target, &entries)?;
    let attributes = match entries.remove("attributes") {
        Some(attributes) => serde_json::from_str(attributes.get())?,
        None => Map::new(),
    };
    let prefix = source.path.trim_matches('/');
    let key =
        if prefix.is_empty() { "zarr.json".to_owned() } else { format!("{prefix}/zarr.json") };
    let store: ReadableStorage = Arc::new(WithDocument {
        store: Arc::clone(&source.store),
        key: StoreKey::new(key)?,
        bytes: serde_json::to_vec(&entries)?.into(),
    });
    let array = Array::open(store, &source.path)?;
    let array = array.with_storage(Arc::clone(&source.store));
    Ok(Opened { array, attributes, sizes })
}

/// Returns the key and the text of an array's metadata, of Zarr v3 or v2.
fn document(
    target: &Target,
    store: &dyn ReadableStorageTraits,
    prefix: &str,
) -> Result<(StoreKey, Bytes)> {
    let failed = |key: &str, source: StorageError| Error::store(key, source);
    let key = |name: &str| {
        let key = format!("{prefix}{name}");
        StoreKey::new(key.as_str()).map_err(|error| failed(&key, error.into()))
    };
    for (name, beside) in [("zarr.json", None), (".zarray", Some(".zattrs"))] {
        let document = key(name)?;
        let read = store.get(&document).map_err(|error| failed(document.as_str(), error))?;
        let Some(bytes) = read else { continue };
        if let Some(beside) = beside {
            let key = key(beside)?;
            let n_bytes = store.size_key(&key).map_err(|error| failed(key.as_str(), error))?;
            check_array_size(n_bytes.unwrap_or(0), || format!("{target}/{beside}"))?;
        }
        return Ok((document, bytes));
    }
    Err(TargetError::NotFound { target: target.to_string() }.into())
}

/// Checks that a node is an array. The error tells what the node is instead.
fn check_array(
    target: &Target,
    node: Node,
    members: impl FnOnce() -> Result<Vec<String>>,
) -> Result<()> {
    let target = target.to_string();
    let reason = match node {
        Node::Array => return Ok(()),
        Node::Vacant => return Err(TargetError::NotFound { target }.into()),
        Node::BrokenLink => {
            return Err(TargetError::BrokenLink { link: target.into() }.into());
        }
        Node::File => "it is a file",
        Node::NotZarr => "it has no array metadata, zarr.json or .zarray",
        Node::Group { .. } => {
            let members = members()?;
            let is_empty = members.is_empty();
            let reason =
                if is_empty { "it is a Zarr group without members" } else { "it is a Zarr group" };
            return Err(TargetError::NotAnArray { target, reason, members }.into());
        }
    };
    Err(TargetError::NotAnArray { target, reason, members: Vec::new() }.into())
}

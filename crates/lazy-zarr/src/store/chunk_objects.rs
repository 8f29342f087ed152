//! The chunks of an array in a store.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::format::KeySpace;
use crate::objects::{ObjectInfo, Store};

/// Lists the objects below the prefix of an array that are chunks of some key spaces, with their
/// keys below the prefix. Objects of a node that lies at the place of chunks are left out.
pub(crate) fn chunk_objects(
    store: &dyn Store,
    prefix: &str,
    spaces: &[KeySpace],
) -> Result<Vec<(String, ObjectInfo)>> {
    let listed = |prefix: &str| store.list(prefix).map_err(|error| Error::store(prefix, error));
    let objects = match spaces {
        [] => Vec::new(),
        [KeySpace::Nested] => listed(&format!("{prefix}c/"))?,
        [KeySpace::Dotted | KeySpace::BareDotted] => {
            let below = store.list_directory(prefix);
            below.map_err(|error| Error::store(prefix, error))?.objects
        }
        _ => listed(prefix)?,
    };
    let below = |object: ObjectInfo| Some((object.key.strip_prefix(prefix)?.to_owned(), object));
    let objects: Vec<_> = objects.into_iter().filter_map(below).collect();
    let is_document = |name: &str| matches!(name, "zarr.json" | ".zarray" | ".zgroup");
    let nodes: BTreeSet<_> = objects
        .iter()
        .filter_map(|(name, _)| name.rsplit_once('/'))
        .filter(|(_, name)| is_document(name))
        .map(|(directory, _)| format!("{directory}/"))
        .collect();
    let is_chunk = |name: &str| {
        spaces.iter().any(|keys| keys.has_key(name))
            && !nodes.iter().any(|node| name.starts_with(&**node))
    };
    Ok(objects.into_iter().filter(|(name, _)| is_chunk(name)).collect())
}

/// Deletes the chunks of some key spaces. Returns their number.
pub(crate) fn delete_chunks(store: &dyn Store, prefix: &str, spaces: &[KeySpace]) -> Result<usize> {
    let chunks = chunk_objects(store, prefix, spaces)?;
    let keys: Vec<_> = chunks.into_iter().map(|(_, object)| object.key).collect();
    store.delete_all(&keys).map_err(|error| Error::store(prefix, error))?;
    Ok(keys.len())
}

//! The removal of members from a store.

use bytes::Bytes;

use super::{Removed, UNKNOWN_KEYS, UNKNOWN_NODE, V2_GROUP, V2_GROUP_DOCUMENTS};
use crate::error::{Error, Result, TargetError};
use crate::format::KeySpace;
use crate::objects::{PutCondition, Store, StoreError};
use crate::staging::Claim;
use crate::store::delete_chunks;
use crate::store::node::{Node, zarr_node_in_store};
use crate::target::Target;

/// The key, below the prefix of an array, of its metadata while it is being removed. It marks the
/// remaining chunks, and goes last.
const REMOVED: &str = ".lazy.removed";

/// Removes the member below a prefix.
pub(super) fn remove(
    store: &dyn Store,
    prefix: &str,
    target: &Target,
    removed: &mut Removed,
) -> Result<()> {
    let not_removable =
        |reason| Err(TargetError::NotRemovable { target: target.to_string(), reason }.into());
    match zarr_node_in_store(store, prefix)? {
        Some(Node::Array) => remove_array(store, prefix, target, removed),
        Some(Node::Group { is_v2: false, .. }) => remove_group(store, prefix, target, removed),
        Some(Node::Group { is_v2: true, .. }) => not_removable(V2_GROUP),
        Some(_) => not_removable(UNKNOWN_NODE),
        None => match get(store, &format!("{prefix}{REMOVED}"))? {
            Some(_) => clear(store, prefix, removed),
            None => return Err(TargetError::NotFound { target: target.to_string() }.into()),
        },
    }?;
    let kept = store.list(prefix).map_err(|error| Error::store(prefix, error))?;
    removed.kept = kept.iter().map(|object| store.url(&object.key)).collect();
    Ok(())
}

fn remove_array(
    store: &dyn Store,
    prefix: &str,
    target: &Target,
    removed: &mut Removed,
) -> Result<()> {
    let key = |name: &str| format!("{prefix}{name}");
    let (mut document, mut name) = (get(store, &key("zarr.json"))?, "zarr.json");
    if document.is_none() {
        (document, name) = (get(store, &key(".zarray"))?, ".zarray");
    }
    let Some(document) = document else {
        return Err(TargetError::Removed { target: target.to_string() }.into());
    };
    let Some(keys) = KeySpace::of_metadata(&document) else {
        let (target, reason) = (target.to_string(), UNKNOWN_KEYS);
        return Err(TargetError::NotRemovable { target, reason }.into());
    };
    let marker = key(REMOVED);
    for claim in Claim::list(store, prefix)? {
        // The workers of a published plan have ended.
        if claim.keys != keys || !claim.is_plan() {
            claim.check_has_ended(&target.to_string(), false)?;
        }
    }
    let put = store.put(&marker, document.clone(), PutCondition::Always);
    put.map_err(|error| Error::store(&marker, error))?;
    if name == "zarr.json" {
        // Metadata of Zarr v2 would come into effect after the present metadata are removed.
        delete(store, &key(".zarray"))?;
    }
    delete(store, &key(name))?;
    clear(store, prefix, removed)
}

/// Deletes the chunks of an array whose metadata were deleted, what writes have left, and then the
/// marker.
fn clear(store: &dyn Store, prefix: &str, removed: &mut Removed) -> Result<()> {
    delete_chunks(store, prefix, &KeySpace::ALL)?;
    for claim in Claim::list(store, prefix)? {
        claim.delete(store, prefix)?;
    }
    delete(store, &format!("{prefix}.zattrs"))?;
    delete(store, &format!("{prefix}{REMOVED}"))?;
    removed.n_arrays += 1;
    Ok(())
}

/// Removes the members of a group, and then the group.
fn remove_group(
    store: &dyn Store,
    prefix: &str,
    target: &Target,
    removed: &mut Removed,
) -> Result<()> {
    // Each group comes after the group that holds it. All nodes are examined before one is removed.
    let (mut groups, mut next) = (vec![(prefix.to_owned(), target.clone())], 0);
    let mut others = Vec::new();
    while let Some((group, target)) = groups.get(next).cloned() {
        next += 1;
        let below = store.list_directory(&group).map_err(|error| Error::store(&group, error))?;
        for prefix in below.prefixes {
            let target = target.member(prefix[group.len()..].trim_end_matches('/'));
            match zarr_node_in_store(store, &prefix)? {
                Some(Node::Group { is_v2: false, .. }) => groups.push((prefix, target)),
                Some(_) => others.push((prefix, target)),
                None if get(store, &format!("{prefix}{REMOVED}"))?.is_some() => {
                    others.push((prefix, target));
                }
                None => {}
            }
        }
    }
    for (prefix, target) in others {
        remove(store, &prefix, &target, removed)?;
    }
    for (group, _) in groups.iter().rev() {
        for document in V2_GROUP_DOCUMENTS.into_iter().chain(["zarr.json"]) {
            delete(store, &format!("{group}{document}"))?;
        }
        removed.n_groups += 1;
    }
    Ok(())
}

fn get(store: &dyn Store, key: &str) -> Result<Option<Bytes>> {
    match store.get(key) {
        Ok(object) => Ok(Some(object.bytes)),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(Error::store(key, error)),
    }
}

fn delete(store: &dyn Store, key: &str) -> Result<()> {
    store.delete(key).map_err(|error| Error::store(key, error))
}

//! Where a stored array is read from.

use std::sync::Arc;

use zarrs::storage::{
    ReadableStorage, ReadableStorageTraits, ReadableWritableStorageTraits, StoreKey,
};

use crate::node::{Node, members_at_path, members_in_store, node_at_path, node_in_store};
use crate::store::DirectoryStore;
use crate::target::{Resolved, ResolvedPlace, store_prefix};
use crate::{Error, Result, Target, provenance};

/// The store that holds the array at a target, and the array's path in it.
pub(super) fn locate(target: &Target) -> Result<(ReadableStorage, String)> {
    let Resolved { place, members } = target.resolve()?;
    match place {
        ResolvedPlace::Directory { file_system, mut path } => {
            path.extend(&members);
            let node = node_at_path(&*file_system, &path)?;
            check_array(target, node, || members_at_path(&*file_system, &path))?;
            Ok((Arc::new(DirectoryStore::new(file_system, path)), "/".to_owned()))
        }
        ResolvedPlace::Store { store, path } => {
            let prefix = store_prefix(&path, &members)?;
            let node = node_in_store(&*store, &prefix)?;
            check_array(target, node, || members_in_store(&*store, &prefix))?;
            let path = format!("/{}", prefix.as_str().trim_end_matches('/'));
            Ok((ReadableWritableStorageTraits::readable(store.readable_writable()), path))
        }
    }
}

/// Whether the metadata is as this crate wrote it.
pub(super) fn is_sealed(store: &dyn ReadableStorageTraits, path: &str) -> bool {
    let key = format!("{}/zarr.json", path.trim_matches('/'));
    let key = StoreKey::new(key.trim_start_matches('/')).ok();
    let metadata = key.and_then(|key| store.get(&key).ok().flatten());
    metadata.is_some_and(|metadata| provenance::is_sealed(&metadata))
}

/// Whether a node is an array; what it is, and what to do, when it is not.
fn check_array(
    target: &Target,
    node: Node,
    members: impl FnOnce() -> Result<Vec<String>>,
) -> Result<()> {
    let target = target.to_string();
    let reason = match node {
        Node::Array => return Ok(()),
        Node::Vacant => return Err(Error::NothingThere { target }),
        Node::File => "it is a file".to_owned(),
        Node::NotZarr => "it holds no metadata of an array, zarr.json or .zarray".to_owned(),
        Node::Group { .. } => match members()?.as_slice() {
            [] => "it is a Zarr group without members".to_owned(),
            members => format!(
                "it is a Zarr group; open one of its members (`Target::member`): {}",
                members.join(", ")
            ),
        },
    };
    Err(Error::NotAnArray { target, reason })
}

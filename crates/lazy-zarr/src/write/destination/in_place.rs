//! An array in a store that cannot rename keys. The array becomes visible with its metadata.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use lazy_core::report;
use zarrs::storage::{ReadableStorage, StoreKey};

use super::interface::{Destination, PutChunks};
use crate::error::{Error, Result, TargetError, WriteError};
use crate::format::KeySpace;
use crate::objects::{PutCondition, Store, StoreError};
use crate::settings::Existing;
use crate::store::check::{check_ancestor, check_existing, group_metadata, is_missing_group};
use crate::store::node::{Node, node_in_store, zarr_node_in_store};
use crate::store::{ObjectReader, Origin, Source};
use crate::target::{Target, store_prefix};
use crate::write::encode::Encoded;

/// An array that is written directly to its final keys, with the metadata last.
pub(crate) struct InPlace {
    /// The target as the user specified it.
    target: Target,
    store: Arc<dyn Store>,
    path: String,
    prefix: String,
    /// The prefixes of the groups that hold the array.
    groups: Vec<String>,
    /// The prefixes of the groups that this write created.
    made_groups: Mutex<Vec<String>>,
    /// The array's metadata, from `prepare` until it is published.
    metadata: OnceLock<Bytes>,
    /// True if an array existed at the target, which the first write removes.
    replaces: bool,
    /// The result of removing the existing array.
    removed: OnceLock<Result<(), String>>,
    published: AtomicBool,
    /// The number of chunks that were stored.
    n_chunks: AtomicU64,
}

impl InPlace {
    pub(crate) fn begin(
        target: &Target,
        store: Arc<dyn Store>,
        path: &str,
        members: &[String],
        existing: Existing,
    ) -> Result<InPlace> {
        let mut groups = Vec::new();
        for n_members in 0..members.len() {
            let group = store_prefix(path, &members[..n_members]);
            let node = node_in_store(&*store, &group)?;
            is_missing_group(target, node, &format_args!("store:/{group}"))?;
            groups.push(group);
        }
        let prefix = store_prefix(path, members);
        check_ancestors(target, &*store, &prefix)?;
        let node = node_in_store(&*store, &prefix)?;
        check_existing(target, node, existing)?;
        if node != Node::Vacant && existing == Existing::Append {
            let reason = "it lies in a store instance, which is not supported";
            let target = target.to_string();
            return Err(TargetError::NotAppendable { target, reason }.into());
        }
        if node != Node::Vacant && existing == Existing::Replace {
            return Err(TargetError::ReplaceUnsupported { target: target.to_string() }.into());
        }
        Ok(InPlace {
            target: target.clone(),
            store,
            path: format!("/{}", prefix.trim_end_matches('/')),
            prefix,
            groups,
            made_groups: Mutex::default(),
            metadata: OnceLock::new(),
            replaces: node != Node::Vacant,
            removed: OnceLock::new(),
            published: AtomicBool::new(false),
            n_chunks: AtomicU64::new(0),
        })
    }

    /// Creates the groups that are missing.
    fn make_groups(&self) -> Result<()> {
        for group in &self.groups {
            let key = format!("{group}zarr.json");
            match self.store.head(&key) {
                Ok(_) => continue,
                Err(StoreError::NotFound) => {}
                Err(error) => return Err(Error::store(&key, error)),
            }
            self.store
                .put(&key, group_metadata().into(), PutCondition::Always)
                .map_err(|error| Error::store(&key, error))?;
            let mut made_groups = self.made_groups.lock().unwrap_or_else(PoisonError::into_inner);
            made_groups.push(group.clone());
        }
        Ok(())
    }

    /// Removes the array that is replaced, if it is still an array.
    fn remove_old(&self) -> Result<(), String> {
        match zarr_node_in_store(&*self.store, &self.prefix) {
            Ok(Some(Node::Array)) => self.delete_all(&self.prefix).map_err(|error| report(&error)),
            Ok(_) => Err("the array to replace is no longer there".to_owned()),
            Err(error) => Err(report(&error)),
        }
    }

    /// Deletes all objects below a prefix.
    fn delete_all(&self, prefix: &str) -> Result<(), StoreError> {
        self.store.list(prefix)?.iter().try_for_each(|object| self.store.delete(&object.key))
    }

    /// Returns true if another program has created a node there since this write began to store
    /// chunks.
    fn is_taken(&self) -> Result<bool> {
        let is_ours = !self.replaces || self.removed.get().is_some();
        Ok(is_ours && zarr_node_in_store(&*self.store, &self.prefix)?.is_some())
    }

    /// Checks that all chunks that were put are still stored.
    fn check_chunks(&self, n_chunks: &[u64]) -> Result<()> {
        let expected = self.n_chunks.load(Ordering::Relaxed);
        if expected == 0 {
            return Ok(());
        }
        let objects = self.store.list(&self.prefix);
        let objects = objects.map_err(|error| Error::store(&self.prefix, error))?;
        let below = objects.iter().filter_map(|object| object.key.strip_prefix(&self.prefix));
        let found = below.filter(|key| self.keys().number(key, n_chunks).is_some()).count() as u64;
        if found == expected {
            return Ok(());
        }
        let target = self.target.to_string();
        Err(WriteError::ChunksLost { target, missing: None, expected, found }.into())
    }

    fn set(&self, name: &str, bytes: Bytes) -> Result<()> {
        let key = format!("{}{name}", self.prefix);
        let removed =
            self.removed.get_or_init(|| if self.replaces { self.remove_old() } else { Ok(()) });
        if let Err(message) = removed.clone() {
            return Err(Error::store(&key, message));
        }
        let put = self.store.put(&key, bytes, PutCondition::Always);
        put.map(drop).map_err(|error| Error::store(&key, error))
    }
}

/// Checks the nodes above the target.
fn check_ancestors(target: &Target, store: &dyn Store, prefix: &str) -> Result<()> {
    let mut below = prefix;
    while let Some(path) = below.strip_suffix('/') {
        let above = &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
        let node = zarr_node_in_store(store, above)?;
        check_ancestor(target, node, &format_args!("store:/{above}"))?;
        below = above;
    }
    Ok(())
}

impl PutChunks for InPlace {
    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()> {
        self.set(key, chunk.into_bytes())?;
        self.n_chunks.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn count(&self, _: &str, _: u64) {
        unreachable!("no write of a store is resumed");
    }
}

impl Destination for InPlace {
    fn keys(&self) -> KeySpace {
        KeySpace::Nested
    }

    fn prepare(&self, metadata: &[u8], n_chunks: &[u64]) -> Result<()> {
        let _ = self.metadata.set(Bytes::copy_from_slice(metadata));
        self.check_chunks(n_chunks)
    }

    fn publish(&self) -> Result<()> {
        let metadata = self.metadata.get().expect("an array is sealed before it is published");
        check_ancestors(&self.target, &*self.store, &self.prefix)?;
        if self.is_taken()? {
            return Err(TargetError::Exists { target: self.target.to_string() }.into());
        }
        self.make_groups()?;
        self.set("zarr.json", metadata.clone())?;
        self.published.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn reader(&self) -> Result<Source> {
        let store: ReadableStorage = Arc::new(ObjectReader::new(Arc::clone(&self.store)));
        let key = format!("{}zarr.json", self.prefix);
        let document = StoreKey::new(key.as_str()).map_err(|error| Error::store(&key, error))?;
        let bytes = self.metadata.get().expect("an array is sealed before it is read").clone();
        let origin = Origin::Keys { store: Arc::clone(&store), document, bytes };
        Ok(Source { store, path: self.path.clone(), origin })
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        if self.published.load(Ordering::Relaxed) {
            return;
        }
        // An error here would hide the error that ended the write.
        let is_ours = matches!(self.is_taken(), Ok(false));
        if is_ours && self.removed.get().is_some_and(Result::is_ok) {
            // This write stored only chunks.
            let _ = self.delete_all(&format!("{}c/", self.prefix));
        }
        let made_groups = self.made_groups.get_mut().unwrap_or_else(PoisonError::into_inner);
        for group in made_groups.drain(..).rev() {
            let key = format!("{group}zarr.json");
            // Another program may have created an array there meanwhile.
            let objects = self.store.list(&group);
            if objects.is_ok_and(|objects| objects.iter().all(|object| object.key == key)) {
                let _ = self.store.delete(&key);
            }
        }
    }
}

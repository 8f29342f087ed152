//! The keys of a store that cannot rename; the array becomes visible with its metadata.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use lazy_core::report;
use zarrs::storage::{
    ReadableWritableListableStorage, ReadableWritableListableStorageTraits,
    ReadableWritableStorageTraits, StorageError, StoreKey, StorePrefix,
};

use super::{
    Destination, KeySpace, check_ancestor, check_existing, group_metadata, is_missing_group,
};
use crate::encode::Encoded;
use crate::error::foreign;
use crate::node::{Node, node_in_store, zarr_node_in_store};
use crate::stored::{Origin, Source};
use crate::target::store_prefix;
use crate::{Error, Existing, Result, Target};

/// An array that is written to its own place, the metadata last.
pub(crate) struct InPlace {
    /// The target as the user named it.
    target: Target,
    store: ReadableWritableListableStorage,
    path: String,
    prefix: StorePrefix,
    /// Where the groups are to be that hold the array.
    groups: Vec<StorePrefix>,
    /// Those that were made.
    made_groups: Mutex<Vec<(StorePrefix, StoreKey)>>,
    /// The array's metadata, from the seal until it is published.
    metadata: OnceLock<Bytes>,
    /// Whether an array was there, which the first write removes.
    replaces: bool,
    /// The outcome of removing it.
    removed: OnceLock<Result<(), String>>,
    published: AtomicBool,
    /// The chunks that were put.
    n_chunks: AtomicU64,
}

impl InPlace {
    pub(crate) fn begin(
        target: &Target,
        store: ReadableWritableListableStorage,
        path: &str,
        members: &[String],
        existing: Existing,
    ) -> Result<InPlace> {
        let mut groups = Vec::new();
        for n_members in 0..members.len() {
            let group = store_prefix(path, &members[..n_members])?;
            let node = node_in_store(&*store, &group)?;
            is_missing_group(target, node, &format_args!("store:/{group}"))?;
            groups.push(group);
        }
        let prefix = store_prefix(path, members)?;
        check_ancestors(target, &*store, &prefix)?;
        let node = node_in_store(&*store, &prefix)?;
        check_existing(target, node, existing)?;
        if node != Node::Vacant && existing == Existing::Replace {
            return Err(Error::ReplaceUnsupported { target: target.to_string() });
        }
        Ok(InPlace {
            target: target.clone(),
            store,
            path: format!("/{}", prefix.as_str().trim_end_matches('/')),
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

    /// Makes the groups that are missing.
    fn make_groups(&self) -> Result<()> {
        for group in &self.groups {
            let name = format!("{}zarr.json", group.as_str());
            let failed =
                |error: StorageError| Error::Store { key: name.clone(), source: foreign(error) };
            let key = StoreKey::new(name.as_str()).map_err(|error| failed(error.into()))?;
            if self.store.size_key(&key).map_err(failed)?.is_none() {
                self.store.set(&key, group_metadata().into()).map_err(failed)?;
                self.made_groups
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((group.clone(), key));
            }
        }
        Ok(())
    }

    /// Removes the array that is replaced, if that is still what lies there.
    fn remove_old(&self) -> Result<(), String> {
        match zarr_node_in_store(&*self.store, &self.prefix) {
            Ok(Some(Node::Array)) => {
                self.store.erase_prefix(&self.prefix).map_err(|error| report(&error))
            }
            Ok(_) => Err("what was to be replaced is no longer a Zarr array".to_owned()),
            Err(error) => Err(report(&error)),
        }
    }

    /// Whether somebody else has put a node there since this write began to put chunks.
    fn is_taken(&self) -> Result<bool> {
        let is_ours = !self.replaces || self.removed.get().is_some();
        Ok(is_ours && zarr_node_in_store(&*self.store, &self.prefix)?.is_some())
    }

    /// Checks that all chunks are there which were put.
    fn check_chunks(&self, n_chunks: &[u64]) -> Result<()> {
        let expected = self.n_chunks.load(Ordering::Relaxed);
        if expected == 0 {
            return Ok(());
        }
        let keys = self.store.list_prefix(&self.prefix);
        let keys = keys.map_err(|error| Error::Store {
            key: self.prefix.to_string(),
            source: foreign(error),
        })?;
        let below = keys.iter().filter_map(|key| key.as_str().strip_prefix(self.prefix.as_str()));
        let found = below.filter(|key| self.keys().number(key, n_chunks).is_some()).count() as u64;
        if found == expected {
            return Ok(());
        }
        let target = self.target.to_string();
        Err(Error::ChunksLost { target, missing: None, expected, found })
    }

    fn set(&self, name: &str, bytes: Bytes) -> Result<()> {
        let key = format!("{}{name}", self.prefix.as_str());
        let failed = |source| Error::Store { key: key.clone(), source };
        let removed = self.removed.get_or_init(|| match self.replaces {
            true => self.remove_old(),
            false => Ok(()),
        });
        removed.clone().map_err(|message| failed(message.into()))?;
        StoreKey::new(key.as_str())
            .map_err(StorageError::from)
            .and_then(|key| self.store.set(&key, bytes))
            .map_err(|error| failed(foreign(error)))
    }
}

/// Checks what holds the target.
fn check_ancestors(
    target: &Target,
    store: &dyn ReadableWritableListableStorageTraits,
    prefix: &StorePrefix,
) -> Result<()> {
    let mut below = prefix.clone();
    while let Some(above) = below.parent() {
        let node = zarr_node_in_store(store, &above)?;
        check_ancestor(target, node, &format_args!("store:/{above}"))?;
        below = above;
    }
    Ok(())
}

impl Destination for InPlace {
    fn keys(&self) -> KeySpace {
        KeySpace::Nested
    }

    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()> {
        self.set(key, chunk.into_bytes())?;
        self.n_chunks.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn count(&self, _: &str, _: u64) {
        unreachable!("no write of a store is resumed");
    }

    fn seal(&self, metadata: &[u8], n_chunks: &[u64]) -> Result<()> {
        let _ = self.metadata.set(Bytes::copy_from_slice(metadata));
        self.check_chunks(n_chunks)
    }

    fn publish(&self) -> Result<()> {
        let metadata = self.metadata.get().expect("an array is sealed before it is published");
        check_ancestors(&self.target, &*self.store, &self.prefix)?;
        if self.is_taken()? {
            return Err(Error::TargetExists { target: self.target.to_string() });
        }
        self.make_groups()?;
        self.set("zarr.json", metadata.clone())?;
        self.published.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn reader(&self) -> Result<Source> {
        let store = Arc::clone(&self.store).readable_writable();
        let store = ReadableWritableStorageTraits::readable(store);
        let key = format!("{}zarr.json", self.prefix.as_str());
        let document = StoreKey::new(key.as_str())
            .map_err(|error| Error::Store { key, source: foreign(error) })?;
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
        // An error here would hide the one that ended the write.
        let is_ours = matches!(self.is_taken(), Ok(false));
        if is_ours && self.removed.get().is_some_and(Result::is_ok) {
            // All that was written are chunks.
            let chunks = StorePrefix::new(format!("{}c/", self.prefix.as_str()));
            let _ = chunks.map(|chunks| self.store.erase_prefix(&chunks));
        }
        let made_groups = self.made_groups.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (group, key) in made_groups.drain(..).rev() {
            // Somebody else may have put an array there meanwhile.
            if self.store.list_prefix(&group).is_ok_and(|keys| keys == [key.clone()]) {
                let _ = self.store.erase(&key);
            }
        }
    }
}

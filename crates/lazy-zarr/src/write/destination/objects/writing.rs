//! Beginning the write of an array in a store, and storing its chunks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use crate::error::{Error, Result, TargetError, WriteError};
use crate::format::KeySpace;
use crate::layout::index_in_grid;
use crate::objects::{PutCondition, Store, StoreError, Tag, put_or_find};
use crate::settings::{Existing, OldChunks, WriteSettings};
use crate::staging::{Claim, Claimed, Liveness, Tally};
use crate::store::check::{check_ancestor, check_existing, is_missing_group};
use crate::store::node::{
    Node, PresentObject, group_in_store, node_in_store, present_in_store, zarr_node_in_store,
};
use crate::store::{chunk_objects, delete_chunks};
use crate::target::{Target, store_prefix};

/// A new version of an array, which is written beside the present version under the same prefix.
///
/// The chunks go to a key space that the present metadata does not name, so no reader sees them. At
/// the end, one conditional put of `zarr.json` publishes them: it succeeds only if the version is
/// still the one that was present at the beginning. The chunks of older versions stay, for readers
/// that have opened them, until a write needs their key space.
pub(crate) struct StoreWrite {
    pub(super) target: Target,
    pub(super) store: Arc<dyn Store>,
    /// The path of the array in the store.
    pub(super) path: String,
    /// The prefix of the keys of the array.
    pub(super) prefix: String,
    /// The prefixes of the groups that hold the array and that the target names, outermost first.
    pub(super) groups: Vec<String>,
    /// The present version, if there is one.
    pub(super) present: Option<PresentObject>,
    /// The key space of the new chunks.
    pub(super) keys: KeySpace,
    pub(super) claim: Claimed,
    /// True if the store checks conditions.
    pub(super) is_conditional: bool,
    pub(super) old_chunks: OldChunks,
    pub(super) stored: Mutex<Stored>,
    /// The new metadata, once it is final.
    pub(super) metadata: OnceLock<Bytes>,
    pub(super) is_published: AtomicBool,
}

/// The chunks that were stored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stored {
    chunks: Tally,
    /// The chunks with their tags.
    tagged: Tally,
}

impl Stored {
    fn add(&mut self, key: &str, n_bytes: u64, tag: Option<&Tag>) {
        self.chunks.add(key, n_bytes);
        if let Some(tag) = tag {
            self.tagged.add(&format!("{key} {}", tag.as_str()), n_bytes);
        }
    }

    fn are_all_tagged(&self) -> bool {
        self.tagged.n_chunks() == self.chunks.n_chunks()
    }
}

impl StoreWrite {
    /// Checks the target, and claims a key space.
    pub(crate) fn begin(
        settings: &WriteSettings,
        store: Arc<dyn Store>,
        path: &str,
        members: &[String],
    ) -> Result<StoreWrite> {
        let target = &settings.target;
        let mut groups = Vec::new();
        for n_members in 0..members.len() {
            let group = store_prefix(path, &members[..n_members]);
            let node = group_in_store(&*store, &group)?;
            is_missing_group(target, node, &format_args!("store:/{group}"))?;
            groups.push(group);
        }
        let prefix = store_prefix(path, members);
        check_ancestors(target, &*store, &prefix)?;
        let node = node_in_store(&*store, &prefix)?;
        check_existing(target, node, settings.existing)?;
        if node == Node::Array && settings.existing == Existing::Append {
            let reason = "it lies in a store, which is not supported";
            return Err(TargetError::NotAppendable { target: target.to_string(), reason }.into());
        }
        let present = present_in_store(&*store, &prefix)?;
        if let Some(present) = &present
            && present.keys.is_none()
        {
            return Err(TargetError::UnknownKeys { target: target.to_string() }.into());
        }
        let is_conditional = !settings.is_unconditional;
        let (keys, claim) = claim(settings, &*store, &prefix, present.as_ref())?;
        Ok(StoreWrite {
            target: target.clone(),
            store,
            path: format!("/{}", prefix.trim_end_matches('/')),
            prefix,
            groups,
            present,
            keys,
            claim,
            is_conditional,
            old_chunks: settings.old_chunks,
            stored: Mutex::default(),
            metadata: OnceLock::new(),
            is_published: AtomicBool::new(false),
        })
    }

    pub(super) fn name(&self) -> String {
        self.target.to_string()
    }

    /// Returns the condition of a new object.
    pub(super) fn if_absent(&self) -> PutCondition {
        if self.is_conditional { PutCondition::IfAbsent } else { PutCondition::Always }
    }

    /// Stores a chunk under its key below the prefix.
    pub(super) fn put_chunk(&self, name: &str, bytes: &Bytes) -> Result<()> {
        let key = format!("{}{name}", self.prefix);
        let tag = match put_or_find(&*self.store, &key, bytes, self.if_absent()) {
            Ok(tag) => tag,
            Err(StoreError::Exists) => {
                return Err(WriteError::Conflict { target: self.name(), key }.into());
            }
            Err(error) => return Err(Error::store(&key, error)),
        };
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.add(name, bytes.len() as u64, tag.as_ref());
        Ok(())
    }

    /// Checks that the stored chunks are the ones that this write has put.
    pub(super) fn check_chunks(&self, n_chunks: &[u64]) -> Result<()> {
        let expected = *self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if expected.chunks.n_chunks() == 0 {
            return Ok(());
        }
        let mut found = Stored::default();
        let objects = chunk_objects(&*self.store, &self.prefix, &[self.keys])?;
        let objects: Vec<_> = objects
            .into_iter()
            .filter(|(name, _)| self.keys.number(name, n_chunks).is_some())
            .collect();
        for (name, object) in &objects {
            found.add(name, object.size, object.tag.as_ref());
        }
        let has_tags = expected.are_all_tagged() && found.are_all_tagged();
        if found.chunks == expected.chunks && (!has_tags || found.tagged == expected.tagged) {
            return Ok(());
        }
        let names: std::collections::BTreeSet<_> =
            objects.iter().map(|(name, _)| &**name).collect();
        let encoding = self.keys.encoding();
        let key = |place| encoding.encode(&index_in_grid(place, n_chunks)).to_string();
        let missing = (0..n_chunks.iter().product()).map(key).find(|key| !names.contains(&**key));
        Err(WriteError::ChunksLost {
            target: self.name(),
            missing,
            expected: expected.chunks.n_chunks(),
            found: found.chunks.n_chunks(),
        }
        .into())
    }

    /// Deletes the chunks of a write that ended early, and then its claim.
    pub(super) fn discard(&self) -> Result<()> {
        // Another write that has taken over may use these keys.
        if !self.claim.is_held(&*self.store)? {
            return Ok(());
        }
        // Another program may have published an array there, without regard to the claim.
        let present = present_in_store(&*self.store, &self.prefix)?;
        if present.and_then(|present| present.keys) != Some(self.keys) {
            delete_chunks(&*self.store, &self.prefix, &[self.keys])?;
        }
        self.release()
    }

    pub(super) fn release(&self) -> Result<()> {
        self.claim.release(&*self.store).map_err(|error| Error::store(&self.prefix, error))
    }

    pub(super) fn is_published(&self) -> bool {
        self.is_published.load(Ordering::Relaxed)
    }
}

/// Claims a key space for the chunks of a new version, and deletes the chunks of earlier writes and
/// of old versions there.
fn claim(
    settings: &WriteSettings,
    store: &dyn Store,
    prefix: &str,
    present: Option<&PresentObject>,
) -> Result<(KeySpace, Claimed)> {
    let target = settings.target.to_string();
    let claims = Claim::list(store, prefix)?;
    for claim in &claims {
        claim.check_has_ended(&target, settings.takes_over)?;
    }
    let present = present.and_then(|present| present.keys);
    let left_in = |keys: KeySpace| claims.iter().find(|claim| claim.keys == keys);
    // A write that counts as ended may still be running, and would miss its chunks. So its key
    // space is used only if there is no other.
    let first = KeySpace::after(present);
    let second = KeySpace::after(Some(first));
    let second = if Some(second) == present { KeySpace::after(Some(second)) } else { second };
    let may_run = left_in(first).is_some_and(|left| left.liveness() != Liveness::Ended);
    let keys = if may_run && left_in(second).is_none() { second } else { first };
    let left = left_in(keys);
    let claimed = match Claimed::take(store, prefix, keys, left, !settings.is_unconditional) {
        Ok(Some(claimed)) => claimed,
        Ok(None) => {
            let claims = Claim::list(store, prefix)?;
            let claim = claims.iter().find(|claim| claim.keys == keys);
            let holder = claim.map_or_else(|| "another process".to_owned(), Claim::holder);
            return Err(WriteError::Locked { target, holder }.into());
        }
        Err(StoreError::Unsupported) => return Err(TargetError::NoConditions { target }.into()),
        Err(error) => return Err(Error::store(prefix, error)),
    };
    if present.is_some() || left.is_some() {
        delete_chunks(store, prefix, &[keys])?;
    }
    Ok((keys, claimed))
}

/// Checks the nodes above the target.
pub(super) fn check_ancestors(target: &Target, store: &dyn Store, prefix: &str) -> Result<()> {
    let mut below = prefix;
    while let Some(path) = below.strip_suffix('/') {
        let above = &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
        let node = zarr_node_in_store(store, above)?;
        check_ancestor(target, node, &format_args!("store:/{above}"))?;
        below = above;
    }
    Ok(())
}

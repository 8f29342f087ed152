//! Beginning the write of an array in a store, and storing its chunks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use crate::error::{Error, Result, ResumeError, TargetError, WriteError};
use crate::format::KeySpace;
use crate::layout::index_in_grid;
use crate::objects::{PutCondition, Store, StoreError, Tag, put_or_find};
use crate::settings::{Existing, OldChunks, WriteSettings};
use crate::staging::{Claim, Claimed, Entry, Liveness, Record, StoreJournal, Tally};
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
    pub(super) claim: Arc<Claimed>,
    /// The journal of a resumable write.
    pub(super) journal: Option<Arc<StoreJournal>>,
    /// True if the store checks conditions.
    pub(super) is_conditional: bool,
    pub(super) old_chunks: OldChunks,
    pub(super) stored: Mutex<Stored>,
    /// The new metadata, once it is final.
    pub(super) metadata: OnceLock<Bytes>,
    pub(super) is_published: AtomicBool,
    /// True if the store may still publish the metadata, because it has not answered.
    pub(super) is_uncertain: AtomicBool,
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
    /// Checks the target, and claims a key space. Returns the record of an earlier write, if that
    /// write is resumed.
    pub(crate) fn begin(
        settings: &WriteSettings,
        store: Arc<dyn Store>,
        path: &str,
        members: &[String],
    ) -> Result<(StoreWrite, Option<Record>)> {
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
        let (claim, record) = claim(settings, &*store, &prefix, present.as_ref())?;
        let (keys, claim) = (claim.keys(), Arc::new(claim));
        let journal = settings.resume.as_ref().map(|_| {
            let journal = StoreJournal::new(&store, &prefix, &claim);
            Arc::new(journal)
        });
        let write = StoreWrite {
            target: target.clone(),
            store,
            path: format!("/{}", prefix.trim_end_matches('/')),
            prefix,
            groups,
            present,
            keys,
            claim,
            journal,
            is_conditional,
            old_chunks: settings.old_chunks,
            stored: Mutex::default(),
            metadata: OnceLock::new(),
            is_published: AtomicBool::new(false),
            is_uncertain: AtomicBool::new(false),
        };
        Ok((write, record))
    }

    /// Returns the journal of a resumable write.
    pub(in crate::write::destination) fn journal(&self) -> Option<&Arc<StoreJournal>> {
        self.journal.as_ref()
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
        let put = match put_or_find(&*self.store, &key, bytes, self.if_absent()) {
            // An earlier write of this array has put it, in another form.
            Err(StoreError::Exists) if self.journal.is_some() => self.replace_chunk(&key, bytes),
            put => put,
        };
        let tag = match put {
            Ok(tag) => tag,
            Err(StoreError::Exists | StoreError::Changed) => {
                return Err(WriteError::Conflict { target: self.name(), key }.into());
            }
            Err(error) => return Err(Error::store(&key, error)),
        };
        self.add(name, bytes.len() as u64, tag.as_ref());
        match &self.journal {
            Some(journal) => journal.note(name, Entry::of([&**bytes])),
            None => Ok(()),
        }
    }

    /// Replaces a chunk that an earlier write has put. It is never missing meanwhile.
    fn replace_chunk(&self, key: &str, bytes: &Bytes) -> Result<Option<Tag>, StoreError> {
        let condition = match self.store.head(key)?.tag {
            Some(tag) => PutCondition::IfUnchanged(tag),
            None => PutCondition::Always,
        };
        put_or_find(&*self.store, key, bytes, condition)
    }

    /// Counts a stored chunk.
    pub(super) fn add(&self, name: &str, n_bytes: u64, tag: Option<&Tag>) {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.add(name, n_bytes, tag);
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
        self.claim.release(&*self.store)
    }

    pub(super) fn is_published(&self) -> bool {
        self.is_published.load(Ordering::Relaxed)
    }
}

/// Claims a key space for the chunks of a new version: that of the write which this one resumes,
/// or another one, without the chunks of earlier writes and of old versions. Returns the record of
/// the write that is resumed.
fn claim(
    settings: &WriteSettings,
    store: &dyn Store,
    prefix: &str,
    present: Option<&PresentObject>,
) -> Result<(Claimed, Option<Record>)> {
    let target = settings.target.to_string();
    let present = present.and_then(|present| present.keys);
    let mut claims = Vec::new();
    for claim in Claim::list(store, prefix)? {
        claim.check_has_ended(&target, settings.takes_over)?;
        if Some(claim.keys) == present {
            // The write has published the array, and ended before it gave the key space back.
            claim.delete(store, prefix)?;
        } else {
            claims.push(claim);
        }
    }
    let earlier = resumable(settings, prefix, &claims)?;
    let left_in = |keys: KeySpace| claims.iter().find(|claim| claim.keys == keys);
    let keys = match &earlier {
        Some((claim, _)) => claim.keys,
        None => {
            // A write that counts as ended may still be running, and would miss its chunks. So its
            // key space is used only if there is no other.
            let first = KeySpace::after(present);
            let second = KeySpace::after(Some(first));
            let second =
                if Some(second) == present { KeySpace::after(Some(second)) } else { second };
            let may_run = left_in(first).is_some_and(|left| left.liveness() != Liveness::Ended);
            if may_run && left_in(second).is_none() { second } else { first }
        }
    };
    let left = left_in(keys).map(|left| (left, earlier.is_some()));
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
    if earlier.is_none() && (present.is_some() || left.is_some()) {
        claimed.delete_journal(store)?;
        delete_chunks(store, prefix, &[keys])?;
    }
    Ok((claimed, earlier.map(|(_, record)| record)))
}

/// Returns the claim of an earlier write that this one resumes, with its record.
fn resumable<'c>(
    settings: &WriteSettings,
    prefix: &str,
    claims: &'c [Claim],
) -> Result<Option<(&'c Claim, Record)>> {
    let restarts = settings.resume.as_ref().is_some_and(|resume| resume.restarts);
    for claim in claims {
        let record = match claim.record(prefix) {
            Err(error) if restarts && error.is_of_record() => None,
            record => record?,
        };
        let Some(record) = record.filter(|record| record.keys() == Some(claim.keys)) else {
            continue;
        };
        if settings.resume.is_some() {
            return Ok(Some((claim, record)));
        }
        let directory = format!("store:/{}", claim.prefix(prefix)).into();
        let (target, key) = (settings.target.to_string(), record.key);
        return Err(ResumeError::Unfinished { target, directory, key }.into());
    }
    Ok(None)
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

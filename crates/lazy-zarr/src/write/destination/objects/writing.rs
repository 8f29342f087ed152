//! Beginning the write of an array in a store, and storing its chunks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;

use super::claiming::{MOST_TRIES, claim, ended, free_keys, is_unchanged, resumable};
use super::place::{Checked, Place, present};
use crate::error::{Error, ErrorKind, Result, ResumeError, TargetError, WriteError};
use crate::format::KeySpace;
use crate::layout::index_in_grid;
use crate::objects::{ObjectInfo, PutCondition, Store, StoreError, Tag, put_or_find};
use crate::settings::{Existing, OldChunks, WriteSettings};
use crate::staging::{
    AppendedRows, Claimed, Entry, FinishLease, PlanDocument, PlanObjects, Record, StoreJournal,
    TaggedTally,
};
use crate::store::node::{PresentObject, present_in_store, rows_of_document};
use crate::target::Target;

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
    /// True if the write continues an earlier one.
    pub(super) is_resumed: bool,
    pub(super) old_chunks: OldChunks,
    pub(super) stored: Mutex<TaggedTally>,
    /// The lease of the worker that finishes a plan, if workers share the write.
    pub(super) lease: Option<FinishLease>,
    /// The new metadata, once it is final.
    pub(super) metadata: OnceLock<Bytes>,
    /// The time of the last check before the publication.
    pub(super) checked: Mutex<Option<Instant>>,
    pub(super) is_published: AtomicBool,
    /// True if the store may still publish the metadata, because it has not answered.
    pub(super) is_uncertain: AtomicBool,
}

impl StoreWrite {
    /// Checks the target.
    pub(crate) fn check(
        settings: &WriteSettings,
        store: &dyn Store,
        path: &str,
        members: &[String],
    ) -> Result<()> {
        Place::check(settings, store, path, members).map(drop)
    }

    /// Checks the target, and claims a key space. Returns the record of an earlier write, if that
    /// write is resumed.
    pub(crate) fn begin(
        settings: &WriteSettings,
        store: Arc<dyn Store>,
        path: &str,
        members: &[String],
    ) -> Result<(StoreWrite, Option<Record>)> {
        for _ in 0..MOST_TRIES {
            let checked = Checked::check(settings, &*store, path, members)?;
            let Checked { place, mut present, claims } = checked;
            let found = claim(settings, &*store, &place.prefix, (&mut present, claims))?;
            let Some((claim, record)) = found else { continue };
            let write = StoreWrite::claimed(settings, store, place, present, Arc::new(claim));
            return Ok((write, record));
        }
        Err(TargetError::Replaced { target: settings.target.to_string() }.into())
    }

    /// Creates the write of a claimed key space.
    fn claimed(
        settings: &WriteSettings,
        store: Arc<dyn Store>,
        place: Place,
        present: Option<PresentObject>,
        claim: Arc<Claimed>,
    ) -> StoreWrite {
        let Place { prefix, groups } = place;
        let journal = settings.resume.as_ref().map(|_| {
            let journal = StoreJournal::new(&store, &claim);
            Arc::new(journal)
        });
        StoreWrite {
            target: settings.target.clone(),
            store,
            path: format!("/{}", prefix.trim_end_matches('/')),
            prefix,
            groups,
            present,
            keys: claim.keys(),
            is_resumed: claim.record().is_some(),
            claim,
            journal,
            is_conditional: !settings.is_unconditional,
            old_chunks: settings.old_chunks,
            stored: Mutex::default(),
            lease: None,
            metadata: OnceLock::new(),
            checked: Mutex::default(),
            is_published: AtomicBool::new(false),
            is_uncertain: AtomicBool::new(false),
        }
    }

    /// Creates the plan of several workers, or returns the one that is there, with its key space and
    /// the prefix of the array. Returns `None` if the array is complete. `document` returns the plan
    /// for chunks in a key space.
    pub(crate) fn plan(
        settings: &WriteSettings,
        store: &Arc<dyn Store>,
        path: &str,
        members: &[String],
        is_complete: &dyn Fn() -> Result<bool>,
        document: &dyn Fn(KeySpace) -> Result<PlanDocument>,
    ) -> Result<Option<(KeySpace, String, PlanDocument)>> {
        let store = &**store;
        for _ in 0..MOST_TRIES {
            let checked = match Checked::check(settings, store, path, members) {
                // Another worker may have published the array.
                Err(error) if error.kind() == ErrorKind::Exists && is_complete()? => {
                    return Ok(None);
                }
                checked => checked?,
            };
            let Checked { place: Place { prefix, .. }, present, claims } = checked;
            let present_keys = present.as_ref().and_then(|present| present.keys);
            let claims = ended(settings, store, &prefix, (present.as_ref(), claims), true)?;
            for claim in &claims {
                if let Some(plan) = claim.plan()? {
                    return Ok(Some((claim.keys, prefix, plan)));
                }
            }
            resumable(settings, present.as_ref(), &claims, false)?;
            let keys = free_keys(&claims, present_keys);
            let left = claims.iter().find(|claim| claim.keys == keys);
            let plan = document(keys)?;
            let claimed = match Claimed::share(store, &prefix, keys, left, &plan) {
                Ok(Some(claimed)) => claimed,
                // Another write has just begun.
                Ok(None) => continue,
                Err(StoreError::Unsupported) => {
                    let (target, action) = (settings.target.to_string(), WITHOUT_CONDITIONS);
                    return Err(ResumeError::NotPlannable { target, action }.into());
                }
                Err(error) => return Err(Error::store(&prefix, error)),
            };
            // Another worker may have published the array before, or another write its version.
            let is_complete = is_complete()?;
            if is_complete || !is_unchanged(store, &prefix, present.as_ref())? {
                claimed.end_plan(store)?;
                if is_complete { return Ok(None) } else { continue }
            }
            if left.is_some() || present.is_some() {
                claimed.delete_before_plan(store)?;
            }
            return Ok(Some((keys, prefix, plan)));
        }
        Err(TargetError::Replaced { target: settings.target.to_string() }.into())
    }

    /// Takes a plan, to publish its array. Returns `None` if the plan is gone, or is published
    /// already.
    pub(crate) fn finish(
        settings: &WriteSettings,
        path: &str,
        members: &[String],
        plan: &PlanObjects,
    ) -> Result<Option<StoreWrite>> {
        let store = plan.store();
        // The array may be published, and the rest of the plan remains.
        let existing = Existing::Replace;
        let settings = &WriteSettings { existing, resume: None, ..settings.clone() };
        let lease = match plan.take_to_finish(settings.takes_over)? {
            Ok(lease) => lease,
            Err((holder, is_certain)) => {
                let target = settings.target.to_string();
                return Err(if is_certain {
                    WriteError::Locked { target, holder }.into()
                } else {
                    WriteError::MaybeClaimed { target, holder }.into()
                });
            }
        };
        let (place, _) = Place::check(settings, &**store, path, members)?;
        let claim = plan.claim()?.and_then(|claim| Claimed::of_plan(&place.prefix, claim));
        let Some(claim) = claim else {
            lease.release()?;
            return Ok(None);
        };
        let present = present(settings, &**store, &place.prefix)?;
        if present.as_ref().and_then(|present| present.keys) == Some(claim.keys()) {
            // The worker that published it has ended before it removed the rest.
            claim.end_plan(&**store)?;
            return Ok(None);
        }
        let store = Arc::clone(store);
        let mut write = StoreWrite::claimed(settings, store, place, present, Arc::new(claim));
        write.lease = Some(lease);
        Ok(Some(write))
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
        let key = self.claim.object(name);
        if let Some(lease) = &self.lease {
            if lease.is_lost() {
                return Err(Error::taken_over(self.name()));
            }
            let is_held = || lease.confirm();
            let tag = put_shared(&*self.store, &self.name(), &key, bytes, &is_held)?;
            self.add(name, bytes.len() as u64, tag.as_ref());
            return Ok(());
        }
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
        let mut found = TaggedTally::default();
        let (objects, strays): (Vec<_>, Vec<_>) = self
            .claim
            .chunks(&*self.store)?
            .into_iter()
            .partition(|(name, _)| self.keys.number(name, n_chunks).is_some());
        for (name, object) in &objects {
            found.add(name, object.size, object.tag.as_ref());
        }
        if found.matches(&expected) {
            return self.delete_strays(&strays);
        }
        let names: std::collections::BTreeSet<_> =
            objects.iter().map(|(name, _)| &**name).collect();
        let encoding = self.keys.encoding();
        let key = |place| encoding.encode(&index_in_grid(place, n_chunks)).to_string();
        let first = self.claim.appended().map_or(0, |appended| appended.first);
        let places = first * n_chunks.iter().skip(1).product::<u64>()..n_chunks.iter().product();
        let missing = places.map(key).find(|key| !names.contains(&**key));
        Err(WriteError::ChunksLost {
            target: self.name(),
            missing,
            expected: expected.chunks.n_chunks(),
            found: found.chunks.n_chunks(),
        }
        .into())
    }

    /// Deletes chunks of earlier versions that lie outside of this array, which workers leave when
    /// they begin a plan.
    fn delete_strays(&self, strays: &[(String, ObjectInfo)]) -> Result<()> {
        if self.lease.is_none() {
            return Ok(());
        }
        let keys: Vec<_> = strays.iter().map(|(_, object)| object.key.clone()).collect();
        self.store.delete_all(&keys).map_err(|error| Error::store(&self.prefix, error))
    }

    /// Returns true if no other process has taken over.
    pub(super) fn is_held(&self) -> Result<bool> {
        match &self.lease {
            Some(lease) => lease.confirm(),
            None => self.claim.is_held(&*self.store),
        }
    }

    /// Deletes the chunks of a write that ended early, and then its claim.
    pub(super) fn discard(&self) -> Result<()> {
        // Another write that has taken over may use these keys.
        if !self.is_held()? {
            return Ok(());
        }
        // Another program may have published an array there, without regard to the claim.
        let present = present_in_store(&*self.store, &self.prefix)?;
        let is_own = match self.claim.appended() {
            Some(appended) => {
                let rows = present.and_then(|present| rows_of_document(&present.document.bytes));
                rows.is_some_and(|rows| {
                    rows.keys == self.keys && AppendedRows::behind(rows) == appended
                })
            }
            None => present.and_then(|present| present.keys) != Some(self.keys),
        };
        if is_own {
            self.claim.delete_chunks(&*self.store)?;
        }
        self.claim.release(&*self.store)
    }

    pub(super) fn is_published(&self) -> bool {
        self.is_published.load(Ordering::Relaxed)
    }
}

/// What a plan cannot do, if a store does not check conditions.
pub(crate) const WITHOUT_CONDITIONS: &str = "use a store without conditional puts";

/// Stores a chunk of a plan, unless it is there. A chunk of another version, or of an earlier worker
/// that has computed other bits, is replaced if this worker still holds what it has taken: then no
/// other worker relies on that chunk.
pub(super) fn put_shared(
    store: &dyn Store,
    target: &str,
    key: &str,
    bytes: &Bytes,
    is_held: &dyn Fn() -> Result<bool>,
) -> Result<Option<Tag>> {
    let error = match store.put(key, bytes.clone(), PutCondition::IfAbsent) {
        Ok(tag) => return Ok(tag),
        Err(error) => error,
    };
    if !matches!(error, StoreError::Exists | StoreError::Other(_)) {
        return Err(Error::store(key, error));
    }
    let found = match store.get(key) {
        Ok(found) if found.bytes == bytes => return Ok(found.tag),
        Ok(found) if matches!(error, StoreError::Exists) => found,
        _ => return Err(Error::store(key, error)),
    };
    // The chunk was read before, so it changes if another worker replaces it from now on.
    if !is_held()? {
        return Err(Error::taken_over(target));
    }
    let Some(tag) = found.tag else { return Err(Error::store(key, StoreError::Unsupported)) };
    match put_or_find(store, key, bytes, PutCondition::IfUnchanged(tag)) {
        Ok(tag) => Ok(tag),
        Err(StoreError::Changed) => {
            Err(WriteError::Conflict { target: target.to_owned(), key: key.to_owned() }.into())
        }
        Err(error) => Err(Error::store(key, error)),
    }
}

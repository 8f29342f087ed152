//! What the workers of a plan keep in a store: the records of finished parts, and the parts that
//! workers compute.
//!
//! The plan lies in the claim of the key space of its chunks, so one object decides if one process
//! or several write there. The claim stays the same until the array is published. Beside it, below
//! the token of the plan, which keeps apart different plans of one array:
//!
//! ```text
//! .lazy/nested/claim                          the plan: what every worker must agree on
//! .lazy/nested/<token>/parts/17/claim         the lease of the worker that computes part 17
//! .lazy/nested/<token>/parts/17/journal/…     the complete chunks of part 17
//! .lazy/nested/<token>/fragments/17.c.5.0.…   the rows of part 17 in a chunk that parts share
//! .lazy/nested/<token>/done/17                the record of a finished part
//! .lazy/nested/<token>/finish                 the lease of the worker that publishes the array
//! ```
//!
//! A lease saves work, and nothing depends on it: a record is put once, a chunk is replaced only
//! under its tag, and the name of a fragment has the hash of its bytes. So a worker that continues
//! after another one has taken over puts at most objects that nobody reads.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use super::chunk_files::PartChunkRows;
use super::claim::{Claim, prefix_of_plan};
use super::entry::Entry;
use super::journal::ChunkJournal;
use super::lease::{Holding, Lease, Leased, Leases};
use super::part_record::{Head, LONGEST_HEAD};
use super::plan_document::PlanDocument;
use super::process::Liveness;
use super::store_journal::{Lines, each_entry};
use super::taken_part::TakenPart;
use crate::error::{Error, Result};
use crate::format::KeySpace;
use crate::objects::{
    ByteRange, ObjectInfo, PutCondition, Store, StoreError, Tag, for_each, put_or_find,
};

const CLAIM: &str = "/claim";

/// The objects of a plan, as one of its workers sees them.
#[derive(Clone)]
pub(crate) struct PlanObjects(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    /// The prefix of the array.
    array: String,
    keys: KeySpace,
    token: String,
    /// The prefix of the objects.
    prefix: String,
    n_parts: usize,
    leases: Leases,
}

/// A part that a worker has taken. If it is dropped, others can take the part, and resume it.
pub(crate) struct PartLease {
    plan: PlanObjects,
    part: usize,
    /// `None` once it is given back.
    lease: Option<Lease>,
    lines: Arc<Lines>,
}

/// A plan that a worker has taken, to publish its array.
pub(crate) struct FinishLease {
    plan: PlanObjects,
    lease: Lease,
}

impl PlanObjects {
    pub(crate) fn new(
        store: &Arc<dyn Store>,
        array: &str,
        keys: KeySpace,
        plan: &PlanDocument,
        renewal: Option<Duration>,
    ) -> PlanObjects {
        PlanObjects(Arc::new(Inner {
            store: Arc::clone(store),
            array: array.to_owned(),
            keys,
            token: plan.token.clone(),
            prefix: prefix_of_plan(array, keys, &plan.token),
            n_parts: plan.part_ends.len(),
            leases: Leases::new(renewal),
        }))
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// Returns the prefix of the array.
    pub(crate) fn array(&self) -> &str {
        &self.0.array
    }

    /// Returns the time after which a worker that does not renew its lease counts as ended.
    pub(crate) fn patience(&self) -> Duration {
        self.0.leases.patience()
    }

    /// Returns the claim with the plan, unless the plan is gone: it was published or removed.
    pub(crate) fn claim(&self) -> Result<Option<Claim>> {
        let claim = Claim::find(&*self.0.store, &self.0.array, self.0.keys)?;
        Ok(claim.filter(|claim| claim.is_of_plan(&self.0.token)))
    }

    /// Returns the numbers of the finished parts in ascending order, or `None` if the plan is gone.
    pub(crate) fn finished(&self) -> Result<Option<Vec<usize>>> {
        let mut parts = self.listed_done()?;
        // Records are deleted when the plan is gone.
        if parts.len() < self.0.n_parts && self.claim()?.is_none() {
            return Ok(None);
        }
        parts.sort_unstable();
        Ok(Some(parts))
    }

    fn listed_done(&self) -> Result<Vec<usize>> {
        let done = format!("{}done/", self.0.prefix);
        let objects = self.0.store.list(&done).map_err(|error| Error::store(&done, error))?;
        Ok(objects.iter().filter_map(|object| self.part_named(&object.key[done.len()..])).collect())
    }

    /// Returns the record of a part if it is finished.
    pub(crate) fn record(&self, part: usize) -> Result<Option<Vec<u8>>> {
        let key = self.done(part);
        match self.0.store.get(&key) {
            Ok(object) => Ok(Some(object.bytes.to_vec())),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(Error::store(&key, error)),
        }
    }

    /// Returns the beginnings of the records of all finished parts. Damaged records are left out.
    pub(super) fn heads(&self) -> Result<Vec<Head>> {
        let head = ByteRange::Bounded(0..LONGEST_HEAD as u64);
        let heads = for_each(&*self.0.store, &self.listed_done()?, |part| {
            let key = self.done(*part);
            match self.0.store.get_ranges(&key, std::slice::from_ref(&head)) {
                Ok(ranges) => Ok(ranges.parts.first().and_then(|bytes| Head::parse(bytes))),
                // It was just removed.
                Err(StoreError::NotFound) => Ok(None),
                Err(error) => Err(Error::store(&key, error)),
            }
        })?;
        Ok(heads.into_iter().flatten().collect())
    }

    /// Removes the record of a part.
    pub(crate) fn discard(&self, part: usize) -> Result<()> {
        let key = self.done(part);
        self.0.store.delete(&key).map_err(|error| Error::store(&key, error))
    }

    /// Takes a part, unless it is finished or another worker has it.
    pub(crate) fn take(&self, part: usize, takes_over: bool) -> Result<TakenPart<PartLease>> {
        let store = &self.0.store;
        let key = self.lease(part);
        let lease = match self.0.leases.take(store, &key, takes_over)? {
            Leased::Taken(lease) => lease,
            Leased::Held(Holding { holder, liveness }) => {
                let is_certain = liveness == Liveness::Running;
                return Ok(TakenPart::Held { holder, is_certain });
            }
        };
        let release = |lease: Lease| lease.release().map_err(|error| Error::store(&key, error));
        // The worker that had it may just have finished it, or the whole plan.
        if self.is_done(part)? {
            release(lease)?;
            return Ok(TakenPart::Finished);
        }
        if self.claim()?.is_none() {
            release(lease)?;
            return Ok(TakenPart::Gone);
        }
        let lines = Arc::new(Lines::new(store, &self.journal(part), &lease.token()));
        let (plan, lease) = (self.clone(), Some(lease));
        Ok(TakenPart::Taken(PartLease { plan, part, lease, lines }))
    }

    /// Takes the plan, to publish its array. Returns the holder and true if it is certain to be
    /// running, if another worker has taken it.
    pub(crate) fn take_to_finish(
        &self,
        takes_over: bool,
    ) -> Result<Result<FinishLease, (String, bool)>> {
        let key = format!("{}finish", self.0.prefix);
        Ok(match self.0.leases.take(&self.0.store, &key, takes_over)? {
            Leased::Taken(lease) => Ok(FinishLease { plan: self.clone(), lease }),
            Leased::Held(Holding { holder, liveness }) => {
                Err((holder, liveness == Liveness::Running))
            }
        })
    }

    fn is_done(&self, part: usize) -> Result<bool> {
        let key = self.done(part);
        match self.0.store.head(&key) {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(Error::store(&key, error)),
        }
    }

    /// Returns the parts that workers have taken, with the descriptions of the workers, and true if
    /// they are certain to be running.
    pub(crate) fn taken(&self) -> Result<Vec<(usize, String, bool)>> {
        let parts = self.parts();
        let objects = self.0.store.list(&parts).map_err(|error| Error::store(&parts, error))?;
        let part_of = |object: &ObjectInfo| {
            let name = object.key[parts.len()..].strip_suffix(CLAIM)?;
            Some((self.part_named(name)?, object.key.clone()))
        };
        let leases: Vec<_> = objects.iter().filter_map(part_of).collect();
        let taken = for_each(&*self.0.store, &leases, |(part, key)| {
            let found = match self.0.store.get(key) {
                Ok(found) => found,
                // The worker has just finished the part.
                Err(StoreError::NotFound) => return Ok(None),
                Err(error) => return Err(Error::store(key, error)),
            };
            let Holding { holder, liveness } = self.0.leases.holding(key, &found);
            let is_certain = liveness == Liveness::Running;
            Ok((liveness != Liveness::Ended).then_some((*part, holder, is_certain)))
        })?;
        let mut taken: Vec<_> = taken.into_iter().flatten().collect();
        taken.sort_unstable();
        Ok(taken)
    }

    /// Returns the bytes of a part in a chunk that it shares with other parts, unless the object is
    /// missing or damaged.
    pub(crate) fn fragment(&self, part: usize, key: &str, entry: Entry) -> Result<Option<Bytes>> {
        let key = self.fragment_key(part, key, entry);
        match self.0.store.get(&key) {
            Ok(object) => Ok(Some(object.bytes).filter(|bytes| Entry::of([&**bytes]) == entry)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(Error::store(&key, error)),
        }
    }

    /// If the plan is gone, removes what this worker has put since.
    fn remove_if_gone(&self) -> Result<()> {
        if self.claim()?.is_some() {
            return Ok(());
        }
        let (store, prefix) = (&self.0.store, &self.0.prefix);
        let objects = store.list(prefix).map_err(|error| Error::store(prefix, error))?;
        let keys: Vec<_> = objects.into_iter().map(|object| object.key).collect();
        store.delete_all(&keys).map_err(|error| Error::store(prefix, error))
    }

    fn parts(&self) -> String {
        format!("{}parts/", self.0.prefix)
    }

    fn lease(&self, part: usize) -> String {
        format!("{}parts/{part}{CLAIM}", self.0.prefix)
    }

    fn journal(&self, part: usize) -> String {
        format!("{}parts/{part}/journal/", self.0.prefix)
    }

    fn done(&self, part: usize) -> String {
        format!("{}done/{part}", self.0.prefix)
    }

    fn fragment_key(&self, part: usize, key: &str, entry: Entry) -> String {
        let (prefix, key, hash) = (&self.0.prefix, key.replace('/', "."), entry.hash);
        format!("{prefix}fragments/{part}.{key}.{hash:016x}")
    }

    /// Returns the number of the part that an object is named after.
    fn part_named(&self, name: &str) -> Option<usize> {
        let part: usize = name.parse().ok()?;
        (part < self.0.n_parts && name == part.to_string()).then_some(part)
    }
}

impl PartLease {
    pub(crate) fn plan(&self) -> &PlanObjects {
        &self.plan
    }

    /// Returns the journal of the part, whose chunks lie in these rows.
    pub(crate) fn journal(&self, rows: PartChunkRows) -> PartJournal {
        let lines = Arc::clone(&self.lines);
        PartJournal { plan: self.plan.clone(), rows, lines, state: Mutex::default() }
    }

    /// Returns true if another worker is known to have taken over.
    pub(crate) fn is_lost(&self) -> bool {
        self.lease.as_ref().is_none_or(Lease::is_lost)
    }

    /// Returns true if no other worker has taken over.
    pub(crate) fn confirm(&self) -> Result<bool> {
        self.lease.as_ref().map_or(Ok(false), Lease::confirm)
    }

    /// Stores a piece of a chunk that the part shares with other parts.
    pub(crate) fn put_fragment(&self, key: &str, bytes: &Bytes, entry: Entry) -> Result<()> {
        let key = self.plan.fragment_key(self.part, key, entry);
        // An object of this name has the same bytes, or is damaged.
        let put = self.plan.0.store.put(&key, bytes.clone(), PutCondition::Always);
        put.map(drop).map_err(|error| Error::store(&key, error))
    }

    /// Stores the record of the part, and gives the part back. From then on the part is finished.
    /// If it was finished before, that record stays.
    pub(crate) fn finish(self, target: &str, record: &[u8]) -> Result<()> {
        let (plan, part) = (self.plan.clone(), self.part);
        let store = &*plan.0.store;
        if !self.confirm()? {
            return Err(Error::taken_over(target));
        }
        let (key, record) = (plan.done(part), Bytes::copy_from_slice(record));
        match put_or_find(store, &key, &record, PutCondition::IfAbsent) {
            Ok(_) | Err(StoreError::Exists) => {}
            Err(error) => return Err(Error::store(&key, error)),
        }
        self.give_back();
        // Another worker may have taken over, and published the array.
        plan.remove_if_gone()?;
        Ok(())
    }

    /// Gives back a part whose result is kept elsewhere.
    pub(crate) fn give_back(mut self) {
        let Some(lease) = self.lease.take() else { return };
        let store = &*self.plan.0.store;
        // What remains is removed with the plan.
        let journal = store.list(&self.plan.journal(self.part)).unwrap_or_default();
        let keys: Vec<_> = journal.into_iter().map(|object| object.key).collect();
        if !keys.is_empty() {
            let _ = store.delete_all(&keys);
        }
        let _ = lease.release();
    }
}

impl Drop for PartLease {
    fn drop(&mut self) {
        if self.lease.is_none() {
            return;
        }
        let (ended, message) = if self.is_lost() {
            (self.plan.remove_if_gone(), "the remains of a part could not be removed")
        } else {
            (self.lines.flush(), "the last chunks of a part could not be noted")
        };
        if let Err(error) = ended {
            let array = &self.plan.0.array;
            tracing::warn!(%array, %error, "{message}");
        }
    }
}

impl FinishLease {
    pub(crate) fn plan(&self) -> &PlanObjects {
        &self.plan
    }

    /// Returns true if another worker is known to have taken over.
    pub(crate) fn is_lost(&self) -> bool {
        self.lease.is_lost()
    }

    /// Returns true if no other worker has taken over, and the plan is still there.
    pub(crate) fn confirm(&self) -> Result<bool> {
        Ok(self.lease.confirm()? && self.plan.claim()?.is_some())
    }

    /// Gives the plan back, which is gone.
    pub(crate) fn release(self) -> Result<()> {
        self.lease.release().map_err(|error| Error::store(&self.plan.0.prefix, error))
    }
}

/// The journal of a part.
pub(crate) struct PartJournal {
    plan: PlanObjects,
    rows: PartChunkRows,
    lines: Arc<Lines>,
    state: Mutex<JournalState>,
}

#[derive(Default)]
struct JournalState {
    /// The complete chunks of this worker and of earlier ones, once those are read.
    entries: Option<BTreeMap<String, Entry>>,
    /// The tags of the chunks of earlier workers that were read.
    tags: BTreeMap<String, Tag>,
}

impl PartJournal {
    /// Notes that a chunk is complete.
    pub(crate) fn note(&self, key: &str, entry: Entry) -> Result<()> {
        self.with_entries(|entries| entries.insert(key.to_owned(), entry))?;
        self.lines.note(key, entry)
    }

    /// Returns true if a chunk has rows of other parts, too.
    pub(crate) fn is_shared(&self, key: &str) -> bool {
        self.rows.is_shared(self.plan.0.keys, key)
    }

    /// Returns the tag of a chunk that was read.
    pub(crate) fn tag(&self, key: &str) -> Option<Tag> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).tags.get(key).cloned()
    }

    fn with_entries<T>(&self, visit: impl FnOnce(&mut BTreeMap<String, Entry>) -> T) -> Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.entries.is_none() {
            let mut entries = BTreeMap::new();
            let journal = self.plan.journal(self.rows.part);
            each_entry(&*self.plan.0.store, &journal, |key, entry| {
                entries.insert(key.to_owned(), entry);
            })?;
            state.entries = Some(entries);
        }
        Ok(visit(state.entries.get_or_insert_default()))
    }
}

impl ChunkJournal for PartJournal {
    fn keys(&self) -> KeySpace {
        self.plan.0.keys
    }

    fn directory(&self) -> PathBuf {
        let key = format!("{}parts/{}", self.plan.0.prefix, self.rows.part);
        PathBuf::from(self.plan.0.store.url(&key))
    }

    fn entries(&self, n_chunks: &[u64]) -> Result<BTreeMap<u64, Entry>> {
        let keys = self.plan.0.keys;
        let number = |(key, entry): (&String, &Entry)| Some((keys.number(key, n_chunks)?, *entry));
        self.with_entries(|entries| entries.iter().filter_map(number).collect())
    }

    // A chunk is replaced when it is stored again, and never removed.
    fn remove_strays(&self, _: &BTreeMap<u64, Entry>, _: &[u64]) -> Result<()> {
        Ok(())
    }

    fn remove(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn read(&self, name: &str, entry: Entry) -> Result<Option<Bytes>> {
        if self.is_shared(name) {
            return self.plan.fragment(self.rows.part, name, entry);
        }
        let key = format!("{}{name}", self.plan.0.array);
        let object = match self.plan.0.store.get(&key) {
            Ok(object) => object,
            Err(StoreError::NotFound) => return Ok(None),
            Err(error) => return Err(Error::store(&key, error)),
        };
        if Entry::of([&*object.bytes]) != entry {
            return Ok(None);
        }
        if let Some(tag) = object.tag {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.tags.insert(name.to_owned(), tag);
        }
        Ok(Some(object.bytes))
    }
}

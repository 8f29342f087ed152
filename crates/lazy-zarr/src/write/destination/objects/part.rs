//! The chunks of one part of a plan in a store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::super::interface::{PartDestination, PutChunks};
use super::writing::put_shared;
use crate::error::{Error, Result};
use crate::objects::Tag;
use crate::settings::Durability;
use crate::staging::{
    ChunkJournal, Entry, HeldPart, PartChunkRows, PartJournal, PartLease, TaggedTally,
};
use crate::write::encode::Encoded;

/// Stores the chunks of one part of a plan in a store: under their keys, or as fragments if other
/// parts have rows in them.
pub(crate) struct PartObjects {
    /// The target as the user specified it.
    target: String,
    lease: PartLease,
    journal: Arc<PartJournal>,
    /// The chunks that have no rows of other parts.
    tally: Mutex<TaggedTally>,
}

impl PartObjects {
    pub(crate) fn new(target: String, lease: PartLease, rows: PartChunkRows) -> PartObjects {
        let journal = Arc::new(lease.journal(rows));
        PartObjects { target, lease, journal, tally: Mutex::default() }
    }

    fn add(&self, key: &str, n_bytes: u64, tag: Option<&Tag>) {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(key, n_bytes, tag);
    }
}

impl PutChunks for PartObjects {
    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()> {
        if self.lease.is_lost() {
            return Err(Error::taken_over(self.target.clone()));
        }
        let bytes = chunk.into_bytes();
        let entry = Entry::of([&*bytes]);
        if self.journal.is_shared(key) {
            self.lease.put_fragment(key, &bytes, entry)?;
        } else {
            let plan = self.lease.plan();
            let (store, object) = (plan.store(), format!("{}{key}", plan.array()));
            let is_held = || self.lease.confirm();
            let tag = put_shared(&**store, &self.target, &object, &bytes, &is_held)?;
            self.add(key, entry.length, tag.as_ref());
        }
        self.journal.note(key, entry)
    }

    fn count(&self, key: &str, n_bytes: u64) {
        if !self.journal.is_shared(key) {
            self.add(key, n_bytes, self.journal.tag(key).as_ref());
        }
    }

    fn waits(&self) -> bool {
        self.lease.plan().store().concurrency().is_some()
    }
}

impl PartDestination for PartObjects {
    fn journal(&self) -> Arc<dyn ChunkJournal> {
        Arc::clone(&self.journal) as Arc<_>
    }

    fn is_shared(&self, key: &str) -> bool {
        self.journal.is_shared(key)
    }

    // The worker that finishes the plan lists all chunks.
    fn end(
        &self,
        _: &dyn Fn() -> Box<dyn Iterator<Item = String>>,
        _: Durability,
    ) -> Result<TaggedTally> {
        Ok(*self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn time(&self) -> Result<Option<SystemTime>> {
        Ok(None)
    }

    fn explained(&self, error: Error) -> Error {
        match self.lease.confirm() {
            Ok(false) => Error::taken_over(self.target.clone()),
            _ => error,
        }
    }

    fn into_held(self: Arc<Self>) -> HeldPart {
        let part = Arc::into_inner(self).expect("the writer has ended");
        HeldPart::Store(part.lease)
    }
}

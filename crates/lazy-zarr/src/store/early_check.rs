//! The check that an array was not replaced, at the same time as the end of a read of it.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use zarrs::storage::{ReadableStorage, StoreKey};

use super::adapters::ObjectReader;
use super::origin::Origin;
use crate::error::Result;
use crate::objects::{Store, Tag};

/// The check of one read that the array was not replaced, if it begins before the read ends.
///
/// A read of shards asks for the same objects twice: for their indexes, and then for chunks. Or it
/// asks for whole objects, whose tags come before their bytes. The check begins when the tag of
/// every object is known. If the metadata then are still those of the version that the handle
/// reads, all objects so far belong to this version. What arrives later belongs to it if its tag is
/// that of an object so far, since objects of different contents have different tags. If anything
/// later has another tag or none, the array is checked again after the read.
pub(crate) struct EarlyCheck {
    origin: Origin,
    store: Arc<dyn Store>,
    target: String,
    /// The number of objects that the read needs.
    n_objects: u64,
    state: Mutex<State>,
}

struct State {
    /// The objects whose tags were received before the check began.
    received: HashMap<StoreKey, Option<Tag>>,
    /// The thread of the check, if it has begun.
    thread: Option<JoinHandle<Result<()>>>,
    /// True if everything that was received later belongs to the same objects.
    is_confirmed: bool,
}

impl EarlyCheck {
    /// Returns the check of a read of `n_objects` objects. Returns `None` if the store does not
    /// wait, or if the read needs so many requests that one more makes no difference.
    pub(crate) fn of_read(
        origin: &Origin,
        target: &str,
        n_objects: u64,
    ) -> Option<Arc<EarlyCheck>> {
        let Origin::Keys { store, .. } = origin else { return None };
        if n_objects > store.concurrency()? as u64 {
            return None;
        }
        let state = State { received: HashMap::new(), thread: None, is_confirmed: true };
        Some(Arc::new(EarlyCheck {
            origin: origin.clone(),
            store: Arc::clone(store),
            target: target.to_owned(),
            n_objects,
            state: Mutex::new(state),
        }))
    }

    /// Returns a reader of the store that tells the check what it receives.
    pub(crate) fn reader(self: &Arc<Self>) -> ReadableStorage {
        let check = Arc::clone(self);
        let note = move |key: &StoreKey, tag| check.note_received(key, tag);
        Arc::new(ObjectReader::noting(Arc::clone(&self.store), note))
    }

    /// Notes the tag of an object of which a response has begun or ended, or `None` if the object
    /// has no tag or does not exist. Begins the check if the tag of every object is known.
    fn note_received(&self, key: &StoreKey, tag: Option<Tag>) {
        let mut state = self.state();
        if state.thread.is_some() {
            let is_same = tag.is_some() && state.received.get(key) == Some(&tag);
            state.is_confirmed &= is_same;
            return;
        }
        // Bytes that have arrived by now are of the last object.
        state.received.insert(key.clone(), tag);
        // Without tags, nothing that is received later can be confirmed.
        let has_tags = state.received.values().any(Option::is_some);
        if has_tags && state.received.len() as u64 == self.n_objects {
            let (origin, target) = (self.origin.clone(), self.target.clone());
            let check = move || origin.check(&target);
            // Without a thread, the check follows after the read.
            state.thread = thread::Builder::new().spawn(check).ok();
        }
    }

    /// Notes that the read has just taken a chunk that another read has received, perhaps later
    /// than this check began.
    pub(crate) fn note_kept(&self) {
        let mut state = self.state();
        if state.thread.is_some() {
            state.is_confirmed = false;
        }
    }

    /// Checks after the read that the array is still the version that the handle was created for,
    /// unless the early check has confirmed it. After a read that failed, the array is always
    /// checked again, as the failure may be due to a replacement.
    pub(crate) fn finish(&self, is_read: bool) -> Result<()> {
        let (thread, is_confirmed) = {
            let mut state = self.state();
            (state.thread.take(), state.is_confirmed)
        };
        let join =
            |thread: JoinHandle<_>| thread.join().unwrap_or_else(|payload| resume_unwind(payload));
        match thread.map(join) {
            Some(Err(error)) => Err(error),
            Some(Ok(())) if is_read && is_confirmed => Ok(()),
            _ => self.origin.check(&self.target),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

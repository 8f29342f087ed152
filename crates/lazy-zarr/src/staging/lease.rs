//! Leases: objects by which a worker says that it is computing a part, or that it publishes the
//! array.
//!
//! On one machine, the description of a process tells if it runs. A process elsewhere renews its
//! lease while it works. Clocks of machines differ, so nothing depends on times in objects: an
//! observer takes over only after it has itself seen the same lease for long enough.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::process::{self, Liveness, token};
use crate::error::{Error, Result, WriteError};
use crate::objects::{Object, PutCondition, Store, StoreError, Tag, put_or_find};

/// The time between two renewals.
const RENEWAL: Duration = Duration::from_secs(10);
/// The number of renewals that a worker misses before others take over.
const MOST_MISSED: u32 = 6;

/// The contents of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Document {
    version: u32,
    /// A random name of the lease.
    token: String,
    /// The description of the process.
    holder: String,
    /// The number of renewals.
    renewals: u64,
}

const VERSION: u32 = 1;

/// The leases of a plan, as one process sees them.
#[derive(Debug)]
pub(super) struct Leases {
    renewal: Duration,
    /// The leases of processes that this machine cannot see.
    seen: Mutex<BTreeMap<String, Seen>>,
}

/// The last known contents of a lease.
#[derive(Debug)]
struct Seen {
    bytes: Bytes,
    since: Instant,
    /// True if the holder has renewed it since it was first seen.
    is_renewed: bool,
}

/// The state of the holder of a lease.
pub(super) struct Holding {
    pub(super) holder: String,
    pub(super) liveness: Liveness,
}

/// The result of trying to take a lease.
pub(super) enum Leased {
    Taken(Lease),
    Held(Holding),
}

impl Leases {
    /// Returns the leases of a plan. `renewal` is the time between two renewals, if it is not the
    /// usual one.
    pub(super) fn new(renewal: Option<Duration>) -> Leases {
        Leases { renewal: renewal.unwrap_or(RENEWAL), seen: Mutex::default() }
    }

    /// Returns the time for which a lease must stay the same until its holder counts as ended.
    pub(super) fn patience(&self) -> Duration {
        self.renewal * MOST_MISSED
    }

    /// Takes a lease, unless another worker holds it. With `takes_over`, a process that this
    /// machine cannot see counts as ended.
    pub(super) fn take(
        &self,
        store: &Arc<dyn Store>,
        key: &str,
        takes_over: bool,
    ) -> Result<Leased> {
        // The number of times that the lease changes meanwhile.
        const MOST_TRIES: usize = 10;
        let holding = |holder: &str| Holding {
            holder: process::name(holder.as_bytes()),
            liveness: Liveness::Running,
        };
        for _ in 0..MOST_TRIES {
            let document = Document::new();
            let error =
                match put_or_find(&**store, key, &document.to_bytes(), PutCondition::IfAbsent) {
                    Ok(tag) => return Lease::start(store, key, document, tag, self.renewal),
                    Err(error) => error,
                };
            if !matches!(error, StoreError::Exists) {
                return Err(Error::store(key, error));
            }
            let found = match store.get(key) {
                Ok(found) => found,
                Err(StoreError::NotFound) => continue,
                Err(error) => return Err(Error::store(key, error)),
            };
            let holding = self.holding(key, &found);
            match holding.liveness {
                Liveness::Running => return Ok(Leased::Held(holding)),
                Liveness::Unknown if !takes_over => return Ok(Leased::Held(holding)),
                _ => {}
            }
            let Some(tag) = found.tag else {
                return Err(Error::store(key, StoreError::Unsupported));
            };
            let condition = PutCondition::IfUnchanged(tag);
            match put_or_find(&**store, key, &document.to_bytes(), condition) {
                Ok(tag) => return Lease::start(store, key, document, tag, self.renewal),
                Err(StoreError::Changed) => {}
                Err(error) => return Err(Error::store(key, error)),
            }
        }
        Ok(Leased::Held(holding("")))
    }

    /// Returns the state of the holder of a lease that was found in the store.
    pub(super) fn holding(&self, key: &str, found: &Object) -> Holding {
        let document = Document::parse(&found.bytes);
        let description = document.as_ref().map_or("", |document| &document.holder);
        let liveness = match process::liveness(description.as_bytes()) {
            Liveness::Unknown => self.observe(key, &found.bytes, document.as_ref()),
            liveness => liveness,
        };
        Holding { holder: process::name(description.as_bytes()), liveness }
    }

    /// Remembers a lease of a process that this machine cannot see, and returns what it has seen of
    /// that process.
    fn observe(&self, key: &str, bytes: &Bytes, document: Option<&Document>) -> Liveness {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match seen.get_mut(key) {
            Some(seen) if seen.bytes == bytes => {
                if now.duration_since(seen.since) >= self.patience() {
                    return Liveness::Ended;
                }
            }
            Some(seen) => {
                let before = Document::parse(&seen.bytes);
                let is_same = before.zip(document).is_some_and(|(a, b)| a.token == b.token);
                *seen = Seen { bytes: bytes.clone(), since: now, is_renewed: is_same };
            }
            None => {
                let new = Seen { bytes: bytes.clone(), since: now, is_renewed: false };
                seen.insert(key.to_owned(), new);
            }
        }
        match seen.get(key) {
            Some(Seen { is_renewed: true, .. }) => Liveness::Running,
            _ => Liveness::Unknown,
        }
    }
}

impl Document {
    fn new() -> Document {
        let (token, holder) = (token(), process::description());
        Document { version: VERSION, token, holder, renewals: 0 }
    }

    fn parse(bytes: &[u8]) -> Option<Document> {
        let document: Document = serde_json::from_slice(bytes).ok()?;
        (document.version == VERSION).then_some(document)
    }

    fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("a lease is what JSON can hold").into()
    }
}

/// A lease that this process holds. A thread renews it until it is dropped; then others can take it
/// at once.
#[derive(Debug)]
pub(super) struct Lease {
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
    is_released: bool,
}

struct Inner {
    store: Arc<dyn Store>,
    key: String,
    renewal: Duration,
    state: Mutex<State>,
    is_lost: AtomicBool,
    /// True once the lease is given up.
    is_over: Mutex<bool>,
    over: Condvar,
}

/// The present contents of a lease, and its tag.
struct State {
    document: Document,
    tag: Option<Tag>,
}

impl Lease {
    fn start(
        store: &Arc<dyn Store>,
        key: &str,
        document: Document,
        tag: Option<Tag>,
        renewal: Duration,
    ) -> Result<Leased> {
        let inner = Arc::new(Inner {
            store: Arc::clone(store),
            key: key.to_owned(),
            renewal,
            state: Mutex::new(State { document, tag }),
            is_lost: AtomicBool::new(false),
            is_over: Mutex::new(false),
            over: Condvar::new(),
        });
        let mut lease = Lease { inner: Arc::clone(&inner), thread: None, is_released: false };
        let thread = thread::Builder::new().name("lazy-zarr lease".to_owned());
        let thread = thread.spawn(move || inner.keep());
        lease.thread = Some(thread.map_err(|source| WriteError::Thread { source })?);
        Ok(Leased::Taken(lease))
    }

    /// Returns true if another worker is known to have taken over.
    pub(super) fn is_lost(&self) -> bool {
        self.inner.is_lost.load(Ordering::Relaxed)
    }

    /// Returns true if no other worker has taken over. The lease is read, because some stores limit
    /// how often an object can change.
    pub(super) fn confirm(&self) -> Result<bool> {
        let held = self.inner.is_held();
        held.map_err(|error| Error::store(&self.inner.key, error))
    }

    /// Returns the random name of the lease.
    pub(super) fn token(&self) -> String {
        self.inner.state().document.token.clone()
    }

    /// Deletes the lease, unless another worker has taken over.
    pub(super) fn release(mut self) -> Result<(), StoreError> {
        self.stop();
        self.is_released = true;
        if self.inner.is_held()? { self.inner.store.delete(&self.inner.key) } else { Ok(()) }
    }

    /// Ends the thread.
    fn stop(&mut self) {
        *self.inner.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.inner.over.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.stop();
        if !self.is_released && !self.is_lost() {
            // If this fails, others find the same lease again and again.
            let _ = self.inner.put(|document| document.holder = process::ended());
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews the lease until it is given up or lost.
    fn keep(&self) {
        loop {
            let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = self.over.wait_timeout_while(is_over, self.renewal, |is_over| !*is_over);
            if *waited.unwrap_or_else(PoisonError::into_inner).0 {
                return;
            }
            // A renewal that fails is tried again.
            if let Ok(false) = self.renew() {
                return;
            }
        }
    }

    fn renew(&self) -> Result<bool, StoreError> {
        self.put(|document| document.renewals += 1)
    }

    /// Returns true if the lease in the store is this one.
    fn is_held(&self) -> Result<bool, StoreError> {
        let found = match self.store.get(&self.key) {
            Err(StoreError::NotFound) => None,
            found => Document::parse(&found?.bytes),
        };
        let is_held = found.is_some_and(|found| found.token == self.state().document.token);
        if !is_held {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        Ok(is_held)
    }

    /// Changes the lease. Returns false if another worker has taken over.
    fn put(&self, change: impl Fn(&mut Document)) -> Result<bool, StoreError> {
        let mut state = self.state();
        if self.is_lost.load(Ordering::Relaxed) {
            return Ok(false);
        }
        // The second time, it is compared with what a put has stored whose response was lost.
        for is_last in [false, true] {
            let mut document = state.document.clone();
            change(&mut document);
            match self.put_unchanged(&state, &document) {
                Ok(tag) => {
                    *state = State { document, tag };
                    return Ok(true);
                }
                Err(StoreError::Changed) if is_last => {}
                Err(StoreError::Changed) => match self.store.get(&self.key) {
                    Err(StoreError::NotFound) => break,
                    found => {
                        let found = found?;
                        match Document::parse(&found.bytes) {
                            Some(own) if own.token == document.token => {
                                *state = State { document: own, tag: found.tag };
                            }
                            _ => break,
                        }
                    }
                },
                Err(error) => return Err(error),
            }
        }
        self.is_lost.store(true, Ordering::Relaxed);
        Ok(false)
    }

    fn put_unchanged(&self, state: &State, document: &Document) -> Result<Option<Tag>, StoreError> {
        let tag = state.tag.clone().ok_or(StoreError::Unsupported)?;
        let condition = PutCondition::IfUnchanged(tag);
        put_or_find(&*self.store, &self.key, &document.to_bytes(), condition)
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Lease").field("key", &self.key).finish_non_exhaustive()
    }
}

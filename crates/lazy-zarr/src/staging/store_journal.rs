//! The journal of a resumable write in a store.
//!
//! Objects cannot grow. So the lines are collected, and put as an object of their own every few
//! seconds and when the write ends:
//!
//! ```text
//! .lazy/nested/journal/<write>.<n>
//! ```
//!
//! A chunk that is not listed, because the process was killed before, is computed again. If its
//! object has the same bytes, it stays.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::claim::Claimed;
use super::entry::{Entry, line, parse};
use super::journal::{ChunkJournal, Journal};
use super::record::Record;
use crate::error::{Error, Result, ResumeError};
use crate::format::KeySpace;
use crate::objects::{PutCondition, Store, StoreError};
use crate::settings::Durability;

/// The time between two puts of lines.
const BETWEEN_PUTS: Duration = Duration::from_secs(5);

/// The record, in the claim of a write, and the journal beside it.
pub(crate) struct StoreJournal {
    store: Arc<dyn Store>,
    claim: Arc<Claimed>,
    lines: Lines,
}

/// The lines of a journal, as one write puts them.
pub(super) struct Lines {
    store: Arc<dyn Store>,
    /// The beginning of the keys of the objects that this write puts.
    start: String,
    state: Mutex<State>,
}

struct State {
    /// The lines that were not put yet.
    text: String,
    /// The number of objects that this write has put.
    n_put: usize,
    put: Instant,
}

impl Lines {
    /// Returns the lines of a write with this random name, below the prefix of a journal.
    pub(super) fn new(store: &Arc<dyn Store>, journal: &str, token: &str) -> Lines {
        let state = State { text: String::new(), n_put: 0, put: Instant::now() };
        let start = format!("{journal}{token}.");
        Lines { store: Arc::clone(store), start, state: Mutex::new(state) }
    }

    /// Adds the line of a complete chunk.
    pub(super) fn note(&self, key: &str, entry: Entry) -> Result<()> {
        let mut state = self.state();
        state.text.push_str(&line(key, entry));
        if state.put.elapsed() < BETWEEN_PUTS { Ok(()) } else { self.put(&mut state) }
    }

    /// Puts the lines that were not put yet.
    pub(super) fn flush(&self) -> Result<()> {
        self.put(&mut self.state())
    }

    fn are_put(&self) -> bool {
        self.state().text.is_empty()
    }

    fn has_put(&self) -> bool {
        self.state().n_put > 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, state: &mut State) -> Result<()> {
        if state.text.is_empty() {
            return Ok(());
        }
        let key = format!("{}{}", self.start, state.n_put);
        let text = Bytes::copy_from_slice(state.text.as_bytes());
        let put = self.store.put(&key, text, PutCondition::Always);
        put.map_err(|error| Error::store(&key, error))?;
        state.text.clear();
        state.n_put += 1;
        state.put = Instant::now();
        Ok(())
    }
}

impl StoreJournal {
    pub(crate) fn new(store: &Arc<dyn Store>, claim: &Arc<Claimed>) -> StoreJournal {
        StoreJournal {
            store: Arc::clone(store),
            claim: Arc::clone(claim),
            lines: Lines::new(store, &claim.journal(), &claim.token()),
        }
    }

    /// Notes that a chunk is complete.
    pub(crate) fn note(&self, key: &str, entry: Entry) -> Result<()> {
        self.lines.note(key, entry)
    }

    /// Puts the lines that were not put yet.
    pub(crate) fn flush(&self) -> Result<()> {
        self.lines.flush()
    }

    /// Returns true if this write has put lines.
    pub(crate) fn has_put(&self) -> bool {
        self.lines.has_put()
    }

    /// Returns true if a later write can resume this one, and there are complete chunks to resume
    /// from. If this is unknown, it counts as true.
    pub(crate) fn has_chunks(&self) -> bool {
        let has_chunks = || -> Result<bool> {
            let Some(record) = self.record()? else { return Ok(false) };
            Ok(!self.lines.are_put() || self.completed(&record)?.0 > 0)
        };
        has_chunks().unwrap_or(true)
    }
}

/// Calls a function with the key and the entry of each complete chunk in a journal.
pub(super) fn each_entry(
    store: &dyn Store,
    journal: &str,
    mut visit: impl FnMut(&str, Entry),
) -> Result<()> {
    let objects = store.list(journal).map_err(|error| Error::store(journal, error))?;
    for object in objects {
        let text = match store.get(&object.key) {
            Ok(object) => object.bytes,
            Err(StoreError::NotFound) => continue,
            Err(error) => return Err(Error::store(&object.key, error)),
        };
        for line in text.split(|byte| *byte == b'\n') {
            if let Some((key, entry)) = parse(line) {
                visit(key, entry);
            }
        }
    }
    Ok(())
}

/// Returns the entries of the journal below a prefix of a store.
pub(super) fn entries(
    store: &dyn Store,
    journal: &str,
    keys: KeySpace,
    n_chunks: &[u64],
) -> Result<BTreeMap<u64, Entry>> {
    let mut entries = BTreeMap::new();
    each_entry(store, journal, |key, entry| {
        if let Some(number) = keys.number(key, n_chunks) {
            entries.insert(number, entry);
        }
    })?;
    Ok(entries)
}

impl ChunkJournal for StoreJournal {
    fn keys(&self) -> KeySpace {
        self.claim.keys()
    }

    fn directory(&self) -> PathBuf {
        PathBuf::from(self.store.url(&self.claim.prefix()))
    }

    fn entries(&self, n_chunks: &[u64]) -> Result<BTreeMap<u64, Entry>> {
        entries(&*self.store, &self.claim.journal(), self.keys(), n_chunks)
    }

    // A chunk of another write is replaced when this write puts it: another process that is taken
    // for one that has ended never misses a chunk.
    fn remove_strays(&self, _: &BTreeMap<u64, Entry>, _: &[u64]) -> Result<()> {
        Ok(())
    }

    fn remove(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn read(&self, name: &str, entry: Entry) -> Result<Option<Bytes>> {
        let key = self.claim.object(name);
        match self.store.get(&key) {
            Ok(object) => Ok(Some(object.bytes).filter(|bytes| Entry::of([&**bytes]) == entry)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(Error::store(&key, error)),
        }
    }
}

impl Journal for StoreJournal {
    fn record(&self) -> Result<Option<Record>> {
        let Some(text) = self.claim.record() else { return Ok(None) };
        let record = Record::from_text(text.as_bytes()).map_err(|reason| {
            let path = self.directory();
            ResumeError::InvalidRecord { path, reason }
        })?;
        let n_rows = self.claim.appended().map(|appended| appended.n_rows);
        let is_of_claim = |record: &Record| {
            record.keys() == Some(self.keys()) && record.appended_rows() == n_rows
        };
        Ok(record.filter(is_of_claim))
    }

    fn begin(&self, record: &Record, _: Durability) -> Result<()> {
        self.claim.set_record(&*self.store, Some(record.to_text()))
    }

    fn restart(&self, _: Durability) -> Result<()> {
        self.claim.set_record(&*self.store, None)?;
        self.claim.delete_rest(&*self.store)?;
        self.claim.delete_chunks(&*self.store)
    }
}

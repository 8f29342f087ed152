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
use super::journal::Journal;
use super::record::Record;
use crate::error::{Error, Result, ResumeError};
use crate::format::KeySpace;
use crate::objects::{PutCondition, Store, StoreError};
use crate::settings::Durability;
use crate::store::delete_chunks;

/// The time between two puts of lines.
const BETWEEN_PUTS: Duration = Duration::from_secs(5);

/// The record, in the claim of a write, and the journal beside it.
pub(crate) struct StoreJournal {
    store: Arc<dyn Store>,
    /// The prefix of the array.
    prefix: String,
    claim: Arc<Claimed>,
    lines: Mutex<Lines>,
}

struct Lines {
    /// The lines that were not put yet.
    text: String,
    /// The number of objects that this write has put.
    n_put: usize,
    put: Instant,
}

impl StoreJournal {
    pub(crate) fn new(store: &Arc<dyn Store>, prefix: &str, claim: &Arc<Claimed>) -> StoreJournal {
        let lines = Lines { text: String::new(), n_put: 0, put: Instant::now() };
        StoreJournal {
            store: Arc::clone(store),
            prefix: prefix.to_owned(),
            claim: Arc::clone(claim),
            lines: Mutex::new(lines),
        }
    }

    /// Notes that a chunk is complete.
    pub(crate) fn note(&self, key: &str, entry: Entry) -> Result<()> {
        let mut lines = self.lines();
        lines.text.push_str(&line(key, entry));
        if lines.put.elapsed() < BETWEEN_PUTS { Ok(()) } else { self.put(&mut lines) }
    }

    /// Puts the lines that were not put yet.
    pub(crate) fn flush(&self) -> Result<()> {
        self.put(&mut self.lines())
    }

    /// Returns true if a later write can resume this one, and there are complete chunks to resume
    /// from. If this is unknown, it counts as true.
    pub(crate) fn has_chunks(&self) -> bool {
        let has_chunks = || -> Result<bool> {
            let Some(record) = self.record()? else { return Ok(false) };
            Ok(!self.lines().text.is_empty() || self.completed(&record)?.0 > 0)
        };
        has_chunks().unwrap_or(true)
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, lines: &mut Lines) -> Result<()> {
        if lines.text.is_empty() {
            return Ok(());
        }
        let key = format!("{}{}.{}", self.claim.journal(), self.claim.token(), lines.n_put);
        let text = Bytes::copy_from_slice(lines.text.as_bytes());
        let put = self.store.put(&key, text, PutCondition::Always);
        put.map_err(|error| Error::store(&key, error))?;
        lines.text.clear();
        lines.n_put += 1;
        lines.put = Instant::now();
        Ok(())
    }
}

/// Returns the entries of the journal below a prefix of a store.
pub(super) fn entries(
    store: &dyn Store,
    journal: &str,
    keys: KeySpace,
    n_chunks: &[u64],
) -> Result<BTreeMap<u64, Entry>> {
    let mut entries = BTreeMap::new();
    let objects = store.list(journal).map_err(|error| Error::store(journal, error))?;
    for object in objects {
        let text = match store.get(&object.key) {
            Ok(object) => object.bytes,
            Err(StoreError::NotFound) => continue,
            Err(error) => return Err(Error::store(&object.key, error)),
        };
        for line in text.split(|byte| *byte == b'\n') {
            if let Some((key, entry)) = parse(line)
                && let Some(number) = keys.number(key, n_chunks)
            {
                entries.insert(number, entry);
            }
        }
    }
    Ok(entries)
}

impl Journal for StoreJournal {
    fn keys(&self) -> KeySpace {
        self.claim.keys()
    }

    fn directory(&self) -> PathBuf {
        PathBuf::from(format!("store:/{}", self.claim.prefix()))
    }

    fn record(&self) -> Result<Option<Record>> {
        let Some(text) = self.claim.record() else { return Ok(None) };
        let record = Record::from_text(text.as_bytes()).map_err(|reason| {
            let path = self.directory();
            ResumeError::InvalidRecord { path, reason }
        })?;
        Ok(record.filter(|record| record.keys() == Some(self.keys())))
    }

    fn begin(&self, record: &Record, _: Durability) -> Result<()> {
        self.claim.set_record(&*self.store, Some(record.to_text()))
    }

    fn restart(&self, _: Durability) -> Result<()> {
        self.claim.set_record(&*self.store, None)?;
        self.claim.delete_journal(&*self.store)?;
        delete_chunks(&*self.store, &self.prefix, &[self.keys()]).map(drop)
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
        let key = format!("{}{name}", self.prefix);
        match self.store.get(&key) {
            Ok(object) => Ok(Some(object.bytes).filter(|bytes| Entry::of([&**bytes]) == entry)),
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(Error::store(&key, error)),
        }
    }
}

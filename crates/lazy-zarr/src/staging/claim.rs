//! The claims of key spaces of an array in a store.
//!
//! A store has no directories to rename and no locks. So a write claims the key space of its chunks
//! with an object below the prefix of the array:
//!
//! ```text
//! .lazy/nested/claim       the write that stores chunks under `c/0/0`, and its record
//! .lazy/bare/claim         the write that stores chunks under `0/0`
//! .lazy/dotted/claim       the write that stores chunks under `c.0.0`
//! ```
//!
//! A claim only saves work: a second write sees it and does not begin. What is published is decided
//! by the conditional put of the metadata.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::process::{self, Liveness, token};
use super::record::Record;
use crate::error::{Error, Result, ResumeError, WriteError};
use crate::format::KeySpace;
use crate::objects::{PutCondition, Store, StoreError, Tag, put_or_find};
use crate::store::staging_name::STAGING_PREFIX as STAGING;

const CLAIM: &str = "claim";

/// The contents of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Document {
    version: u32,
    /// A random name of the write.
    token: String,
    /// The description of the process.
    holder: String,
    /// The record of a resumable write, once its layout is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    record: Option<String>,
}

const VERSION: u32 = 1;

/// A claim that a write has left, or still holds.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) keys: KeySpace,
    tag: Option<Tag>,
    /// `None` if the object is not a claim of this version.
    document: Option<Document>,
}

impl Claim {
    /// Lists the claims of the array below a prefix.
    pub(crate) fn list(store: &dyn Store, prefix: &str) -> Result<Vec<Claim>> {
        let staging = format!("{prefix}{STAGING}");
        let objects = store.list(&staging).map_err(|error| Error::store(&staging, error))?;
        let mut claims = Vec::new();
        for object in objects {
            let name = object.key.strip_prefix(&*staging);
            let name = name.and_then(|name| name.strip_suffix(CLAIM)?.strip_suffix('/'));
            let Some(keys) = name.and_then(KeySpace::named) else { continue };
            match store.get(&object.key) {
                Ok(found) => {
                    let document = serde_json::from_slice(&found.bytes).ok();
                    let document =
                        document.filter(|document: &Document| document.version == VERSION);
                    claims.push(Claim { keys, tag: found.tag, document });
                }
                // The write has just ended.
                Err(StoreError::NotFound) => {}
                Err(error) => return Err(Error::store(&object.key, error)),
            }
        }
        Ok(claims)
    }

    /// Returns an error if the write that made the claim is running, or may be running and is not
    /// to be taken over.
    pub(crate) fn check_has_ended(&self, target: &str, takes_over: bool) -> Result<()> {
        let (target, holder) = (target.to_owned(), self.holder());
        match self.liveness() {
            Liveness::Running => Err(WriteError::Locked { target, holder }.into()),
            Liveness::Unknown if !takes_over => {
                Err(WriteError::MaybeClaimed { target, holder }.into())
            }
            _ => Ok(()),
        }
    }

    /// Returns the record of a resumable write, and `None` if there is none or if it is damaged.
    ///
    /// # Errors
    ///
    /// Returns an error if another version of this crate has made the record.
    pub(crate) fn record(&self, prefix: &str) -> Result<Option<Record>> {
        let record = self.document.as_ref().and_then(|document| document.record.as_ref());
        let Some(text) = record else { return Ok(None) };
        Record::from_text(text.as_bytes()).map_err(|reason| {
            let path = format!("store:/{}", key_of(prefix, self.keys)).into();
            ResumeError::InvalidRecord { path, reason }.into()
        })
    }

    /// Returns the prefix of the journal.
    pub(crate) fn journal(&self, prefix: &str) -> String {
        journal_of(prefix, self.keys)
    }

    /// Returns the prefix of the objects that the write keeps beside its chunks.
    pub(crate) fn prefix(&self, prefix: &str) -> String {
        prefix_of(prefix, self.keys)
    }

    /// Deletes the claim, when nothing in its key space is left.
    pub(crate) fn delete(&self, store: &dyn Store, prefix: &str) -> Result<()> {
        delete_journal(store, prefix, self.keys)?;
        let key = key_of(prefix, self.keys);
        store.delete(&key).map_err(|error| Error::store(&key, error))
    }

    pub(crate) fn liveness(&self) -> Liveness {
        match &self.document {
            Some(document) => process::liveness(document.holder.as_bytes()),
            None => Liveness::Unknown,
        }
    }

    /// Returns the name of the process that made the claim.
    pub(crate) fn holder(&self) -> String {
        let document = self.document.as_ref();
        process::name(document.map_or(&b""[..], |document| document.holder.as_bytes()))
    }
}

/// A key space that this write has claimed.
#[derive(Debug)]
pub(crate) struct Claimed {
    /// The prefix of the array.
    array: String,
    keys: KeySpace,
    state: Mutex<State>,
}

/// The present contents of a claim, and its tag.
#[derive(Debug)]
struct State {
    document: Document,
    tag: Option<Tag>,
}

impl Claimed {
    /// Claims a key space, in place of the claim that an earlier write has left. If `resumes`, the
    /// record of that write stays. Returns `None` if another write has just claimed it.
    pub(crate) fn take(
        store: &dyn Store,
        prefix: &str,
        keys: KeySpace,
        left: Option<(&Claim, bool)>,
        is_conditional: bool,
    ) -> Result<Option<Claimed>, StoreError> {
        let key = key_of(prefix, keys);
        let kept = left.and_then(|(left, resumes)| left.document.as_ref().filter(|_| resumes));
        let record = kept.and_then(|document| document.record.clone());
        let holder = process::description();
        let document = Document { version: VERSION, token: token(), holder, record };
        let condition = match left {
            _ if !is_conditional => PutCondition::Always,
            None => PutCondition::IfAbsent,
            Some((Claim { tag: Some(tag), .. }, _)) => PutCondition::IfUnchanged(tag.clone()),
            Some(_) => return Err(StoreError::Unsupported),
        };
        match put_or_find(store, &key, &document.to_bytes(), condition) {
            Ok(tag) => {
                let state = Mutex::new(State { document, tag });
                Ok(Some(Claimed { array: prefix.to_owned(), keys, state }))
            }
            Err(StoreError::Exists | StoreError::Changed) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self) -> String {
        key_of(&self.array, self.keys)
    }

    pub(crate) fn keys(&self) -> KeySpace {
        self.keys
    }

    /// Returns the prefix of the objects that the write keeps beside its chunks.
    pub(crate) fn prefix(&self) -> String {
        prefix_of(&self.array, self.keys)
    }

    /// Returns the prefix of the journal.
    pub(crate) fn journal(&self) -> String {
        journal_of(&self.array, self.keys)
    }

    /// Returns the random name of the write.
    pub(crate) fn token(&self) -> String {
        self.state().document.token.clone()
    }

    pub(crate) fn record(&self) -> Option<String> {
        self.state().document.record.clone()
    }

    /// Replaces the record, if no other write has taken over.
    pub(crate) fn set_record(&self, store: &dyn Store, record: Option<String>) -> Result<()> {
        let mut state = self.state();
        let document = Document { record, ..state.document.clone() };
        match put_or_find(store, &self.key(), &document.to_bytes(), state.condition()) {
            Ok(tag) => {
                *state = State { document, tag };
                Ok(())
            }
            Err(StoreError::Changed) => Err(Error::taken_over(format!("store:/{}", self.array))),
            Err(error) => Err(Error::store(&self.key(), error)),
        }
    }

    /// Returns true if no other write has taken over the key space.
    pub(crate) fn is_held(&self, store: &dyn Store) -> Result<bool> {
        let key = self.key();
        match store.get(&key) {
            Ok(found) => Ok(found.bytes == self.state().document.to_bytes()),
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(Error::store(&key, error)),
        }
    }

    /// Deletes the journal.
    pub(crate) fn delete_journal(&self, store: &dyn Store) -> Result<()> {
        delete_journal(store, &self.array, self.keys)
    }

    /// Gives the key space back, when nothing in it belongs to this write any more.
    pub(crate) fn release(&self, store: &dyn Store) -> Result<()> {
        if self.record().is_some() {
            self.delete_journal(store)?;
        }
        store.delete(&self.key()).map_err(|error| Error::store(&self.key(), error))
    }

    /// Says that this write has ended, and leaves the claim: the chunks in the key space belong to
    /// it.
    pub(crate) fn end(&self, store: &dyn Store) -> Result<(), StoreError> {
        let state = self.state();
        let document = Document { holder: process::ended(), ..state.document.clone() };
        store.put(&self.key(), document.to_bytes(), state.condition()).map(drop)
    }
}

impl State {
    fn condition(&self) -> PutCondition {
        match &self.tag {
            Some(tag) => PutCondition::IfUnchanged(tag.clone()),
            None => PutCondition::Always,
        }
    }
}

fn delete_journal(store: &dyn Store, array: &str, keys: KeySpace) -> Result<()> {
    let journal = journal_of(array, keys);
    let objects = store.list(&journal).map_err(|error| Error::store(&journal, error))?;
    for object in objects {
        store.delete(&object.key).map_err(|error| Error::store(&object.key, error))?;
    }
    Ok(())
}

fn prefix_of(array: &str, keys: KeySpace) -> String {
    format!("{array}{STAGING}{}/", keys.name())
}

fn journal_of(array: &str, keys: KeySpace) -> String {
    format!("{}journal/", prefix_of(array, keys))
}

fn key_of(array: &str, keys: KeySpace) -> String {
    format!("{}{CLAIM}", prefix_of(array, keys))
}

impl Document {
    fn to_bytes(&self) -> Bytes {
        serde_json::to_vec_pretty(self).expect("a claim is what JSON can hold").into()
    }
}

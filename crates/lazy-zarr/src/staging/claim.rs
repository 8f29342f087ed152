//! The claims of key spaces of an array in a store.
//!
//! A store has no directories to rename and no locks. So a write claims the key space of its chunks
//! with an object below the prefix of the array:
//!
//! ```text
//! .lazy/nested/claim       the write that stores chunks under `c/0/0`, and its record or its plan
//! .lazy/bare/claim         the write that stores chunks under `0/0`
//! .lazy/dotted/claim       the write that stores chunks under `c.0.0`
//! ```
//!
//! A claim only saves work: a second write sees it and does not begin. What is published is decided
//! by the conditional put of the metadata.
//!
//! If the claim has a plan, several workers share the write, and no process holds the key space.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::appended_rows::AppendedRows;
use super::plan_document::PlanDocument;
use super::process::{self, Liveness, token};
use super::record::Record;
use crate::error::{Error, Result, ResumeError, WriteError};
use crate::format::KeySpace;
use crate::objects::{ObjectInfo, PutCondition, Store, StoreError, Tag, put_or_find};
use crate::store::chunk_objects;
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
    /// The plan of several workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    /// The number of rows of the version that the write appends to, if it appends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    appended_rows: Option<u64>,
}

const VERSION: u32 = 1;

/// A claim that a write has left, or still holds.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) keys: KeySpace,
    /// The URL of the claimed prefix, for messages.
    url: String,
    tag: Option<Tag>,
    /// `None` if the object is not a claim of this version.
    document: Option<Document>,
}

impl Claim {
    /// Lists the claims of the array below a prefix.
    pub(crate) fn list(store: &dyn Store, prefix: &str) -> Result<Vec<Claim>> {
        let staging = format!("{prefix}{STAGING}");
        let below = store.list_directory(&staging);
        let below = below.map_err(|error| Error::store(&staging, error))?;
        let mut claims = Vec::new();
        for space in below.prefixes {
            let name = space.strip_prefix(&*staging).and_then(|name| name.strip_suffix('/'));
            if let Some(keys) = name.and_then(KeySpace::named) {
                claims.extend(Claim::find(store, prefix, keys)?);
            }
        }
        Ok(claims)
    }

    /// Returns the claim of a key space, if there is one.
    pub(crate) fn find(store: &dyn Store, prefix: &str, keys: KeySpace) -> Result<Option<Claim>> {
        let key = key_of(prefix, keys);
        match store.get(&key) {
            Ok(found) => {
                let document = serde_json::from_slice(&found.bytes).ok();
                let document = document.filter(|document: &Document| document.version == VERSION);
                let url = store.url(&prefix_of(prefix, keys));
                Ok(Some(Claim { keys, url, tag: found.tag, document }))
            }
            Err(StoreError::NotFound) => Ok(None),
            Err(error) => Err(Error::store(&key, error)),
        }
    }

    /// Returns an error if the write that made the claim is running, or may be running and is not
    /// to be taken over, or if workers share it.
    pub(crate) fn check_has_ended(&self, target: &str, takes_over: bool) -> Result<()> {
        let (target, holder) = (target.to_owned(), self.holder());
        if self.is_plan() {
            let key = self.plan().ok().flatten().map_or(String::new(), |plan| plan.record.key);
            let directory = self.url().into();
            return Err(ResumeError::Planned { target, directory, key }.into());
        }
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
    pub(crate) fn record(&self) -> Result<Option<Record>> {
        let record = self.document.as_ref().and_then(|document| document.record.as_ref());
        let Some(text) = record else { return Ok(None) };
        Record::from_text(text.as_bytes()).map_err(|reason| {
            let path = format!("{}{CLAIM}", self.url).into();
            ResumeError::InvalidRecord { path, reason }.into()
        })
    }

    /// Returns the URL of the claimed prefix, for messages.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the number of rows of the version that the write appends to, if it appends.
    pub(crate) fn appended_rows(&self) -> Option<u64> {
        self.document.as_ref().and_then(|document| document.appended_rows)
    }

    /// Returns true if workers share the write.
    pub(crate) fn is_plan(&self) -> bool {
        self.document.as_ref().is_some_and(|document| document.plan.is_some())
    }

    /// Returns the plan, if workers share the write.
    ///
    /// # Errors
    ///
    /// Returns an error if the plan is damaged, or if another version of this crate has made it.
    pub(crate) fn plan(&self) -> Result<Option<PlanDocument>> {
        let plan = self.document.as_ref().and_then(|document| document.plan.as_ref());
        let Some(text) = plan else { return Ok(None) };
        PlanDocument::from_text(text.as_bytes()).map(Some).map_err(|reason| {
            let path = format!("{}{CLAIM}", self.url).into();
            ResumeError::InvalidRecord { path, reason }.into()
        })
    }

    /// Returns true if this is the claim with a plan of this token.
    pub(super) fn is_of_plan(&self, token: &str) -> bool {
        let document = self.document.as_ref();
        document.is_some_and(|document| document.plan.is_some() && document.token == token)
    }

    /// Returns the prefix of the journal.
    pub(crate) fn journal(&self, prefix: &str) -> String {
        journal_of(prefix, self.keys)
    }

    /// Deletes the claim, when nothing in its key space is left.
    pub(crate) fn delete(&self, store: &dyn Store, prefix: &str) -> Result<()> {
        delete_rest(store, prefix, self.keys, |_| true)?;
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
    /// The rows that the write appends to, if it appends.
    appended: Option<AppendedRows>,
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
    /// record of that write stays. A write that appends claims the key space of the present
    /// version. Returns `None` if another write has just claimed it.
    pub(crate) fn take(
        store: &dyn Store,
        prefix: &str,
        keys: KeySpace,
        left: Option<(&Claim, bool)>,
        is_conditional: bool,
        appended: Option<AppendedRows>,
    ) -> Result<Option<Claimed>, StoreError> {
        let kept = left.and_then(|(left, resumes)| left.document.as_ref().filter(|_| resumes));
        let record = kept.and_then(|document| document.record.clone());
        let holder = process::description();
        let document = Document {
            version: VERSION,
            token: token(),
            holder,
            record,
            plan: None,
            appended_rows: appended.map(|appended| appended.n_rows),
        };
        let left = left.map(|(left, _)| left);
        let claimed = Claimed::put(store, prefix, keys, left, is_conditional, document)?;
        Ok(claimed.map(|claimed| Claimed { appended, ..claimed }))
    }

    /// Claims a key space for the workers of a plan, in place of the claim that an earlier write
    /// has left. Returns `None` if another write has just claimed it.
    pub(crate) fn share(
        store: &dyn Store,
        prefix: &str,
        keys: KeySpace,
        left: Option<&Claim>,
        plan: &PlanDocument,
    ) -> Result<Option<Claimed>, StoreError> {
        let (token, holder) = (plan.token.clone(), process::description());
        let plan = Some(plan.to_text());
        let (version, record, appended_rows) = (VERSION, None, None);
        let document = Document { version, token, holder, record, plan, appended_rows };
        Claimed::put(store, prefix, keys, left, true, document)
    }

    fn put(
        store: &dyn Store,
        prefix: &str,
        keys: KeySpace,
        left: Option<&Claim>,
        is_conditional: bool,
        document: Document,
    ) -> Result<Option<Claimed>, StoreError> {
        let condition = match left {
            _ if !is_conditional => PutCondition::Always,
            None => PutCondition::IfAbsent,
            Some(Claim { tag: Some(tag), .. }) => PutCondition::IfUnchanged(tag.clone()),
            Some(_) => return Err(StoreError::Unsupported),
        };
        match put_or_find(store, &key_of(prefix, keys), &document.to_bytes(), condition) {
            Ok(tag) => {
                let state = Mutex::new(State { document, tag });
                Ok(Some(Claimed { array: prefix.to_owned(), keys, appended: None, state }))
            }
            Err(StoreError::Exists | StoreError::Changed) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the claim of the workers of a plan. Returns `None` if the claim has no plan.
    pub(crate) fn of_plan(prefix: &str, claim: Claim) -> Option<Claimed> {
        let Claim { keys, tag, document, .. } = claim;
        let document = document.filter(|document| document.plan.is_some())?;
        let state = Mutex::new(State { document, tag });
        Some(Claimed { array: prefix.to_owned(), keys, appended: None, state })
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

    /// Returns the rows that the write appends to, if it appends.
    pub(crate) fn appended(&self) -> Option<AppendedRows> {
        self.appended
    }

    /// Returns the key of a chunk until the array is published.
    pub(crate) fn object(&self, name: &str) -> String {
        if self.appended.is_some_and(|appended| appended.is_kept_apart(self.keys, name)) {
            format!("{}{name}", self.last_rows())
        } else {
            format!("{}{name}", self.array)
        }
    }

    /// Returns the prefix of the chunks of the last row of the present version, with the new rows.
    fn last_rows(&self) -> String {
        format!("{}last/", self.prefix())
    }

    /// Lists the chunks of the write, with their keys below the prefix of the array.
    pub(crate) fn chunks(&self, store: &dyn Store) -> Result<Vec<(String, ObjectInfo)>> {
        let mut chunks = chunk_objects(store, &self.array, &[self.keys])?;
        if let Some(appended) = &self.appended {
            chunks.retain(|(name, _)| !appended.is_kept_apart(self.keys, name));
            chunks.extend(self.kept_apart(store)?);
        }
        Ok(chunks)
    }

    /// Lists the chunks of the last row of the present version, with the new rows.
    pub(crate) fn kept_apart(&self, store: &dyn Store) -> Result<Vec<(String, ObjectInfo)>> {
        if self.appended.is_none_or(|appended| appended.first == appended.n_present) {
            return Ok(Vec::new());
        }
        let prefix = self.last_rows();
        let objects = store.list(&prefix).map_err(|error| Error::store(&prefix, error))?;
        let below = |object: ObjectInfo| {
            let name = object.key.strip_prefix(&prefix)?.to_owned();
            Some((name, object))
        };
        Ok(objects.into_iter().filter_map(below).collect())
    }

    /// Deletes the chunks of the write.
    pub(crate) fn delete_chunks(&self, store: &dyn Store) -> Result<()> {
        let keys: Vec<_> = self.chunks(store)?.into_iter().map(|(_, object)| object.key).collect();
        store.delete_all(&keys).map_err(|error| Error::store(&self.array, error))
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
            Err(StoreError::Changed) => Err(Error::taken_over(store.url(&self.array))),
            Err(error) => Err(Error::store(&self.key(), error)),
        }
    }

    /// Returns true if no other write has taken over the key space.
    pub(crate) fn is_held(&self, store: &dyn Store) -> Result<bool> {
        let key = self.key();
        match store.get(&key) {
            Ok(found) => {
                let document: Option<Document> = serde_json::from_slice(&found.bytes).ok();
                Ok(document.as_ref() == Some(&self.state().document))
            }
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(Error::store(&key, error)),
        }
    }

    /// Deletes what earlier writes and this one keep beside the claim.
    pub(crate) fn delete_rest(&self, store: &dyn Store) -> Result<()> {
        delete_rest(store, &self.array, self.keys, |_| true)
    }

    /// Deletes what earlier writes keep beside the claim, for the workers of a plan, which may have
    /// begun.
    pub(crate) fn delete_before_plan(&self, store: &dyn Store) -> Result<()> {
        let token = self.token();
        let is_of_plan = |name: &str| name.split('/').next() == Some(&token);
        delete_rest(store, &self.array, self.keys, |name| !is_of_plan(name))
    }

    /// Gives the key space back, when nothing in it belongs to this write any more.
    pub(crate) fn release(&self, store: &dyn Store) -> Result<()> {
        if self.record().is_some() || self.appended.is_some() {
            self.delete_rest(store)?;
        }
        self.release_without_rest(store)
    }

    /// Gives the key space back, if nothing lies beside the claim.
    pub(crate) fn release_without_rest(&self, store: &dyn Store) -> Result<()> {
        store.delete(&self.key()).map_err(|error| Error::store(&self.key(), error))
    }

    /// Ends a plan that is published, and deletes what its workers keep. Others may do so at the
    /// same time.
    pub(crate) fn end_plan(&self, store: &dyn Store) -> Result<()> {
        // First, so that no worker takes a part whose record is deleted.
        let document = {
            let mut state = self.state();
            let document =
                Document { holder: process::ended(), plan: None, ..state.document.clone() };
            match put_or_find(store, &self.key(), &document.to_bytes(), state.condition()) {
                Ok(tag) => *state = State { document: document.clone(), tag },
                // Another worker has ended it.
                Err(StoreError::Changed | StoreError::NotFound) => return Ok(()),
                Err(error) => return Err(Error::store(&self.key(), error)),
            }
            document
        };
        let is_of_plan = |name: &str| name.split('/').next() == Some(&document.token);
        delete_rest(store, &self.array, self.keys, is_of_plan)?;
        if self.is_held(store)? {
            store.delete(&self.key()).map_err(|error| Error::store(&self.key(), error))?;
        }
        Ok(())
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

/// Deletes the objects beside the claim of a key space whose names are meant.
fn delete_rest(
    store: &dyn Store,
    array: &str,
    keys: KeySpace,
    is_meant: impl Fn(&str) -> bool,
) -> Result<()> {
    let prefix = prefix_of(array, keys);
    let objects = store.list(&prefix).map_err(|error| Error::store(&prefix, error))?;
    let is_meant = |key: &String| {
        let name = &key[prefix.len()..];
        name != CLAIM && is_meant(name)
    };
    let keys: Vec<_> = objects.into_iter().map(|object| object.key).filter(is_meant).collect();
    store.delete_all(&keys).map_err(|error| Error::store(&prefix, error))
}

/// Returns the prefix of what the workers of a plan keep.
pub(super) fn prefix_of_plan(array: &str, keys: KeySpace, token: &str) -> String {
    format!("{}{token}/", prefix_of(array, keys))
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

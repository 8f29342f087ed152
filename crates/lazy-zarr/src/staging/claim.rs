//! The claims of key spaces of an array in a store.
//!
//! A store has no directories to rename and no locks. So a write claims the key space of its chunks
//! with an object below the prefix of the array:
//!
//! ```text
//! .lazy/nested/claim       the write that stores chunks under `c/0/0`
//! .lazy/bare/claim         the write that stores chunks under `0/0`
//! .lazy/dotted/claim       the write that stores chunks under `c.0.0`
//! ```
//!
//! A claim only saves work: a second write sees it and does not begin. What is published is decided
//! by the conditional put of the metadata.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::process::{self, Liveness, token};
use crate::error::{Error, Result, WriteError};
use crate::format::KeySpace;
use crate::objects::{PutCondition, Store, StoreError, Tag, put_or_find};
use crate::store::staging_name::STAGING_PREFIX as STAGING;

const CLAIM: &str = "/claim";

/// The contents of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Document {
    version: u32,
    /// A random name of the write.
    token: String,
    /// The description of the process.
    holder: String,
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
            let name = name.and_then(|name| name.strip_suffix(CLAIM));
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

    /// Deletes the claim, when nothing in its key space is left.
    pub(crate) fn delete(&self, store: &dyn Store, prefix: &str) -> Result<()> {
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
    key: String,
    document: Document,
    tag: Option<Tag>,
}

impl Claimed {
    /// Claims a key space, in place of the claim that an earlier write has left. Returns `None` if
    /// another write has just claimed it.
    pub(crate) fn take(
        store: &dyn Store,
        prefix: &str,
        keys: KeySpace,
        left: Option<&Claim>,
        is_conditional: bool,
    ) -> Result<Option<Claimed>, StoreError> {
        let key = key_of(prefix, keys);
        let document =
            Document { version: VERSION, token: token(), holder: process::description() };
        let condition = match left {
            _ if !is_conditional => PutCondition::Always,
            None => PutCondition::IfAbsent,
            Some(Claim { tag: Some(tag), .. }) => PutCondition::IfUnchanged(tag.clone()),
            Some(_) => return Err(StoreError::Unsupported),
        };
        match put_or_find(store, &key, &document.to_bytes(), condition) {
            Ok(tag) => Ok(Some(Claimed { key, document, tag })),
            Err(StoreError::Exists | StoreError::Changed) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns true if no other write has taken over the key space.
    pub(crate) fn is_held(&self, store: &dyn Store) -> Result<bool> {
        match store.get(&self.key) {
            Ok(found) => Ok(found.bytes == self.document.to_bytes()),
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(Error::store(&self.key, error)),
        }
    }

    /// Gives the key space back, when nothing in it belongs to this write any more.
    pub(crate) fn release(&self, store: &dyn Store) -> Result<(), StoreError> {
        store.delete(&self.key)
    }

    /// Says that this write has ended, and leaves the claim: the chunks in the key space belong to
    /// it.
    pub(crate) fn end(&self, store: &dyn Store) -> Result<(), StoreError> {
        let document = Document { holder: process::ended(), ..self.document.clone() };
        let condition = match &self.tag {
            Some(tag) => PutCondition::IfUnchanged(tag.clone()),
            None => PutCondition::Always,
        };
        store.put(&self.key, document.to_bytes(), condition).map(drop)
    }
}

fn key_of(prefix: &str, keys: KeySpace) -> String {
    format!("{prefix}{STAGING}{}{CLAIM}", keys.name())
}

impl Document {
    fn to_bytes(&self) -> Bytes {
        serde_json::to_vec_pretty(self).expect("a claim is what JSON can hold").into()
    }
}

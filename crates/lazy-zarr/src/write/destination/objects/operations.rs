//! The destination in a store, its publication, and its cleanup when a write ends early.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use zarrs::storage::{ReadableStorage, StoreKey};

use super::super::interface::{Destination, PlanDestination, PutChunks};
use super::place::check_ancestors;
use super::writing::StoreWrite;
use crate::error::{Error, Result, TargetError, WriteError};
use crate::format::KeySpace;
use crate::objects::{ObjectInfo, PutCondition, StoreError, both, put_or_find};
use crate::settings::OldChunks;
use crate::staging::{Entry, TaggedTally};
use crate::store::check::{group_metadata, is_missing_group};
use crate::store::node::group_in_store;
use crate::store::{ObjectReader, Origin, Source, delete_chunks};
use crate::write::encode::Encoded;

impl PutChunks for StoreWrite {
    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()> {
        self.put_chunk(key, &chunk.into_bytes())
    }

    fn count(&self, key: &str, n_bytes: u64) {
        self.add(key, n_bytes, None);
    }

    fn waits(&self) -> bool {
        self.store.concurrency().is_some()
    }
}

impl PlanDestination for StoreWrite {
    fn add_stored(&self, chunks: TaggedTally) {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).extend(chunks);
    }

    fn is_taken_over(&self) -> bool {
        !self.is_held().unwrap_or(true)
    }

    fn fragment(&self, part: usize, key: &str, entry: Entry) -> Result<Option<Bytes>> {
        let lease = self.lease.as_ref().expect("only workers have fragments");
        lease.plan().fragment(part, key, entry)
    }
}

impl Destination for StoreWrite {
    fn keys(&self) -> KeySpace {
        self.keys
    }

    fn prepare(&self, metadata: &[u8], n_chunks: &[u64]) -> Result<()> {
        let _ = self.metadata.set(Bytes::copy_from_slice(metadata));
        let (chunks, is_held) =
            both(&*self.store, || self.check_chunks(n_chunks), || self.check_before());
        // Another write that has taken over may have deleted chunks.
        if !is_held? {
            return Err(Error::taken_over(self.name()));
        }
        chunks?;
        *self.checked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    fn publish(&self) -> Result<()> {
        let checked = *self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = checked.is_some_and(|checked| checked.elapsed() < FRESH);
        let is_held = if is_fresh { true } else { self.check_before()? };
        let mut made_groups = Vec::new();
        let published = self
            .publish_groups(&mut made_groups)
            .and_then(|()| self.publish_last_row())
            .and_then(|()| match (&*self.groups, self.claim.appended()) {
                ([], None) => Ok(is_held),
                // These were published meanwhile.
                _ => self.is_held(),
            })
            .and_then(|is_held| self.publish_array(is_held));
        if let Err(error) = published {
            // Workers of a plan publish the array in this group later, or have done so.
            if self.lease.is_none() {
                self.remove_groups(&made_groups);
            }
            return Err(error);
        }
        self.is_published.store(true, Ordering::Relaxed);
        if let Err(error) = self.clear_old() {
            let array = self.name();
            tracing::warn!(%array, %error, "chunks of an old version could not be removed");
        }
        Ok(())
    }

    fn reader(&self) -> Result<Source> {
        let store: ReadableStorage = Arc::new(ObjectReader::new(Arc::clone(&self.store)));
        let key = format!("{}zarr.json", self.prefix);
        let document = StoreKey::new(key.as_str()).map_err(|error| Error::store(&key, error))?;
        let base = || self.base().expect("a new array is prepared before it is read");
        let bytes = self.metadata.get().unwrap_or_else(base).clone();
        let origin = Origin::Keys { store: Arc::clone(&self.store), document, bytes };
        Ok(Source { store, path: self.path.clone(), origin })
    }
}

/// The time after a check before the publication in which it is not made again. Other sinks of the
/// same pass may need longer than that until they are prepared, too.
const FRESH: Duration = Duration::from_secs(1);

impl StoreWrite {
    /// Checks the nodes above the target. Returns true if no other process has taken over.
    fn check_before(&self) -> Result<bool> {
        let check = || check_ancestors(&self.target, &*self.store, &self.prefix);
        let (checked, is_held) = both(&*self.store, check, || self.is_held());
        checked?;
        is_held
    }

    /// Publishes the groups that are missing. Other writes may do the same at the same time.
    fn publish_groups(&self, made: &mut Vec<String>) -> Result<()> {
        for group in &self.groups {
            let node = group_in_store(&*self.store, group)?;
            if !is_missing_group(&self.target, node, &self.store.url(group))? {
                continue;
            }
            let key = format!("{group}zarr.json");
            match self.store.put(&key, group_metadata().into(), self.if_absent()) {
                Ok(_) => made.push(group.clone()),
                // Another write has published it, or this one has, and the response was lost.
                Err(StoreError::Exists | StoreError::Other(_))
                    if !is_missing_group(
                        &self.target,
                        group_in_store(&*self.store, group)?,
                        &self.store.url(group),
                    )? => {}
                Err(error) => return Err(Error::store(&key, error)),
            }
        }
        Ok(())
    }

    /// Removes groups that this write has published, unless other programs have stored something
    /// there.
    fn remove_groups(&self, made: &[String]) {
        for group in made.iter().rev() {
            let key = format!("{group}zarr.json");
            let published = format!("{}zarr.json", self.prefix);
            let is_own = |key: &str| key.starts_with(&*self.prefix) && *key != *published;
            let objects = self.store.list(group);
            let is_empty = objects.is_ok_and(|objects| {
                objects.iter().all(|object| object.key == key || is_own(&object.key))
            });
            if is_empty {
                let _ = self.store.delete(&key);
            }
        }
    }

    /// Puts the chunks of the last present row, with the new rows, in the place of the present ones.
    /// The rows of the present version are the same in both, so a reader of it does not notice.
    fn publish_last_row(&self) -> Result<()> {
        for (name, object) in self.claim.kept_apart(&*self.store)? {
            if !self.is_held()? {
                return Err(Error::taken_over(self.name()));
            }
            let key = format!("{}{name}", self.prefix);
            let failed = |key: &str, error| match error {
                StoreError::Exists | StoreError::Changed => {
                    let (target, key) = (self.name(), key.to_owned());
                    WriteError::Conflict { target, key }.into()
                }
                error => Error::store(key, error),
            };
            let chunk = self.store.get(&object.key).map_err(|error| failed(&object.key, error))?;
            let condition = match self.store.head(&key) {
                Ok(ObjectInfo { tag: Some(tag), .. }) => PutCondition::IfUnchanged(tag),
                Ok(_) => PutCondition::Always,
                // Another program has left out a chunk of the fill value.
                Err(StoreError::NotFound) => self.if_absent(),
                Err(error) => return Err(failed(&key, error)),
            };
            let put = put_or_find(&*self.store, &key, &chunk.bytes, condition);
            put.map_err(|error| failed(&key, error))?;
        }
        Ok(())
    }

    /// Returns the metadata document of the version that the write appends to, if it appends.
    pub(in crate::write::destination) fn base(&self) -> Option<&Bytes> {
        self.claim.appended()?;
        self.present.as_ref().map(|present| &present.document.bytes)
    }

    fn publish_array(&self, is_held: bool) -> Result<()> {
        let metadata = self.metadata.get().expect("an array is prepared before it is published");
        if !is_held {
            return Err(Error::taken_over(self.name()));
        }
        let key = format!("{}zarr.json", self.prefix);
        let condition = match &self.present {
            _ if !self.is_conditional => PutCondition::Always,
            Some(present) if !present.is_v2 => match &present.document.tag {
                Some(tag) => PutCondition::IfUnchanged(tag.clone()),
                None => return Err(TargetError::NoConditions { target: self.name() }.into()),
            },
            _ => PutCondition::IfAbsent,
        };
        match put_or_find(&*self.store, &key, metadata, condition) {
            Ok(_) => Ok(()),
            Err(StoreError::Exists) => Err(TargetError::Exists { target: self.name() }.into()),
            Err(StoreError::Changed) => {
                Err(WriteError::Conflict { target: self.name(), key }.into())
            }
            Err(StoreError::Other(source)) => {
                self.is_uncertain.store(true, Ordering::Relaxed);
                match self.store.get(&key) {
                    Ok(_) | Err(StoreError::NotFound) => Err(Error::store(&key, source)),
                    Err(_) => {
                        Err(WriteError::MaybePublished { target: self.name(), source }.into())
                    }
                }
            }
            Err(error) => Err(Error::store(&key, error)),
        }
    }

    /// Removes what is left of older versions that no reader needs, and the claim.
    fn clear_old(&self) -> Result<()> {
        if self.present.as_ref().is_some_and(|present| present.is_v2) {
            for name in [".zarray", ".zattrs"] {
                let key = format!("{}{name}", self.prefix);
                self.store.delete(&key).map_err(|error| Error::store(&key, error))?;
            }
        }
        if self.old_chunks == OldChunks::Remove && self.present.is_some() {
            let old: Vec<_> = KeySpace::ALL.into_iter().filter(|keys| *keys != self.keys).collect();
            // Workers that have taken over may have ended the plan, so that a write has begun.
            if self.lease.is_none() || self.is_held()? {
                delete_chunks(&*self.store, &self.prefix, &old)?;
            }
        }
        match &self.lease {
            Some(_) => self.claim.end_plan(&*self.store),
            None if self.has_rest() => self.claim.release(&*self.store),
            None => self.claim.release_without_rest(&*self.store),
        }
    }

    /// Returns true if the write has, or may have, objects beside its claim.
    fn has_rest(&self) -> bool {
        let has_put = self.journal.as_ref().is_some_and(|journal| journal.has_put());
        has_put || self.is_resumed || self.claim.appended().is_some()
    }
}

impl Drop for StoreWrite {
    fn drop(&mut self) {
        // The workers of a plan keep what they have stored.
        if self.is_published() || self.lease.is_some() {
            return;
        }
        // An error returned here would hide the error that ended the write.
        let array = self.name();
        if self.is_uncertain.load(Ordering::Relaxed) {
            // A later write deletes the chunks, if they are not those of the array by then.
        } else if let Some(journal) = self.journal.as_ref().filter(|journal| journal.has_chunks()) {
            if let Err(error) = journal.flush() {
                tracing::warn!(%array, %error, "the last chunks of a write could not be noted");
            }
        } else {
            match self.discard() {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%array, %error, "the chunks of a write could not be removed");
                }
            }
        }
        let _ = self.claim.end(&*self.store);
    }
}

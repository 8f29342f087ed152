//! Unfinished writes in stores.

use std::sync::Arc;

use super::appended_rows::AppendedRows;
use super::claim::{Claim, Claimed};
use super::plan_document::PlanDocument;
use super::plan_objects::PlanObjects;
use super::plan_place::PlanPlace;
use super::process::Liveness;
use super::record::Record;
use super::store_journal;
use super::unfinished::{SharedProgress, WriteState};
use crate::error::{Error, Result, ResumeError, WriteError};
use crate::format::KeySpace;
use crate::objects::{Store, StoreError};
use crate::store::node::{PresentObject, present_in_store, rows_of_document};
use crate::store::staging_name::STAGING_PREFIX;
use crate::store::{delete_chunks, prefixes_below};

/// The claim of an unfinished write.
#[derive(Clone)]
pub(super) struct InStore {
    pub(super) store: Arc<dyn Store>,
    /// The prefix of the array.
    pub(super) prefix: String,
    pub(super) keys: KeySpace,
}

impl InStore {
    /// Lists the unfinished writes below a prefix, with their states.
    pub(super) fn list(store: &Arc<dyn Store>, prefix: &str) -> Result<Vec<(InStore, WriteState)>> {
        let mut writes = Vec::new();
        prefixes_below(&**store, prefix, |prefix, below| {
            let staging = format!("{prefix}{STAGING_PREFIX}");
            if !below.prefixes.contains(&staging) {
                return Ok(());
            }
            for claim in Claim::list(&**store, prefix)? {
                let state = state(store, prefix, &claim)?;
                let (store, prefix) = (Arc::clone(store), prefix.to_owned());
                writes.push((InStore { store, prefix, keys: claim.keys }, state));
            }
            Ok(())
        })?;
        Ok(writes)
    }

    /// Returns the place of the record.
    pub(super) fn location(&self) -> String {
        self.store.url(&format!("{}{STAGING_PREFIX}{}", self.prefix, self.keys.name()))
    }

    /// Removes the write, if it has ended, and the chunks that it has stored.
    pub(super) fn remove(&self, target: &str, listed: &WriteState) -> Result<()> {
        let (store, prefix) = (&*self.store, &*self.prefix);
        let claims = Claim::list(store, prefix)?;
        let Some(claim) = claims.iter().find(|claim| claim.keys == self.keys) else {
            return Ok(());
        };
        if claim.is_plan() {
            return self.remove_plan(target, listed, claim);
        }
        claim.check_has_ended(target, true)?;
        let present = present_in_store(store, prefix)?;
        if let Some(Record { key, .. }) = record(present.as_ref(), claim)? {
            let was_listed = match listed {
                WriteState::Resumable { key: listed, .. } => *listed == key,
                state => matches!(state, WriteState::MaybeRunning { .. }),
            };
            if !was_listed {
                let (target, directory) = (target.to_owned(), self.location().into());
                return Err(ResumeError::Unfinished { target, directory, key }.into());
            }
        }
        let appended = appended(present.as_ref(), claim);
        let claimed =
            match Claimed::take(store, prefix, self.keys, Some((claim, false)), true, appended) {
                Ok(Some(claimed)) => claimed,
                Ok(None) => {
                    let (target, holder) = (target.to_owned(), claim.holder());
                    return Err(WriteError::Locked { target, holder }.into());
                }
                // No other process writes to a store without conditions.
                Err(StoreError::Unsupported) => {
                    return self.discard().and_then(|()| claim.delete(store, prefix));
                }
                Err(error) => return Err(Error::store(prefix, error)),
            };
        if appended.is_some() {
            claimed.delete_chunks(store)?;
        } else if claim.appended_rows().is_none() {
            self.discard()?;
        }
        claimed.delete_rest(store)?;
        claimed.release(store)
    }

    /// Removes the plan of several workers, unless one of them is certain to be running.
    fn remove_plan(&self, target: &str, listed: &WriteState, claim: &Claim) -> Result<()> {
        let (store, prefix) = (&*self.store, &*self.prefix);
        let present = present_in_store(store, prefix)?.and_then(|present| present.keys);
        let plan = claim.plan();
        if let Ok(Some(plan)) = &plan
            && present != Some(self.keys)
        {
            let objects = PlanObjects::new(&self.store, prefix, self.keys, plan, None);
            let running = objects.taken()?.into_iter().find(|(_, _, is_certain)| *is_certain);
            if let Some((_, holder, _)) = running {
                return Err(WriteError::Locked { target: target.to_owned(), holder }.into());
            }
        }
        let key = plan.ok().flatten().map_or(String::new(), |plan| plan.record.key);
        let was_listed = match listed {
            WriteState::Shared { key: listed, .. } => *listed == key,
            state => matches!(state, WriteState::Unreadable { .. } | WriteState::Abandoned),
        };
        if !was_listed {
            let (target, directory) = (target.to_owned(), self.location().into());
            return Err(ResumeError::Planned { target, directory, key }.into());
        }
        match Claimed::take(store, prefix, self.keys, Some((claim, false)), true, None) {
            Ok(Some(claimed)) => {
                self.discard()?;
                claimed.delete_rest(store)?;
                claimed.release(store)
            }
            // Another process has removed or published it.
            Ok(None) => Ok(()),
            Err(error) => Err(Error::store(prefix, error)),
        }
    }

    /// Returns the plan of several workers, if they share the write and have not published it.
    pub(super) fn plan(&self) -> Result<Option<(PlanDocument, PlanObjects)>> {
        let (store, prefix) = (&*self.store, &*self.prefix);
        let Some(claim) = Claim::find(store, prefix, self.keys)? else { return Ok(None) };
        let Some(plan) = claim.plan()? else { return Ok(None) };
        let objects = PlanObjects::new(&self.store, prefix, self.keys, &plan, None);
        Ok(Some((plan, objects)))
    }

    /// Deletes the chunks of the write, unless it has published them.
    fn discard(&self) -> Result<()> {
        let (store, prefix) = (&*self.store, &*self.prefix);
        let present = present_in_store(store, prefix)?;
        if present.and_then(|present| present.keys) != Some(self.keys) {
            delete_chunks(store, prefix, &[self.keys])?;
        }
        Ok(())
    }
}

/// Returns the rows that the write of a claim appends to, if it appends and has not published them.
pub(crate) fn appended(present: Option<&PresentObject>, claim: &Claim) -> Option<AppendedRows> {
    let n_rows = claim.appended_rows()?;
    let present = rows_of_document(&present?.document.bytes)?;
    (present.keys == claim.keys && present.n_rows == n_rows).then(|| AppendedRows::behind(present))
}

/// Returns the record of a write if the write can be resumed: it has not published its chunks, and
/// the version that it appends to is still there.
pub(crate) fn resumable_record(
    present: Option<&PresentObject>,
    claim: &Claim,
) -> Result<Option<Record>> {
    let n_rows = appended(present, claim).map(|appended| appended.n_rows);
    let is_published =
        n_rows.is_none() && present.and_then(|present| present.keys) == Some(claim.keys);
    let is_of_claim =
        |record: &Record| record.keys() == Some(claim.keys) && record.appended_rows() == n_rows;
    Ok(claim.record()?.filter(|record| !is_published && is_of_claim(record)))
}

/// Returns the same, and `None` if the record cannot be read.
fn record(present: Option<&PresentObject>, claim: &Claim) -> Result<Option<Record>> {
    match resumable_record(present, claim) {
        Err(error) if error.is_of_record() => Ok(None),
        record => record,
    }
}

/// Removes what the write has left that published the array, if it has ended before it removed the
/// rest.
pub(crate) fn clean_up_store(store: &dyn Store, prefix: &str) -> Result<()> {
    let present = present_in_store(store, prefix)?;
    let keys = present.as_ref().and_then(|present| present.keys);
    let Some(claim) = keys.map(|keys| Claim::find(store, prefix, keys)).transpose()? else {
        return Ok(());
    };
    match claim {
        Some(claim) if claim.is_plan() => {
            Claimed::of_plan(prefix, claim).map_or(Ok(()), |claimed| claimed.end_plan(store))
        }
        Some(claim)
            if claim.liveness() == Liveness::Ended
                && appended(present.as_ref(), &claim).is_none() =>
        {
            claim.delete(store, prefix)
        }
        _ => Ok(()),
    }
}

fn state(store: &Arc<dyn Store>, prefix: &str, claim: &Claim) -> Result<WriteState> {
    if claim.is_plan() {
        return state_of_plan(store, prefix, claim);
    }
    let store = &**store;
    let holder = claim.holder();
    match claim.liveness() {
        Liveness::Running => return Ok(WriteState::Running { holder }),
        Liveness::Unknown => return Ok(WriteState::MaybeRunning { holder }),
        Liveness::Ended => {}
    }
    let present = present_in_store(store, prefix)?;
    let Some(record) = record(present.as_ref(), claim)? else {
        return Ok(WriteState::Abandoned);
    };
    let journal = claim.journal(prefix);
    let entries = store_journal::entries(store, &journal, claim.keys, &record.n_chunks())?;
    let stored_bytes = entries.values().fold(0_u64, |sum, entry| sum.saturating_add(entry.length));
    Ok(WriteState::Resumable { key: record.key, chunks: entries.len() as u64, stored_bytes })
}

fn state_of_plan(store: &Arc<dyn Store>, prefix: &str, claim: &Claim) -> Result<WriteState> {
    let plan = match claim.plan() {
        Err(error) if error.is_of_record() => {
            return Ok(WriteState::Unreadable { reason: error.to_string() });
        }
        plan => plan?,
    };
    let present = present_in_store(&**store, prefix)?.and_then(|present| present.keys);
    let Some(plan) = plan.filter(|_| present != Some(claim.keys)) else {
        return Ok(WriteState::Abandoned);
    };
    let objects = PlanObjects::new(store, prefix, claim.keys, &plan, None);
    let progress = SharedProgress::of(&PlanPlace::Store(objects), &plan)?;
    Ok(WriteState::Shared { key: plan.record.key, progress })
}

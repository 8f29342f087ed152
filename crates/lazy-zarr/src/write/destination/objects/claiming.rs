//! Claiming a key space for the chunks of a new version.

use bytes::Bytes;

use crate::error::{Error, Result, ResumeError, TargetError, WriteError};
use crate::format::KeySpace;
use crate::objects::{Object, PutCondition, Store, StoreError, put_or_find};
use crate::settings::{Existing, WriteSettings};
use crate::staging;
use crate::staging::{AppendedRows, Claim, Claimed, Liveness, Record, resumable_record};
use crate::store::node::{PresentObject, PresentRows, rows_of_document};

/// Returns true if no version of an array was published since `present` was found. Only this crate
/// publishes versions that matter here, so no Zarr v2 metadata are looked for.
pub(super) fn is_unchanged(
    store: &dyn Store,
    prefix: &str,
    present: Option<&PresentObject>,
) -> Result<bool> {
    let key = format!("{prefix}zarr.json");
    let present = present.filter(|present| !present.is_v2);
    match store.get(&key) {
        Ok(found) => Ok(present.is_some_and(|present| present.document.bytes == found.bytes)),
        Err(StoreError::NotFound) => Ok(present.is_none()),
        Err(error) => Err(Error::store(&key, error)),
    }
}

/// The number of other writes that begin or publish while this one begins.
pub(super) const MOST_TRIES: usize = 10;

/// Of the claims beside the present version, returns those of writes that have ended, and with `joins`
/// those of plans. A write in
/// progress is an error. Removes what a write has left that published the present version.
pub(super) fn ended(
    settings: &WriteSettings,
    store: &dyn Store,
    prefix: &str,
    (present, listed): (Option<&PresentObject>, Vec<Claim>),
    joins: bool,
) -> Result<Vec<Claim>> {
    let target = settings.target.to_string();
    let mut claims = Vec::new();
    for claim in listed {
        let is_present = Some(claim.keys) == present.and_then(|present| present.keys)
            && staging::appended(present, &claim).is_none();
        if claim.is_plan() && is_present {
            if let Some(claimed) = Claimed::of_plan(prefix, claim) {
                claimed.end_plan(store)?;
            }
            continue;
        }
        if !claim.is_plan() || !joins {
            claim.check_has_ended(&target, settings.takes_over)?;
        }
        if is_present {
            // The write has published the array, and ended before it gave the key space back.
            claim.delete(store, prefix)?;
        } else {
            claims.push(claim);
        }
    }
    Ok(claims)
}

/// Returns the key space for the chunks of a new version beside the present one.
pub(super) fn free_keys(claims: &[Claim], present: Option<KeySpace>) -> KeySpace {
    // A write that counts as ended may still be running, and would miss its chunks. So its key
    // space is used only if there is no other.
    let left_in = |keys: KeySpace| claims.iter().find(|claim| claim.keys == keys);
    let first = KeySpace::after(present);
    let second = KeySpace::after(Some(first));
    let second = if Some(second) == present { KeySpace::after(Some(second)) } else { second };
    let may_run = left_in(first).is_some_and(|left| left.liveness() != Liveness::Ended);
    if may_run && left_in(second).is_none() { second } else { first }
}

/// Claims a key space for the chunks of the write: that of the write which this one resumes, or
/// that of the present version if this one appends, or another one. Deletes the chunks there that
/// belong to earlier writes and to old versions. Returns the record of the write that is resumed.
/// Returns `None` if another write has published meanwhile.
pub(super) fn claim(
    settings: &WriteSettings,
    store: &dyn Store,
    prefix: &str,
    (present, listed): (&mut Option<PresentObject>, Vec<Claim>),
) -> Result<Option<(Claimed, Option<Record>)>> {
    let target = settings.target.to_string();
    let rows = match present.as_ref().filter(|_| settings.existing == Existing::Append) {
        Some(present) => Some(rows_to_append_to(settings, present)?),
        None => None,
    };
    let present_keys = present.as_ref().and_then(|present| present.keys);
    let claims = ended(settings, store, prefix, (present.as_ref(), listed), false)?;
    let mut earlier = resumable(settings, present.as_ref(), &claims, true)?;
    let mut superseded = None;
    if let Some((claim, record)) = &earlier {
        let n_rows = rows.map(|rows| rows.n_rows);
        let is_same_result = record.appended_rows() == n_rows
            && (rows.is_none() || Some(claim.keys) == present_keys);
        if !is_same_result {
            if !settings.resume.as_ref().is_some_and(|resume| resume.restarts) {
                return Err(other_result(settings, claim, record, n_rows));
            }
            superseded = Some(*claim);
            earlier = None;
        }
    }
    let keys = match (&earlier, rows) {
        (Some((claim, _)), _) => claim.keys,
        (None, Some(rows)) => rows.keys,
        (None, None) => free_keys(&claims, present_keys),
    };
    let left = claims.iter().find(|claim| claim.keys == keys);
    let kept = left.map(|left| (left, earlier.is_some()));
    let appended = rows.map(AppendedRows::behind);
    let is_conditional = !settings.is_unconditional;
    let claimed = match Claimed::take(store, prefix, keys, kept, is_conditional, appended) {
        Ok(Some(claimed)) => claimed,
        Ok(None) => {
            if let Some(claim) = Claim::find(store, prefix, keys)? {
                claim.check_has_ended(&target, false)?;
            }
            let holder = "another process".to_owned();
            return Err(WriteError::Locked { target, holder }.into());
        }
        Err(StoreError::Unsupported) => return Err(TargetError::NoConditions { target }.into()),
        Err(error) => return Err(Error::store(prefix, error)),
    };
    // Another write may have published its version before this one claimed the key space, perhaps
    // with chunks in it.
    if !is_unchanged(store, prefix, present.as_ref())? {
        match earlier {
            Some(_) => claimed.end(store).map_err(|error| Error::store(prefix, error))?,
            None => claimed.release(store)?,
        }
        return Ok(None);
    }
    if earlier.is_none() {
        // An append shares the key space of the present version, so it could still publish it.
        let of_append = [left, superseded].into_iter().flatten().find(|claim| {
            claim.liveness() != Liveness::Ended
                && staging::appended(present.as_ref(), claim).is_some()
        });
        if let (Some(_), Some(present)) = (of_append, present.as_mut())
            && !end_earlier_append(store, prefix, present)?
        {
            claimed.release(store)?;
            return Ok(None);
        }
        if present.is_some() || left.is_some() {
            // Chunks behind the rows of the present version have no meaning.
            claimed.delete_chunks(store)?;
            claimed.delete_rest(store)?;
        }
        if let Some(claim) = superseded.filter(|claim| claim.keys != keys) {
            remove_superseded(settings, store, prefix, present.as_ref(), claim)?;
        }
    }
    Ok(Some((claimed, earlier.map(|(_, record)| record))))
}

/// Removes an unfinished write whose place this one takes, although its chunks lie in another key
/// space.
fn remove_superseded(
    settings: &WriteSettings,
    store: &dyn Store,
    prefix: &str,
    present: Option<&PresentObject>,
    claim: &Claim,
) -> Result<()> {
    let (appended, left) = (staging::appended(present, claim), Some((claim, false)));
    let is_conditional = !settings.is_unconditional;
    match Claimed::take(store, prefix, claim.keys, left, is_conditional, appended) {
        Ok(Some(claimed)) => {
            claimed.delete_chunks(store)?;
            claimed.delete_rest(store)?;
            claimed.release(store)
        }
        // Another process has removed it.
        Ok(None) => Ok(()),
        Err(error) => Err(Error::store(prefix, error)),
    }
}

/// Returns the rows of the present version, if a write can append to it.
fn rows_to_append_to(settings: &WriteSettings, present: &PresentObject) -> Result<PresentRows> {
    let rows = rows_of_document(&present.document.bytes).filter(|_| !present.is_v2);
    rows.ok_or_else(|| {
        let reason = if present.is_v2 {
            "it is a Zarr v2 array"
        } else {
            "it has no axis, or its chunk grid is not regular"
        };
        TargetError::NotAppendable { target: settings.target.to_string(), reason }.into()
    })
}

/// Makes sure that an append which may still be running does not publish its rows any more, before
/// its chunks are deleted: the metadata get another tag. Returns false if they were changed
/// meanwhile.
fn end_earlier_append(
    store: &dyn Store,
    prefix: &str,
    present: &mut PresentObject,
) -> Result<bool> {
    let key = format!("{prefix}zarr.json");
    let before = &present.document;
    // White space has no meaning.
    let bytes = match before.bytes.strip_suffix(b"\n") {
        Some(bytes) => Bytes::copy_from_slice(bytes),
        None => [&before.bytes[..], b"\n"].concat().into(),
    };
    let condition = match &before.tag {
        Some(tag) => PutCondition::IfUnchanged(tag.clone()),
        None => PutCondition::Always,
    };
    match put_or_find(store, &key, &bytes, condition) {
        Ok(tag) => {
            present.document = Object { bytes, tag };
            Ok(true)
        }
        Err(StoreError::Changed) => Ok(false),
        Err(error) => Err(Error::store(&key, error)),
    }
}

/// Returns the error of a write whose result is not that of the unfinished one.
fn other_result(
    settings: &WriteSettings,
    claim: &Claim,
    record: &Record,
    n_rows: Option<u64>,
) -> Error {
    let result = |n_rows: Option<u64>| match n_rows {
        Some(n_rows) => format!("appended to {n_rows} rows"),
        None => "a new array".to_owned(),
    };
    ResumeError::Mismatch {
        target: settings.target.to_string(),
        directory: claim.url().into(),
        what: "result",
        expected: result(record.appended_rows()),
        actual: result(n_rows),
    }
    .into()
}

/// Returns the claim of an earlier write that this one resumes, with its record. An earlier write
/// that is not resumed is an error.
pub(super) fn resumable<'c>(
    settings: &WriteSettings,
    present: Option<&PresentObject>,
    claims: &'c [Claim],
    resumes: bool,
) -> Result<Option<(&'c Claim, Record)>> {
    let restarts = settings.resume.as_ref().is_some_and(|resume| resume.restarts);
    for claim in claims {
        let record = match resumable_record(present, claim) {
            Err(error) if restarts && error.is_of_record() => None,
            record => record?,
        };
        let Some(record) = record else { continue };
        if resumes && settings.resume.is_some() {
            return Ok(Some((claim, record)));
        }
        let directory = claim.url().into();
        let (target, key) = (settings.target.to_string(), record.key);
        return Err(ResumeError::Unfinished { target, directory, key }.into());
    }
    Ok(None)
}

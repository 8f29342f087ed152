//! Cases of putting objects on a condition. A store without conditions passes them.

use std::io;

use bytes::Bytes;
use lazy_core::BoxError;

use super::super::check::{CaseResult, N_RACES, expect_equal, race};
use super::check::{
    NamedCheck, contents, expect_contents, expect_error_kind, expect_unchanged, put,
};
use crate::objects::{PutCondition, Store, StoreError, Tag};

pub(super) const CASES: &[NamedCheck] = &[
    ("put_if_absent::puts_an_object", absent_puts),
    ("put_if_absent::of_something_exists", absent_of_something),
    ("put_if_absent::succeeds_after_deletion", absent_after_deletion),
    ("put_if_absent::succeeds_for_one_thread", absent_from_threads),
    ("put_if_unchanged::replaces_the_object", unchanged_replaces),
    ("put_if_unchanged::of_another_object_has_changed", unchanged_of_another),
    ("put_if_unchanged::of_nothing_has_changed", unchanged_of_nothing),
    ("put_if_unchanged::succeeds_for_one_thread", unchanged_from_threads),
    ("put_if_unchanged::needs_tags", unchanged_without_tags),
];

/// Puts an object on a condition. Returns `None` if the store does not support the condition. Fails
/// if the store does not support it but has changed.
fn put_if(
    store: &dyn Store,
    key: &str,
    bytes: &'static [u8],
    condition: PutCondition,
) -> Result<Option<Result<Option<Tag>, StoreError>>, BoxError> {
    let before = contents(store)?;
    match store.put(key, Bytes::from_static(bytes), condition) {
        Err(StoreError::Unsupported) => {
            expect_contents(store, &before)?;
            Ok(None)
        }
        put => Ok(Some(put)),
    }
}

fn absent_puts(store: &dyn Store) -> CaseResult {
    put(store, "a/key2", b"bytes")?;
    for key in ["a/key", "key"] {
        let Some(put) = put_if(store, key, b"bytes", PutCondition::IfAbsent)? else {
            return Ok(());
        };
        expect_equal("the tag", store.get(key)?.tag, put?)?;
        expect_equal("the bytes", &*store.get(key)?.bytes, b"bytes")?;
    }
    Ok(())
}

fn absent_of_something(store: &dyn Store) -> CaseResult {
    put(store, "empty", b"")?;
    put(store, "a/key", b"bytes")?;
    expect_unchanged(store, || {
        for key in ["empty", "a/key"] {
            for bytes in [&b"new"[..], b"bytes", b""] {
                let put = put_if(store, key, bytes, PutCondition::IfAbsent)?;
                let Some(put) = put else { return Ok(()) };
                expect_error_kind(key, put, &StoreError::Exists)?;
            }
        }
        Ok(())
    })
}

fn absent_after_deletion(store: &dyn Store) -> CaseResult {
    for _ in 0..2 {
        put(store, "key", b"old")?;
        store.delete("key")?;
        let put = put_if(store, "key", b"new", PutCondition::IfAbsent)?;
        let Some(put) = put else { return Ok(()) };
        put?;
        expect_equal("the bytes", &*store.get("key")?.bytes, b"new")?;
    }
    Ok(())
}

/// Puts objects from several threads on the same condition. Checks that exactly one put succeeds
/// and stores its object. Returns false if the store does not support the condition.
fn one_thread_succeeds(
    store: &dyn Store,
    key: &str,
    condition: &PutCondition,
    refused: &StoreError,
) -> Result<bool, BoxError> {
    let bytes = |thread: usize| format!("thread {thread}");
    let results = race(|thread| -> io::Result<_> {
        Ok(store.put(key, bytes(thread).into(), condition.clone()))
    })?;
    let mut winners = Vec::new();
    for (thread, result) in results.into_iter().enumerate() {
        match result? {
            Ok(_) => winners.push(thread),
            Err(StoreError::Unsupported) => return Ok(false),
            refusal => expect_error_kind("a thread that did not succeed", refusal, refused)?,
        }
    }
    expect_equal("the number of threads that succeeded", winners.len(), 1)?;
    let expected = bytes(winners[0]);
    expect_equal("the bytes", &*store.get(key)?.bytes, expected.as_bytes())?;
    Ok(true)
}

fn absent_from_threads(store: &dyn Store) -> CaseResult {
    for i in 0..N_RACES {
        let condition = PutCondition::IfAbsent;
        if !one_thread_succeeds(store, &format!("a/{i}"), &condition, &StoreError::Exists)? {
            break;
        }
    }
    Ok(())
}

fn unchanged_replaces(store: &dyn Store) -> CaseResult {
    put(store, "a/key", b"old")?;
    let Some(mut tag) = store.get("a/key")?.tag else { return Ok(()) };
    for bytes in [&b"new"[..], b"newer", b""] {
        let condition = PutCondition::IfUnchanged(tag);
        let Some(put) = put_if(store, "a/key", bytes, condition)? else { return Ok(()) };
        let put = put?;
        expect_equal("the bytes", &*store.get("a/key")?.bytes, bytes)?;
        tag = put.ok_or("put returned no tag, though the object had one before")?;
        expect_equal("the tag", store.get("a/key")?.tag.as_ref(), Some(&tag))?;
    }
    Ok(())
}

fn unchanged_of_another(store: &dyn Store) -> CaseResult {
    put(store, "key", b"old")?;
    let Some(tag) = store.get("key")?.tag else { return Ok(()) };
    for bytes in [&b"new"[..], b"newer"] {
        put(store, "key", bytes)?;
        let is_unsupported = expect_changed(store, "key", &tag)?;
        if is_unsupported {
            break;
        }
    }
    Ok(())
}

fn unchanged_of_nothing(store: &dyn Store) -> CaseResult {
    put(store, "key", b"old")?;
    put(store, "another", b"old")?;
    let Some(tag) = store.get("key")?.tag else { return Ok(()) };
    store.delete("key")?;
    for key in ["key", "nothing"] {
        expect_changed(store, key, &tag)?;
    }
    Ok(())
}

/// Checks that a put fails because the object with this tag no longer exists. Returns true if the
/// store does not support the condition.
fn expect_changed(store: &dyn Store, key: &str, tag: &Tag) -> Result<bool, BoxError> {
    let mut is_unsupported = false;
    expect_unchanged(store, || {
        let condition = PutCondition::IfUnchanged(tag.clone());
        match put_if(store, key, b"refused", condition)? {
            Some(put) => expect_error_kind(key, put, &StoreError::Changed),
            None => {
                is_unsupported = true;
                Ok(())
            }
        }
    })?;
    Ok(is_unsupported)
}

fn unchanged_from_threads(store: &dyn Store) -> CaseResult {
    for i in 0..N_RACES {
        // The bytes differ each time, since equal bytes may have equal tags.
        put(store, "key", format!("version {i}").as_bytes())?;
        let Some(tag) = store.get("key")?.tag else { return Ok(()) };
        let condition = PutCondition::IfUnchanged(tag);
        if !one_thread_succeeds(store, "key", &condition, &StoreError::Changed)? {
            break;
        }
    }
    Ok(())
}

fn unchanged_without_tags(store: &dyn Store) -> CaseResult {
    put(store, "key", b"old")?;
    if store.get("key")?.tag.is_some() {
        return Ok(());
    }
    expect_unchanged(store, || {
        let condition = PutCondition::IfUnchanged(Tag::new("tag"));
        let put = store.put("key", Bytes::from_static(b"new"), condition);
        expect_error_kind("in a store without tags", put, &StoreError::Unsupported)
    })
}

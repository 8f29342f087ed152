//! Checks and fixtures that the cases share.

use std::collections::BTreeMap;
use std::fmt;
use std::mem::discriminant;

use bytes::Bytes;

use super::super::check::CaseResult;
use crate::objects::{PutCondition, Store, StoreError};

/// A case: its name, and a check that is called with an empty store.
pub(super) type NamedCheck = (&'static str, fn(&dyn Store) -> CaseResult);

/// Checks that the store from the user is empty. Otherwise all cases would fail.
pub(super) fn is_usable(store: &dyn Store) -> CaseResult {
    let objects = store
        .list("")
        .map_err(|error| format!("the store given to the suite cannot be listed: {error}"))?;
    if objects.is_empty() {
        return Ok(());
    }
    Err(format!("the store given to the suite is not empty: {objects:?}").into())
}

/// Puts an object, and replaces an existing one.
pub(super) fn put(store: &dyn Store, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
    store.put(key, Bytes::copy_from_slice(bytes), PutCondition::Always).map(drop)
}

/// Checks that an operation failed with one kind of error.
pub(super) fn expect_error_kind<A: fmt::Debug>(
    what: &str,
    result: Result<A, StoreError>,
    kind: &StoreError,
) -> CaseResult {
    match result {
        Err(error) if discriminant(&error) == discriminant(kind) => Ok(()),
        Err(error) => Err(format!("{what}: expected the error {kind:?}, got {error:?}").into()),
        Ok(value) => Err(format!("{what}: expected the error {kind:?}, got {value:?}").into()),
    }
}

/// Returns all objects, by key.
pub(super) fn contents(store: &dyn Store) -> Result<BTreeMap<String, Bytes>, StoreError> {
    let read = |key: String| store.get(&key).map(|object| (key, object.bytes));
    store.list("")?.into_iter().map(|object| read(object.key)).collect()
}

/// Checks that an operation does not change the objects in the store.
pub(super) fn expect_unchanged(
    store: &dyn Store,
    check: impl FnOnce() -> CaseResult,
) -> CaseResult {
    let before = contents(store)?;
    check()?;
    expect_contents(store, &before)
}

/// Checks that the store contains exactly these objects.
pub(super) fn expect_contents(store: &dyn Store, expected: &BTreeMap<String, Bytes>) -> CaseResult {
    let actual = contents(store)?;
    if actual == *expected {
        return Ok(());
    }
    Err(format!("the objects afterwards: expected {expected:?}, got {actual:?}").into())
}

//! Puts on a condition whose response may be lost.

use bytes::Bytes;

use super::error::StoreError;
use super::interface::{PutCondition, Store};
use super::object::Tag;

/// Puts an object on a condition. If the store refuses it, or the response is lost, the object is
/// read back: an earlier attempt of this process may have put it.
///
/// # Errors
///
/// The errors of [`Store::put`]. With [`StoreError::Other`], the object may have been put.
pub(crate) fn put_or_find(
    store: &dyn Store,
    key: &str,
    bytes: &Bytes,
    condition: PutCondition,
) -> Result<Option<Tag>, StoreError> {
    let error = match store.put(key, bytes.clone(), condition) {
        Err(error @ (StoreError::Exists | StoreError::Changed | StoreError::Other(_))) => error,
        put => return put,
    };
    match store.get(key) {
        Ok(found) if found.bytes == bytes => Ok(found.tag),
        _ => Err(error),
    }
}

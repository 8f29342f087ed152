//! Stores behind pointers.

use std::sync::Arc;

use bytes::Bytes;

use super::byte_range::ByteRange;
use super::error::StoreError;
use super::interface::{NoteTag, PutCondition, Store};
use super::object::{Listing, Object, ObjectInfo, ObjectRanges, Tag};

macro_rules! impl_store_for_pointer {
    ($pointer:ty) => {
        impl<S: Store + ?Sized> Store for $pointer {
            fn get(&self, key: &str) -> Result<Object, StoreError> {
                (**self).get(key)
            }

            fn get_noting(&self, key: &str, begun: NoteTag) -> Result<Object, StoreError> {
                (**self).get_noting(key, begun)
            }

            fn get_ranges(
                &self,
                key: &str,
                ranges: &[ByteRange],
            ) -> Result<ObjectRanges, StoreError> {
                (**self).get_ranges(key, ranges)
            }

            fn head(&self, key: &str) -> Result<ObjectInfo, StoreError> {
                (**self).head(key)
            }

            fn put(
                &self,
                key: &str,
                bytes: Bytes,
                condition: PutCondition,
            ) -> Result<Option<Tag>, StoreError> {
                (**self).put(key, bytes, condition)
            }

            fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
                (**self).list(prefix)
            }

            fn list_directory(&self, prefix: &str) -> Result<Listing, StoreError> {
                (**self).list_directory(prefix)
            }

            fn is_empty(&self, prefix: &str) -> Result<bool, StoreError> {
                (**self).is_empty(prefix)
            }

            fn delete(&self, key: &str) -> Result<(), StoreError> {
                (**self).delete(key)
            }

            fn delete_all(&self, keys: &[String]) -> Result<(), StoreError> {
                (**self).delete_all(keys)
            }

            fn url(&self, key: &str) -> String {
                (**self).url(key)
            }

            fn concurrency(&self) -> Option<usize> {
                (**self).concurrency()
            }
        }
    };
}

impl_store_for_pointer!(Arc<S>);
impl_store_for_pointer!(Box<S>);
impl_store_for_pointer!(&S);

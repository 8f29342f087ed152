//! A store that has what every store has, and no more.

use bytes::Bytes;
use lazy_zarr::{MemoryStore, Object, ObjectInfo, PutCondition, Store, StoreError, Tag};

/// A store without conditions and tags, with the trait's default operations.
#[derive(Default)]
pub(crate) struct MinimalStore(MemoryStore);

impl Store for MinimalStore {
    fn get(&self, key: &str) -> Result<Object, StoreError> {
        Ok(Object { tag: None, ..self.0.get(key)? })
    }

    fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> Result<Option<Tag>, StoreError> {
        if condition != PutCondition::Always {
            return Err(StoreError::Unsupported);
        }
        self.0.put(key, bytes, condition).map(|_| None)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let objects = self.0.list(prefix)?;
        Ok(objects.into_iter().map(|object| ObjectInfo { tag: None, ..object }).collect())
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.0.delete(key)
    }
}

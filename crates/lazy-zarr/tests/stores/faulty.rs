//! A store that fails, loses responses, or ends at one of its operations.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use lazy_zarr::{
    ByteRange, Listing, MemoryStore, Object, ObjectInfo, ObjectRanges, PutCondition, Store,
    StoreError, Tag,
};

/// What happens at one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    at: usize,
    /// True if the operation takes effect nevertheless.
    is_done: bool,
    /// True if all later operations fail, too.
    is_last: bool,
}

impl Fault {
    pub(crate) fn none() -> Fault {
        Fault { at: usize::MAX, is_done: false, is_last: false }
    }

    pub(crate) fn fails_at(at: usize) -> Fault {
        Fault { at, ..Fault::none() }
    }

    pub(crate) fn lost_response_at(at: usize) -> Fault {
        Fault { at, is_done: true, is_last: false }
    }

    pub(crate) fn killed_at(at: usize) -> Fault {
        Fault { at, is_done: false, is_last: true }
    }

    pub(crate) fn killed_after(at: usize) -> Fault {
        Fault { at, is_done: true, is_last: true }
    }
}

#[derive(Clone)]
pub(crate) struct FaultyStore {
    inner: MemoryStore,
    fault: Fault,
    n_operations: Arc<AtomicUsize>,
}

impl FaultyStore {
    pub(crate) fn new(inner: MemoryStore, fault: Fault) -> FaultyStore {
        FaultyStore { inner, fault, n_operations: Arc::default() }
    }

    /// Returns the number of operations so far.
    pub(crate) fn n_operations(&self) -> usize {
        self.n_operations.load(Ordering::Relaxed)
    }

    fn run<T>(&self, operation: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        let n = self.n_operations.fetch_add(1, Ordering::Relaxed);
        let fault = self.fault;
        if n < fault.at || (n > fault.at && !fault.is_last) {
            return operation();
        }
        if n == fault.at && fault.is_done {
            let _ = operation();
        }
        Err(StoreError::other("injected fault"))
    }
}

impl Store for FaultyStore {
    fn get(&self, key: &str) -> Result<Object, StoreError> {
        self.run(|| self.inner.get(key))
    }

    fn get_ranges(&self, key: &str, ranges: &[ByteRange]) -> Result<ObjectRanges, StoreError> {
        self.run(|| self.inner.get_ranges(key, ranges))
    }

    fn head(&self, key: &str) -> Result<ObjectInfo, StoreError> {
        self.run(|| self.inner.head(key))
    }

    fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> Result<Option<Tag>, StoreError> {
        self.run(|| self.inner.put(key, bytes, condition))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.run(|| self.inner.list(prefix))
    }

    fn list_directory(&self, prefix: &str) -> Result<Listing, StoreError> {
        self.run(|| self.inner.list_directory(prefix))
    }

    fn is_empty(&self, prefix: &str) -> Result<bool, StoreError> {
        self.run(|| self.inner.is_empty(prefix))
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.run(|| self.inner.delete(key))
    }

    fn delete_all(&self, keys: &[String]) -> Result<(), StoreError> {
        self.run(|| self.inner.delete_all(keys))
    }

    fn concurrency(&self) -> Option<usize> {
        Some(4)
    }
}

//! A store that calls a function before one of its operations.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lazy_zarr::{MemoryStore, Object, ObjectInfo, PutCondition, Store, StoreError, Tag};

type Hook = Box<dyn FnOnce() + Send>;

#[derive(Clone)]
pub(crate) struct HookedStore {
    inner: MemoryStore,
    n_operations: Arc<AtomicUsize>,
    at: usize,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl HookedStore {
    /// Returns a store that calls `hook` before operation `at`.
    pub(crate) fn new(
        inner: MemoryStore,
        at: usize,
        hook: impl FnOnce() + Send + 'static,
    ) -> HookedStore {
        let hook: Hook = Box::new(hook);
        let hook = Arc::new(Mutex::new(Some(hook)));
        HookedStore { inner, n_operations: Arc::default(), at, hook }
    }

    /// Returns the number of operations so far.
    pub(crate) fn n_operations(&self) -> usize {
        self.n_operations.load(Ordering::Relaxed)
    }

    fn inner(&self) -> &MemoryStore {
        if self.n_operations.fetch_add(1, Ordering::Relaxed) == self.at {
            let hook = self.hook.lock().unwrap().take();
            hook.expect("each operation has its own number")();
        }
        &self.inner
    }
}

impl Store for HookedStore {
    fn get(&self, key: &str) -> Result<Object, StoreError> {
        self.inner().get(key)
    }

    fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> Result<Option<Tag>, StoreError> {
        self.inner().put(key, bytes, condition)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.inner().list(prefix)
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.inner().delete(key)
    }
}

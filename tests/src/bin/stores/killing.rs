//! A store that kills its own process.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use lazy_chunks::zarr::{
    ByteRange, Listing, Object, ObjectInfo, ObjectRanges, PutCondition, RemoteStore, Store,
    StoreError, Tag,
};
use rustix::process::{Signal, getpid, kill_process};
use serde::Deserialize;

/// The moment at which the process is killed.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Failpoint {
    /// The number of the request, counted from 0.
    request: usize,
    /// True if the server has answered the request.
    is_done: bool,
}

/// A store that records its requests. A clone shares it.
#[derive(Clone)]
pub(crate) struct KillingStore {
    inner: RemoteStore,
    failpoint: Option<Failpoint>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl KillingStore {
    pub(crate) fn new(inner: RemoteStore, failpoint: Option<Failpoint>) -> KillingStore {
        KillingStore { inner, failpoint, requests: Arc::default() }
    }

    /// Returns the requests so far, each as an operation and a key.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T>(&self, name: &str, key: &str, request: impl FnOnce() -> T) -> T {
        let n = {
            let mut requests = self.lock();
            requests.push(format!("{name} {key}"));
            requests.len() - 1
        };
        match self.failpoint {
            Some(Failpoint { request, is_done: false }) if request == n => kill(),
            _ => {}
        }
        let result = request();
        match self.failpoint {
            Some(Failpoint { request, is_done: true }) if request == n => kill(),
            _ => result,
        }
    }
}

fn kill() -> ! {
    kill_process(getpid(), Signal::KILL).expect("a process can kill itself");
    loop {
        thread::park();
    }
}

impl Store for KillingStore {
    fn get(&self, key: &str) -> Result<Object, StoreError> {
        self.run("get", key, || self.inner.get(key))
    }

    fn get_ranges(&self, key: &str, ranges: &[ByteRange]) -> Result<ObjectRanges, StoreError> {
        self.run("get_ranges", key, || self.inner.get_ranges(key, ranges))
    }

    fn head(&self, key: &str) -> Result<ObjectInfo, StoreError> {
        self.run("head", key, || self.inner.head(key))
    }

    fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> Result<Option<Tag>, StoreError> {
        self.run("put", key, || self.inner.put(key, bytes, condition))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        self.run("list", prefix, || self.inner.list(prefix))
    }

    fn list_directory(&self, prefix: &str) -> Result<Listing, StoreError> {
        self.run("list_directory", prefix, || self.inner.list_directory(prefix))
    }

    fn is_empty(&self, prefix: &str) -> Result<bool, StoreError> {
        self.run("is_empty", prefix, || self.inner.is_empty(prefix))
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.run("delete", key, || self.inner.delete(key))
    }

    fn delete_all(&self, keys: &[String]) -> Result<(), StoreError> {
        self.run("delete_all", &keys.join(" "), || self.inner.delete_all(keys))
    }

    fn concurrency(&self) -> Option<usize> {
        self.inner.concurrency()
    }
}

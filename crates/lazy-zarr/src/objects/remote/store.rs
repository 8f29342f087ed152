//! The adapter.

use std::fmt;
use std::future::{Future, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, PutMode, PutResult};

use super::super::byte_range::ByteRange;
use super::super::error::StoreError;
use super::super::interface::{NoteTag, PutCondition, Store};
use super::super::object::{Listing, Object, ObjectInfo, ObjectRanges, Tag};
use super::failure::{Action, Request};
use super::plain::{refusal, was_retried};
use super::read::{Fetched, fetch, fetch_ranges, head};
use super::retry::Retries;
use super::tag::{identifiers, of_header, tag};
use super::{runtime, write};

/// A store of the crate [`object_store`], such as a bucket of an object store.
///
/// A [`Target`](crate::Target) with a URL such as `s3://bucket/array.zarr` makes its own. This type
/// takes a store that you have configured, or one of your own. A clone shares it.
///
/// Requests run on a few threads of this library, and the calling thread waits. So the operations
/// can be called from any thread, including those of an async runtime.
///
/// A request that fails for a passing reason is retried, by the settings of the store. A put on a
/// condition that was retried may find its own object. It then fails with [`StoreError::Other`],
/// since the object may be there by this put or by another one.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use std::sync::Arc;
///
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::object_store::memory::InMemory;
/// use lazy_chunks::zarr::{RemoteStore, StoredArray, Target, ToZarr};
/// use ndarray::array;
///
/// let store = RemoteStore::new(Arc::new(InMemory::new()));
/// let target = Target::in_store(store, "/run/values");
/// let values = LazyChunkSequence::new(|| [array![1.0, 2.0], array![3.0, 4.0]]);
/// values.convert(NdarrayConverter).to_zarr(&target)?;
/// assert_eq!(StoredArray::open(target)?.read()?.as_slice::<f64>()?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RemoteStore {
    client: Arc<Client>,
}

struct Client {
    store: Arc<dyn ObjectStore>,
    /// The URL or the name of the store.
    name: String,
    retries: Retries,
    is_read_only: bool,
    versions: AtomicU8,
}

/// No response has told yet if objects have versions.
const UNKNOWN: u8 = 0;
const UNVERSIONED: u8 = 1;
const VERSIONED: u8 = 2;

impl RemoteStore {
    /// Returns a store that sends its requests to `store`.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> RemoteStore {
        let name = store.to_string();
        RemoteStore::named(store, name, Retries::default(), false)
    }

    /// Returns a store with a name for errors. If `is_read_only`, all operations except reading
    /// fail.
    pub(crate) fn named(
        store: Arc<dyn ObjectStore>,
        name: String,
        retries: Retries,
        is_read_only: bool,
    ) -> RemoteStore {
        let versions = AtomicU8::new(UNKNOWN);
        RemoteStore { client: Arc::new(Client { store, name, retries, is_read_only, versions }) }
    }

    /// Calls a function with the client and the path for a key, and waits for the future.
    fn request<T: Send + 'static, F>(
        &self,
        action: Action,
        key: &str,
        call: impl FnOnce(Arc<Client>, Path) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let request = self.client.request(action, key);
        if self.client.is_read_only && !matches!(action, Action::Read) {
            return Err(request.failed("a server of plain HTTP is only read"));
        }
        // A key is not encoded. A prefix loses its last `/`.
        let path = Path::parse(key).map_err(|error| request.failed(&error.to_string()))?;
        if path.as_ref() != key.strip_suffix('/').unwrap_or(key) {
            return Err(request.failed("the key begins with /"));
        }
        runtime::wait(call(Arc::clone(&self.client), path))
    }
}

impl Client {
    fn request<'r>(&'r self, action: Action, key: &'r str) -> Request<'r> {
        Request { action, key, store: &self.name }
    }

    fn read_error(&self, path: &Path, error: object_store::Error) -> StoreError {
        let request = self.request(Action::Read, path.as_ref());
        match error {
            error @ object_store::Error::NotFound { .. } => request.not_found(error),
            error => request.error(error),
        }
    }

    /// Returns the tag in a response about one object.
    fn tag(&self, e_tag: Option<&str>, version: Option<&str>) -> Option<Tag> {
        let versions = if version.is_some() { VERSIONED } else { UNVERSIONED };
        self.versions.fetch_max(versions, Ordering::Relaxed);
        tag(e_tag, version)
    }

    /// Returns an object of a listing. Listings contain no versions, so they have tags only if the
    /// store has none.
    fn listed(&self, meta: ObjectMeta) -> ObjectInfo {
        let has_tag = self.versions.load(Ordering::Relaxed) == UNVERSIONED;
        let e_tag = meta.e_tag.as_deref().map(of_header);
        let tag = tag(e_tag.as_deref(), None).filter(|_| has_tag && meta.version.is_none());
        ObjectInfo { key: meta.location.into(), size: meta.size, tag }
    }

    /// Deletes objects, some of which may not exist.
    async fn delete(&self, paths: Vec<Path>) -> Result<(), StoreError> {
        let mut pauses = self.retries.pauses();
        'attempts: loop {
            let all = stream::iter(paths.clone()).map(Ok).boxed();
            let mut results = self.store.delete_stream(all);
            while let Some(result) = results.next().await {
                let Err(error) = result else { continue };
                let key = paths.first().map_or("", |path| path.as_ref());
                let request = self.request(Action::Delete, key);
                let error = match error {
                    error @ object_store::Error::NotFound { .. } => {
                        match request.not_found(error) {
                            StoreError::NotFound => continue,
                            error => return Err(error),
                        }
                    }
                    error => error,
                };
                match pauses.wait_after_passing(error).await {
                    Ok(()) => continue 'attempts,
                    Err(error) => return Err(request.error(error)),
                }
            }
            return Ok(());
        }
    }

    /// Puts an object on a condition, and finds out what a refusal means.
    async fn put(
        &self,
        path: &Path,
        bytes: Bytes,
        condition: PutCondition,
    ) -> Result<PutResult, StoreError> {
        use object_store::Error as E;
        let request = self.request(Action::Write, path.as_ref());
        let mode = match &condition {
            PutCondition::Always => PutMode::Overwrite,
            PutCondition::IfAbsent => PutMode::Create,
            PutCondition::IfUnchanged(tag) => PutMode::Update(identifiers(tag)),
        };
        let mut pauses = self.retries.pauses();
        let mut is_retry = false;
        loop {
            let put = write::put(&*self.store, path, bytes.clone(), mode.clone()).await;
            let mut error = match put {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            if condition == PutCondition::Always {
                match pauses.wait_after_passing(error).await {
                    Ok(()) => continue,
                    Err(spent) => error = spent,
                }
            }
            // A server that retried, or that failed after it had put the object.
            is_retry |= was_retried(&error);
            let refusal = refusal(&error);
            let is_of_bucket = refusal.as_ref().is_some_and(super::failure::is_of_bucket);
            let kind = match (&condition, &error) {
                _ if is_of_bucket => return Err(request.error(error)),
                (PutCondition::IfAbsent, E::AlreadyExists { .. } | E::Precondition { .. }) => {
                    StoreError::Exists
                }
                (PutCondition::IfUnchanged(_), E::Precondition { .. } | E::NotFound { .. }) => {
                    StoreError::Changed
                }
                _ => return Err(request.error(error)),
            };
            if is_retry {
                return Err(request.failed(
                    "an earlier attempt of this put, whose response was lost, or another put has \
                     stored an object",
                ));
            }
            // S3 refuses one of two creations at once with 409, even if the other one fails.
            let is_conflict = refusal.is_some_and(|refusal| refusal.status == 409);
            if !is_conflict || !matches!(kind, StoreError::Exists) {
                return Err(kind);
            }
            match head(&*self.store, &self.retries, path).await {
                Ok(_) => return Err(kind),
                Err(E::NotFound { .. }) => {}
                Err(error) => return Err(request.error(error)),
            }
            pauses.wait_after(error).await.map_err(|error| request.error(error))?;
        }
    }
}

impl Store for RemoteStore {
    fn get(&self, key: &str) -> Result<Object, StoreError> {
        self.get_noting(key, Box::new(|_| {}))
    }

    fn get_noting(&self, key: &str, begun: NoteTag) -> Result<Object, StoreError> {
        self.request(Action::Read, key, |client, path| async move {
            let begun = |meta: &ObjectMeta| {
                begun(client.tag(meta.e_tag.as_deref(), meta.version.as_deref()));
            };
            match fetch(&*client.store, &client.retries, &path, None, begun).await {
                Ok(Fetched { bytes, meta }) => {
                    let tag = client.tag(meta.e_tag.as_deref(), meta.version.as_deref());
                    Ok(Object { bytes, tag })
                }
                Err(error) => Err(client.read_error(&path, error)),
            }
        })
    }

    fn get_ranges(&self, key: &str, ranges: &[ByteRange]) -> Result<ObjectRanges, StoreError> {
        let ranges = ranges.to_vec();
        self.request(Action::Read, key, |client, path| async move {
            match fetch_ranges(&*client.store, &client.retries, &path, &ranges).await {
                Ok((parts, meta)) => {
                    let tag = |meta: ObjectMeta| {
                        client.tag(meta.e_tag.as_deref(), meta.version.as_deref())
                    };
                    Ok(ObjectRanges { parts, tag: meta.and_then(tag) })
                }
                Err(error) => Err(client.read_error(&path, error)),
            }
        })
    }

    fn head(&self, key: &str) -> Result<ObjectInfo, StoreError> {
        self.request(Action::Read, key, |client, path| async move {
            match head(&*client.store, &client.retries, &path).await {
                Ok(meta) => {
                    let tag = client.tag(meta.e_tag.as_deref(), meta.version.as_deref());
                    Ok(ObjectInfo { key: path.into(), size: meta.size, tag })
                }
                Err(error) => Err(client.read_error(&path, error)),
            }
        })
    }

    fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> Result<Option<Tag>, StoreError> {
        self.request(Action::Write, key, |client, path| async move {
            let put = client.put(&path, bytes, condition).await?;
            Ok(client.tag(put.e_tag.as_deref(), put.version.as_deref()))
        })
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let below = prefix.to_owned();
        self.request(Action::List, prefix, |client, path| async move {
            let path = (!path.is_root()).then_some(path);
            let mut pauses = client.retries.pauses();
            let listed = loop {
                match client.store.list(path.as_ref()).try_collect::<Vec<_>>().await {
                    Err(error) => match pauses.wait_after_passing(error).await {
                        Ok(()) => {}
                        Err(error) => break Err(error),
                    },
                    listed => break listed,
                }
            };
            match listed {
                Ok(objects) => {
                    let objects = objects.into_iter().map(|meta| client.listed(meta));
                    // Some programs mark a directory by an object whose key ends with a `/`.
                    Ok(objects.filter(|object| object.key.starts_with(&below)).collect())
                }
                Err(error) => Err(client.request(Action::List, &below).error(error)),
            }
        })
    }

    fn list_directory(&self, prefix: &str) -> Result<Listing, StoreError> {
        let below = prefix.to_owned();
        self.request(Action::List, prefix, |client, path| async move {
            let path = (!path.is_root()).then_some(path);
            let mut pauses = client.retries.pauses();
            let listed = loop {
                match client.store.list_with_delimiter(path.as_ref()).await {
                    Err(error) => match pauses.wait_after_passing(error).await {
                        Ok(()) => {}
                        Err(error) => break Err(error),
                    },
                    listed => break listed,
                }
            };
            match listed {
                Ok(listed) => {
                    let objects = listed.objects.into_iter().map(|meta| client.listed(meta));
                    let prefixes = listed.common_prefixes.into_iter();
                    Ok(Listing {
                        objects: objects.filter(|object| object.key.starts_with(&below)).collect(),
                        prefixes: prefixes.map(|prefix| format!("{prefix}/")).collect(),
                    })
                }
                Err(error) => Err(client.request(Action::List, &below).error(error)),
            }
        })
    }

    fn is_empty(&self, prefix: &str) -> Result<bool, StoreError> {
        let below = prefix.to_owned();
        self.request(Action::List, prefix, |client, path| async move {
            let path = (!path.is_root()).then_some(path);
            let mut pauses = client.retries.pauses();
            loop {
                let is_below =
                    |meta: &ObjectMeta| ready(meta.location.as_ref().starts_with(&*below));
                // Only the pages up to the first object are asked for.
                let mut objects = pin!(client.store.list(path.as_ref()).try_filter(is_below));
                match objects.next().await {
                    None => return Ok(true),
                    Some(Ok(_)) => return Ok(false),
                    Some(Err(error)) => {
                        if let Err(error) = pauses.wait_after_passing(error).await {
                            return Err(client.request(Action::List, &below).error(error));
                        }
                    }
                }
            }
        })
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.request(
            Action::Delete,
            key,
            |client, path| async move { client.delete(vec![path]).await },
        )
    }

    fn delete_all(&self, keys: &[String]) -> Result<(), StoreError> {
        let Some(first) = keys.first() else { return Ok(()) };
        let path = |key: &String| {
            let request = self.client.request(Action::Delete, key);
            Path::parse(key).map_err(|error| request.failed(&error.to_string()))
        };
        let paths = keys.iter().map(path).collect::<Result<Vec<_>, _>>()?;
        self.request(Action::Delete, first, |client, _| async move { client.delete(paths).await })
    }

    fn url(&self, key: &str) -> String {
        let name = &self.client.name;
        // The store of a user has a name that may be no URL.
        if name.contains("://") { format!("{name}/{key}") } else { format!("{name}:/{key}") }
    }

    fn concurrency(&self) -> Option<usize> {
        Some(CONCURRENCY)
    }
}

/// The number of requests in flight that hide the latency of a server.
const CONCURRENCY: usize = 16;

impl fmt::Debug for RemoteStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("RemoteStore").field(&self.client.name).finish()
    }
}

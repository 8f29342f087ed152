//! An object store in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::error::StoreError;
use super::interface::{PutCondition, Store};
use super::object::{Object, ObjectInfo, Tag};

/// An object store in memory. It supports all conditions.
///
/// A clone shares the contents.
///
/// # Example
///
/// Writes and reads an array without a file:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{MemoryStore, StoredArray, ToZarr};
/// use ndarray::array;
///
/// let store = MemoryStore::new();
/// let values = LazyChunkSequence::new(|| [array![1, 2], array![3, 4]]);
/// values.convert(NdarrayConverter).to_zarr(store.clone())?;
/// assert_eq!(StoredArray::open(store)?.read()?.as_slice::<i32>()?, [1, 2, 3, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The name in URLs, if there is one.
    name: Option<String>,
    objects: BTreeMap<String, Object>,
    /// The number of puts so far.
    n_puts: u64,
}

impl MemoryStore {
    /// Returns an empty store.
    #[must_use]
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Returns the store with this name. All parts of this process share it, for as long as the
    /// process runs.
    ///
    /// The URL `memory://NAME/PATH` leads to it.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{MemoryStore, Store, ToZarr};
    /// use ndarray::array;
    ///
    /// let values = LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter);
    /// values.to_zarr("memory://example/values.zarr")?;
    /// assert!(MemoryStore::named("example").get("values.zarr/zarr.json").is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn named(name: &str) -> MemoryStore {
        static STORES: Mutex<BTreeMap<String, MemoryStore>> = Mutex::new(BTreeMap::new());
        let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
        let store = stores.entry(name.to_owned()).or_default().clone();
        store.state().name.get_or_insert_with(|| name.to_owned());
        store
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn url(&self, key: &str) -> String {
        match &self.state().name {
            Some(name) => format!("memory://{name}/{key}"),
            None => format!("store:/{key}"),
        }
    }

    fn get(&self, key: &str) -> Result<Object, StoreError> {
        self.state().objects.get(key).cloned().ok_or(StoreError::NotFound)
    }

    fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> Result<Option<Tag>, StoreError> {
        let mut state = self.state();
        let there = state.objects.get(key);
        match condition {
            PutCondition::IfAbsent if there.is_some() => return Err(StoreError::Exists),
            PutCondition::IfUnchanged(expected)
                if there.and_then(|object| object.tag.as_ref()) != Some(&expected) =>
            {
                return Err(StoreError::Changed);
            }
            _ => {}
        }
        state.n_puts += 1;
        // A copy, so that the object does not keep the memory of a block alive.
        let bytes = Bytes::copy_from_slice(&bytes);
        let tag = Some(Tag::new(state.n_puts.to_string()));
        state.objects.insert(key.to_owned(), Object { bytes, tag: tag.clone() });
        Ok(tag)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
        let state = self.state();
        let below = state.objects.range(prefix.to_owned()..);
        let below = below.take_while(|(key, _)| key.starts_with(prefix));
        let info = |(key, object): (&String, &Object)| ObjectInfo {
            key: key.clone(),
            size: object.bytes.len() as u64,
            tag: object.tag.clone(),
        };
        Ok(below.map(info).collect())
    }

    fn is_empty(&self, prefix: &str) -> Result<bool, StoreError> {
        let state = self.state();
        let first = state.objects.range(prefix.to_owned()..).next();
        Ok(first.is_none_or(|(key, _)| !key.starts_with(prefix)))
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.state().objects.remove(key);
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_objects = self.state().objects.len();
        formatter.debug_struct("MemoryStore").field("n_objects", &n_objects).finish()
    }
}

//! The operations of a store.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::byte_range::ByteRange;
use super::error::StoreError;
use super::object::{Listing, Object, ObjectInfo, ObjectRanges, Tag};

/// A store of objects under keys, such as a bucket of an object store.
///
/// A backend implements four operations: [`get`](Self::get), [`put`](Self::put),
/// [`list`](Self::list) and [`delete`](Self::delete). The other ones are provided, and a backend
/// overrides those that it can do with fewer bytes or requests.
/// [`Target::in_store`](crate::Target::in_store) takes a store; an [`Arc`](std::sync::Arc), a
/// [`Box`] or a reference of a store is a store as well. The suite `conformance::StoreSuite`,
/// behind the feature `conformance`, checks an implementation.
///
/// A **key** is one or more parts with a `/` between each two, such as `group/array/c/0/1`. A part
/// is neither empty nor `.` nor `..`, so a key neither begins nor ends with `/`. A **prefix** is
/// empty, or a key with a `/` at its end. The library passes no other strings. It never
/// uses both a key and a longer key below it, such as `a` and `a/b`.
///
/// Several threads call the operations at once. Each operation is atomic:
///
/// - A reader finds the previous object or the new one, and never a part of either.
/// - After an operation has returned, all later ones see its effect, listings included.
/// - Of several operations with a [condition](PutCondition) that exclude each other, one succeeds.
///
/// An operation that fails with [`StoreError::Other`] may have taken effect nevertheless, as when
/// the response of a server is lost. With any other error, it has changed nothing. Every operation
/// may fail with [`StoreError::Denied`].
///
/// # Example
///
/// A store in a map, without conditions:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex};
///
/// use bytes::Bytes;
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{
///     Object, ObjectInfo, PutCondition, Store, StoreError, StoredArray, Tag, Target, ToZarr,
///     ZarrSink,
/// };
/// use ndarray::array;
///
/// #[derive(Default)]
/// struct MapStore(Mutex<BTreeMap<String, Bytes>>);
///
/// impl Store for MapStore {
///     fn get(&self, key: &str) -> Result<Object, StoreError> {
///         let objects = self.0.lock().unwrap();
///         let bytes = objects.get(key).ok_or(StoreError::NotFound)?.clone();
///         Ok(Object { bytes, tag: None })
///     }
///
///     fn put(
///         &self,
///         key: &str,
///         bytes: Bytes,
///         condition: PutCondition,
///     ) -> Result<Option<Tag>, StoreError> {
///         if condition != PutCondition::Always {
///             return Err(StoreError::Unsupported);
///         }
///         self.0.lock().unwrap().insert(key.to_owned(), bytes);
///         Ok(None)
///     }
///
///     fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
///         let objects = self.0.lock().unwrap();
///         let below = objects.iter().filter(|(key, _)| key.starts_with(prefix));
///         let info = |(key, bytes): (&String, &Bytes)| ObjectInfo {
///             key: key.clone(),
///             size: bytes.len() as u64,
///             tag: None,
///         };
///         Ok(below.map(info).collect())
///     }
///
///     fn delete(&self, key: &str) -> Result<(), StoreError> {
///         self.0.lock().unwrap().remove(key);
///         Ok(())
///     }
/// }
///
/// let store = Arc::new(MapStore::default());
/// let values = LazyChunkSequence::new(|| [array![1.0, 2.0], array![3.0, 4.0]]);
/// let sink = ZarrSink::new(Target::in_store(Arc::clone(&store), "/run/values"));
/// values.convert(NdarrayConverter).to_zarr(sink.with_unconditional_puts())?;
///
/// assert!(store.get("run/values/zarr.json").is_ok());
/// let stored = StoredArray::open(Target::in_store(store, "/run/values"))?;
/// assert_eq!(stored.read()?.as_slice::<f64>()?, [1.0, 2.0, 3.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Store: Send + Sync {
    /// Returns the object under a key, with all its bytes.
    ///
    /// # Errors
    ///
    /// - [`StoreError::NotFound`] if the object does not exist.
    /// - [`StoreError::Other`] if it cannot be read.
    fn get(&self, key: &str) -> Result<Object, StoreError>;

    /// Returns the object under a key, and calls `begun` with its tag as soon as the tag is known. All
    /// returned bytes are of an object that had this tag by then, even if it is replaced before they
    /// arrive. If they are not, because the request had to be repeated, `begun` is called again.
    ///
    /// By default it calls [`get`](Self::get), and then `begun`. A store whose responses begin with
    /// the tag should override it: a read of few objects then checks that the array was not
    /// replaced while their bytes arrive.
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get).
    fn get_noting(&self, key: &str, begun: NoteTag) -> Result<Object, StoreError> {
        let object = self.get(key)?;
        begun(object.tag.clone());
        Ok(object)
    }

    /// Returns ranges of the bytes of an object, in the order of `ranges`, and the object's tag. The
    /// ranges may overlap. If a range exceeds the object, the result contains the bytes that exist,
    /// as [`ByteRange::within`] specifies.
    ///
    /// If the object is replaced during the call, the ranges may belong to different objects. The
    /// result then has no tag. A tag is the same as in other results.
    ///
    /// By default it cuts the ranges out of the result of [`get`](Self::get).
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get), even if `ranges` is empty.
    fn get_ranges(&self, key: &str, ranges: &[ByteRange]) -> Result<ObjectRanges, StoreError> {
        let Object { bytes, tag } = self.get(key)?;
        let cut = |range: &ByteRange| {
            let range = range.within(bytes.len() as u64);
            // Both ends are at most the length.
            bytes.slice(range.start as usize..range.end as usize)
        };
        Ok(ObjectRanges { parts: ranges.iter().map(cut).collect(), tag })
    }

    /// Returns the properties of the object under a key.
    ///
    /// By default it reads the object with [`get`](Self::get).
    ///
    /// # Errors
    ///
    /// The errors of [`get`](Self::get).
    fn head(&self, key: &str) -> Result<ObjectInfo, StoreError> {
        let Object { bytes, tag } = self.get(key)?;
        Ok(ObjectInfo { key: key.to_owned(), size: bytes.len() as u64, tag })
    }

    /// Puts an object under a key if the condition holds. It replaces an existing object. Returns
    /// the object's tag if the store has tags.
    ///
    /// # Errors
    ///
    /// - [`StoreError::Exists`] and [`StoreError::Changed`] if the condition does not hold.
    /// - [`StoreError::Unsupported`] if the store cannot check the condition. Every store supports
    ///   [`PutCondition::Always`].
    /// - [`StoreError::Other`] if the object cannot be stored.
    fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: PutCondition,
    ) -> Result<Option<Tag>, StoreError>;

    /// Returns the properties of all objects whose keys begin with a prefix, in any order. The tag
    /// of an object is the same as in other results, or `None`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] if they cannot be listed. An empty result is not an error.
    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError>;

    /// Returns the properties of the objects directly below a prefix, and the prefixes directly
    /// below it, in any order.
    ///
    /// By default it calls [`list`](Self::list), which takes long above an array of many chunks. A
    /// store that can list with a delimiter should override it.
    ///
    /// # Errors
    ///
    /// The errors of [`list`](Self::list).
    fn list_directory(&self, prefix: &str) -> Result<Listing, StoreError> {
        let mut objects = Vec::new();
        let mut prefixes = BTreeSet::new();
        for object in self.list(prefix)? {
            match object.key[prefix.len()..].find('/') {
                Some(end) => {
                    prefixes.insert(object.key[..=prefix.len() + end].to_owned());
                }
                None => objects.push(object),
            }
        }
        Ok(Listing { objects, prefixes: prefixes.into_iter().collect() })
    }

    /// Returns true if no key begins with a prefix.
    ///
    /// By default it calls [`list`](Self::list). A store that lists in pages should override it, and
    /// ask for the first page only.
    ///
    /// # Errors
    ///
    /// The errors of [`list`](Self::list).
    fn is_empty(&self, prefix: &str) -> Result<bool, StoreError> {
        Ok(self.list(prefix)?.is_empty())
    }

    /// Deletes the object under a key, if it exists.
    ///
    /// # Errors
    ///
    /// [`StoreError::Other`] if it cannot be deleted. A missing object is not an error.
    fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Deletes the objects under keys, as far as they exist, in any order.
    ///
    /// By default it calls [`delete`](Self::delete) for each key. A store that can delete several
    /// objects with one request should override it.
    ///
    /// # Errors
    ///
    /// The errors of [`delete`](Self::delete). Any of the objects may be deleted nevertheless.
    fn delete_all(&self, keys: &[String]) -> Result<(), StoreError> {
        keys.iter().try_for_each(|key| self.delete(key))
    }

    /// Returns the URL of a key or of a prefix, or what stands for it in messages.
    ///
    /// By default it is `store:/` and the key.
    fn url(&self, key: &str) -> String {
        format!("store:/{key}")
    }

    /// Returns the number of requests that a read or a write should have in flight at a time, unless
    /// the user sets a number of threads. A thread waits for each.
    ///
    /// By default it is `None`, for a store that does not wait, such as one in memory: as many as
    /// there are cores.
    fn concurrency(&self) -> Option<usize> {
        None
    }
}

/// What [`Store::get_noting`] calls with the tag of an object, which is `None` if the store has no
/// tags.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_zarr as zarr; }
/// use std::sync::{Arc, Mutex};
///
/// use lazy_chunks::zarr::{MemoryStore, NoteTag, PutCondition, Store};
///
/// let store = MemoryStore::new();
/// let tag = store.put("key", "1".into(), PutCondition::Always)?;
/// let noted = Arc::new(Mutex::new(Vec::new()));
/// let begun: NoteTag = {
///     let noted = Arc::clone(&noted);
///     Box::new(move |tag| noted.lock().unwrap().push(tag))
/// };
/// assert_eq!(store.get_noting("key", begun)?.bytes, "1");
/// assert_eq!(*noted.lock().unwrap(), [tag]);
/// # Ok::<(), lazy_chunks::zarr::StoreError>(())
/// ```
pub type NoteTag = Box<dyn Fn(Option<Tag>) + Send + Sync>;

/// The condition on which [`Store::put`] puts an object. The check and the put are one atomic step.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{MemoryStore, PutCondition, Store, StoreError};
///
/// let store = MemoryStore::new();
/// let tag = store.put("key", "1".into(), PutCondition::IfAbsent)?.unwrap();
/// let again = store.put("key", "2".into(), PutCondition::IfAbsent);
/// assert!(matches!(again, Err(StoreError::Exists)));
///
/// store.put("key", "3".into(), PutCondition::IfUnchanged(tag.clone()))?;
/// let stale = store.put("key", "4".into(), PutCondition::IfUnchanged(tag));
/// assert!(matches!(stale, Err(StoreError::Changed)));
/// assert_eq!(store.get("key")?.bytes, "3");
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PutCondition {
    /// No condition.
    #[default]
    Always,
    /// No object exists under the key.
    IfAbsent,
    /// The object under the key has this tag.
    IfUnchanged(Tag),
}

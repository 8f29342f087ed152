//! Objects, and the results of listing them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

/// An identifier of an object's contents, such as an HTTP `ETag`.
///
/// Different contents under the same key always have different tags. Equal contents may have the
/// same tag or different tags.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{MemoryStore, PutCondition, Store};
///
/// let store = MemoryStore::new();
/// let first = store.put("key", "old".into(), PutCondition::Always)?;
/// let second = store.put("key", "new".into(), PutCondition::Always)?;
/// assert_ne!(first, second);
/// assert_eq!(store.get("key")?.tag, second);
/// # Ok::<(), lazy_chunks::zarr::StoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tag(Arc<str>);

impl Tag {
    /// Returns a tag with this text.
    pub fn new(text: impl Into<Arc<str>>) -> Tag {
        Tag(text.into())
    }

    /// Returns the text of the tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An object of a [`Store`](super::Store). Its size is the number of its bytes.
///
/// [`Store`](super::Store) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The bytes.
    pub bytes: Bytes,
    /// The tag, if the store has tags.
    pub tag: Option<Tag>,
}

/// Ranges of the bytes of an object, as [`Store::get_ranges`](super::Store::get_ranges) returns
/// them.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{ByteRange, MemoryStore, PutCondition, Store};
///
/// let store = MemoryStore::new();
/// store.put("key", "0123456789".into(), PutCondition::Always)?;
/// let ranges = store.get_ranges("key", &[ByteRange::Last(2), ByteRange::Bounded(3..5)])?;
/// assert_eq!(ranges.parts, ["89", "34"]);
/// assert_eq!(ranges.tag, store.get("key")?.tag);
/// # Ok::<(), lazy_chunks::zarr::StoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRanges {
    /// The bytes of each range.
    pub parts: Vec<Bytes>,
    /// The tag of the object that all bytes come from. It is `None` if the store has no tags, or if
    /// the bytes may come from several objects, because the object was replaced during the call.
    pub tag: Option<Tag>,
}

/// The properties of an object of a [`Store`](super::Store), without its bytes.
///
/// [`Store`](super::Store) has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The key.
    pub key: String,
    /// The number of bytes.
    pub size: u64,
    /// The tag, if the store has tags.
    pub tag: Option<Tag>,
}

/// The objects and prefixes directly below a prefix, as
/// [`Store::list_directory`](super::Store::list_directory) returns them.
///
/// [`Store`](super::Store) has an example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The objects whose keys have no `/` after the prefix.
    pub objects: Vec<ObjectInfo>,
    /// The distinct beginnings of all other keys, up to and including the first `/` after the
    /// prefix.
    pub prefixes: Vec<String>,
}

//! The detection of changes to arrays in stores.

use xxhash_rust::xxh3::xxh3_128;

use super::array::StoredArray;
use crate::error::Result;
use crate::objects::ObjectInfo;
use crate::store::Origin;
use crate::target::{Resolved, StorageRoot, store_prefix};

impl StoredArray {
    /// Returns a digest of the metadata, and of the keys, sizes and tags of all objects of the array
    /// in its store. Returns `None` if the array is not in a store.
    ///
    /// A program that writes to a chunk changes the digest, unless the store has no tags and the
    /// chunk keeps its size. If the store cannot list objects, the digest is of the metadata alone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidTarget`](crate::ErrorKind::InvalidTarget) if the store cannot be opened
    /// again.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{MemoryStore, PutCondition, Store, ToZarr};
    /// use ndarray::array;
    ///
    /// let store = MemoryStore::new();
    /// let values = LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter);
    /// let stored = values.to_zarr(&store)?;
    /// let before = stored.object_fingerprint()?;
    /// assert_eq!(stored.object_fingerprint()?, before);
    ///
    /// store.put("c/0", "damaged".into(), PutCondition::Always)?;
    /// assert_ne!(stored.object_fingerprint()?, before);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn object_fingerprint(&self) -> Result<Option<String>> {
        let Origin::Keys { bytes, .. } = &self.origin else { return Ok(None) };
        let (prefix, mut objects) = self.objects()?.unwrap_or_default();
        objects.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        for ObjectInfo { key, size, tag } in &objects {
            let tag = tag.as_ref().map_or_else(String::new, ToString::to_string);
            text.push_str(&format!("{} {size} {tag}\n", &key[prefix.len()..]));
        }
        Ok(Some(format!("{:032x}", xxh3_128(text.as_bytes()))))
    }

    /// Returns the prefix of the array in its store, and all objects below it. None if the array is
    /// not in a store, or if the store cannot list objects: servers of files over HTTP cannot.
    pub(super) fn objects(&self) -> Result<Option<(String, Vec<ObjectInfo>)>> {
        let Resolved { place, members } = self.place.resolve()?;
        let StorageRoot::Store { store, path } = place else { return Ok(None) };
        let prefix = store_prefix(&path, &members);
        Ok(store.list(&prefix).ok().map(|objects| (prefix, objects)))
    }
}

//! Stores that zarrs reads: the directory of a [`FileSystem`], a [`Store`], a store with one
//! replaced document, and a store in which a missing key is an error.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use zarrs::storage::byte_range::{
    ByteRange, ByteRangeIterator, InvalidByteRangeError, extract_byte_ranges,
};
use zarrs::storage::{
    MaybeBytesIterator, ReadableStorage, ReadableStorageTraits, StorageError, StoreKey,
};

use crate::defect::MISSING;
use crate::fs::FileSystem;
use crate::objects::{
    ByteRange as ObjectRange, Object, ObjectInfo, ObjectRanges, Store, StoreError, Tag,
};

/// Reads keys as files below a directory.
#[derive(Debug)]
pub(crate) struct DirectoryStore {
    file_system: Arc<dyn FileSystem>,
    directory: PathBuf,
}

impl DirectoryStore {
    pub(crate) fn new(file_system: Arc<dyn FileSystem>, directory: PathBuf) -> DirectoryStore {
        DirectoryStore { file_system, directory }
    }

    fn path(&self, key: &StoreKey) -> PathBuf {
        self.directory.join(key.as_str())
    }

    fn read(&self, key: &StoreKey, range: ByteRange, size: u64) -> Result<Bytes, StorageError> {
        let invalid = || InvalidByteRangeError::new(range, size);
        let (offset, length) = match range {
            ByteRange::FromStart(offset, length) => (offset, length),
            ByteRange::Suffix(length) => {
                (size.checked_sub(length).ok_or_else(invalid)?, Some(length))
            }
        };
        let bytes = self.file_system.read(&self.path(key), offset, length)?;
        match length {
            Some(length) if length != bytes.len() as u64 => Err(invalid().into()),
            _ => Ok(bytes),
        }
    }
}

impl ReadableStorageTraits for DirectoryStore {
    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let Some(size) = self.size_key(key)? else { return Ok(None) };
        let key = key.clone();
        Ok(Some(Box::new(byte_ranges.map(move |range| self.read(&key, range, size)))))
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        match self.file_system.size(&self.path(key)) {
            Ok(size) => Ok(Some(size)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn supports_get_partial(&self) -> bool {
        true
    }
}

/// Reads keys as objects of a [`Store`].
pub(crate) struct ObjectReader {
    store: Arc<dyn Store>,
    note: Option<Note>,
}

type Note = Arc<dyn Fn(&StoreKey, Option<Tag>) + Send + Sync>;

impl ObjectReader {
    pub(crate) fn new(store: Arc<dyn Store>) -> ObjectReader {
        ObjectReader { store, note: None }
    }

    /// Returns a reader that calls `note` with the key and the tag of an object when a response
    /// begins, if the store tells, and after it. The tag is `None` if the object has none or does not
    /// exist.
    pub(super) fn noting(
        store: Arc<dyn Store>,
        note: impl Fn(&StoreKey, Option<Tag>) + Send + Sync + 'static,
    ) -> ObjectReader {
        ObjectReader { store, note: Some(Arc::new(note)) }
    }

    /// Notes a response, and turns the error of an object that does not exist into `None`.
    fn found<T>(
        &self,
        key: &StoreKey,
        response: Result<(T, Option<Tag>), StoreError>,
    ) -> Result<Option<T>, StorageError> {
        let (value, tag) = match response {
            Ok((value, tag)) => (Some(value), tag),
            Err(StoreError::NotFound) => (None, None),
            // This is the only error of zarrs that keeps its cause.
            Err(error) => return Err(io::Error::other(error).into()),
        };
        if let Some(note) = &self.note {
            note(key, tag);
        }
        Ok(value)
    }
}

impl ReadableStorageTraits for ObjectReader {
    fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, StorageError> {
        let response = match &self.note {
            Some(note) => {
                let (note, noted) = (Arc::clone(note), key.clone());
                self.store.get_noting(key.as_str(), Box::new(move |tag| note(&noted, tag)))
            }
            None => self.store.get(key.as_str()),
        };
        self.found(key, response.map(|Object { bytes, tag }| (bytes, tag)))
    }

    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let asked: Vec<_> = byte_ranges.collect();
        let ranges: Vec<_> = asked
            .iter()
            .map(|range| match *range {
                ByteRange::FromStart(offset, None) => ObjectRange::From(offset),
                ByteRange::FromStart(offset, Some(length)) => {
                    ObjectRange::Bounded(offset..offset.saturating_add(length))
                }
                ByteRange::Suffix(length) => ObjectRange::Last(length),
            })
            .collect();
        let response = self.store.get_ranges(key.as_str(), &ranges);
        let response = response.map(|ObjectRanges { parts, tag }| (parts, tag));
        let Some(parts) = self.found(key, response)? else { return Ok(None) };
        let mut read = Vec::new();
        for (range, bytes) in asked.into_iter().zip(parts) {
            let expected = match range {
                ByteRange::FromStart(_, length) => length,
                ByteRange::Suffix(length) => Some(length),
            };
            if expected.is_some_and(|length| length != bytes.len() as u64) {
                let Some(size) = self.size_key(key)? else { return Ok(None) };
                return Err(InvalidByteRangeError::new(range, size).into());
            }
            read.push(Ok(bytes));
        }
        Ok(Some(Box::new(read.into_iter())))
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        let response = self.store.head(key.as_str());
        self.found(key, response.map(|ObjectInfo { size, tag, .. }| (size, tag)))
    }

    fn supports_get_partial(&self) -> bool {
        true
    }
}

/// A store with replaced bytes for one key.
pub(crate) struct WithDocument {
    pub(crate) store: ReadableStorage,
    pub(crate) key: StoreKey,
    pub(crate) bytes: Bytes,
}

impl ReadableStorageTraits for WithDocument {
    fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, StorageError> {
        if *key == self.key { Ok(Some(self.bytes.clone())) } else { self.store.get(key) }
    }

    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        if *key != self.key {
            return self.store.get_partial_many(key, byte_ranges);
        }
        let parts = extract_byte_ranges(&self.bytes, byte_ranges)?;
        Ok(Some(Box::new(parts.into_iter().map(|part| Ok(part.into())))))
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        if *key == self.key { Ok(Some(self.bytes.len() as u64)) } else { self.store.size_key(key) }
    }

    fn supports_get_partial(&self) -> bool {
        self.store.supports_get_partial()
    }
}

/// A store in which a missing key is an error.
pub(crate) struct CompleteStore {
    store: ReadableStorage,
}

impl CompleteStore {
    pub(crate) fn new(store: ReadableStorage) -> CompleteStore {
        CompleteStore { store }
    }
}

impl ReadableStorageTraits for CompleteStore {
    fn get(&self, key: &StoreKey) -> Result<Option<Bytes>, StorageError> {
        self.store.get(key)?.map(Some).ok_or_else(missing)
    }

    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        byte_ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        self.store.get_partial_many(key, byte_ranges)?.map(Some).ok_or_else(missing)
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        self.store.size_key(key)?.map(Some).ok_or_else(missing)
    }

    fn supports_get_partial(&self) -> bool {
        self.store.supports_get_partial()
    }
}

fn missing() -> StorageError {
    StorageError::Other(MISSING.to_owned())
}

//! Stores that zarrs reads: a directory of a [`FileSystem`], and one of which nothing may be missing.

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

use crate::FileSystem;

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

/// A store in which one key has other bytes.
pub(crate) struct WithDocument {
    pub(crate) store: ReadableStorage,
    pub(crate) key: StoreKey,
    pub(crate) bytes: Bytes,
}

impl ReadableStorageTraits for WithDocument {
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

/// A store in which a key that is not there is an error.
pub(crate) struct CompleteStore {
    store: ReadableStorage,
}

impl CompleteStore {
    pub(crate) fn new(store: ReadableStorage) -> CompleteStore {
        CompleteStore { store }
    }
}

impl ReadableStorageTraits for CompleteStore {
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

/// What is said of a key that is not there in a store of which nothing may be missing.
pub(crate) const MISSING: &str = "it is missing, though all chunks of this array were stored";

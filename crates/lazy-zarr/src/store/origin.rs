//! The identity of a stored array, by which a replacement of the array is detected.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use zarrs::storage::{ReadableStorage, ReadableStorageTraits, StoreKey};

use super::adapters::ObjectReader;
use crate::error::{Error, Result, TargetError};
use crate::fs::{FilePin, FileSystem};
use crate::objects::Store;

/// The source that an array is read from.
pub(crate) struct Source {
    pub(crate) store: ReadableStorage,
    /// The path of the array in the store.
    pub(crate) path: String,
    pub(crate) origin: Origin,
}

/// The location of an array, and the version that existed when its handle was created.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A directory. Each version of the array has a metadata file of its own, which is pinned after
    /// it is published.
    Directory { file_system: Arc<dyn FileSystem>, path: PathBuf, pinned: Option<Pinned> },
    /// Keys of a store. Keys have no identity, so the bytes of the metadata identify the version.
    Keys { store: Arc<dyn Store>, document: StoreKey, bytes: Bytes },
}

/// The pinned metadata file of a version of an array.
#[derive(Clone)]
pub(crate) struct Pinned {
    path: PathBuf,
    pin: Arc<FilePin>,
}

impl Origin {
    /// Returns the origin of an array in a directory, before the array is published.
    pub(crate) fn of_directory(file_system: Arc<dyn FileSystem>, path: PathBuf) -> Origin {
        Origin::Directory { file_system, path, pinned: None }
    }

    /// Pins the present metadata file in the directory.
    pub(crate) fn pin(&mut self, document: &str) -> Result<()> {
        let Origin::Directory { file_system, path, pinned } = self else { return Ok(()) };
        let path = path.join(document);
        let pin = file_system.pin(&path).map_err(|source| Error::examine(&path, source))?;
        *pinned = Some(Pinned { path, pin: Arc::new(pin) });
        Ok(())
    }

    /// Returns the number of requests that the store should have in flight, if it waits.
    pub(crate) fn concurrency(&self) -> Option<usize> {
        match self {
            Origin::Directory { .. } => None,
            Origin::Keys { store, .. } => store.concurrency(),
        }
    }

    /// Checks that the array is still the version that the handle was created for.
    pub(crate) fn check(&self, target: &str) -> Result<()> {
        let target = || target.to_owned();
        let is_same = match self {
            Origin::Directory { pinned: None, .. } => true,
            Origin::Directory { pinned: Some(Pinned { path, pin }), .. } => match pin.is_at(path) {
                Ok(is_same) => is_same,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(TargetError::Removed { target: target() }.into());
                }
                Err(source) => return Err(Error::examine(path, source)),
            },
            Origin::Keys { store, document, bytes } => {
                match ObjectReader::new(Arc::clone(store)).get(document) {
                    Ok(Some(now)) => now == *bytes,
                    Ok(None) => return Err(TargetError::Removed { target: target() }.into()),
                    Err(error) => return Err(Error::store(document, error)),
                }
            }
        };
        if is_same { Ok(()) } else { Err(TargetError::Replaced { target: target() }.into()) }
    }
}

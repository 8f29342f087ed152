//! What tells a stored array from another that takes its place.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use zarrs::storage::{ReadableStorage, StoreKey};

use crate::{DirectoryId, Error, FileSystem, Result};

/// Where an array is read from.
pub(crate) struct Source {
    pub(crate) store: ReadableStorage,
    /// The array's path in the store.
    pub(crate) path: String,
    pub(crate) origin: Origin,
}

/// Where an array lies, and what was there when its handle was made.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A directory, which keeps its identity when it is moved, and so through the rename that publishes
    /// it.
    Directory { file_system: Arc<dyn FileSystem>, path: PathBuf, identity: DirectoryId },
    /// Keys of a store, which have no identity: the bytes of the metadata have to do.
    Keys { store: ReadableStorage, document: StoreKey, bytes: Bytes },
}

impl Origin {
    /// The directory that is to lie at `path` and lies at `at` now.
    pub(crate) fn of_directory(
        file_system: Arc<dyn FileSystem>,
        path: PathBuf,
        at: PathBuf,
    ) -> Result<Origin> {
        let identity =
            file_system.identity(&at).map_err(|source| Error::Examine { path: at, source })?;
        Ok(Origin::Directory { file_system, path, identity })
    }

    /// Whether what lies there is still the array that the handle was made for.
    pub(super) fn check(&self, target: &str) -> Result<()> {
        let target = || target.to_owned();
        let is_same = match self {
            Origin::Directory { file_system, path, identity } => {
                match file_system.identity(path) {
                    Ok(now) => now == *identity,
                    Err(error) => match (file_system.kind(path), error.kind()) {
                        (Ok(None), _) | (_, io::ErrorKind::NotFound) => {
                            return Err(Error::Removed { target: target() });
                        }
                        // A file, for instance.
                        (Ok(Some(kind)), _) if kind != crate::EntryKind::Directory => false,
                        _ => return Err(Error::Examine { path: path.clone(), source: error }),
                    },
                }
            }
            Origin::Keys { store, document, bytes } => match store.get(document) {
                Ok(Some(now)) => now == *bytes,
                Ok(None) => return Err(Error::Removed { target: target() }),
                Err(error) => {
                    return Err(Error::Store { key: document.to_string(), source: error.into() });
                }
            },
        };
        if is_same { Ok(()) } else { Err(Error::Replaced { target: target() }) }
    }
}

//! Errors of file systems and stores, and of the metadata that they hold.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::{fmt, io};

use lazy_core::BoxError;

use super::convert::chain;
use super::{Error, ErrorKind, Facts, foreign};
#[cfg(feature = "object-store")]
use crate::objects::RequestError;
use crate::objects::StoreError;

/// Files or keys cannot be read, listed or removed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// A file system failed.
    #[error("could not access {}", path.display())]
    Examine { path: PathBuf, source: io::Error },
    /// A store instance failed.
    #[error("the store failed{}", at(key, &**source))]
    Store { key: String, source: BoxError },
    /// The metadata document of a Zarr node is not valid.
    #[error("the Zarr metadata {path} is not valid JSON")]
    InvalidMetadata { path: String, source: BoxError },
    /// The metadata document of a Zarr node has an unknown `node_type`.
    #[error("the Zarr metadata {path} describes neither an array nor a group")]
    UnknownNode { path: String },
    /// The metadata document of a Zarr node is too long to be read.
    #[error("the Zarr metadata {path} has {n_bytes} bytes, but at most {limit} are read")]
    LongMetadata { path: String, n_bytes: u64, limit: u64 },
}

impl AccessError {
    pub(super) fn facts(&self) -> Facts<'_> {
        match self {
            AccessError::Examine { path, .. } => {
                Facts { path: Some(path), ..Facts::of(ErrorKind::Io) }
            }
            AccessError::Store { key, source } => {
                let kind =
                    if is_denied(&**source) { ErrorKind::AccessDenied } else { ErrorKind::Io };
                Facts { key: Some(key), ..Facts::of(kind) }
            }
            AccessError::InvalidMetadata { path, .. }
            | AccessError::UnknownNode { path }
            | AccessError::LongMetadata { path, .. } => {
                Facts { path: Some(Path::new(path)), ..Facts::of(ErrorKind::Corrupt) }
            }
        }
    }
}

/// Returns the place of a failure, unless the cause names it.
fn at(key: &str, source: &(dyn StdError + 'static)) -> String {
    if source.to_string().contains(key) { String::new() } else { format!(" at key {key}") }
}

/// Returns true if an error or one of its causes is the refusal of a store.
fn is_denied(error: &(dyn StdError + 'static)) -> bool {
    chain(error).any(|cause| matches!(cause.downcast_ref(), Some(StoreError::Denied(_))))
}

/// Returns the remedy for the failure of a store, if an error or one of its causes is one.
pub(super) fn hint_of_store(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    if is_denied(error) {
        return Some(super::CREDENTIALS);
    }
    #[cfg(feature = "object-store")]
    return chain(error).find_map(|cause| match cause.downcast_ref()? {
        StoreError::Other(source) => source.downcast_ref::<RequestError>()?.remedy(),
        _ => None,
    });
    #[cfg(not(feature = "object-store"))]
    None
}

impl Error {
    /// Returns the error of a file system operation that examines or removes files.
    pub(crate) fn examine(path: impl Into<PathBuf>, source: io::Error) -> Error {
        AccessError::Examine { path: path.into(), source }.into()
    }

    /// Returns the error of a store instance.
    pub(crate) fn store(key: &(impl fmt::Display + ?Sized), source: impl Into<BoxError>) -> Error {
        AccessError::Store { key: key.to_string(), source: foreign(source) }.into()
    }
}

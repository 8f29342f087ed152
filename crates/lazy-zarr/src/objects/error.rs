//! The errors of stores.

use std::io;

use lazy_core::BoxError;

/// An error of a [`Store`](super::Store).
///
/// [`Store`](super::Store) has an example.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store has no object under the key.
    #[error("the store has no such object")]
    NotFound,
    /// The put required a free key, but an object exists under the key.
    #[error("the object exists already")]
    Exists,
    /// The put required an unchanged object under the key, but the object was replaced or deleted.
    #[error("the object has changed")]
    Changed,
    /// The store does not support the operation. It has changed nothing.
    #[error("the store does not support the operation")]
    Unsupported,
    /// The store refused access: credentials are missing, have expired, or do not permit the
    /// operation. It has changed nothing.
    #[error(transparent)]
    Denied(BoxError),
    /// Any other failure.
    #[error(transparent)]
    Other(BoxError),
}

impl StoreError {
    /// Returns [`StoreError::Other`] with this cause or message.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_zarr as zarr; }
    /// use lazy_chunks::zarr::StoreError;
    ///
    /// assert_eq!(StoreError::other("the server is busy").to_string(), "the server is busy");
    /// ```
    pub fn other(error: impl Into<BoxError>) -> StoreError {
        StoreError::Other(error.into())
    }
}

/// Converts the kinds `NotFound` and `Unsupported` to [`NotFound`](StoreError::NotFound) and
/// [`Unsupported`](StoreError::Unsupported), and every other kind to [`Other`](StoreError::Other).
impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> StoreError {
        match error.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound,
            io::ErrorKind::Unsupported => StoreError::Unsupported,
            _ => StoreError::other(error),
        }
    }
}

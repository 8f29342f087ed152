//! Stores of the crate `object_store` behind the synchronous interface.

mod failure;
mod plain;
mod read;
mod retry;
mod runtime;
mod store;
mod tag;
mod write;

pub(crate) use failure::RequestError;
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
pub(crate) use plain::innermost;
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure", feature = "http"))]
pub(crate) use retry::Retries;
pub use store::RemoteStore;

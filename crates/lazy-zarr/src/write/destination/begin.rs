//! The choice of the destination for a target.

use std::sync::Arc;

use bytes::Bytes;

use super::directory::Directory;
use super::interface::Destination;
use super::objects::StoreWrite;
use crate::error::{Result, ResumeError};
use crate::settings::WriteSettings;
use crate::staging::{Journal, Record};
use crate::target::{Resolved, StorageRoot};

/// A destination that is ready to store chunks.
pub(crate) struct Begun {
    pub(crate) destination: Arc<dyn Destination>,
    /// The journal of a resumable write.
    pub(crate) journal: Option<Arc<Journal>>,
    /// The record of an earlier write, if that write is resumed.
    pub(crate) record: Option<Record>,
    /// The metadata document of the array to append to, if the write appends.
    pub(crate) base: Option<Bytes>,
}

/// Checks the target and prepares to write there.
pub(crate) fn begin(settings: &WriteSettings) -> Result<Begun> {
    let target = &settings.target;
    let Resolved { place, members } = target.resolve()?;
    match place {
        StorageRoot::Directory { file_system, path } => {
            let (write, record) = Directory::begin(settings, &file_system, &path, &members)?;
            let journal = write.journal().map(Arc::clone);
            let base = write.base().cloned();
            Ok(Begun { destination: Arc::new(write), journal, record, base })
        }
        StorageRoot::Store { .. } if settings.resume.is_some() => Err(ResumeError::NotResumable {
            target: target.to_string(),
            reason: "a store instance cannot keep an unfinished write",
        }
        .into()),
        StorageRoot::Store { store, path } => {
            let write = StoreWrite::begin(settings, store, &path, &members)?;
            Ok(Begun { destination: Arc::new(write), journal: None, record: None, base: None })
        }
    }
}

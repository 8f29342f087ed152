//! The choice of the destination for a target.

use std::sync::Arc;

use bytes::Bytes;

use super::directory::Directory;
use super::interface::Destination;
use super::objects::StoreWrite;
use crate::error::Result;
use crate::settings::WriteSettings;
use crate::staging::{Journal, Record};
use crate::target::{Resolved, StorageRoot};

/// A destination that is ready to store chunks.
pub(crate) struct Begun {
    pub(crate) destination: Arc<dyn Destination>,
    /// The journal of a resumable write.
    pub(crate) journal: Option<Arc<dyn Journal>>,
    /// The record of an earlier write, if that write is resumed.
    pub(crate) record: Option<Record>,
    /// The metadata document of the array to append to, if the write appends.
    pub(crate) base: Option<Bytes>,
}

/// Checks the target.
pub(crate) fn check(settings: &WriteSettings) -> Result<()> {
    let Resolved { place, members } = settings.target.resolve()?;
    match place {
        StorageRoot::Directory { file_system, path } => {
            Directory::check(settings, &file_system, &path, &members)
        }
        StorageRoot::Store { store, path } => StoreWrite::check(settings, &*store, &path, &members),
    }
}

/// Checks the target and prepares to write there.
pub(crate) fn begin(settings: &WriteSettings) -> Result<Begun> {
    let target = &settings.target;
    let Resolved { place, members } = target.resolve()?;
    match place {
        StorageRoot::Directory { file_system, path } => {
            let (write, record) = Directory::begin(settings, &file_system, &path, &members)?;
            let journal = write.journal().map(|journal| Arc::clone(journal) as Arc<_>);
            let base = write.base().cloned();
            Ok(Begun { destination: Arc::new(write), journal, record, base })
        }
        StorageRoot::Store { store, path } => {
            let (write, record) = StoreWrite::begin(settings, store, &path, &members)?;
            let journal = write.journal().map(|journal| Arc::clone(journal) as Arc<_>);
            let base = write.base().cloned();
            Ok(Begun { destination: Arc::new(write), journal, record, base })
        }
    }
}

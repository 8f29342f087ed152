//! What remains to be done for an array that an earlier write has published.

use super::directory::flush_again;
use crate::error::Result;
use crate::settings::WriteSettings;
use crate::staging::clean_up_store;
use crate::target::{Resolved, StorageRoot, store_prefix};

/// Does what the process that published the array may not have done before it ended: flushes the
/// directory entries, or removes its claim from a store.
pub(crate) fn settle(settings: &WriteSettings) -> Result<()> {
    let Resolved { place, members } = settings.target.resolve()?;
    match place {
        StorageRoot::Directory { file_system, path } => {
            flush_again(settings, &*file_system, path, &members)
        }
        StorageRoot::Store { store, path } => {
            if let Err(error) = clean_up_store(&*store, &store_prefix(&path, &members)) {
                let array = settings.target.to_string();
                tracing::warn!(%array, %error, "the claim of a finished write could not be removed");
            }
            Ok(())
        }
    }
}

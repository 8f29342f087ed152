//! The contents of the chunks of a part, by which the worker that finishes the plan finds those that
//! were changed meanwhile.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fs::FileSystem;
use crate::staging::Entry;

/// The hashes of the chunks of a part that have no rows of other parts, in C order, and the time
/// when all of them were stored.
///
/// Only files that were changed at that time or later are read again, so finishing a plan does not
/// read the array. Both times are those of the file system of the chunks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Contents {
    /// The time since the epoch, or `None` if the file system keeps no times.
    stored_at: Option<Duration>,
    hashes: Vec<u64>,
}

impl Contents {
    pub(super) fn new(stored_at: Option<SystemTime>, hashes: Vec<u64>) -> Contents {
        let stored_at = stored_at.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Contents { stored_at, hashes }
    }

    /// Returns true if the contents of a chunk are others than when it was stored. A missing chunk
    /// does not count.
    pub(super) fn have_changed(
        &self,
        file_system: &dyn FileSystem,
        array: &Path,
        keys: impl Iterator<Item = String>,
    ) -> Result<bool> {
        let Some(stored_at) = self.stored_at.and_then(|time| UNIX_EPOCH.checked_add(time)) else {
            return Ok(false);
        };
        for (key, hash) in keys.zip(&self.hashes) {
            let path = array.join(key);
            let has_changed = || -> io::Result<bool> {
                if file_system.modified(&path)?.is_none_or(|modified| modified < stored_at) {
                    return Ok(false);
                }
                Ok(Entry::of([&*file_system.read(&path, 0, None)?]).hash != *hash)
            };
            match has_changed() {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::examine(path, source)),
            }
        }
        Ok(false)
    }
}

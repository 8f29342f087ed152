//! The state of a write, as found from the lock and the description in its staging directory.

use std::io;
use std::path::Path;
use std::thread::sleep;

use super::directory::{BETWEEN_TRIES, HOLDER, LOCK, MOST_TRIES, Staging};
use super::process::{self, Liveness};
use crate::fs::{FileLock, FileSystem, LockScope};

/// The state of a write that left a staging directory.
pub(super) enum State {
    Ended(Option<FileLock>),
    /// The write has ended, but another process holds the lock, to examine the write or to take
    /// over from it.
    Examined,
    Running {
        holder: String,
    },
    Unknown {
        holder: String,
        lock: Option<FileLock>,
    },
}

impl Staging {
    /// Returns the process that holds a write, and true if the process is certain to be running.
    /// Returns `None` if the write has ended.
    pub(crate) fn holder(
        file_system: &dyn FileSystem,
        directory: &Path,
    ) -> io::Result<Option<(String, bool)>> {
        for _ in 0..MOST_TRIES {
            return match state(file_system, directory) {
                Ok(State::Ended(_)) => Ok(None),
                Ok(State::Examined) => {
                    sleep(BETWEEN_TRIES);
                    continue;
                }
                Ok(State::Running { holder }) => Ok(Some((holder, true))),
                Ok(State::Unknown { holder, .. }) => Ok(Some((holder, false))),
                // The directory is being created or removed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
        }
        Ok(Some((process::name(b""), true)))
    }
}

/// Locks a staging directory. Returns `None` if the file system does not support locks.
pub(super) fn lock(file_system: &dyn FileSystem, directory: &Path) -> io::Result<Option<FileLock>> {
    let path = directory.join(LOCK);
    let pin = file_system.pin(&path)?;
    let lock = match file_system.lock(&path) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => None,
        lock => Some(lock?),
    };
    // A write that has just ended may have removed the file that is locked now, and another write
    // may have created a new one.
    if pin.is_at(&path)? { Ok(lock) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Returns the state of the write of a staging directory.
pub(super) fn state(file_system: &dyn FileSystem, directory: &Path) -> io::Result<State> {
    let lock = match lock(file_system, directory) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let description = description(file_system, directory)?.unwrap_or_default();
            return Ok(match process::liveness(&description) {
                Liveness::Ended => State::Examined,
                Liveness::Running | Liveness::Unknown => {
                    State::Running { holder: process::name(&description) }
                }
            });
        }
        lock => lock?,
    };
    if lock.is_some() && file_system.lock_scope(directory)? == LockScope::Everywhere {
        return Ok(State::Ended(lock));
    }
    // A write that ends removes its description before its lock.
    let Some(description) = description(file_system, directory)? else {
        return Ok(State::Ended(lock));
    };
    let holder = process::name(&description);
    Ok(match process::liveness(&description) {
        Liveness::Running => State::Running { holder },
        Liveness::Ended => State::Ended(lock),
        Liveness::Unknown => State::Unknown { holder, lock },
    })
}

/// Returns the description of the process that holds a staging directory, if there is one.
fn description(file_system: &dyn FileSystem, directory: &Path) -> io::Result<Option<Vec<u8>>> {
    const MOST: u64 = 1000;
    match file_system.read(&directory.join(HOLDER), 0, Some(MOST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // A file that cannot be read, for instance because another user owns it, counts as empty.
        read => Ok(Some(read.map(|bytes| bytes.to_vec()).unwrap_or_default())),
    }
}

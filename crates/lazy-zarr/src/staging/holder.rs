//! The state of the write of a staging directory, by its lock and its description.

use std::io;
use std::path::Path;
use std::thread::sleep;

use super::directory::{BETWEEN_TRIES, HOLDER, LOCK, MOST_TRIES, Staging};
use super::process::{self, Liveness};
use crate::fs::{FileLock, FileSystem, LockScope};

/// Whether a write that left a staging directory has ended.
pub(super) enum State {
    Ended(Option<FileLock>),
    /// It has ended, but another process holds the lock: to find that out, or to take over.
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
    /// Returns the state of a write: `None` if it has ended, or else who holds it, and whether that is
    /// certain.
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
                // It was being created, or removed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            };
        }
        Ok(Some((process::name(b""), true)))
    }
}

/// Locks a staging directory; `None` where the file system has no locks.
pub(super) fn lock(file_system: &dyn FileSystem, directory: &Path) -> io::Result<Option<FileLock>> {
    let path = directory.join(LOCK);
    let pin = file_system.pin(&path)?;
    let lock = match file_system.lock(&path) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => None,
        lock => Some(lock?),
    };
    // A write that has just ended may have removed the file that is locked now, and another one have created
    // a new one.
    if pin.is_at(&path)? { Ok(lock) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Finds out whether the write of a staging directory has ended.
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
    // It is removed before the lock, when the write has ended.
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
        // What cannot be read, such as another user's file, says nothing.
        read => Ok(Some(read.map(|bytes| bytes.to_vec()).unwrap_or_default())),
    }
}

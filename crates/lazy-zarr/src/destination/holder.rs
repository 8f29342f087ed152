//! What a lock says of who holds it.

use std::io;
use std::path::Path;

use crate::{EntryKind, FileSystem};

/// How locks begin to say who holds them.
const HOLDER: &str = "process ";

/// What the lock says of this process.
pub(super) fn holder() -> String {
    let process = std::process::id();
    match host() {
        Some(host) => format!("{HOLDER}{process} on {host}"),
        None => format!("{HOLDER}{process}"),
    }
}

/// Makes sure that a file which has a lock's name is one: taking hold of it overwrites it.
pub(super) fn check_is_lock(file_system: &dyn FileSystem, path: &Path) -> io::Result<()> {
    if file_system.kind(path)? != Some(EntryKind::File) {
        return Ok(());
    }
    let said = match file_system.read(path, 0, Some(HOLDER.len() as u64)) {
        // It was released just now.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        said => said?,
    };
    // What a power failure left of one may be shorter, or end with zeros.
    let n_bytes = said.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if HOLDER.as_bytes().starts_with(&said[..n_bytes]) {
        return Ok(());
    }
    Err(io::Error::other(format!("{} is in the way, a file that is no lock", path.display())))
}

#[cfg(target_os = "linux")]
fn host() -> Option<String> {
    Some(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

#[cfg(not(target_os = "linux"))]
fn host() -> Option<String> {
    None
}

/// What the lock says of who holds it.
pub(super) fn said_by_holder(file_system: &dyn FileSystem, path: &Path) -> String {
    const MOST: u64 = 300;
    let said = file_system.read(path, 0, Some(MOST)).unwrap_or_default();
    match String::from_utf8_lossy(&said).trim() {
        "" => "another process".to_owned(),
        said => said.to_owned(),
    }
}

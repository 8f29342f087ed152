//! Resolving the path of an array.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result, TargetError};
use crate::fs::{EntryKind, FileSystem};

/// Returns the absolute path, with the symbolic links of its existing part resolved.
///
/// A link to an array therefore stays a link, and a write replaces the array that it points to.
pub(crate) fn absolute(file_system: &dyn FileSystem, path: &Path) -> Result<PathBuf> {
    let examine = |source| Error::examine(path, source);
    for ancestor in path.ancestors() {
        let existing = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        match file_system.kind(existing).map_err(examine)? {
            None => continue,
            Some(EntryKind::Link) => {
                return Err(TargetError::BrokenLink { link: existing.to_owned() }.into());
            }
            Some(_) => {}
        }
        let existing = file_system.canonicalize(existing).map_err(examine)?;
        let rest = path.strip_prefix(ancestor).expect("an ancestor is a prefix");
        if rest.components().any(|part| part == Component::ParentDir) {
            let reason = "`..` follows a directory that does not exist";
            return Err(TargetError::InvalidPath { path: path.to_owned(), reason }.into());
        }
        return Ok(if rest.as_os_str().is_empty() { existing } else { existing.join(rest) });
    }
    Err(examine(io::ErrorKind::NotFound.into()))
}

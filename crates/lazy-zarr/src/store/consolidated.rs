//! Consolidated metadata: a copy of the metadata of all members in a group.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::node::{Node, document_at_path, members_at_path, zarr_node_at_path};
use super::place::absolute;
use crate::error::{AccessError, Error, Result, TargetError, WriteError, foreign};
use crate::fs::{EntryKind, FileSystem};
use crate::target::{Resolved, StorageRoot, Target};

/// The entry of the metadata of a group that holds the copy.
const ENTRY: &str = "consolidated_metadata";

/// Copies the metadata of all members of a group into the metadata of the group, and returns the
/// number of members at any depth.
///
/// The format is the one of `consolidate_metadata` in zarr-python. An existing copy is replaced.
/// The metadata of the group is replaced atomically. Members that are symbolic links to arrays are
/// followed. A symbolic link to a group is an error.
///
/// Readers can then open the group with one request. An array cannot be written into the group,
/// because the copy would become outdated. [Remove](remove_consolidated_metadata) the copy before
/// the write, and consolidate again afterwards.
///
/// # Errors
///
/// - [`ErrorKind::InvalidTarget`](crate::ErrorKind::InvalidTarget) if the target is invalid.
/// - [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if nothing exists at the target.
/// - [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the target is not a Zarr v3 group
///   on a file system.
/// - [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if the metadata of the group or of a member
///   is not valid JSON.
/// - [`ErrorKind::Io`](crate::ErrorKind::Io) if a file cannot be read or written.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{Target, ToZarr, consolidate_metadata, remove_consolidated_metadata};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// let group = Target::from(directory.path().join("influence.zarr"));
/// let values = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
/// values.to_zarr(group.member("monday"))?;
/// assert_eq!(consolidate_metadata(group.clone())?, 1);
///
/// // The next day's.
/// assert!(values.to_zarr(group.member("tuesday")).is_err());
/// assert!(remove_consolidated_metadata(group.clone())?);
/// values.to_zarr(group.member("tuesday"))?;
/// assert_eq!(consolidate_metadata(group)?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn consolidate_metadata(group: impl Into<Target>) -> Result<usize> {
    let group = Group::open(&group.into())?;
    let members = group.members()?;
    let n_members = members.len();
    group.replace_entry(Some(to_raw(&Inline {
        kind: "inline",
        must_understand: false,
        metadata: members,
    })))?;
    Ok(n_members)
}

/// The copy, in the format of zarr-python.
#[derive(Serialize)]
struct Inline {
    kind: &'static str,
    must_understand: bool,
    metadata: BTreeMap<String, Box<RawValue>>,
}

fn to_raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("metadata are what JSON can hold")
}

/// Removes the copy of the metadata of all members from the metadata of a group, and returns true
/// if there was one.
///
/// The metadata of the group is replaced atomically. The members do not change.
///
/// # Errors
///
/// Returns errors of the same kinds as [`consolidate_metadata`].
pub fn remove_consolidated_metadata(group: impl Into<Target>) -> Result<bool> {
    Group::open(&group.into())?.replace_entry(None)
}

/// A Zarr v3 group on a file system.
struct Group {
    target: Target,
    file_system: Arc<dyn FileSystem>,
    path: PathBuf,
}

impl Group {
    fn open(target: &Target) -> Result<Group> {
        let Resolved { place, members } = target.resolve()?;
        let StorageRoot::Directory { file_system, mut path } = place else {
            return Err(TargetError::ConsolidationInStore { target: target.to_string() }.into());
        };
        path.extend(&members);
        let path = absolute(&*file_system, &path)?;
        let actual = match zarr_node_at_path(&*file_system, &path)? {
            Some(Node::Group { is_v2: false, .. }) => {
                return Ok(Group { target: target.clone(), file_system, path });
            }
            Some(Node::Group { is_v2: true, .. }) => "a Zarr v2 group",
            Some(Node::Array) => "a Zarr array",
            Some(_) | None => match file_system.kind(&path) {
                Ok(Some(EntryKind::Directory)) => "a directory without Zarr metadata",
                Ok(Some(_)) => "a file",
                Ok(None) => return Err(TargetError::NotFound { target: target.to_string() }.into()),
                Err(source) => return Err(Error::examine(path, source)),
            },
        };
        Err(TargetError::NoConsolidation { target: target.to_string(), actual }.into())
    }

    /// Returns the metadata of all arrays and groups in the group, at any depth, by their paths in
    /// the group.
    fn members(&self) -> Result<BTreeMap<String, Box<RawValue>>> {
        let mut members = BTreeMap::new();
        let mut groups = vec![String::new()];
        while let Some(group) = groups.pop() {
            for name in members_at_path(&*self.file_system, &self.path.join(&group))? {
                let name = if group.is_empty() { name } else { format!("{group}/{name}") };
                let path = self.path.join(&name);
                let Some(mut metadata) = metadata_at_path(&*self.file_system, &path)? else {
                    continue;
                };
                metadata.remove(ENTRY);
                if metadata.get("node_type").is_some_and(|kind| kind.get() == "\"group\"") {
                    self.check_no_link(&path)?;
                    groups.push(name.clone());
                }
                members.insert(name, to_raw(&metadata));
            }
        }
        Ok(members)
    }

    /// Checks that a member group is not a symbolic link, which could lead back to a group above
    /// it.
    fn check_no_link(&self, path: &Path) -> Result<()> {
        let examine = |source| Error::examine(path, source);
        match self.file_system.entry_kind(path).map_err(examine)? {
            Some(EntryKind::Link) => {
                Err(examine(io::Error::other("it is a link to a group, which is not followed")))
            }
            _ => Ok(()),
        }
    }

    /// Replaces or removes the entry of the metadata of the group, and returns true if there was
    /// one.
    fn replace_entry(&self, entry: Option<Box<RawValue>>) -> Result<bool> {
        let file = self.path.join("zarr.json");
        let before = document_at_path(&*self.file_system, &file)?;
        let Some(mut metadata) = metadata_at_path(&*self.file_system, &self.path)? else {
            return Err(TargetError::Removed { target: self.target.to_string() }.into());
        };
        let was_there = metadata.remove(ENTRY).is_some_and(|entry| entry.get() != "null");
        if entry.is_none() && !was_there {
            return Ok(false);
        }
        metadata.extend(entry.map(|entry| (ENTRY.to_owned(), entry)));
        let text =
            serde_json::to_string_pretty(&metadata).expect("metadata are what JSON can hold");
        // No other process has this name, and no crashed process has left it.
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let staged = self.path.join(format!(".zarr.json.{}.{time}", process::id()));
        let file_system = &*self.file_system;
        let written = file_system
            .write(&staged, text.as_bytes())
            .and_then(|()| file_system.copy_permissions(&file, &staged))
            .and_then(|()| file_system.sync_file(&staged))
            .and_then(|()| match document_at_path(file_system, &file) {
                Ok(now) if now == before => file_system.rename_file(&staged, &file),
                _ => Err(io::Error::other("another program wrote to it at the same time")),
            });
        if let Err(source) = written {
            // A failure to clean up is ignored, because the caller needs the first error.
            let _ = file_system.remove_file(&staged);
            return Err(WriteError::Write { path: file, source }.into());
        }
        file_system
            .sync_directory(&self.path)
            .map_err(|source| WriteError::Unflushed { target: self.target.to_string(), source })?;
        Ok(was_there)
    }
}

/// Returns the metadata of a Zarr v3 node, if there is one. Each entry keeps its text.
fn metadata_at_path(
    file_system: &dyn FileSystem,
    path: &Path,
) -> Result<Option<BTreeMap<String, Box<RawValue>>>> {
    let file = path.join("zarr.json");
    let Some(document) = document_at_path(file_system, &file)? else { return Ok(None) };
    serde_json::from_slice(&document).map(Some).map_err(|error| {
        let path = file.display().to_string();
        AccessError::InvalidMetadata { path, source: foreign(error) }.into()
    })
}

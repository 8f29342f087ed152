//! The directory or the keys of a node, with the operations on its metadata.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::metadata::DOCUMENT;
use crate::error::{Error, Result, TargetError, WriteError};
use crate::fs::{EntryKind, FileSystem};
use crate::objects::{PutCondition, Store, StoreError};
use crate::store::absolute;
use crate::store::node::{Node, document_at_path, zarr_node_at_path, zarr_node_in_store};
use crate::store::staging_name::is_staging;
use crate::target::{Resolved, StorageRoot, Target, store_prefix};

/// A directory of a file system, or the keys of a store that begin with a prefix.
#[derive(Clone)]
pub(super) enum Place {
    Directory { file_system: Arc<dyn FileSystem>, path: PathBuf },
    Keys { store: Arc<dyn Store>, prefix: String },
}

/// A directory or a prefix directly below a place.
pub(super) struct Child {
    pub(super) name: String,
    pub(super) place: Place,
    /// True if it is a symbolic link to a directory.
    pub(super) is_link: bool,
    /// False if the name of the directory is not Unicode. `name` then only resembles it.
    pub(super) is_text: bool,
}

/// The beginning of the names of files with new metadata, before they replace the old metadata.
const STAGED: &str = ".zarr.json.";

/// The error of a document that another program has changed.
const CHANGED: &str = "another program wrote to it at the same time";

impl Place {
    /// Returns the place of a target.
    pub(super) fn of(target: &Target) -> Result<Place> {
        let Resolved { place, members } = target.resolve()?;
        Ok(match place {
            StorageRoot::Directory { file_system, mut path } => {
                path.extend(&members);
                let path = absolute(&*file_system, &path)?;
                Place::Directory { file_system, path }
            }
            StorageRoot::Store { store, path } => {
                Place::Keys { prefix: store_prefix(&path, &members), store }
            }
        })
    }

    pub(super) fn child(&self, name: impl AsRef<OsStr>) -> Place {
        let name = name.as_ref();
        match self {
            Place::Directory { file_system, path } => {
                Place::Directory { file_system: Arc::clone(file_system), path: path.join(name) }
            }
            Place::Keys { store, prefix } => Place::Keys {
                store: Arc::clone(store),
                prefix: format!("{prefix}{}/", name.to_string_lossy()),
            },
        }
    }

    /// Returns the Zarr node at the place, if there is one.
    pub(super) fn node(&self) -> Result<Option<Node>> {
        match self {
            Place::Directory { file_system, path } => zarr_node_at_path(&**file_system, path),
            Place::Keys { store, prefix } => zarr_node_in_store(&**store, prefix),
        }
    }

    /// Returns the reason that the place has no Zarr node, or `None` if nothing exists there.
    pub(super) fn without_node(&self) -> Result<Option<&'static str>> {
        const NO_METADATA: &str = "it is a directory without Zarr metadata";
        match self {
            Place::Directory { file_system, path } => {
                let kind = file_system.kind(path);
                Ok(match kind.map_err(|source| Error::examine(path, source))? {
                    None | Some(EntryKind::Link) => None,
                    Some(EntryKind::Directory) => Some(NO_METADATA),
                    Some(EntryKind::File | EntryKind::Other) => Some("it is a file"),
                })
            }
            Place::Keys { store, prefix } => {
                let is_empty = store.is_empty(prefix);
                let is_empty = is_empty.map_err(|error| Error::store(prefix, error))?;
                Ok((!is_empty).then_some(NO_METADATA))
            }
        }
    }

    /// Returns the bytes of a metadata document, if it exists.
    pub(super) fn document(&self, name: &str) -> Result<Option<Bytes>> {
        match self {
            Place::Directory { file_system, path } => {
                document_at_path(&**file_system, &path.join(name))
            }
            Place::Keys { store, prefix } => {
                let key = format!("{prefix}{name}");
                match store.get(&key) {
                    Ok(object) => Ok(Some(object.bytes)),
                    Err(StoreError::NotFound) => Ok(None),
                    Err(error) => Err(Error::store(&key, error)),
                }
            }
        }
    }

    /// Returns the location of a document for messages.
    pub(super) fn locate(&self, name: &str) -> String {
        match self {
            Place::Directory { path, .. } => path.join(name).display().to_string(),
            Place::Keys { store, prefix } => store.url(&format!("{prefix}{name}")),
        }
    }

    /// Returns the directories or prefixes directly below, in ascending order. Staging directories
    /// are left out.
    pub(super) fn children(&self) -> Result<Vec<Child>> {
        let mut children = Vec::new();
        match self {
            Place::Directory { file_system, path } => {
                let examine = |source| Error::examine(path, source);
                for name in file_system.list(path).map_err(examine)? {
                    let text = name.to_string_lossy();
                    let below = path.join(&name);
                    let kind = file_system.entry_kind(&below).map_err(examine)?;
                    let is_link = kind == Some(EntryKind::Link);
                    // A link that cannot be followed is reported when its node is examined.
                    let is_directory = match kind {
                        Some(EntryKind::Link) => file_system
                            .kind(&below)
                            .map_or(true, |kind| kind == Some(EntryKind::Directory)),
                        kind => kind == Some(EntryKind::Directory),
                    };
                    if is_directory && !is_staging(&text) {
                        let is_text = name.to_str().is_some();
                        let (name, place) = (text.into_owned(), self.child(&name));
                        children.push(Child { name, place, is_link, is_text });
                    }
                }
            }
            Place::Keys { store, prefix } => {
                let below = store.list_directory(prefix);
                let below = below.map_err(|error| Error::store(prefix, error))?;
                for below in below.prefixes {
                    let name = below[prefix.len()..].trim_end_matches('/').to_owned();
                    let place = self.child(&name);
                    children.push(Child { name, place, is_link: false, is_text: true });
                }
            }
        }
        children.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(children)
    }

    /// Checks that no group above has consolidated metadata, of which the metadata at this place
    /// are a part.
    pub(super) fn check_not_copied(&self, action: &'static str, target: &Target) -> Result<()> {
        let mut place = self.clone();
        for n_levels in 1.. {
            let Some(above) = place.parent() else { break };
            if let Some(Node::Group { is_consolidated: true, .. }) = above.node()? {
                let target = target.to_string();
                let group = above.to_text(&target, n_levels);
                return Err(TargetError::InConsolidatedGroup { action, target, group }.into());
            }
            place = above;
        }
        Ok(())
    }

    fn parent(&self) -> Option<Place> {
        Some(match self {
            Place::Directory { file_system, path } => Place::Directory {
                file_system: Arc::clone(file_system),
                path: path.parent()?.to_owned(),
            },
            Place::Keys { store, prefix } => {
                let path = prefix.strip_suffix('/')?;
                let above = path[..path.rfind('/').map_or(0, |slash| slash + 1)].to_owned();
                Place::Keys { store: Arc::clone(store), prefix: above }
            }
        })
    }

    /// Returns the location of the place for messages, which lies this number of groups above a
    /// target.
    fn to_text(&self, target: &str, n_levels: usize) -> String {
        match self {
            Place::Directory { path, .. } => path.display().to_string(),
            Place::Keys { store, prefix } if prefix.is_empty() && !target.contains("://") => {
                store.url("")
            }
            Place::Keys { .. } => {
                let mut text = target.trim_end_matches('/');
                for _ in 0..n_levels {
                    text = text.rsplit_once('/').map_or(text, |(above, _)| above);
                }
                text.to_owned()
            }
        }
    }

    /// Replaces the metadata document atomically, and flushes it. `before` is the document that the
    /// new one was made from: if another program has changed it meanwhile, this is an error.
    pub(super) fn replace(&self, target: &Target, before: &Bytes, text: &str) -> Result<()> {
        match self {
            Place::Directory { file_system, path } => {
                let file = path.join(DOCUMENT);
                if let Err(source) = replace_file(&**file_system, path, before, text) {
                    return Err(WriteError::Write { path: file, source }.into());
                }
                let flushed = file_system.sync_directory(path);
                flushed.map_err(|source| {
                    WriteError::Unflushed { target: target.to_string(), source }.into()
                })
            }
            Place::Keys { store, prefix } => {
                let key = format!("{prefix}{DOCUMENT}");
                replace_object(&**store, &key, before, text)
                    .map_err(|error| Error::store(&key, error))
            }
        }
    }
}

/// Replaces the metadata in a directory by one rename.
fn replace_file(
    file_system: &dyn FileSystem,
    directory: &Path,
    before: &Bytes,
    text: &str,
) -> io::Result<()> {
    let file = directory.join(DOCUMENT);
    // No other process has this name, and no crashed process has left it.
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let staged = directory.join(format!("{STAGED}{}.{time}", process::id()));
    let is = |bytes: &[u8]| {
        document_at_path(file_system, &file).is_ok_and(|now| now.is_some_and(|now| now == bytes))
    };
    let written = file_system
        .write(&staged, text.as_bytes())
        .and_then(|()| file_system.copy_permissions(&file, &staged))
        .and_then(|()| file_system.sync_file(&staged))
        .and_then(|()| {
            if is(before) {
                file_system.rename_file(&staged, &file)
            } else {
                Err(io::Error::other(CHANGED))
            }
        });
    match written {
        // A server may have renamed the file even though its answer was lost.
        Err(_) if is(text.as_bytes()) => Ok(()),
        Err(error) => {
            // A failure to clean up is ignored, because the caller needs the first error.
            let _ = file_system.remove_file(&staged);
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

/// Replaces a metadata object, on the condition that it is unchanged if the store supports that.
fn replace_object(
    store: &dyn Store,
    key: &str,
    before: &Bytes,
    text: &str,
) -> Result<(), StoreError> {
    let now = store.get(key)?;
    if now.bytes != *before {
        return Err(StoreError::other(CHANGED));
    }
    let put = |condition| store.put(key, text.to_owned().into(), condition).map(drop);
    match now.tag {
        Some(tag) => match put(PutCondition::IfUnchanged(tag)) {
            Err(StoreError::Unsupported) => put(PutCondition::Always),
            Err(StoreError::Changed) => Err(StoreError::other(CHANGED)),
            done => done,
        },
        None => put(PutCondition::Always),
    }
}

/// Returns true if a file holds new metadata that a crashed process has left.
pub(super) fn is_staged(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(STAGED) else { return false };
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    rest.split_once('.').is_some_and(|(id, time)| is_number(id) && is_number(time))
}

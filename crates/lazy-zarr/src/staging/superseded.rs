//! The chunks of arrays that were replaced.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chunk_files::ChunkFiles;
use super::claim::{Claim, Claimed};
use super::directory::Staging;
use super::file_journal::FileJournal;
use super::journal::Journal;
use crate::error::{Error, Result, ResumeError, WriteError};
use crate::format::KeySpace;
use crate::fs::FileSystem;
use crate::objects::{Store, StoreError};
use crate::store::node::{Present, present_at_path, present_in_store};
use crate::store::staging_name::STAGING_PREFIX;
use crate::store::{chunk_objects, delete_chunks, directories_below, prefixes_below};
use crate::target::{Resolved, StorageRoot, Target, store_prefix};

/// The chunks of an array that was replaced. They are kept for readers that opened the array before
/// ([`OldChunks`](crate::OldChunks)).
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{Codec, Existing, Superseded, ToZarr, ZarrSink};
/// use ndarray::Array1;
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("values.zarr");
/// let sink = ZarrSink::new(&path).with_existing(Existing::Replace).with_codec(Codec::None);
/// for version in 0..2 {
///     LazyChunkSequence::new(move || [Array1::from_elem(10, version as f64)])
///         .convert(NdarrayConverter)
///         .to_zarr(sink.clone())?;
/// }
/// for old in Superseded::list(directory.path())? {
///     assert_eq!(old.target().path()?.as_deref(), Some(&*path));
///     assert_eq!((old.n_files(), old.bytes()), (1, 80));
///     old.remove()?;
/// }
/// assert!(Superseded::list(directory.path())?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Superseded {
    target: Target,
    place: Place,
    n_files: u64,
    bytes: u64,
}

#[derive(Clone)]
enum Place {
    /// The directory of the array.
    Directory { file_system: Arc<dyn FileSystem>, array: PathBuf },
    /// The prefix of the array.
    Store { store: Arc<dyn Store>, prefix: String },
}

impl Superseded {
    /// Lists the arrays at or below a target that have chunks of old versions, ordered by path or
    /// key.
    ///
    /// Symbolic links are not followed. Arrays that are being written are not listed. Arrays with a
    /// write that ended early are not listed either, because its chunks belong to an
    /// [`UnfinishedWrite`](crate::UnfinishedWrite).
    ///
    /// This queries the size of every old chunk. In a store, it lists all chunks of an array.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidTarget`](crate::ErrorKind::InvalidTarget) if the target is invalid, as
    ///   for [`StoredArray::open`](crate::StoredArray::open).
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if a directory or a store cannot be accessed.
    pub fn list(target: impl Into<Target>) -> Result<Vec<Superseded>> {
        let target = target.into();
        let Resolved { place, members } = target.resolve()?;
        let mut found = match place {
            StorageRoot::Store { store, path } => {
                list_in_store(&target, &store, &store_prefix(&path, &members))?
            }
            StorageRoot::Directory { .. } => list_in_directory(&target)?,
        };
        found.sort_by_cached_key(|old| old.target.to_string());
        Ok(found)
    }

    /// Returns the array.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the number of files of the old chunks.
    #[must_use]
    pub fn n_files(&self) -> u64 {
        self.n_files
    }

    /// Returns the size of the old chunks in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes the old chunks.
    ///
    /// Readers of other libraries that opened an old version then find its chunks missing. The
    /// present version stays, and so do other files.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InUse`](crate::ErrorKind::InUse) if the array is being written.
    /// - [`ErrorKind::Unfinished`](crate::ErrorKind::Unfinished) if a write ended early after the
    ///   array was listed.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if a chunk cannot be removed.
    pub fn remove(self) -> Result<()> {
        match &self.place {
            Place::Directory { file_system, array } => remove_in_directory(file_system, array),
            Place::Store { store, prefix } => remove_in_store(&self.target, &**store, prefix),
        }
    }
}

fn list_in_directory(target: &Target) -> Result<Vec<Superseded>> {
    let mut found = Vec::new();
    directories_below(target, |file_system, array| {
        let examine = |source| Error::examine(array, source);
        let Some(present) = present_at_path(&**file_system, array)? else { return Ok(()) };
        if Staging::find(&**file_system, array).map_err(examine)?.is_some() {
            return Ok(());
        }
        let (mut n_files, mut bytes) = (0, 0);
        for keys in old(present.keys) {
            let usage = keys.usage(&**file_system, array).map_err(examine)?;
            (n_files, bytes) = (n_files + usage.0, bytes + usage.1);
        }
        if n_files > 0 {
            let (file_system, array) = (Arc::clone(file_system), array.to_owned());
            let target = Target::on_shared(Arc::clone(&file_system), array.clone());
            let place = Place::Directory { file_system, array };
            found.push(Superseded { target, place, n_files, bytes });
        }
        Ok(())
    })?;
    Ok(found)
}

fn list_in_store(target: &Target, store: &Arc<dyn Store>, root: &str) -> Result<Vec<Superseded>> {
    let mut found = Vec::new();
    prefixes_below(&**store, root, |prefix, below| {
        let name = |name: &str| format!("{prefix}{name}");
        let is_node = below
            .objects
            .iter()
            .any(|object| object.key == name("zarr.json") || object.key == name(".zarray"));
        if !is_node || below.prefixes.contains(&name(STAGING_PREFIX)) {
            return Ok(());
        }
        let present = present_in_store(&**store, prefix)?;
        let Some(keys) = present.and_then(|present| present.keys) else { return Ok(()) };
        let old: Vec<_> = old(keys).collect();
        let chunks = chunk_objects(&**store, prefix, &old)?;
        if !chunks.is_empty() {
            let place = Place::Store { store: Arc::clone(store), prefix: prefix.to_owned() };
            let bytes = chunks.iter().map(|(_, object)| object.size).sum();
            let (target, n_files) = (target.below(&prefix[root.len()..]), chunks.len() as u64);
            found.push(Superseded { target, place, n_files, bytes });
        }
        Ok(())
    })?;
    Ok(found)
}

fn remove_in_directory(file_system: &Arc<dyn FileSystem>, array: &Path) -> Result<()> {
    // The staging directory keeps other writes, which would use these keys, from starting.
    let mut staging = Staging::take_to_remove(file_system, array, false)?;
    let present = present_at_path(&**file_system, array)?;
    let left = ChunkFiles::left(file_system, array, staging.directory())?;
    let journal = FileJournal::new(left.clone());
    if let Some(record) = journal.record()? {
        let target = array.display().to_string();
        let (directory, key) = (staging.directory().to_owned(), record.key);
        return Err(ResumeError::Unfinished { target, directory, key }.into());
    }
    let mut remove = || {
        staging.clear_removed()?;
        // The chunks of a write that appended to the present version, and was killed.
        if left.appended_rows().is_some() && left.clear()? {
            left.sync_cleared()?;
        }
        // The staging directory is removed last: while it exists, the remaining chunks are
        // known to belong to a write.
        clear_old(&**file_system, array, present)?;
        staging.remove()
    };
    remove().map_err(|source| Error::examine(array, source))
}

fn remove_in_store(target: &Target, store: &dyn Store, prefix: &str) -> Result<()> {
    let name = target.to_string();
    let present = present_in_store(store, prefix)?.and_then(|present| present.keys);
    let claims = Claim::list(store, prefix)?;
    for claim in &claims {
        // The workers of a published plan have ended.
        if Some(claim.keys) == present && claim.is_plan() {
            continue;
        }
        claim.check_has_ended(&name, false)?;
        if let Some(record) = claim.record()? {
            let directory = claim.url().into();
            let (target, key) = (name, record.key);
            return Err(ResumeError::Unfinished { target, directory, key }.into());
        }
    }
    let Some(present) = present else { return Ok(()) };
    let old: Vec<_> = old(present).collect();
    // Claims keep other writes, which would use these keys, from starting.
    let mut claimed = Vec::new();
    for &keys in &old {
        let left = claims.iter().find(|claim| claim.keys == keys).map(|claim| (claim, false));
        match Claimed::take(store, prefix, keys, left, true, None) {
            Ok(Some(claim)) => claimed.push(claim),
            Ok(None) => {
                claimed.iter().try_for_each(|claim: &Claimed| claim.release(store))?;
                let holder = "another process".to_owned();
                return Err(WriteError::Locked { target: name, holder }.into());
            }
            // No other process writes to a store without conditions.
            Err(StoreError::Unsupported) => {}
            Err(error) => return Err(Error::store(prefix, error)),
        }
    }
    delete_chunks(store, prefix, &old)?;
    claimed.iter().try_for_each(|claim| claim.release(store))
}

/// Removes the chunks of all versions of an array except the present one, whose staging directory
/// the caller holds.
pub(super) fn clear_superseded(file_system: &dyn FileSystem, array: &Path) -> Result<()> {
    let present = present_at_path(file_system, array)?;
    clear_old(file_system, array, present).map_err(|source| Error::examine(array, source))
}

fn clear_old(
    file_system: &dyn FileSystem,
    array: &Path,
    present: Option<Present>,
) -> io::Result<()> {
    let mut has_removed = false;
    for keys in present.into_iter().flat_map(|present| old(present.keys)) {
        has_removed |= keys.clear(file_system, array)?;
    }
    if has_removed { file_system.sync_directory(array) } else { Ok(()) }
}

/// Returns the key spaces that a version does not use for its chunks.
fn old(present: KeySpace) -> impl Iterator<Item = KeySpace> {
    KeySpace::ALL.into_iter().filter(move |keys| *keys != present)
}

impl fmt::Debug for Superseded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Superseded")
            .field("target", &self.target)
            .field("n_files", &self.n_files)
            .field("bytes", &self.bytes)
            .finish()
    }
}

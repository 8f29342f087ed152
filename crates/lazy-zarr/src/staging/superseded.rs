//! The chunks of arrays that were replaced.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::chunk_files::ChunkFiles;
use super::directory::Staging;
use super::journal::Journal;
use crate::error::{Error, Result, ResumeError};
use crate::format::KeySpace;
use crate::fs::FileSystem;
use crate::store::directories_below;
use crate::store::node::{Present, present_at_path};
use crate::target::Target;

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
///     assert_eq!((old.target(), old.n_files(), old.bytes()), (path.clone(), 1, 80));
///     old.remove()?;
/// }
/// assert!(Superseded::list(directory.path())?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Superseded {
    file_system: Arc<dyn FileSystem>,
    /// The directory of the array.
    array: PathBuf,
    n_files: u64,
    bytes: u64,
}

impl Superseded {
    /// Lists the arrays at or below a target that have chunks of old versions, ordered by path.
    ///
    /// Symbolic links are not followed. Arrays that are being written are not listed. Arrays with a
    /// write that ended early are not listed either, because its chunks belong to an
    /// [`UnfinishedWrite`](crate::UnfinishedWrite). The list is empty for a target in a store
    /// instance.
    ///
    /// This queries the size of every old chunk.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidTarget`](crate::ErrorKind::InvalidTarget) if the target is invalid, as
    ///   for [`StoredArray::open`](crate::StoredArray::open).
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if a directory cannot be accessed.
    pub fn list(target: impl Into<Target>) -> Result<Vec<Superseded>> {
        let mut found = Vec::new();
        directories_below(&target.into(), |file_system, array| {
            let examine = |source| Error::examine(array, source);
            let Some(present) = present_at_path(&**file_system, array)? else { return Ok(()) };
            if Staging::find(&**file_system, array).map_err(examine)?.is_some() {
                return Ok(());
            }
            let (mut n_files, mut bytes) = (0, 0);
            for keys in old(present) {
                let usage = keys.usage(&**file_system, array).map_err(examine)?;
                (n_files, bytes) = (n_files + usage.0, bytes + usage.1);
            }
            if n_files > 0 {
                let (file_system, array) = (Arc::clone(file_system), array.to_owned());
                found.push(Superseded { file_system, array, n_files, bytes });
            }
            Ok(())
        })?;
        found.sort_by(|one, other| one.array.cmp(&other.array));
        Ok(found)
    }

    /// Returns the path of the array.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        self.array.clone()
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
        // The staging directory keeps other writes, which would use these keys, from starting.
        let mut staging = Staging::take_to_remove(&self.file_system, &self.array, false)?;
        let present = present_at_path(&*self.file_system, &self.array)?;
        let left = ChunkFiles::left(&self.file_system, &self.array, staging.directory())?;
        let journal = Journal::new(left.clone());
        if let Some(record) = journal.record()? {
            let target = self.array.display().to_string();
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
            clear_old(&*self.file_system, &self.array, present)?;
            staging.remove()
        };
        remove().map_err(|source| Error::examine(&self.array, source))
    }
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
    for keys in present.into_iter().flat_map(old) {
        has_removed |= keys.clear(file_system, array)?;
    }
    if has_removed { file_system.sync_directory(array) } else { Ok(()) }
}

/// Returns the key spaces that a version does not use for its chunks.
fn old(present: Present) -> impl Iterator<Item = KeySpace> {
    KeySpace::ALL.into_iter().filter(move |keys| *keys != present.keys)
}

impl fmt::Debug for Superseded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Superseded")
            .field("target", &self.array)
            .field("n_files", &self.n_files)
            .field("bytes", &self.bytes)
            .finish()
    }
}

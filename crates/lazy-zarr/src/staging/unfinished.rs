//! Writes that are under way, or ended early.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::Staging;
use super::journal::Journal;
use super::record::Record;
use crate::error::{Error, Result, ResumeError};
use crate::format::KeySpace;
use crate::fs::FileSystem;
use crate::store::directories_below;
use crate::store::node::present_at_path;
use crate::target::Target;

/// A write that is under way, or ended before its array was published.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{Codec, ToZarr, UnfinishedWrite, WriteState, ZarrSink};
/// use ndarray::Array1;
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("values.zarr");
/// let sink = ZarrSink::new(&path)
///     .with_chunk_shape([10])
///     .with_codec(Codec::None)
///     .with_resume("values of model 17");
/// let values = LazyChunkSequence::try_from_fn([10; 3], |i| match i {
///     2 => Err("out of memory"),
///     i => Ok(Array1::from_elem(10, i as f64)),
/// });
/// values.convert(NdarrayConverter).to_zarr(sink).unwrap_err();
///
/// // The writes of one target, or of all targets in a directory.
/// let unfinished = UnfinishedWrite::list(&path)?;
/// assert_eq!(unfinished, UnfinishedWrite::list(directory.path())?);
/// let key = "values of model 17".to_owned();
/// let expected = WriteState::Resumable { key, chunks: 2, stored_bytes: 160 };
/// assert_eq!(*unfinished[0].state(), expected);
///
/// for write in unfinished {
///     write.remove()?;
/// }
/// assert_eq!(UnfinishedWrite::list(&path)?, []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct UnfinishedWrite {
    file_system: Arc<dyn FileSystem>,
    /// The array's directory.
    array: PathBuf,
    /// The staging directory.
    directory: PathBuf,
    state: WriteState,
}

/// What an [`UnfinishedWrite`] can be used for.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{UnfinishedWrite, WriteState};
///
/// /// A line of a listing.
/// fn line(write: &UnfinishedWrite) -> String {
///     let state = match write.state() {
///         WriteState::Running { holder } => format!("being written by {holder}"),
///         WriteState::Resumable { key, chunks, .. } => format!("{chunks} chunks of {key:?}"),
///         WriteState::Abandoned => "to be cleaned up".to_owned(),
///         _ => "?".to_owned(),
///     };
///     format!("{}: {state}", write.target().display())
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # std::fs::create_dir_all(directory.path().join("values.zarr/.lazy.1"))?;
/// for write in UnfinishedWrite::list(directory.path())? {
///     assert!(line(&write).ends_with("values.zarr: to be cleaned up"));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteState {
    /// A process is writing.
    Running {
        /// The process, and its machine.
        holder: String,
    },
    /// A process is writing, or was: on another machine, which the locks of this file system do not reach.
    MaybeRunning {
        /// The process, and its machine.
        holder: String,
    },
    /// The write ended early, and can be [resumed](crate::ZarrSink::with_resume).
    Resumable {
        /// The key that the write was given.
        key: String,
        /// The chunks, or shards of chunks, that are complete, as far as was noted.
        chunks: u64,
        /// Their bytes.
        stored_bytes: u64,
    },
    /// The write ended early, and cannot be resumed. The next write of the same target cleans up.
    Abandoned,
}

impl UnfinishedWrite {
    /// Lists the unfinished writes of a target, and of all arrays below it, in the order of their paths: of an
    /// array, of the members of a group, or of the arrays in a directory. Links are not followed.
    ///
    /// In a store instance, there are none.
    ///
    /// # Errors
    ///
    /// - Those of a target that leads nowhere, as of [`StoredArray::open`](crate::StoredArray::open).
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if a directory cannot be accessed. To find out whether a write is under way, its
    ///   lock is taken for an instant.
    pub fn list(target: impl Into<Target>) -> Result<Vec<UnfinishedWrite>> {
        let mut writes = Vec::new();
        directories_below(&target.into(), |file_system, array| {
            let examine = |source| Error::examine(array, source);
            let found = match Staging::find(&**file_system, array) {
                // A file of that name is in the way of writes, but none of them.
                Err(error) if error.kind() == std::io::ErrorKind::Other => None,
                found => found.map_err(examine)?,
            };
            let Some(directory) = found else { return Ok(()) };
            let state = state(file_system, array, &directory)?;
            let (file_system, array) = (Arc::clone(file_system), array.to_owned());
            writes.push(UnfinishedWrite { file_system, array, directory, state });
            Ok(())
        })?;
        writes.sort_by(|one, other| one.array.cmp(&other.array));
        Ok(writes)
    }

    /// Returns the path of the array.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        self.array.clone()
    }

    /// Returns the staging directory, which lies in the array's. It holds the record of the write; the chunks
    /// lie beside it.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.directory.clone()
    }

    /// Returns what can be done with it.
    #[must_use]
    pub fn state(&self) -> &WriteState {
        &self.state
    }

    /// Removes the write, with the chunks that it has stored. The array that is there, and other files, stay.
    /// A write that is under way is never touched; one that is [`MaybeRunning`](WriteState::MaybeRunning) is
    /// taken for one that has ended.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InUse`](crate::ErrorKind::InUse) if a process is writing.
    /// - [`ErrorKind::Unfinished`](crate::ErrorKind::Unfinished) if the write can be resumed, and could
    ///   not when it was listed, or was another one then: list again.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if it cannot be removed.
    pub fn remove(self) -> Result<()> {
        let examine = |source| Error::examine(&self.directory, source);
        if Staging::find(&*self.file_system, &self.array).map_err(examine)?.is_none() {
            return Ok(());
        }
        let staging = Staging::take_to_remove(&self.file_system, &self.array, true)?;
        let journal = journal(&self.file_system, &self.array, staging.directory())?;
        let found = record(&journal)?;
        if let Some(Record { key, .. }) = found {
            let was_listed = match &self.state {
                WriteState::Resumable { key: listed, .. } => *listed == key,
                state => matches!(state, WriteState::MaybeRunning { .. }),
            };
            if !was_listed {
                let target = self.array.display().to_string();
                let directory = staging.directory().to_owned();
                return Err(ResumeError::Unfinished { target, directory, key }.into());
            }
        }
        staging.discard(journal.keys()).map_err(examine)
    }
}

/// Returns the journal of the write that has left a staging directory.
fn journal(file_system: &Arc<dyn FileSystem>, array: &Path, directory: &Path) -> Result<Journal> {
    let present = present_at_path(&**file_system, array)?;
    let keys = KeySpace::after(present.map(|present| present.keys));
    Ok(Journal::new(file_system, array, directory, keys))
}

/// Returns the record of a write that can be resumed.
fn record(journal: &Journal) -> Result<Option<Record>> {
    match journal.record() {
        Err(error) if error.is_of_record() => Ok(None),
        record => record,
    }
}

fn state(file_system: &Arc<dyn FileSystem>, array: &Path, directory: &Path) -> Result<WriteState> {
    let holder = Staging::holder(&**file_system, directory)
        .map_err(|source| Error::examine(directory, source))?;
    match holder {
        Some((holder, true)) => return Ok(WriteState::Running { holder }),
        Some((holder, false)) => return Ok(WriteState::MaybeRunning { holder }),
        None => {}
    }
    let journal = journal(file_system, array, directory)?;
    let Some(record) = record(&journal)? else { return Ok(WriteState::Abandoned) };
    let (chunks, stored_bytes) = journal.completed(&record)?;
    Ok(WriteState::Resumable { key: record.key, chunks, stored_bytes })
}

/// Two are equal when they are of the same directory and in the same state.
impl PartialEq for UnfinishedWrite {
    fn eq(&self, other: &UnfinishedWrite) -> bool {
        (&self.directory, &self.state) == (&other.directory, &other.state)
    }
}

impl fmt::Debug for UnfinishedWrite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnfinishedWrite")
            .field("target", &self.array)
            .field("directory", &self.directory)
            .field("state", &self.state)
            .finish()
    }
}

//! Writes that are in progress, or that ended early.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lazy_core::Holder;

use super::chunk_files::ChunkFiles;
use super::directory::Staging;
use super::file_journal::FileJournal;
use super::journal::Journal;
use super::plan::{PlanDirectory, open_plan, running_worker};
use super::plan_document::PlanDocument;
use super::plan_objects::PlanObjects;
use super::plan_place::PlanPlace;
use super::record::Record;
use super::superseded::clear_superseded;
use super::taking::Taken;
use super::unfinished_in_store::{InStore, clean_up_store};
use crate::error::{Error, Result, ResumeError, WriteError};
use crate::fs::FileSystem;
use crate::settings::{Durability, OldChunks};
use crate::store::directories_below;
use crate::target::{Resolved, StorageRoot, Target, store_prefix};

/// A write that is in progress, or that ended before it published its array.
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
    /// The array.
    target: Target,
    place: Place,
    state: WriteState,
}

#[derive(Clone)]
enum Place {
    Directory(InDirectory),
    Store(InStore),
}

/// The staging directory of an unfinished write.
#[derive(Clone)]
struct InDirectory {
    file_system: Arc<dyn FileSystem>,
    /// The directory of the array.
    array: PathBuf,
    /// The staging directory.
    directory: PathBuf,
}

/// The state of an [`UnfinishedWrite`].
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
///     format!("{}: {state}", write.target())
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
    /// A process is writing the array.
    Running {
        /// The process and its machine.
        holder: String,
    },
    /// A process on another machine may be writing the array. The locks of this file system do not
    /// reach other machines, or it is a store, so it is not known whether the process is still
    /// running.
    MaybeRunning {
        /// The process and its machine.
        holder: String,
    },
    /// The write ended early and can be [resumed](crate::ZarrSink::with_resume).
    Resumable {
        /// The key of the write.
        key: String,
        /// The number of complete chunks, as far as the journal records them. An array with shards
        /// counts shards.
        chunks: u64,
        /// The size of these chunks in bytes.
        stored_bytes: u64,
    },
    /// Workers share the write, and nobody has published the array yet. A worker of the same
    /// [`Plan`](lazy_core::Plan) continues it.
    Shared {
        /// The key of the write.
        key: String,
        /// What the workers have done, and what remains.
        progress: SharedProgress,
    },
    /// Workers share the write, but their plan cannot be read: it is damaged, or another version of
    /// this library made it. Writes of the same target are refused until it is removed.
    Unreadable {
        /// The file, and what is wrong with it.
        reason: String,
    },
    /// The write ended early and cannot be resumed. The next write of the same target removes its
    /// files.
    Abandoned,
}

/// The progress of a write that workers share.
///
/// [`WriteState::Shared`] has it.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use std::time::Duration;
///
/// use lazy_chunks::{DType, LazyChunkSequence, NdarrayConverter, Plan};
/// use lazy_chunks::zarr::{SharedProgress, UnfinishedWrite, WriteState, ZarrSink};
/// use ndarray::Array1;
///
/// /// The time until `n_workers` workers have finished, if the other parts take as long.
/// fn time_left(progress: &SharedProgress, n_workers: u32) -> Option<Duration> {
///     let left = progress.blocks - progress.finished_blocks;
///     let per_block = progress.time.checked_div(progress.finished_blocks as u32)?;
///     (per_block * left as u32).checked_div(n_workers)
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// let values = LazyChunkSequence::from_fn([100; 8], |i| Array1::from_elem(100, i as f64))
///     .with_row_type(DType::Float64, [])
///     .convert(NdarrayConverter);
/// let sink = ZarrSink::new(&path).with_resume("values of model 17");
/// let plan = Plan::of(&values, sink).with_parts(4).create()?;
/// plan.run(&plan.parts()[2])?;
///
/// let unfinished = UnfinishedWrite::list(&path)?;
/// let WriteState::Shared { progress, .. } = unfinished[0].state() else { panic!("it is shared") };
/// assert_eq!((progress.finished_parts, progress.parts), (1, 4));
/// assert_eq!((progress.finished_blocks, progress.blocks), (2, 8));
/// assert!(time_left(progress, 2).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedProgress {
    /// The number of parts.
    pub parts: usize,
    /// The number of finished parts.
    pub finished_parts: usize,
    /// The number of blocks.
    pub blocks: usize,
    /// The number of blocks of finished parts.
    pub finished_blocks: usize,
    /// The size in bytes of the chunks of finished parts.
    pub stored_bytes: u64,
    /// The time that workers have taken for the finished parts, added up.
    pub time: Duration,
    /// The parts that workers compute now, with these workers.
    pub workers: Vec<(usize, Holder)>,
}

impl SharedProgress {
    pub(super) fn of(place: &PlanPlace, plan: &PlanDocument) -> Result<SharedProgress> {
        let (n_parts, grid) = (plan.parts().map_or(0, |parts| parts.len()), plan.record.grid());
        let heads = place.heads()?;
        let seconds = heads.iter().map(|head| head.report.seconds).sum();
        let mut workers = place.taken()?;
        // A worker that has just finished a part still holds it.
        workers.retain(|(part, ..)| heads.iter().all(|head| head.report.part.number() != *part));
        let holder = |(part, name, is_certain)| (part, Holder::new(name, is_certain));
        Ok(SharedProgress {
            parts: n_parts,
            finished_parts: heads.len(),
            blocks: grid.n_blocks(),
            finished_blocks: heads.iter().map(|head| head.report.n_blocks).sum(),
            stored_bytes: heads.iter().fold(0, |sum, head| sum.saturating_add(head.stored_bytes)),
            time: Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
            workers: workers.into_iter().map(holder).collect(),
        })
    }
}

impl UnfinishedWrite {
    /// Lists the unfinished writes of a target and of all arrays below it, ordered by path or key.
    ///
    /// The target may be an array, a group, or a directory or a prefix with arrays below. Symbolic
    /// links are not followed.
    ///
    /// To examine a write in a directory, this takes its lock for an instant.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidTarget`](crate::ErrorKind::InvalidTarget) if the target is invalid, as
    ///   for [`StoredArray::open`](crate::StoredArray::open).
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if a directory or a store cannot be accessed.
    pub fn list(target: impl Into<Target>) -> Result<Vec<UnfinishedWrite>> {
        let target = target.into();
        let Resolved { place, members } = target.resolve()?;
        let mut writes = Vec::new();
        if let StorageRoot::Store { store, path } = place {
            let prefix = store_prefix(&path, &members);
            for (place, state) in InStore::list(&store, &prefix)? {
                let target = target.below(&place.prefix[prefix.len()..]);
                writes.push(UnfinishedWrite { target, place: Place::Store(place), state });
            }
        } else {
            directories_below(&target, |file_system, array| {
                let examine = |source| Error::examine(array, source);
                let found = match Staging::find(&**file_system, array) {
                    // A file with the name of a staging directory blocks writes, but it is not a
                    // write.
                    Err(error) if error.kind() == std::io::ErrorKind::Other => None,
                    found => found.map_err(examine)?,
                };
                let Some(directory) = found else { return Ok(()) };
                let state = state(file_system, array, &directory)?;
                let (file_system, array) = (Arc::clone(file_system), array.to_owned());
                let target = Target::on_shared(Arc::clone(&file_system), array.clone());
                let place = Place::Directory(InDirectory { file_system, array, directory });
                writes.push(UnfinishedWrite { target, place, state });
                Ok(())
            })?;
        }
        writes.sort_by_cached_key(UnfinishedWrite::location);
        Ok(writes)
    }

    /// Returns the file system and the directory of the array, unless it is in a store.
    pub(crate) fn directory(&self) -> Option<(&Arc<dyn FileSystem>, &Path)> {
        match &self.place {
            Place::Directory(InDirectory { file_system, array, .. }) => Some((file_system, array)),
            Place::Store(_) => None,
        }
    }

    /// Returns the plan and its objects, if workers share a write in a store.
    pub(crate) fn plan_in_store(&self) -> Result<Option<(PlanDocument, PlanObjects)>> {
        match &self.place {
            Place::Store(place) => place.plan(),
            Place::Directory(_) => Ok(None),
        }
    }

    /// Removes what the worker has left that published the array in a store.
    pub(crate) fn clean_up_in_store(&self) -> Result<()> {
        match &self.place {
            Place::Store(place) => clean_up_store(&*place.store, &place.prefix),
            Place::Directory(_) => Ok(()),
        }
    }

    /// Returns the array of the write.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the place of the record of the write: the staging directory, which lies in the
    /// directory of the array; or in a store, `store:/` and the beginning of the keys. The chunks
    /// lie at the array itself.
    #[must_use]
    pub fn location(&self) -> String {
        match &self.place {
            Place::Directory(place) => place.directory.display().to_string(),
            Place::Store(place) => place.location(),
        }
    }

    /// Returns the state of the write.
    #[must_use]
    pub fn state(&self) -> &WriteState {
        &self.state
    }

    /// Removes the write and the chunks that it has stored.
    ///
    /// The array that exists at the target stays, and so do other files. A write in progress is
    /// never removed, nor is a plan that a worker is known to compute a part of. A write that is
    /// [`MaybeRunning`](WriteState::MaybeRunning) is treated as one that has ended, and so are
    /// workers that may have ended. A worker that is between two parts fails when it finds that the
    /// plan is gone.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InUse`](crate::ErrorKind::InUse) if a process is writing.
    /// - [`ErrorKind::Unfinished`](crate::ErrorKind::Unfinished) if the write can be resumed, but
    ///   was not resumable or was another write when it was listed. List the writes again.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the write cannot be removed.
    pub fn remove(self) -> Result<()> {
        match &self.place {
            Place::Directory(place) => place.remove(&self.state),
            Place::Store(place) => place.remove(&self.target.to_string(), &self.state),
        }
    }
}

impl InDirectory {
    fn remove(&self, listed: &WriteState) -> Result<()> {
        let examine = |source| Error::examine(&self.directory, source);
        if Staging::find(&*self.file_system, &self.array).map_err(examine)?.is_none() {
            return Ok(());
        }
        let staging = self.take(listed)?;
        let journal = journal(&self.file_system, &self.array, staging.directory())?;
        let found = record(&journal)?;
        if let Some(Record { key, .. }) = found {
            let was_listed = match listed {
                WriteState::Resumable { key: listed, .. } => *listed == key,
                state => matches!(state, WriteState::MaybeRunning { .. }),
            };
            if !was_listed {
                let target = self.array.display().to_string();
                let directory = staging.directory().to_owned();
                return Err(ResumeError::Unfinished { target, directory, key }.into());
            }
        }
        staging.discard(journal.chunks()).map_err(examine)
    }

    /// Takes the staging directory. The workers of a plan must have ended.
    fn take(&self, listed: &WriteState) -> Result<Staging> {
        let (file_system, array) = (&self.file_system, &self.array);
        let examine = |source| Error::examine(array, source);
        let directory = Staging::find(&**file_system, array).map_err(examine)?;
        let key = |directory: &Path| open_plan(&**file_system, array, directory);
        let found = directory.and_then(|directory| match key(&directory) {
            Ok(key) => Some(Ok((directory, key?))),
            Err(error) => Some(Err(error)),
        });
        let Some((directory, found)) = found.transpose().map_err(examine)? else {
            return Staging::take_to_remove(file_system, array, true);
        };
        let target = array.display().to_string();
        let was_listed = match listed {
            WriteState::Shared { key, .. } => *key == found,
            state => {
                matches!(state, WriteState::Unreadable { .. } | WriteState::MaybeRunning { .. })
            }
        };
        if !was_listed {
            return Err(ResumeError::Planned { target, directory, key: found }.into());
        }
        if let Some(holder) = running_worker(&**file_system, &directory).map_err(examine)? {
            return Err(WriteError::Locked { target, holder }.into());
        }
        let is_meant = |directory: &Path| Ok(key(directory)?.map(|key| key == found));
        match Staging::take_plan(file_system, array, true, &is_meant).map_err(examine)? {
            Taken::Created(staging) | Taken::Left(staging) => Ok(staging),
            Taken::Held { holder } | Taken::MaybeHeld { holder } => {
                Err(WriteError::Locked { target, holder }.into())
            }
            Taken::Plan { directory, key } => {
                Err(ResumeError::Planned { target, directory, key }.into())
            }
        }
    }
}

/// Removes what a write has left that ended after it had published the array, unless another
/// process may be using the staging directory: the directory, and the chunks of old versions.
pub(crate) fn clean_up(
    file_system: &Arc<dyn FileSystem>,
    array: &Path,
    old_chunks: OldChunks,
) -> Result<()> {
    let examine = |source| Error::examine(array, source);
    let is_resumable = |directory: &Path| -> Result<bool> {
        Ok(record(&journal(file_system, array, directory)?)?.is_some())
    };
    let Some(directory) = Staging::find(&**file_system, array).map_err(examine)? else {
        return Ok(());
    };
    if is_resumable(&directory)? {
        return Ok(());
    }
    match Staging::take(file_system, array, false).map_err(examine)? {
        // Another process has just removed the directory.
        Taken::Created(mut staging) => staging.remove().map_err(examine),
        Taken::Left(staging) if !is_resumable(staging.directory())? => {
            let left = ChunkFiles::left(file_system, array, staging.directory())?;
            if old_chunks == OldChunks::Remove {
                clear_superseded(&**file_system, array)?;
            }
            staging.discard(&left).map_err(examine)
        }
        _ => Ok(()),
    }
}

/// Returns the journal of the write that left a staging directory.
fn journal(
    file_system: &Arc<dyn FileSystem>,
    array: &Path,
    directory: &Path,
) -> Result<FileJournal> {
    Ok(FileJournal::new(ChunkFiles::left(file_system, array, directory)?))
}

/// Returns the record of a write if the write can be resumed.
fn record(journal: &FileJournal) -> Result<Option<Record>> {
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
    match PlanDirectory::find(file_system, array) {
        Ok(Some((directory, plan))) if is_open(file_system, array, &directory)? => {
            let open = PlanDirectory::open;
            let directory = open(file_system, array, directory, &plan, Durability::Full);
            let (file_system, array) = (Arc::clone(file_system), array.to_owned());
            let place = PlanPlace::Directory { file_system, array, directory };
            let progress = SharedProgress::of(&place, &plan)?;
            return Ok(WriteState::Shared { key: plan.record.key, progress });
        }
        // The plan is published.
        Ok(_) => {}
        Err(error) if error.is_of_record() => {
            return Ok(WriteState::Unreadable { reason: error.to_string() });
        }
        Err(error) => return Err(error),
    }
    let journal = journal(file_system, array, directory)?;
    let Some(record) = record(&journal)? else { return Ok(WriteState::Abandoned) };
    let (chunks, stored_bytes) = journal.completed(&record)?;
    Ok(WriteState::Resumable { key: record.key, chunks, stored_bytes })
}

/// Returns true if a plan is not published.
fn is_open(file_system: &Arc<dyn FileSystem>, array: &Path, directory: &Path) -> Result<bool> {
    let plan = open_plan(&**file_system, array, directory);
    plan.map(|key| key.is_some()).map_err(|source| Error::examine(directory, source))
}

/// Two unfinished writes are equal if they have the same location and the same state.
impl PartialEq for UnfinishedWrite {
    fn eq(&self, other: &UnfinishedWrite) -> bool {
        (self.location(), &self.state) == (other.location(), &other.state)
    }
}

impl fmt::Debug for UnfinishedWrite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnfinishedWrite")
            .field("target", &self.target)
            .field("location", &self.location())
            .field("state", &self.state)
            .finish()
    }
}

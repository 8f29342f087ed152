//! What writes that did not end left behind.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::destination::{Staging, StagingPlace, absolute};
use crate::resume::Record;
use crate::target::{Resolved, ResolvedPlace};
use crate::{EntryKind, Error, FileSystem, Result, Target};

/// A write that is under way, or ended before its array was published: its staging directory.
///
/// # Example
///
/// ```
/// use std::ops::ControlFlow;
///
/// use lazy_core::{LazyChunkSequence, NdarrayConverter, Progress};
/// use lazy_zarr::{Codec, ToZarr, UnfinishedWrite, WriteState, ZarrSink};
/// use ndarray::Array1;
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("values.zarr");
/// let sink = ZarrSink::new(&path)
///     .with_chunk_shape([10])
///     .with_codec(Codec::None)
///     .with_resume("values of model 17")
///     .with_observer(|progress: &Progress| match progress.blocks {
///         2 => ControlFlow::Break(()),
///         _ => ControlFlow::Continue(()),
///     });
/// let values = LazyChunkSequence::from_fn([10; 3], |i| Array1::from_elem(10, i as f64));
/// values.convert(NdarrayConverter).to_zarr(sink).unwrap_err();
///
/// // Of the one target, or of all in the directory.
/// let unfinished = UnfinishedWrite::list(&path)?;
/// assert_eq!(unfinished, UnfinishedWrite::list(directory.path())?);
/// let job = "values of model 17".to_owned();
/// let expected = WriteState::Resumable { job, chunks: 2, stored_bytes: 160 };
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
    place: StagingPlace,
    /// None when only its beginning is known.
    target: Option<PathBuf>,
    state: WriteState,
}

/// What an [`UnfinishedWrite`] can be used for.
///
/// # Example
///
/// ```
/// use lazy_zarr::{UnfinishedWrite, WriteState};
///
/// /// A line of a listing.
/// fn line(write: &UnfinishedWrite) -> String {
///     let state = match write.state() {
///         WriteState::Running { holder } => format!("being written by {holder}"),
///         WriteState::Resumable { job, chunks, .. } => format!("{chunks} chunks of {job:?}"),
///         WriteState::Abandoned => "of no use to anybody".to_owned(),
///         _ => "?".to_owned(),
///     };
///     format!("{}: {state}", write.target().display())
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # std::fs::create_dir(directory.path().join(".values.zarr.staging"))?;
/// for write in UnfinishedWrite::list(directory.path())? {
///     assert!(line(&write).ends_with("values.zarr: of no use to anybody"));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteState {
    /// A process is at work.
    Running {
        /// The process, and the machine that it is on.
        holder: String,
    },
    /// Nobody is at work, and another write can go on:
    /// [`ZarrSink::with_resume`](crate::ZarrSink::with_resume).
    Resumable {
        /// What the blocks depend on, as the user said.
        job: String,
        /// The chunks, or shards of chunks, that are complete, as far as was written down.
        chunks: u64,
        /// Their bytes.
        stored_bytes: u64,
    },
    /// Nobody is at work, and no write can go on. The next one of the same target removes it.
    Abandoned,
}

impl UnfinishedWrite {
    /// The unfinished writes of a target, and of all below it, in the order of their targets: of an array,
    /// of the members of a group, or of what lies in a directory.
    ///
    /// Those below are found as far as they lie in the directory of that name or above it, as all do of
    /// groups, and of arrays right in a directory. In a store, nothing is ever staged.
    ///
    /// # Errors
    ///
    /// - Those of a target that leads nowhere, as of [`StoredArray::open`](crate::StoredArray::open).
    /// - [`Error::Examine`] when what was left cannot be looked at; to find out whether somebody is at work
    ///   its lock is taken for an instant, for which the directory has to be writable.
    pub fn list(target: impl Into<Target>) -> Result<Vec<UnfinishedWrite>> {
        let Resolved { place, members } = target.into().resolve()?;
        let ResolvedPlace::Directory { file_system, mut path } = place else {
            return Ok(Vec::new());
        };
        path.extend(&members);
        let (path, _) = absolute(&*file_system, &path)?;
        let mut writes = Vec::new();
        for directory in path.ancestors() {
            for place in places(&*file_system, directory)? {
                let is_it = StagingPlace::new(directory, &path).as_ref() == Some(&place);
                if is_it || place.beginning_of_target().starts_with(&path) {
                    let target = if is_it { Some(path.clone()) } else { place.target() };
                    let state = state(&file_system, &place, target.as_deref())?;
                    let file_system = Arc::clone(&file_system);
                    writes.push(UnfinishedWrite { file_system, place, target, state });
                }
            }
        }
        writes.sort_by_key(UnfinishedWrite::target);
        Ok(writes)
    }

    /// The path of the array; of a very long one only the beginning, unless it was asked for.
    #[must_use]
    pub fn target(&self) -> PathBuf {
        self.target.clone().unwrap_or_else(|| self.place.beginning_of_target())
    }

    /// The staging directory.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.place.directory()
    }

    /// What can be done with it.
    #[must_use]
    pub fn state(&self) -> &WriteState {
        &self.state
    }

    /// Removes it, with all that it has stored. A write that is under way is never touched; and when a
    /// replacement was interrupted while there was nothing at the target, what was there is put back before.
    ///
    /// # Errors
    ///
    /// - [`Error::Locked`] when a process is at work.
    /// - [`Error::Unfinished`] when a write can be resumed that could not when it was listed, or was another
    ///   one then: list again.
    /// - [`Error::KeptAside`] when it holds what must not be lost, or may, and of a very long target only the
    ///   beginning is known: list that target by itself.
    /// - [`Error::Examine`] when it cannot be removed.
    pub fn remove(self) -> Result<()> {
        let (target, directory) = (self.target().display().to_string(), self.directory());
        let examine = |source| Error::Examine { path: directory.clone(), source };
        let staging = Staging::take(Arc::clone(&self.file_system), &self.place)
            .map_err(examine)?
            .map_err(|holder| Error::Locked { target: target.clone(), holder })?;
        if !staging.is_there()? {
            return Ok(());
        }
        if let Some(Record { job, .. }) = record(&staging, self.target.as_deref())? {
            let was_listed =
                matches!(&self.state, WriteState::Resumable { job: of, .. } if *of == job);
            if !was_listed {
                return Err(Error::Unfinished { target, directory, job });
            }
        }
        staging.settle(self.target.as_deref(), true)?;
        staging.discard(&self.target(), true).map_err(examine)
    }
}

/// The staging directories in a directory, if it is one.
fn places(file_system: &dyn FileSystem, directory: &Path) -> Result<Vec<StagingPlace>> {
    let examine = |source| Error::Examine { path: directory.to_owned(), source };
    if file_system.kind(directory).map_err(examine)? != Some(EntryKind::Directory) {
        return Ok(Vec::new());
    }
    let names = match file_system.list(directory) {
        // Nothing is staged above what may be looked at.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Ok(Vec::new()),
        names => names.map_err(examine)?,
    };
    let mut places = Vec::new();
    for place in names.iter().filter_map(|name| StagingPlace::of_name(directory, name)) {
        let path = place.directory();
        let kind = file_system.kind(&path).map_err(|source| Error::Examine { path, source })?;
        if kind == Some(EntryKind::Directory) {
            places.push(place);
        }
    }
    Ok(places)
}

fn state(
    file_system: &Arc<dyn FileSystem>,
    place: &StagingPlace,
    target: Option<&Path>,
) -> Result<WriteState> {
    let taken = Staging::take(Arc::clone(file_system), place)
        .map_err(|source| Error::Examine { path: place.directory(), source })?;
    let staging = match taken {
        Ok(staging) => staging,
        Err(holder) => return Ok(WriteState::Running { holder }),
    };
    let Some(record) = record(&staging, target)? else { return Ok(WriteState::Abandoned) };
    let journal = staging.journal();
    // Whoever wants to write need not wait until the journal is read.
    drop(staging);
    let (chunks, stored_bytes) = journal.completed(&record)?;
    Ok(WriteState::Resumable { job: record.job, chunks, stored_bytes })
}

/// What was written down of a write that another one can go on with.
fn record(staging: &Staging, target: Option<&Path>) -> Result<Option<Record>> {
    let is_published = match target {
        Some(target) => staging.is_published(target)?,
        None => false,
    };
    if is_published || staging.is_over()? {
        return Ok(None);
    }
    match staging.journal().record() {
        Err(Error::BrokenRecord { .. }) => Ok(None),
        record => record,
    }
}

/// Two are equal when they are of the same directory and in the same state.
impl PartialEq for UnfinishedWrite {
    fn eq(&self, other: &UnfinishedWrite) -> bool {
        (&self.place, &self.state) == (&other.place, &other.state)
    }
}

impl fmt::Debug for UnfinishedWrite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("UnfinishedWrite")
            .field("target", &self.target())
            .field("directory", &self.directory())
            .field("state", &self.state)
            .finish()
    }
}

//! The place where the workers of a plan meet: a directory, or a prefix in a store.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::directory::Staging;
use super::part_record::Head;
use super::plan::PlanDirectory;
use super::plan_objects::{PartLease, PlanObjects};
use super::taken_part::TakenPart;
use crate::error::{Error, Result, WriteError};
use crate::fs::{FileSystem, LockScope};

/// The place where the workers of a plan meet.
pub(crate) enum PlanPlace {
    Directory {
        file_system: Arc<dyn FileSystem>,
        /// The directory of the array.
        array: PathBuf,
        directory: PlanDirectory,
    },
    Store(PlanObjects),
}

/// A part that a worker has taken, which it gives back when this is dropped.
pub(crate) enum HeldPart {
    Directory {
        staging: Staging,
        /// The directory of the array.
        array: PathBuf,
    },
    Store(PartLease),
}

impl PlanPlace {
    /// Returns the numbers of the finished parts in ascending order, or `None` if the plan is gone.
    pub(crate) fn finished(&self) -> Result<Option<Vec<usize>>> {
        match self {
            PlanPlace::Directory { directory, .. } => directory.finished(),
            PlanPlace::Store(objects) => objects.finished(),
        }
    }

    /// Returns the record of a part if it is finished.
    pub(crate) fn record(&self, part: usize) -> Result<Option<Vec<u8>>> {
        match self {
            PlanPlace::Directory { directory, .. } => directory.record(part),
            PlanPlace::Store(objects) => objects.record(part),
        }
    }

    /// Returns the beginnings of the records of all finished parts. Damaged records are left out.
    pub(super) fn heads(&self) -> Result<Vec<Head>> {
        match self {
            PlanPlace::Directory { directory, .. } => directory.heads(),
            PlanPlace::Store(objects) => objects.heads(),
        }
    }

    /// Removes the record of a part.
    pub(crate) fn discard(&self, part: usize) -> Result<()> {
        match self {
            PlanPlace::Directory { directory, .. } => directory.discard(part),
            PlanPlace::Store(objects) => objects.discard(part),
        }
    }

    /// Takes a part, unless it is finished or another worker has it.
    pub(crate) fn take(&self, part: usize, takes_over: bool) -> Result<TakenPart<HeldPart>> {
        Ok(match self {
            PlanPlace::Directory { array, directory, .. } => {
                let held = |staging| HeldPart::Directory { staging, array: array.clone() };
                directory.take(part, takes_over)?.map(held)
            }
            PlanPlace::Store(objects) => objects.take(part, takes_over)?.map(HeldPart::Store),
        })
    }

    /// Stores the record of a part that this worker has taken, and gives the part back. From then
    /// on the part is finished. If it was finished before, that record stays.
    pub(crate) fn finish(
        &self,
        target: &str,
        part: usize,
        held: HeldPart,
        record: &[u8],
    ) -> Result<()> {
        match (self, held) {
            (
                PlanPlace::Directory { file_system, directory, .. },
                HeldPart::Directory { staging, .. },
            ) => {
                let path = staging.directory().to_owned();
                let finished = directory.finish(part, staging, record);
                finished.map_err(|source| match file_system.entry_kind(&path) {
                    Ok(None) => Error::taken_over(target),
                    _ => WriteError::Write { path: path.clone(), source }.into(),
                })
            }
            (_, HeldPart::Store(lease)) => lease.finish(target, record),
            (PlanPlace::Store(_), HeldPart::Directory { .. }) => {
                unreachable!("a part lies where its plan does")
            }
        }
    }

    /// Gives back a part whose result is kept elsewhere.
    pub(crate) fn give_back(&self, held: HeldPart) {
        match (self, held) {
            (PlanPlace::Directory { directory, .. }, HeldPart::Directory { staging, .. }) => {
                directory.give_back(staging);
            }
            (_, HeldPart::Store(lease)) => lease.give_back(),
            (PlanPlace::Store(_), HeldPart::Directory { .. }) => {}
        }
    }

    /// Returns the parts that workers have taken, with the descriptions of the workers, and true if
    /// they are certain to be running.
    pub(crate) fn taken(&self) -> Result<Vec<(usize, String, bool)>> {
        match self {
            PlanPlace::Directory { directory, .. } => directory.taken(),
            PlanPlace::Store(objects) => objects.taken(),
        }
    }

    /// Returns true if workers that have ended are known to have ended.
    pub(crate) fn knows_ended(&self) -> Result<bool> {
        let PlanPlace::Directory { file_system, array, directory } = self else { return Ok(true) };
        let examine = |source: io::Error| Error::examine(array, source);
        let Some(directory) = directory.find_again()? else { return Ok(true) };
        let has_locks = Staging::has_locks(&**file_system, &directory).map_err(examine)?;
        // Another worker may rename the directory of the plan at any time.
        let scope = file_system.lock_scope(array).map_err(examine)?;
        Ok(has_locks && scope == LockScope::Everywhere)
    }

    /// Returns the time after which a worker that may have ended is known to run or to have ended.
    pub(crate) fn patience(&self) -> Option<Duration> {
        match self {
            PlanPlace::Directory { .. } => None,
            PlanPlace::Store(objects) => Some(objects.patience()),
        }
    }
}

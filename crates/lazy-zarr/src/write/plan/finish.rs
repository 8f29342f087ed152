//! Finishing a plan without its sequence.

use std::sync::Arc;

use lazy_core::{BlockIndex, BlockPosition, Claimed, Error as CoreError, Part, Run};

use super::join::StoredParts;
use super::part::StoredPart;
use super::shared::Shared;
use crate::error::{ErrorKind, Result, ResumeError, WriteError};
use crate::read::StoredArray;
use crate::settings::OldChunks;
use crate::staging::{PartRecord, PlanDirectory, UnfinishedWrite, WriteState, clean_up};
use crate::store::node::present_at_path;
use crate::write::destination::settle;

impl UnfinishedWrite {
    /// Publishes the array of a [`Plan`](lazy_core::Plan) whose parts are all finished, without its
    /// sequence: what the last worker does otherwise.
    ///
    /// If the array is published already, this returns it, and removes what the worker has left that
    /// published it.
    ///
    /// The results of the statistics of the plan are not returned. A
    /// [`Plan::finish`](lazy_core::Plan::finish) of the same plan computes them from the array.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Unsupported`] if workers do not share the
    ///   write.
    /// - [`ErrorKind::Sequence`] if parts are not finished.
    /// - [`ErrorKind::InUse`] if another process is finishing it.
    /// - Any error of publishing an array.
    pub fn finish(self) -> Result<StoredArray> {
        let target = self.target().to_string();
        let Some(shared) = self.shared()? else {
            return match self.state() {
                // The worker that published it has ended before it removed the rest.
                WriteState::Shared { .. } | WriteState::Abandoned if self.is_array()? => {
                    self.clean_up()?;
                    StoredArray::open(self.target())
                }
                _ => Err(ResumeError::NoPlan { target }.into()),
            };
        };
        let shared = Arc::new(shared);
        if shared.is_published()? {
            // The worker that published it has ended before it removed the plan.
            settle(&shared.settings)?;
            shared.take_to_finish(false)?;
            return StoredArray::open(shared.settings.target.clone());
        }
        let finished = shared.place().finished()?.unwrap_or_default();
        let parts = shared.parts();
        let is_missing = |part: &usize| finished.binary_search(part).is_err();
        let missing: Vec<_> = parts.iter().map(Part::number).filter(is_missing).collect();
        if !missing.is_empty() {
            return Err(CoreError::parts_missing(target, parts.len(), missing).into());
        }
        let mut run = match StoredParts::begin(&shared, false)? {
            Claimed::Taken(run) => run,
            Claimed::Held(holder) => {
                let (name, is_certain) = (holder.name().to_owned(), holder.is_certain());
                return Err(if is_certain {
                    WriteError::Locked { target, holder: name }.into()
                } else {
                    WriteError::MaybeLocked { target, holder: name }.into()
                });
            }
            _ => return StoredArray::open(self.target()),
        };
        for part in parts {
            let bytes = shared.place().record(part.number())?.unwrap_or_default();
            let record = PartRecord::parse(&bytes);
            let Some(stored) = record.and_then(|record| StoredPart::parse(&record.stored)) else {
                shared.place().discard(part.number())?;
                let missing = vec![part.number()];
                return Err(CoreError::parts_missing(target, parts.len(), missing).into());
            };
            let index = BlockIndex::Band(part.bands().start);
            let at = BlockPosition { index, row: part.rows().start, column: 0 };
            run.merge(at, stored)?;
        }
        run.prepare()?;
        Ok(run.commit()?)
    }

    /// Returns the write that workers share, if there is a plan.
    fn shared(&self) -> Result<Option<Shared>> {
        if let Some((plan, objects)) = self.plan_in_store()? {
            return Shared::of_plan_in_store(plan, objects).map(Some);
        }
        let Some((file_system, array)) = self.directory() else { return Ok(None) };
        let found = PlanDirectory::find(file_system, array)?;
        found.map(|found| Shared::of_plan(file_system, array, found)).transpose()
    }

    /// Returns true if there is an array at the target.
    fn is_array(&self) -> Result<bool> {
        match self.directory() {
            Some((file_system, array)) => Ok(present_at_path(&**file_system, array)?.is_some()),
            None => match StoredArray::open(self.target()) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                opened => opened.map(|_| true),
            },
        }
    }

    /// Removes what the worker has left that published the array.
    fn clean_up(&self) -> Result<()> {
        match self.directory() {
            Some((file_system, array)) => clean_up(file_system, array, OldChunks::Keep),
            None => self.clean_up_in_store(),
        }
    }
}

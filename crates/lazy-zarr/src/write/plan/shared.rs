//! What all workers of a plan know about the write that they share.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use lazy_core::{BlockGrid, DType, Part, PlanSpec, RowType, SequenceSpec, TakeOver};

use crate::error::{Error, ErrorKind, Result, ResumeError, SettingError, TargetError, WriteError};
use crate::format::{Format, KeySpace, provenance};
use crate::fs::{FileSystem, LockScope};
use crate::layout::Layout;
use crate::read::StoredArray;
use crate::settings::{Existing, Resume, WriteSettings};
use crate::staging::{Entry, PlanDirectory, PlanDocument, Record, Staging, clean_up, fragment};
use crate::store::absolute;
use crate::target::{Resolved, StorageRoot, Target};
use crate::write::destination::Directory;
use crate::write::resume;
use crate::write::session::{Complete, planned_layout};

/// The shared write of one array.
pub(super) struct Shared {
    pub(super) settings: WriteSettings,
    /// The declaration of the sequence, before its blocks are cast.
    pub(super) spec: SequenceSpec,
    pub(super) row_type: RowType,
    parts: Vec<Part>,
    /// The plan and its directory, unless the array was published before.
    planned: Option<Planned>,
    /// The array, once it is known to be published.
    complete: OnceLock<Complete>,
}

/// A plan that this worker has created or joined.
pub(super) struct Planned {
    pub(super) file_system: Arc<dyn FileSystem>,
    /// The path and the groups that the target names.
    place: (PathBuf, Vec<String>),
    /// The directory of the array.
    pub(super) array: PathBuf,
    pub(super) plan: PlanDocument,
    directory: PlanDirectory,
    pub(super) format: Format,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("target", &self.name()).finish_non_exhaustive()
    }
}

/// Returns the layout of the array of a plan.
pub(super) fn layout(settings: &WriteSettings, spec: &SequenceSpec) -> Result<Layout> {
    check(settings)?;
    let cast = settings.cast_spec(spec)?;
    let row_type = cast.row_type().ok_or(SettingError::RowTypeUnknown)?;
    settings.check_array(row_type.dtype, 1 + row_type.shape.len())?;
    planned_layout(settings, &cast)
}

/// Checks that workers can share the write.
fn check(settings: &WriteSettings) -> Result<()> {
    settings.check()?;
    let target = || settings.target.to_string();
    if settings.resume.is_none() {
        return Err(SettingError::NoKey { target: target() }.into());
    }
    let not_plannable = |action| Err(ResumeError::NotPlannable { target: target(), action }.into());
    if settings.resume.as_ref().is_some_and(|resume| resume.restarts) {
        return not_plannable("start over");
    }
    match settings.existing {
        Existing::Append => not_plannable("append rows"),
        _ if settings.layout.is_of_blocks() => not_plannable("store chunks of blocks"),
        _ => Ok(()),
    }
}

impl Shared {
    /// Creates the plan at the target, or joins it, unless the array is published already.
    pub(super) fn join(settings: WriteSettings, plan: &PlanSpec) -> Result<Shared> {
        let spec = plan.sequence().clone();
        let layout = layout(&settings, &spec)?;
        let cast = settings.cast_spec(&spec)?;
        let row_type = cast.row_type().ok_or(SettingError::RowTypeUnknown)?.clone();
        let parts = plan.parts().to_vec();
        let mut shared =
            Shared { settings, spec, row_type, parts, planned: None, complete: OnceLock::new() };
        let is_complete = shared.look_for_complete()?;
        let settings = &shared.settings;
        let resume =
            settings.resume.as_ref().ok_or_else(|| resume::not_resumable(&settings.target))?;
        let Resolved { place, members } = settings.target.resolve()?;
        let StorageRoot::Directory { file_system, path } = place else {
            return Err(ResumeError::NotResumable {
                target: settings.target.to_string(),
                reason: "a store instance cannot keep an unfinished write",
            }
            .into());
        };
        if is_complete {
            shared.clean_up(&file_system, &path, &members);
            return Ok(shared);
        }
        let document = |keys: KeySpace| {
            let record = shared.record(resume, &layout, keys)?;
            let ends = plan.parts().iter().map(|part| part.bands().end).collect();
            let (names, durability) = (plan.names().to_vec(), settings.durability);
            Ok(PlanDocument::new(record, names, ends, members.len(), durability))
        };
        let is_complete = || shared.look_for_complete();
        let found =
            Directory::plan(settings, &file_system, &path, &members, &is_complete, &document)?;
        let Some((array, directory, found)) = found else { return Ok(shared) };
        let target = || settings.target.to_string();
        let Some(keys) = found.record.keys() else {
            return Err(TargetError::UnknownKeys { target: target() }.into());
        };
        if let Some(difference) = found.difference(&document(keys)?) {
            return Err(ResumeError::PlanMismatch {
                target: target(),
                directory,
                what: difference.what,
                expected: difference.kept,
                actual: difference.now,
            }
            .into());
        }
        let durability = settings.durability;
        let directory = PlanDirectory::open(&file_system, &array, directory, &found, durability);
        directory.restore_directories()?;
        let format = Format::new(settings, shared.row_type.dtype, layout, keys);
        shared.planned = Some(Planned {
            file_system,
            place: (path, members),
            array,
            plan: found,
            directory,
            format,
        });
        Ok(shared)
    }

    /// Returns the shared write of a plan in a staging directory, without its sequence.
    pub(super) fn of_plan(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        (directory, plan): (PathBuf, PlanDocument),
    ) -> Result<Shared> {
        let mut place = (array.to_owned(), Vec::new());
        for _ in 0..plan.n_groups {
            let (path, members) = &mut place;
            if let (Some(above), Some(name)) = (path.parent(), path.file_name()) {
                members.insert(0, name.to_string_lossy().into_owned());
                *path = above.to_owned();
            }
        }
        let (path, members) = &place;
        let root = Target::on_shared(Arc::clone(file_system), path.clone());
        let target = members.iter().fold(root, |target, name| target.member(name.as_str()));
        let record = &plan.record;
        let format = Format::of_metadata(record.metadata(), record.layout.clone())?;
        let row_type = RowType { dtype: record.dtype, shape: record.row_shape.clone() };
        let of_blocks = RowType { dtype: record.dtype_of_blocks(), ..row_type.clone() };
        let mut settings = WriteSettings::new(target);
        settings.existing = Existing::Replace;
        settings.resume = Some(record.resume());
        settings.dtype = record.is_cast().then_some(record.dtype);
        let durability = plan.durability();
        settings.durability = durability;
        let parts = plan.parts().unwrap_or_default();
        let spec = SequenceSpec::indexed(record.grid()).with_row_type(Some(of_blocks));
        let directory = PlanDirectory::open(file_system, array, directory, &plan, durability);
        let (file_system, array) = (Arc::clone(file_system), array.to_owned());
        let planned = Some(Planned { file_system, place, array, plan, directory, format });
        Ok(Shared { settings, spec, row_type, parts, planned, complete: OnceLock::new() })
    }

    /// Removes what the worker has left that published the array, if it was stopped then.
    fn clean_up(&self, file_system: &Arc<dyn FileSystem>, path: &Path, members: &[String]) {
        let named = members.iter().fold(path.to_owned(), |path, name| path.join(name));
        let cleaned = absolute(&**file_system, &named)
            .and_then(|array| clean_up(file_system, &array, self.settings.old_chunks));
        if let Err(error) = cleaned {
            let array = named.display();
            tracing::warn!(%array, %error, "the remains of a finished plan could not be removed");
        }
    }

    fn record(&self, resume: &Resume, layout: &Layout, keys: KeySpace) -> Result<Record> {
        let settings = &self.settings;
        let grid = self.grid();
        let format = Format::new(settings, self.row_type.dtype, layout.clone(), keys);
        let shape = [&[grid.rows().total()], &self.row_type.shape[..]].concat();
        let metadata = format.metadata(&shape)?.to_string_pretty();
        let row_type = self.row_type.clone();
        let record = Record::new(resume, grid, &settings.layout, layout, row_type, &metadata);
        Ok(record.with_blocks_of(self.dtype_of_blocks()))
    }

    /// Looks for the published array of this plan. Returns false if there is none, or if the array
    /// that is there is to be replaced.
    fn look_for_complete(&self) -> Result<bool> {
        if self.complete.get().is_some() {
            return Ok(true);
        }
        let settings = WriteSettings { existing: Existing::Fail, ..self.settings.clone() };
        let cast = settings.cast_spec(&self.spec)?;
        let dtype_of_blocks = Some(self.dtype_of_blocks());
        let complete = match Complete::find(&settings, &cast, dtype_of_blocks) {
            Err(error)
                if error.kind() == ErrorKind::Exists
                    && self.settings.existing != Existing::Fail =>
            {
                None
            }
            found => found?,
        };
        match complete {
            Some(complete) if complete.revision() == self.revision().as_deref() => {
                let _ = self.complete.set(complete.with_trust());
                Ok(true)
            }
            Some(complete) if self.settings.existing == Existing::Fail => {
                let target = self.name();
                Err(match complete.revision() {
                    Some(_) => TargetError::ExistsOfOther { target },
                    None => TargetError::ExistsOfUnknown { target },
                }
                .into())
            }
            _ => Ok(false),
        }
    }

    /// Returns the digest of the revision, if there is one.
    pub(super) fn revision(&self) -> Option<String> {
        self.settings.resume.as_ref().and_then(Resume::revision_digest)
    }

    /// Looks for the published array of a plan that is gone.
    pub(super) fn find_complete(&self) -> Result<()> {
        if self.look_for_complete()? {
            Ok(())
        } else {
            Err(TargetError::PlanGone { target: self.name() }.into())
        }
    }

    /// Returns the array, if it is known to be published.
    pub(super) fn complete(&self) -> Option<Complete> {
        self.complete.get().cloned()
    }

    /// Returns the plan.
    ///
    /// # Panics
    ///
    /// Panics if the array was published before this worker could join the plan.
    pub(super) fn planned(&self) -> &Planned {
        self.planned.as_ref().expect("the array is not published")
    }

    pub(super) fn directory(&self) -> &PlanDirectory {
        &self.planned().directory
    }

    /// Returns true if a worker that may be running counts as one that has ended.
    pub(super) fn takes_over(&self, take_over: TakeOver) -> bool {
        match take_over {
            TakeOver::IfSet => self.settings.takes_over,
            TakeOver::Always => true,
            _ => false,
        }
    }

    pub(super) fn name(&self) -> String {
        self.settings.target.to_string()
    }

    pub(super) fn n_parts(&self) -> usize {
        self.parts.len()
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns the rows of a part.
    pub(super) fn rows(&self, part: usize) -> Range<usize> {
        self.parts[part].rows()
    }

    /// Returns the stored rows of a part in a shared chunk, unless the file is missing or damaged.
    pub(super) fn fragment(
        &self,
        directory: &Directory,
        part: usize,
        index: &[u64],
        entry: Entry,
    ) -> Result<Option<Bytes>> {
        let Planned { file_system, format, .. } = self.planned();
        let key = format.keys.encoding().encode(index).to_string();
        let path = fragment(directory.staging(), part, &key);
        match file_system.read(&path, 0, None) {
            Ok(stored) => Ok(Some(stored).filter(|stored| Entry::of([&**stored]) == entry)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::examine(path, source)),
        }
    }

    pub(super) fn grid(&self) -> &BlockGrid {
        self.spec.grid().expect("a sequence in a plan has a grid")
    }

    /// Returns the dtype of the blocks before they are cast.
    pub(super) fn dtype_of_blocks(&self) -> DType {
        self.spec.row_type().map_or(self.row_type.dtype, |row_type| row_type.dtype)
    }

    /// Returns true if the locks of the file system tell which workers have ended.
    pub(super) fn has_locks(&self) -> Result<bool> {
        let Planned { file_system, array, .. } = self.planned();
        let examine = |source| Error::examine(array, source);
        let Some(directory) = self.directory().find_again()? else { return Ok(true) };
        let has_locks = Staging::has_locks(&**file_system, &directory).map_err(examine)?;
        // Another worker may rename the directory of the plan at any time.
        let scope = file_system.lock_scope(array).map_err(examine)?;
        Ok(has_locks && scope == LockScope::Everywhere)
    }

    /// Stores the record of a part.
    pub(super) fn finish_part(&self, part: usize, staging: Staging, record: &[u8]) -> Result<()> {
        let path = staging.directory().to_owned();
        let is_held = |staging: &Path| self.planned().file_system.entry_kind(staging);
        let finished = self.directory().finish(part, staging, record);
        finished.map_err(|source| match is_held(&path) {
            Ok(None) => Error::taken_over(self.name()),
            _ => WriteError::Write { path: path.clone(), source }.into(),
        })
    }

    /// Takes the directory of the plan, to publish the array. Returns `None` if the plan is gone.
    pub(super) fn take_to_finish(&self, takes_over: bool) -> Result<Option<Directory>> {
        let Planned { file_system, place: (path, members), plan, .. } = self.planned();
        let settings = WriteSettings { takes_over, ..self.settings.clone() };
        Directory::finish(&settings, file_system, path, members, plan)
    }

    /// Returns true if the array at the target is the one of the plan.
    pub(super) fn is_published(&self) -> Result<bool> {
        let array = match StoredArray::open(self.settings.target.clone()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        let attributes = array.attributes();
        let is_of_revision = provenance::revision(attributes) == self.revision().as_deref();
        let digest = self.planned().plan.record.digest();
        Ok(is_of_revision && provenance::digest(attributes) == Some(&*digest))
    }
}

//! What all workers of a plan know about the write that they share.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use lazy_core::{BlockGrid, DType, Part, PlanSpec, RowType, SequenceSpec, TakeOver};

use crate::error::{ErrorKind, Result, ResumeError, SettingError, TargetError};
use crate::format::{Format, KeySpace, provenance};
use crate::fs::FileSystem;
use crate::layout::Layout;
use crate::read::StoredArray;
use crate::settings::{Existing, Resume, WriteSettings};
use crate::staging::{
    PlanDirectory, PlanDocument, PlanObjects, PlanPlace, Record, clean_up, clean_up_store,
};
use crate::store::absolute;
use crate::target::{Resolved, StorageRoot, Target, store_prefix};
use crate::write::destination::{Directory, PlanDestination, StoreWrite, WITHOUT_CONDITIONS};
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
    /// The place that the target names.
    target: Resolved,
    place: PlanPlace,
    pub(super) plan: PlanDocument,
    pub(super) format: Format,
}

impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shared").field("target", &self.name()).finish_non_exhaustive()
    }
}

/// Returns the layout of the array of a plan.
pub(super) fn layout(settings: &WriteSettings, spec: &SequenceSpec) -> Result<Layout> {
    let settings = &settings.clone().for_sequence(spec);
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
        _ if settings.layout.is_of_blocks() => {
            not_plannable("store blocks of unequal sizes as chunks")
        }
        _ if settings.is_unconditional => not_plannable(WITHOUT_CONDITIONS),
        _ => Ok(()),
    }
}

impl Shared {
    /// Creates the plan at the target, or joins it, unless the array is published already.
    pub(super) fn join(settings: WriteSettings, plan: &PlanSpec) -> Result<Shared> {
        let spec = plan.sequence().clone();
        let settings = settings.for_sequence(&spec);
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
        let resolved = settings.target.resolve()?;
        if is_complete {
            shared.clean_up(&resolved);
            return Ok(shared);
        }
        let document = |keys: KeySpace| {
            let record = shared.record(resume, &layout, keys)?;
            let ends = plan.parts().iter().map(|part| part.bands().end).collect();
            let (names, durability) = (plan.names().to_vec(), settings.durability);
            let n_groups = resolved.members.len();
            Ok(PlanDocument::new(record, names, ends, n_groups, durability))
        };
        let is_complete = || shared.look_for_complete();
        let Some((found, path, place)) = begin(settings, &resolved, &is_complete, &document)?
        else {
            return Ok(shared);
        };
        let target = || settings.target.to_string();
        let Some(keys) = found.record.keys() else {
            return Err(TargetError::UnknownKeys { target: target() }.into());
        };
        if let Some(difference) = found.difference(&document(keys)?) {
            return Err(ResumeError::PlanMismatch {
                target: target(),
                directory: path,
                what: difference.what,
                expected: difference.kept,
                actual: difference.now,
            }
            .into());
        }
        if let PlanPlace::Directory { directory, .. } = &place {
            directory.restore_directories()?;
        }
        let format = Format::new(settings, shared.row_type.dtype, layout, keys);
        shared.planned = Some(Planned { target: resolved, place, plan: found, format });
        Ok(shared)
    }

    /// Returns the shared write of a plan in a staging directory, without its sequence.
    pub(super) fn of_plan(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        (directory, plan): (PathBuf, PlanDocument),
    ) -> Result<Shared> {
        let (mut path, mut members) = (array.to_owned(), Vec::new());
        for _ in 0..plan.n_groups {
            if let (Some(above), Some(name)) = (path.parent(), path.file_name()) {
                members.insert(0, name.to_string_lossy().into_owned());
                path = above.to_owned();
            }
        }
        let target = Target::on_shared(Arc::clone(file_system), path);
        let durability = plan.durability();
        let directory = PlanDirectory::open(file_system, array, directory, &plan, durability);
        let (file_system, array) = (Arc::clone(file_system), array.to_owned());
        let place = PlanPlace::Directory { file_system, array, directory };
        Shared::of_document(target, &members, plan, place)
    }

    /// Returns the shared write of a plan in a store, without its sequence.
    pub(super) fn of_plan_in_store(plan: PlanDocument, objects: PlanObjects) -> Result<Shared> {
        let names: Vec<_> = objects.array().split('/').filter(|name| !name.is_empty()).collect();
        let n_above = names.len().saturating_sub(plan.n_groups);
        let (above, members) = names.split_at(n_above);
        let path = format!("/{}", above.join("/"));
        let target = Target::in_store(Arc::clone(objects.store()), path);
        let members: Vec<_> = members.iter().map(|name| (*name).to_owned()).collect();
        Shared::of_document(target, &members, plan, PlanPlace::Store(objects))
    }

    /// Returns the shared write of a plan, whose target is a member of groups below `root`.
    fn of_document(
        root: Target,
        members: &[String],
        plan: PlanDocument,
        place: PlanPlace,
    ) -> Result<Shared> {
        let target = members.iter().fold(root, |target, name| target.member(name.as_str()));
        let resolved = target.resolve()?;
        let record = &plan.record;
        let format = Format::of_metadata(record.metadata(), record.layout.clone())?;
        let row_type = RowType { dtype: record.dtype, shape: record.row_shape.clone() };
        let of_blocks = RowType { dtype: record.dtype_of_blocks(), ..row_type.clone() };
        let mut settings = WriteSettings::new(target);
        settings.existing = Existing::Replace;
        settings.resume = Some(record.resume());
        settings.dtype = record.is_cast().then_some(record.dtype);
        settings.durability = plan.durability();
        let parts = plan.parts().unwrap_or_default();
        let spec = SequenceSpec::indexed(record.grid()).with_row_type(Some(of_blocks));
        let planned = Some(Planned { target: resolved, place, plan, format });
        Ok(Shared { settings, spec, row_type, parts, planned, complete: OnceLock::new() })
    }

    /// Removes what the worker has left that published the array, if it was stopped then.
    fn clean_up(&self, target: &Resolved) {
        let members = &target.members;
        let cleaned = match &target.place {
            StorageRoot::Directory { file_system, path } => {
                let named = members.iter().fold(path.clone(), |path, name| path.join(name));
                absolute(&**file_system, &named)
                    .and_then(|array| clean_up(file_system, &array, self.settings.old_chunks))
            }
            StorageRoot::Store { store, path } => {
                clean_up_store(&**store, &store_prefix(path, members))
            }
        };
        if let Err(error) = cleaned {
            let array = self.name();
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

    /// Returns the place where the workers meet.
    pub(super) fn place(&self) -> &PlanPlace {
        &self.planned().place
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

    pub(super) fn grid(&self) -> &BlockGrid {
        self.spec.grid().expect("a sequence in a plan has a grid")
    }

    /// Returns the dtype of the blocks before they are cast.
    pub(super) fn dtype_of_blocks(&self) -> DType {
        self.spec.row_type().map_or(self.row_type.dtype, |row_type| row_type.dtype)
    }

    /// Takes the plan, to publish the array. Returns `None` if the plan is gone.
    pub(super) fn take_to_finish(
        &self,
        takes_over: bool,
    ) -> Result<Option<Arc<dyn PlanDestination>>> {
        let Planned { target, place, plan, .. } = self.planned();
        let settings = WriteSettings { takes_over, ..self.settings.clone() };
        let members = &target.members;
        Ok(match (&target.place, place) {
            (StorageRoot::Directory { file_system, path }, _) => {
                let directory = Directory::finish(&settings, file_system, path, members, plan)?;
                directory.map(|directory| Arc::new(directory) as Arc<_>)
            }
            (StorageRoot::Store { path, .. }, PlanPlace::Store(objects)) => {
                let write = StoreWrite::finish(&settings, path, members, objects)?;
                write.map(|write| Arc::new(write) as Arc<_>)
            }
            (StorageRoot::Store { .. }, PlanPlace::Directory { .. }) => {
                unreachable!("a plan lies where its target does")
            }
        })
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

/// Creates the plan at a target, or joins it. Returns its document, the place of the document for
/// messages, and the place where its workers meet. Returns `None` if the array is complete.
fn begin(
    settings: &WriteSettings,
    Resolved { place, members }: &Resolved,
    is_complete: &dyn Fn() -> Result<bool>,
    document: &dyn Fn(KeySpace) -> Result<PlanDocument>,
) -> Result<Option<(PlanDocument, PathBuf, PlanPlace)>> {
    Ok(match place {
        StorageRoot::Directory { file_system, path } => {
            let found =
                Directory::plan(settings, file_system, path, members, is_complete, document)?;
            found.map(|(array, path, plan)| {
                let durability = settings.durability;
                let directory =
                    PlanDirectory::open(file_system, &array, path.clone(), &plan, durability);
                let file_system = Arc::clone(file_system);
                (plan, path, PlanPlace::Directory { file_system, array, directory })
            })
        }
        StorageRoot::Store { store, path } => {
            let found = StoreWrite::plan(settings, store, path, members, is_complete, document)?;
            found.map(|(keys, array, plan)| {
                let path = PathBuf::from(store.url(&array));
                let objects = PlanObjects::new(store, &array, keys, &plan, settings.renewal);
                (plan, path, PlanPlace::Store(objects))
            })
        }
    })
}

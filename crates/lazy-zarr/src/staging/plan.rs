//! The directory of a plan that several workers share: its parts, and the records of those that are
//! finished.
//!
//! A plan makes the staging directory a place that no single process holds:
//!
//! ```text
//! .lazy.1/plan                    the plan: what every worker must agree on
//!         parts.<token>/17/       the directory of a part, which the staging directory of its
//!                                 worker lies in, with a lock, a journal, and files in progress
//!         fragments/17.c.5.0      the rows of part 17 in a chunk that it shares with other parts
//!         done/17                 the record of a finished part
//! ```
//!
//! Everything that a worker does to a part is a file operation in the staging directory of that
//! part, or a rename out of it. If another worker takes over, it renames that directory, and the
//! operations of the first worker fail from then on. The token keeps apart the directories of
//! different plans of one array.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;

use super::directory::{BETWEEN_TRIES, PLAN, Staging};
use super::part_record::{Head, LONGEST_HEAD};
use super::plan_document::{PlanDocument, read_plan};
use super::process::token;
use super::removal::remove_if_there;
use super::taken_part::TakenPart;
use super::taking::Taken;
use crate::error::{Error, Result};
use crate::fs::FileSystem;
use crate::settings::Durability;
use crate::store::node::present_at_path;

/// The directory with the records of finished parts.
const DONE: &str = "done";
/// The start of the name of the directory of the parts.
const PARTS: &str = "parts.";
/// The directory with the rows of parts in shared chunks.
const FRAGMENTS: &str = "fragments";

/// The directory of a plan, as one of its workers sees it.
#[derive(Debug)]
pub(crate) struct PlanDirectory {
    file_system: Arc<dyn FileSystem>,
    /// The directory of the array.
    array: PathBuf,
    token: String,
    n_parts: usize,
    durability: Durability,
    /// The present path, which changes when a worker begins to finish the plan.
    path: Mutex<PathBuf>,
}

impl PlanDirectory {
    /// Writes a plan to a staging directory that this process holds. Others can join from then on.
    pub(crate) fn create(
        staging: &Staging,
        document: &PlanDocument,
        durability: Durability,
    ) -> io::Result<()> {
        const NEW: &str = "plan.new";
        let (file_system, directory) = (&*staging.file_system, staging.directory());
        let parts = parts_of(directory, &document.token);
        for directory in [directory.join(DONE), directory.join(FRAGMENTS), parts] {
            file_system.create_directory(&directory)?;
        }
        if durability == Durability::Full {
            // A plan is never there without these directories.
            file_system.sync_directory(directory)?;
        }
        let new = directory.join(NEW);
        remove_if_there(file_system, &new)?;
        file_system.write(&new, document.to_text().as_bytes())?;
        if durability == Durability::Full {
            file_system.sync_file(&new)?;
        }
        if !staging.is_held()? {
            return Err(io::ErrorKind::NotFound.into());
        }
        file_system.rename_file(&new, &directory.join(PLAN))?;
        if durability == Durability::Full {
            // The directory of the array may be new, and so may the directories above it.
            for directory in directory.ancestors().take(3) {
                file_system.sync_directory(directory)?;
            }
        }
        Ok(())
    }

    /// Returns the plan in the staging directory of an array, if there is one.
    pub(crate) fn find(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
    ) -> Result<Option<(PathBuf, PlanDocument)>> {
        let examine = |source| Error::examine(array, source);
        match Staging::find(&**file_system, array).map_err(examine)? {
            Some(directory) => {
                Ok(read_plan(&**file_system, &directory)?.map(|plan| (directory, plan)))
            }
            None => Ok(None),
        }
    }

    pub(crate) fn open(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        directory: PathBuf,
        plan: &PlanDocument,
        durability: Durability,
    ) -> PlanDirectory {
        PlanDirectory {
            file_system: Arc::clone(file_system),
            array: array.to_owned(),
            token: plan.token.clone(),
            n_parts: plan.part_ends.len(),
            durability,
            path: Mutex::new(directory),
        }
    }

    /// Returns true if a staging directory holds this plan, and `None` if it holds none.
    pub(crate) fn is_at(
        file_system: &dyn FileSystem,
        plan: &PlanDocument,
        directory: &Path,
    ) -> io::Result<Option<bool>> {
        match read_plan(file_system, directory) {
            Ok(found) => Ok(found.map(|found| found.token == plan.token)),
            Err(error) if error.is_of_record() => Ok(Some(false)),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn path(&self) -> PathBuf {
        self.path.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls a function with the path of the directory. If the directory was renamed meanwhile, it
    /// is called again. Returns `None` if the plan is gone.
    fn at<T>(&self, operation: impl Fn(&Path) -> io::Result<T>) -> Result<Option<T>> {
        // Each worker that begins to finish the plan renames the directory.
        const MOST_TRIES: usize = 40;
        let mut path = self.path();
        for n_tries in 1..=MOST_TRIES {
            let error = match operation(&path) {
                Ok(done) => return Ok(Some(done)),
                Err(error) => error,
            };
            let is_there = self.file_system.entry_kind(&path.join(PLAN));
            if is_there.map_err(|source| Error::examine(&path, source))?.is_some() {
                // Another worker may just have removed the directory of a part.
                if error.kind() == io::ErrorKind::NotFound && n_tries < MOST_TRIES {
                    sleep(BETWEEN_TRIES);
                    continue;
                }
                return Err(Error::examine(path, error));
            }
            match self.find_again()? {
                Some(now) => path = now,
                None => return Ok(None),
            }
        }
        Err(Error::examine(path, io::Error::other("it is renamed again and again")))
    }

    /// Returns the present path of the directory, unless the plan is gone.
    pub(crate) fn find_again(&self) -> Result<Option<PathBuf>> {
        // While a directory is renamed, it may be listed under neither name.
        const MOST_TRIES: usize = 3;
        for _ in 0..MOST_TRIES {
            match PlanDirectory::find(&self.file_system, &self.array)? {
                Some((now, plan)) if plan.token == self.token => {
                    *self.path.lock().unwrap_or_else(PoisonError::into_inner) = now.clone();
                    return Ok(Some(now));
                }
                Some(_) => return Ok(None),
                None => sleep(BETWEEN_TRIES),
            }
        }
        Ok(None)
    }

    /// Returns the numbers of the finished parts in ascending order, or `None` if the plan is gone.
    pub(crate) fn finished(&self) -> Result<Option<Vec<usize>>> {
        let names = self.at(|path| self.listed(path, &path.join(DONE)))?;
        Ok(names.map(|names| {
            let mut parts: Vec<_> = names.iter().filter_map(|name| self.part_named(name)).collect();
            parts.sort_unstable();
            parts
        }))
    }

    /// Lists a directory of the plan at `path`. If another program has removed it, there is nothing
    /// in it.
    fn listed(&self, path: &Path, directory: &Path) -> io::Result<Vec<OsString>> {
        match self.file_system.list(directory) {
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && self.file_system.entry_kind(&path.join(PLAN))?.is_some() =>
            {
                Ok(Vec::new())
            }
            listed => listed,
        }
    }

    /// Creates the directories of the plan that another program has removed.
    pub(crate) fn restore_directories(&self) -> Result<()> {
        self.at(|path| {
            for directory in [path.join(DONE), path.join(FRAGMENTS), parts_of(path, &self.token)] {
                if self.file_system.entry_kind(&directory)?.is_none()
                    && self.file_system.entry_kind(&path.join(PLAN))?.is_some()
                {
                    match self.file_system.create_directory(&directory) {
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        created => created?,
                    }
                    // The worker that removes the plan may not have seen it.
                    if self.file_system.entry_kind(&path.join(PLAN))?.is_none() {
                        let _ = self.file_system.remove_directory(&directory);
                    }
                }
            }
            Ok(())
        })
        .map(|_| ())
    }

    /// Returns the record of a part if it is finished.
    pub(crate) fn record(&self, part: usize) -> Result<Option<Vec<u8>>> {
        let record = self.at(|path| {
            match self.file_system.read(&done(path, part), 0, None) {
                // The directory may have been renamed.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && self.file_system.entry_kind(&path.join(PLAN))?.is_some() =>
                {
                    Ok(None)
                }
                read => read.map(|bytes| Some(bytes.to_vec())),
            }
        })?;
        Ok(record.flatten())
    }

    /// Returns the beginnings of the records of all finished parts. Damaged records are left out.
    pub(super) fn heads(&self) -> Result<Vec<Head>> {
        let heads = self.at(|path| {
            let mut heads = Vec::new();
            for name in self.listed(path, &path.join(DONE))? {
                if self.part_named(&name).is_none() {
                    continue;
                }
                let path = path.join(DONE).join(name);
                match self.file_system.read(&path, 0, Some(LONGEST_HEAD as u64)) {
                    // It was just removed.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    read => heads.extend(Head::parse(&read?)),
                }
            }
            Ok(heads)
        })?;
        Ok(heads.unwrap_or_default())
    }

    /// Removes the record of a part.
    pub(crate) fn discard(&self, part: usize) -> Result<()> {
        self.at(|path| {
            remove_if_there(&*self.file_system, &done(path, part))?;
            match self.durability {
                Durability::Full => self.file_system.sync_directory(&path.join(DONE)),
                Durability::None => Ok(()),
            }
        })
        .map(|_| ())
    }

    /// Takes a part, unless it is finished or another worker has it.
    pub(crate) fn take(&self, part: usize, takes_over: bool) -> Result<TakenPart<Staging>> {
        let taken = self.at(|path| {
            let is_finished = || -> io::Result<bool> {
                Ok(self.file_system.entry_kind(&done(path, part))?.is_some())
            };
            if is_finished()? {
                return Ok(TakenPart::Finished);
            }
            let directory = self.part_at(path, part);
            match self.file_system.create_directory(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let staging = match Staging::take_part(&self.file_system, &directory, takes_over)? {
                Taken::Created(staging) => staging,
                Taken::Left(staging) => {
                    staging.remove_in_progress()?;
                    staging
                }
                Taken::Held { holder } => return Ok(TakenPart::Held { holder, is_certain: true }),
                Taken::MaybeHeld { holder } => {
                    return Ok(TakenPart::Held { holder, is_certain: false });
                }
                Taken::Plan { .. } => return Err(io::Error::other("a plan lies in a plan")),
            };
            // The worker that had it may just have finished it, or the whole plan.
            if is_finished()? {
                remove_part(&*self.file_system, staging, &directory)?;
                return Ok(TakenPart::Finished);
            }
            if self.file_system.entry_kind(&path.join(PLAN))?.is_none() {
                // Otherwise the worker that removes the plan waits for these files.
                let _ = remove_part(&*self.file_system, staging, &directory);
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(TakenPart::Taken(staging))
        })?;
        Ok(taken.unwrap_or(TakenPart::Gone))
    }

    /// Stores the record of a part that this worker has taken, and gives the part back. From then
    /// on the part is finished. If it was finished before, that record stays.
    pub(crate) fn finish(&self, part: usize, staging: Staging, record: &[u8]) -> io::Result<()> {
        let file_system = &*self.file_system;
        let new = staging.directory().join(format!("record.{}", token()));
        file_system.write(&new, record)?;
        if self.durability == Durability::Full {
            file_system.sync_file(&new)?;
        }
        if !staging.is_held()? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let plan = plan_of(staging.directory());
        match file_system.rename_new_file(&new, &done(&plan, part)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            // A server may have renamed the file even though its answer was lost. Or the record is
            // the one of another worker, which has taken over.
            Err(error)
                if !staging.is_held()?
                    || file_system.entry_kind(&new)?.is_some()
                    || file_system.entry_kind(&done(&plan, part))?.is_none() =>
            {
                return Err(error);
            }
            _ => {}
        }
        if self.durability == Durability::Full {
            // Another worker may just have begun to finish the plan.
            let flushed = self.at(|path| file_system.sync_directory(&path.join(DONE)));
            flushed.map_err(io::Error::other)?;
        }
        // The part is finished in any case. Another worker may have published the array, too.
        if matches!(staging.is_held(), Ok(true)) {
            let _ = remove_part(file_system, staging, &self.part_at(&plan, part));
        }
        Ok(())
    }

    /// Gives back a part whose result is kept elsewhere.
    pub(crate) fn give_back(&self, staging: Staging) {
        if let Some(directory) = staging.directory().parent().map(Path::to_owned) {
            // What remains is removed with the plan.
            let _ = remove_part(&*self.file_system, staging, &directory);
        }
    }

    /// Returns the parts that workers have taken, with the descriptions of the workers, and true if
    /// they are certain to be running.
    pub(crate) fn taken(&self) -> Result<Vec<(usize, String, bool)>> {
        let taken = self.at(|path| {
            let mut taken = Vec::new();
            for name in self.listed(path, &parts_of(path, &self.token))? {
                let Some(part) = self.part_named(&name) else { continue };
                let directory = self.part_at(path, part);
                let found = match Staging::find(&*self.file_system, &directory) {
                    // The worker has just finished the part.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                    found => found?,
                };
                let Some(directory) = found else { continue };
                if let Some((holder, is_certain)) = Staging::holder(&*self.file_system, &directory)?
                {
                    taken.push((part, holder, is_certain));
                }
            }
            taken.sort_unstable();
            Ok(taken)
        })?;
        Ok(taken.unwrap_or_default())
    }

    /// Returns the number of the part that a file or a directory is named after.
    fn part_named(&self, name: &OsStr) -> Option<usize> {
        let part: usize = name.to_str()?.parse().ok()?;
        (part < self.n_parts && *name == *part.to_string()).then_some(part)
    }

    fn part_at(&self, plan: &Path, part: usize) -> PathBuf {
        parts_of(plan, &self.token).join(part.to_string())
    }
}

/// Returns true if a directory in a staging directory has the name of one of a plan.
pub(super) fn is_of_plan(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == DONE || name == FRAGMENTS || name.starts_with(PARTS)
}

/// Returns the directory of the parts of a plan.
fn parts_of(plan: &Path, token: &str) -> PathBuf {
    plan.join(format!("{PARTS}{token}"))
}

/// Returns the directory of the plan that a part belongs to, from the staging directory of the
/// part.
pub(crate) fn plan_of(staging: &Path) -> PathBuf {
    staging.ancestors().nth(3).unwrap_or(staging).to_owned()
}

/// Returns the path of the rows of a part in a chunk that it shares with other parts.
pub(crate) fn fragment(plan: &Path, part: usize, key: &str) -> PathBuf {
    plan.join(FRAGMENTS).join(format!("{part}.{}", key.replace('/', ".")))
}

fn done(plan: &Path, part: usize) -> PathBuf {
    plan.join(DONE).join(part.to_string())
}

/// Removes the staging directory of a part, and the directory that it lies in.
fn remove_part(
    file_system: &dyn FileSystem,
    mut staging: Staging,
    directory: &Path,
) -> io::Result<()> {
    staging.remove()?;
    match file_system.remove_directory(directory) {
        // Another worker looks at it.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Ok(())
        }
        removed => removed,
    }
}

/// Returns the key of the plan in a staging directory, if there is a plan that is not published. A
/// damaged plan has an empty key.
pub(crate) fn open_plan(
    file_system: &dyn FileSystem,
    array: &Path,
    directory: &Path,
) -> io::Result<Option<String>> {
    match read_plan(file_system, directory) {
        Ok(None) => Ok(None),
        Ok(Some(plan)) => {
            let present = present_at_path(file_system, array).map_err(io::Error::other)?;
            let is_open = present.map(|present| present.keys) != plan.record.keys();
            Ok(is_open.then_some(plan.record.key))
        }
        Err(error) if error.is_of_record() => Ok(Some(String::new())),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Returns a worker that is certain to compute a part of the plan in a directory, which may be
/// damaged.
pub(super) fn running_worker(
    file_system: &dyn FileSystem,
    directory: &Path,
) -> io::Result<Option<String>> {
    for name in file_system.list(directory)? {
        if !name.to_string_lossy().starts_with(PARTS) {
            continue;
        }
        let parts = directory.join(name);
        for part in file_system.list(&parts)? {
            if let Some(staging) = Staging::find(file_system, &parts.join(part))?
                && let Some((holder, true)) = Staging::holder(file_system, &staging)?
            {
                return Ok(Some(holder));
            }
        }
    }
    Ok(None)
}

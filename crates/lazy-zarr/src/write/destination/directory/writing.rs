//! Storing the chunks of an array in a directory.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use super::super::part::put_chunk;
use super::claim::{Acquired, Place, Purpose, check, not_writable, take};
use crate::error::{Error, ErrorKind, Result, ResumeError, TargetError, WriteError};
use crate::format::KeySpace;
use crate::fs::FileSystem;
use crate::settings::{Durability, Existing, OldChunks, WriteSettings};
use crate::staging::removal::remove_if_there;
use crate::staging::{
    ChunkFiles, FileJournal, Journal, Permissions, PlanDirectory, PlanDocument, Record, Staging,
    Tally, flush, token,
};
use crate::store::node::{Present, document_at_path, rows_at_path};
use crate::target::Target;

/// A new version of an array, which is written beside the present version in the same directory.
///
/// The chunks go to a key space that the present metadata does not reference, so no reader sees
/// them. At the end, the new metadata is renamed over the present metadata; no directory is ever
/// moved. The chunks of the present version stay, for readers that have opened it. The chunks of
/// the version before it are removed.
///
/// A write that appends shares the chunks of the present version. Its own chunks lie behind the
/// rows that the present metadata declares. If the last row of chunks is not full, the chunks with
/// the new rows are renamed over it just before the metadata, and the rows of the present version
/// are the same in both.
pub(crate) struct Directory {
    pub(super) file_system: Arc<dyn FileSystem>,
    /// The target as the user specified it.
    pub(super) target: Target,
    /// The array's directory.
    pub(super) array: PathBuf,
    /// The number of groups that hold the array and that the target names.
    pub(super) n_groups: usize,
    /// The directories of the missing groups, outermost first.
    pub(super) new_groups: Vec<PathBuf>,
    /// The directories that this write has created, innermost first.
    pub(super) created: Vec<PathBuf>,
    pub(super) staging: Staging,
    /// The present version, if there is one.
    pub(super) present: Option<Present>,
    /// The chunks of the write.
    pub(super) chunks: ChunkFiles,
    /// The metadata document of the version that the write appends to, if it appends.
    pub(super) base: Option<Bytes>,
    pub(super) permissions: Permissions,
    pub(super) durability: Durability,
    pub(super) old_chunks: OldChunks,
    /// The journal and the record of a resumable write.
    pub(super) journal: Option<Arc<FileJournal>>,
    pub(super) tally: Mutex<Tally>,
    /// The keys of the chunks that were stored to finish a plan.
    pub(super) put: Mutex<Vec<String>>,
    /// The new metadata, once it is final.
    pub(super) metadata: OnceLock<Vec<u8>>,
    /// True if an earlier write left files.
    pub(super) is_left: bool,
    /// True if workers share the write, so that its files stay until it is published.
    pub(super) is_plan: bool,
    /// True once this write may store chunks, because it owns the key space.
    pub(super) has_begun: bool,
    /// True as long as the written files can be relied upon.
    pub(super) is_sound: AtomicBool,
    pub(super) is_published: AtomicBool,
    /// True if the chunks of old versions were removed. If not, the next write removes them.
    pub(super) is_cleared: AtomicBool,
}

/// What an attempt to create or join a plan has found.
enum Planning {
    /// The directory of the array, the one of the plan, and the plan.
    Joined(Box<(PathBuf, PathBuf, PlanDocument)>),
    /// The array is published.
    Complete,
    /// Another worker has published or removed a plan meanwhile.
    Again,
}

impl Directory {
    /// Checks the target.
    pub(crate) fn check(
        settings: &WriteSettings,
        file_system: &Arc<dyn FileSystem>,
        path: &Path,
        members: &[String],
    ) -> Result<()> {
        Place::check(settings, file_system, path, members).map(drop)
    }

    /// Checks the target, and acquires its staging directory. Returns the record of an earlier
    /// write, if that write is resumed.
    pub(crate) fn begin(
        settings: &WriteSettings,
        file_system: &Arc<dyn FileSystem>,
        path: &Path,
        members: &[String],
    ) -> Result<(Directory, Option<Record>)> {
        let place = Place::check(settings, file_system, path, members)?;
        let acquired = take(settings, &place.file_system, &place.array, Purpose::Write)?;
        let acquired = acquired.expect("only a worker joins a plan");
        let mut write = Directory::acquired(settings, place, acquired)?;
        let left = write.left()?;
        let record = write.resumable_record(settings, left.as_ref())?;
        write.make_room(record.is_some(), left.as_ref())?;
        write.journal = settings.resume.as_ref().map(|_| {
            let journal = FileJournal::new(write.chunks.clone());
            if record.is_some() {
                journal.resume();
            }
            Arc::new(journal)
        });
        Ok((write, record))
    }

    /// Creates the plan of several workers in the staging directory, or returns the one that is
    /// there, with the directory of the array and the staging directory. Returns `None` if the
    /// array is complete. `document` returns the plan for chunks in a key space.
    pub(crate) fn plan(
        settings: &WriteSettings,
        file_system: &Arc<dyn FileSystem>,
        path: &Path,
        members: &[String],
        is_complete: &dyn Fn() -> Result<bool>,
        document: &dyn Fn(KeySpace) -> Result<PlanDocument>,
    ) -> Result<Option<(PathBuf, PathBuf, PlanDocument)>> {
        // The number of plans that other workers publish, remove, or take over meanwhile.
        const MOST_TRIES: usize = 10;
        for _ in 0..MOST_TRIES {
            match Directory::plan_once(
                settings,
                file_system,
                (path, members),
                is_complete,
                document,
            ) {
                Ok(Planning::Joined(found)) => return Ok(Some(*found)),
                Ok(Planning::Complete) => return Ok(None),
                Ok(Planning::Again) => {}
                // Another worker has taken over, to create the plan.
                Err(error) if error.is_taken_over() => {}
                Err(error) => return Err(error),
            }
        }
        Err(TargetError::Replaced { target: settings.target.to_string() }.into())
    }

    fn plan_once(
        settings: &WriteSettings,
        file_system: &Arc<dyn FileSystem>,
        (path, members): (&Path, &[String]),
        is_complete: &dyn Fn() -> Result<bool>,
        document: &dyn Fn(KeySpace) -> Result<PlanDocument>,
    ) -> Result<Planning> {
        let place = match Place::check(settings, file_system, path, members) {
            // Another worker may have published the array.
            Err(error) if error.kind() == ErrorKind::Exists && is_complete()? => {
                return Ok(Planning::Complete);
            }
            place => place?,
        };
        let array = place.array.clone();
        let Some(acquired) = take(settings, file_system, &array, Purpose::Plan)? else {
            return Ok(match PlanDirectory::find(file_system, &array)? {
                Some((directory, plan)) => Planning::Joined(Box::new((array, directory, plan))),
                None if is_complete()? => Planning::Complete,
                None => Planning::Again,
            });
        };
        let mut write = match Directory::acquired(settings, place, acquired) {
            Err(error) if error.kind() == ErrorKind::Exists && is_complete()? => {
                return Ok(Planning::Complete);
            }
            write => write?,
        };
        // No other worker can publish it now.
        if is_complete()? {
            return Ok(Planning::Complete);
        }
        let left = write.left()?;
        if let Some(record) = write.resumable_record(settings, left.as_ref())? {
            let directory = write.staging.directory().to_owned();
            let (target, key) = (write.name(), record.key);
            return Err(ResumeError::Unfinished { target, directory, key }.into());
        }
        let plan = document(write.chunks.keys())?;
        write.make_room(false, left.as_ref())?;
        let created = PlanDirectory::create(&write.staging, &plan, write.durability)
            .and_then(|()| write.flush_created());
        created.map_err(|source| write.no_room(source))?;
        write.is_plan = true;
        let directory = write.staging.directory().to_owned();
        Ok(Planning::Joined(Box::new((array, directory, plan))))
    }

    /// Flushes the entries of the directories that this write has created.
    fn flush_created(&self) -> io::Result<()> {
        if self.durability == Durability::None {
            return Ok(());
        }
        let mut above = self.created.iter().filter_map(|created| created.parent());
        above.try_for_each(|directory| self.file_system.sync_directory(directory))
    }

    /// Takes the staging directory of a plan, to publish its array. Returns `None` if the plan is
    /// gone, or is published already.
    pub(crate) fn finish(
        settings: &WriteSettings,
        file_system: &Arc<dyn FileSystem>,
        path: &Path,
        members: &[String],
        plan: &PlanDocument,
    ) -> Result<Option<Directory>> {
        // The array may be published, and the rest of the plan remains.
        let settings = &WriteSettings { existing: Existing::Replace, ..settings.clone() };
        let place = Place::check(settings, file_system, path, members)?;
        let purpose = Purpose::Finish(plan);
        let Some(acquired) = take(settings, file_system, &place.array, purpose)? else {
            return Ok(None);
        };
        let mut write = Directory::acquired(settings, place, acquired)?;
        let present = write.present.map(|present| present.keys);
        if present.is_some() && present == plan.record.keys() {
            // The worker that published it has ended before it removed the rest. The next write
            // removes the chunks of old versions.
            write.is_published.store(true, Ordering::Relaxed);
            write.is_cleared.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        write.is_plan = true;
        write.make_room(true, None)?;
        Ok(Some(write))
    }

    /// Creates the write of an acquired staging directory.
    fn acquired(settings: &WriteSettings, place: Place, acquired: Acquired) -> Result<Directory> {
        let Place { file_system, array, n_groups } = place;
        let Acquired { staging, created, is_left } = acquired;
        let directory = staging.directory().to_owned();
        let chunks =
            ChunkFiles::of_version(&file_system, &array, &directory, KeySpace::after(None));
        let mut write = Directory {
            file_system,
            target: settings.target.clone(),
            array,
            n_groups,
            new_groups: Vec::new(),
            created,
            staging,
            present: None,
            chunks,
            base: None,
            permissions: Permissions::default(),
            durability: settings.durability,
            old_chunks: settings.old_chunks,
            journal: None,
            tally: Mutex::default(),
            put: Mutex::default(),
            metadata: OnceLock::new(),
            is_left,
            is_plan: false,
            has_begun: false,
            is_sound: AtomicBool::new(true),
            is_published: AtomicBool::new(false),
            is_cleared: AtomicBool::new(false),
        };
        // Another write may have published since the first check.
        let (present, new_groups) = check(&*write.file_system, settings, &write.array, n_groups)?;
        (write.present, write.new_groups) = (present, new_groups);
        match present {
            Some(_) if settings.existing == Existing::Append => write.append()?,
            _ => {
                let keys = KeySpace::after(present.map(|present| present.keys));
                let (file_system, array) = (&write.file_system, &write.array);
                write.chunks = ChunkFiles::of_version(file_system, array, &directory, keys);
            }
        }
        Ok(write)
    }

    /// Returns the chunks of the write that left the staging directory, if there was one.
    fn left(&self) -> Result<Option<ChunkFiles>> {
        let directory = self.staging.directory();
        let left = || ChunkFiles::left(&self.file_system, &self.array, directory);
        self.is_left.then(left).transpose()
    }

    /// Makes room for the chunks. From then on this write owns their keys.
    fn make_room(&mut self, resumes: bool, left: Option<&ChunkFiles>) -> Result<()> {
        self.prepare(resumes, left).map_err(|source| self.no_room(source))?;
        self.has_begun = true;
        Ok(())
    }

    fn no_room(&self, source: io::Error) -> Error {
        if self.is_held() {
            not_writable(&self.target, &self.array, source)
        } else {
            Error::taken_over(self.name())
        }
    }

    /// Returns the journal of a resumable write.
    pub(in crate::write::destination) fn journal(&self) -> Option<&Arc<FileJournal>> {
        self.journal.as_ref()
    }

    /// Returns the metadata document of the version that the write appends to, if it appends.
    pub(in crate::write::destination) fn base(&self) -> Option<&Bytes> {
        self.base.as_ref()
    }

    pub(super) fn name(&self) -> String {
        self.target.to_string()
    }

    /// Makes the write one that appends to the present version.
    fn append(&mut self) -> Result<()> {
        let (file_system, target) = (&self.file_system, self.name());
        let document = self.array.join("zarr.json");
        let (Some(base), Some(rows)) = (
            document_at_path(&**file_system, &document)?,
            rows_at_path(&**file_system, &self.array)?,
        ) else {
            let reason = if self.present.is_some_and(|present| present.is_v2) {
                "it is a Zarr v2 array"
            } else {
                "it has no axis, or its chunk grid is not regular"
            };
            return Err(TargetError::NotAppendable { target, reason }.into());
        };
        let staging = self.staging.directory();
        self.chunks = ChunkFiles::of_append(file_system, &self.array, staging, rows);
        self.base = Some(base);
        Ok(())
    }

    /// Returns the record of the unfinished write that left these chunks, if this write resumes it.
    fn resumable_record(
        &self,
        settings: &WriteSettings,
        left: Option<&ChunkFiles>,
    ) -> Result<Option<Record>> {
        let Some(left) = left else { return Ok(None) };
        let restarts = settings.resume.as_ref().is_some_and(|resume| resume.restarts);
        let record = match FileJournal::new(left.clone()).record() {
            Err(error) if restarts && error.is_of_record() => None,
            record => record?,
        };
        let Some(record) = record else { return Ok(None) };
        let (target, directory) = (self.name(), self.staging.directory().to_owned());
        if settings.resume.is_none() {
            return Err(ResumeError::Unfinished { target, directory, key: record.key }.into());
        }
        if left.appended_rows() == self.chunks.appended_rows() {
            return Ok(Some(record));
        }
        if restarts {
            return Ok(None);
        }
        let of = |chunks: &ChunkFiles| match chunks.appended_rows() {
            Some(n_rows) => format!("appended to {n_rows} rows"),
            None => "a new array".to_owned(),
        };
        let (expected, actual) = (of(left), of(&self.chunks));
        Err(ResumeError::Mismatch { target, directory, what: "result", expected, actual }.into())
    }

    /// Makes room for the chunks, and determines their permissions.
    fn prepare(&mut self, resumes: bool, left: Option<&ChunkFiles>) -> io::Result<()> {
        let file_system = &*self.file_system;
        // After this flush, no power failure can lose the staging directory but keep the chunks,
        // which the staging directory marks as a write's; and none can restore a version whose
        // chunks are removed here.
        self.sync_array()?;
        if resumes {
            remove_if_there(file_system, &self.staging.metadata())?;
        } else {
            if let Some(left) = left {
                self.staging.reset()?;
                // Nor can a power failure restore an old journal beside the record of this write.
                if self.durability == Durability::Full {
                    file_system.sync_directory(self.staging.directory())?;
                }
                let has_removed = left.clear()?;
                // The chunks of the earlier write are known by its mark, or by its key space.
                if has_removed && self.durability == Durability::Full {
                    left.sync_cleared()?;
                }
                if self.staging.unmark_append()? && self.durability == Durability::Full {
                    file_system.sync_directory(self.staging.directory())?;
                }
            }
            let is_cleared = left.is_some_and(|left| left.covers(&self.chunks));
            if !is_cleared && let Some(file) = self.chunks.first_file()? {
                let message = format!(
                    "{} is in the way: it has the name of a chunk, but no write created it",
                    file.display()
                );
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
            }
            if self.base.is_some() {
                self.staging.mark_append()?;
            }
        }
        if self.base.is_some() && self.durability == Durability::Full {
            self.staging.sync_mark()?;
        }
        let permissions =
            Permissions::of_present(file_system, &self.array, self.present, &self.staging)?;
        self.permissions = permissions;
        Ok(())
    }

    /// Flushes the entries of the array's directory, if the array must survive power failures.
    fn sync_array(&self) -> io::Result<()> {
        match self.durability {
            Durability::Full => self.file_system.sync_directory(&self.array),
            Durability::None => Ok(()),
        }
    }

    /// Removes the chunks of this write, and makes sure that they are gone before the staging
    /// directory is removed, which marks any remaining chunks as a write's.
    pub(super) fn clear(&self, chunks: &ChunkFiles) -> io::Result<()> {
        // A write that has taken over may use these chunks.
        if self.staging.is_held()? && chunks.clear()? && self.durability == Durability::Full {
            chunks.sync_cleared()?;
        }
        Ok(())
    }

    /// Removes the chunks of old versions, and makes sure that they are gone.
    pub(super) fn clear_key_spaces(&self, keys: &[KeySpace]) -> io::Result<()> {
        let mut has_removed = false;
        for keys in keys {
            // A write that has taken over may use these chunks.
            if self.staging.is_held()? {
                has_removed |= keys.clear(&*self.file_system, &self.array)?;
            }
        }
        if has_removed { self.sync_array() } else { Ok(()) }
    }

    /// Writes a new file, and creates its missing directories below the array's directory.
    pub(super) fn write_chunk(&self, key: &str, slices: &[IoSlice<'_>]) -> Result<()> {
        let path = self.chunks.path(key);
        let write = || self.file_system.write_slices(&path, slices);
        let written = match write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_held() => {
                // The first chunk in a directory creates it.
                let directory = path.parent().unwrap_or(&self.array);
                self.permissions
                    .create_directory(&*self.file_system, &self.array, directory)
                    .and_then(|()| write())
            }
            written => written,
        };
        let written =
            written.and_then(|()| self.permissions.give_to_file(&*self.file_system, &path));
        written.map_err(|source| self.not_written(path, source))
    }

    /// Writes a chunk in the staging directory, and renames it to its place.
    pub(super) fn replace_chunk(&self, key: &str, slices: &[IoSlice<'_>]) -> Result<()> {
        let new = self.staging.directory().join(format!("chunk.{}", token()));
        let path = self.chunks.path(key);
        put_chunk(&*self.file_system, &self.array, &self.permissions, slices, (&new, &path), || {
            self.is_held()
        })
        .map_err(|source| self.not_written(path, source))
    }

    /// Returns true until another write takes over, and also if this is unknown: the operation that
    /// follows then fails.
    pub(super) fn is_held(&self) -> bool {
        self.staging.is_held().unwrap_or(true)
    }

    pub(super) fn write_staged(&self, path: PathBuf, bytes: &[u8]) -> Result<()> {
        let written = remove_if_there(&*self.file_system, &path)
            .and_then(|()| self.file_system.write(&path, bytes));
        let written =
            written.and_then(|()| self.permissions.give_to_file(&*self.file_system, &path));
        written.map_err(|source| self.not_written(path, source))
    }

    fn not_written(&self, path: PathBuf, source: io::Error) -> Error {
        if self.is_held() {
            WriteError::Write { path, source }.into()
        } else {
            Error::taken_over(self.name())
        }
    }

    /// Flushes all written files, and the entries of their directories.
    pub(super) fn flush(&self, n_chunks: &[u64]) -> io::Result<()> {
        let file_system = &*self.file_system;
        if self.is_plan {
            return self.flush_plan();
        }
        match file_system.sync_file_system(&self.array) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            flushed => return flushed,
        }
        flush::each(file_system, |visit| self.chunks.walk(n_chunks, visit))?;
        self.flush_metadata()
    }

    /// Flushes what this worker has stored to finish a plan. The workers have flushed their parts.
    fn flush_plan(&self) -> io::Result<()> {
        let put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = put.iter().map(|key| (key, self.chunks.path(key)));
        flush::with_directories(&*self.file_system, &self.array, paths)?;
        self.flush_metadata()
    }

    /// Flushes the new metadata, and the entries of directories.
    fn flush_metadata(&self) -> io::Result<()> {
        let file_system = &*self.file_system;
        file_system.sync_file(&self.staging.metadata())?;
        for level in 0..self.new_groups.len() {
            file_system.sync_file(&self.staging.group(level))?;
        }
        // Other writes may have created the directories of groups.
        let above = self.array.ancestors().skip(1).take(self.n_groups + 1);
        let created = self.created.iter().filter_map(|created| created.parent());
        let directories = [self.staging.directory(), &self.array].into_iter();
        let directories = directories.chain(above).chain(created);
        directories.into_iter().try_for_each(|directory| file_system.sync_directory(directory))
    }
}

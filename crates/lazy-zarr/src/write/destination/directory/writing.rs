//! The chunks of an array in a directory, until all of them are stored.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

use super::claim::{check, not_writable, take};
use crate::error::{Error, Result, ResumeError, WriteError};
use crate::format::KeySpace;
use crate::fs::FileSystem;
use crate::settings::{Durability, OldChunks, WriteSettings};
use crate::staging::directory::remove_if_there;
use crate::staging::{Journal, Permissions, Record, Staging, Tally, flush};
use crate::store::absolute;
use crate::store::check::{check_existing, is_missing_group};
use crate::store::node::{Present, group_at_path, node_at_path};
use crate::target::Target;

/// An array that is written beside the present version, in its directory.
///
/// Its chunks go to a key space that the present metadata does not name, so that no reader looks at them.
/// The new metadata is renamed over the present one in the end: no directory is ever moved. The chunks of
/// the present version stay where they are, for those who have opened it; those of the version before it
/// are removed.
pub(crate) struct Directory {
    pub(super) file_system: Arc<dyn FileSystem>,
    /// The target as the user named it.
    pub(super) target: Target,
    /// The array's directory.
    pub(super) array: PathBuf,
    /// The number of groups that hold the array and were named with it.
    pub(super) n_groups: usize,
    /// The directories of those that are not there yet, the outermost first.
    pub(super) new_groups: Vec<PathBuf>,
    /// The directories that this write has created, the innermost first.
    pub(super) created: Vec<PathBuf>,
    pub(super) staging: Staging,
    /// The version that is there, if one is.
    pub(super) present: Option<Present>,
    /// The key space of the new version.
    pub(super) keys: KeySpace,
    pub(super) permissions: Permissions,
    pub(super) durability: Durability,
    pub(super) old_chunks: OldChunks,
    /// The record and the journal, when the write can be resumed.
    pub(super) journal: Option<Arc<Journal>>,
    pub(super) tally: Mutex<Tally>,
    /// The new metadata, once it is sealed.
    pub(super) metadata: OnceLock<Vec<u8>>,
    /// Whether an earlier write has left something.
    pub(super) is_left: bool,
    /// Whether this write may store chunks, because the key space belongs to it.
    pub(super) has_begun: bool,
    /// Whether what was written can be relied upon.
    pub(super) is_sound: AtomicBool,
    pub(super) is_published: AtomicBool,
    /// Whether the chunks of old versions were removed. If they were not, the next write does it.
    pub(super) is_cleared: AtomicBool,
}

impl Directory {
    /// Checks the target, and takes its staging directory. Returns what an earlier write recorded there, if
    /// it is to be resumed.
    pub(crate) fn begin(
        settings: &WriteSettings,
        file_system: Arc<dyn FileSystem>,
        path: &Path,
        members: &[String],
    ) -> Result<(Directory, Option<Record>)> {
        let target = &settings.target;
        let name = target.to_string();
        let named = members.iter().fold(path.to_owned(), |path, name| path.join(name));
        // As it was named, where a link can lead nowhere; and then the path that it stands for.
        if !members.is_empty() {
            is_missing_group(target, group_at_path(&*file_system, path)?, &path.display())?;
        }
        check_existing(target, node_at_path(&*file_system, &named)?, settings.existing)?;
        let array = absolute(&*file_system, &named)?;
        check(&*file_system, settings, &array, members.len())?;
        let (staging, created, is_left) = take(settings, &file_system, &array)?;
        let directory = staging.directory().to_owned();
        let mut write = Directory {
            file_system,
            target: target.clone(),
            array,
            n_groups: members.len(),
            new_groups: Vec::new(),
            created,
            staging,
            present: None,
            keys: KeySpace::Nested,
            permissions: Permissions::default(),
            durability: settings.durability,
            old_chunks: settings.old_chunks,
            journal: None,
            tally: Mutex::default(),
            metadata: OnceLock::new(),
            is_left,
            has_begun: false,
            is_sound: AtomicBool::new(true),
            is_published: AtomicBool::new(false),
            is_cleared: AtomicBool::new(false),
        };
        // Since it was looked at, another write may have published.
        let (present, new_groups) =
            check(&*write.file_system, settings, &write.array, members.len())?;
        (write.present, write.new_groups) = (present, new_groups);
        write.keys = KeySpace::after(present.map(|present| present.keys));
        let restarts = settings.resume.as_ref().is_some_and(|resume| resume.restarts);
        let record = match is_left.then(|| write.new_journal().record()) {
            Some(Err(error)) if restarts && error.is_of_record() => None,
            record => record.transpose()?.flatten(),
        };
        if let (Some(record), None) = (&record, &settings.resume) {
            let key = record.key.clone();
            return Err(ResumeError::Unfinished { target: name, directory, key }.into());
        }
        write
            .prepare(record.is_some())
            .map_err(|source| not_writable(target, &write.array, source))?;
        write.has_begun = true;
        write.journal = settings.resume.as_ref().map(|_| {
            let journal = write.new_journal();
            if record.is_some() {
                journal.resume();
            }
            Arc::new(journal)
        });
        Ok((write, record))
    }

    /// Returns the journal of a write that can be resumed.
    pub(in crate::write::destination) fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.as_ref()
    }

    pub(super) fn name(&self) -> String {
        self.target.to_string()
    }

    fn new_journal(&self) -> Journal {
        Journal::new(&self.file_system, &self.array, self.staging.directory(), self.keys)
    }

    /// Makes room for the chunks, and finds out what permissions they need.
    fn prepare(&mut self, resumes: bool) -> io::Result<()> {
        let file_system = &*self.file_system;
        // So that no power failure takes the staging directory but not the chunks, which are known by it to be a
        // write's; and none brings back a version that has the chunks which are removed here.
        self.sync_array()?;
        if resumes {
            remove_if_there(file_system, &self.staging.metadata())?;
        } else if self.is_left {
            self.staging.reset()?;
            // Nor is a journal to come back beside the record of this write.
            if self.durability == Durability::Full {
                file_system.sync_directory(self.staging.directory())?;
            }
            self.keys.clear(file_system, &self.array)?;
        } else if let Some(file) = self.keys.first_file(file_system, &self.array)? {
            let message = format!(
                "{} is in the way: it has the name of a chunk, but no write created it",
                file.display()
            );
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
        }
        let permissions =
            Permissions::of_present(file_system, &self.array, self.present, &self.staging)?;
        self.permissions = permissions;
        Ok(())
    }

    /// Flushes the entries of the array's directory, where a power failure is to be survived.
    fn sync_array(&self) -> io::Result<()> {
        match self.durability {
            Durability::Full => self.file_system.sync_directory(&self.array),
            Durability::None => Ok(()),
        }
    }

    /// Removes chunks, for certain before the staging directory, by which what is left of them is known to be a
    /// write's.
    pub(super) fn clear(&self, keys: &[KeySpace]) -> io::Result<()> {
        let mut has_removed = false;
        for keys in keys {
            // A write that has taken over meanwhile may use them.
            if self.staging.is_held()? {
                has_removed |= keys.clear(&*self.file_system, &self.array)?;
            }
        }
        if has_removed { self.sync_array() } else { Ok(()) }
    }

    /// Writes a new file, and creates the directories that it lies in below that of the array.
    pub(super) fn write_chunk(&self, key: &str, slices: &[IoSlice<'_>]) -> Result<()> {
        let path = self.array.join(key);
        let write = || self.file_system.write_slices(&path, slices);
        let written = match write() {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_held() => {
                // The first chunk of its row creates the directory.
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

    /// Returns true as long as no other write has taken over. What cannot be found out fails elsewhere.
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

    /// Flushes everything that was written, and the entries of the directories that it lies in.
    pub(super) fn flush(&self, n_chunks: &[u64]) -> io::Result<()> {
        let file_system = &*self.file_system;
        match file_system.sync_file_system(&self.array) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            flushed => return flushed,
        }
        flush::each(file_system, |visit| {
            self.keys.walk(file_system, &self.array, n_chunks, visit)
        })?;
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

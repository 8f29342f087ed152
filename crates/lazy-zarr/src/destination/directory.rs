//! An array in a directory of a file system.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::key_space::KeySpace;
use super::permissions::Permissions;
use super::place::absolute;
use super::staging::{Staging, remove_empty, remove_if_there, remove_v2_metadata};
use super::taking::Taken;
use super::tally::Tally;
use super::{Destination, check_ancestor, check_existing, flush, group_metadata, is_missing_group};
use crate::encode::Encoded;
use crate::node::{Node, Present, group_at_path, node_at_path, present_at_path, zarr_node_at_path};
use crate::resume::{Journal, Record};
use crate::store::DirectoryStore;
use crate::stored::{Origin, Source};
use crate::{Durability, Error, FileSystem, OldChunks, Result, Target, ZarrSink};

/// An array that is written beside the present version, in its directory.
///
/// Its chunks go to a key space that the present metadata does not name, so that no reader looks at them.
/// The new metadata is renamed over the present one in the end: no directory is ever moved. The chunks of
/// the present version stay where they are, for those who have opened it; those of the version before it
/// are removed.
pub(crate) struct Directory {
    file_system: Arc<dyn FileSystem>,
    /// The target as the user named it.
    target: Target,
    /// The array's directory.
    array: PathBuf,
    /// The number of groups that hold the array and were named with it.
    n_groups: usize,
    /// The directories of those that are not there yet, the outermost first.
    new_groups: Vec<PathBuf>,
    /// The directories that this write has created, the innermost first.
    created: Vec<PathBuf>,
    staging: Staging,
    /// The version that is there, if one is.
    present: Option<Present>,
    /// The key space of the new version.
    keys: KeySpace,
    permissions: Permissions,
    durability: Durability,
    old_chunks: OldChunks,
    /// The record and the journal, when the write can be resumed.
    journal: Option<Arc<Journal>>,
    tally: Mutex<Tally>,
    /// The new metadata, once it is sealed.
    metadata: OnceLock<Vec<u8>>,
    /// Whether an earlier write has left something.
    is_left: bool,
    /// Whether this write may store chunks, because the key space belongs to it.
    has_begun: bool,
    /// Whether what was written can be relied upon.
    is_sound: AtomicBool,
    is_published: AtomicBool,
    /// Whether the chunks of old versions were removed. If they were not, the next write does it.
    is_cleared: AtomicBool,
}

impl Directory {
    /// Checks the target, and takes its staging directory. Returns what an earlier write recorded there, if
    /// it is to be resumed.
    pub(crate) fn begin(
        sink: &ZarrSink,
        file_system: Arc<dyn FileSystem>,
        path: &Path,
        members: &[String],
    ) -> Result<(Directory, Option<Record>)> {
        let target = &sink.target;
        let name = target.to_string();
        let named = members.iter().fold(path.to_owned(), |path, name| path.join(name));
        // As it was named, where a link can lead nowhere; and then the path that it stands for.
        if !members.is_empty() {
            is_missing_group(target, group_at_path(&*file_system, path)?, &path.display())?;
        }
        check_existing(target, node_at_path(&*file_system, &named)?, sink.existing)?;
        let array = absolute(&*file_system, &named)?;
        check(&*file_system, sink, &array, members.len())?;
        let (staging, created, is_left) = take(sink, &file_system, &array)?;
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
            durability: sink.durability,
            old_chunks: sink.old_chunks,
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
        let (present, new_groups) = check(&*write.file_system, sink, &write.array, members.len())?;
        (write.present, write.new_groups) = (present, new_groups);
        write.keys = KeySpace::after(present.map(|present| present.keys));
        let restarts = sink.resume.as_ref().is_some_and(|resume| resume.restarts);
        let record = match is_left.then(|| write.new_journal().record()) {
            Some(Err(Error::BrokenRecord { .. })) if restarts => None,
            record => record.transpose()?.flatten(),
        };
        if let (Some(record), None) = (&record, &sink.resume) {
            let job = record.job.clone();
            return Err(Error::Unfinished { target: name, directory, job });
        }
        write
            .prepare(record.is_some())
            .map_err(|source| not_writable(target, &write.array, source))?;
        write.has_begun = true;
        write.journal = sink.resume.as_ref().map(|_| {
            let journal = write.new_journal();
            if record.is_some() {
                journal.resume();
            }
            Arc::new(journal)
        });
        Ok((write, record))
    }

    /// Returns the journal of a write that can be resumed.
    pub(super) fn journal(&self) -> Option<&Arc<Journal>> {
        self.journal.as_ref()
    }

    fn name(&self) -> String {
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
                "{} is in the way: it has the name of a chunk, and no write has left it",
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
    fn clear(&self, keys: &[KeySpace]) -> io::Result<()> {
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
    fn write_chunk(&self, key: &str, slices: &[IoSlice<'_>]) -> Result<()> {
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
    fn is_held(&self) -> bool {
        self.staging.is_held().unwrap_or(true)
    }

    fn write_staged(&self, path: PathBuf, bytes: &[u8]) -> Result<()> {
        let written = remove_if_there(&*self.file_system, &path)
            .and_then(|()| self.file_system.write(&path, bytes));
        let written =
            written.and_then(|()| self.permissions.give_to_file(&*self.file_system, &path));
        written.map_err(|source| self.not_written(path, source))
    }

    fn not_written(&self, path: PathBuf, source: io::Error) -> Error {
        if self.is_held() {
            Error::Write { path, source }
        } else {
            Error::TakenOver { target: self.name() }
        }
    }

    /// Flushes everything that was written, and the entries of the directories that it lies in.
    fn flush(&self, n_chunks: &[u64]) -> io::Result<()> {
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

    /// Checks again what is there: it may have changed while blocks were computed.
    fn check_again(&self) -> Result<()> {
        let file_system = &*self.file_system;
        let missing = check_groups(file_system, &self.target, &self.array, self.n_groups)?;
        if let Some(group) = missing.iter().find(|group| !self.new_groups.contains(group)) {
            let message = format!("{} is no longer a Zarr group", group.display());
            return Err(self.unpublished(io::Error::new(io::ErrorKind::NotFound, message)));
        }
        if !self.is_held() {
            return Err(Error::TakenOver { target: self.name() });
        }
        match (self.present, present_at_path(file_system, &self.array)?) {
            (before, now) if before == now => Ok(()),
            (None, Some(_)) => Err(Error::TargetExists { target: self.name() }),
            _ => Err(self.unpublished(io::Error::other(
                "the array that was to be replaced is no longer there, or another one is",
            ))),
        }
    }

    /// Publishes the groups that are not there yet, and returns their metadata files. Others may do the same
    /// at the same time.
    fn publish_groups(&self, published: &mut Vec<PathBuf>) -> Result<()> {
        let file_system = &*self.file_system;
        for (level, group) in self.new_groups.iter().enumerate() {
            let metadata = group.join("zarr.json");
            match file_system.rename_new_file(&self.staging.group(level), &metadata) {
                Ok(()) => published.push(metadata),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let node = group_at_path(file_system, group)?;
                    if is_missing_group(&self.target, node, &group.display())? {
                        return Err(self.unpublished(error));
                    }
                }
                Err(source) => return Err(self.unpublished(source)),
            }
        }
        Ok(())
    }

    fn publish_array(&self) -> Result<()> {
        let (from, to) = (self.staging.metadata(), self.array.join("zarr.json"));
        let renamed = match self.present {
            Some(present) if !present.is_v2 => self.file_system.rename_file(&from, &to),
            _ => self.file_system.rename_new_file(&from, &to),
        };
        let Err(source) = renamed else { return Ok(()) };
        // A server may have renamed it, though its answer was lost.
        if self.is_held() && self.lies_at(&to) && !self.lies_at(&from) {
            return Ok(());
        }
        Err(match source.kind() {
            io::ErrorKind::AlreadyExists => Error::TargetExists { target: self.name() },
            _ if !self.is_held() => Error::TakenOver { target: self.name() },
            _ => self.unpublished(source),
        })
    }

    /// Returns true if the metadata of the new version is found at a path.
    fn lies_at(&self, path: &Path) -> bool {
        let found = self.file_system.read(path, 0, None);
        self.metadata.get().is_some_and(|metadata| found.is_ok_and(|found| found == metadata))
    }

    /// Flushes the entries that publishing has changed.
    fn flush_published(&self) -> Result<()> {
        if self.durability == Durability::None {
            return Ok(());
        }
        let changed = self.new_groups.iter().chain([&self.array]);
        let mut flushed = changed.map(|directory| self.file_system.sync_directory(directory));
        flushed
            .try_for_each(|flushed| flushed)
            .map_err(|source| Error::Unflushed { target: self.name(), source })
    }

    /// Removes the chunks of versions that nobody can have opened since the present one was published, or
    /// of all versions but the new one.
    fn clear_old(&self) -> io::Result<()> {
        let kept = match self.old_chunks {
            OldChunks::Keep => self.present.map(|present| present.keys),
            OldChunks::Remove => None,
        };
        // Also of a version that is no longer the present one: the write that published the one after it may
        // have been killed before it removed this.
        if self.present.is_some() {
            remove_v2_metadata(&*self.file_system, &self.array)?;
        }
        let is_old = |keys: &KeySpace| *keys != self.keys && Some(*keys) != kept;
        self.clear(&KeySpace::ALL.into_iter().filter(is_old).collect::<Vec<_>>())
    }

    fn unpublished(&self, source: io::Error) -> Error {
        Error::Publish { target: self.name(), source }
    }
}

impl Destination for Directory {
    fn keys(&self) -> KeySpace {
        self.keys
    }

    fn put(&self, key: &str, chunk: Encoded<'_>) -> Result<()> {
        if !self.is_held() {
            return Err(Error::TakenOver { target: self.name() });
        }
        self.write_chunk(key, &chunk.slices())?;
        self.count(key, chunk.n_bytes() as u64);
        match &self.journal {
            Some(journal) => journal.note(key, chunk.pieces()),
            None => Ok(()),
        }
    }

    fn count(&self, key: &str, n_bytes: u64) {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).add(key, n_bytes);
    }

    fn seal(&self, metadata: &[u8], n_chunks: &[u64]) -> Result<()> {
        self.write_staged(self.staging.metadata(), metadata)?;
        let _ = self.metadata.set(metadata.to_vec());
        for level in 0..self.new_groups.len() {
            self.write_staged(self.staging.group(level), &group_metadata())?;
        }
        if self.durability == Durability::Full {
            self.flush(n_chunks).map_err(|source| {
                // What is on the device is unknown, whatever can be read.
                self.is_sound.store(false, Ordering::Relaxed);
                Error::Flush { target: self.name(), source }
            })?;
        }
        let tally = *self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.check(&self.name(), &*self.file_system, (&self.array, self.keys), n_chunks)
    }

    fn publish(&self) -> Result<()> {
        self.check_again()?;
        let mut groups = Vec::new();
        if let Err(error) = self.publish_groups(&mut groups).and_then(|()| self.publish_array()) {
            // Other arrays may have come to lie in them: then they stay.
            for metadata in groups.iter().rev() {
                let group = metadata.parent().unwrap_or(metadata);
                let holds_arrays = crate::node::holds_nodes(&*self.file_system, group);
                if matches!(holds_arrays, Ok(false)) {
                    let _ = self.file_system.remove_file(metadata);
                }
            }
            return Err(error);
        }
        self.is_published.store(true, Ordering::Relaxed);
        self.flush_published()?;
        match self.clear_old() {
            Ok(()) => self.is_cleared.store(true, Ordering::Relaxed),
            Err(error) => {
                let array = self.array.display();
                tracing::warn!(%array, %error, "chunks of an old version could not be removed");
            }
        }
        Ok(())
    }

    fn reader(&self) -> Result<Source> {
        let store = DirectoryStore::new(Arc::clone(&self.file_system), self.array.clone());
        let file_system = Arc::clone(&self.file_system);
        let origin = Origin::of_directory(file_system, self.array.clone());
        Ok(Source { store: Arc::new(store), path: "/".to_owned(), origin })
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let has_record = self.journal.as_ref().is_some_and(|journal| journal.has_begun());
        let is_published = self.is_published.load(Ordering::Relaxed);
        let is_sound = self.is_sound.load(Ordering::Relaxed);
        let is_kept = if is_published {
            !self.is_cleared.load(Ordering::Relaxed)
        } else if self.has_begun {
            is_sound && has_record
        } else {
            // What an earlier write has left stays until this one begins.
            self.is_left
        };
        if !self.is_held() || is_kept {
            return;
        }
        // Another program may have published an array meanwhile, without looking for a lock.
        let present = present_at_path(&*self.file_system, &self.array);
        let is_ours = present.is_ok_and(|present| present.is_none_or(|now| now.keys != self.keys));
        let cleared = if self.has_begun && !is_published && is_ours {
            self.clear(&[self.keys])
        } else {
            Ok(())
        };
        let removed = cleared.and_then(|()| self.staging.remove());
        // An error returned would hide the one that ended the write, or undo nothing of a write that
        // succeeded.
        if let Err(error) = removed {
            let staging = self.staging.directory().display();
            tracing::warn!(%staging, %error, "the staging directory could not be removed");
        }
        if !is_published {
            remove_empty(&*self.file_system, self.created.iter().map(PathBuf::as_path));
        }
    }
}

/// Checks the groups that hold an array, and what lies at its place. Returns the version that is there, and
/// the directories of groups that are not, the outermost first.
fn check(
    file_system: &dyn FileSystem,
    sink: &ZarrSink,
    array: &Path,
    n_groups: usize,
) -> Result<(Option<Present>, Vec<PathBuf>)> {
    let target = &sink.target;
    let new_groups = check_groups(file_system, target, array, n_groups)?;
    let node = node_at_path(file_system, array)?;
    check_existing(target, node, sink.existing)?;
    let present = match node {
        Node::Array => present_at_path(file_system, array)?,
        _ => None,
    };
    match (node, present) {
        (Node::Array, None) => Err(Error::UnknownKeys { target: target.to_string() }),
        (_, present) => Ok((present, new_groups)),
    }
}

/// Checks what holds an array. Returns the directories of those groups among the `n_groups` innermost that
/// are not there, the outermost first.
fn check_groups(
    file_system: &dyn FileSystem,
    target: &Target,
    array: &Path,
    n_groups: usize,
) -> Result<Vec<PathBuf>> {
    let groups: Vec<_> = array.ancestors().skip(1).take(n_groups).collect();
    let mut missing = Vec::new();
    for group in groups.into_iter().rev() {
        let node = group_at_path(file_system, group)?;
        if is_missing_group(target, node, &group.display())? {
            missing.push(group.to_owned());
        }
    }
    for above in array.ancestors().skip(1) {
        let node = zarr_node_at_path(file_system, above)?;
        check_ancestor(target, node, &above.display())?;
    }
    Ok(missing)
}

/// Creates the array's directory where it is not there, and takes its staging directory. Returns the
/// directories that were created, the innermost first, and whether an earlier write has left something.
fn take(
    sink: &ZarrSink,
    file_system: &Arc<dyn FileSystem>,
    array: &Path,
) -> Result<(Staging, Vec<PathBuf>, bool)> {
    // Whenever another write removes what this one needs, it has ended.
    const MOST_TRIES: usize = 1000;
    let target = sink.target.to_string();
    let (mut created, mut n_tries) = (Vec::new(), 0);
    loop {
        let made = create(&**file_system, array, &mut created);
        let taken = made.and_then(|()| Staging::take(file_system, array, sink.takes_over));
        let error = match taken {
            Ok(Taken::Left(staging)) => {
                let left = staging.created();
                let created = if left.len() > created.len() { left } else { created };
                return Ok((staging, created, true));
            }
            Ok(Taken::Created(mut staging)) => {
                if created.is_empty() {
                    return Ok((staging, created, false));
                }
                match staging.note_created(created.len()) {
                    Ok(()) => return Ok((staging, created, false)),
                    Err(source) => {
                        let _ = staging.remove();
                        not_writable(&sink.target, array, source)
                    }
                }
            }
            Ok(Taken::Held { holder }) => Error::Locked { target: target.clone(), holder },
            Ok(Taken::MaybeHeld { holder }) => {
                Error::MaybeLocked { target: target.clone(), holder }
            }
            // Another write has removed the directory, which it had created.
            Err(error) if error.kind() == io::ErrorKind::NotFound && n_tries < MOST_TRIES => {
                n_tries += 1;
                continue;
            }
            Err(source) => not_writable(&sink.target, array, source),
        };
        remove_empty(&**file_system, created.iter().map(PathBuf::as_path));
        return Err(error);
    }
}

fn not_writable(target: &Target, directory: &Path, source: io::Error) -> Error {
    Error::NotWritable { target: target.to_string(), directory: directory.to_owned(), source }
}

/// Creates a directory and those above it, and notes those that were not there.
fn create(file_system: &dyn FileSystem, path: &Path, created: &mut Vec<PathBuf>) -> io::Result<()> {
    match file_system.create_directory(path) {
        Ok(()) => {
            if !created.iter().any(|there| there == path) {
                created.insert(0, path.to_owned());
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(file_system, path.parent().ok_or(error)?, created)?;
            create(file_system, path, created)
        }
        Err(error) => Err(error),
    }
}

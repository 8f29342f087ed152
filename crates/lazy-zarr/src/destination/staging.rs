//! The directory of a write within that of its array, and the lock that keeps other writes out.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use super::KeySpace;
use super::process::{self, Liveness};
use crate::resume::{Journal, Record};
use crate::{EntryKind, Error, FileLock, FilePin, FileSystem, LockScope, Result};

/// How names of staging directories begin. A number follows, which goes up by one each time that a write
/// takes over from another.
const PREFIX: &str = ".lazy.";
/// The file that is locked.
const LOCK: &str = "lock";
/// The description of the process that holds the lock.
const HOLDER: &str = "holder";
/// The number of directories that the write created, from the array's upwards.
const CREATED: &str = "created";
/// The array's metadata, as it is to be.
const METADATA: &str = "zarr.json";

/// The number of times that a lock is asked for that is held, or missing, and the time in between.
const MOST_TRIES: usize = 40;
const MOST_TRIES_WITHOUT_FILE: usize = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// The staging directory of a write, which no other write touches as long as this lives, and the file
/// system's locks do what they say.
///
/// It holds little: who writes, the record and the journal of a write that can be resumed, and in the end
/// the new metadata. Chunks lie in the array's directory, under keys that the present metadata does not
/// name.
///
/// A write takes over from one that ended early by renaming the directory to the next number. So of
/// several that do so one succeeds; and a process that was taken for dead, and goes on, finds its own
/// directory gone, with the metadata that it would have published.
#[derive(Debug)]
pub(crate) struct Staging {
    file_system: Arc<dyn FileSystem>,
    array: PathBuf,
    directory: PathBuf,
    /// None where the file system has no locks.
    lock: Option<FileLock>,
    /// The file that describes this process, which tells the directory from a later one of the same number. None
    /// before the directory is taken, and after it is removed.
    holder: Option<FilePin>,
}

/// The result of [`Staging::take`].
pub(crate) enum Taken {
    /// It was created just now.
    Created(Staging),
    /// It was left behind by a write that ended early.
    Left(Staging),
    /// A write is under way.
    Held { holder: String },
    /// A write may be under way, on another machine: the file system's locks do not tell.
    MaybeHeld { holder: String },
}

/// Whether a write that left a staging directory has ended.
enum State {
    Ended(Option<FileLock>),
    Running { holder: String },
    Unknown { holder: String, lock: Option<FileLock> },
}

impl Staging {
    /// Creates an array's staging directory, or takes over the one that is there. The array's directory
    /// must exist. With `takes_over`, a write that may be under way is taken for one that has ended.
    pub(crate) fn take(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        takes_over: bool,
    ) -> io::Result<Taken> {
        let (mut n_tries, mut n_tries_without_file) = (0, 0);
        // The directory that this process has created the lock file of.
        let mut ended = None;
        loop {
            let Some(number) = numbers(&**file_system, array)?.pop() else {
                match Staging::create(file_system, array)? {
                    Some(staging) => return Ok(Taken::Created(staging)),
                    None => continue,
                }
            };
            let has_ended = ended.take() == Some(number);
            let lock = match state(&**file_system, &directory(array, number)) {
                Ok(State::Ended(lock)) => lock,
                Ok(State::Unknown { lock, .. }) if takes_over || has_ended => lock,
                Ok(State::Unknown { holder, .. }) => return Ok(Taken::MaybeHeld { holder }),
                Ok(State::Running { holder }) if n_tries == MOST_TRIES => {
                    return Ok(Taken::Held { holder });
                }
                // Whoever lists unfinished writes holds the lock for an instant; and a directory that is
                // being created has no lock yet.
                Ok(State::Running { .. }) => {
                    n_tries += 1;
                    sleep(BETWEEN_TRIES);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    n_tries_without_file += 1;
                    if n_tries_without_file < MOST_TRIES_WITHOUT_FILE {
                        sleep(BETWEEN_TRIES);
                        continue;
                    }
                    // The process was killed before it created the file, or after it removed it. Of several
                    // processes one creates it now: a directory is taken over by its lock alone.
                    let lock_file = self::directory(array, number).join(LOCK);
                    if matches!(
                        file_system.entry_kind(&lock_file)?,
                        Some(EntryKind::Link | EntryKind::Other | EntryKind::Directory)
                    ) {
                        let message = format!("{} is in the way of a lock", lock_file.display());
                        return Err(io::Error::other(message));
                    }
                    n_tries_without_file = 0;
                    match file_system.write(&self::directory(array, number).join(LOCK), b"") {
                        Ok(()) => ended = Some(number),
                        Err(error) if is_of_other_write(&error) => {}
                        Err(error) => return Err(error),
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            let directory = directory(array, number + 1);
            match file_system.rename_directory(&self::directory(array, number), &directory) {
                Ok(()) => {}
                // Another write was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
            let mut staging = Staging {
                file_system: Arc::clone(file_system),
                array: array.to_owned(),
                directory,
                lock,
                holder: None,
            };
            staging.replace(HOLDER, process::description().as_bytes())?;
            staging.holder = Some(file_system.pin(&staging.holder_file())?);
            return Ok(Taken::Left(staging));
        }
    }

    /// Creates the first staging directory of an array, unless another write does at the same time.
    fn create(file_system: &Arc<dyn FileSystem>, array: &Path) -> io::Result<Option<Staging>> {
        let directory = directory(array, 1);
        match file_system.create_directory(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            created => created?,
        }
        let mut staging = Staging {
            file_system: Arc::clone(file_system),
            array: array.to_owned(),
            directory,
            lock: None,
            holder: None,
        };
        match staging.lock_new() {
            Ok(true) => {}
            // What lies there now is the other write's.
            Ok(false) => return Ok(None),
            Err(error) => {
                let _ = staging.remove();
                return Err(error);
            }
        }
        // A write that took over may have been there when the directory was not yet, or have taken over this
        // one.
        let numbers = numbers(&**file_system, array)?;
        if numbers == [1] {
            return Ok(Some(staging));
        }
        if numbers.contains(&1) {
            let _ = staging.remove();
        }
        Ok(None)
    }

    /// Describes this process in a new staging directory, and locks it; false if another write has taken
    /// it over at once.
    fn lock_new(&mut self) -> io::Result<bool> {
        let locked = || {
            let write = |name: &str, bytes: &[u8]| {
                self.file_system.write(&self.directory.join(name), bytes)
            };
            write(HOLDER, process::description().as_bytes())?;
            write(LOCK, b"")?;
            let lock = lock(&*self.file_system, &self.directory)?;
            Ok((lock, self.file_system.pin(&self.holder_file())?))
        };
        match locked() {
            Ok((lock, holder)) => {
                (self.lock, self.holder) = (lock, Some(holder));
                Ok(true)
            }
            Err(error) if is_of_other_write(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the staging directory that an array has, if it has one, without taking it over.
    pub(crate) fn find(file_system: &dyn FileSystem, array: &Path) -> io::Result<Option<PathBuf>> {
        Ok(numbers(file_system, array)?.pop().map(|number| directory(array, number)))
    }

    /// Returns the state of a write: `None` if it has ended, or else who holds it, and whether that is
    /// certain.
    pub(crate) fn holder(
        file_system: &dyn FileSystem,
        directory: &Path,
    ) -> io::Result<Option<(String, bool)>> {
        match state(file_system, directory) {
            Ok(State::Ended(_)) => Ok(None),
            Ok(State::Running { holder }) => Ok(Some((holder, true))),
            Ok(State::Unknown { holder, .. }) => Ok(Some((holder, false))),
            // It was being created, or removed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path of a file that this process has created.
    pub(super) fn holder_file(&self) -> PathBuf {
        self.directory.join(HOLDER)
    }

    /// The path of the new metadata until it is published.
    pub(super) fn metadata(&self) -> PathBuf {
        self.directory.join(METADATA)
    }

    /// The path of the metadata of a new group until it is published.
    pub(super) fn group(&self, level: usize) -> PathBuf {
        self.directory.join(format!("group.{level}.json"))
    }

    /// Returns true as long as no other write has taken over.
    pub(super) fn is_held(&self) -> io::Result<bool> {
        let Some(holder) = &self.holder else { return Ok(false) };
        match holder.is_at(&self.holder_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            is_held => is_held,
        }
    }

    /// Returns the record and the journal of a write that keeps its chunks in `keys`.
    pub(crate) fn journal(&self, keys: KeySpace) -> Journal {
        let (array, directory) = (self.array.clone(), self.directory.clone());
        Journal::new(Arc::clone(&self.file_system), directory, array, keys)
    }

    /// Returns what an earlier write recorded of itself, if it can be resumed: it has not been published,
    /// so that its chunks are not those of the present metadata.
    pub(crate) fn record(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        directory: &Path,
        present: Option<KeySpace>,
    ) -> Result<Option<Record>> {
        let (file_system, array) = (Arc::clone(file_system), array.to_owned());
        let journal =
            Journal::new(file_system, directory.to_owned(), array, first_or_next(present));
        let record = journal.record()?;
        Ok(record.filter(|record| record.keys() == Some(first_or_next(present))))
    }

    /// Notes how many directories were created for the array.
    pub(super) fn note_created(&self, n_directories: usize) -> io::Result<()> {
        self.replace(CREATED, n_directories.to_string().as_bytes())
    }

    /// Writes a file that may be there already.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.directory.join(name);
        match self.file_system.remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.file_system.write(&path, bytes)
    }

    /// Removes the staging directory.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        let file_system = Arc::clone(&self.file_system);
        for name in file_system.list(&self.directory)? {
            if name != LOCK && name != HOLDER {
                file_system.remove_file(&self.directory.join(name))?;
            }
        }
        // Without a lock file, the next write takes over, whatever the holder says. Files that are open keep NFS
        // and FUSE from removing their directory.
        remove_if_there(&*file_system, &self.directory.join(LOCK))?;
        (self.lock, self.holder) = (None, None);
        remove_if_there(&*file_system, &self.holder_file())?;
        let mut n_tries = 0;
        loop {
            match file_system.remove_directory(&self.directory) {
                // It was taken over just now.
                Err(error) if is_of_other_write(&error) => return Ok(()),
                // FUSE closes files some time later. Else another write is taking over.
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                    if n_tries == MOST_TRIES_WITHOUT_FILE {
                        return Ok(());
                    }
                    n_tries += 1;
                    sleep(BETWEEN_TRIES);
                }
                removed => return removed,
            }
        }
    }

    /// Removes what a write has left: its chunks, this directory, and the directories that were created for
    /// the array, as far as they are empty.
    pub(crate) fn discard(mut self, present: Option<KeySpace>) -> io::Result<()> {
        first_or_next(present).clear(&*self.file_system, &self.array)?;
        if self.file_system.entry_kind(&self.array.join(METADATA))?.is_some() {
            remove_v2_metadata(&*self.file_system, &self.array)?;
        }
        let created = self.created();
        self.remove()?;
        remove_empty(&*self.file_system, created.iter().map(PathBuf::as_path));
        Ok(())
    }

    /// Returns the directories that were created for the array, the innermost first.
    pub(super) fn created(&self) -> Vec<PathBuf> {
        let text = self.file_system.read(&self.directory.join(CREATED), 0, Some(20));
        let number = text.ok().and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
        self.array.ancestors().take(number.unwrap_or(0)).map(Path::to_owned).collect()
    }

    /// Removes what an earlier write has left in the directory.
    pub(super) fn reset(&self) -> io::Result<()> {
        for name in self.file_system.list(&self.directory)? {
            if ![LOCK, HOLDER, CREATED].iter().any(|kept| name == *kept) {
                self.file_system.remove_file(&self.directory.join(name))?;
            }
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A directory that is kept is no longer this process's, though it goes on running.
        if matches!(self.is_held(), Ok(true)) {
            let _ = self.replace(HOLDER, process::ended().as_bytes());
        }
    }
}

/// Returns the key space that the version after the present one is written to.
pub(crate) fn first_or_next(present: Option<KeySpace>) -> KeySpace {
    present.map_or(KeySpace::Nested, KeySpace::next)
}

/// Removes directories that hold nothing, from the innermost on.
pub(super) fn remove_empty<'p>(
    file_system: &dyn FileSystem,
    directories: impl Iterator<Item = &'p Path>,
) {
    for directory in directories {
        // One that another write uses stays, with those above it.
        if file_system.remove_directory(directory).is_err() {
            return;
        }
    }
}

/// Removes the metadata of an array of Zarr v2 that was replaced.
pub(super) fn remove_v2_metadata(file_system: &dyn FileSystem, array: &Path) -> io::Result<()> {
    let mut documents = [".zarray", ".zattrs"].iter().map(|name| array.join(name));
    documents.try_for_each(|path| remove_if_there(file_system, &path))
}

pub(super) fn remove_if_there(file_system: &dyn FileSystem, path: &Path) -> io::Result<()> {
    match file_system.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Returns true if a name is that of a staging directory.
pub(crate) fn is_staging(name: &str) -> bool {
    number_of(name).is_some()
}

fn number_of(name: &str) -> Option<u64> {
    let number: u64 = name.strip_prefix(PREFIX)?.parse().ok()?;
    // There is a next one.
    let is_sensible = number > 0 && number < u64::MAX;
    (is_sensible && name == format!("{PREFIX}{number}")).then_some(number)
}

fn directory(array: &Path, number: u64) -> PathBuf {
    array.join(format!("{PREFIX}{number}"))
}

/// Returns the numbers of an array's staging directories, in order: none or one, but for the instant in which
/// one is created beside one that was taken over.
fn numbers(file_system: &dyn FileSystem, array: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for name in file_system.list(array)? {
        let Some(number) = name.to_str().and_then(number_of) else { continue };
        let path = array.join(&name);
        match file_system.entry_kind(&path)? {
            Some(EntryKind::Directory) => numbers.push(number),
            // It was renamed just now.
            None => {}
            // A link could lead anywhere.
            Some(_) => {
                let place = path.display();
                let message = format!("{place} is in the way: it is not a directory of a write");
                return Err(io::Error::other(message));
            }
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns true if an error says that another write was faster.
fn is_of_other_write(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, NotFound, WouldBlock};

    matches!(error.kind(), AlreadyExists | NotFound | WouldBlock)
}

/// Locks a staging directory; `None` where the file system has no locks.
fn lock(file_system: &dyn FileSystem, directory: &Path) -> io::Result<Option<FileLock>> {
    let path = directory.join(LOCK);
    let pin = file_system.pin(&path)?;
    let lock = match file_system.lock(&path) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => None,
        lock => Some(lock?),
    };
    // A write that has just ended may have removed the file that is locked now, and another one have created
    // a new one.
    if pin.is_at(&path)? { Ok(lock) } else { Err(io::ErrorKind::NotFound.into()) }
}

/// Finds out whether the write of a staging directory has ended.
fn state(file_system: &dyn FileSystem, directory: &Path) -> io::Result<State> {
    let lock = match lock(file_system, directory) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let holder = process::name(&description(file_system, directory));
            return Ok(State::Running { holder });
        }
        lock => lock?,
    };
    if lock.is_some() && file_system.lock_scope(directory)? == LockScope::Everywhere {
        return Ok(State::Ended(lock));
    }
    let description = description(file_system, directory);
    let holder = process::name(&description);
    Ok(match process::liveness(&description) {
        Liveness::Running => State::Running { holder },
        Liveness::Ended => State::Ended(lock),
        Liveness::Unknown => State::Unknown { holder, lock },
    })
}

fn description(file_system: &dyn FileSystem, directory: &Path) -> Vec<u8> {
    const MOST: u64 = 1000;
    let read = file_system.read(&directory.join(HOLDER), 0, Some(MOST));
    read.map(|bytes| bytes.to_vec()).unwrap_or_default()
}

/// Turns an error of [`Staging::take`] into one that names the target.
pub(super) fn not_writable(target: &str, directory: &Path, source: io::Error) -> Error {
    Error::NotWritable { target: target.to_owned(), directory: directory.to_owned(), source }
}

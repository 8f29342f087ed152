//! Creating the staging directory of a write, or taking over the directory of a write that ended
//! early.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;

use super::directory::{BETWEEN_TRIES, LOCK, MOST_TRIES, Staging, is_of_other_write, numbers};
use super::holder::{State, lock, state};
use super::plan::open_plan;
use super::process;
use crate::error::{Error, Result, ResumeError, WriteError};
use crate::fs::{EntryKind, FileLock, FileSystem, LockScope};
use crate::store::staging_name::directory;

/// The number of times that a directory is found without a lock before it counts as abandoned.
const MOST_TRIES_WITHOUT_LOCK: usize = 3;

/// The number of attempts to take a plan or a part that another process examines. If that process
/// waits for a core, it may take a while, and a worker that gave up would leave the rest undone.
const MOST_TRIES_EXAMINED: usize = 400;

/// The number of times that no plan is found before it counts as gone. While a directory is renamed,
/// it may be listed under neither name, and what was listed may lie elsewhere when it is read.
const MOST_TRIES_WITHOUT_PLAN: usize = 3;

/// The result of [`Staging::take`].
pub(crate) enum Taken {
    /// The staging directory was just created.
    Created(Staging),
    /// The staging directory was left by a write that ended early.
    Left(Staging),
    /// A write is in progress.
    Held { holder: String },
    /// A write may be in progress on another machine, which the locks of the file system do not
    /// reach.
    MaybeHeld { holder: String },
    /// The directory holds an unfinished plan of several workers, which no process holds.
    Plan { directory: PathBuf, key: String },
}

/// The result of one attempt to take a staging directory.
enum Try {
    Taken(Taken),
    /// Another process is using the directory. The name of the process is given if it is known.
    Again(Option<String>),
}

/// Returns true if a plan in a directory is the one that is meant, and `None` if there is no plan
/// in it.
pub(crate) type IsMeant<'a> = &'a dyn Fn(&Path) -> io::Result<Option<bool>>;

/// The purpose of taking a staging directory.
#[derive(Clone, Copy)]
enum Kind<'a> {
    /// The write of an array. The directory of a plan is left alone.
    Write,
    /// The end of a plan, if the one in a directory is meant.
    Plan(IsMeant<'a>),
    /// A part of a plan.
    Part,
}

/// An attempt to take the staging directory of an array.
struct Attempt<'a> {
    file_system: &'a Arc<dyn FileSystem>,
    array: &'a Path,
    takes_over: bool,
    kind: Kind<'a>,
    n_without_lock: usize,
    n_without_plan: usize,
    /// The number of the directory in which this process created the lock file. The write of that
    /// directory has ended.
    ended: Option<u64>,
}

impl Staging {
    /// Creates the staging directory of an array, or takes over the existing one. The directory of
    /// the array must exist. With `takes_over`, a write that may be in progress is treated as one
    /// that has ended.
    pub(crate) fn take(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        takes_over: bool,
    ) -> io::Result<Taken> {
        Staging::take_any(file_system, array, takes_over, Kind::Write)
    }

    /// Takes the directory of a part of a plan. If another process examines it for long, the part
    /// counts as held.
    pub(crate) fn take_part(
        file_system: &Arc<dyn FileSystem>,
        part: &Path,
        takes_over: bool,
    ) -> io::Result<Taken> {
        Staging::take_any(file_system, part, takes_over, Kind::Part)
    }

    /// Takes the directory of a plan, to finish or to remove the plan, if the plan in the directory
    /// is the one that is meant. Otherwise returns [`Taken::Plan`]. If another process examines it
    /// for long, the plan counts as held.
    pub(crate) fn take_plan(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        takes_over: bool,
        is_meant: IsMeant<'_>,
    ) -> io::Result<Taken> {
        Staging::take_any(file_system, array, takes_over, Kind::Plan(is_meant))
    }

    fn take_any(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        takes_over: bool,
        kind: Kind<'_>,
    ) -> io::Result<Taken> {
        let mut attempt = Attempt {
            file_system,
            array,
            takes_over,
            kind,
            n_without_lock: 0,
            n_without_plan: 0,
            ended: None,
        };
        let mut holder = process::name(b"");
        // A process that lists unfinished writes holds the lock for an instant, and a directory
        // that is being created has no lock yet.
        let most_tries = if matches!(kind, Kind::Write) { MOST_TRIES } else { MOST_TRIES_EXAMINED };
        for _ in 0..most_tries {
            match attempt.run()? {
                Try::Taken(taken) => return Ok(taken),
                Try::Again(Some(holder)) if !matches!(kind, Kind::Write) => {
                    return Ok(Taken::Held { holder });
                }
                Try::Again(name) => holder = name.unwrap_or(holder),
            }
            sleep(BETWEEN_TRIES);
        }
        Ok(Taken::Held { holder })
    }

    /// Takes the staging directory of an array, to remove files there.
    pub(crate) fn take_to_remove(
        file_system: &Arc<dyn FileSystem>,
        array: &Path,
        takes_over: bool,
    ) -> Result<Staging> {
        let target = array.display().to_string();
        match Staging::take(file_system, array, takes_over) {
            Ok(Taken::Created(staging) | Taken::Left(staging)) => Ok(staging),
            Ok(Taken::Held { holder }) => Err(WriteError::Locked { target, holder }.into()),
            Ok(Taken::MaybeHeld { holder }) => {
                Err(WriteError::MaybeLocked { target, holder }.into())
            }
            Ok(Taken::Plan { directory, key }) => {
                Err(ResumeError::Planned { target, directory, key }.into())
            }
            Err(source) => Err(Error::examine(array, source)),
        }
    }

    /// Creates the first staging directory of an array. Returns `None` if another write creates it
    /// at the same time.
    fn create(file_system: &Arc<dyn FileSystem>, array: &Path) -> io::Result<Option<Staging>> {
        let directory = directory(array, 1);
        match file_system.create_directory(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
            created => created?,
        }
        let mut staging = Staging::unheld(file_system, array, directory, None);
        match staging.lock_new() {
            Ok(()) => {}
            // Another write has just taken over the directory and owns the files in it now.
            Err(error) if is_of_other_write(&error) => return Ok(None),
            Err(error) => {
                let _ = staging.remove();
                return Err(error);
            }
        }
        // Another write may have taken over before this directory was created, or may have taken
        // over this directory.
        let numbers = numbers(&**file_system, array)?;
        if numbers == [1] {
            return Ok(Some(staging));
        }
        if numbers.contains(&1) {
            let _ = staging.remove();
        }
        Ok(None)
    }

    /// Writes the description of this process to a new staging directory, and locks it. The
    /// description is written first, so that a process that finds the lock also finds the
    /// description.
    fn lock_new(&mut self) -> io::Result<()> {
        let file_system = Arc::clone(&self.file_system);
        file_system.write(&self.holder_file(), process::description().as_bytes())?;
        // If another process examines the directory just now, this process does not hold it, and
        // says so when it drops it.
        self.holder = Some(file_system.pin(&self.holder_file())?);
        file_system.write(&self.directory.join(LOCK), b"")?;
        self.lock = lock(&*file_system, &self.directory)?;
        Ok(())
    }
}

impl Attempt<'_> {
    fn run(&mut self) -> io::Result<Try> {
        let number = match numbers(&**self.file_system, self.array)?.pop() {
            Some(number) => number,
            None if matches!(self.kind, Kind::Plan(_)) => return Ok(self.without_plan(1)),
            None => match Staging::create(self.file_system, self.array)? {
                Some(staging) => return Ok(Try::Taken(Taken::Created(staging))),
                // The directory exists although it was not listed: other machines may see it with a
                // delay.
                None => 1,
            },
        };
        let has_ended = self.ended.take() == Some(number);
        let path = directory(self.array, number);
        let (holder, lock) = match state(&**self.file_system, &path) {
            Ok(State::Ended(lock)) => (None, lock),
            Ok(State::Unknown { holder, lock }) => (Some(holder), lock),
            Ok(State::Examined) => return Ok(Try::Again(None)),
            Ok(State::Running { holder }) => return Ok(Try::Again(Some(holder))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.provide_lock(number);
            }
            Err(error) => return Err(error),
        };
        let other_plan = match self.kind {
            Kind::Write => open_plan(&**self.file_system, self.array, &path)?,
            Kind::Plan(is_meant) => match is_meant(&path)? {
                Some(is_meant) => (!is_meant).then(String::new),
                None => return Ok(self.without_plan(number)),
            },
            Kind::Part => None,
        };
        if let Some(key) = other_plan {
            return Ok(Try::Taken(Taken::Plan { directory: path, key }));
        }
        match holder {
            Some(holder) if !self.takes_over && !has_ended => {
                Ok(Try::Taken(Taken::MaybeHeld { holder }))
            }
            _ => self.take_over(number, lock),
        }
    }

    /// Returns the result of an attempt that found no plan: another worker may just have renamed its
    /// directory, or the plan is gone.
    fn without_plan(&mut self, number: u64) -> Try {
        self.n_without_plan += 1;
        if self.n_without_plan < MOST_TRIES_WITHOUT_PLAN {
            return Try::Again(None);
        }
        let directory = directory(self.array, number);
        Try::Taken(Taken::Plan { directory, key: String::new() })
    }

    /// Creates the lock file of a directory that has none, because the process was killed before it
    /// created the file or after it removed it. If several processes do this, one succeeds. A
    /// directory is taken over only through its lock.
    fn provide_lock(&mut self, number: u64) -> io::Result<Try> {
        self.n_without_lock += 1;
        if self.n_without_lock < MOST_TRIES_WITHOUT_LOCK {
            return Ok(Try::Again(None));
        }
        self.n_without_lock = 0;
        let path = directory(self.array, number).join(LOCK);
        match self.file_system.entry_kind(&path)? {
            None | Some(EntryKind::File) => {}
            Some(EntryKind::Directory | EntryKind::Link | EntryKind::Other) => {
                let message = format!("{} is in the way of a lock", path.display());
                return Err(io::Error::other(message));
            }
        }
        match self.file_system.write(&path, b"") {
            Ok(()) => self.ended = Some(number),
            // The directory no longer exists although it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(staging) = Staging::create(self.file_system, self.array)? {
                    return Ok(Try::Taken(Taken::Created(staging)));
                }
            }
            Err(error) if is_of_other_write(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(Try::Again(None))
    }

    /// Renames the directory of a write that has ended to the next number, and writes the
    /// description of this process to it.
    fn take_over(&self, number: u64, lock: Option<FileLock>) -> io::Result<Try> {
        let (old, next) = (directory(self.array, number), directory(self.array, number + 1));
        let directory = match self.file_system.rename_directory(&old, &next) {
            Ok(()) => next,
            Err(error)
                if is_of_other_write(&error)
                    || error.kind() == io::ErrorKind::DirectoryNotEmpty =>
            {
                return Ok(Try::Again(None));
            }
            // A lock that reaches all machines is sufficient.
            Err(error) if is_fixed(&error) && lock.is_some() && self.locks_reach_all()? => old,
            Err(error) => return Err(error),
        };
        let mut staging = Staging::unheld(self.file_system, self.array, directory, lock);
        match staging.describe(&process::description()) {
            Ok(()) => Ok(Try::Taken(Taken::Left(staging))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Try::Again(None)),
            Err(error) => Err(error),
        }
    }

    fn locks_reach_all(&self) -> io::Result<bool> {
        Ok(self.file_system.lock_scope(self.array)? == LockScope::Everywhere)
    }
}

/// Returns true if an error says that a directory cannot be renamed, for instance because it lies
/// in a lower layer of overlayfs.
fn is_fixed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::CrossesDevices | io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::fs::{FileSystemLayer, MemoryFileSystem};

    /// A file system whose locks may be those of one mount, on which another process holds the
    /// first locks for an instant.
    #[derive(Debug)]
    struct Examined {
        inner: MemoryFileSystem,
        n_locks: AtomicUsize,
        n_examined: usize,
    }

    impl FileSystemLayer for Examined {
        type Inner = MemoryFileSystem;

        fn inner(&self) -> &MemoryFileSystem {
            &self.inner
        }

        fn lock(&self, path: &Path) -> io::Result<FileLock> {
            if self.n_locks.fetch_add(1, Ordering::Relaxed) < self.n_examined {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            self.inner.lock(path)
        }

        fn lock_scope(&self, _: &Path) -> io::Result<LockScope> {
            Ok(LockScope::Mount)
        }
    }

    /// Another worker begins to finish a plan just when this one reads it.
    #[test]
    fn a_plan_that_is_renamed_meanwhile_is_not_gone() {
        let file_system: Arc<dyn FileSystem> = Arc::new(MemoryFileSystem::new());
        let array = Path::new("/array");
        FileSystem::create_directory(&*file_system, array).unwrap();
        let Taken::Created(mut staging) = Staging::take(&file_system, array, false).unwrap() else {
            panic!("there is a staging directory");
        };
        staging.describe("").unwrap();
        drop(staging);
        let n_reads = AtomicUsize::new(0);
        let is_meant = |path: &Path| {
            if n_reads.fetch_add(1, Ordering::Relaxed) > 0 {
                return Ok(Some(true));
            }
            FileSystem::rename_directory(&*file_system, path, &directory(array, 2))?;
            Ok(None)
        };
        let Taken::Left(staging) =
            Staging::take_plan(&file_system, array, false, &is_meant).unwrap()
        else {
            panic!("the plan counts as gone");
        };
        assert_eq!(staging.directory(), directory(array, 3));
        // A plan that is not found again is gone.
        drop(staging);
        let taken = Staging::take_plan(&file_system, array, true, &|_| Ok(None)).unwrap();
        assert!(matches!(taken, Taken::Plan { .. }));
    }

    #[test]
    fn a_new_directory_that_another_process_examines_is_taken() {
        // A worker waits longer than other writes.
        let cases = (0..4).flat_map(|n| [(n, false), (n, true)]).chain([(100, true)]);
        for (n_examined, is_part) in cases {
            let inner = MemoryFileSystem::new();
            let array = Path::new("/array");
            inner.create_directory(array).unwrap();
            let examined = Examined { inner, n_locks: AtomicUsize::new(0), n_examined };
            let file_system: Arc<dyn FileSystem> = Arc::new(examined);
            let taken = if is_part {
                Staging::take_part(&file_system, array, false)
            } else {
                Staging::take(&file_system, array, false)
            };
            let (Taken::Created(staging) | Taken::Left(staging)) = taken.unwrap() else {
                panic!("{n_examined}, {is_part}: it counts as held");
            };
            assert!(staging.is_held().unwrap());
        }
    }
}

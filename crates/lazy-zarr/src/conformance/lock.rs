//! Cases of locking files. A file system without locks passes them.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::check::{
    CaseResult, NamedCheck, expect_equal, expect_error, expect_error_kind, expect_unchanged, fill,
    in_threads,
};
use crate::fs::{FileLock, FileSystem};

pub(super) const CASES: &[NamedCheck] = &[
    ("lock::keeps_others_out", keeps_others_out),
    ("lock::is_released_when_dropped", is_released),
    ("lock::changes_nothing", changes_nothing),
    ("lock::of_two_files", of_two_files),
    ("lock::stays_with_a_file_whose_directory_is_moved", stays_with_the_file),
    ("lock::of_nothing_is_not_found", of_nothing),
    ("lock::of_a_directory_fails", of_a_directory),
    ("lock::is_held_by_one_thread_at_a_time", from_threads),
    ("lock_scope::is_known", scope_is_known),
];

/// Locks a file. Returns `None` if the file system has no locks.
fn lock(file_system: &dyn FileSystem, path: &Path) -> io::Result<Option<FileLock>> {
    match file_system.lock(path) {
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        locked => locked.map(Some),
    }
}

fn keeps_others_out(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("empty"), b"")?;
    file_system.write(&directory.join("file"), b"bytes")?;
    for name in ["empty", "file"] {
        let path = directory.join(name);
        let Some(_lock) = lock(file_system, &path)? else { return Ok(()) };
        // A failed attempt to lock must not release the lock.
        for _ in 0..3 {
            expect_error_kind(name, file_system.lock(&path), ErrorKind::WouldBlock)?;
        }
    }
    Ok(())
}

fn is_released(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("lock");
    file_system.write(&path, b"")?;
    for i in 1..=3 {
        match lock(file_system, &path) {
            Ok(lock) => drop(lock),
            Err(error) => return Err(format!("attempt {i}: {error}").into()),
        }
    }
    Ok(())
}

fn changes_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("lock");
    file_system.write(&path, b"bytes")?;
    expect_unchanged(file_system, directory, || {
        drop(lock(file_system, &path)?);
        Ok(())
    })
}

fn of_two_files(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let names = ["one", "other"].map(|name| directory.join(name));
    for path in &names {
        file_system.write(path, b"bytes")?;
    }
    let _one = lock(file_system, &names[0])?;
    lock(file_system, &names[1])?;
    Ok(())
}

/// A write that takes over from a crashed process locks a file, and then renames its directory.
fn stays_with_the_file(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let (from, to) = (directory.join("from"), directory.join("to"));
    file_system.create_directory(&from)?;
    file_system.write(&from.join("lock"), b"")?;
    let Some(held) = lock(file_system, &from.join("lock"))? else { return Ok(()) };
    file_system.rename_directory(&from, &to)?;
    let second = file_system.lock(&to.join("lock"));
    expect_error_kind("the new path", second, ErrorKind::WouldBlock)?;
    file_system.create_directory(&from)?;
    file_system.write(&from.join("lock"), b"")?;
    let _other = file_system
        .lock(&from.join("lock"))
        .map_err(|error| format!("a new file at the old path: {error}"))?;
    drop(held);
    file_system.lock(&to.join("lock")).map_err(|error| format!("after the release: {error}"))?;
    Ok(())
}

fn of_nothing(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.write(&directory.join("file"), b"bytes")?;
    expect_unchanged(file_system, directory, || {
        for path in ["nothing", "nothing/inner", "file/inner"] {
            match lock(file_system, &directory.join(path)) {
                Ok(None) => {}
                locked => expect_error_kind(path, locked, ErrorKind::NotFound)?,
            }
        }
        Ok(())
    })
}

fn of_a_directory(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directory(&directory.join("empty"))?;
    fill(file_system, &directory.join("full"), "")?;
    expect_unchanged(file_system, directory, || {
        ["empty", "full"]
            .iter()
            .try_for_each(|name| expect_error(name, file_system.lock(&directory.join(name))))
    })
}

fn from_threads(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("lock");
    file_system.write(&path, b"")?;
    if lock(file_system, &path)?.is_none() {
        return Ok(());
    }
    let (n_holders, most, n_locked) =
        (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    in_threads(|_| {
        for _ in 0..100 {
            match file_system.lock(&path) {
                Ok(lock) => {
                    most.fetch_max(n_holders.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    n_locked.fetch_add(1, Ordering::SeqCst);
                    std::thread::yield_now();
                    n_holders.fetch_sub(1, Ordering::SeqCst);
                    drop(lock);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    })?;
    if n_locked.into_inner() == 0 {
        return Err("no thread locked the file".into());
    }
    expect_equal("the most threads that held the lock at once", most.into_inner(), 1)
}

fn scope_is_known(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    file_system.create_directory(&directory.join("child"))?;
    expect_unchanged(file_system, directory, || {
        for path in [directory, &directory.join("child")] {
            file_system.lock_scope(path)?;
        }
        Ok(())
    })
}

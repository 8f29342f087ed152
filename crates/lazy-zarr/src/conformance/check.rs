//! Checks and fixtures that the cases share.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread::ScopedJoinHandle;

use bytes::Bytes;
use lazy_core::BoxError;

use crate::fs::{EntryKind, FileSystem};

pub(super) type CaseResult = Result<(), BoxError>;

/// A case: its name, and a check that is called with an empty directory.
pub(super) type NamedCheck = (&'static str, fn(&dyn FileSystem, &Path) -> CaseResult);

/// The entries below a directory, by relative path: the bytes of a file, or `None` for a directory.
pub(super) type Tree = BTreeMap<PathBuf, Option<Bytes>>;

/// Checks that the directory from the user is empty. Otherwise all cases would fail.
pub(super) fn is_usable(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let names = file_system
        .list(directory)
        .map_err(|error| format!("the directory given to the suite cannot be listed: {error}"))?;
    if names.is_empty() {
        return Ok(());
    }
    Err(format!("the directory given to the suite is not empty: {names:?}").into())
}

#[allow(clippy::needless_pass_by_value, reason = "calls read like those of `assert_eq!`")]
pub(super) fn expect_equal<A: PartialEq + fmt::Debug>(
    what: &str,
    actual: A,
    expected: A,
) -> CaseResult {
    if actual == expected {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:?}, got {actual:?}").into())
}

/// Checks that an operation failed with an error of any kind.
pub(super) fn expect_error<A: fmt::Debug>(what: &str, result: io::Result<A>) -> CaseResult {
    match result {
        Ok(value) => Err(format!("{what}: expected an error, got {value:?}").into()),
        Err(_) => Ok(()),
    }
}

/// Checks that an operation failed with an error of one kind.
pub(super) fn expect_error_kind<A: fmt::Debug>(
    what: &str,
    result: io::Result<A>,
    kind: io::ErrorKind,
) -> CaseResult {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => {
            let actual = error.kind();
            Err(format!("{what}: expected the error {kind:?}, got {actual:?} ({error})").into())
        }
        Ok(value) => Err(format!("{what}: expected the error {kind:?}, got {value:?}").into()),
    }
}

/// Checks that exactly one of several threads succeeded, and that the others failed with an error
/// of one kind. Returns the number of the thread that succeeded.
pub(super) fn expect_one_success<A: fmt::Debug>(
    results: Vec<io::Result<A>>,
    kind: io::ErrorKind,
) -> Result<usize, BoxError> {
    let mut winners = Vec::new();
    for (thread, result) in results.into_iter().enumerate() {
        if result.is_ok() {
            winners.push(thread);
        } else {
            expect_error_kind("a thread that did not succeed", result, kind)?;
        }
    }
    expect_equal("the number of threads that succeeded", winners.len(), 1)?;
    Ok(winners[0])
}

/// Checks that an operation changes no entries and bytes below a directory.
pub(super) fn expect_unchanged(
    file_system: &dyn FileSystem,
    directory: &Path,
    check: impl FnOnce() -> CaseResult,
) -> CaseResult {
    let before = tree(file_system, directory)?;
    check()?;
    expect_equal("the entries afterwards", tree(file_system, directory)?, before)
}

/// Returns all entries below a directory.
pub(super) fn tree(file_system: &dyn FileSystem, directory: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new();
    let mut open = vec![PathBuf::new()];
    while let Some(parent) = open.pop() {
        for name in file_system.list(&directory.join(&parent))? {
            let inner = parent.join(name);
            let path = directory.join(&inner);
            if file_system.kind(&path)? == Some(EntryKind::Directory) {
                open.push(inner.clone());
                tree.insert(inner, None);
            } else {
                tree.insert(inner, Some(file_system.read(&path, 0, None)?));
            }
        }
    }
    Ok(tree)
}

/// Creates a directory that contains a file, a directory with a file, and an empty directory. The
/// bytes of each file are its relative path and `mark`.
pub(super) fn fill(file_system: &dyn FileSystem, path: &Path, mark: &str) -> io::Result<()> {
    file_system.create_directories(&path.join("inner/empty"))?;
    for name in ["file", "inner/file"] {
        file_system.write(&path.join(name), format!("{name} {mark}").as_bytes())?;
    }
    Ok(())
}

/// The number of threads that a case starts.
pub(super) const N_THREADS: usize = 8;

/// The number of rounds in which a case lets threads compete.
pub(super) const N_RACES: usize = 20;

/// Calls a function with the number of each thread, on all threads at once. Returns the results in
/// the order of the threads.
pub(super) fn race<A: Send>(
    work: impl Fn(usize) -> io::Result<A> + Sync,
) -> Result<Vec<io::Result<A>>, BoxError> {
    let (work, barrier) = (&work, &Barrier::new(N_THREADS));
    std::thread::scope(|scope| {
        let spawn = |thread| {
            scope.spawn(move || {
                barrier.wait();
                work(thread)
            })
        };
        let threads: Vec<_> = (0..N_THREADS).map(spawn).collect();
        let joined = threads.into_iter().map(ScopedJoinHandle::join);
        joined.map(|result| result.map_err(|_| "a thread panicked".into())).collect()
    })
}

/// Calls a function with the number of each thread, on all threads at once. All calls must succeed.
pub(super) fn in_threads(work: impl Fn(usize) -> io::Result<()> + Sync) -> CaseResult {
    Ok(race(work)?.into_iter().collect::<io::Result<()>>()?)
}

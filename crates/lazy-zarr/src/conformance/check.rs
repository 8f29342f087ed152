//! What the cases check with.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lazy_core::BoxError;

use crate::{EntryKind, FileSystem};

pub(super) type CaseResult = Result<(), BoxError>;

/// A case's name, and its check in an empty directory.
pub(super) type NamedCheck = (&'static str, fn(&dyn FileSystem, &Path) -> CaseResult);

/// What lies below a directory, by its path therein: the bytes of the files, and none for directories.
pub(super) type Tree = BTreeMap<PathBuf, Option<Bytes>>;

/// Whether what the user gave is an empty directory; all the cases would fail otherwise.
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
    Err(format!("{what}: {actual:?}, but it must be {expected:?}").into())
}

/// That an operation which cannot be done was refused, for whatever reason.
pub(super) fn expect_error<A: fmt::Debug>(what: &str, result: io::Result<A>) -> CaseResult {
    match result {
        Ok(value) => Err(format!("{what}: succeeded with {value:?}, but it must fail").into()),
        Err(_) => Ok(()),
    }
}

/// That it was refused, for this reason.
pub(super) fn expect_error_kind<A: fmt::Debug>(
    what: &str,
    result: io::Result<A>,
    kind: io::ErrorKind,
) -> CaseResult {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => {
            let actual = error.kind();
            Err(format!("{what}: failed with {actual:?} ({error}), but it must be {kind:?}").into())
        }
        Ok(value) => Err(format!("{what}: succeeded with {value:?}, but {kind:?} must be").into()),
    }
}

/// That what lies in a directory is the same as before.
pub(super) fn expect_unchanged(
    file_system: &dyn FileSystem,
    directory: &Path,
    check: impl FnOnce() -> CaseResult,
) -> CaseResult {
    let before = tree(file_system, directory)?;
    check()?;
    expect_equal("what lies there in the end", tree(file_system, directory)?, before)
}

/// All that lies below a directory.
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

/// Makes a directory that holds a file, and a file in a directory; each file's bytes are its path and
/// `mark`.
pub(super) fn fill(file_system: &dyn FileSystem, path: &Path, mark: &str) -> io::Result<()> {
    file_system.create_directories(&path.join("inner/empty"))?;
    for name in ["file", "inner/file"] {
        file_system.write(&path.join(name), format!("{name} {mark}").as_bytes())?;
    }
    Ok(())
}

/// The threads that a case takes.
pub(super) const N_THREADS: usize = 8;

/// Calls a function with the number of each thread, on all of them at once.
pub(super) fn in_threads(work: impl Fn(usize) -> io::Result<()> + Sync) -> CaseResult {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..N_THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| Ok(thread.join().map_err(|_| "a thread panicked")??))
    })
}

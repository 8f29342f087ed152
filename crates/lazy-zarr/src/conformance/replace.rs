//! The case of replacing a file while several threads read it.

use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::ScopedJoinHandle;

use lazy_core::BoxError;

use super::check::{CaseResult, expect_equal};
use crate::fs::{EntryKind, FileSystem};

const N_READERS: usize = 3;
const N_VERSIONS: usize = 100;

/// Readers find the old file or the new one at all times.
pub(super) fn in_one_step(file_system: &dyn FileSystem, directory: &Path) -> CaseResult {
    let path = directory.join("file");
    file_system.write(&path, version(0).as_bytes())?;
    let is_done = AtomicBool::new(false);
    let are_ready = Barrier::new(N_READERS + 1);
    std::thread::scope(|scope| {
        let read_all = || -> CaseResult {
            are_ready.wait();
            let mut last = 0;
            while !is_done.load(Ordering::Acquire) {
                last = read(file_system, &path, last)?;
            }
            read(file_system, &path, N_VERSIONS - 1)?;
            Ok(())
        };
        let readers: Vec<_> = (0..N_READERS).map(|_| scope.spawn(read_all)).collect();
        are_ready.wait();
        let written = {
            let _done = SetWhenDropped(&is_done);
            (1..N_VERSIONS).try_for_each(|i| {
                let new = directory.join("new");
                file_system.write(&new, version(i).as_bytes())?;
                file_system.rename_file(&new, &path)
            })
        };
        let read: Vec<_> = readers.into_iter().map(ScopedJoinHandle::join).collect();
        written?;
        read.into_iter().try_for_each(|result| result.map_err(|_| "a reader panicked")?)
    })
}

/// Stops the readers, even if the writer panics.
pub(super) struct SetWhenDropped<'a>(pub(super) &'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Returns the bytes of a version: its number, repeated. Versions differ in length.
fn version(i: usize) -> String {
    format!("{i:03}").repeat(100 + 700 * (i % 3))
}

/// Reads the file, and returns the number of its version. Fails if it is older than the last one.
fn read(file_system: &dyn FileSystem, path: &Path, last: usize) -> Result<usize, BoxError> {
    let fails = |error| format!("while the file is being replaced: {error}");
    let kind = file_system.kind(path).map_err(fails)?;
    expect_equal("the kind while the file is being replaced", kind, Some(EntryKind::File))?;
    let bytes = file_system.read(path, 0, None).map_err(fails)?;
    match (last..N_VERSIONS).find(|i| *bytes == *version(*i).as_bytes()) {
        Some(i) => Ok(i),
        None => Err(format!("read {} bytes that are no version of the file", bytes.len()).into()),
    }
}

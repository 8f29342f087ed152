//! Writes that are interrupted, and what they leave behind.

#![allow(clippy::missing_panics_doc, reason = "what goes wrong here fails the test that calls it")]

use std::path::{Path, PathBuf};

use lazy_chunks::zarr::{Target, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, SharedIndexed};
use tempfile::{TempDir, tempdir};

use crate::names;

/// What the blocks of all these writes depend on.
pub const JOB: &str = "the job";

/// A block of rows of five equal elements.
#[must_use]
pub fn array(value: i32, n_rows: usize) -> ArrayBlock {
    ArrayBlock::from_vec([n_rows, 5], vec![value; 5 * n_rows]).unwrap()
}

/// Four blocks of two rows, of which the first to fail is `fails_at`.
#[must_use]
pub fn failing(
    value: i32,
    fails_at: usize,
) -> LazyChunkSequence<'static, ArrayBlock, SharedIndexed> {
    LazyChunkSequence::try_from_fn([2; 4], move |i| match i < fails_at {
        true => Ok(array(value, 2)),
        false => Err("the accelerator is gone"),
    })
}

/// The same, of which none fails.
#[must_use]
pub fn sequence(value: i32) -> LazyChunkSequence<'static, ArrayBlock, SharedIndexed> {
    failing(value, 4)
}

/// A sink that resumes.
pub fn sink(target: impl Into<Target>) -> ZarrSink {
    ZarrSink::new(target).with_chunk_shape([2, 3]).with_resume(JOB)
}

/// A directory with a write of `a.zarr` that has stored two bands of chunks.
#[must_use]
pub fn left_unfinished() -> (TempDir, PathBuf) {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    failing(2, 2).to_zarr(sink(&path)).unwrap_err();
    assert_eq!(names(&path), [".lazy.1", "c"]);
    (directory, path)
}

/// The staging directory of an array, which it has as long as a write is under way or was interrupted.
#[must_use]
pub fn staging(array: &Path) -> PathBuf {
    let names = names(array);
    let mut staging = names.iter().filter(|name| name.starts_with(".lazy."));
    let name = staging.next().expect("a write is unfinished");
    assert!(staging.next().is_none(), "{names:?}");
    array.join(name)
}

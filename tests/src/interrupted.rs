//! Interrupted writes and their remains.

#![allow(clippy::missing_panics_doc, reason = "a panic here fails the calling test")]

use std::path::{Path, PathBuf};

use lazy_chunks::zarr::{Target, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, Indexed, LazyChunkSequence};
use tempfile::{TempDir, tempdir};

use crate::names;

/// The resume key of all these writes.
pub const JOB: &str = "the job";

/// Returns a block of rows with five equal elements.
#[must_use]
pub fn array(value: i32, n_rows: usize) -> ArrayBlock {
    ArrayBlock::from_vec([n_rows, 5], vec![value; 5 * n_rows]).unwrap()
}

/// Returns a sequence of four blocks of two rows, which fails from block `fails_at` on.
#[must_use]
pub fn failing(value: i32, fails_at: usize) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    LazyChunkSequence::try_from_fn([2; 4], move |i| {
        if i < fails_at { Ok(array(value, 2)) } else { Err("the accelerator is gone") }
    })
}

/// Returns the same sequence without a failing block.
#[must_use]
pub fn sequence(value: i32) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    failing(value, 4)
}

/// Returns a sink that resumes.
pub fn sink(target: impl Into<Target>) -> ZarrSink {
    ZarrSink::new(target).with_chunk_shape([2, 3]).with_resume(JOB)
}

/// Returns a directory with an interrupted write of `a.zarr` that has stored two bands of chunks.
#[must_use]
pub fn left_unfinished() -> (TempDir, PathBuf) {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    failing(2, 2).to_zarr(sink(&path)).unwrap_err();
    assert_eq!(names(&path), [".lazy.1", "c"]);
    (directory, path)
}

/// Returns the staging directory of an array. It exists while a write is running or interrupted.
#[must_use]
pub fn staging(array: &Path) -> PathBuf {
    let names = names(array);
    let mut staging = names.iter().filter(|name| name.starts_with(".lazy."));
    let name = staging.next().expect("a write is unfinished");
    assert!(staging.next().is_none(), "{names:?}");
    array.join(name)
}

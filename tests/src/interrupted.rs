//! Writes that are interrupted, and what they leave behind.

#![allow(clippy::missing_panics_doc, reason = "what goes wrong here fails the test that calls it")]

use std::path::PathBuf;
use std::sync::Arc;

use lazy_chunks::zarr::{Existing, Target, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, SharedIndexed};
use tempfile::{TempDir, tempdir};

use crate::{Fault, FaultyFileSystem, names};

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
    assert_eq!(names(directory.path()), [".a.zarr.staging"]);
    (directory, path)
}

/// Replaces an array by two renames, between which the process dies: a panic takes its place.
#[must_use]
pub fn interrupted_between_renames(name: &str, resumes: bool) -> (TempDir, PathBuf) {
    for n in 0.. {
        let directory = tempdir().unwrap();
        let path = directory.path().join(name);
        sequence(1).to_zarr(&path).unwrap();
        let fault = Fault { panic: Some(n), no_exchange: true, ..Fault::default() };
        let file_system = Arc::new(FaultyFileSystem::new(fault));
        let target = Target::on(file_system, &path);
        let sink = match resumes {
            true => sink(target),
            false => ZarrSink::new(target),
        };
        let replaces = sink.with_existing(Existing::Replace).with_writer_threads(1);
        let write = || sequence(2).to_zarr(replaces.clone());
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(write));
        if !path.exists() {
            assert!(written.is_err());
            return (directory, path);
        }
        assert!(!matches!(written, Ok(Ok(_))), "the panic of operation {n} is the last");
    }
    unreachable!("the second rename is one of the operations");
}

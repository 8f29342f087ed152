//! Small sequences of zeros, and assertions that an error leaves nothing behind.

#![allow(clippy::missing_panics_doc, reason = "a panic here fails the calling test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lazy_chunks::zarr::{Existing, MemoryStore, StoredArray, Target, ToZarr, ZarrSink};
use lazy_chunks::{
    ArrayBlock, Cut, DType, LazyChunkSequence, NestedLazyChunkSequence, RowType, SequenceSpec,
    report,
};
use tempfile::TempDir;

/// Returns a block of zeros.
#[must_use]
pub fn zeros(shape: &[usize]) -> ArrayBlock {
    ArrayBlock::from_vec(shape, vec![0_f32; shape.iter().product()]).unwrap()
}

/// Returns a sequence of blocks of these shapes.
#[must_use]
pub fn flat(shapes: &[&[usize]]) -> LazyChunkSequence<'static, ArrayBlock> {
    let blocks: Vec<_> = shapes.iter().map(|shape| zeros(shape)).collect();
    LazyChunkSequence::new(move || blocks.clone())
}

/// Returns a nested sequence of bands of blocks of these shapes.
#[must_use]
pub fn nested(bands: &[&[&[usize]]]) -> NestedLazyChunkSequence<'static, ArrayBlock> {
    let bands: Vec<Vec<_>> =
        bands.iter().map(|band| band.iter().map(|shape| zeros(shape)).collect()).collect();
    NestedLazyChunkSequence::new(move || bands.clone())
}

/// Returns a sequence that panics if it is computed.
#[must_use]
pub fn never_computed() -> LazyChunkSequence<'static, ArrayBlock> {
    LazyChunkSequence::new(|| -> [ArrayBlock; 0] { panic!("a block was computed") })
}

/// Asserts that a sink fails before the first block is computed, and that the report of the error
/// contains `message`.
#[track_caller]
pub fn assert_target_refused(sink: impl Into<ZarrSink>, message: &str) {
    let error = report(&never_computed().to_zarr(sink).unwrap_err());
    assert!(error.contains(message), "{error}");
}

/// Creates a temporary directory, in memory if possible, so that no test waits for a device.
#[must_use]
pub fn directory_in_memory() -> TempDir {
    let builder = || tempfile::Builder::new().prefix("lazy-tests-").tempdir_in("/dev/shm");
    builder().or_else(|_| tempfile::tempdir()).unwrap()
}

/// Returns the names in a directory, sorted.
#[must_use]
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Returns every file below a directory, with its relative path.
#[must_use]
pub fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(next) = directories.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_owned();
                files.push((name, std::fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

/// Asserts that storing with a sink of these settings fails with this message for every kind of
/// target. Also asserts that it leaves nothing behind: no array, no staging directory, and existing
/// arrays are unchanged.
#[track_caller]
pub fn assert_not_stored(
    sequence: &impl ToZarr<Block = ArrayBlock>,
    sink: fn(Target) -> ZarrSink,
    message: &str,
) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new.zarr");
    let error = sequence.to_zarr(sink(path.into())).unwrap_err();
    assert_eq!(report(&error), message);
    assert_eq!(names(directory.path()), [""; 0]);

    let path = directory.path().join("old.zarr");
    let old = flat(&[&[2, 3]]).to_zarr(&path).unwrap();
    let error = sequence.to_zarr(sink((&path).into()).with_existing(Existing::Replace));
    assert_eq!(report(&error.unwrap_err()), message);
    assert_eq!(names(directory.path()), ["old.zarr"]);
    assert_eq!(old.read().unwrap(), zeros(&[2, 3]));

    let store = Arc::new(MemoryStore::new());
    let error = sequence.to_zarr(sink(Arc::clone(&store).into())).unwrap_err();
    assert_eq!(report(&error), message);
    assert!(StoredArray::open(Arc::clone(&store)).is_err());
    flat(&[&[2, 3]]).to_zarr(store).expect("the store is vacant");
}

/// Returns the spec of a streamed sequence that declares its row type.
pub fn spec(cut: Cut, dtype: DType, row_shape: impl Into<Vec<usize>>) -> SequenceSpec {
    let row_type = RowType { dtype, shape: row_shape.into() };
    SequenceSpec::streamed(cut, None).with_row_type(Some(row_type))
}

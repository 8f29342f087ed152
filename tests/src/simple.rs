//! Small sequences of zeros, and what is said and left behind when they are refused.

#![allow(clippy::missing_panics_doc, reason = "what goes wrong here fails the test that calls it")]

use std::path::Path;

use lazy_chunks::zarr::{ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, NestedLazyChunkSequence};

/// A block of zeros.
#[must_use]
pub fn zeros(shape: &[usize]) -> ArrayBlock {
    ArrayBlock::from_vec(shape, vec![0_f32; shape.iter().product()]).unwrap()
}

/// A sequence of blocks of these shapes.
#[must_use]
pub fn flat(shapes: &[&[usize]]) -> LazyChunkSequence<'static, ArrayBlock> {
    let blocks: Vec<_> = shapes.iter().map(|shape| zeros(shape)).collect();
    LazyChunkSequence::new(move || blocks.clone())
}

/// A nested sequence of bands of blocks of these shapes.
#[must_use]
pub fn nested(bands: &[&[&[usize]]]) -> NestedLazyChunkSequence<'static, ArrayBlock> {
    let bands: Vec<Vec<_>> =
        bands.iter().map(|band| band.iter().map(|shape| zeros(shape)).collect()).collect();
    NestedLazyChunkSequence::new(move || bands.clone())
}

/// A sequence that must not be computed.
#[must_use]
pub fn never_computed() -> LazyChunkSequence<'static, ArrayBlock> {
    LazyChunkSequence::new(|| -> [ArrayBlock; 0] { panic!("a block was computed") })
}

/// Asserts that a sink fails before the first block is computed, with an error that has this in its
/// message.
#[track_caller]
pub fn assert_target_refused(sink: impl Into<ZarrSink>, message: &str) {
    let error = never_computed().to_zarr(sink).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

/// The names in a directory, in order.
#[must_use]
pub fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

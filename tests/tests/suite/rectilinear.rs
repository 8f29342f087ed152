//! Arrays whose chunks are the blocks of a sequence, in a rectilinear grid.

use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{
    Checksum, Codec, Durability, ErrorKind, Existing, StoredArray, ToZarr, ZarrSink,
};
use lazy_chunks::{ArrayBlock, BlockSizes, Indexed, LazyChunkSequence, NestedLazyChunkSequence};
use lazy_tests::{Case, assert_target_refused, case, files, nested, zeros};
use proptest::prelude::*;

enum Blocks<'a> {
    Flat(LazyChunkSequence<'a, ArrayBlock, Indexed>),
    Nested(NestedLazyChunkSequence<'a, ArrayBlock, Indexed>),
}

impl<'a> Blocks<'a> {
    /// Returns the blocks of a case. From block `fails_at` on, they cannot be computed.
    fn new(case: &'a Case, computed: &'a AtomicUsize, fails_at: usize) -> Blocks<'a> {
        let block = move |i: usize, j: usize| {
            if i * case.blocks_per_band() + j >= fails_at {
                return Err("no power");
            }
            computed.fetch_add(1, Ordering::Relaxed);
            Ok(case.block(i, j))
        };
        let (rows, row_shape) = (case.rows.clone(), &case.shape()[1..]);
        match case.columns.clone() {
            None => Blocks::Flat(
                LazyChunkSequence::try_from_fn(rows, move |i| block(i, 0))
                    .with_row_type(case.dtype, row_shape),
            ),
            Some(columns) => Blocks::Nested(
                NestedLazyChunkSequence::try_from_fn(rows, columns, block)
                    .with_row_type(case.dtype, row_shape),
            ),
        }
    }

    fn store(&self, sink: ZarrSink) -> lazy_chunks::zarr::Result<StoredArray> {
        match self {
            Blocks::Flat(blocks) => blocks.to_zarr(sink),
            Blocks::Nested(blocks) => blocks.to_zarr(sink),
        }
    }
}

/// Returns the indices of all blocks, in order.
fn places(case: &Case) -> impl Iterator<Item = (usize, usize)> {
    let n_columns = case.blocks_per_band();
    (0..case.rows.len()).flat_map(move |i| (0..n_columns).map(move |j| (i, j)))
}

/// Returns true if a block has elements.
fn has_chunk(case: &Case, (i, j): (usize, usize)) -> bool {
    case.block(i, j).n_elements() > 0
}

proptest! {
    #[test]
    fn each_block_is_a_chunk(case in case(), stop in any::<prop::sample::Index>()) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let sink = |name: &str| {
            ZarrSink::new(path(name))
                .with_chunks_of_blocks()
                .with_codec(case.codec)
                .with_checksum(case.checksum)
                .with_writer_threads(case.n_threads)
                .with_durability(Durability::None)
                .with_resume("the case")
        };
        let n_chunks = places(&case).filter(|place| has_chunk(&case, *place)).count();
        let computed = AtomicUsize::new(0);
        let all = Blocks::new(&case, &computed, usize::MAX);
        let stored = all.store(sink("a.zarr")).unwrap();
        prop_assert_eq!(stored.read().unwrap(), case.array());
        prop_assert_eq!(stored.chunk_grid(), "rectilinear");
        prop_assert_eq!(stored.stored_size().unwrap().n_stored as usize, n_chunks);
        prop_assert_eq!(stored.verify().count(), 0);

        // A write that is stopped and resumed computes the blocks that are not stored, and the
        // result is the same. Without a stored block, it starts anew.
        let n_blocks = case.rows.len() * case.blocks_per_band();
        let stop = stop.index(n_blocks + 1);
        if stop < n_blocks {
            Blocks::new(&case, &computed, stop).store(sink("b.zarr")).unwrap_err();
        }
        computed.store(0, Ordering::Relaxed);
        all.store(sink("b.zarr")).unwrap();
        let chunks = |places: &mut dyn Iterator<Item = _>| {
            places.filter(|place| has_chunk(&case, *place)).count()
        };
        let stop = if stop < n_blocks { stop } else { 0 };
        let is_resumed = chunks(&mut places(&case).take(stop)) > 0;
        // Blocks without elements are not computed again.
        let n_missing =
            if is_resumed { chunks(&mut places(&case).skip(stop)) } else { n_blocks };
        prop_assert_eq!(computed.load(Ordering::Relaxed), n_missing);
        prop_assert_eq!(files(&path("b.zarr")), files(&path("a.zarr")));
        // A complete array is found again.
        computed.store(0, Ordering::Relaxed);
        all.store(sink("a.zarr")).unwrap();
        prop_assert_eq!(computed.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn runs_of_equal_blocks_take_little_metadata() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let blocks =
        LazyChunkSequence::from_fn(BlockSizes::uniform(100_000, 100), |_| zeros(&[100, 2]));
    blocks.to_zarr(ZarrSink::new(&path).with_chunks_of_blocks()).unwrap();
    assert!(std::fs::metadata(path.join("zarr.json")).unwrap().len() < 2000);
    assert_eq!(StoredArray::open(&path).unwrap().shape(), [100_000, 2]);
}

#[test]
fn what_has_no_grid_is_refused() {
    let sink = |path: &std::path::Path| {
        ZarrSink::new(path).with_chunks_of_blocks().with_codec(Codec::None)
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    assert_target_refused(sink(&path).with_shard_shape([4, 4]), "cannot lie in shards");
    let irregular = nested(&[&[&[2, 3], &[2, 2]], &[&[1, 2], &[1, 3]]]);
    let error = irregular.to_zarr(sink(&path)).unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::InvalidSetting, Some("chunk shape")));
    assert!(!path.exists());
    nested(&[&[&[2, 3], &[2, 2]], &[&[1, 3], &[1, 2]]])
        .to_zarr(sink(&path).with_checksum(Checksum::Crc32c))
        .unwrap();
    let append = sink(&path).with_existing(Existing::Append);
    assert_target_refused(append, "its chunk grid is not regular");
}

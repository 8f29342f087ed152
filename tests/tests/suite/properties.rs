//! Laws that hold for every array, every cut into blocks and all storage settings.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{Checksum, Codec, MemoryStore, StoredArray, ToZarr, ZarrSink};
use lazy_chunks::{
    Access, ArgMax, ArrayBlock, BlockSizes, Concatenate, DType, LazyChunkSequence, MeanVariance,
    NestedLazyChunkSequence, RandomAccess, Summary, TopK,
};
use lazy_tests::{Case, Chunks, Real, Shards, case, files, real_values};
use ndarray::{ArrayD, Axis, Ix1, Ix2};
use proptest::prelude::*;

/// Joins the bytes of blocks along an axis, with ndarray.
fn concatenated_by_hand(blocks: &[ArrayBlock], axis: usize) -> ArrayBlock {
    let as_bytes = |block: &ArrayBlock| {
        let shape = [block.shape(), &[block.dtype().size()]].concat();
        ArrayD::from_shape_vec(shape, block.data().to_vec()).unwrap()
    };
    let arrays: Vec<_> = blocks.iter().map(as_bytes).collect();
    let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
    let joined = ndarray::concatenate(Axis(axis), &views).unwrap();
    let shape = joined.shape()[..joined.ndim() - 1].to_vec();
    let bytes: Vec<u8> = joined.iter().copied().collect();
    ArrayBlock::new(blocks[0].dtype(), shape, bytes.into()).unwrap()
}

/// Stores and reduces in one pass, and checks the stored array and each statistic.
macro_rules! check_sequence {
    ($case:expr, $computed:expr, $sequence:expr, $by_hand:expr) => {{
        let (case, sequence): (&Case, _) = ($case, $sequence);
        let n_blocks = case.rows.len() * case.blocks_per_band();
        let computed = || $computed.swap(0, Ordering::Relaxed);
        prop_assert_eq!(computed(), 0, "building a sequence computes no block");

        let expected = case.array();
        prop_assert_eq!(&sequence.compute(Concatenate).unwrap(), &expected);
        prop_assert_eq!(computed(), n_blocks);
        prop_assert_eq!(
            &sequence.compute(Concatenate).unwrap(),
            &expected,
            "a second evaluation gives the same array"
        );
        if let Some(by_hand) = $by_hand(sequence.collect().unwrap()) {
            prop_assert_eq!(&by_hand, &expected);
        }
        computed();

        let store = Arc::new(MemoryStore::new());
        let sink = case.sink(Arc::clone(&store));
        let (joined, written) = sequence.compute((Concatenate, sink)).unwrap();
        prop_assert_eq!(computed(), n_blocks, "a pass computes each block once");
        prop_assert_eq!(&joined, &expected);
        for stored in [written, StoredArray::open(store).unwrap()] {
            prop_assert_eq!(stored.shape(), expected.shape());
            check_chunk_shape(case, &stored)?;
            prop_assert_eq!(&stored.read().unwrap(), &expected);
            check_statistics(sequence, &stored, &expected)?;
        }
        computed();
    }};
}

/// Explicit chunks and shards have the requested shape. Automatic ones fit their target size and
/// the array.
fn check_chunk_shape(case: &Case, stored: &StoredArray) -> Result<(), TestCaseError> {
    let n_bytes = |shape: &[usize]| case.dtype.size() * shape.iter().product::<usize>();
    let chunk_shape = stored.chunk_shape();
    match (&case.chunks, &case.shards) {
        (Chunks::Explicit(sizes), _) => {
            prop_assert_eq!(chunk_shape, &sizes[..stored.shape().len()]);
        }
        (Chunks::Automatic(target_bytes), shards) => {
            let is_explicit = matches!(shards, Some(Shards::Explicit(_)));
            for (chunk_size, size) in chunk_shape.iter().zip(stored.shape()) {
                prop_assert!(is_explicit || *chunk_size <= 1.max(*size), "{:?}", stored);
            }
            prop_assert!(
                n_bytes(chunk_shape) <= (*target_bytes).max(case.dtype.size())
                    || stored.shape().contains(&0),
                "{:?}",
                stored
            );
        }
    }
    prop_assert_eq!(stored.shard_shape().is_some(), case.shards.is_some());
    let Some(shard_shape) = stored.shard_shape() else { return Ok(()) };
    for (shard_size, chunk_size) in shard_shape.iter().zip(chunk_shape) {
        prop_assert!(shard_size.is_multiple_of(*chunk_size), "{:?}", stored);
    }
    match (&case.shards, case.explicit_shard_shape()) {
        (_, Some(expected)) => prop_assert_eq!(shard_shape, &expected[..]),
        (Some(Shards::Automatic(target_bytes)), _) => {
            let at_most = n_bytes(chunk_shape).max(*target_bytes);
            prop_assert!(n_bytes(shard_shape) <= at_most, "{:?}", stored);
            let sizes = shard_shape.iter().zip(chunk_shape).zip(stored.shape());
            for ((shard_size, chunk_size), size) in sizes {
                let n_chunks = size.div_ceil(*chunk_size).max(1);
                prop_assert!(*shard_size <= n_chunks * chunk_size, "{:?}", stored);
            }
        }
        _ => unreachable!("an array without shards"),
    }
    Ok(())
}

#[test]
fn chunks_of_an_empty_array_are_no_larger_than_requested() {
    let nothing = LazyChunkSequence::new(|| [] as [ArrayBlock; 0])
        .with_row_type(DType::Float32, [1 << 20, 1 << 12]);
    let stored = nothing.to_zarr(Arc::new(MemoryStore::new())).unwrap();
    assert_eq!(stored.shape(), [0, 1 << 20, 1 << 12]);
    assert!(4 * stored.chunk_shape().iter().product::<usize>() <= 8 << 20, "{stored:?}");
}

#[test]
fn chunks_of_single_elements_are_no_larger_than_the_array() {
    let n_rows = 10_000;
    let blocks = LazyChunkSequence::new(|| {
        (0..n_rows).map(|i| ArrayBlock::from_vec([1], vec![i as f32]).unwrap())
    });
    let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_chunk_bytes(1 << 20);
    let stored = blocks.to_zarr(sink).unwrap();
    assert_eq!(stored.shape(), [n_rows]);
    assert!(stored.chunk_shape()[0] <= n_rows, "{stored:?}");
}

/// The statistics of a sequence of either type.
trait Summarized {
    fn summaries(&self, k: usize) -> lazy_chunks::Result<Summaries>;
}

type Summaries = (lazy_chunks::Moments, lazy_chunks::Extrema<Ix1>, lazy_chunks::Extrema<Ix2>);

impl<K: Access> Summarized for LazyChunkSequence<'_, ArrayBlock, K> {
    fn summaries(&self, k: usize) -> lazy_chunks::Result<Summaries> {
        self.compute((MeanVariance, ArgMax.per_row(), TopK::new(k).per_row()))
    }
}

impl<K: Access> Summarized for NestedLazyChunkSequence<'_, ArrayBlock, K> {
    fn summaries(&self, k: usize) -> lazy_chunks::Result<Summaries> {
        self.compute((MeanVariance, ArgMax.per_row(), TopK::new(k).per_row()))
    }
}

fn close(a: f64, b: f64, scale: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * scale
}

/// Checks that statistics over the sequence equal those over the stored array with another cut, and
/// those computed from the whole array.
fn check_statistics(
    sequence: &impl Summarized,
    stored: &StoredArray,
    array: &ArrayBlock,
) -> Result<(), TestCaseError> {
    let row_length: usize = array.shape()[1..].iter().product();
    let k = 2.min(row_length);
    let Some(values) = real_values(array) else {
        prop_assert!(sequence.summaries(1.max(k)).is_err(), "complex numbers have no order");
        return Ok(());
    };
    if row_length == 0 {
        let has_rows = array.shape()[0] > 0;
        prop_assert!(
            !has_rows || sequence.summaries(1).is_err(),
            "an empty row has no largest element"
        );
        return Ok(());
    }
    let (moments, largest, top) = sequence.summaries(k).unwrap();

    let rechunked = stored.sequence(BlockSizes::uniform(array.shape()[0], 3)).unwrap();
    let (stored_moments, stored_largest, stored_top) = rechunked.summaries(k).unwrap();
    prop_assert_eq!(&largest.indices, &stored_largest.indices);
    prop_assert_eq!(&top.indices, &stored_top.indices);

    for (row, elements) in values.chunks(row_length).enumerate() {
        let mut order: Vec<usize> = (0..row_length).collect();
        order.sort_by(|&a, &b| elements[b].compare(elements[a]));
        let expected: Vec<u64> = order[..k].iter().map(|&index| index as u64).collect();
        prop_assert_eq!(top.indices.row(row).to_vec(), expected);
        prop_assert_eq!(largest.indices[row], order[0] as u64);
        let value = elements[order[0]].to_f64();
        prop_assert!(close(largest.values[row].to_f64(), value, 0.0));
        prop_assert!(close(top.values[[row, 0]].to_f64(), value, 0.0));
    }

    let n = values.len() as f64;
    let floats: Vec<f64> = values.iter().map(|value| Real::to_f64(*value)).collect();
    let mean = floats.iter().sum::<f64>() / n;
    let variance = floats.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let largest = floats.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    // The squares of arbitrary floats overflow. Then one order of summation can give infinity, and
    // another NaN.
    if largest < 1e150 {
        for moments in [moments, stored_moments] {
            prop_assert_eq!(moments.count, values.len() as u64);
            prop_assert!(close(moments.mean, mean, largest), "{} {}", moments.mean, mean);
            prop_assert!(close(moments.variance(0), variance, largest * largest));
        }
    } else if floats.iter().any(|x| x.is_nan()) {
        prop_assert!(moments.mean.is_nan() && stored_moments.mean.is_nan());
    }
    Ok(())
}

/// Checks that each block of an indexed sequence, computed on its own, is the block of the array.
fn check_random_access<K: RandomAccess>(
    case: &Case,
    sequence: &LazyChunkSequence<'_, ArrayBlock, K>,
) -> Result<(), TestCaseError> {
    for i in (0..case.rows.len()).rev() {
        prop_assert_eq!(sequence.block(i).unwrap(), case.block(i, 0));
    }
    Ok(())
}

/// Checks the same for nested sequences.
fn check_nested_random_access<K: RandomAccess>(
    case: &Case,
    sequence: &NestedLazyChunkSequence<'_, ArrayBlock, K>,
) -> Result<(), TestCaseError> {
    for i in (0..case.rows.len()).rev() {
        for j in (0..case.blocks_per_band()).rev() {
            prop_assert_eq!(sequence.block(i, j).unwrap(), case.block(i, j));
        }
    }
    Ok(())
}

/// Checks the sequences of every kind.
macro_rules! check_kinds {
    ($case:expr, $computed:expr, $sequences:expr, $by_hand:expr, $random_access:ident) => {{
        let sequences = $sequences;
        for sequence in &sequences.streamed {
            check_sequence!($case, $computed, sequence, $by_hand);
        }
        for sequence in &sequences.local {
            check_sequence!($case, $computed, sequence, $by_hand);
            $random_access($case, sequence)?;
            $computed.store(0, Ordering::Relaxed);
        }
        for sequence in &sequences.indexed {
            check_sequence!($case, $computed, sequence, $by_hand);
            $random_access($case, sequence)?;
            $computed.store(0, Ordering::Relaxed);
        }
    }};
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let computed = AtomicUsize::new(0);
    if case.columns.is_none() {
        let by_hand = |blocks: Vec<ArrayBlock>| {
            (!blocks.is_empty()).then(|| concatenated_by_hand(&blocks, 0))
        };
        check_kinds!(case, computed, case.sequences(&computed), by_hand, check_random_access);
    } else {
        let by_hand = |bands: Vec<Vec<ArrayBlock>>| {
            let bands: Vec<_> = bands.iter().map(|band| concatenated_by_hand(band, 1)).collect();
            (!bands.is_empty()).then(|| concatenated_by_hand(&bands, 0))
        };
        let sequences = case.nested_sequences(&computed);
        check_kinds!(case, computed, sequences, by_hand, check_nested_random_access);
    }
    Ok(())
}

proptest! {
    #[test]
    fn aggregating_storing_and_reducing_give_the_same_array(case in case()) {
        check(&case)?;
    }

    #[test]
    fn stored_bytes_do_not_depend_on_the_kind_or_the_threads(case in case()) {
        let computed = AtomicUsize::new(0);
        let stored = |case: &Case, streamed: bool| {
            let directory = tempfile::tempdir().unwrap();
            let sink = case.sink(directory.path());
            match (&case.columns, streamed) {
                (None, true) => case.sequences(&computed).streamed[0].to_zarr(sink),
                (None, false) => case.sequences(&computed).indexed[0].to_zarr(sink),
                (Some(_), true) => case.nested_sequences(&computed).streamed[0].to_zarr(sink),
                (Some(_), false) => case.nested_sequences(&computed).indexed[0].to_zarr(sink),
            }
            .unwrap();
            files(directory.path())
        };
        let expected = stored(&case, true);
        prop_assert_eq!(&stored(&case, false), &expected);
        prop_assert_eq!(&stored(&Case { n_threads: case.n_threads + 2, ..case }, true), &expected);
    }

    #[test]
    fn reading_a_region_gives_the_region_of_the_array(
        case in case(),
        bounds in prop::collection::vec((0.0..=1.0, 0.0..=1.0), 4),
    ) {
        let computed = AtomicUsize::new(0);
        let sink = case.sink(Arc::new(MemoryStore::new()));
        let stored = match &case.columns {
            None => case.sequences(&computed).indexed[0].to_zarr(sink),
            Some(_) => case.nested_sequences(&computed).indexed[0].to_zarr(sink),
        }
        .unwrap();
        let shape = case.shape();
        let region: Vec<_> = shape.iter().zip(&bounds).map(|(&size, &(a, b))| {
            let bound = |x: f64| (x * size as f64) as usize;
            bound(f64::min(a, b))..bound(f64::max(a, b))
        }).collect();
        let start: Vec<_> = region.iter().map(|range| range.start).collect();
        let extent: Vec<_> = region.iter().map(ExactSizeIterator::len).collect();
        let expected = lazy_tests::elements(case.dtype, case.seed, &shape, &start, &extent);
        prop_assert_eq!(stored.read_region(&region).unwrap(), expected);
    }
}

#[test]
fn the_layout_does_not_depend_on_the_kind() {
    let mut n_cases = 0;
    for columns in [vec![1; 6], vec![4, 2], vec![2, 0, 4], vec![6]] {
        for target_bytes in 1..40 {
            for chunks in [vec![1, 1], vec![2, 1], vec![3, 4], vec![1, 6]] {
                let case = Case {
                    dtype: DType::UInt8,
                    seed: 7,
                    rows: vec![3, 3, 2],
                    columns: Some(columns.clone()),
                    trailing: vec![],
                    chunks: Chunks::Explicit(chunks),
                    shards: Some(Shards::Automatic(target_bytes)),
                    codec: Codec::None,
                    checksum: Checksum::None,
                    n_threads: 1,
                };
                let computed = AtomicUsize::new(0);
                let sequences = case.nested_sequences(&computed);
                let shape = |stored: StoredArray| stored.shard_shape().unwrap().to_vec();
                let sink = || case.sink(Arc::new(MemoryStore::new()));
                let mut shapes = vec![];
                shapes.extend(sequences.streamed.iter().map(|s| shape(s.to_zarr(sink()).unwrap())));
                shapes.extend(sequences.local.iter().map(|s| shape(s.to_zarr(sink()).unwrap())));
                shapes.extend(sequences.indexed.iter().map(|s| shape(s.to_zarr(sink()).unwrap())));
                assert!(shapes.iter().all(|shape| *shape == shapes[0]), "{case:?}: {shapes:?}");
                n_cases += 1;
            }
        }
    }
    assert_eq!(n_cases, 4 * 39 * 4);
}

/// Returns all lists of up to `length` sizes below `end`.
fn lists(length: usize, end: usize) -> Vec<Vec<usize>> {
    let mut lists = vec![vec![]];
    let mut last = lists.clone();
    for _ in 0..length {
        last = last
            .iter()
            .flat_map(|list| (0..end).map(move |size| [&list[..], &[size]].concat()))
            .collect();
        lists.extend(last.clone());
    }
    lists
}

#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn every_small_case_agrees() {
    let explicit = |rows, columns| Chunks::Explicit(vec![rows, columns]);
    let chunks: Vec<_> = (1..4)
        .flat_map(|rows| (1..4).map(move |columns| explicit(rows, columns)))
        .chain([0, 1, 2, 3, 4, 6, 9, 100].map(Chunks::Automatic))
        .collect();
    let shards = [None, Some(Shards::Automatic(7)), Some(Shards::Explicit(vec![2, 2]))];
    let cut_by_columns = lists(2, 3).into_iter().filter(|list| !list.is_empty()).map(Some);
    let mut n_cases = 0;
    for columns in std::iter::once(None).chain(cut_by_columns) {
        for rows in lists(2, 4) {
            for (chunks, shards) in chunks.iter().flat_map(|c| shards.iter().map(move |s| (c, s))) {
                let case = Case {
                    dtype: DType::UInt8,
                    seed: 7,
                    rows: rows.clone(),
                    trailing: if columns.is_none() { vec![3] } else { vec![] },
                    columns: columns.clone(),
                    chunks: chunks.clone(),
                    shards: shards.clone(),
                    codec: Codec::None,
                    checksum: Checksum::None,
                    n_threads: 1,
                };
                check(&case).unwrap_or_else(|error| panic!("{case:?}: {error}"));
                n_cases += 1;
            }
        }
    }
    assert_eq!(n_cases, 13 * 21 * 17 * 3);
}

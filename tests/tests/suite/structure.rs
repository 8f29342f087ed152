//! Laws of operations on the structure of sequences: the same as the operation of ndarray on the
//! whole array, for any access, on any number of threads, also of operations on each other, and
//! after a write that was resumed.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lazy_chunks::zarr::{ToZarr, ZarrSink};
use lazy_chunks::{
    ArrayBlock, BlockIndex, BlockSizes, Concatenate, DType, ErrorKind, Indexed, LazyChunkSequence,
    NestedLazyChunkSequence, Progress, RandomAccess, Result, Sum, report,
};
use ndarray::{Array2, Axis, Ix2, concatenate, s};
use proptest::prelude::*;
use proptest::sample::Index;

/// The number of times that each block was computed.
#[derive(Default)]
struct Counts(Mutex<BTreeMap<(usize, usize), usize>>);

impl Counts {
    fn count(&self, i: usize, j: usize) {
        *self.0.lock().unwrap().entry((i, j)).or_default() += 1;
    }

    fn take(&self) -> BTreeMap<(usize, usize), usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn array(n_rows: usize, n_columns: usize) -> Array2<u32> {
    Array2::from_shape_fn((n_rows, n_columns), |(i, j)| (1000 * i + j) as u32)
}

fn flat<'a>(
    array: &'a Array2<u32>,
    sizes: &[usize],
    counts: &'a Counts,
) -> LazyChunkSequence<'a, ArrayBlock, Indexed> {
    let rows = BlockSizes::from(sizes);
    LazyChunkSequence::from_fn(rows.clone(), move |i| {
        counts.count(i, 0);
        ArrayBlock::from_array(array.slice(s![rows.range(i), ..]).to_owned())
    })
    .with_row_type(DType::UInt32, [array.ncols()])
}

fn nested<'a>(
    array: &'a Array2<u32>,
    rows: &[usize],
    columns: &[usize],
    counts: &'a Counts,
) -> NestedLazyChunkSequence<'a, ArrayBlock, Indexed> {
    let (rows, columns) = (BlockSizes::from(rows), BlockSizes::from(columns));
    NestedLazyChunkSequence::from_fn(rows.clone(), columns.clone(), move |i, j| {
        counts.count(i, j);
        let block = array.slice(s![rows.range(i), columns.range(j)]);
        ArrayBlock::from_array(block.to_owned())
    })
    .with_row_type(DType::UInt32, [array.ncols()])
}

/// Streamed sequences of the same blocks: from an iterator, with a declared number of blocks, and
/// from functions that any thread or only one may call.
fn streams<'a>(
    array: &'a Array2<u32>,
    sizes: &'a [usize],
    counts: &'a Counts,
    n_threads: usize,
) -> [LazyChunkSequence<'a, ArrayBlock>; 4] {
    let iterator = LazyChunkSequence::new(move || {
        let sizes = BlockSizes::from(sizes);
        (0..sizes.n_blocks()).map(move |i| {
            counts.count(i, 0);
            ArrayBlock::from_array(array.slice(s![sizes.range(i), ..]).to_owned())
        })
    });
    let indexed = flat(array, sizes, counts).with_threads(n_threads);
    let local = indexed.clone().map_local(|block| block);
    let local = local.with_row_type(DType::UInt32, [array.ncols()]);
    [iterator.clone(), iterator.with_len(sizes.len()), indexed.streamed(), local.streamed()]
}

/// The same for nested sequences.
fn nested_streams<'a>(
    array: &'a Array2<u32>,
    rows: &'a [usize],
    columns: &'a [usize],
    counts: &'a Counts,
    n_threads: usize,
) -> [NestedLazyChunkSequence<'a, ArrayBlock>; 4] {
    let iterator = NestedLazyChunkSequence::new(move || {
        (0..rows.len()).map(move |i| {
            let [rows, columns] = [rows, columns].map(BlockSizes::from);
            (0..columns.n_blocks()).map(move |j| {
                counts.count(i, j);
                let block = array.slice(s![rows.range(i), columns.range(j)]);
                ArrayBlock::from_array(block.to_owned())
            })
        })
    });
    let indexed = nested(array, rows, columns, counts).with_threads(n_threads);
    let local = indexed.clone().map_local(|block| block);
    let local = local.with_row_type(DType::UInt32, [array.ncols()]);
    [iterator.clone(), iterator.with_len(rows.len()), indexed.streamed(), local.streamed()]
}

fn heights(sequence: &LazyChunkSequence<'_, ArrayBlock>) -> Vec<usize> {
    sequence.collect().unwrap().iter().map(|block| block.shape()[0]).collect()
}

fn whole(block: ArrayBlock) -> Array2<u32> {
    block.into_array::<u32, Ix2>().unwrap()
}

/// An operation on a sequence that is cut along axis 0.
#[derive(Clone, Debug)]
enum Operation {
    Slice(Index, Index),
    Select(Vec<Index>),
    TakeBlocks(Vec<Index>),
    Rechunk(Vec<Index>),
    /// Appends the sequence itself.
    Chain,
    /// Keeps every second row of each block.
    MapRows,
    /// Adds the row to each element.
    MapAt,
}

fn operation() -> impl Strategy<Value = Operation> {
    let indices = || prop::collection::vec(any::<Index>(), 0..5);
    prop_oneof![
        any::<(Index, Index)>().prop_map(|(one, other)| Operation::Slice(one, other)),
        indices().prop_map(Operation::Select),
        indices().prop_map(Operation::TakeBlocks),
        indices().prop_map(Operation::Rechunk),
        Just(Operation::Chain),
        Just(Operation::MapRows),
        Just(Operation::MapAt),
    ]
}

fn range(one: Index, other: Index, n: usize) -> Range<usize> {
    let (one, other) = (one.index(n + 1), other.index(n + 1));
    one.min(other)..one.max(other)
}

/// Returns sizes that cut `n` elements at these places.
fn cut(places: &[Index], n: usize) -> Vec<usize> {
    let mut ends: Vec<_> = places.iter().map(|place| place.index(n + 1)).collect();
    ends.push(n);
    ends.sort_unstable();
    let mut start = 0;
    ends.into_iter().map(|end| end - std::mem::replace(&mut start, end)).collect()
}

fn some(indices: &[Index], n: usize) -> Vec<usize> {
    indices.iter().filter(|_| n > 0).map(|index| index.index(n)).collect()
}

/// Applies an operation to a sequence and to the whole array.
fn apply<'a, K: RandomAccess>(
    operation: &Operation,
    sequence: LazyChunkSequence<'a, ArrayBlock, K>,
    array: &Array2<u32>,
) -> Result<(LazyChunkSequence<'a, ArrayBlock, K>, Array2<u32>)> {
    let rows = sequence.grid().rows().clone();
    let n_rows = rows.total();
    let row_type = sequence.spec().row_type().cloned().unwrap();
    let declared = |sequence: LazyChunkSequence<'a, ArrayBlock, K>| {
        sequence.with_row_type(row_type.dtype, row_type.shape.clone())
    };
    Ok(match operation {
        Operation::Slice(one, other) => {
            let range = range(*one, *other, n_rows);
            (sequence.slice(range.clone())?, array.slice(s![range, ..]).to_owned())
        }
        Operation::Select(indices) => {
            let indices = some(indices, n_rows);
            (sequence.select(indices.clone())?, array.select(Axis(0), &indices))
        }
        Operation::TakeBlocks(indices) => {
            let indices = some(indices, rows.n_blocks());
            let taken: Vec<_> = indices.iter().flat_map(|i| rows.range(*i)).collect();
            (sequence.take_blocks(indices)?, array.select(Axis(0), &taken))
        }
        Operation::Rechunk(places) if rows.n_blocks() > 0 => {
            (sequence.rechunk(cut(places, n_rows))?, array.clone())
        }
        Operation::Rechunk(_) => (sequence, array.clone()),
        Operation::Chain => {
            (sequence.clone().chain(sequence)?, concatenate![Axis(0), *array, *array])
        }
        Operation::MapRows => {
            let sizes: Vec<_> = rows.ranges().map(|range| range.len().div_ceil(2)).collect();
            let kept: Vec<_> = rows.ranges().flat_map(|range| range.step_by(2)).collect();
            let halved = sequence.map_rows(sizes, |block| {
                ArrayBlock::from_array(whole(block).slice(s![..;2, ..]).to_owned())
            })?;
            (declared(halved), array.select(Axis(0), &kept))
        }
        Operation::MapAt => {
            let moved = sequence.map_at(|at, block| {
                let mut block = whole(block);
                for (i, mut row) in block.rows_mut().into_iter().enumerate() {
                    row += (at.row + i) as u32;
                }
                ArrayBlock::from_array(block)
            });
            let mut array = array.clone();
            for (i, mut row) in array.rows_mut().into_iter().enumerate() {
                row += i as u32;
            }
            (declared(moved), array)
        }
    })
}

fn apply_all<'a, K: RandomAccess>(
    operations: &[Operation],
    sequence: LazyChunkSequence<'a, ArrayBlock, K>,
    array: &Array2<u32>,
) -> Result<(LazyChunkSequence<'a, ArrayBlock, K>, Array2<u32>)> {
    operations.iter().try_fold((sequence, array.clone()), |(sequence, array), operation| {
        apply(operation, sequence, &array)
    })
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..5, 0..5)
}

/// Generates the sizes of at least one block.
fn some_sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0_usize..5, 1..5)
}

proptest! {
    #[test]
    fn operations_do_what_they_do_to_the_whole_array(
        sizes in sizes(),
        n_columns in 0_usize..3,
        operations in prop::collection::vec(operation(), 1..4),
        n_threads in 1_usize..4,
    ) {
        let counts = Counts::default();
        let array = array(sizes.iter().sum(), n_columns);
        let sequence = || flat(&array, &sizes, &counts).with_threads(n_threads);
        let (shared, expected) = apply_all(&operations, sequence(), &array).unwrap();
        prop_assert_eq!(shared.spec().shape(), Some(expected.shape().to_vec()));
        prop_assert_eq!(&whole(shared.compute(Concatenate).unwrap()), &expected);
        prop_assert_eq!(whole(shared.clone().streamed().compute(Concatenate).unwrap()), expected.clone());
        let sum = expected.iter().map(|x| f64::from(*x)).sum::<f64>();
        prop_assert_eq!(shared.compute(Sum).unwrap(), sum);
        // Single blocks.
        let rows = shared.grid().rows();
        for (i, range) in rows.ranges().enumerate() {
            prop_assert_eq!(whole(shared.block(i).unwrap()), expected.slice(s![range, ..]));
        }
        let local = sequence().map_local(|block| block).with_row_type(DType::UInt32, [n_columns]);
        let (local, _) = apply_all(&operations, local, &array).unwrap();
        prop_assert_eq!(whole(local.compute(Concatenate).unwrap()), expected);
    }

    #[test]
    fn operations_on_nested_sequences_do_what_they_do_to_the_whole_array(
        (rows, columns) in (sizes(), prop::collection::vec(0_usize..4, 1..4)),
        places in prop::collection::vec(any::<Index>(), 0..4),
        (one, other) in any::<(Index, Index)>(),
        n_threads in 1_usize..4,
    ) {
        let counts = Counts::default();
        let array = array(rows.iter().sum(), columns.iter().sum());
        let (n_rows, n_columns) = array.dim();
        let sequence = || nested(&array, &rows, &columns, &counts).with_threads(n_threads);
        let check = |sequence: NestedLazyChunkSequence<'_, ArrayBlock, Indexed>, expected: Array2<u32>| {
            prop_assert_eq!(sequence.spec().shape(), Some(expected.shape().to_vec()));
            prop_assert_eq!(&whole(sequence.compute(Concatenate).unwrap()), &expected);
            prop_assert_eq!(whole(sequence.streamed().compute(Concatenate).unwrap()), expected);
            Ok(())
        };
        let transposed = sequence().transposed().unwrap();
        if !rows.is_empty() {
            check(transposed, array.t().to_owned())?;
        }
        let part = range(one, other, n_columns);
        if !part.is_empty() {
            check(sequence().slice_columns(part.clone()).unwrap(), array.slice(s![.., part]).to_owned())?;
        }
        let part = range(one, other, n_rows);
        check(sequence().slice(part.clone()).unwrap(), array.slice(s![part, ..]).to_owned())?;
        let picked = some(&places, n_rows);
        check(sequence().select(picked.clone()).unwrap(), array.select(Axis(0), &picked))?;
        check(sequence().chain(sequence()).unwrap(), concatenate![Axis(0), array, array])?;
        let joined = sequence().join_rows();
        prop_assert_eq!(joined.spec().shape(), Some(vec![n_rows, n_columns]));
        prop_assert_eq!(&whole(joined.compute(Concatenate).unwrap()), &array);
        let joined = sequence().streamed().join_rows();
        prop_assert_eq!(&whole(joined.compute(Concatenate).unwrap()), &array);
        let bands = sequence().flatten_bands().collect().unwrap();
        prop_assert_eq!(bands.len(), rows.len());
        if !rows.is_empty() {
            counts.take();
            let new = sequence().rechunk(cut(&places, n_rows), cut(&places, n_columns)).unwrap();
            prop_assert_eq!(&whole(new.compute(Concatenate).unwrap()), &array);
            prop_assert!(counts.take().into_values().all(|n| n == 1));
            check(new, array.clone())?;
        }
    }

    #[test]
    fn each_block_is_computed_once_and_only_if_it_is_needed(
        sizes in prop::collection::vec(1_usize..5, 1..6),
        places in prop::collection::vec(any::<Index>(), 0..5),
        (one, other) in any::<(Index, Index)>(),
        n_threads in 1_usize..4,
    ) {
        let counts = Counts::default();
        let n_rows = sizes.iter().sum();
        let array = array(n_rows, 2);
        let rows = BlockSizes::from(&sizes);
        let sequence = || flat(&array, &sizes, &counts).with_threads(n_threads);
        let once = |blocks: Range<usize>| blocks.map(|i| ((i, 0), 1)).collect::<BTreeMap<_, _>>();

        let part = range(one, other, n_rows);
        sequence().slice(part.clone()).unwrap().compute(Concatenate).unwrap();
        let needed = rows.ranges().enumerate().filter(|(_, range)| {
            !part.is_empty() && range.start < part.end && part.start < range.end
        });
        prop_assert_eq!(counts.take(), needed.map(|(i, _)| ((i, 0), 1)).collect());

        // Rechunking, also behind and before other operations.
        let places = cut(&places, n_rows);
        let new = sequence().rechunk(places.clone()).unwrap();
        for sequence in [
            new.clone(),
            new.clone().streamed_and_back(),
            sequence().chain(sequence()).unwrap().slice(0..n_rows).unwrap().rechunk(places).unwrap(),
            new.clone().map(|block| block),
            new.clone().rechunk([n_rows]).unwrap(),
            new.clone().rechunk(vec![1; n_rows]).unwrap(),
            new.clone().slice(0..n_rows).unwrap(),
        ] {
            sequence.compute(Sum).unwrap();
            prop_assert_eq!(counts.take(), once(0..sizes.len()));
            sequence.collect().unwrap();
            prop_assert_eq!(counts.take(), once(0..sizes.len()));
        }
    }

    #[test]
    fn an_outer_product_computes_blocks_as_often_as_its_documentation_says(
        (left_sizes, right_sizes) in (
            prop::collection::vec(1_usize..4, 1..5),
            prop::collection::vec(1_usize..4, 1..5),
        ),
        n_kept in 0_usize..6,
        n_threads in 1_usize..4,
    ) {
        let counts = [Counts::default(), Counts::default()];
        let arrays = [&left_sizes, &right_sizes].map(|sizes| array(sizes.iter().sum(), 2));
        let [left, right] = [(&arrays[0], &left_sizes, &counts[0]), (&arrays[1], &right_sizes, &counts[1])]
            .map(|(array, sizes, counts)| flat(array, sizes, counts).map(whole));
        let products = left
            .with_threads(n_threads)
            .outer(right, n_kept, |left, right| ArrayBlock::from_array(left.dot(&right.t())));
        let product = whole(products.compute(Concatenate).unwrap());
        prop_assert_eq!(product, arrays[0].dot(&arrays[1].t()));
        let [n_left, n_right] = counts.each_ref().map(|counts| counts.take().values().sum::<usize>());
        let n_kept = n_kept.min(right_sizes.len());
        prop_assert_eq!(n_left, left_sizes.len());
        prop_assert_eq!(n_right, n_kept + (right_sizes.len() - n_kept) * left_sizes.len());
    }

    #[test]
    fn a_write_of_a_combined_sequence_is_resumed(
        sizes in sizes(),
        operations in prop::collection::vec(operation(), 1..4),
        stop in any::<Index>(),
        n_threads in 1_usize..4,
    ) {
        let counts = Counts::default();
        let array = array(sizes.iter().sum(), 2);
        let sequence = flat(&array, &sizes, &counts).with_threads(n_threads);
        let (combined, expected) = apply_all(&operations, sequence, &array).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let sink = || {
            ZarrSink::new(directory.path().join("a.zarr")).with_chunk_shape([2, 2]).with_resume("key")
        };
        let stop = stop.index(combined.grid().n_blocks() + 1);
        let stopping = combined.clone().with_observer(move |progress: &Progress| {
            if progress.blocks >= stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let _ = stopping.to_zarr(sink());
        let stored = combined.to_zarr(sink()).unwrap();
        prop_assert_eq!(whole(stored.read().unwrap()), expected);
    }

    #[test]
    fn blocks_are_rechunked_as_they_arrive(
        sizes in some_sizes(),
        n_columns in 0_usize..3,
        (places, more) in (
            prop::collection::vec(any::<Index>(), 0..5),
            prop::collection::vec(any::<Index>(), 0..5),
        ),
        height in 1_usize..6,
        n_threads in 1_usize..4,
    ) {
        let counts = Counts::default();
        let n_rows = sizes.iter().sum();
        let array = array(n_rows, n_columns);
        let (new, newer) = (cut(&places, n_rows), cut(&more, n_rows));
        let at_most_once = |counts: &Counts| {
            let computed = counts.take();
            let with_rows = |i: &usize| sizes[*i] == 0 || computed.contains_key(&(*i, 0));
            computed.values().all(|n| *n == 1) && (0..sizes.len()).all(|i| with_rows(&i))
        };
        for sequence in streams(&array, &sizes, &counts, n_threads) {
            counts.take();
            let rechunked = sequence.clone().rechunk(&new[..]).unwrap();
            prop_assert_eq!(rechunked.spec().n_bands(), Some(new.len()));
            prop_assert_eq!(heights(&rechunked), new.clone());
            prop_assert!(at_most_once(&counts));
            prop_assert_eq!(&whole(rechunked.compute(Concatenate).unwrap()), &array);
            prop_assert!(at_most_once(&counts));
            let again = rechunked.clone().map(|block| block).rechunk(&newer[..]).unwrap();
            prop_assert_eq!(heights(&again), newer.clone());
            prop_assert!(at_most_once(&counts));
            let twice = rechunked.clone().chain(rechunked).unwrap().rechunk([2 * n_rows]).unwrap();
            let block = whole(twice.collect().unwrap().remove(0));
            prop_assert_eq!(block, concatenate![Axis(0), array, array]);

            let uniform = sequence.clone().rechunk_uniform(height).unwrap();
            let expected = BlockSizes::uniform(n_rows, height);
            let expected: Vec<_> = expected.ranges().map(|range| range.len()).collect();
            prop_assert_eq!(heights(&uniform), if n_rows == 0 { vec![0] } else { expected });
            prop_assert_eq!(&whole(uniform.compute(Concatenate).unwrap()), &array);

            // The number of rows is known beforehand, or found in the evaluation.
            for wrong in [Some(n_rows + 1), n_rows.checked_sub(1)].into_iter().flatten() {
                let evaluated =
                    sequence.clone().rechunk([wrong]).and_then(|wrong| wrong.collect());
                prop_assert_eq!(evaluated.unwrap_err().kind(), ErrorKind::InvalidSpec);
            }
            prop_assert!(sequence.rechunk_uniform(0).is_err());
        }
    }

    #[test]
    fn nested_blocks_are_rechunked_as_they_arrive(
        (rows, columns) in (some_sizes(), prop::collection::vec(0_usize..4, 1..4)),
        places in prop::collection::vec(any::<Index>(), 0..4),
        n_threads in 1_usize..4,
    ) {
        let counts = Counts::default();
        let array = array(rows.iter().sum(), columns.iter().sum());
        let (n_rows, n_columns) = array.dim();
        let (new_rows, new_columns) = (cut(&places, n_rows), cut(&places, n_columns));
        for sequence in nested_streams(&array, &rows, &columns, &counts, n_threads) {
            counts.take();
            let new = sequence.clone().rechunk(&new_rows[..], &new_columns[..]).unwrap();
            let shapes: Vec<Vec<_>> = new
                .collect()
                .unwrap()
                .iter()
                .map(|band| band.iter().map(|block| block.shape().to_vec()).collect())
                .collect();
            let expected: Vec<Vec<_>> = new_rows
                .iter()
                .map(|height| new_columns.iter().map(|width| vec![*height, *width]).collect())
                .collect();
            prop_assert_eq!(shapes, expected);
            prop_assert!(counts.take().values().all(|n| *n == 1));
            prop_assert_eq!(&whole(new.compute(Concatenate).unwrap()), &array);
            prop_assert_eq!(&whole(new.clone().join_rows().compute(Concatenate).unwrap()), &array);
            for wrong in [
                sequence.clone().rechunk([n_rows + 1], &new_columns[..]),
                sequence.clone().rechunk(&new_rows[..], [n_columns + 1]),
            ] {
                let evaluated = wrong.and_then(|wrong| wrong.collect());
                prop_assert_eq!(evaluated.unwrap_err().kind(), ErrorKind::InvalidSpec);
            }
        }
    }

    /// If the streamed sequence has a grid, only the blocks are computed that new blocks need which
    /// cannot be restored.
    #[test]
    fn a_write_of_rechunked_blocks_is_resumed(
        sizes in prop::collection::vec(0_usize..5, 1..5),
        places in prop::collection::vec(any::<Index>(), 0..5),
        columns in prop::collection::vec(1_usize..3, 1..3),
        stop in any::<Index>(),
        n_threads in 1_usize..4,
    ) {
        let counts = Counts::default();
        let array = array(sizes.iter().sum(), columns.iter().sum());
        let (n_rows, n_columns) = array.dim();
        let new: Vec<_> = cut(&places, n_rows).into_iter().filter(|size| *size > 0).collect();
        let stop = stop.index(new.len() + 1);
        let start = new[..stop].iter().sum();
        let ranges = BlockSizes::from(&sizes);
        let needed: Vec<_> = ranges
            .ranges()
            .enumerate()
            .filter(|(_, range)| !range.is_empty() && range.end > start)
            .map(|(i, _)| i)
            .collect();
        let with_rows = |computed: BTreeMap<(usize, usize), usize>| {
            let mut bands: Vec<_> = computed.into_keys().map(|(i, _)| i).collect();
            bands.dedup();
            bands.retain(|i| sizes[*i] > 0);
            bands
        };
        let stopping = |progress: &Progress| {
            if progress.blocks >= stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let directory = tempfile::tempdir().unwrap();
        let sink = |i: usize| {
            ZarrSink::new(directory.path().join(i.to_string()))
                .with_chunk_shape([1, n_columns])
                .with_resume("key")
        };
        let with_grid = streams(&array, &sizes, &counts, n_threads).into_iter();
        for (i, sequence) in with_grid.filter(|stream| stream.spec().grid().is_some()).enumerate() {
            let sequence = sequence.rechunk(&new[..]).unwrap();
            let _ = sequence.clone().with_observer(stopping).to_zarr(sink(i));
            counts.take();
            let stored = sequence.to_zarr(sink(i)).unwrap();
            prop_assert_eq!(&whole(stored.read().unwrap()), &array);
            let computed = counts.take();
            prop_assert!(computed.values().all(|n| *n == 1));
            prop_assert_eq!(with_rows(computed), needed.clone());
        }
        let stop = stop * columns.len();
        let stopping = |progress: &Progress| {
            if progress.blocks >= stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let with_grid = nested_streams(&array, &sizes, &columns, &counts, n_threads).into_iter();
        for (i, sequence) in with_grid.filter(|stream| stream.spec().grid().is_some()).enumerate() {
            let sequence = sequence.rechunk(&new[..], &columns[..]).unwrap();
            let _ = sequence.clone().with_observer(stopping).to_zarr(sink(10 + i));
            counts.take();
            let stored = sequence.to_zarr(sink(10 + i)).unwrap();
            prop_assert_eq!(&whole(stored.read().unwrap()), &array);
            let computed = counts.take();
            prop_assert!(computed.values().all(|n| *n == 1));
            prop_assert_eq!(with_rows(computed), needed.clone());
        }
    }

    #[test]
    fn a_zip_pairs_blocks_of_any_access(
        sizes in sizes(),
        n_threads in 1_usize..4,
    ) {
        let counts = Counts::default();
        let array = array(sizes.iter().sum(), 1);
        let sequence = || flat(&array, &sizes, &counts).with_threads(n_threads);
        let expected: Vec<_> = sequence().collect().unwrap().into_iter().map(|block| (block, 1)).collect();
        let shared = sequence().zip(sequence().map(|_| 1)).unwrap();
        prop_assert_eq!(shared.collect().unwrap(), expected.clone());
        prop_assert_eq!(shared.grid().rows(), &BlockSizes::from(&sizes));
        let streamed = sequence().streamed().zip(sequence().map_local(|_| 1).streamed()).unwrap();
        prop_assert_eq!(streamed.collect().unwrap(), expected.clone());
        let local = sequence().map_local(|block| block).zip(sequence().map_local(|_| 1)).unwrap();
        prop_assert_eq!(local.collect().unwrap(), expected);
    }
}

/// Blocks that one thread computes in order can be skipped, too, whatever they are combined with.
#[test]
fn a_write_of_a_combined_sequence_without_random_access_is_resumed() {
    let counts = Counts::default();
    let array = array(8, 4);
    let local = || nested(&array, &[2, 2, 4], &[1, 3], &counts).map_local(|block| block).streamed();
    let rows = || flat(&array, &[2, 2, 4], &counts).map_local(|block| block).streamed();
    let sequences: [(&str, LazyChunkSequence<'_, ArrayBlock>, Array2<u32>); 4] = [
        ("joined", local().join_rows(), array.clone()),
        ("joined chain", local().chain(local()).unwrap().join_rows(), twice(&array)),
        ("chain", rows().chain(rows()).unwrap(), twice(&array)),
        ("zip", rows().zip(rows()).unwrap().map(|(one, _)| one), array.clone()),
    ];
    for (name, sequence, expected) in sequences {
        let n_blocks = sequence.spec().n_bands().unwrap();
        for stop in 0..=n_blocks {
            let directory = tempfile::tempdir().unwrap();
            let sink = || {
                ZarrSink::new(directory.path().join("a.zarr"))
                    .with_chunk_shape([2, 4])
                    .with_resume("key")
            };
            let stopping = sequence.clone().with_observer(move |progress: &Progress| {
                if progress.blocks >= stop {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            let _ = stopping.to_zarr(sink());
            counts.take();
            let stored = sequence.to_zarr(sink()).unwrap();
            assert_eq!(whole(stored.read().unwrap()), expected, "{name}");
            assert_eq!(counts.take().is_empty(), stop == n_blocks, "{name} after {stop} blocks");
        }
    }
}

/// Returns a sequence of blocks of these heights, and the number of blocks in memory.
fn tracked(
    heights: &'static [usize],
) -> (LazyChunkSequence<'static, ArrayBlock>, Arc<AtomicUsize>) {
    struct Tracked(Vec<u8>, Arc<AtomicUsize>);
    impl AsRef<[u8]> for Tracked {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    impl Drop for Tracked {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let n_live = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&n_live);
    let sequence = LazyChunkSequence::new(move || {
        let count = Arc::clone(&count);
        heights.iter().map(move |height| {
            count.fetch_add(1, Ordering::Relaxed);
            let elements = Tracked(vec![1; *height], Arc::clone(&count));
            ArrayBlock::new(DType::UInt8, [*height], Bytes::from_owner(elements)).unwrap()
        })
    });
    (sequence, n_live)
}

/// Blocks that arrived are held only until the last new block that needs them.
#[test]
fn rechunking_a_stream_holds_what_the_next_block_needs() {
    for (heights, new, most) in [
        (&[1; 100][..], 10, 10),
        (&[10; 10], 1, 1),
        (&[7; 30], 10, 3),
        (&[10; 30], 7, 2),
        (&[1; 100], 100, 100),
    ] {
        let (sequence, n_live) = tracked(heights);
        let rows = BlockSizes::uniform(heights.iter().sum(), new);
        for rechunked in [
            sequence.clone().rechunk(rows).unwrap(),
            sequence.clone().rechunk_uniform(new).unwrap(),
        ] {
            let mut blocks = rechunked.blocks();
            for block in blocks.by_ref() {
                drop(block.unwrap());
                let n_live = n_live.load(Ordering::Relaxed);
                assert!(n_live <= most, "{n_live} of {heights:?} for {new}");
            }
            drop(blocks);
            assert_eq!(n_live.load(Ordering::Relaxed), 0);
        }
    }
}

#[test]
fn a_stream_that_does_not_fit_the_new_blocks_is_an_error() {
    let error = |result: Result<Vec<ArrayBlock>>| {
        let error = result.unwrap_err();
        (error.kind(), report(&error))
    };
    let cut = |rows: &[usize]| error(tracked(&[2, 2]).0.rechunk(rows).unwrap().collect());
    let (kind, message) = cut(&[3]);
    assert_eq!(kind, ErrorKind::InvalidSpec);
    assert!(
        message
            .ends_with("the sizes add up to 3, but the array has at least 4 elements along axis 0"),
        "{message}"
    );
    let (kind, message) = cut(&[3, 2]);
    assert_eq!(kind, ErrorKind::InvalidSpec);
    assert!(
        message.ends_with("the sizes add up to 5, but the array has 4 elements along axis 0"),
        "{message}"
    );
    for n_blocks in [1, 3] {
        let sequence = tracked(&[2, 2]).0.with_len(n_blocks).rechunk([4]).unwrap();
        assert_eq!(error(sequence.collect()).0, ErrorKind::BlockCount);
    }
    // The failure of the producer comes where its block is needed.
    let failing = LazyChunkSequence::try_new(|| {
        [Ok(lazy_tests::zeros(&[2])), Ok(lazy_tests::zeros(&[2])), Err("no more")]
    });
    let mut blocks = failing.rechunk([3, 3]).unwrap();
    let error = blocks.collect().unwrap_err();
    assert_eq!((error.kind(), error.block()), (ErrorKind::Producer, Some(BlockIndex::Block(1))));
    blocks = LazyChunkSequence::new(Vec::<ArrayBlock>::new).rechunk([0]).unwrap();
    assert_eq!(blocks.collect().unwrap_err().kind(), ErrorKind::Empty);
    let uneven =
        NestedLazyChunkSequence::new(|| [[[2, 1], [3, 1]].map(|shape| lazy_tests::zeros(&shape))]);
    let error = uneven.rechunk([2], [2]).unwrap().collect().unwrap_err();
    assert!(report(&error).ends_with("blocks of one band have 2 and 3 rows"), "{error}");
}

fn twice(array: &Array2<u32>) -> Array2<u32> {
    concatenate![Axis(0), *array, *array]
}

trait StreamedAndBack {
    fn streamed_and_back(self) -> Self;
}

impl StreamedAndBack for LazyChunkSequence<'_, ArrayBlock, Indexed> {
    /// Chains the sequence with a part without rows.
    fn streamed_and_back(self) -> Self {
        let none = self.clone().slice(0..0).unwrap();
        self.chain(none).unwrap()
    }
}

#[test]
fn sequences_that_do_not_fit_are_errors_before_a_block_is_computed() {
    let counts = Counts::default();
    let array = array(10, 2);
    let sequence = |sizes: &[usize]| flat(&array, sizes, &counts);
    let one = || sequence(&[4, 6]);
    let nested_one = || nested(&array, &[4, 6], &[1, 1], &counts);
    let wide = || one().map(|block| block).with_row_type(DType::UInt32, [3]);
    let streamed = |n: usize| LazyChunkSequence::new(move || 0..n).with_len(n);
    for (error, expected) in [
        (
            one().zip(sequence(&[5, 5])).err(),
            "cannot zip sequences: block 0 along axis 0 has 4 rows in the left one, but 5 rows in the \
             right one",
        ),
        (
            one().zip(sequence(&[4, 3, 3])).err(),
            "cannot zip sequences: the left one has 2 blocks along axis 0, but the right one has 3",
        ),
        (
            nested_one().zip(nested(&array, &[4, 6], &[2], &counts)).err(),
            "cannot zip sequences: they are cut along axis 1 into blocks of different sizes",
        ),
        (
            one().chain(wide()).err(),
            "cannot chain sequences: the rows of sequence 1 are uint32 of shape [3], but those of an \
             earlier one are uint32 of shape [2]",
        ),
        (
            nested_one().chain(nested(&array, &[4, 6], &[2], &counts)).err(),
            "cannot chain sequences: sequence 1 is cut along axis 1 into blocks of other sizes than \
             the first one",
        ),
        (
            one().slice(3..11).err(),
            "cannot slice the rows: 3..11 is not within an array of 10 rows",
        ),
        (
            nested_one().slice_columns(1..3).err(),
            "cannot slice the columns: 1..3 is not within an array of 2 columns",
        ),
        (one().select([10]).err(), "cannot select rows: there is no row 10 in an array of 10 rows"),
        (
            one().take_blocks([0, 2]).err(),
            "cannot take blocks: there is no block 2 in a sequence of 2 blocks",
        ),
        (
            one().rechunk([5, 6]).err(),
            "cannot cut the array into other blocks: the sizes add up to 11, but the array has 10 \
             elements along axis 0",
        ),
        (
            nested_one().rechunk([10], [1]).err(),
            "cannot cut the array into other blocks: the sizes add up to 1, but the array has 2 \
             elements along axis 1",
        ),
        (
            one().map_rows([1], |block| block).err(),
            "cannot declare the rows of mapped blocks: there are 1 sizes, but the sequence has 2 \
             blocks along axis 0",
        ),
    ] {
        let error = error.unwrap();
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.kind(), ErrorKind::InvalidSpec);
    }
    assert!(counts.take().is_empty());

    let error = streamed(2).zip(LazyChunkSequence::new(|| 0..3)).unwrap().collect().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Producer);
    assert!(format!("{error:?}").contains("differ in their blocks"), "{error:?}");
}

#[test]
fn blocks_that_do_not_fit_are_errors_that_name_the_block() {
    let ragged = || {
        NestedLazyChunkSequence::from_fn([2, 2], [1, 1], |i, j| {
            ArrayBlock::from_array(Array2::<u8>::zeros((if (i, j) == (1, 1) { 3 } else { 2 }, 1)))
        })
    };
    let error = ragged().join_rows().collect().unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        "block 1 could not be assembled: part 1 has shape [3, 1], but part 0 has [2, 1]; they may \
         differ only along axis 1"
    );
    assert_eq!(error.kind(), ErrorKind::Shape);

    let short =
        LazyChunkSequence::from_fn([2, 2], |_| ArrayBlock::from_array(Array2::<u8>::zeros((1, 1))));
    let error = short.slice(1..4).unwrap().compute(Sum).unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        "block 0 could not be assembled: cannot cut a block: the block has shape [1, 1], but its part \
         is 1..2 of axis 0"
    );
}

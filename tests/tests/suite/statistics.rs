//! States of statistics can be computed anywhere, saved, and merged in the order of their blocks.
//! The number of threads does not change a result.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{MemoryStore, StoredArray};
use lazy_chunks::{
    ArgMax, ArrayBlock, BlockIndex, BlockPosition, Covariance, DType, ErrorKind, Histogram,
    Indexed, LazyChunkSequence, Max, MeanVariance, NestedLazyChunkSequence, Quantiles, Reducer,
    SaveState, SavedState, StateOf, Statistic, Sum, Summary, TopK, report,
};
use lazy_tests::{
    Case, Visitor, case, every_sketch, every_statistic, every_statistic_of_rows, files,
};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Returns a result as text that shows every bit.
fn text(result: impl Debug) -> String {
    format!("{result:?}")
}

/// A sequence of either type.
enum Sequence<'a> {
    Flat(LazyChunkSequence<'a, ArrayBlock, Indexed>),
    Nested(NestedLazyChunkSequence<'a, ArrayBlock, Indexed>),
}

impl<'a> Sequence<'a> {
    fn of(case: &'a Case, computed: &'a AtomicUsize) -> Sequence<'a> {
        match case.columns {
            None => Sequence::Flat(case.sequences(computed).indexed.remove(1)),
            Some(_) => Sequence::Nested(case.nested_sequences(computed).indexed.remove(1)),
        }
    }

    fn with_threads(&self, n_threads: usize, window: Option<usize>) -> Sequence<'a> {
        macro_rules! with {
            ($Type:ident, $sequence:expr) => {{
                let sequence = $sequence.clone().with_threads(n_threads);
                Sequence::$Type(match window {
                    Some(window) => sequence.with_max_in_flight(window),
                    None => sequence,
                })
            }};
        }
        match self {
            Sequence::Flat(sequence) => with!(Flat, sequence),
            Sequence::Nested(sequence) => with!(Nested, sequence),
        }
    }

    fn compute<R: Reducer>(&self, reducer: R) -> lazy_chunks::Result<R::Output> {
        match self {
            Sequence::Flat(sequence) => sequence.compute(reducer),
            Sequence::Nested(sequence) => sequence.compute(reducer),
        }
    }
}

fn check_all(
    case: &Case,
    visitor: &mut impl Visitor<Error = TestCaseError>,
) -> Result<(), TestCaseError> {
    every_statistic(visitor, 2)?;
    if case.columns.is_none() { every_statistic_of_rows(visitor) } else { Ok(()) }
}

/// Checks that any number of threads and any window give the same bits, or the same error.
struct SameOnThreads<'s, 'a> {
    sequence: &'s Sequence<'a>,
    threads: &'s [(usize, Option<usize>)],
}

impl Visitor for SameOnThreads<'_, '_> {
    type Error = TestCaseError;

    fn visit<S>(&mut self, statistic: S, _: bool) -> Result<(), TestCaseError>
    where
        S: SaveState,
        S::Output: Debug,
    {
        let result = |sequence: &Sequence<'_>| {
            text(sequence.compute(&statistic).map_err(|error| report(&error)))
        };
        let expected = result(self.sequence);
        for (n_threads, window) in self.threads {
            let threaded = self.sequence.with_threads(*n_threads, *window);
            prop_assert_eq!(result(&threaded), &expected[..], "{}", statistic.name());
        }
        Ok(())
    }
}

/// Returns true if results are equal up to rounding. If arbitrary floats overflow or cancel to the
/// last bit, the order of additions matters.
fn are_close(a: &str, b: &str) -> bool {
    let is_of_number = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
    let words = |text: &str| -> Vec<String> {
        text.split(|letter| !is_of_number(letter)).map(str::to_owned).collect()
    };
    let (a, b) = (words(a), words(b));
    let numbers = |words: &[String]| -> Vec<f64> {
        words.iter().filter_map(|word| word.parse().ok()).collect()
    };
    let largest = numbers(&a).iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    let is_close = |(a, b): (&String, &String)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) if largest < 1e150 => {
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * largest
        }
        (Ok(_), Ok(_)) => true,
        _ => a == b,
    };
    a.len() == b.len() && a.iter().zip(&b).all(is_close)
}

/// Returns a state as another process loads it.
fn loaded<T: Serialize + DeserializeOwned>(state: &SavedState<T>) -> SavedState<T> {
    let mut saved = Vec::new();
    ciborium::into_writer(state, &mut saved).unwrap();
    ciborium::from_reader(&saved[..]).unwrap()
}

/// Checks that parts beginning at any block can be saved, loaded and merged to the result of one
/// process, and that the state of several parts can take their place.
struct SameInParts<'s, 'a> {
    case: &'s Case,
    sequence: &'s Sequence<'a>,
    starts: &'s [usize],
}

impl SameInParts<'_, '_> {
    fn state_of_part<S: Statistic>(
        &self,
        statistic: &S,
        blocks: std::ops::Range<usize>,
    ) -> lazy_chunks::Result<S::State> {
        let mut state = statistic.empty();
        for index in blocks {
            let (i, j) = (index / self.case.blocks_per_band(), index % self.case.blocks_per_band());
            let block = self.case.block(i, j);
            let row_shape = (self.case.columns.is_none()).then(|| block.shape()[1..].to_vec());
            statistic.check(Some(block.dtype()), row_shape.as_deref())?;
            let row = self.case.rows[..i].iter().sum();
            let column = self.case.columns.iter().flat_map(|columns| &columns[..j]).sum();
            let index = BlockIndex::NestedBlock(i, j);
            statistic.update(&mut state, BlockPosition { index, row, column }, &block)?;
        }
        Ok(state)
    }

    /// Returns the result of the parts, whose first `n_merged` states are merged and saved first.
    fn in_parts<S: SaveState>(
        &self,
        statistic: &S,
        n_merged: usize,
    ) -> lazy_chunks::Result<S::Output> {
        let n_blocks = self.case.rows.len() * self.case.blocks_per_band();
        let ends = self.starts.iter().skip(1).map(|start| *start.min(&n_blocks)).chain([n_blocks]);
        let mut states = Vec::new();
        for (start, end) in self.starts.iter().zip(ends) {
            let part = self.state_of_part(statistic, *start.min(&end)..end)?;
            states.push(loaded(&statistic.save(part)));
        }
        if n_merged > 0 {
            let merged = statistic.merge_saved(states.drain(..n_merged))?;
            states.insert(0, loaded(&merged));
        }
        statistic.finish_saved(states)
    }
}

impl Visitor for SameInParts<'_, '_> {
    type Error = TestCaseError;

    fn visit<S>(&mut self, statistic: S, is_exact: bool) -> Result<(), TestCaseError>
    where
        S: SaveState,
        S::Output: Debug,
    {
        if self.case.shape()[0] == 0 {
            // An empty array depends on its declaration, both for errors and for the shape of a
            // result.
            return Ok(());
        }
        let whole = self.sequence.compute(&statistic);
        let parts = self.in_parts(&statistic, 0);
        for n_merged in 1..=self.starts.len() {
            let merged = self.in_parts(&statistic, n_merged);
            prop_assert_eq!(text(merged), text(&parts), "{}", statistic.name());
        }
        prop_assert_eq!(whole.is_ok(), parts.is_ok(), "{} {:?}", statistic.name(), parts.err());
        let (Ok(whole), Ok(parts)) = (whole, parts) else { return Ok(()) };
        let (whole, parts) = (text(whole), text(parts));
        if is_exact {
            prop_assert_eq!(whole, parts, "{}", statistic.name());
        } else {
            prop_assert!(are_close(&whole, &parts), "{}: {whole} {parts}", statistic.name());
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn statistics_do_not_depend_on_the_threads(
        case in case(),
        window in prop::option::of(0..9_usize),
    ) {
        let computed = AtomicUsize::new(0);
        let sequence = Sequence::of(&case, &computed);
        let threads = [(2, None), (2, window), (16, window), (0, None)];
        let mut visitor = SameOnThreads { sequence: &sequence, threads: &threads };
        check_all(&case, &mut visitor)?;
        every_sketch(&mut visitor)?;
    }

    #[test]
    fn stored_bytes_do_not_depend_on_producer_threads(
        case in case(),
        window in prop::option::of(0..9_usize),
    ) {
        let computed = AtomicUsize::new(0);
        let sequence = Sequence::of(&case, &computed);
        let stored = |sequence: &Sequence<'_>| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("array.zarr");
            sequence.compute(case.sink(&path)).unwrap();
            files(&path)
        };
        let expected = stored(&sequence);
        for n_threads in [2, 3, 16] {
            prop_assert_eq!(&stored(&sequence.with_threads(n_threads, window)), &expected);
        }
    }

    #[test]
    fn parts_merge_to_the_whole(
        case in case(),
        starts in prop::collection::vec(0..70_usize, 0..4),
    ) {
        let computed = AtomicUsize::new(0);
        let sequence = Sequence::of(&case, &computed);
        let mut starts = [&[0], &starts[..]].concat();
        starts.sort_unstable();
        let mut visitor = SameInParts { case: &case, sequence: &sequence, starts: &starts };
        check_all(&case, &mut visitor)?;
    }
}

/// With threads and a store in one pass, each block is computed once.
#[test]
fn a_pass_on_threads_computes_each_block_once() {
    let computed = AtomicUsize::new(0);
    let case = Case {
        dtype: DType::Float32,
        seed: 5,
        rows: vec![3; 40],
        columns: Some(vec![4, 5]),
        trailing: vec![],
        chunks: lazy_tests::Chunks::Automatic(500),
        shards: None,
        codec: lazy_chunks::zarr::Codec::None,
        checksum: lazy_chunks::zarr::Checksum::None,
        n_threads: 2,
    };
    let sequence = case.nested_sequences(&computed).indexed.remove(0).with_threads(3);
    let store = Arc::new(MemoryStore::new());
    let statistics = (MeanVariance, TopK::new(2).per_row(), ArgMax.per_column());
    sequence.compute((statistics, case.sink(Arc::clone(&store)))).unwrap();
    assert_eq!(computed.load(Ordering::Relaxed), 80);
    assert_eq!(StoredArray::open(store).unwrap().read().unwrap(), case.array());
}

/// Returns a block of 3 × 5 of an array of 12 × 10 small integers, some of them equal.
fn block(seed: u32, i: usize, j: usize) -> ArrayBlock {
    let element = |row: usize, column: usize| {
        let mixed = (seed ^ (row * 31 + column * 17) as u32).wrapping_mul(2_654_435_761);
        (mixed >> 24) as i32 % 50
    };
    let elements = (0..15).map(|k| element(3 * i + k / 5, 5 * j + k % 5)).collect();
    ArrayBlock::from_vec([3, 5], elements).unwrap()
}

#[test]
fn merging_states_out_of_order_is_an_error() {
    let statistic = ArgMax.per_row();
    let state = |i: usize| {
        let mut state = statistic.empty();
        let at = BlockPosition { index: BlockIndex::Block(i), row: 3 * i, column: 0 };
        statistic.update(&mut state, at, &block(0, i, 0)).unwrap();
        state
    };
    let mut merged = state(1);
    assert_eq!(
        report(&statistic.merge(&mut merged, state(0)).unwrap_err()),
        "the arg-max of each row: rows 3..6 cannot be followed by rows from 0; states must be merged \
         in the order of their blocks"
    );
    assert!(statistic.merge(&mut merged, state(3)).is_err(), "rows 6..9 are missing");
    assert!(statistic.merge(&mut merged, state(2)).is_ok());
}

#[test]
fn loading_a_state_of_another_statistic_is_an_error() {
    let part = |k: usize| {
        LazyChunkSequence::from_fn([3; 4], |i| block(1, i, 0)).compute(StateOf::new(TopK::new(k)))
    };
    let error = TopK::new(3).finish_saved([part(3).unwrap(), part(2).unwrap()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SavedState);
    assert_eq!(error.to_string(), "cannot load a state of `the 2 largest` into `the 3 largest`");

    let text = serde_json::to_string(&part(3).unwrap()).unwrap();
    let older = text.replacen("\"version\":3", "\"version\":1", 1);
    assert_ne!(text, older);
    let older: SavedState<_> = serde_json::from_str(&older).unwrap();
    let error = TopK::new(3).finish_saved([older]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot load a state of format version 1; this library reads format version 3"
    );
}

/// Checks that a saved state with any changed list is either rejected or merged, without a panic.
fn check_damaged<S: SaveState>(statistic: &S) {
    let part = || {
        let sequence = NestedLazyChunkSequence::from_fn([3; 2], [5; 2], |i, j| block(3, i, j));
        serde_json::to_value(sequence.compute(StateOf::new(statistic)).unwrap()).unwrap()
    };
    let whole = part();
    let load =
        |value: &serde_json::Value| serde_json::from_value::<SavedState<S::State>>(value.clone());
    let mut n_refused = 0;
    for pointer in arrays_in(&whole) {
        for end in ["shorter", "longer", "empty"] {
            let mut damaged = whole.clone();
            let entries = damaged.pointer_mut(&pointer).unwrap().as_array_mut().unwrap();
            match end {
                "shorter" => drop(entries.pop()),
                "longer" => entries.extend(entries.last().cloned()),
                _ => entries.clear(),
            }
            if damaged == whole || load(&damaged).is_err() {
                continue;
            }
            // On its own, after a valid state, and before one.
            for values in [&[&damaged][..], &[&whole, &damaged], &[&damaged, &whole]] {
                let states = values.iter().map(|value| load(value).unwrap());
                let ended = statistic.finish_saved(states);
                n_refused += usize::from(
                    ended.is_err_and(|error| error.to_string().contains(" is corrupt")),
                );
            }
        }
    }
    assert!(n_refused > 0, "no damage to {} was noticed", statistic.name());
}

/// Returns JSON pointers to the lists in a value.
fn arrays_in(value: &serde_json::Value) -> Vec<String> {
    let inside = |entries: Vec<(String, &serde_json::Value)>| {
        let below = |(key, entry): (String, _)| {
            arrays_in(entry).into_iter().map(move |pointer| format!("/{key}{pointer}"))
        };
        entries.into_iter().flat_map(below).collect::<Vec<_>>()
    };
    match value {
        serde_json::Value::Array(entries) => {
            let entries = entries.iter().enumerate().map(|(i, entry)| (i.to_string(), entry));
            [vec![String::new()], inside(entries.collect())].concat()
        }
        serde_json::Value::Object(fields) => {
            inside(fields.iter().map(|(key, entry)| (key.clone(), entry)).collect())
        }
        _ => Vec::new(),
    }
}

#[test]
fn loading_a_damaged_state_is_an_error() {
    check_damaged(&TopK::new(3));
    check_damaged(&TopK::new(3).per_row());
    check_damaged(&TopK::new(3).ignoring_nan().per_column());
    check_damaged(&Histogram::new([-10.0, 0.0, 10.0]));
    check_damaged(&Histogram::new([-10.0, 0.0, 10.0]).per_row());
    check_damaged(&MeanVariance.per_column());

    let sketch = Quantiles::new([0.5]).with_exact_len(0).with_rank_error(0.5);
    check_damaged(&sketch);
    check_damaged(&sketch.clone().per_row());
    check_damaged(&sketch.clone().ignoring_nan().per_column());
    check_damaged(&Quantiles::new([0.5]));

    // A state whose error is larger than that of the statistic.
    let part = LazyChunkSequence::from_fn([3; 2], |i| block(1, i, 0));
    let state = part.compute(StateOf::new(sketch)).unwrap();
    let text = serde_json::to_string(&state).unwrap().replace("within 0.5", "within 0.01");
    let smaller_error = Quantiles::new([0.5]).with_exact_len(0).with_rank_error(0.01);
    let error = smaller_error.finish_saved([serde_json::from_str(&text).unwrap()]);
    assert_eq!(
        report(&error.unwrap_err()),
        "the state of `the quantiles [0.5] within 0.01 in rank, exact for 0 elements` is corrupt: \
         its parts are inconsistent"
    );
}

#[test]
fn errors_of_rows_and_columns_name_the_axis() {
    let sequence = LazyChunkSequence::from_fn([3; 2], |i| block(1, i, 0));
    for (error, whose) in [
        (sequence.compute(TopK::new(9).per_row()).unwrap_err(), "of each row"),
        (sequence.compute(TopK::new(9).per_column()).unwrap_err(), "of each column"),
        (sequence.compute(TopK::new(0).per_row()).unwrap_err(), "of each row"),
    ] {
        assert!(report(&error).contains(&format!("largest {whose}: ")), "{error}");
    }
}

#[test]
fn merging_states_of_different_shapes_is_an_error() {
    let of_shape = |shape: &[usize]| {
        let block = ArrayBlock::from_vec(shape, vec![1.0; shape.iter().product()]).unwrap();
        let sequence = LazyChunkSequence::new(move || [block.clone()]);
        sequence.compute(StateOf::new(Sum.per_column())).unwrap()
    };
    for (a, b) in [([2, 2, 3].as_slice(), [2, 2, 4].as_slice()), (&[2], &[2, 3])] {
        let error = Sum.per_column().finish_saved([of_shape(a), of_shape(b)]).unwrap_err();
        assert!(report(&error).contains("cannot merge rows of shape"), "{error}");
        let error = Sum.per_column().merge_saved([of_shape(a), of_shape(b)]).unwrap_err();
        assert!(report(&error).contains("cannot merge rows of shape"), "{error}");
    }
    assert!(Histogram::new([]).finish_saved([]).is_err());
    assert!(TopK::new(0).finish_saved([]).is_err());
    assert!(TopK::new(0).merge_saved([]).is_err());
}

#[test]
fn maxima_of_different_dtypes_are_compared_by_value() {
    let integer = LazyChunkSequence::new(|| [ArrayBlock::from_vec([1], vec![100_i64]).unwrap()]);
    let float = LazyChunkSequence::new(|| [ArrayBlock::from_vec([1], vec![1.0]).unwrap()]);
    let states =
        [integer.compute(StateOf::new(Max)).unwrap(), float.compute(StateOf::new(Max)).unwrap()];
    assert_eq!(Max.finish_saved(states).unwrap(), 100.0);
}

#[test]
fn odd_cases_agree_with_numpy() {
    let block = |elements: Vec<f64>| ArrayBlock::from_vec([1, elements.len()], elements).unwrap();
    let sequence = LazyChunkSequence::new(move || [block(vec![f64::NAN, 5.0])]);
    let twice = sequence.compute(ArgMax.ignoring_nan().ignoring_nan().per_row()).unwrap();
    assert_eq!(twice.indices.to_vec(), [1]);

    // Means at both ends of the range of floats.
    let ends = LazyChunkSequence::new(move || [block(vec![1e308]), block(vec![-1e308])]);
    let moments = ends.compute(MeanVariance).unwrap();
    assert_eq!((moments.mean, moments.variance(0)), (0.0, f64::INFINITY));
    assert_eq!(ends.compute(Covariance).unwrap().mean.to_vec(), [0.0]);

    let nothing =
        LazyChunkSequence::new(|| [] as [ArrayBlock; 0]).with_row_type(DType::Float32, [3]);
    assert_eq!(nothing.compute(Covariance).unwrap().gram(), ndarray::Array2::<f64>::zeros((3, 3)));
}

#[test]
fn a_vector_of_reducers_is_a_reducer() {
    let sequence = LazyChunkSequence::from_fn([3; 4], |i| block(1, i, 0));
    let top = sequence.compute((1..4).map(|k| TopK::new(k).per_row()).collect::<Vec<_>>()).unwrap();
    assert_eq!(top.len(), 3);
    for (k, top) in (1..4).zip(&top) {
        assert_eq!(top.indices.dim(), (12, k));
        assert_eq!(top.indices.column(0), sequence.compute(ArgMax.per_row()).unwrap().indices);
    }
}

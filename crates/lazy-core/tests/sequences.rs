//! Conversions of sequences to other types, functions that stay on their thread, and producers
//! that evaluate other sequences.

use std::cell::{Cell, RefCell};
use std::error::Error as StdError;
use std::rc::Rc;

use lazy_core::{
    Access, ArrayBlock, Blocks, BoxError, Concatenate, Converter, Count, DType, Error, Indexed,
    LazyChunkSequence, LocalIndexed, MeanVariance, NdarrayConverter, NestedLazyChunkSequence,
    Progress, Result, SequenceAggregator, SequenceSpec, Streamed, Sum, report,
};
use ndarray::{Array1, Array2, Ix2, array};
use num_complex::Complex64;

const ROWS: [usize; 4] = [2, 0, 1, 3];
const COLUMNS: [usize; 2] = [1, 2];

fn rows(i: usize) -> ArrayBlock {
    let block =
        Array2::from_shape_fn((ROWS[i], 3), |(row, column)| (10 * i + 3 * row + column) as f64);
    ArrayBlock::from_array(block)
}

fn nested_block(i: usize, j: usize) -> ArrayBlock {
    let size = (ROWS[i], COLUMNS[j]);
    ArrayBlock::from_array(Array2::from_shape_fn(size, |(row, column)| {
        (100 * i + 10 * j + 3 * row + column) as f32
    }))
}

/// Returns the declaration, the blocks and the results of a sequence.
fn everything<K: Access>(
    sequence: &LazyChunkSequence<'_, ArrayBlock, K>,
) -> (SequenceSpec, Vec<ArrayBlock>, Vec<ArrayBlock>, String) {
    let reduced = sequence.compute((Concatenate, MeanVariance)).map_err(|error| report(&error));
    (
        sequence.spec().clone(),
        sequence.collect().unwrap(),
        sequence.blocks().collect::<Result<_>>().unwrap(),
        format!("{reduced:?}"),
    )
}

fn everything_nested<K: Access>(
    sequence: &NestedLazyChunkSequence<'_, ArrayBlock, K>,
) -> (SequenceSpec, Vec<Vec<ArrayBlock>>, String) {
    let reduced = sequence.compute((Concatenate, MeanVariance)).map_err(|error| report(&error));
    (sequence.spec().clone(), sequence.collect().unwrap(), format!("{reduced:?}"))
}

#[test]
fn a_sequence_of_another_type_has_the_same_blocks() {
    /// Compares with the sequence of every other type.
    fn check<'a, K: Access>(sequence: LazyChunkSequence<'a, ArrayBlock, K>) {
        for sequence in [
            sequence.clone(),
            sequence.clone().with_row_type(DType::Float64, [3]),
            // The blocks do not fit it.
            sequence.clone().with_row_type(DType::Float64, [4]),
            sequence.with_memory_limit(1),
        ] {
            let expected = everything(&sequence);
            assert_eq!(everything(&sequence.clone().shorten()), expected);
            assert_eq!(everything(&sequence.clone().streamed()), expected);
            assert_eq!(everything(&sequence.clone().streamed().streamed().shorten()), expected);
        }
    }
    check(LazyChunkSequence::new(|| (0..4).map(rows)));
    check(LazyChunkSequence::new(|| (0..4).map(rows)).with_len(4));
    check(LazyChunkSequence::from_fn(ROWS, rows));
    check(LazyChunkSequence::from_fn(ROWS, rows).with_threads(3));
    check(LazyChunkSequence::from_local_fn(ROWS, rows));
}

#[test]
fn a_nested_sequence_of_another_type_has_the_same_blocks() {
    fn check<'a, K: Access>(sequence: NestedLazyChunkSequence<'a, ArrayBlock, K>) {
        for sequence in [
            sequence.clone(),
            sequence.clone().with_row_type(DType::Float32, [3]),
            sequence.clone().with_row_type(DType::Float32, [4]),
            sequence.with_memory_limit(1),
        ] {
            let expected = everything_nested(&sequence);
            assert_eq!(everything_nested(&sequence.clone().shorten()), expected);
            assert_eq!(everything_nested(&sequence.clone().streamed()), expected);
            let twice = sequence.clone().streamed().shorten().streamed();
            assert_eq!(everything_nested(&twice), expected);
        }
    }
    let bands = || (0..4).map(|i| (0..2).map(move |j| nested_block(i, j)));
    check(NestedLazyChunkSequence::new(bands));
    check(NestedLazyChunkSequence::new(bands).with_len(4));
    let indexed = || NestedLazyChunkSequence::from_fn(ROWS, COLUMNS, nested_block);
    check(indexed());
    check(indexed().with_threads(3));
    check(NestedLazyChunkSequence::from_local_fn(ROWS, COLUMNS, nested_block));
}

#[test]
fn sequences_of_every_kind_fit_one_vector() {
    let offset = Rc::new(Cell::new(1));
    let sequences: Vec<LazyChunkSequence<'_, i32>> = vec![
        LazyChunkSequence::new(|| [0, 1, 2]),
        LazyChunkSequence::from_fn([1; 3], |i| i as i32).streamed(),
        LazyChunkSequence::from_fn([1; 3], |i| i as i32).with_threads(2).streamed(),
        LazyChunkSequence::from_local_fn([1; 3], |i| i as i32 + offset.get() - 1).streamed(),
        LazyChunkSequence::from_fn([1; 3], |i| i as i32 - 1)
            .with_threads(2)
            .map_local(|i| i + offset.get())
            .streamed(),
    ];
    for (n, sequence) in sequences.iter().enumerate() {
        assert_eq!(sequence.collect().unwrap(), [0, 1, 2]);
        assert_eq!(sequence.spec().n_rows(), (n > 0).then_some(3));
        assert_eq!(sequence.clone().map(|i| 2 * i).collect().unwrap(), [0, 2, 4]);
    }
}

#[test]
fn a_failure_behind_another_type_names_the_block() {
    let failing =
        LazyChunkSequence::try_from_fn([1; 9], |i| if i == 5 { Err("no") } else { Ok(i) });
    let expected = report(&failing.collect().unwrap_err());
    assert_eq!(expected, "the producer failed at block 5: no");
    for n_threads in 1..4 {
        let failing = failing.clone().with_threads(n_threads);
        assert_eq!(report(&failing.clone().streamed().collect().unwrap_err()), expected);
        assert_eq!(report(&failing.clone().shorten().collect().unwrap_err()), expected);
        let local = failing.map_local(|i| i);
        assert_eq!(report(&local.collect().unwrap_err()), expected);
        assert_eq!(report(&local.block(5).unwrap_err()), expected);
    }
}

#[test]
fn a_shortened_sequence_borrows_for_less() {
    fn both<'b, T, K: Access>(
        long: &LazyChunkSequence<'static, T, K>,
        short: LazyChunkSequence<'b, T, K>,
    ) -> Vec<LazyChunkSequence<'b, T, K>> {
        vec![long.clone().shorten(), short]
    }

    fn both_nested<'b, T, K: Access>(
        long: &NestedLazyChunkSequence<'static, T, K>,
        short: NestedLazyChunkSequence<'b, T, K>,
    ) -> Vec<NestedLazyChunkSequence<'b, T, K>> {
        vec![long.clone().shorten(), short]
    }

    let long = LazyChunkSequence::<usize, Indexed>::from_fn([1, 1], |i| i);
    let long_local = LazyChunkSequence::<usize, LocalIndexed>::from_local_fn([1, 1], |i| i);
    let long_streamed = LazyChunkSequence::<usize, Streamed>::new(|| [0, 1]);
    let long_nested = NestedLazyChunkSequence::<usize, Indexed>::from_fn([1], [1, 1], |_, j| j);
    let numbers = [0, 1];
    let get = |i: usize| numbers[i];
    for sequence in both(&long, LazyChunkSequence::from_fn([1, 1], get)) {
        // It is still indexed.
        assert_eq!(sequence.block(1).unwrap(), 1);
        assert_eq!(sequence.with_threads(2).collect().unwrap(), [0, 1]);
    }
    for sequence in both(&long_local, LazyChunkSequence::from_local_fn([1, 1], get)) {
        assert_eq!((sequence.block(1).unwrap(), sequence.collect().unwrap()), (1, vec![0, 1]));
    }
    for sequence in both(&long_streamed, LazyChunkSequence::new(|| numbers.iter().copied())) {
        assert_eq!(sequence.collect().unwrap(), [0, 1]);
    }
    let nested = NestedLazyChunkSequence::from_fn([1], [1, 1], |_, j| numbers[j]);
    for sequence in both_nested(&long_nested, nested) {
        assert_eq!(sequence.block(0, 1).unwrap(), 1);
        assert_eq!(sequence.collect().unwrap(), [[0, 1]]);
    }
    // A shortened sequence can have an observer that borrows for less.
    let n_calls = std::sync::atomic::AtomicUsize::new(0);
    let count = |_: &Progress| {
        n_calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    };
    let observed = long.shorten().with_observer(count);
    observed.collect().unwrap();
    assert_eq!(n_calls.load(std::sync::atomic::Ordering::Relaxed), 4);
}

#[test]
fn a_local_function_may_use_what_stays_on_its_thread() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let logged = |i: usize| {
        log.borrow_mut().push(i);
        // The result stays on the thread as well.
        Rc::new(10 * i)
    };
    let plain = |blocks: Vec<Rc<usize>>| blocks.into_iter().map(|i| *i).collect::<Vec<_>>();
    let calls = || std::mem::take(&mut *log.borrow_mut());

    let streamed = LazyChunkSequence::new(|| 0..3).map_local(logged);
    assert_eq!(plain(streamed.collect().unwrap()), [0, 10, 20]);
    assert_eq!(calls(), [0, 1, 2]);
    let local = LazyChunkSequence::from_local_fn([1; 3], |i| i).map_local(logged);
    assert_eq!(*local.block(2).unwrap(), 20);
    assert_eq!(calls(), [2]);
    let indexed: LazyChunkSequence<'_, _, LocalIndexed> =
        LazyChunkSequence::from_fn([1; 3], |i| i).with_threads(4).map_local(logged);
    assert_eq!(*indexed.block(1).unwrap(), 10);
    assert_eq!(plain(indexed.collect().unwrap()), [0, 10, 20]);
    assert_eq!(indexed.spec().n_rows(), Some(3));
    assert_eq!(calls(), [1, 0, 1, 2]);
    // A second function runs after the first one.
    let twice = indexed.streamed().map_local(|i| Rc::new(*i + 1));
    assert_eq!(plain(twice.collect().unwrap()), [1, 11, 21]);
    assert_eq!(calls(), [0, 1, 2]);

    let nested: NestedLazyChunkSequence<'_, _, LocalIndexed> =
        NestedLazyChunkSequence::from_fn([1; 2], [1; 2], |i, j| 2 * i + j)
            .with_threads(4)
            .map_local(logged);
    assert_eq!(*nested.block(1, 1).unwrap(), 30);
    let bands = nested.collect().unwrap().into_iter().map(plain);
    assert!(bands.eq([vec![0, 10], vec![20, 30]]));
    assert_eq!(calls(), [3, 0, 1, 2, 3]);
    let bands = NestedLazyChunkSequence::new(|| [[1], [2]]).map_local(logged);
    assert_eq!(bands.collect().unwrap().into_iter().map(plain).collect::<Vec<_>>(), [[10], [20]]);
}

#[test]
fn blocks_behind_a_local_function_are_reduced_as_others_are() {
    let n_calls = Cell::new(0);
    let doubled = |block: ArrayBlock| {
        n_calls.set(n_calls.get() + 1);
        Ok::<_, Error>(ArrayBlock::from_array(2.0 * &block.as_array::<f64, Ix2>()?))
    };
    let sequence = LazyChunkSequence::from_fn(ROWS, rows).with_row_type(DType::Float64, [3]);
    let expected = sequence
        .clone()
        .try_map(|block| {
            Ok::<_, Error>(ArrayBlock::from_array(2.0 * &block.as_array::<f64, Ix2>()?))
        })
        .compute((Concatenate, MeanVariance))
        .unwrap();
    let local = sequence.clone().with_threads(3).try_map_local(doubled);
    // The function may change the row type, but not the block grid.
    assert_eq!(local.spec().row_type(), None);
    assert_eq!(local.spec().grid(), sequence.spec().grid());
    assert_eq!(local.compute((Concatenate, MeanVariance)).unwrap(), expected);
    assert_eq!(n_calls.get(), ROWS.len());
    let declared = local.with_row_type(DType::Float64, [3]);
    assert_eq!(declared.compute((Concatenate, MeanVariance)).unwrap(), expected);
    assert_eq!(declared.spec().shape(), Some(vec![6, 3]));
}

#[test]
fn an_error_of_a_local_function_is_one_of_the_producer() {
    let refuse = |i: usize| if i == 2 { Err("not two") } else { Ok(i) };
    let expected = "the producer failed at block 2: not two";
    let streamed = LazyChunkSequence::new(|| 0..4).try_map_local(refuse);
    assert_eq!(report(&streamed.collect().unwrap_err()), expected);
    let indexed = LazyChunkSequence::from_fn([1; 4], |i| i).with_threads(2).try_map_local(refuse);
    assert_eq!(report(&indexed.collect().unwrap_err()), expected);
    assert_eq!(report(&indexed.block(2).unwrap_err()), expected);
    let nested = NestedLazyChunkSequence::from_fn([1; 2], [1; 2], |i, j| 2 * i + j);
    let nested = nested.try_map_local(refuse);
    assert_eq!(
        report(&nested.collect().unwrap_err()),
        "the producer failed at block (1, 0): not two"
    );
    let panicking =
        LazyChunkSequence::from_fn([1; 4], |i| i).map_local(|i| assert!(i < 3, "three"));
    assert_eq!(
        report(&panicking.collect().unwrap_err()),
        "the producer panicked at block 3: three"
    );
}

/// Checks that the causes of an error say each thing once, and returns the whole message.
#[track_caller]
fn chain(error: Error) -> String {
    let error = BoxError::from(error);
    let whole = report(&*error);
    let mut messages = vec![error.to_string()];
    let mut cause: Option<&dyn StdError> = error.source();
    while let Some(error) = cause {
        messages.push(error.to_string());
        cause = error.source();
    }
    assert_eq!(messages.join(": "), whole);
    for (n, message) in messages.iter().enumerate() {
        assert_eq!(whole.matches(message.as_str()).count(), 1, "{whole}");
        assert!(messages.iter().skip(n + 1).all(|later| !later.contains(message)), "{whole}");
    }
    for phrase in ["the producer failed", "the producer panicked", "could not be"] {
        assert!(whole.matches(phrase).count() <= 1, "{whole}");
    }
    whole
}

/// An error that has a cause itself.
#[derive(Debug)]
struct Broken(std::num::ParseIntError);

impl std::fmt::Display for Broken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the file is broken")
    }
}

impl StdError for Broken {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

fn broken() -> Broken {
    Broken("?".parse::<i32>().unwrap_err())
}

/// Three blocks of one row, of which the last one fails.
fn failing() -> LazyChunkSequence<'static, ArrayBlock> {
    LazyChunkSequence::try_new(|| {
        (0..3)
            .map(|i| if i < 2 { Ok(ArrayBlock::from_array(array![[1.0]])) } else { Err(broken()) })
    })
}

/// An evaluation that fails.
type Failing = fn() -> Result<ArrayBlock>;

/// The message of an outer evaluation whose block 1 is an evaluation that fails.
#[derive(Clone, Copy)]
enum Says {
    /// The cause of the inner error, as an error of the outer block.
    Cause,
    /// The whole inner error, as an error of the outer block.
    All,
    /// The inner panic, as a panic of the outer block.
    Panic,
    /// The inner error.
    Same,
}

impl Says {
    fn expected(self, inner: Failing) -> String {
        let inner = report(&inner().unwrap_err());
        match self {
            Says::Cause => format!("the producer failed at block 1: {}", report(&broken())),
            Says::All => format!("the producer failed at block 1: {inner}"),
            Says::Panic => "the producer panicked at block 1: oh".to_owned(),
            Says::Same => inner,
        }
    }
}

/// Evaluations that fail in every way.
fn failures() -> Vec<(Failing, Says)> {
    struct Refusing;

    impl Converter<ArrayBlock> for Refusing {
        fn to_array(&self, _: ArrayBlock) -> Result<ArrayBlock> {
            Err(Error::other(broken()))
        }

        fn to_tensor(&self, block: &ArrayBlock) -> Result<ArrayBlock> {
            Ok(block.clone())
        }
    }

    /// Wraps the error of the blocks in an error of its own.
    struct Wraps;

    impl SequenceAggregator<ArrayBlock> for Wraps {
        type Output = ArrayBlock;

        fn aggregate(self, mut blocks: Blocks<'_, ArrayBlock>) -> Result<ArrayBlock> {
            let all: Result<Vec<_>> = blocks.by_ref().collect();
            Err(Error::other(all.expect_err("the last block fails")))
        }
    }

    vec![
        (|| failing().compute(Concatenate), Says::Cause),
        (|| Ok(failing().collect()?.remove(0)), Says::Cause),
        (|| failing().map_local(|block| block).compute(Concatenate), Says::Cause),
        (|| failing().compute(Wraps), Says::Cause),
        (|| Err(Error::other(broken())), Says::Cause),
        (|| Err(Error::other(Error::other(broken()))), Says::Cause),
        (
            || {
                let blocks =
                    || (0..2).map(|i| ArrayBlock::from_array(Array2::<f32>::zeros((1, 2 + i))));
                LazyChunkSequence::new(blocks).compute(Concatenate)
            },
            Says::All,
        ),
        (
            || {
                let complex = || [ArrayBlock::from_array(array![Complex64::new(0.0, 1.0)])];
                LazyChunkSequence::new(complex).compute(MeanVariance).map(|_| unreachable!())
            },
            Says::All,
        ),
        (|| LazyChunkSequence::new(|| [rows(0)]).convert(Refusing).compute(Concatenate), Says::All),
        (|| LazyChunkSequence::new(Vec::<ArrayBlock>::new).compute(Concatenate), Says::All),
        (
            || {
                let panics = LazyChunkSequence::new(|| {
                    (0..3).map(|i| if i == 2 { panic!("oh") } else { rows(i) })
                });
                panics.compute(Concatenate)
            },
            Says::Panic,
        ),
        (
            || {
                let observer = |_: &Progress| std::ops::ControlFlow::Break(());
                LazyChunkSequence::new(|| [rows(0)]).with_observer(observer).compute(Concatenate)
            },
            Says::Same,
        ),
    ]
}

#[test]
fn an_evaluation_within_an_evaluation_says_each_thing_once() {
    for (inner, says) in failures() {
        chain(inner().unwrap_err());
        let expected = says.expected(inner);
        // The outer sequence is of any kind, and is evaluated in any way.
        let block = move |i: usize| if i == 1 { inner() } else { Ok(rows(i)) };
        let streamed = LazyChunkSequence::try_new(|| (0..4).map(block));
        assert_eq!(chain(streamed.collect().unwrap_err()), expected);
        assert_eq!(chain(streamed.compute(Concatenate).unwrap_err()), expected);
        let indexed = LazyChunkSequence::try_from_fn(ROWS, block);
        for n_threads in 1..4 {
            let indexed = indexed.clone().with_threads(n_threads);
            assert_eq!(chain(indexed.collect().unwrap_err()), expected);
            assert_eq!(chain(indexed.compute((Sum, Count)).unwrap_err()), expected);
            assert_eq!(chain(indexed.streamed().compute(Count).unwrap_err()), expected);
        }
        assert_eq!(chain(indexed.block(1).unwrap_err()), expected);
        let mapped = LazyChunkSequence::from_fn(ROWS, |i| i);
        assert_eq!(chain(mapped.clone().try_map(block).collect().unwrap_err()), expected);
        assert_eq!(chain(mapped.try_map_local(block).collect().unwrap_err()), expected);
        let nested = NestedLazyChunkSequence::try_from_fn([1; 4], [3], |i, _| block(i));
        let error = chain(nested.collect().unwrap_err());
        assert_eq!(error.replacen("block (1, 0)", "block 1", 1), expected);
    }
}

#[test]
fn evaluations_nested_three_deep_say_each_thing_once() {
    for (inner, says) in failures() {
        let expected = says.expected(inner);
        for n_threads in 1..3 {
            let third = move |i: usize| if i == 1 { inner() } else { Ok(rows(0)) };
            let second = move |i: usize| {
                let third = LazyChunkSequence::try_from_fn([2, 2], third).with_threads(n_threads);
                if i == 1 { third.compute(Concatenate) } else { Ok(rows(0)) }
            };
            let first = move |i: usize| {
                let second = NestedLazyChunkSequence::try_from_fn([2, 2], [3], |i, _| second(i));
                if i == 1 { second.compute(Concatenate) } else { Ok(rows(0)) }
            };
            let outermost = LazyChunkSequence::try_new(|| (0..2).map(first));
            // The message names the outermost block, and the block that an inner check refused.
            assert_eq!(chain(outermost.compute(Concatenate).unwrap_err()), expected);
            assert_eq!(chain(outermost.collect().unwrap_err()), expected);
        }
    }
}

#[test]
fn a_hint_is_that_of_the_innermost_evaluation() {
    let inner = || LazyChunkSequence::new(Vec::<ArrayBlock>::new).compute(Concatenate);
    let hint = inner().unwrap_err().hint();
    let middle = move || LazyChunkSequence::try_new(move || [inner()]).compute(Concatenate);
    let outer = LazyChunkSequence::try_new(move || [middle()]);
    assert!(hint.is_some());
    assert_eq!(outer.collect().unwrap_err().hint(), hint);
}

#[test]
fn results_of_inner_evaluations_are_blocks() {
    let inner = |i: usize| {
        LazyChunkSequence::from_fn([1, 1], move |j| Array1::from_elem(1, (2 * i + j) as f64))
            .with_threads(2)
            .convert(NdarrayConverter)
            .compute(Concatenate)
    };
    let outer = LazyChunkSequence::try_from_fn([2; 5], inner);
    let expected = ArrayBlock::from_vec([10], (0..10).map(f64::from).collect()).unwrap();
    assert_eq!(outer.compute(Concatenate).unwrap(), expected);
    assert_eq!(outer.with_threads(3).compute(Concatenate).unwrap(), expected);
}

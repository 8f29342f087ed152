//! Functions in front of reducers, optional reducers, and the order in which a pass calls
//! reducers.

use std::collections::HashSet;
use std::fmt::Debug;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use lazy_core::{
    ArgMax, ArgMin, ArrayBlock, BlockIndex, BlockMap, BlockPosition, BottomK, BoxedReducer,
    Concatenate, Count, Covariance, DType, Error, ErrorKind, Fold, Histogram, KeptChunks,
    LazyChunkSequence, Max, MeanVariance, MemoryLimit, Min, NestedLazyChunkSequence, Norm,
    Progress, Quantiles, Reducer, Reference, Result, RowType, Run, SequenceSpec, StateOf, Sum,
    Summary, TopK, panic_message, report,
};
use ndarray::{Array3, ArrayD, Ix3};

/// Rows of each band, and columns of each block of a band.
const ROWS: [usize; 3] = [2, 1, 3];
const COLUMNS: [usize; 2] = [3, 1];

/// A part of an array of shape [6, 4, 2] and dtype float32.
fn part(row: usize, n_rows: usize, column: usize, n_columns: usize) -> ArrayBlock {
    ArrayBlock::from_array(Array3::from_shape_fn((n_rows, n_columns, 2), |(i, j, k)| {
        ((31 * (row + i) + 7 * (column + j) + 3 * k) % 11) as f32 - 4.5
    }))
}

fn rows(i: usize) -> ArrayBlock {
    part(ROWS[..i].iter().sum(), ROWS[i], 0, COLUMNS.iter().sum())
}

fn nested_block(i: usize, j: usize) -> ArrayBlock {
    let (row, column) = (ROWS[..i].iter().sum(), COLUMNS[..j].iter().sum());
    part(row, ROWS[i], column, COLUMNS[j])
}

/// Sums over the last axis, as float64. The rows become `double()`.
fn sums(block: &ArrayBlock) -> Result<ArrayBlock> {
    let elements = block.as_array::<f32, Ix3>()?.mapv(f64::from);
    Ok(ArrayBlock::from_array(elements.sum_axis(ndarray::Axis(2))))
}

fn double() -> Option<RowType> {
    Some(RowType { dtype: DType::Float64, shape: vec![COLUMNS.iter().sum()] })
}

/// Applies a function to the blocks of every kind of sequence, and reduces them.
fn of_every_kind<R: Reducer>(
    function: Change,
    row_type: Option<&RowType>,
    reducer: impl Fn() -> R,
    mut check: impl FnMut(&str, Result<R::Output>),
) {
    macro_rules! evaluate {
        ($kind:literal, $sequence:expr) => {
            let sequence = $sequence.try_map(move |block| function(&block));
            let sequence = match row_type {
                Some(row_type) => sequence.with_row_type(row_type.dtype, row_type.shape.clone()),
                None => sequence,
            };
            check($kind, sequence.compute(reducer()));
        };
    }
    evaluate!("streamed", LazyChunkSequence::new(|| (0..3).map(rows)));
    let indexed = || LazyChunkSequence::from_fn(ROWS, rows);
    evaluate!("indexed", indexed());
    evaluate!("on threads", indexed().with_threads(3));
    evaluate!("streamed on threads", indexed().with_threads(2).streamed());
    evaluate!("local", LazyChunkSequence::from_local_fn(ROWS, rows));
    let bands = || (0..3).map(|i| (0..2).map(move |j| nested_block(i, j)));
    evaluate!("nested", NestedLazyChunkSequence::new(bands));
    let nested = || NestedLazyChunkSequence::from_fn(ROWS, COLUMNS, nested_block);
    evaluate!("nested and indexed", nested());
    evaluate!("nested on threads", nested().with_threads(3));
}

fn original(block: &ArrayBlock) -> Result<ArrayBlock> {
    Ok(block.clone())
}

/// Erases the type of a reducer, so that each pass is compiled once for all reducers.
fn boxed<R>(reducer: R) -> BoxedReducer<'static, String>
where
    R: Reducer<Map: 'static, Run: 'static, Output: Debug> + 'static,
    <R::Map as BlockMap>::Partial: 'static,
{
    BoxedReducer::new(reducer, |output| format!("{output:?}"))
}

/// Checks that a reducer behind a function reduces the blocks that the function returns, with and
/// without a declared row type.
#[track_caller]
fn check_of<R>(reducer: impl Fn() -> R)
where
    R: Reducer<Map: 'static, Run: 'static, Output: Debug> + 'static,
    <R::Map as BlockMap>::Partial: 'static,
{
    check_of_boxed(&|| boxed(reducer()), &|row_type| boxed(reducer().of(sums, row_type)));
}

type BoxReducer<'r> = &'r dyn Fn() -> BoxedReducer<'static, String>;
type BoxOf<'r> = &'r dyn Fn(Option<RowType>) -> BoxedReducer<'static, String>;

#[track_caller]
fn check_of_boxed(reducer: BoxReducer<'_>, of: BoxOf<'_>) {
    let said = |result: Result<String>| {
        result.unwrap_or_else(|error| format!("error: {}", report(&error)))
    };
    let mut expected = Vec::new();
    of_every_kind(sums, double().as_ref(), reducer, |kind, output| {
        expected.push((kind.to_owned(), said(output)));
    });
    assert!(expected.iter().any(|(_, said)| !said.starts_with("error")), "{expected:?}");
    for (declared, row_type) in [(None, double()), (None, None), (f32_rows(), double())] {
        let mut results = Vec::new();
        let reducer = || of(row_type.clone());
        of_every_kind(original, declared.as_ref(), reducer, |kind, output| {
            results.push((kind.to_owned(), said(output)));
        });
        assert_eq!(results, expected);
    }
    // The other reducers of the pass get the original blocks.
    let mut originals = Vec::new();
    of_every_kind(
        original,
        None,
        || (Concatenate, Count),
        |_, output| originals.push(output.unwrap()),
    );
    let mut beside = Vec::new();
    let both = || (Concatenate, of(double()), Count);
    of_every_kind(original, None, both, |_, output| beside.push(output.ok()));
    for (beside, original) in beside.into_iter().zip(originals) {
        let Some((array, _, count)) = beside else { continue };
        assert_eq!((array, count), original);
    }
}

fn f32_rows() -> Option<RowType> {
    Some(RowType { dtype: DType::Float32, shape: vec![COLUMNS.iter().sum(), 2] })
}

#[test]
fn a_function_in_front_of_a_reducer_is_one_behind_the_sequence() {
    macro_rules! check_forms {
        ($($summary:expr),* $(,)?) => {
            $(
                check_of(|| $summary);
                check_of(|| $summary.per_row());
                check_of(|| $summary.per_column());
                check_of(|| $summary.ignoring_nan());
                check_of(|| StateOf::new($summary));
            )*
        };
    }
    check_forms!(
        Count,
        Sum,
        MeanVariance,
        Min,
        Max,
        ArgMin,
        ArgMax,
        TopK::new(2),
        BottomK::new(2),
        Norm::L1,
        Norm::LInf,
        Histogram::new([-9.0, 0.0, 9.0]),
        Quantiles::new([0.5]),
    );
    check_of(|| Concatenate);
    check_of(|| Covariance);
    check_of(|| StateOf::new(Covariance));
    check_of(|| {
        Fold::new(
            "the rows",
            |n: &mut usize, _: BlockPosition, block: &ArrayBlock| {
                *n += block.shape()[0];
                Ok(())
            },
            |n, next| *n += next,
        )
    });
    check_of(|| Positions);
    check_of(|| MemoryLimit::new(1 << 20, Sum));
    check_of(|| BoxedReducer::new(Max, |max| max));
    check_of(|| (Sum, Concatenate, Count));
    check_of(|| vec![Norm::L1, Norm::L2]);
    check_of(|| (Some(Sum), None::<Max>));
    check_of(|| Positions.of(|block| Ok(block.clone()), double()));
    check_of(|| Sum.of(|block| Ok(block.clone()), None));
}

/// A reducer that relies on the checks of the pass: it keeps positions, dtypes and shapes.
struct Positions;

type Seen = (BlockPosition, DType, Vec<usize>);

impl Reducer for Positions {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<Seen>;
    type Run = PositionsRun;
    type Output = Vec<Seen>;

    fn start(self, _: &SequenceSpec) -> Result<(Self::Map, PositionsRun)> {
        Ok((|at, block| Ok((at, block.dtype(), block.shape().to_vec())), PositionsRun(Vec::new())))
    }
}

struct PositionsRun(Vec<Seen>);

impl Run for PositionsRun {
    type Partial = Seen;
    type Output = Vec<Seen>;

    fn merge(&mut self, at: BlockPosition, seen: Seen) -> Result<()> {
        assert_eq!(at, seen.0);
        self.0.push(seen);
        Ok(())
    }

    fn commit(self) -> Result<Vec<Seen>> {
        Ok(self.0)
    }
}

/// A function in front of a reducer.
type Change = fn(&ArrayBlock) -> Result<ArrayBlock>;

/// Returns the block that the error of a function names, or none if the error is of another kind.
type IsExpected = fn(&Error) -> bool;

/// Functions that return a block of other rows than declared.
const WRONG: [(IsExpected, Change); 6] = [
    (of_dtype, |block| {
        Ok(ArrayBlock::from_array(
            sums(block)?.to_array::<f64, ndarray::IxDyn>()?.mapv(|x| x as f32),
        ))
    }),
    (of_trailing_shape, |block| {
        // Another trailing axis.
        let array = sums(block)?.to_array::<f64, ndarray::IxDyn>()?;
        Ok(ArrayBlock::from_array(array.insert_axis(ndarray::Axis(2))))
    }),
    (of_cut_axes, |block| without_first(block, 0)),
    (of_cut_axes, |block| {
        let array = sums(block)?.to_array::<f64, ndarray::IxDyn>()?;
        Ok(ArrayBlock::from_array(ndarray::concatenate![ndarray::Axis(0), array, array]))
    }),
    (of_axes, |_| Ok(ArrayBlock::from_array(ndarray::arr0(1.0)))),
    (of_function, |block| block.as_array::<i8, Ix3>().map(|_| block.clone())),
];

fn of_dtype(error: &Error) -> bool {
    error.kind() == ErrorKind::DType
        && (error.expected_dtype(), error.dtype()) == (Some(DType::Float64), Some(DType::Float32))
        && error.reference() == Some(Reference::Declared)
}

fn of_trailing_shape(error: &Error) -> bool {
    error.kind() == ErrorKind::Shape && error.reference() == Some(Reference::Declared)
}

fn of_axes(error: &Error) -> bool {
    error.kind() == ErrorKind::Shape && error.to_string().ends_with(" axes")
}

fn of_cut_axes(error: &Error) -> bool {
    error.kind() == ErrorKind::Shape && error.to_string().contains(" must keep ")
}

fn of_function(error: &Error) -> bool {
    error.kind() == ErrorKind::DType && error.expected_dtype() == Some(DType::Int8)
}

fn without_first(block: &ArrayBlock, axis: usize) -> Result<ArrayBlock> {
    let array: ArrayD<f64> = sums(block)?.to_array()?;
    let rest = array.slice_axis(ndarray::Axis(axis), ndarray::Slice::from(1..)).to_owned();
    Ok(ArrayBlock::from_array(rest))
}

#[test]
fn a_function_that_makes_other_blocks_is_an_error_that_names_the_block() {
    for (is_expected, wrong) in WRONG {
        check_wrong(|of| boxed(Concatenate.of(of, double())), is_expected, wrong);
        check_wrong(|of| boxed(Sum.of(of, double())), is_expected, wrong);
        check_wrong(|of| boxed(Max.per_column().of(of, double())), is_expected, wrong);
        check_wrong(|of| boxed(StateOf::new(MeanVariance).of(of, double())), is_expected, wrong);
        check_wrong(|of| boxed(Positions.of(of, double())), is_expected, wrong);
        check_wrong(|of| boxed(boxed(Positions).of(of, double())), is_expected, wrong);
        let limited = || MemoryLimit::new(1 << 20, (Positions, Count));
        check_wrong(|of| boxed(limited().of(of, double())), is_expected, wrong);
        check_wrong(
            |of| boxed((Some(Positions), None::<Sum>).of(of, double())),
            is_expected,
            wrong,
        );
        check_wrong(|of| boxed(vec![Positions].of(of, double())), is_expected, wrong);
        let twice = || Positions.of(|block| Ok(block.clone()), double());
        check_wrong(|of| boxed(twice().of(of, double())), is_expected, wrong);
    }
}

type Function = Box<dyn Fn(&ArrayBlock) -> Result<ArrayBlock> + Sync>;

/// Applies the wrong function to each block in turn. Nothing follows the last block that could
/// show the mistake.
#[track_caller]
fn check_wrong(
    reducer: impl Fn(Function) -> BoxedReducer<'static, String>,
    is_expected: IsExpected,
    wrong: Change,
) {
    for (bad, n_rows) in ROWS.into_iter().enumerate() {
        let function = move |block: &ArrayBlock| {
            let is_bad = block.shape()[0] == n_rows;
            if is_bad { wrong(block) } else { sums(block) }
        };
        let reducer = || reducer(Box::new(function));
        let flat = LazyChunkSequence::new(|| (0..3).map(rows));
        let indexed = LazyChunkSequence::from_fn(ROWS, rows);
        let nested = NestedLazyChunkSequence::from_fn(ROWS, COLUMNS, nested_block);
        let bands = || (0..3).map(|i| (0..2).map(move |j| nested_block(i, j)));
        let streamed = NestedLazyChunkSequence::new(bands);
        let check = |kind: &str, result: Result<String>, at: BlockIndex| {
            let error = result.err().unwrap_or_else(|| panic!("{kind}: no error"));
            assert_eq!(error.block(), Some(at), "{kind}: {error:?}");
            assert!(is_expected(&error), "{kind}: {error:?}");
        };
        let at = BlockIndex::Block(bad);
        check("streamed", flat.compute(reducer()), at);
        check("indexed", indexed.compute(reducer()), at);
        check("on threads", indexed.with_threads(3).compute(reducer()), at);
        let at = BlockIndex::NestedBlock(bad, 0);
        check("nested", streamed.compute(reducer()), at);
        check("nested and indexed", nested.compute(reducer()), at);
        check("nested on threads", nested.with_threads(3).compute(reducer()), at);
    }
}

#[test]
fn a_function_keeps_the_columns_of_the_blocks_of_bands() {
    let nested = NestedLazyChunkSequence::from_fn(ROWS, COLUMNS, nested_block);
    let function = |block: &ArrayBlock| {
        if block.shape()[1] == COLUMNS[1] { without_first(block, 1) } else { sums(block) }
    };
    for nested in [nested.clone(), nested.with_threads(2)] {
        let error = nested.compute(Positions.of(function, double())).unwrap_err();
        assert!(of_cut_axes(&error), "{error}");
        assert_eq!(error.block(), Some(BlockIndex::NestedBlock(0, 1)));
        let said = report(&error);
        for part in ["[2, 0]", "[2, 1, 2]", "rows and columns"] {
            assert!(said.contains(part), "{said}");
        }
    }
    // The only block: no other one shows that rows are missing.
    let error = LazyChunkSequence::new(|| [rows(0)])
        .compute(Positions.of(|block| without_first(block, 0), None))
        .unwrap_err();
    assert!(of_cut_axes(&error), "{error}");
    assert_eq!(error.block(), Some(BlockIndex::Block(0)));
}

#[test]
fn a_declaration_that_does_not_fit_is_refused_before_the_first_block() {
    let n_computed = AtomicUsize::new(0);
    let nested = NestedLazyChunkSequence::from_fn(ROWS, COLUMNS, |i, j| {
        n_computed.fetch_add(1, Ordering::Relaxed);
        nested_block(i, j)
    });
    for shape in [vec![], vec![5]] {
        let row_type = Some(RowType { dtype: DType::Float64, shape });
        let error = nested.compute(Positions.of(sums, row_type.clone())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSpec, "{error}");
        let error = nested.compute(Sum.of(sums, row_type)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSpec, "{error}");
    }
    assert_eq!(n_computed.load(Ordering::Relaxed), 0);
}

#[test]
fn a_function_that_panics_ends_the_pass_with_its_panic() {
    let panics = |block: &ArrayBlock| {
        assert!(block.shape()[0] != ROWS[1], "one row");
        sums(block)
    };
    for n_threads in 1..3 {
        let sequence = LazyChunkSequence::from_fn(ROWS, rows).with_threads(n_threads);
        let evaluate = || sequence.compute(Sum.of(panics, None));
        let panic = catch_unwind(AssertUnwindSafe(evaluate)).unwrap_err();
        assert_eq!(panic_message(&*panic), "one row");
    }
}

#[test]
fn an_array_of_no_rows_has_the_declared_columns() {
    let none = || LazyChunkSequence::new(Vec::<ArrayBlock>::new);
    let array = none().compute(Concatenate.of(sums, double())).unwrap();
    assert_eq!((array.dtype(), array.shape()), (DType::Float64, &[0, 4][..]));
    assert_eq!(none().compute(Count.per_column().of(sums, double())).unwrap().len(), 4);
    // The row type of the sequence says nothing about the rows that the function returns.
    let declared = none().with_row_type(DType::Float32, [4, 2]);
    let error = declared.compute(Concatenate.of(sums, None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Empty, "{error}");
}

#[test]
fn an_optional_reducer_is_left_out_or_there() {
    let compute = |with_sum: bool, with_array: bool| {
        let mut outputs = Vec::new();
        let reducer = || (with_sum.then_some(Sum), Count, with_array.then_some(Concatenate));
        of_every_kind(original, None, reducer, |_, output| outputs.push(output.unwrap()));
        outputs
    };
    let all = compute(true, true);
    for (with_sum, with_array) in [(false, true), (true, false), (false, false)] {
        for ((sum, count, array), all) in compute(with_sum, with_array).into_iter().zip(&all) {
            assert_eq!(sum, all.0.filter(|_| with_sum));
            assert_eq!(count, all.1);
            assert_eq!(array, all.2.clone().filter(|_| with_array));
        }
    }
    // A reducer that is left out is not started, so it returns no error.
    let refused = Some(TopK::new(0)).filter(|_| false);
    let sequence = LazyChunkSequence::new(|| [rows(0)]);
    assert!(sequence.compute(refused).unwrap().is_none());
    sequence.compute(Some(TopK::new(0))).unwrap_err();
    let many = vec![Some(Sum), None, Some(Sum)];
    let sums = sequence.compute(many).unwrap();
    assert_eq!((sums[0], sums[1]), (sums[2], None));
}

/// The calls of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Start,
    Merge,
    Prepare,
    Commit,
    Abort,
    Drop,
}

use Call::{Abort, Commit, Drop as Dropped, Merge, Prepare, Start};

/// The calls of each run, by its name.
#[derive(Default)]
struct Calls(Mutex<Vec<(&'static str, Call)>>);

impl Calls {
    fn reducer(&self, name: &'static str) -> Recorder<'_> {
        Recorder { name, fails_at: None, calls: self }
    }

    fn failing(&self, name: &'static str, fails_at: Call) -> Recorder<'_> {
        Recorder { name, fails_at: Some(fails_at), calls: self }
    }

    fn take(&self) -> Vec<(&'static str, Call)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The calls of one run.
    fn of(calls: &[(&'static str, Call)], name: &str) -> Vec<Call> {
        calls.iter().filter(|call| call.0 == name).map(|call| call.1).collect()
    }
}

struct Recorder<'c> {
    name: &'static str,
    fails_at: Option<Call>,
    calls: &'c Calls,
}

impl Recorder<'_> {
    fn call(&self, call: Call) -> Result<()> {
        self.calls.0.lock().unwrap().push((self.name, call));
        if self.fails_at == Some(call) {
            return Err(Error::other(format!("{} fails", self.name)));
        }
        Ok(())
    }
}

impl<'c> Reducer for Recorder<'c> {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<()>;
    type Run = RecorderRun<'c>;
    type Output = &'static str;

    fn start(self, _: &SequenceSpec) -> Result<(Self::Map, RecorderRun<'c>)> {
        self.call(Start)?;
        Ok((|_, _| Ok(()), RecorderRun(self)))
    }
}

struct RecorderRun<'c>(Recorder<'c>);

impl Run for RecorderRun<'_> {
    type Partial = ();
    type Output = &'static str;

    fn merge(&mut self, _: BlockPosition, (): ()) -> Result<()> {
        self.0.call(Merge)
    }

    fn prepare(&mut self) -> Result<()> {
        self.0.call(Prepare)
    }

    fn commit(self) -> Result<&'static str> {
        self.0.call(Commit)?;
        Ok(self.0.name)
    }

    /// Adds a kept chunk to a cancellation.
    fn abort(self, error: Error) -> Error {
        let _ = self.0.call(Abort);
        let (target, directory) = (self.0.name.to_owned(), String::new());
        error.with_kept(KeptChunks { target, directory, chunks: 1 })
    }
}

impl Drop for RecorderRun<'_> {
    fn drop(&mut self) {
        let _ = self.0.call(Dropped);
    }
}

/// A pass with runs in tuples, vectors, options and boxes, and behind functions.
fn places<'c>(
    calls: &'c Calls,
    failing: Option<(&'static str, Call)>,
) -> impl Reducer<Output = impl Sized> + use<'c> {
    let reducer = |name| match failing {
        Some((bad, call)) if bad == name => calls.failing(name, call),
        _ => calls.reducer(name),
    };
    (
        reducer("first"),
        vec![reducer("in a vector"), reducer("last in a vector")],
        Some(reducer("optional")),
        None::<Sum>,
        BoxedReducer::new(reducer("boxed"), |name| name),
        MemoryLimit::new(1 << 20, reducer("limited")),
        reducer("behind").of(|block| Ok(block.clone()), None),
        (Sum, reducer("last")),
    )
}

const PLACES: [&str; 8] =
    ["first", "in a vector", "last in a vector", "optional", "boxed", "limited", "behind", "last"];

/// Evaluates three blocks, on one thread and on two.
fn on_one_thread_and_on_two<R: Reducer>(
    reducer: impl Fn() -> R,
    observer: impl Fn(&Progress) -> ControlFlow<()> + Send + Sync + Copy,
    mut check: impl FnMut(Result<R::Output>),
) {
    let sequence = LazyChunkSequence::from_fn(ROWS, rows).with_observer(observer);
    check(sequence.compute(reducer()));
    check(sequence.clone().with_threads(2).compute(reducer()));
    check(sequence.streamed().compute(reducer()));
}

fn never(_: &Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_pass_that_succeeds_commits_all_runs_after_all_are_prepared() {
    let calls = Calls::default();
    on_one_thread_and_on_two(
        || places(&calls, None),
        never,
        |output| {
            assert!(output.is_ok());
            let calls = calls.take();
            for name in PLACES {
                let expected = [Start, Merge, Merge, Merge, Prepare, Commit, Dropped];
                assert_eq!(Calls::of(&calls, name), expected, "{name}");
            }
            let last_prepare = calls.iter().rposition(|call| call.1 == Prepare);
            let first_commit = calls.iter().position(|call| call.1 == Commit);
            assert!(last_prepare < first_commit, "{calls:?}");
            // Each step goes through the runs in their order.
            for step in [Start, Prepare, Commit] {
                let order = calls.iter().filter(|call| call.1 == step).map(|call| call.0);
                assert!(order.eq(PLACES), "{calls:?}");
            }
        },
    );
}

#[test]
fn a_pass_that_fails_aborts_every_run_once() {
    let calls = Calls::default();
    for bad in PLACES {
        for step in [Merge, Prepare] {
            on_one_thread_and_on_two(
                || places(&calls, Some((bad, step))),
                never,
                |output| {
                    let error = output.err().expect("a run fails");
                    assert_eq!(report(&error), format!("{bad} fails"));
                    let calls = calls.take();
                    for name in PLACES {
                        let calls = Calls::of(&calls, name);
                        assert_eq!(calls[calls.len() - 2..], [Abort, Dropped], "{name}: {calls:?}");
                        let n_aborts = calls.iter().filter(|call| **call == Abort).count();
                        assert_eq!(n_aborts, 1, "{name}: {calls:?}");
                        assert!(!calls.contains(&Commit), "{name}: {calls:?}");
                    }
                },
            );
        }
    }
}

#[test]
fn no_run_is_aborted_after_it_was_committed() {
    let calls = Calls::default();
    for bad in PLACES {
        for step in [Start, Commit] {
            on_one_thread_and_on_two(
                || places(&calls, Some((bad, step))),
                never,
                |output| {
                    let error = output.err().expect("a run fails");
                    assert_eq!(report(&error), format!("{bad} fails"));
                    let calls = calls.take();
                    let n_started = PLACES.iter().position(|name| *name == bad).unwrap();
                    for (i, name) in PLACES.into_iter().enumerate() {
                        let calls = Calls::of(&calls, name);
                        // Each run that has started is dropped.
                        let has_run = step == Commit || i < n_started;
                        assert_eq!(calls.last() == Some(&Dropped), has_run, "{name}: {calls:?}");
                        let is_committed = step == Commit && i <= n_started;
                        assert_eq!(calls.contains(&Commit), is_committed, "{name}: {calls:?}");
                        assert!(!is_committed || !calls.contains(&Abort), "{name}: {calls:?}");
                    }
                },
            );
        }
    }
}

#[test]
fn a_cancelled_pass_aborts_every_run_once() {
    let calls = Calls::default();
    for stop_after in 0..4 {
        let stop = move |progress: &Progress| {
            if progress.blocks == stop_after {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        on_one_thread_and_on_two(
            || places(&calls, None),
            stop,
            |output| {
                let error = output.err().expect("it is cancelled");
                assert_eq!(error.blocks_done(), Some(stop_after));
                // Each run has added its kept chunk.
                let kept = error.kept();
                assert!(kept.iter().map(|kept| kept.target.as_str()).eq(PLACES), "{kept:?}");
                let calls = calls.take();
                for name in PLACES {
                    let mut expected = vec![Start];
                    expected.extend(vec![Merge; stop_after]);
                    expected.extend([Abort, Dropped]);
                    assert_eq!(Calls::of(&calls, name), expected, "{name}");
                }
            },
        );
    }
}

#[test]
fn a_panic_aborts_no_run_but_drops_it() {
    let calls = Calls::default();
    let panics = |_: &ArrayBlock| -> Result<ArrayBlock> { panic!("no function") };
    for n_threads in 1..3 {
        let sequence = LazyChunkSequence::from_fn(ROWS, rows).with_threads(n_threads);
        let reducer = || (calls.reducer("first"), Sum.of(panics, None));
        let panic = catch_unwind(AssertUnwindSafe(|| sequence.compute(reducer()))).unwrap_err();
        assert_eq!(panic_message(&*panic), "no function");
        assert_eq!(calls.take(), [("first", Start), ("first", Dropped)]);
    }
}

/// A reducer that counts how often its map is made.
struct Made<'m> {
    n_made: &'m AtomicUsize,
    threads: &'m Mutex<Vec<thread::ThreadId>>,
}

struct MadeMap<'m> {
    /// Makes the map neither `Clone` nor `Send`.
    _local: std::marker::PhantomData<std::sync::MutexGuard<'m, ()>>,
    threads: &'m Mutex<Vec<thread::ThreadId>>,
}

impl BlockMap for MadeMap<'_> {
    type Partial = usize;

    fn partial(&self, _: BlockPosition, _: &ArrayBlock) -> Result<usize> {
        self.threads.lock().unwrap().push(thread::current().id());
        Ok(std::ptr::from_ref(self).addr())
    }
}

/// Checks that one map computed all contributions.
struct OneMap(Option<usize>);

impl Run for OneMap {
    type Partial = usize;
    type Output = ();

    fn merge(&mut self, _: BlockPosition, map: usize) -> Result<()> {
        assert_eq!(*self.0.get_or_insert(map), map);
        Ok(())
    }

    fn commit(self) -> Result<()> {
        Ok(())
    }
}

impl<'m> Reducer for Made<'m> {
    type Map = MadeMap<'m>;
    type Run = OneMap;
    type Output = ();

    fn start(self, _: &SequenceSpec) -> Result<(MadeMap<'m>, OneMap)> {
        self.n_made.fetch_add(1, Ordering::Relaxed);
        let map = MadeMap { _local: std::marker::PhantomData, threads: self.threads };
        Ok((map, OneMap(None)))
    }
}

#[test]
fn the_map_of_a_pass_is_made_once_and_shared_by_all_threads() {
    const N_THREADS: usize = 3;
    let (n_made, threads) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let made = || Made { n_made: &n_made, threads: &threads };
    let barrier = std::sync::Barrier::new(N_THREADS);
    let on_threads = LazyChunkSequence::from_fn([1; N_THREADS], |i| {
        // Each thread has a block, and computes its contribution.
        barrier.wait();
        part(i, 1, 0, 4)
    })
    .with_threads(N_THREADS);
    let check = |n_maps: usize, n_threads: usize| {
        assert_eq!(n_made.swap(0, Ordering::Relaxed), n_maps);
        let ids: HashSet<_> = threads.lock().unwrap().drain(..).collect();
        assert_eq!(ids.len(), n_threads);
    };
    for _ in 0..2 {
        on_threads.compute(made()).unwrap();
        check(1, N_THREADS);
    }
    on_threads.compute((made(), vec![made()], Some(made()))).unwrap();
    check(3, N_THREADS);
    on_threads.compute(made().of(sums, None)).unwrap();
    check(1, N_THREADS);
    on_threads.compute(BoxedReducer::new(made(), |()| ())).unwrap();
    check(1, N_THREADS);
    on_threads.compute(MemoryLimit::new(1, made())).unwrap();
    check(1, N_THREADS);
    on_threads.clone().streamed().compute(made()).unwrap();
    check(1, N_THREADS);
    LazyChunkSequence::from_fn(ROWS, rows).compute(made()).unwrap();
    check(1, 1);
}

#[test]
fn errors_of_maps_and_runs_name_the_block_unless_they_are_of_their_own() {
    struct Refuses {
        in_map: bool,
        error: fn() -> Error,
    }

    impl BlockMap for Refuses {
        type Partial = usize;

        fn partial(&self, at: BlockPosition, _: &ArrayBlock) -> Result<usize> {
            if self.in_map && at.index == BlockIndex::Block(1) {
                Err((self.error)())
            } else {
                Ok(0)
            }
        }
    }

    impl Run for Refuses {
        type Partial = usize;
        type Output = ();

        fn merge(&mut self, at: BlockPosition, _: usize) -> Result<()> {
            if !self.in_map && at.index == BlockIndex::Block(1) {
                Err((self.error)())
            } else {
                Ok(())
            }
        }

        fn commit(self) -> Result<()> {
            Ok(())
        }
    }

    impl Reducer for Refuses {
        type Map = Refuses;
        type Run = Refuses;
        type Output = ();

        fn start(self, _: &SequenceSpec) -> Result<(Refuses, Refuses)> {
            let Refuses { in_map, error } = self;
            Ok((Refuses { in_map, error }, Refuses { in_map, error }))
        }
    }

    let of_a_block = || Error::dtype_mismatch(DType::Bool, DType::UInt8);
    let of_its_own = || Error::other("too dull");
    for in_map in [false, true] {
        on_one_thread_and_on_two(
            || Refuses { in_map, error: of_a_block },
            never,
            |output| {
                let expected = format!("block 1 could not be reduced: {}", of_a_block());
                assert_eq!(report(&output.unwrap_err()), expected);
            },
        );
        on_one_thread_and_on_two(
            || Refuses { in_map, error: of_its_own },
            never,
            |output| assert_eq!(report(&output.unwrap_err()), "too dull"),
        );
    }
}

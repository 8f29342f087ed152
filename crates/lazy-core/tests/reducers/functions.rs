//! Functions in front of reducers.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_core::{
    ArgMax, ArgMin, ArrayBlock, BlockIndex, BlockMap, BlockPosition, BottomK, BoxedReducer,
    Concatenate, Count, Covariance, DType, Error, ErrorKind, Fold, Histogram, LazyChunkSequence,
    Max, MeanVariance, MemoryLimit, Min, NestedLazyChunkSequence, Norm, Quantiles, Reducer,
    Reference, Result, RowType, Run, SequenceSpec, StateOf, Sum, Summary, TopK, panic_message,
    report,
};
use ndarray::{ArrayD, Ix3};

use crate::{COLUMNS, Change, ROWS, double, nested_block, of_every_kind, original, rows, sums};

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
    error.kind() == ErrorKind::Shape && error.to_string().contains(" needs at least ")
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

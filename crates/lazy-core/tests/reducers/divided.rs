//! Boxed reducers and limits of memory in plans, whose parts are stored in between.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use lazy_core::{
    ArgMax, ArrayBlock, BlockPosition, BoxedDivisibleReducer, Claimed, Covariance, DType,
    DividedReducer, DivisibleReducer, ErrorKind, Histogram, Holder, LazyChunkSequence,
    MeanVariance, MemoryLimit, NamedArrays, NestedLazyChunkSequence, Part, PartOutcome, PartReport,
    PartStore, Plan, PlanSpec, PlannedSequence, Quantiles, Reducer, Result, Run, SaveState,
    SequenceSpec, Sum, Summary, TakeOver, TopK,
};

use crate::{COLUMNS, ROWS, nested_block, rows};

/// The records of parts.
#[derive(Clone, Default)]
struct Records(Rc<RefCell<BTreeMap<usize, Vec<u8>>>>);

/// A sink that only keeps records.
impl Reducer for Records {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<()>;
    type Run = Nothing;
    type Output = ();

    fn start(self, _: &SequenceSpec) -> Result<(Self::Map, Nothing)> {
        Ok((|_, _| Ok(()), Nothing))
    }
}

struct Nothing;

impl Run for Nothing {
    type Partial = ();
    type Output = ();

    fn merge(&mut self, _: BlockPosition, (): ()) -> Result<()> {
        Ok(())
    }

    fn commit(self) -> Result<()> {
        Ok(())
    }
}

impl DivisibleReducer for Records {
    type Divided = Records;

    fn describe(&self, names: &mut Vec<String>) {
        names.push("records".to_owned());
    }

    fn keeps_plan(&self) -> bool {
        true
    }

    fn part_rows(&self, _: &SequenceSpec) -> Result<Option<usize>> {
        Ok(Some(2))
    }

    fn divide(self, _: &PlanSpec) -> Result<Records> {
        Ok(self)
    }
}

impl DividedReducer for Records {
    type Partial = ();
    type PartReducer = Records;
    type Join = Nothing;
    type Output = ();

    fn claim(&self, part: &Part, _: TakeOver) -> Result<Claimed<Records>> {
        if self.0.borrow().contains_key(&part.number()) {
            return Ok(Claimed::Finished);
        }
        Ok(Claimed::Taken(self.clone()))
    }

    fn keep(&self, report: &PartReport, (): (), record: &mut Option<Vec<u8>>) -> Result<()> {
        self.0.borrow_mut().extend(record.take().map(|record| (report.part.number(), record)));
        Ok(())
    }

    fn join(&self, _: TakeOver) -> Result<Claimed<Nothing>> {
        Ok(Claimed::Taken(Nothing))
    }

    fn store(&self) -> Option<&dyn PartStore> {
        Some(self)
    }
}

impl PartStore for Records {
    fn target(&self) -> String {
        "the records".to_owned()
    }

    fn knows_ended(&self) -> Result<bool> {
        Ok(true)
    }

    fn finished(&self) -> Result<Vec<usize>> {
        Ok(self.0.borrow().keys().copied().collect())
    }

    fn record(&self, part: usize) -> Result<Option<Vec<u8>>> {
        Ok(self.0.borrow().get(&part).cloned())
    }

    fn discard(&self, part: usize) -> Result<()> {
        self.0.borrow_mut().remove(&part);
        Ok(())
    }

    fn taken(&self) -> Result<Vec<(usize, Holder)>> {
        Ok(Vec::new())
    }
}

type Arrays = Vec<ArrayBlock>;
type BoxReducer = fn() -> BoxedDivisibleReducer<'static, Arrays>;

fn boxed<S>(statistic: S) -> BoxedDivisibleReducer<'static, Arrays>
where
    S: SaveState<Output: NamedArrays, State: 'static> + 'static,
{
    BoxedDivisibleReducer::new(statistic, |output| output.arrays())
}

/// Computes each part in a plan of its own, the last part first, and finishes in one more plan.
fn of_parts<S: PlannedSequence, R: DivisibleReducer>(
    sequence: &S,
    n_parts: usize,
    reducer: impl Fn() -> R,
) -> Result<R::Output> {
    let records = Records::default();
    let plan = || Plan::of(sequence, (reducer(), records.clone())).with_parts(n_parts).create();
    for number in (0..plan()?.parts().len()).rev() {
        let plan = plan()?;
        let outcome = plan.run(&plan.parts()[number])?;
        assert!(matches!(outcome, PartOutcome::Finished(_)), "{outcome:?}");
    }
    plan()?.finish().map(|(output, ())| output)
}

fn flat() -> LazyChunkSequence<'static, ArrayBlock, lazy_core::Indexed> {
    let n_columns: usize = COLUMNS.iter().sum();
    LazyChunkSequence::from_fn(ROWS, rows).with_row_type(DType::Float32, [n_columns, 2])
}

#[test]
fn boxed_statistics_have_the_bits_of_the_statistics() {
    let nested = NestedLazyChunkSequence::from_fn(ROWS, COLUMNS, nested_block)
        .with_row_type(DType::Float32, [COLUMNS.iter().sum(), 2]);
    macro_rules! check {
        ($($statistic:expr),+) => {
            let all: Vec<BoxReducer> = vec![$(|| boxed($statistic)),+];
            for n_parts in 1..=ROWS.len() {
                let expected = vec![
                    $(of_parts(&flat(), n_parts, || $statistic).unwrap().arrays()),+
                ];
                let boxes = || all.iter().map(|reducer| reducer()).collect::<Vec<_>>();
                assert_eq!(of_parts(&flat(), n_parts, boxes).unwrap(), expected, "{n_parts}");
                let limited = || MemoryLimit::new(1 << 20, boxes());
                assert_eq!(of_parts(&flat(), n_parts, limited).unwrap(), expected, "{n_parts}");
                let expected = vec![
                    $(of_parts(&nested, n_parts, || $statistic).unwrap().arrays()),+
                ];
                assert_eq!(of_parts(&nested, n_parts, boxes).unwrap(), expected, "{n_parts}");
            }
            // Without a plan, it is an ordinary boxed reducer.
            let expected = vec![$(flat().compute($statistic).unwrap().arrays()),+];
            let boxes: Vec<_> = all.iter().map(|reducer| reducer()).collect();
            assert_eq!(flat().compute(boxes).unwrap(), expected);
        };
    }
    check!(
        Sum,
        MeanVariance,
        MeanVariance.per_column(),
        ArgMax.per_row(),
        TopK::new(3),
        Quantiles::new([0.25, 0.5]),
        Histogram::new([-2.0, 0.0, 2.0])
    );
}

#[test]
fn a_plan_of_boxes_is_the_plan_of_the_reducers() {
    let names = |reducer: &dyn Fn(&mut Vec<String>)| {
        let mut names = Vec::new();
        reducer(&mut names);
        names
    };
    let unboxed = (TopK::new(3), Records::default());
    let expected = names(&|names| unboxed.describe(names));
    let box_of = || BoxedDivisibleReducer::new((TopK::new(3), Records::default()), |_| ());
    assert_eq!(names(&|names| box_of().describe(names)), expected);
    assert_eq!(box_of().part_rows(flat().spec()).unwrap(), Some(2));
    let limited = MemoryLimit::new(1 << 20, box_of());
    assert_eq!(names(&|names| limited.describe(names)), expected);
    assert_eq!(limited.part_rows(flat().spec()).unwrap(), Some(2));
    // The place where workers meet is that of the boxed sink.
    let plan = Plan::of(&flat(), limited).create().unwrap().status().unwrap();
    assert!(!plan.is_complete() && !plan.is_published());
}

#[test]
fn a_boxed_plan_is_finished_again() {
    let sequence = flat();
    let counted = BoxedDivisibleReducer::new(MeanVariance, |moments| moments.count);
    let plan = Plan::of(&sequence, (counted, Records::default())).create().unwrap();
    for part in plan.parts() {
        plan.run(part).unwrap();
    }
    assert_eq!((plan.finish().unwrap().0, plan.finish().unwrap().0), (48, 48));
}

#[test]
fn a_result_of_another_reducer_counts_as_damaged() {
    let sequence = flat();
    let records = Records::default();
    let plan = |reducer| Plan::of(&sequence, (reducer, records.clone())).create().unwrap();
    let sums = plan(boxed(Sum));
    for part in sums.parts() {
        sums.run(part).unwrap();
    }
    let error = plan(boxed(TopK::new(3))).finish().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unfinished);
    assert_eq!(error.to_string(), "cannot finish the records: 1 of 3 parts is not finished: 0");
    // The part is to be computed again.
    assert_eq!(records.finished().unwrap(), [1, 2]);
}

#[test]
fn a_limit_holds_for_each_part() {
    // The matrix of 8 columns.
    let sequence = LazyChunkSequence::from_fn([2, 2], |_| {
        ArrayBlock::from_array(ndarray::Array2::<f32>::zeros((2, 8)))
    })
    .with_row_type(DType::Float32, [8]);
    let limited = |bytes| of_parts(&sequence, 2, || MemoryLimit::new(bytes, Covariance));
    let error = limited(100).unwrap_err();
    assert_eq!(error.memory().unwrap().limit, Some(100));
    limited(1 << 20).unwrap();
}

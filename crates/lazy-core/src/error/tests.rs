//! Tests of kinds, fields and causes.

use std::error::Error as StdError;
use std::{fmt, io};

use super::*;
use crate::{ArrayBlock, BlockIndex, Casting, DType, LazyChunkSequence};

const AT: BlockIndex = BlockIndex::Block(3);

/// Returns an error for each case.
fn all() -> Vec<Error> {
    let (band, unit, reference) = (3, "blocks", Reference::FirstBlock);
    let statistic = || "the sum".to_owned();
    let on_fire = || io::Error::other("the disk is on fire");
    let shape = || vec![2, 3];
    let dtype = DType::Float32;
    let (expected, actual) = (DType::Float64, DType::Float32);
    let mut errors = vec![
        Error::from(Case::Producer { at: AT, source: on_fire().into() }),
        Case::ProducerPanicked { at: AT, message: "oh".to_owned() }.into(),
        Case::Conversion { at: AT, source: Error::other(on_fire()) }.into(),
        Case::Conversion { at: AT, source: Error::dtype_mismatch(expected, actual) }.into(),
        Case::TooFewBlocks { unit, declared: 3, actual: 2 }.into(),
        Case::TooManyBlocks { unit, declared: 3 }.into(),
        Error::empty_sequence(),
        Case::EmptyBand { band }.into(),
        Case::TooFewAxes { at: AT, expected: 3, actual: shape() }.into(),
        Case::TrailingShape {
            at: AT,
            first_axis: 1,
            expected: vec![4],
            actual: shape(),
            reference,
        }
        .into(),
        Case::BlockDType { at: AT, expected, actual, reference }.into(),
        Case::BlockPlace { at: AT, expected: [1, 0], actual: [2, 0] }.into(),
        Case::BandHeight { at: AT, expected: 1, actual: 2 }.into(),
        Case::BandWidth { band, expected: 1, actual: 2, at_least: true, reference }.into(),
        Case::GridMismatch { at: AT, expected: vec![1], actual: shape() }.into(),
        Case::RowTypeMismatch { row_shape: vec![], what: "the grid".to_owned() }.into(),
        Case::Structure { operation: "zip sequences", problem: "one is longer".to_owned() }.into(),
        Case::Assembly { at: AT, source: Error::dtype_mismatch(expected, actual) }.into(),
        Case::Unjoinable { axis: 1, index: 2, expected: vec![2, 4], actual: shape() }.into(),
        Case::InvalidData { shape: shape(), dtype, expected: Some(24), actual: 23 }.into(),
        Case::InvalidBool { index: 1, value: 2 }.into(),
        Error::dtype_mismatch(expected, actual),
        Case::Cast { from: actual, to: expected, needed: Casting::Unsafe }.into(),
        Case::RankMismatch { expected: 1, shape: shape() }.into(),
        Error::unsupported_dtype(statistic(), dtype, "bool"),
        Case::MappedShape { at: AT, original: vec![1, 3], actual: shape(), cut_axes: "the rows" }
            .into(),
        Error::statistic(statistic(), "needs an element"),
        Case::StatisticMemory(MemoryShortage {
            statistic: statistic(),
            states: 1,
            bytes: 5000,
            taken: 0,
            limit: Some(4000),
        })
        .into(),
        Case::ArrayMemory { shape: shape(), dtype }.into(),
        Case::IndexOverflow { at: AT, axis: 0 }.into(),
        Case::StateMismatch { expected: statistic(), actual: "the mean".to_owned() }.into(),
        Case::StateDamaged { statistic: statistic() }.into(),
        Case::StateUnreadable { statistic: statistic() }.into(),
        Case::StateVersion { expected: 2, actual: 1 }.into(),
        Case::WorkerIndex { index: 64, count: 64 }.into(),
        Case::WorkerText { subject: "a worker", words: "`off`", actual: "x".to_owned() }.into(),
        Case::WorkerVariable { name: "PMI_RANK", value: "x".to_owned() }.into(),
        Case::WorkerVariables { variables: "PMI_RANK=4, PMI_SIZE=4".to_owned(), problem: "no" }
            .into(),
        Case::WorkerConflict { first: "worker 1 of 2".to_owned(), second: "worker 3".to_owned() }
            .into(),
        Case::NoShare { target: "a.zarr".to_owned() }.into(),
        Case::PlanWithoutRowType.into(),
        Case::PlanWithoutSink.into(),
        Error::part_taken_over("a.zarr"),
        Error::plan_taken_over("a.zarr"),
        Error::parts_missing("a.zarr", 9, vec![1, 3, 4, 5]),
        Case::BeingFinished { target: "a.zarr".to_owned(), holder: "process 7".to_owned() }.into(),
        Case::PartRecord { part: 3, problem: "no".to_owned() }.into(),
        Case::PlanChanged { target: "a.zarr".to_owned() }.into(),
        Case::Cancelled { blocks: 2, kept: Vec::new() }.into(),
        Error::other(on_fire()),
    ];
    let reduced: Vec<_> = errors.iter().map(copy_in_reduction).collect();
    errors.extend(reduced.into_iter().flatten());
    errors
}

/// Returns what a pass makes of an error of a reducer, if it adds the block.
fn copy_in_reduction(error: &Error) -> Option<Error> {
    let source = match error.case() {
        Case::InvalidBool { index, value } => {
            Case::InvalidBool { index: *index, value: *value }.into()
        }
        Case::DTypeMismatch { expected, actual } => Error::dtype_mismatch(*expected, *actual),
        Case::RankMismatch { expected, shape } => {
            Case::RankMismatch { expected: *expected, shape: shape.clone() }.into()
        }
        Case::Statistic { statistic, problem } => Error::statistic(statistic, problem),
        Case::StatisticMemory(shortage) => Case::StatisticMemory(shortage.clone()).into(),
        _ => return None,
    };
    Some(source.in_reduction(AT))
}

#[test]
fn an_error_is_one_pointer() {
    assert_eq!(size_of::<Error>(), size_of::<usize>());
    assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
}

#[test]
fn each_kind_has_a_case() {
    use ErrorKind as K;
    let kinds = [
        K::Producer,
        K::ProducerPanicked,
        K::Conversion,
        K::BlockCount,
        K::Shape,
        K::DType,
        K::UnsupportedDType,
        K::Empty,
        K::InvalidSpec,
        K::InvalidData,
        K::Statistic,
        K::Memory,
        K::SavedState,
        K::Unfinished,
        K::Workers,
        K::Cancelled,
        K::Other,
    ];
    for kind in kinds {
        assert!(all().iter().any(|error| error.kind() == kind), "{kind:?}");
    }
}

#[test]
fn messages_are_clauses_that_name_the_block() {
    for error in all() {
        let (said, message) = (report(&error), error.to_string());
        assert!(!message.starts_with(char::is_uppercase) && !message.ends_with('.'), "{message}");
        assert!(error.block().is_none_or(|at| message.contains(&at.to_string())), "{message}");
        assert!(error.dtype().is_none_or(|dtype| said.contains(&dtype.to_string())), "{said}");
        let expected = error.expected_dtype();
        assert!(expected.is_none_or(|dtype| said.contains(&dtype.to_string())), "{said}");
        assert!(error.shape().is_none_or(|shape| said.contains(&format!("{shape:?}"))), "{said}");
        assert!(error.memory().is_none_or(|shortage| said.ends_with(&shortage.to_string())));
        assert!(error.hint().is_none_or(|hint| !said.contains(&*hint)), "{said}");
        assert_eq!(error.is_cancelled(), error.kind() == ErrorKind::Cancelled);
        assert_eq!(error.blocks_done().is_some(), error.is_cancelled());
        assert_eq!(format!("{error:?}"), said);
        assert!(format!("{error:#?}").contains(&format!("kind: {:?}", error.kind())));
    }
}

#[test]
fn a_message_and_its_cause_differ() {
    for error in all() {
        let said = report(&error);
        let mut cause: &dyn StdError = &error;
        while let Some(next) = cause.source() {
            assert!(!cause.to_string().contains(&next.to_string()), "{said}");
            cause = next;
        }
    }
}

/// An error of another crate.
#[derive(Debug, PartialEq)]
struct Dull(u32);

impl fmt::Display for Dull {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "dull {}", self.0)
    }
}

impl StdError for Dull {}

#[test]
fn an_error_of_another_crate_is_returned_by_downcast() {
    let producer = LazyChunkSequence::<ArrayBlock>::try_new(|| [Err(Dull(1))]);
    let conversion = Case::Conversion { at: AT, source: Error::other(Dull(1)) };
    let make: [&dyn Fn() -> Error; 4] = [
        &|| producer.collect().unwrap_err(),
        &|| Error::other(Dull(1)),
        &|| Case::Conversion { at: AT, source: Error::other(Dull(1)) }.into(),
        &|| Case::Reduction { at: AT, source: Error::other(Dull(1)) }.into(),
    ];
    assert_eq!(Error::from(conversion).kind(), ErrorKind::Conversion);
    for make in make {
        assert_eq!(make().get_ref().unwrap().to_string(), "dull 1");
        assert_eq!(*make().downcast::<Dull>().unwrap(), Dull(1));
        // An error of another type is unchanged.
        let error = make().downcast::<io::Error>().unwrap_err();
        assert_eq!((error.kind(), report(&error)), (make().kind(), report(&make())));
    }
    for error in all() {
        let has_foreign_cause = error.get_ref().is_some();
        assert_eq!(error.downcast::<io::Error>().is_ok(), has_foreign_cause);
    }
}

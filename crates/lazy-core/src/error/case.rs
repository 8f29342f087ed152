//! The precise cases of the error, with their messages and hints.

use std::ops::Range;

use super::{Error, KeptChunks, MemoryShortage, Reference};
use crate::{BlockIndex, BoxError, Casting, DType};

/// A case of an [`Error`]. Every case that concerns a block names it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Case {
    /// The producer returned an error.
    #[error("the producer failed at {at}")]
    Producer {
        /// The block, or the band if the producer did not return its iterator.
        at: BlockIndex,
        /// The error that the producer returned.
        source: BoxError,
    },
    /// The producer panicked.
    #[error("the producer panicked at {at}: {message}")]
    ProducerPanicked {
        /// The block, or the band if the producer did not return its iterator.
        at: BlockIndex,
        /// The panic's message.
        message: String,
    },
    /// A converter rejected a block.
    #[error("{at} could not be converted")]
    Conversion {
        /// The block.
        at: BlockIndex,
        /// The reason.
        source: Error,
    },
    /// The sequence has fewer blocks along axis 0 than declared.
    #[error("the sequence ended after {actual} {unit}, but {declared} were declared")]
    TooFewBlocks {
        /// `blocks`, or `bands` in a nested sequence.
        unit: &'static str,
        /// The declared number.
        declared: usize,
        /// The actual number.
        actual: usize,
    },
    /// The sequence has more blocks along axis 0 than declared.
    #[error("the sequence has more {unit} than the {declared} declared")]
    TooManyBlocks {
        /// `blocks`, or `bands` in a nested sequence.
        unit: &'static str,
        /// The declared number.
        declared: usize,
    },
    /// The sequence has no blocks and no declared row type, so its shape and dtype are unknown.
    #[error("the sequence has no blocks, so its shape and dtype are unknown")]
    EmptySequence,
    /// A band has no blocks, so its number of rows is unknown.
    #[error("band {band} has no blocks; every band needs at least one block")]
    EmptyBand {
        /// The band.
        band: usize,
    },
    /// A block has fewer axes than the sequence is cut along.
    #[error("{at} has shape {actual:?}, but a block of this sequence needs at least {expected} {}",
        if *.expected == 1 { "axis" } else { "axes" })]
    TooFewAxes {
        /// The block.
        at: BlockIndex,
        /// The minimum number of axes.
        expected: usize,
        /// The block's shape.
        actual: Vec<usize>,
    },
    /// The sizes of a block's uncut axes differ from those declared or seen first.
    #[error(
        "{at} has shape {actual:?}, but its sizes from axis {first_axis} on must be {expected:?}, \
         {reference}"
    )]
    TrailingShape {
        /// The block.
        at: BlockIndex,
        /// The first axis that is not cut.
        first_axis: usize,
        /// The expected sizes of the axes from `first_axis` on.
        expected: Vec<usize>,
        /// The whole shape of the block.
        actual: Vec<usize>,
        /// The origin of the expectation.
        reference: Reference,
    },
    /// The dtype of a block differs from the one declared or seen first.
    #[error("{at} has dtype {actual}, but it must be {expected}, {reference}")]
    BlockDType {
        /// The block.
        at: BlockIndex,
        /// The expected dtype.
        expected: DType,
        /// The dtype of the block.
        actual: DType,
        /// The origin of the expectation.
        reference: Reference,
    },
    /// A block does not start where the blocks before it end. Another reducer, in front of the one
    /// that returns this error, has changed blocks without changing their positions.
    #[error(
        "{at} starts at row {} and column {}, but the blocks before it end at row {} and column \
         {}",
        actual[0], actual[1], expected[0], expected[1]
    )]
    BlockPlace {
        /// The block.
        at: BlockIndex,
        /// The row and the column at which the block must start.
        expected: [usize; 2],
        /// The row and the column of the position that the reducer received.
        actual: [usize; 2],
    },
    /// The blocks of one band differ in height.
    #[error("{at} has {actual} rows, but the first block of its band has {expected}")]
    BandHeight {
        /// The block.
        at: BlockIndex,
        /// The number of rows of the band's first block.
        expected: usize,
        /// The number of rows of the block.
        actual: usize,
    },
    /// The total width of a band differs from the one declared or seen first.
    #[error(
        "band {band} has {}{actual} column{}, but it must have {expected}, {reference}",
        if *.at_least { "at least " } else { "" },
        if *.actual == 1 { "" } else { "s" }
    )]
    BandWidth {
        /// The band.
        band: usize,
        /// The expected number of columns.
        expected: usize,
        /// The number of columns of the band, or of its blocks so far.
        actual: usize,
        /// True if the rest of the band was not evaluated, so the band may have more columns.
        at_least: bool,
        /// The origin of the expectation.
        reference: Reference,
    },
    /// The sizes of a block along the cut axes differ from the declared grid.
    #[error("{at} has shape {actual:?}, but it must have {}, as declared", extent(.expected))]
    GridMismatch {
        /// The block.
        at: BlockIndex,
        /// The sizes along the cut axes that the grid declares.
        expected: Vec<usize>,
        /// The shape of the block.
        actual: Vec<usize>,
    },
    /// A block that is made of parts of other blocks cannot be made.
    #[error("{at} could not be assembled")]
    Assembly {
        /// The block.
        at: BlockIndex,
        /// The reason.
        source: Error,
    },
    /// Parts of one block do not fit together.
    #[error(
        "part {index} has shape {actual:?}, but part 0 has {expected:?}; they may differ only along \
         axis {axis}"
    )]
    Unjoinable {
        /// The axis along which the parts are joined.
        axis: usize,
        /// The number of the part.
        index: usize,
        /// The shape of the first part.
        expected: Vec<usize>,
        /// The shape of this part.
        actual: Vec<usize>,
    },
    /// Sequences do not fit together, or a sequence does not have the part that was requested.
    #[error("cannot {operation}: {problem}")]
    Structure {
        /// The operation: the beginning of the message.
        operation: &'static str,
        /// The end of the message.
        problem: String,
    },
    /// The declared row type contradicts the declared grid or has too few axes.
    #[error("the declared row shape {row_shape:?} does not match {what}")]
    RowTypeMismatch {
        /// The declared shape of one row.
        row_shape: Vec<usize>,
        /// The declaration that it contradicts: the end of the message.
        what: String,
    },
    /// The number of bytes does not match the shape and the dtype.
    #[error(
        "{actual} bytes are not an array of shape {shape:?} and dtype {dtype}{}",
        expected_bytes(.expected)
    )]
    InvalidData {
        /// The shape.
        shape: Vec<usize>,
        /// The dtype.
        dtype: DType,
        /// The number of bytes that the shape and the dtype require; `None` if it overflows.
        expected: Option<usize>,
        /// The actual number of bytes.
        actual: usize,
    },
    /// A byte of a bool array is neither 0 nor 1.
    #[error("byte {index} of a bool array is {value}, but it must be 0 or 1")]
    InvalidBool {
        /// The index of the byte in C order.
        index: usize,
        /// The value of the byte.
        value: u8,
    },
    /// An array has another dtype than requested. Arrays are never cast.
    #[error("expected dtype {expected}, but the array has dtype {actual}; arrays are not cast")]
    DTypeMismatch {
        /// The requested dtype.
        expected: DType,
        /// The dtype of the array.
        actual: DType,
    },
    /// A cast may change values, and the setting does not allow that.
    #[error("a cast of {from} to {to} may change values")]
    Cast {
        /// The dtype of the array.
        from: DType,
        /// The requested dtype.
        to: DType,
        /// The setting that allows the cast.
        needed: Casting,
    },
    /// An array has another number of axes than requested.
    #[error(
        "expected {expected} {}, but the array has shape {shape:?}",
        if *.expected == 1 { "axis" } else { "axes" }
    )]
    RankMismatch {
        /// The requested number of axes.
        expected: usize,
        /// The shape of the array.
        shape: Vec<usize>,
    },
    /// A statistic or a converter does not support a dtype.
    #[error("{taker} cannot handle dtype {dtype}, only {supported}")]
    UnsupportedDType {
        /// The statistic or converter: the beginning of the message.
        taker: String,
        /// The dtype.
        dtype: DType,
        /// The supported dtypes: the end of the message, such as `float32 and float64`.
        supported: &'static str,
    },
    /// The function in front of a reducer changed the size of a block along a cut axis.
    #[error(
        "{at} has shape {original:?}, and the function in front of the reducer returned a block \
         of shape {actual:?}, but it must keep {cut_axes}"
    )]
    MappedShape {
        /// The block.
        at: BlockIndex,
        /// The shape of the block.
        original: Vec<usize>,
        /// The shape of the block that the function returned.
        actual: Vec<usize>,
        /// The end of the message: `the number of rows`, for instance.
        cut_axes: &'static str,
    },
    /// A reducer rejected a block.
    #[error("{at} could not be reduced")]
    Reduction {
        /// The block.
        at: BlockIndex,
        /// The reason.
        source: Error,
    },
    /// The configuration of a statistic is invalid, or the statistic is undefined for the data.
    #[error("{statistic}: {problem}")]
    Statistic {
        /// The name of the statistic.
        statistic: String,
        /// The problem: the end of the message.
        problem: String,
    },
    /// The states of a statistic would take more memory than the limit allows.
    #[error("{0}")]
    StatisticMemory(MemoryShortage),
    /// There is not enough memory for an array.
    #[error("not enough memory for an array of shape {shape:?} and dtype {dtype}")]
    ArrayMemory {
        /// The shape of the array.
        shape: Vec<usize>,
        /// The dtype of the array.
        dtype: DType,
    },
    /// A block extends past the largest index.
    #[error("{at} extends past index {} of axis {axis}", usize::MAX)]
    IndexOverflow {
        /// The block.
        at: BlockIndex,
        /// The axis.
        axis: usize,
    },
    /// A state was saved by a different statistic than the one that loads it.
    #[error("cannot load a state of `{actual}` into `{expected}`")]
    StateMismatch {
        /// The statistic that loads the state.
        expected: String,
        /// The statistic that saved the state.
        actual: String,
    },
    /// A saved state is corrupt.
    #[error("the state of `{statistic}` is corrupt: its parts are inconsistent")]
    StateDamaged {
        /// The statistic that saved the state.
        statistic: String,
    },
    /// The stored bytes of a state cannot be decoded.
    #[error("the state of `{statistic}` is corrupt: its bytes cannot be decoded")]
    StateUnreadable {
        /// The statistic that saved the state.
        statistic: String,
    },
    /// A state was saved by a version of this library that has a different format of states.
    #[error(
        "cannot load a state of format version {actual}; this library reads format version {expected}"
    )]
    StateVersion {
        /// The version that this library reads.
        expected: u32,
        /// The version of the state.
        actual: u32,
    },
    /// The index of a worker is not less than the number of workers.
    #[error(
        "the index of a worker must be less than the number of workers, got {index} of {count}"
    )]
    WorkerIndex {
        /// The index, from 0.
        index: usize,
        /// The number of workers.
        count: usize,
    },
    /// A text does not name a worker.
    #[error(
        "{subject} must be {words} or an index from 0 and a count, such as `3/64`, got `{actual}`"
    )]
    WorkerText {
        /// The item that has the text: the beginning of the message.
        subject: &'static str,
        /// The words that the text may consist of.
        words: &'static str,
        /// The text.
        actual: String,
    },
    /// An environment variable that names a worker is not a number.
    #[error("the environment variable {name} must be a whole number, got `{value}`")]
    WorkerVariable {
        /// The name of the variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// Environment variables that together name a worker are inconsistent.
    #[error("the environment names no worker with {variables}: {problem}")]
    WorkerVariables {
        /// The variables with their values.
        variables: String,
        /// The problem: the end of the message.
        problem: &'static str,
    },
    /// Environment variables of two engines name different workers.
    #[error("the environment names different workers: {first} and {second}")]
    WorkerConflict {
        /// The first worker, with the variables that name it.
        first: String,
        /// The second worker, with the variables that name it.
        second: String,
    },
    /// An observer asked to stop.
    #[error(
        "the evaluation was cancelled after {}{}",
        blocks_in_words(*blocks),
        kept_in_words(kept)
    )]
    Cancelled {
        /// The number of blocks that were evaluated before.
        blocks: usize,
        /// The chunks that sinks have stored, which a later write can resume from.
        kept: Vec<KeptChunks>,
    },
    /// A plan needs a declared grid and row type.
    #[error("cannot plan the parts of a sequence that declares no row type")]
    PlanWithoutRowType,
    /// A plan needs a sink that keeps it.
    #[error("cannot plan a pass without a sink, because a sink keeps the plan")]
    PlanWithoutSink,
    /// Another worker has taken over a part.
    #[error("another worker has taken over a part of {target}")]
    PartTakenOver {
        /// The target of a sink.
        target: String,
    },
    /// Another worker has taken over a plan, to finish it.
    #[error("another worker has taken over the plan of {target}, to finish it")]
    PlanTakenOver {
        /// The target of a sink.
        target: String,
    },
    /// Parts of a plan are not finished.
    #[error(
        "cannot finish {target}: {} of {n_parts} parts {} not finished: {}",
        missing.len(),
        if missing.len() == 1 { "is" } else { "are" },
        runs(missing)
    )]
    PartsMissing {
        /// The target of the first sink.
        target: String,
        /// The number of parts of the plan.
        n_parts: usize,
        /// The numbers of the parts.
        missing: Vec<usize>,
    },
    /// Each worker needs a share of its own, but the share of this one is unknown.
    #[error(
        "the file system of {target} cannot tell which workers have ended, so each worker computes \
         its own parts alone, but the parts of this worker are unknown"
    )]
    NoShare {
        /// The target of the first sink.
        target: String,
    },
    /// Another worker publishes the array of a plan.
    #[error("cannot finish {target}: {holder} is finishing it")]
    BeingFinished {
        /// The target of the first sink.
        target: String,
        /// The process.
        holder: String,
    },
    /// The result of a part could not be written.
    #[error("the result of part {part} cannot be stored: {problem}")]
    PartRecord {
        /// The number of the part.
        part: usize,
        /// The reason.
        problem: String,
    },
    /// The target of a plan changed while its results were computed again.
    #[error("{target} was changed while its results were computed again")]
    PlanChanged {
        /// The target of the first sink.
        target: String,
    },
    /// An error of an aggregator, a reducer or a sink outside this crate, returned unchanged.
    #[error(transparent)]
    Other(BoxError),
}

impl Case {
    /// Returns the remedy, if the case has one of its own.
    pub(super) fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Case::EmptySequence => {
                "declare the dtype and the row shape with `with_row_type` to get an empty array"
            }
            Case::Cast { needed: Casting::Unsafe, .. } => "allow it with `Casting::Unsafe`",
            Case::Cast { .. } => "allow it with `Casting::SameKind`",
            Case::StateMismatch { .. } => {
                "load it with the statistic and the settings that saved it"
            }
            Case::StateDamaged { .. } | Case::StateUnreadable { .. } => "compute the state again",
            Case::StateVersion { .. } => "compute all states with the same version of the library",
            Case::StatisticMemory(MemoryShortage { limit: Some(_), .. }) => {
                "raise the limit with `with_memory_limit`, or compute fewer statistics"
            }
            Case::TooFewBlocks { .. } | Case::TooManyBlocks { .. } => {
                "correct the declared number or the producer"
            }
            Case::WorkerVariable { .. }
            | Case::WorkerVariables { .. }
            | Case::WorkerConflict { .. }
            | Case::NoShare { .. } => {
                "set `LAZY_WORKER`, which decides alone: `3/64` for worker 3 of 64, counted from \
                 0, or `off` for a single worker"
            }
            Case::Cancelled { kept, .. } if !kept.is_empty() => {
                "run the same program again to resume the write"
            }
            Case::PlanWithoutRowType => "declare it with `with_row_type`",
            Case::PlanWithoutSink => "merge the saved states of parts with `SaveState`",
            Case::PartsMissing { .. } => "start workers again; they compute these parts",
            Case::BeingFinished { .. } => "wait until it has ended",
            _ => return None,
        })
    }
}

fn blocks_in_words(n_blocks: usize) -> String {
    format!("{n_blocks} block{}", if n_blocks == 1 { "" } else { "s" })
}

fn kept_in_words(kept: &[KeptChunks]) -> String {
    kept.iter().map(|kept| format!("; {kept}")).collect()
}

/// Returns the sizes that a grid declares along the cut axes, as text.
fn extent(sizes: &[usize]) -> String {
    let units = [["row", "rows"], ["column", "columns"]];
    let parts = sizes.iter().zip(units).map(|(n, [one, many])| {
        let unit = if *n == 1 { one } else { many };
        format!("{n} {unit}")
    });
    parts.collect::<Vec<_>>().join(" and ")
}

fn expected_bytes(expected: &Option<usize>) -> String {
    match expected {
        Some(bytes) => format!(", which has {bytes} bytes"),
        None => ", which is larger than the address space".to_owned(),
    }
}

/// Writes numbers as runs: `0, 3-7, 9`.
fn runs(numbers: &[usize]) -> String {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some(run) if run.end == number => run.end += 1,
            _ => runs.push(number..number + 1),
        }
    }
    const MOST: usize = 20;
    let mut words: Vec<_> = runs
        .iter()
        .take(MOST)
        .map(|run| match run.len() {
            1 => run.start.to_string(),
            _ => format!("{}-{}", run.start, run.end - 1),
        })
        .collect();
    if runs.len() > MOST {
        words.push("…".to_owned());
    }
    words.join(", ")
}

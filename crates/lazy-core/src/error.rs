//! The crate's error.

use std::borrow::Cow;
use std::error::Error as StdError;

use crate::reduce::short_name;
use crate::{DType, Location};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of any type, as producers, aggregators and sinks report it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why a sequence could not be evaluated or aggregated.
///
/// Every variant that concerns a block names it; the first error ends the evaluation and is the
/// only one reported.
///
/// The message says what happened, and leaves the cause to [`source`](std::error::Error::source):
/// [`report`] is both. What to do about it is told by [`hint`](Self::hint), and is no part of a message.
///
/// # Example
///
/// ```
/// use lazy_core::{Concatenate, Error, Location, NestedLazyChunkSequence};
/// use ndarray::Array2;
///
/// // The second band has blocks of 3 and of 2 rows.
/// let sequence = NestedLazyChunkSequence::new(|| {
///     [[(3, 4), (3, 1)], [(3, 4), (2, 1)]].map(|band| band.map(Array2::<f32>::zeros))
/// });
/// let error = sequence.compute(Concatenate).unwrap_err();
/// assert_eq!(error.to_string(), "block (1, 1) has 2 rows, but the first block of its band has 3");
/// assert!(matches!(error, Error::BandHeight { at: Location::NestedBlock(1, 1), actual: 2, .. }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The producer returned an error.
    #[error("the producer failed at {at}")]
    Producer {
        /// The block, or the band when its iterator could not be had.
        at: Location,
        /// What the producer returned.
        source: BoxError,
    },
    /// The producer panicked.
    #[error("the producer panicked at {at}: {message}")]
    ProducerPanicked {
        /// The block, or the band when its iterator could not be had.
        at: Location,
        /// The panic's message.
        message: String,
    },
    /// A converter refused a block.
    #[error("{at} could not be converted")]
    Conversion {
        /// The block.
        at: Location,
        /// Why it was refused.
        source: Box<Error>,
    },
    /// There are fewer blocks along axis 0 than declared.
    #[error("the sequence ended after {actual} {unit}, but {declared} were declared")]
    TooFewBlocks {
        /// `blocks`, or `bands` in a nested sequence.
        unit: &'static str,
        /// How many were declared.
        declared: usize,
        /// How many there were.
        actual: usize,
    },
    /// There are more blocks along axis 0 than declared.
    #[error("the sequence goes on after the {declared} {unit} that were declared")]
    TooManyBlocks {
        /// `blocks`, or `bands` in a nested sequence.
        unit: &'static str,
        /// How many were declared.
        declared: usize,
    },
    /// There is no block, and nothing tells the shape and the dtype.
    #[error("the sequence has no blocks, so its shape and dtype are unknown")]
    EmptySequence,
    /// A band has no block, so its number of rows is unknown.
    #[error("band {band} has no blocks; every band holds all columns in at least one block")]
    EmptyBand {
        /// The band.
        band: usize,
    },
    /// A block has fewer axes than the sequence is cut along.
    #[error("{at} has shape {actual:?}, but a block of this sequence has at least {expected} axes")]
    TooFewAxes {
        /// The block.
        at: Location,
        /// The least number of axes.
        expected: usize,
        /// The block's shape.
        actual: Vec<usize>,
    },
    /// A block's axes behind the cut ones differ from what was declared or seen first.
    #[error(
        "{at} has shape {actual:?}, but its axes from {first_axis} on must be {expected:?} \
         {reference}"
    )]
    TrailingShape {
        /// The block.
        at: Location,
        /// The first axis that is not cut.
        first_axis: usize,
        /// The sizes that these axes must have.
        expected: Vec<usize>,
        /// The block's whole shape.
        actual: Vec<usize>,
        /// Where the expectation comes from.
        reference: Reference,
    },
    /// A block's dtype differs from what was declared or seen first.
    #[error("{at} has dtype {actual}, but it must be {expected} {reference}")]
    BlockDType {
        /// The block.
        at: Location,
        /// The dtype that it must have.
        expected: DType,
        /// The dtype that it has.
        actual: DType,
        /// Where the expectation comes from.
        reference: Reference,
    },
    /// A reducer was handed a block that does not lie where the blocks before it end: another reducer in front of
    /// it has changed blocks, but not their positions.
    #[error(
        "{at} is said to begin at row {} and column {}, but the blocks before it end at row {} and column {}",
        actual[0], actual[1], expected[0], expected[1]
    )]
    BlockPlace {
        /// The block.
        at: Location,
        /// The row and the column at which it must begin.
        expected: [usize; 2],
        /// Those at which it is said to begin.
        actual: [usize; 2],
    },
    /// The blocks of one band differ in height.
    #[error("{at} has {actual} rows, but the first block of its band has {expected}")]
    BandHeight {
        /// The block.
        at: Location,
        /// The rows of the band's first block.
        expected: usize,
        /// The block's rows.
        actual: usize,
    },
    /// The blocks of a band have another total width than declared or seen first.
    #[error(
        "band {band} has {}{actual} columns in all, but it must have {expected} {reference}",
        if *.at_least { "at least " } else { "" }
    )]
    BandWidth {
        /// The band.
        band: usize,
        /// The columns that it must have.
        expected: usize,
        /// The columns that it has.
        actual: usize,
        /// Whether the band was left before its end, so that it may have more columns.
        at_least: bool,
        /// Where the expectation comes from.
        reference: Reference,
    },
    /// A block's size along the cut axes differs from the declared grid.
    #[error(
        "{at} has shape {actual:?}, but the grid declares sizes {expected:?} for its first axes"
    )]
    GridMismatch {
        /// The block.
        at: Location,
        /// The sizes along the cut axes that the grid declares.
        expected: Vec<usize>,
        /// The block's shape.
        actual: Vec<usize>,
    },
    /// The declared row type contradicts the declared grid, or has too few axes.
    #[error("the declared row shape {row_shape:?} does not fit {what}")]
    RowTypeMismatch {
        /// The declared shape of one row.
        row_shape: Vec<usize>,
        /// What it does not fit.
        what: String,
    },
    /// Bytes do not make an array of the shape and dtype given with them.
    #[error("{actual} bytes are not an array of shape {shape:?} and dtype {dtype}{}", expected_bytes(.expected))]
    InvalidData {
        /// The shape given.
        shape: Vec<usize>,
        /// The dtype given.
        dtype: DType,
        /// The bytes that the shape and the dtype ask for; none when they overflow.
        expected: Option<usize>,
        /// The bytes given.
        actual: usize,
    },
    /// A byte of a boolean array is neither 0 nor 1.
    #[error("byte {index} of a bool array is {value}; only 0 and 1 are booleans")]
    InvalidBool {
        /// The byte's index in C order.
        index: usize,
        /// The byte.
        value: u8,
    },
    /// An array was asked for as another dtype than it has; nothing is cast.
    #[error("an array of dtype {actual} was asked for as {expected}; nothing is cast")]
    DTypeMismatch {
        /// The dtype asked for.
        expected: DType,
        /// The dtype of the array.
        actual: DType,
    },
    /// An array was asked for with another number of axes than it has.
    #[error("an array of shape {shape:?} was asked for with {expected} axes")]
    RankMismatch {
        /// The number of axes asked for.
        expected: usize,
        /// The shape of the array.
        shape: Vec<usize>,
    },
    /// A dtype cannot be taken. Statistics and converters of one's own return it as well.
    #[error("{taker} cannot take dtype {dtype}; {supported}")]
    UnsupportedDType {
        /// What cannot take it: the beginning of the message.
        taker: String,
        /// The dtype.
        dtype: DType,
        /// What could be taken instead: a clause that follows a semicolon, such as `it takes float32`.
        supported: &'static str,
    },
    /// A reducer refused a block.
    #[error("{at} could not be reduced")]
    Reduction {
        /// The block.
        at: Location,
        /// Why it was refused.
        source: Box<Error>,
    },
    /// A statistic is configured in a way that makes no sense, or has no value for the data. Statistics
    /// of one's own return it as well.
    #[error("{statistic}: {problem}")]
    Statistic {
        /// The statistic.
        statistic: String,
        /// What is wrong.
        problem: String,
    },
    /// The states of a statistic would take more memory than there may be; see
    /// [`with_memory_limit`](crate::LazyChunkSequence::with_memory_limit).
    #[error(
        "{statistic} needs {} for {states} state{}, but {}",
        HumanBytes(*.bytes), if *.states == 1 { "" } else { "s" }, memory_limit(*.limit, *.taken)
    )]
    StatisticMemory {
        /// The statistic.
        statistic: String,
        /// The number of states: one for each row or column, of what is accumulated and of each block in flight.
        states: u128,
        /// The bytes that all of them take at least.
        bytes: u128,
        /// The bytes that have been taken of the limit, by other statistics or for other states.
        taken: u128,
        /// The limit in bytes; `None` if the allocation failed.
        limit: Option<u64>,
    },
    /// Memory cannot hold an array.
    #[error("memory cannot hold an array of shape {shape:?} and dtype {dtype}")]
    ArrayMemory {
        /// The shape of the array.
        shape: Vec<usize>,
        /// The dtype of the array.
        dtype: DType,
    },
    /// A block reaches beyond the largest index.
    #[error("{at} reaches beyond index {} of axis {axis}", usize::MAX)]
    IndexOverflow {
        /// The block.
        at: Location,
        /// The axis.
        axis: usize,
    },
    /// A state was saved by another statistic than the one that is to go on with it.
    #[error("cannot load a state of `{actual}` into `{expected}`")]
    StateMismatch {
        /// The statistic that was to go on.
        expected: String,
        /// The statistic whose state it is.
        actual: String,
    },
    /// A saved state is not what was saved.
    #[error("a state of `{statistic}` is damaged: its parts do not fit together")]
    StateDamaged {
        /// The statistic whose state it is.
        statistic: String,
    },
    /// A state was saved by a version of this library that keeps other states.
    #[error("a state of version {actual} cannot be read, but one of version {expected} can")]
    StateVersion {
        /// The version of states here.
        expected: u32,
        /// The version of the state.
        actual: u32,
    },
    /// An [`Observer`](crate::Observer) asked to stop.
    #[error("the evaluation was stopped by its observer after {blocks} blocks")]
    Cancelled {
        /// The blocks before.
        blocks: usize,
    },
    /// An error of an aggregator, a reducer or a sink outside this crate, handed on as it is.
    #[error(transparent)]
    Other(#[from] BoxError),
}

impl Error {
    /// Returns what can be done about the error, if that is known: a clause for programmers, which may name
    /// functions and types of the library. Where the error has none, that of its cause counts.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{Concatenate, LazyChunkSequence, report};
    /// use ndarray::Array1;
    ///
    /// let error = LazyChunkSequence::new(Vec::<Array1<f32>>::new).compute(Concatenate).unwrap_err();
    /// assert_eq!(report(&error), "the sequence has no blocks, so its shape and dtype are unknown");
    /// assert_eq!(
    ///     error.hint().as_deref(),
    ///     Some("declare them with `with_row_type` to get an empty array")
    /// );
    /// ```
    #[must_use]
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        let hint = match self {
            Error::EmptySequence => "declare them with `with_row_type` to get an empty array",
            Error::StateMismatch { .. } => "merge states of equal statistics",
            Error::StateDamaged { .. } => "compute the state again",
            Error::StateVersion { .. } => "make all states with one version of the library",
            Error::Conversion { source, .. } | Error::Reduction { source, .. } => {
                return source.hint();
            }
            Error::Producer { source, .. } | Error::Other(source) => {
                return causes(&**source).find_map(|cause| cause.downcast_ref::<Error>())?.hint();
            }
            _ => return None,
        };
        Some(hint.into())
    }

    /// Wraps an error of an aggregator's or a reducer's own.
    pub fn other(error: impl Into<BoxError>) -> Error {
        Error::Other(error.into())
    }

    /// This error of what a statistic makes use of, with the statistic's own name.
    pub(crate) fn of_statistic(self, name: String) -> Error {
        match self {
            Error::Statistic { problem, .. } => {
                Error::Statistic { statistic: short_name(name), problem }
            }
            error => error,
        }
    }

    /// This error of a reducer, with the block that it was handed, where it does not name one itself.
    pub(crate) fn in_reduction(self, at: Location) -> Error {
        match self {
            Error::InvalidData { .. }
            | Error::InvalidBool { .. }
            | Error::DTypeMismatch { .. }
            | Error::RankMismatch { .. }
            | Error::UnsupportedDType { .. }
            | Error::Statistic { .. }
            | Error::StatisticMemory { .. }
            | Error::ArrayMemory { .. } => Error::Reduction { at, source: Box::new(self) },
            error => error,
        }
    }
}

/// Returns what an error says, and after it, each after a colon, what its causes say.
///
/// Errors say what happened, and not why: that is said by their [`source`](std::error::Error::source). A
/// program that prints an error by itself prints this. (`anyhow` and others that print whole chains do
/// the same by themselves.)
///
/// # Example
///
/// ```
/// use lazy_core::{LazyChunkSequence, MeanVariance, NdarrayConverter, report};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::try_new(|| [Ok(array![1.0, 2.0]), Err("the device is gone")])
///     .convert(NdarrayConverter);
/// let error = sequence.compute(MeanVariance).unwrap_err();
/// assert_eq!(error.to_string(), "the producer failed at block 1");
/// assert_eq!(report(&error), "the producer failed at block 1: the device is gone");
/// ```
#[must_use]
pub fn report(error: &dyn StdError) -> String {
    let mut said = error.to_string();
    for cause in error.source().into_iter().flat_map(causes) {
        said.push_str(&format!(": {cause}"));
    }
    said
}

/// An error, its cause, the cause of that, and so on.
fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// Where the expectation that a block disappoints comes from.
///
/// # Example
///
/// It tells which side to look at:
///
/// ```
/// use lazy_core::{Concatenate, DType, Error, LazyChunkSequence, NdarrayConverter, Reference};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![1.0_f32]])
///     .convert(NdarrayConverter)
///     .with_row_type(DType::Float64, []);
/// let error = sequence.compute(Concatenate).unwrap_err();
/// assert_eq!(error.to_string(), "block 0 has dtype float32, but it must be float64 as declared");
///
/// let advice = match error {
///     Error::BlockDType { reference: Reference::Declared, .. } => "see to `with_row_type`",
///     Error::BlockDType { .. } => "see to the producer",
///     _ => "see the message",
/// };
/// assert_eq!(advice, "see to `with_row_type`");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reference {
    /// The sequence's declaration.
    Declared,
    /// The first block.
    FirstBlock,
    /// The first band.
    FirstBand,
}

impl std::fmt::Display for Reference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Reference::Declared => "as declared",
            Reference::FirstBlock => "like the first block's",
            Reference::FirstBand => "like the first band",
        })
    }
}

fn expected_bytes(expected: &Option<usize>) -> String {
    match expected {
        Some(bytes) => format!(", which has {bytes} bytes"),
        None => ", which is larger than memory can be".to_owned(),
    }
}

/// Prints bytes in binary units: `31.2 GiB`.
struct HumanBytes(u128);

impl std::fmt::Display for HumanBytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(formatter, "{} bytes", self.0);
        }
        if self.0 >= 1 << 70 {
            return formatter.write_str("more than 1024 EiB");
        }
        let mut number = self.0 as f64 / 1024.0;
        let mut units = UNITS.into_iter();
        let mut unit = units.next().unwrap_or_default();
        // What rounds to 1024.0 has the next unit.
        while number >= 1023.95
            && let Some(next) = units.next()
        {
            (number, unit) = (number / 1024.0, next);
        }
        let number = format!("{number:.1}");
        write!(formatter, "{} {unit}", number.trim_end_matches(".0"))
    }
}

fn memory_limit(limit: Option<u64>, taken: u128) -> String {
    match (limit, taken) {
        (None, _) => "memory cannot hold them".to_owned(),
        (Some(limit), 0) => format!("the limit is {}", HumanBytes(limit.into())),
        (Some(limit), taken) => format!(
            "the limit is {}, of which {} are taken",
            HumanBytes(limit.into()),
            HumanBytes(taken)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_unit_that_fits() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1 MiB"),
            (8 << 30, "8 GiB"),
            (33_501_000_000, "31.2 GiB"),
            ((1 << 70) - (1 << 60), "1023 EiB"),
            (1 << 70, "more than 1024 EiB"),
        ] {
            assert_eq!(HumanBytes(bytes).to_string(), expected);
        }
    }
}

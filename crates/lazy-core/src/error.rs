//! The error type of the crate.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use crate::dtype::DType;
use crate::grid::BlockIndex;

/// The result of the functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of any type, as producers, aggregators and sinks return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error in the evaluation or aggregation of a sequence.
///
/// Every variant that concerns a block names it. The first error ends the evaluation and is the
/// only one that is reported.
///
/// The message says what happened. The cause is the [`source`](std::error::Error::source), and
/// [`report`] prints both. Messages give no advice; [`hint`](Self::hint) does.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Concatenate, Error, BlockIndex, NestedLazyChunkSequence};
/// use ndarray::Array2;
///
/// // The second band has blocks of 3 and of 2 rows.
/// let sequence = NestedLazyChunkSequence::new(|| {
///     [[(3, 4), (3, 1)], [(3, 4), (2, 1)]].map(|band| band.map(Array2::<f32>::zeros))
/// });
/// let error = sequence.compute(Concatenate).unwrap_err();
/// assert_eq!(error.to_string(), "block (1, 1) has 2 rows, but the first block of its band has 3");
/// assert!(matches!(
///     error,
///     Error::BandHeight { at: BlockIndex::NestedBlock(1, 1), actual: 2, .. }
/// ));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
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
        source: Box<Error>,
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
    #[error("{at} has shape {actual:?}, but a block of this sequence has at least {expected} axes")]
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
        "{at} has shape {actual:?}, but its axes from {first_axis} on must be {expected:?} \
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
    #[error("{at} has dtype {actual}, but it must be {expected} {reference}")]
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
        "band {band} has {}{actual} columns in all, but it must have {expected} {reference}",
        if *.at_least { "at least " } else { "" }
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
    #[error(
        "{at} has shape {actual:?}, but the grid declares sizes {expected:?} for its first axes"
    )]
    GridMismatch {
        /// The block.
        at: BlockIndex,
        /// The sizes along the cut axes that the grid declares.
        expected: Vec<usize>,
        /// The shape of the block.
        actual: Vec<usize>,
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
    #[error("byte {index} of a bool array is {value}; only 0 and 1 are booleans")]
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
    /// A statistic or a converter does not support a dtype. Your own statistics and converters can
    /// return it, too.
    #[error("{taker} cannot handle dtype {dtype}; {supported}")]
    UnsupportedDType {
        /// The statistic or converter: the beginning of the message.
        taker: String,
        /// The dtype.
        dtype: DType,
        /// The supported dtypes: a clause that follows a semicolon, such as `it supports float32`.
        supported: &'static str,
    },
    /// A reducer rejected a block.
    #[error("{at} could not be reduced")]
    Reduction {
        /// The block.
        at: BlockIndex,
        /// The reason.
        source: Box<Error>,
    },
    /// The configuration of a statistic is invalid, or the statistic is undefined for the data.
    /// Your own statistics can return it, too.
    #[error("{statistic}: {problem}")]
    Statistic {
        /// The name of the statistic.
        statistic: String,
        /// The problem: the end of the message.
        problem: String,
    },
    /// The states of a statistic would take more memory than the limit allows; see
    /// [`with_memory_limit`](crate::LazyChunkSequence::with_memory_limit).
    #[error(
        "{statistic} needs {} for {states} state{}, but {}",
        HumanBytes(*.bytes), if *.states == 1 { "" } else { "s" }, memory_limit(*.limit, *.taken)
    )]
    StatisticMemory {
        /// The name of the statistic.
        statistic: String,
        /// The number of states. A statistic per row or per column has one for each; accumulated
        /// states and those of blocks in flight both count.
        states: u128,
        /// A lower bound of the bytes that all of these states take.
        bytes: u128,
        /// The bytes of the limit that other statistics or other states have already taken.
        taken: u128,
        /// The limit in bytes; `None` if the allocation failed.
        limit: Option<u64>,
    },
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
    /// A state was saved by a version of this library that has a different format of states.
    #[error("cannot load a state of version {actual}; this library reads version {expected}")]
    StateVersion {
        /// The version that this library reads.
        expected: u32,
        /// The version of the state.
        actual: u32,
    },
    /// An [`Observer`](crate::Observer) asked to stop.
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
    /// An error of an aggregator, a reducer or a sink outside this crate, returned unchanged.
    #[error(transparent)]
    Other(#[from] BoxError),
}

impl Error {
    /// Returns advice about the error, if there is any: a clause for programmers, which may name
    /// functions and types of the library. An error without advice of its own returns the hint of
    /// its cause.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{Concatenate, LazyChunkSequence, report};
    /// use ndarray::Array1;
    ///
    /// let sequence = LazyChunkSequence::new(Vec::<Array1<f32>>::new);
    /// let error = sequence.compute(Concatenate).unwrap_err();
    /// assert_eq!(
    ///     report(&error),
    ///     "the sequence has no blocks, so its shape and dtype are unknown"
    /// );
    /// assert_eq!(
    ///     error.hint().as_deref(),
    ///     Some("declare them with `with_row_type` to get an empty array")
    /// );
    /// ```
    #[must_use]
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        let hint = match self {
            Error::EmptySequence => "declare them with `with_row_type` to get an empty array",
            Error::StateMismatch { .. } => "merge only states of equal statistics",
            Error::StateDamaged { .. } => "compute the state again",
            Error::StateVersion { .. } => "compute all states with the same version of the library",
            Error::Cancelled { kept, .. } if !kept.is_empty() => {
                "run the same program again to resume the write"
            }
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

    /// Wraps an error of your own aggregator or reducer.
    pub fn other(error: impl Into<BoxError>) -> Error {
        Error::Other(error.into())
    }

    /// Replaces the name in an error of an inner statistic with the name of the outer statistic.
    pub(crate) fn of_statistic(self, name: String) -> Error {
        match self {
            Error::Statistic { problem, .. } => {
                Error::Statistic { statistic: short_name(name), problem }
            }
            error => error,
        }
    }

    /// Adds the block to an error of a reducer that does not name one.
    pub(crate) fn in_reduction(self, at: BlockIndex) -> Error {
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

/// Shortens the name of a statistic for a message. A name that lists many numbers keeps its
/// beginning and its end.
pub(crate) fn short_name(name: String) -> String {
    const LONGEST: usize = 160;
    const END: usize = 60;
    let n_letters = name.chars().count();
    if n_letters <= LONGEST {
        return name;
    }
    let beginning: String = name.chars().take(LONGEST - END).collect();
    let end: String = name.chars().skip(n_letters - END).collect();
    format!("{beginning} … {end}")
}

/// The chunks that a cancelled write has stored, which a later write resumes from.
///
/// [`Error::Cancelled`] lists them.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Error, KeptChunks};
///
/// let kept = KeptChunks {
///     target: "factors.zarr".to_owned(),
///     directory: "factors.zarr/.lazy.0".to_owned(),
///     chunks: 12,
/// };
/// assert_eq!(
///     Error::Cancelled { blocks: 24, kept: vec![kept] }.to_string(),
///     "the evaluation was cancelled after 24 blocks; 12 chunks of factors.zarr are kept \
///      (factors.zarr/.lazy.0)"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptChunks {
    /// The target of the write, as the caller named it.
    pub target: String,
    /// The directory that records the unfinished write.
    pub directory: String,
    /// The number of complete chunks or shards.
    pub chunks: u64,
}

impl fmt::Display for KeptChunks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KeptChunks { target, directory, chunks } = self;
        let (s, are) = if *chunks == 1 { ("", "is") } else { ("s", "are") };
        write!(formatter, "{chunks} chunk{s} of {target} {are} kept ({directory})")
    }
}

fn blocks_in_words(n_blocks: usize) -> String {
    format!("{n_blocks} block{}", if n_blocks == 1 { "" } else { "s" })
}

fn kept_in_words(kept: &[KeptChunks]) -> String {
    kept.iter().map(|kept| format!("; {kept}")).collect()
}

/// Returns the message of an error, followed by the messages of its causes, separated by colons.
///
/// The message of an error does not include its cause, which is its
/// [`source`](std::error::Error::source). Print errors with this function unless your error library
/// prints whole chains, as `anyhow` does.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter, report};
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

/// Yields an error, its cause, the cause of the cause, and so on.
fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The origin of an expectation that a block does not meet.
///
/// # Example
///
/// It tells whether to change the declaration or the producer:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Concatenate, DType, Error, LazyChunkSequence, NdarrayConverter, Reference};
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
    /// The declaration of the sequence.
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
        None => ", which is larger than the address space".to_owned(),
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
        // A number that rounds to 1024.0 gets the next unit.
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
        (None, _) => "there is not enough memory".to_owned(),
        (Some(limit), 0) => format!("the limit is {}", HumanBytes(limit.into())),
        (Some(limit), taken) => format!(
            "the limit is {} and {} are in use",
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

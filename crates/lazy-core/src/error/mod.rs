//! The error type of the crate.
//!
//! [`Error`] is opaque. It holds the precise cases, which [`case`] defines with their messages.

mod case;
mod fields;
mod kind;
mod memory;
mod report;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

pub(crate) use case::Case;
pub use kind::ErrorKind;
pub use memory::MemoryShortage;
use report::causes;
pub use report::report;

use crate::dtype::DType;
use crate::grid::BlockIndex;

/// The result of the functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of any type, as producers, aggregators and sinks return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// An error in the evaluation or aggregation of a sequence.
///
/// [`kind`](Self::kind) returns the category that a program matches on. Other methods return the
/// block, the dtypes, the shape or the memory concerned, if the error has them. The first error
/// ends the evaluation and is the only one that is reported.
///
/// The message says what happened and names the block. The cause is the
/// [`source`](std::error::Error::source), and [`report()`] and `{:?}` print both. Messages give no
/// advice; [`hint`](Self::hint) does.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{BlockIndex, Concatenate, ErrorKind, NestedLazyChunkSequence};
/// use ndarray::Array2;
///
/// // The second band has blocks of 3 and of 2 rows.
/// let sequence = NestedLazyChunkSequence::new(|| {
///     [[(3, 4), (3, 1)], [(3, 4), (2, 1)]].map(|band| band.map(Array2::<f32>::zeros))
/// });
/// let error = sequence.compute(Concatenate).unwrap_err();
/// assert_eq!(error.to_string(), "block (1, 1) has 2 rows, but the first block of its band has 3");
/// assert_eq!(error.kind(), ErrorKind::Shape);
/// assert_eq!(error.block(), Some(BlockIndex::NestedBlock(1, 1)));
/// ```
pub struct Error(Box<Case>);

impl Error {
    /// Creates an error of the kind [`ErrorKind::Other`] from an error of your own aggregator,
    /// reducer or sink, or from a message.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use std::io;
    /// use lazy_chunks::{Error, ErrorKind};
    ///
    /// let error = Error::other(io::Error::other("the socket is closed"));
    /// assert_eq!(error.kind(), ErrorKind::Other);
    /// assert_eq!(error.to_string(), "the socket is closed");
    /// assert!(error.downcast::<io::Error>().is_ok());
    /// ```
    pub fn other(error: impl Into<BoxError>) -> Error {
        Case::Other(error.into()).into()
    }

    /// Creates an error of the kind [`ErrorKind::Statistic`]: the configuration of your statistic
    /// is invalid, or the statistic is undefined for the data. `problem` ends the message.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::Error;
    ///
    /// let error = Error::statistic("the median", "needs at least one element");
    /// assert_eq!(error.to_string(), "the median: needs at least one element");
    /// ```
    pub fn statistic(name: impl Into<String>, problem: impl Into<String>) -> Error {
        Case::Statistic { statistic: short_name(name.into()), problem: problem.into() }.into()
    }

    /// Creates an error of the kind [`ErrorKind::UnsupportedDType`], for your own statistics and
    /// converters. `taker` begins the message, and `supported` ends it.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{DType, Error};
    ///
    /// let error = Error::unsupported_dtype("the median", DType::Complex64, "floats");
    /// assert_eq!(error.to_string(), "the median cannot handle dtype complex64, only floats");
    /// ```
    pub fn unsupported_dtype(
        taker: impl Into<String>,
        dtype: DType,
        supported: &'static str,
    ) -> Error {
        Case::UnsupportedDType { taker: short_name(taker.into()), dtype, supported }.into()
    }

    /// Creates an error of the kind [`ErrorKind::DType`]: an array has another dtype than your code
    /// requires.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{DType, Error};
    ///
    /// let error = Error::dtype_mismatch(DType::Float32, DType::Float64);
    /// assert_eq!(
    ///     error.to_string(),
    ///     "expected dtype float32, but the array has dtype float64; arrays are not cast"
    /// );
    /// ```
    #[must_use]
    pub fn dtype_mismatch(expected: DType, actual: DType) -> Error {
        Case::DTypeMismatch { expected, actual }.into()
    }

    /// Creates an error of the kind [`ErrorKind::Empty`], for your own aggregators and sinks: there
    /// were no blocks, and no row type is declared.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::Error;
    ///
    /// assert_eq!(
    ///     Error::empty_sequence().to_string(),
    ///     "the sequence has no blocks, so its shape and dtype are unknown"
    /// );
    /// ```
    #[must_use]
    pub fn empty_sequence() -> Error {
        Case::EmptySequence.into()
    }

    /// Adds the chunks that your sink has stored to the error of a cancelled pass. Any other error
    /// is returned unchanged.
    ///
    /// See [`KeptChunks`] for an example.
    #[must_use]
    pub fn with_kept(mut self, chunks: KeptChunks) -> Error {
        if let Case::Cancelled { kept, .. } = &mut *self.0 {
            kept.push(chunks);
        }
        self
    }

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
    ///     Some("declare the dtype and the row shape with `with_row_type` to get an empty array")
    /// );
    /// ```
    #[must_use]
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        match &*self.0 {
            Case::Conversion { source, .. }
            | Case::Reduction { source, .. }
            | Case::Assembly { source, .. } => source.hint(),
            Case::Producer { source, .. } | Case::Other(source) => {
                causes(&**source).find_map(|cause| cause.downcast_ref::<Error>())?.hint()
            }
            case => case.hint().map(Cow::Borrowed),
        }
    }

    /// Returns the case of an error of this crate.
    pub(crate) fn case(&self) -> &Case {
        &self.0
    }

    /// Returns the case of an error of this crate.
    pub(crate) fn into_case(self) -> Case {
        *self.0
    }

    /// Replaces the name in an error of an inner statistic with the name of the outer statistic.
    pub(crate) fn of_statistic(self, name: String) -> Error {
        match *self.0 {
            Case::Statistic { problem, .. } => Error::statistic(name, problem),
            case => case.into(),
        }
    }

    /// Returns the error of parts that a sink cannot finish, because what it has stored of them is
    /// damaged. The plan discards their records, so that workers compute them again.
    pub fn parts_missing(target: impl Into<String>, n_parts: usize, missing: Vec<usize>) -> Error {
        Case::PartsMissing { target: target.into(), n_parts, missing }.into()
    }

    /// Returns the error of a worker that stores a part which another worker has taken over. A plan
    /// goes on with other parts.
    pub fn part_taken_over(target: impl Into<String>) -> Error {
        Case::PartTakenOver { target: target.into() }.into()
    }

    /// Returns the error of a worker that finishes a plan which another worker has taken over. The
    /// worker looks again if the other one finishes the plan, or has finished it.
    pub fn plan_taken_over(target: impl Into<String>) -> Error {
        Case::PlanTakenOver { target: target.into() }.into()
    }

    /// Returns the parts that are missing, if that is the error.
    pub(crate) fn missing_parts(&self) -> Option<&[usize]> {
        match &*self.0 {
            Case::PartsMissing { missing, .. } => Some(missing),
            _ => None,
        }
    }

    pub(crate) fn is_part_taken_over(&self) -> bool {
        matches!(&*self.0, Case::PartTakenOver { .. })
    }

    pub(crate) fn is_plan_taken_over(&self) -> bool {
        matches!(&*self.0, Case::PlanTakenOver { .. })
    }

    /// Returns the error of a sequence of which the blocks are those behind the first `n_bands`
    /// bands.
    pub(crate) fn behind(mut self, n_bands: usize) -> Error {
        if let Some(at) = self.0.block_mut() {
            *at = at.behind(n_bands);
        }
        match &mut *self.0 {
            Case::EmptyBand { band } | Case::BandWidth { band, .. } => *band += n_bands,
            _ => {}
        }
        self
    }

    /// Adds the block to an error of a reducer that does not name one.
    pub(crate) fn in_reduction(self, at: BlockIndex) -> Error {
        match &*self.0 {
            Case::InvalidData { .. }
            | Case::InvalidBool { .. }
            | Case::DTypeMismatch { .. }
            | Case::RankMismatch { .. }
            | Case::UnsupportedDType { .. }
            | Case::Statistic { .. }
            | Case::StatisticMemory { .. }
            | Case::ArrayMemory { .. } => Case::Reduction { at, source: self }.into(),
            _ => self,
        }
    }
}

impl From<Case> for Error {
    fn from(case: Case) -> Error {
        Error(Box::new(case))
    }
}

/// Wraps the error of an aggregator, a reducer or a sink, as [`Error::other`] does.
impl From<BoxError> for Error {
    fn from(error: BoxError) -> Error {
        Error::other(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Prints the message and the messages of all causes, as `fn main() -> Result<(), Error>` shows
/// them. `{:#?}` prints the fields.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if formatter.alternate() {
            let mut fields = formatter.debug_struct("Error");
            fields.field("kind", &self.kind()).field("case", &self.0).finish()
        } else {
            formatter.write_str(&report(self))
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
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
/// [`Error::kept`] lists them.
///
/// # Example
///
/// A sink that keeps what it has stored adds it to the error of the pass:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use std::sync::atomic::AtomicBool;
/// use lazy_chunks::{KeptChunks, LazyChunkSequence};
/// use ndarray::Array1;
///
/// let cancel = AtomicBool::new(true);
/// let sequence = LazyChunkSequence::new(|| [Array1::<f32>::zeros(3)]).with_observer(&cancel);
/// let error = sequence.collect().unwrap_err().with_kept(KeptChunks {
///     target: "factors.zarr".to_owned(),
///     directory: "factors.zarr/.lazy.0".to_owned(),
///     chunks: 12,
/// });
/// assert_eq!(
///     error.to_string(),
///     "the evaluation was cancelled after 0 blocks; 12 chunks of factors.zarr are kept \
///      (recorded in factors.zarr/.lazy.0)"
/// );
/// assert_eq!(error.kept()[0].chunks, 12);
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
        write!(formatter, "{chunks} chunk{s} of {target} {are} kept (recorded in {directory})")
    }
}

/// The origin of an expectation that a block does not meet.
///
/// # Example
///
/// It tells whether to change the declaration or the producer:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Concatenate, DType, LazyChunkSequence, NdarrayConverter, Reference};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![1.0_f32]])
///     .convert(NdarrayConverter)
///     .with_row_type(DType::Float64, []);
/// let error = sequence.compute(Concatenate).unwrap_err();
/// assert_eq!(error.to_string(), "block 0 has dtype float32, but it must be float64, as declared");
///
/// let advice = match error.reference() {
///     Some(Reference::Declared) => "correct the row type or the producer",
///     Some(_) => "correct the producer",
///     None => "read the message",
/// };
/// assert_eq!(advice, "correct the row type or the producer");
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
    /// The rows that were stored earlier, which the blocks are appended to.
    EarlierRows,
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Reference::Declared => "as declared",
            Reference::FirstBlock => "as in the first block",
            Reference::FirstBand => "as in the first band",
            Reference::EarlierRows => "as in the rows of the array",
        })
    }
}

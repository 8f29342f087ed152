//! The kinds of errors.

/// A category of [`Error`](crate::Error), by what a caller can do about it.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Error, ErrorKind, LazyChunkSequence, NdarrayConverter, Sum};
/// use ndarray::Array1;
///
/// /// Returns true if the same program may succeed when it runs again.
/// fn is_temporary(error: &Error) -> bool {
///     matches!(error.kind(), ErrorKind::Producer | ErrorKind::Memory | ErrorKind::Cancelled)
/// }
///
/// let blocks = || [Ok(Array1::<f32>::zeros(3)), Err("the device is gone")];
/// let sequence = LazyChunkSequence::try_new(blocks).convert(NdarrayConverter);
/// assert!(is_temporary(&sequence.compute(Sum).unwrap_err()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The producer returned an error.
    Producer,
    /// The producer panicked.
    ProducerPanicked,
    /// A converter rejected a block.
    Conversion,
    /// The sequence has more or fewer blocks, or bands, than declared.
    BlockCount,
    /// The shape or the position of a block does not match the declaration or the other blocks, or
    /// an array has another number of axes than requested.
    Shape,
    /// The dtype of a block or of an array differs from the declared one, the first block's or the
    /// requested one. Nothing is cast.
    DType,
    /// A statistic or a converter does not support the dtype.
    UnsupportedDType,
    /// The sequence has no blocks and no declared row type, so its shape and dtype are unknown.
    Empty,
    /// The declared row type contradicts the declared grid or has too few axes; or sequences do not
    /// fit together, or do not have the part that was requested.
    InvalidSpec,
    /// The bytes of an array do not match its shape and dtype.
    InvalidData,
    /// The configuration of a statistic is invalid, or the statistic is undefined for the data.
    Statistic,
    /// There is not enough memory for an array or for the states of a statistic, or less than the
    /// limit allows. [`memory`](crate::Error::memory) returns the sizes.
    Memory,
    /// A saved state of a statistic is corrupt, or belongs to another statistic or to another
    /// version of this library.
    SavedState,
    /// Parts of a [`Plan`](crate::Plan) are not finished, or another worker is finishing it.
    Unfinished,
    /// The worker of this process is unknown or contradictory: a text or an environment variable
    /// is malformed, engines name different workers, or an index is not less than the number of
    /// workers.
    Workers,
    /// An [`Observer`](crate::Observer) cancelled the pass. [`kept`](crate::Error::kept) lists what
    /// a later write resumes from.
    Cancelled,
    /// An error of an aggregator, a reducer or a sink outside this crate.
    /// [`downcast`](crate::Error::downcast) returns it.
    Other,
}

//! The error type of the crate.
//!
//! [`Error`] is opaque. It holds the precise cases, one module for each theme. A module defines the
//! cases of its theme with their messages, fields and hints.

mod access;
mod convert;
#[cfg(any(test, feature = "conformance"))]
pub(crate) mod examples;
mod fields;
mod kind;
mod read;
mod reason;
mod resume;
mod setting;
mod target;
#[cfg(test)]
mod tests;
mod write;

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use lazy_core::{BoxError, report};
use zarrs::array::CodecError;

pub(crate) use access::AccessError;
use access::hint_of_store;
use fields::Facts;
pub use kind::ErrorKind;
pub(crate) use read::ReadError;
pub(crate) use resume::ResumeError;
pub(crate) use setting::SettingError;
pub(crate) use target::TargetError;
pub(crate) use write::{THIS_PROCESS, WriteError};

/// The result of the functions of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error in storing or reading an array.
///
/// [`kind`](Self::kind) returns the category that a program matches on. Other methods return the
/// target, the file, the chunk or the setting concerned, if the error has one.
///
/// The message says what happened. The cause is the [`source`](std::error::Error::source), and
/// [`lazy_core::report`] and `{:?}` print both. Messages give no advice; [`hint`](Self::hint) does.
///
/// # Example
///
/// A pass with several reducers returns [`lazy_core::Error`]. [`From`] turns it back into the error
/// of the sink:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter, report};
/// use lazy_chunks::zarr::{Error, ErrorKind, ToZarr, ZarrSink};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// let sequence = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
/// sequence.to_zarr(&path)?;
///
/// let error = sequence.compute((MeanVariance, ZarrSink::new(&path))).unwrap_err();
/// let error = Error::from(error);
/// match error.kind() {
///     ErrorKind::Exists => assert_eq!(error.target(), path.to_str()),
///     ErrorKind::Sequence => println!("a block is wrong: {}", report(&error)),
///     _ => println!("the array could not be stored: {}", report(&error)),
/// }
///
/// let error = sequence.to_zarr("ftp://host/values.zarr").unwrap_err();
/// assert_eq!(error.to_string(), "the scheme ftp of ftp://host/values.zarr is not supported");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Error(Box<Repr>);

/// The precise cases.
#[derive(Debug, thiserror::Error)]
enum Repr {
    #[error(transparent)]
    Sequence(lazy_core::Error),
    #[error(transparent)]
    Access(AccessError),
    #[error(transparent)]
    Target(TargetError),
    #[error(transparent)]
    Write(WriteError),
    #[error(transparent)]
    Resume(ResumeError),
    #[error(transparent)]
    Setting(SettingError),
    #[error(transparent)]
    Read(ReadError),
}

/// The remedy if a store refuses access.
const CREDENTIALS: &str = "set credentials in the environment, such as AWS_ACCESS_KEY_ID and \
                           AWS_SECRET_ACCESS_KEY, or with `Target::with_store_options`; for a \
                           public bucket, set the option `skip_signature` to true";

impl Error {
    /// Returns the category of the error.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_zarr::{ErrorKind, StoredArray};
    ///
    /// let error = StoredArray::open("/no/such/array.zarr").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.facts().kind
    }

    /// Returns the remedy, if one is known: a clause for programmers, which may name functions and
    /// types of the library.
    ///
    /// If the error has no remedy, this returns the remedy for its cause.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// # use lazy_chunks::LazyChunkSequence;
    /// use lazy_chunks::zarr::{Existing, ToZarr, ZarrSink};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// # let block = lazy_chunks::ArrayBlock::from_vec([2], vec![1, 2])?;
    /// # let sequence = LazyChunkSequence::new(move || [block.clone()]);
    /// sequence.to_zarr(&path)?;
    ///
    /// let error = sequence.to_zarr(&path).unwrap_err();
    /// assert_eq!(error.to_string(), format!("{} already exists", path.display()));
    /// assert_eq!(
    ///     error.hint().as_deref(),
    ///     Some("choose another target, or overwrite this one with `Existing::Replace`")
    /// );
    /// sequence.to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        let hint = match &*self.0 {
            Repr::Sequence(error) => {
                return match Error::find(error) {
                    Some(cause) => cause.hint(),
                    None => error.hint(),
                };
            }
            Repr::Access(_) => hint_of_store(self),
            Repr::Target(error) => error.hint(),
            Repr::Write(error) => error.hint(),
            Repr::Resume(error) => Some(error.hint()),
            Repr::Setting(error) => error.hint(),
            Repr::Read(error) => error.hint().or_else(|| hint_of_store(self)),
        };
        hint.map(Cow::Borrowed)
    }

    fn facts(&self) -> Facts<'_> {
        match &*self.0 {
            Repr::Sequence(error) => {
                Facts { sequence: Some(error), ..Facts::of(ErrorKind::Sequence) }
            }
            Repr::Access(error) => error.facts(),
            Repr::Target(error) => error.facts(),
            Repr::Write(error) => error.facts(),
            Repr::Resume(error) => error.facts(),
            Repr::Setting(error) => error.facts(),
            Repr::Read(error) => error.facts(),
        }
    }

    /// Returns true if the record of an unfinished write is invalid.
    pub(crate) fn is_of_record(&self) -> bool {
        matches!(&*self.0, Repr::Resume(ResumeError::InvalidRecord { .. }))
    }

    /// Returns true if another process has taken over the staging directory of the write.
    pub(crate) fn is_taken_over(&self) -> bool {
        matches!(&*self.0, Repr::Write(WriteError::TakenOver { .. }))
    }

    /// Returns true if it is not certain that the process that holds a lock is running.
    pub(crate) fn is_of_maybe_locked(&self) -> bool {
        let write = matches!(&*self.0, Repr::Write(WriteError::MaybeLocked { .. }));
        write || matches!(&*self.0, Repr::Write(WriteError::MaybeClaimed { .. }))
    }

    /// Returns true if the array was replaced or removed after it was opened.
    pub(crate) fn is_of_other_version(&self) -> bool {
        matches!(&*self.0, Repr::Target(TargetError::Replaced { .. } | TargetError::Removed { .. }))
    }

    /// Returns true if a file system or a store could not be examined.
    pub(crate) fn is_of_access(&self) -> bool {
        matches!(&*self.0, Repr::Access(AccessError::Examine { .. } | AccessError::Store { .. }))
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

/// Converts an error of another crate into the cause of an error of this crate.
///
/// If the error prints its own cause, the cause is dropped, so that it is not printed twice.
pub(crate) fn foreign(error: impl Into<BoxError>) -> BoxError {
    let error = error.into();
    let message = error.to_string();
    let repeats = match error.downcast_ref() {
        Some(CodecError::UnexpectedChunkDecodedSize(_)) => true,
        _ => error.source().is_some_and(|cause| message.contains(&cause.to_string())),
    };
    if repeats { message.into() } else { error }
}

//! Conversions between errors, and the search for an error among the causes of another.

use std::error::Error as StdError;
use std::{io, iter};

use zarrs::storage::StorageError;

use super::{
    AccessError, Error, ErrorKind, ReadError, Repr, ResumeError, SettingError, TargetError,
    WriteError,
};
use crate::defect::DefectKind;

impl From<Repr> for Error {
    fn from(repr: Repr) -> Error {
        Error(Box::new(repr))
    }
}

impl From<AccessError> for Error {
    fn from(error: AccessError) -> Error {
        Repr::Access(error).into()
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Error {
        Repr::Target(error).into()
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Error {
        Repr::Write(error).into()
    }
}

impl From<ResumeError> for Error {
    fn from(error: ResumeError) -> Error {
        Repr::Resume(error).into()
    }
}

impl From<SettingError> for Error {
    fn from(error: SettingError) -> Error {
        Repr::Setting(error).into()
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        Repr::Read(error).into()
    }
}

/// Restores an error of this crate that a pass returned as [`lazy_core::ErrorKind::Other`]. Any
/// other error becomes an error of the kind [`ErrorKind::Sequence`].
impl From<lazy_core::Error> for Error {
    fn from(error: lazy_core::Error) -> Error {
        if error.kind() != lazy_core::ErrorKind::Other {
            return Repr::Sequence(error).into();
        }
        match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Repr::Sequence(error).into(),
        }
    }
}

/// Returns an error of the sequence unchanged. Any other error gets the kind
/// [`lazy_core::ErrorKind::Other`].
impl From<Error> for lazy_core::Error {
    fn from(error: Error) -> lazy_core::Error {
        match *error.0 {
            Repr::Sequence(error) => error,
            repr => lazy_core::Error::other(Error::from(repr)),
        }
    }
}

impl Error {
    /// Returns the first error of this crate among an error and its causes, except errors of the
    /// kind [`ErrorKind::Sequence`].
    ///
    /// For instance, it finds the error of an array that a producer reads in the error of the pass.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Sum};
    /// use lazy_chunks::zarr::{Error, ErrorKind, Existing, ToZarr, ZarrSink};
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let values = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
    /// let stored = values.to_zarr(&path)?.sequence([2])?;
    /// values.to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace))?;
    ///
    /// let error = stored.compute(Sum).unwrap_err();
    /// let cause = Error::find(&error).expect("an array could not be read");
    /// assert_eq!(cause.kind(), ErrorKind::Changed);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn find<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Error> {
        let mut found = chain(error).filter_map(|cause| cause.downcast_ref::<Error>());
        found.find(|error| error.kind() != ErrorKind::Sequence)
    }
}

/// Iterates over an error and its causes. After an error that only wraps another one, the iterator
/// continues with the wrapped error.
pub(super) fn chain<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| {
        if let Some(Error(repr)) = error.downcast_ref()
            && let Repr::Sequence(error) = &**repr
        {
            return Some(error);
        }
        if let Some(error) = error.downcast_ref::<lazy_core::Error>()
            && let Some(cause) = error.get_ref()
        {
            return Some(cause);
        }
        if let Some(DefectKind::Unreadable { source }) = error.downcast_ref() {
            return Some(&**source);
        }
        if let Some(StorageError::IOError(cause)) = error.downcast_ref() {
            return Some(&**cause);
        }
        if let Some(cause) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            return Some(cause);
        }
        error.source()
    })
}

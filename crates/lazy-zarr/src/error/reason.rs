//! Methods of the error that return its circumstances and causes.

use std::io;

use super::Error;
#[cfg(doc)]
use super::ErrorKind;
use super::convert::chain;

impl Error {
    /// Returns the process that writes the target, and its machine.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{Error, ErrorKind, ZarrSink};
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let values = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
    /// let twice = values.compute((ZarrSink::new(&path), ZarrSink::new(&path)));
    /// let error = Error::from(twice.unwrap_err());
    /// assert_eq!((error.kind(), error.holder()), (ErrorKind::InUse, Some("this process")));
    /// assert!(!error.may_be_stale());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.facts().holder
    }

    /// Returns true if the process that writes the target may have ended: it runs on another
    /// machine, which the locks of the file system do not reach.
    ///
    /// [`ZarrSink::with_take_over`](crate::ZarrSink::with_take_over) takes over from it. See
    /// [`holder`](Self::holder) for an example.
    #[must_use]
    pub fn may_be_stale(&self) -> bool {
        self.facts().may_be_stale
    }

    /// Returns the key of an unfinished write that can be resumed.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{ErrorKind, ToZarr, ZarrSink};
    /// use ndarray::Array1;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let values = LazyChunkSequence::try_from_fn([10; 3], |i| match i {
    ///     2 => Err("out of memory"),
    ///     i => Ok(Array1::from_elem(10, i as f64)),
    /// })
    /// .convert(NdarrayConverter);
    /// let sink = ZarrSink::new(&path).with_chunk_shape([10]);
    /// values.to_zarr(sink.clone().with_resume("values of model 17")).unwrap_err();
    ///
    /// let error = values.to_zarr(sink).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Unfinished);
    /// assert_eq!(error.resume_key(), Some("values of model 17"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn resume_key(&self) -> Option<&str> {
        self.facts().resume_key
    }

    /// Returns the first property in which an unfinished write differs from the write that tried to
    /// resume it, for instance `key`, `dtype` or `codecs`.
    ///
    /// An error of the kind [`ErrorKind::ResumeMismatch`] without a difference means that the
    /// record of the unfinished write is invalid.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{ErrorKind, ToZarr, ZarrSink};
    /// use ndarray::Array1;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let values = LazyChunkSequence::try_from_fn([10; 3], |i| match i {
    ///     2 => Err("out of memory"),
    ///     i => Ok(Array1::from_elem(10, i as f64)),
    /// })
    /// .convert(NdarrayConverter);
    /// let sink = ZarrSink::new(&path).with_chunk_shape([10]);
    /// values.to_zarr(sink.clone().with_resume("values of model 17")).unwrap_err();
    ///
    /// let error = values.to_zarr(sink.with_resume("values of model 18")).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ResumeMismatch);
    /// assert_eq!(error.difference(), Some("key"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn difference(&self) -> Option<&str> {
        self.facts().difference
    }

    /// Returns the name of the setting that is invalid or not supported.
    ///
    /// The names are `attribute`, `block shape`, `blosc level`, `chunk shape`, `chunk size`,
    /// `dimension names`, `existing`, `fill value`, `gzip level`, `memory limit`, `reader threads`,
    /// `resume`, `row type`, `shard shape`, `writer threads` and `zstd level`.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{Codec, ErrorKind, ToZarr, ZarrSink};
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let values = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
    /// let sink = ZarrSink::new(&path).with_codec(Codec::Gzip { level: 12 });
    /// let error = values.to_zarr(sink).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidSetting);
    /// assert_eq!(error.setting(), Some("gzip level"));
    /// assert_eq!(error.to_string(), "gzip level must be from 0 to 9, got 12");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn setting(&self) -> Option<&str> {
        self.facts().setting
    }

    /// Returns the kind of the first I/O error among the causes.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use std::io;
    ///
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{ErrorKind, ToZarr};
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let file = directory.path().join("file");
    /// std::fs::write(&file, "no directory")?;
    /// let values = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
    /// let error = values.to_zarr(file.join("values.zarr")).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Io);
    /// assert_eq!(error.io_kind(), Some(io::ErrorKind::NotADirectory));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        chain(self).find_map(|cause| cause.downcast_ref()).map(io::Error::kind)
    }

    /// Returns the error of the sequence, if the error has the kind [`ErrorKind::Sequence`].
    /// [`From`] returns it by value.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{BlockIndex, Error, LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::ToZarr;
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let values = LazyChunkSequence::try_new(|| [Ok(array![1.0]), Err("the loss is NaN")]);
    /// let error = values.convert(NdarrayConverter).to_zarr(&path).unwrap_err();
    /// let failed = BlockIndex::Block(1);
    /// assert_eq!(error.sequence().and_then(|error| error.block()), Some(failed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sequence(&self) -> Option<&lazy_core::Error> {
        self.facts().sequence
    }

    /// Returns true if an observer of the sequence cancelled the pass.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use std::ops::ControlFlow;
    /// use std::sync::Arc;
    ///
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Progress};
    /// use lazy_chunks::zarr::ToZarr;
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let values = LazyChunkSequence::new(|| [array![1.0], array![2.0]])
    ///     .convert(NdarrayConverter)
    ///     .with_observer(Arc::new(|_: &Progress| ControlFlow::Break(())));
    /// assert!(values.to_zarr(&path).unwrap_err().is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.sequence().is_some_and(lazy_core::Error::is_cancelled)
    }

    /// Returns true if the new array was published despite the error: it could not be flushed to
    /// disk, or another write replaced it at once.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_zarr::Error;
    ///
    /// fn is_safe_to_delete_the_input(stored: Result<(), Error>) -> bool {
    ///     stored.is_ok()
    /// }
    ///
    /// fn must_compute_again(error: &Error) -> bool {
    ///     !error.is_published()
    /// }
    /// # let error = lazy_zarr::StoredArray::open("/no/such/array.zarr").unwrap_err();
    /// # assert!(must_compute_again(&error) && !is_safe_to_delete_the_input(Err(error)));
    /// ```
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.facts().is_published
    }
}

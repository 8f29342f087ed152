//! Storing a sequence by itself.

use lazy_core::{ArrayBlock, Kind, LazyChunkSequence, NestedLazyChunkSequence};

use crate::{Result, StoredArray, ZarrSink};

/// Stores a sequence of array blocks as a Zarr array. A sequence of other tensors has no such method: it
/// is [converted](lazy_core::LazyChunkSequence::convert) first.
///
/// Sugar for computing the sequence with a [`ZarrSink`]; statistics computed in the same pass are
/// had by computing with a tuple of them and the sink.
///
/// # Example
///
/// ```
/// use lazy_core::{NdarrayConverter, NestedLazyChunkSequence};
/// use lazy_zarr::{Existing, ToZarr, ZarrSink};
/// use ndarray::Array2;
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("products.zarr");
/// let sequence = NestedLazyChunkSequence::new(|| {
///     (0..3).map(|i| (0..4).map(move |j| Array2::from_elem((2, 2), i * j)))
/// })
/// .convert(NdarrayConverter);
///
/// let stored = sequence.to_zarr(&path)?;
/// assert_eq!(stored.shape(), [6, 8]);
///
/// assert!(sequence.to_zarr(&path).unwrap_err().to_string().contains("exists already"));
/// sequence.to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ToZarr {
    /// Evaluates the sequence once and stores it. The target is a path, a `file://` URL or a store
    /// ([`Target`](crate::Target)); a [`ZarrSink`] has all other settings.
    ///
    /// # Errors
    ///
    /// - What is wrong with the target or the settings, before the first block is computed.
    /// - [`Error::Sequence`](crate::Error::Sequence) when a block fails or does not fit the others.
    /// - What went wrong in writing.
    ///
    /// Whatever the error, the target is as it was, but for what
    /// [`Existing::ReplaceInPlace`](crate::Existing::ReplaceInPlace) and
    /// [`Error::is_published`](crate::Error::is_published) say.
    fn to_zarr(&self, sink: impl Into<ZarrSink>) -> Result<StoredArray>;
}

impl<K: Kind> ToZarr for LazyChunkSequence<'_, ArrayBlock, K> {
    fn to_zarr(&self, sink: impl Into<ZarrSink>) -> Result<StoredArray> {
        Ok(self.compute(sink.into())?)
    }
}

impl<K: Kind> ToZarr for NestedLazyChunkSequence<'_, ArrayBlock, K> {
    fn to_zarr(&self, sink: impl Into<ZarrSink>) -> Result<StoredArray> {
        Ok(self.compute(sink.into())?)
    }
}

//! Functions that store a sequence, an array or the result of a statistic.

use lazy_core::{Access, ArrayBlock, LazyChunkSequence, NamedArrays, NestedLazyChunkSequence};

use crate::error::Result;
use crate::read::StoredArray;
use crate::write::sink::ZarrSink;
use crate::write::store_result::{names_of_axes, sinks_of_arrays};

/// Stores a sequence of array blocks as a Zarr array.
///
/// [Convert](lazy_core::LazyChunkSequence::convert) a sequence of other tensors first. The method
/// is a shorthand for computing the sequence with a [`ZarrSink`]. To compute statistics in the same
/// pass, compute a tuple of the statistics and the sink.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{NdarrayConverter, NestedLazyChunkSequence};
/// use lazy_chunks::zarr::{Existing, ToZarr, ZarrSink};
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
/// assert!(sequence.to_zarr(&path).unwrap_err().to_string().contains("already exists"));
/// sequence.to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ToZarr {
    /// The type of the sequence's blocks.
    type Block;

    /// Evaluates the sequence once and stores it. Pass a path, a `file://` URL or a store
    /// ([`Target`](crate::Target)), or a [`ZarrSink`] with further settings.
    ///
    /// # Errors
    ///
    /// - An invalid target or invalid settings, before the first block is computed.
    /// - [`ErrorKind::Sequence`](crate::ErrorKind::Sequence) if a block fails or does not fit the
    ///   others.
    /// - An error in writing.
    ///
    /// After any error the target is unchanged, except as documented at
    /// [`Error::is_published`](crate::Error::is_published).
    fn to_zarr(&self, sink: impl Into<ZarrSink>) -> Result<StoredArray>
    where
        Self::Block: Storable;
}

impl<T, K: Access> ToZarr for LazyChunkSequence<'_, T, K> {
    type Block = T;

    fn to_zarr(&self, sink: impl Into<ZarrSink>) -> Result<StoredArray>
    where
        T: Storable,
    {
        T::store(self, sink.into())
    }
}

impl<T, K: Access> ToZarr for NestedLazyChunkSequence<'_, T, K> {
    type Block = T;

    fn to_zarr(&self, sink: impl Into<ZarrSink>) -> Result<StoredArray>
    where
        T: Storable,
    {
        T::store_nested(self, sink.into())
    }
}

/// A block that can be stored: an [`ArrayBlock`].
///
/// This trait is sealed. It exists so that the compiler can suggest a fix for other block types.
/// [`ToZarr`] has an example.
#[diagnostic::on_unimplemented(
    message = "a sequence of `{Self}` cannot be stored",
    note = "call `.convert(converter)` first, for example `.convert(NdarrayConverter)`"
)]
pub trait Storable: sealed::Sealed + Sized {
    #[doc(hidden)]
    fn store<K: Access>(
        sequence: &LazyChunkSequence<'_, Self, K>,
        sink: ZarrSink,
    ) -> Result<StoredArray>;
    #[doc(hidden)]
    fn store_nested<K: Access>(
        sequence: &NestedLazyChunkSequence<'_, Self, K>,
        sink: ZarrSink,
    ) -> Result<StoredArray>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for lazy_core::ArrayBlock {}
}

impl Storable for ArrayBlock {
    fn store<K: Access>(
        sequence: &LazyChunkSequence<'_, ArrayBlock, K>,
        sink: ZarrSink,
    ) -> Result<StoredArray> {
        Ok(sequence.compute(sink)?)
    }

    fn store_nested<K: Access>(
        sequence: &NestedLazyChunkSequence<'_, ArrayBlock, K>,
        sink: ZarrSink,
    ) -> Result<StoredArray> {
        Ok(sequence.compute(sink)?)
    }
}

/// Stores an array from memory.
///
/// # Errors
///
/// The errors of [`ToZarr::to_zarr`].
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{StoredArray, store};
/// use ndarray::{Array2, array};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("weights.zarr");
/// store(array![[1.0, 2.0], [3.0, 4.0]], &path)?;
///
/// let weights: Array2<f64> = StoredArray::open(&path)?.read_array()?;
/// assert_eq!(weights[[1, 0]], 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn store(array: impl Into<ArrayBlock>, sink: impl Into<ZarrSink>) -> Result<StoredArray> {
    let block = array.into();
    LazyChunkSequence::new(|| [block.clone()]).with_len(1).to_zarr(sink)
}

/// Stores the result of a statistic from memory, such as a result merged from [saved
/// states](lazy_core::SaveState::finish_saved). A result that is one array is stored at the target;
/// a result of several arrays becomes a group there, which holds each array under its
/// [name](NamedArrays::NAMES). All of these arrays have the settings of the sink. If the sink does
/// not name the axes, they have the default names of a
/// [`StoreResult`](crate::StoreResult::with_dimension_names).
///
/// # Errors
///
/// The errors of [`ToZarr::to_zarr`]. The arrays appear one after the other, so an error between
/// two arrays leaves the first.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter, Summary};
/// use lazy_chunks::zarr::{StoredArray, Target, store_result};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// # let group = Target::from(directory.path().join("moments.zarr"));
/// let sequence = LazyChunkSequence::new(|| [array![[1.0, 5.0]], array![[3.0, 7.0]]]);
/// let moments = sequence.convert(NdarrayConverter).compute(MeanVariance.per_column())?;
/// let arrays = store_result(&moments, &group)?;
/// assert_eq!(arrays.len(), 3);
/// assert_eq!(StoredArray::open(group.member("mean"))?.read()?.as_slice::<f64>()?, [2.0, 6.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn store_result<R: NamedArrays>(
    result: &R,
    sink: impl Into<ZarrSink>,
) -> Result<Vec<StoredArray>> {
    let sink = sink.into();
    let arrays = result.arrays();
    let names = names_of_axes(R::NAMES, &arrays, &sink.target().name(), &[]);
    let sinks = sinks_of_arrays(R::NAMES, &sink);
    let each = arrays.into_iter().zip(sinks).zip(names);
    each.map(|((array, sink), names)| store(array, sink.or_dimension_names(names))).collect()
}

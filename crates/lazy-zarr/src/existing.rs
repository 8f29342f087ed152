//! What becomes of an array that is there already.

/// What happens when there is an array at the target already.
///
/// Whatever is chosen, files, groups and directories that hold no Zarr array are never touched; an empty
/// directory counts as nothing.
///
/// # Example
///
/// A write that is to replace an array, and fails, leaves the old one:
///
/// ```
/// use lazy_core::{LazyChunkSequence, NdarrayConverter};
/// use lazy_zarr::{Existing, StoredArray, ToZarr, ZarrSink};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter).to_zarr(&path)?;
///
/// let replacing = ZarrSink::new(&path).with_existing(Existing::Replace);
/// let failing = LazyChunkSequence::try_new(|| [Ok(array![3, 4]), Err("the model diverged")]);
/// failing.convert(NdarrayConverter).to_zarr(replacing.clone()).unwrap_err();
/// assert_eq!(StoredArray::open(&path)?.read()?.as_slice::<i32>()?, [1, 2]);
///
/// LazyChunkSequence::new(|| [array![5]]).convert(NdarrayConverter).to_zarr(replacing)?;
/// assert_eq!(StoredArray::open(&path)?.read()?.as_slice::<i32>()?, [5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Existing {
    /// An error, before the first block is computed.
    #[default]
    Fail,
    /// The array is replaced when the new one is complete: in one step, or, where the file system
    /// cannot exchange two directories, by two renames with nothing at the target in between. On a
    /// store that cannot rename, such as one in memory, it is an error before the first block is
    /// computed ([`Error::ReplaceUnsupported`](crate::Error::ReplaceUnsupported)).
    Replace,
    /// As `Replace`; but on a store that cannot rename, the old array is removed when the first
    /// chunk is written, so that it is lost when the write fails, and must not be what the new one
    /// is computed from.
    ReplaceInPlace,
}

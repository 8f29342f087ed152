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
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{Existing, StoredArray, ToZarr, ZarrSink};
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
    /// The array is replaced when the new one is complete, in one step. Readers that have opened the old one
    /// find its chunks where they were ([`OldChunks`]). Other files in its directory stay, and so do the
    /// directory's permissions; but names that are keys of chunks belong to the array: `c`, whole numbers,
    /// and those joined by dots. Where a file has the name of a chunk of the new version, and no write has left
    /// it, the write is refused. On a store instance, which cannot compare and replace, it is an error
    /// before the first block is computed
    /// ([`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported)).
    Replace,
    /// As `Replace`; but on a store instance, the old array is removed when the first chunk is written, so
    /// that it is lost when the write fails, and must not be what the new one is computed from.
    ReplaceInPlace,
}

/// What becomes of the chunks of an array that is [replaced](Existing::Replace).
///
/// # Example
///
/// An array of which nobody reads an old version, and which fills most of a disk:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{Existing, OldChunks, ToZarr, ZarrSink};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// # LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter).to_zarr(&path)?;
/// let sink = ZarrSink::new(&path)
///     .with_existing(Existing::Replace)
///     .with_old_chunks(OldChunks::Remove);
/// LazyChunkSequence::new(|| [array![3, 4]]).convert(NdarrayConverter).to_zarr(sink)?;
/// # assert!(!path.join("c").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OldChunks {
    /// They stay until the next replacement is published, or [`Superseded`](crate::Superseded) removes
    /// them. So a reader of another library that has opened the old array reads it whole until then; a
    /// [`StoredArray`](crate::StoredArray) returns an error
    /// ([`ErrorKind::Changed`](crate::ErrorKind::Changed)).
    /// A replaced array takes the space of two, and of three while the next version is written.
    #[default]
    Keep,
    /// They are removed as soon as the new array is published. A reader of another library that has opened
    /// the old array then finds its chunks missing, and most take that for the fill value.
    Remove,
}

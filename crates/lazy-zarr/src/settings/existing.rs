//! The handling of an array that already exists at the target.

/// The handling of an array that already exists at the target.
///
/// No setting touches groups, or files and directories that do not belong to a Zarr array. An empty
/// directory counts as an absent target.
///
/// # Example
///
/// A failed write with `Existing::Replace` leaves the old array in place:
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
    /// The write fails before it computes the first block.
    #[default]
    Fail,
    /// The new array replaces the old one atomically when it is complete. Readers that have opened
    /// the old array still find its chunks ([`OldChunks`]). Other files in the directory stay, and
    /// the directory keeps its permissions. Names that are keys of chunks belong to the array,
    /// however: `c`, whole numbers, and whole numbers joined by dots. If a file has the name of a
    /// chunk of the new version but does not come from an earlier write, the write fails.
    Replace,
    /// The rows of the blocks are added behind the rows of the array, atomically: readers find the
    /// old length or the new one. If there is no array, the write creates it.
    ///
    /// The array keeps its chunks, shards, codecs, fill value, dimension names and attributes,
    /// whichever program wrote it. A dtype, chunk shape, shard shape, codec, checksum, fill value
    /// or dimension names that the sink sets must equal those of the array. A target size of chunks
    /// ([`with_chunk_bytes`](crate::ZarrSink::with_chunk_bytes)) has no effect, and attributes of
    /// the sink are added.
    ///
    /// If the last row of chunks is not full, it is stored again with the new rows; all other
    /// chunks stay untouched. Readers of other libraries that opened the old length keep reading it
    /// correctly, because the elements of a chunk beyond the array's shape have no meaning in Zarr.
    /// The next read of a [`StoredArray`](crate::StoredArray) that was opened before returns
    /// [`ErrorKind::Changed`](crate::ErrorKind::Changed).
    ///
    /// A shard of the last row is extended: it keeps its present chunks, also those that change, so
    /// that readers that have read its index still find them. So each append to a shard that is not
    /// full adds an index, and a chunk for each chunk that was not full. Rows that fill whole
    /// chunks add only the index, and rows that fill whole shards add nothing.
    ///
    /// A [resumable](crate::ZarrSink::with_resume) append happens once: the array records the key
    /// in its attribute `provenance`. The next write with the same key, number of rows and type of
    /// rows finds its rows there and reads them back, even if other rows were appended since. So
    /// the key must name what is appended. Rows with the same key and another number or type are
    /// [`ErrorKind::Exists`](crate::ErrorKind::Exists). If another program removes rows and adds
    /// others, remove the member `stored_rows` of the attribute.
    ///
    /// # Errors
    ///
    /// Before the first block is computed:
    ///
    /// - [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the array has no axis, is
    ///   Zarr v2, or has no regular chunk grid.
    /// - [`ErrorKind::InvalidSetting`](crate::ErrorKind::InvalidSetting) if a setting, or the dtype
    ///   or the shape of a row that the sequence declares, differs from the array's.
    /// - [`ErrorKind::Consolidated`](crate::ErrorKind::Consolidated) if a group above has
    ///   consolidated metadata.
    ///
    /// When the rows are published, [`ErrorKind::Changed`](crate::ErrorKind::Changed) if another
    /// program has changed the last rows meanwhile.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{Existing, ToZarr, ZarrSink};
    /// use ndarray::Array2;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("values.zarr");
    /// let sink = ZarrSink::new(&path).with_existing(Existing::Append);
    /// for day in 1..=3 {
    ///     let stored = LazyChunkSequence::from_fn([100], |_| Array2::from_elem((100, 8), day))
    ///         .convert(NdarrayConverter)
    ///         .to_zarr(sink.clone().with_resume(format!("day {day}")))?;
    ///     assert_eq!(stored.shape(), [100 * day as usize, 8]);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Append,
}

/// The handling of the chunks of an array that is [replaced](Existing::Replace).
///
/// # Example
///
/// An array that fills most of a disk, and whose old versions have no readers:
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
    /// The old chunks stay until the next replacement is published, or until
    /// [`Superseded`](crate::Superseded) removes them. If another library has opened the old array,
    /// it can read all of the old array until then. A [`StoredArray`](crate::StoredArray) returns
    /// an error ([`ErrorKind::Changed`](crate::ErrorKind::Changed)). A replaced array takes the
    /// space of two arrays, and of three while the next version is written.
    ///
    /// In a store, they stay until a write needs their keys, which take turns in threes. So a
    /// replaced array takes the space of up to three arrays.
    #[default]
    Keep,
    /// The old chunks are removed as soon as the new array is published. If another library has
    /// opened the old array, it then finds its chunks missing, and most libraries return the fill
    /// value.
    Remove,
}

//! The meaning of missing chunks.

/// The treatment of missing chunks when an array is read.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{MissingChunks, ToZarr, ZarrSink};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// let sink = ZarrSink::new(&path).with_chunk_shape([2]).with_fill_value(-1_i64);
/// let stored = LazyChunkSequence::new(|| [array![1_i64, 2, 3]])
///     .convert(NdarrayConverter)
///     .to_zarr(sink)?;
///
/// // This crate wrote all chunks, so one was lost.
/// std::fs::remove_file(path.join("c/1"))?;
/// assert_eq!(stored.read().unwrap_err().chunk(), Some(&[1][..]));
///
/// // What is left, with the fill value in place of what is not.
/// let remains = stored.with_missing_chunks(MissingChunks::FillValue).read()?;
/// assert_eq!(remains.as_slice::<i64>()?, [1, 2, -1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingChunks {
    /// A missing chunk stands for elements of the fill value, as the Zarr specification defines.
    FillValue,
    /// A missing chunk was lost, and reading it is an error.
    Error,
}

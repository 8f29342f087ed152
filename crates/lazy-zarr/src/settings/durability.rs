//! The durability of a published array.

/// The failures that a published array survives. A killed process never damages it.
///
/// For [store instances](crate::Target::in_store), the store determines the durability.
///
/// # Example
///
/// An array that can easily be computed again, without waiting for the device:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{Durability, ToZarr, ZarrSink};
/// use ndarray::array;
///
/// # let directory = tempfile::tempdir()?;
/// let sink = ZarrSink::new(directory.path().join("scratch.zarr"))
///     .with_durability(Durability::None);
/// LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter).to_zarr(sink)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// The array survives power failures and crashes of the machine. Everything is flushed to the
    /// device when the array is complete, and the directory entry of its metadata is flushed again
    /// after publication. On local file systems on Linux, the first flush is one operation, which
    /// also waits for the data of other programs. Elsewhere, for example on FUSE and NFS, each file
    /// is flushed separately, several at a time.
    #[default]
    Full,
    /// The array survives only the end of the process. The system takes about half a minute to
    /// write everything to the device. Until then, a power failure can leave the array with
    /// missing, empty or truncated chunks, and a replaced array may be lost. A power failure can
    /// also leave chunks of a new array that cannot be distinguished from other data. The next
    /// write then fails, and the chunks have to be removed by hand.
    None,
}

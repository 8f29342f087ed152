//! What a published array survives.

/// What an array survives once it is published. A process that is killed never harms it.
///
/// On stores that are not directories ([`Target`](crate::Target)), it is the store's business.
///
/// # Example
///
/// An array that can be computed again is not worth the wait for the device:
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
    /// Power failures and crashes of the machine. Everything is flushed to the device when the array is
    /// complete, and the entry of its metadata once more when that has been published. On Linux's local file
    /// systems the first is one operation, which waits for the data of other programs as well; elsewhere,
    /// as on FUSE and NFS, each file is flushed by itself, several at a time.
    #[default]
    Full,
    /// Nothing but the end of the process. Until the system has written everything to the device, which
    /// takes it about half a minute, a power failure can leave the array with chunks that are missing,
    /// empty or torn, and an array that was replaced may be gone. Of a new array it can leave chunks that
    /// nothing tells from other data; they are then an error of the next write, and have to be removed by
    /// hand.
    None,
}

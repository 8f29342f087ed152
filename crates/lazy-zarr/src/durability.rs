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
/// use lazy_core::{LazyChunkSequence, NdarrayConverter};
/// use lazy_zarr::{Durability, ToZarr, ZarrSink};
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
    /// Power failures and crashes of the machine. All is flushed to the device once, when the array is
    /// complete, and its directory's entry once more when it has appeared. On Linux the first flushes
    /// the whole file system that the target is on, so it waits for what other programs have written to
    /// it as well.
    #[default]
    Full,
    /// Nothing but the end of the process. Until the system has written everything to the device, which
    /// takes it about half a minute, a power failure can leave the array with chunks that are missing,
    /// empty or torn, and an array that was replaced may be gone.
    None,
}

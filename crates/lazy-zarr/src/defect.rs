//! Defects of stored chunks.

use std::error::Error;
use std::fmt;

use lazy_core::BoxError;

/// The message about a missing chunk of an array that was stored with all its chunks.
pub(crate) const MISSING: &str = "it is missing, although every chunk of this array was stored";

/// A defect of a chunk, or of a shard if the array has shards.
///
/// A defect is an error whose message names the chunk. Its [`source`](std::error::Error::source) is
/// the error of the codec or the store, which [`lazy_core::report`] appends to the message.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, report};
/// use lazy_chunks::zarr::{Checksum, DefectKind, ToZarr, ZarrSink};
/// use ndarray::Array2;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// let sink = ZarrSink::new(&path).with_chunk_shape([2, 3]).with_checksum(Checksum::Crc32c);
/// let stored = LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((2, 3), i)))
///     .convert(NdarrayConverter)
///     .to_zarr(sink)?;
///
/// std::fs::remove_file(path.join("c/2/0"))?;
/// let defects = stored.verify().collect::<Result<Vec<_>, _>>()?;
/// assert_eq!((&defects[0].key[..], &defects[0].chunk[..]), ("c/2/0", &[2, 0][..]));
/// assert!(matches!(defects[0].kind, DefectKind::Missing));
/// assert!(report(&defects[0]).starts_with("chunk [2, 0] (key c/2/0): it is missing"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Defect {
    /// The chunk's index along each axis.
    pub chunk: Vec<usize>,
    /// The chunk's key, relative to the array.
    pub key: String,
    /// The kind of the defect.
    pub kind: DefectKind,
}

/// The kind of a [`Defect`].
///
/// # Example
///
/// Distinguishes chunks that may be readable later from chunks that must be computed again:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::{Defect, DefectKind};
///
/// fn may_be_read_later(defect: &Defect) -> bool {
///     matches!(defect.kind, DefectKind::Unreadable { .. })
/// }
///
/// # use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// # use lazy_chunks::zarr::{Codec, ToZarr, ZarrSink};
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// # let sink = ZarrSink::new(&path).with_codec(Codec::None);
/// # let stored = LazyChunkSequence::new(|| [ndarray::array![1_u8, 2, 3]])
/// #     .convert(NdarrayConverter)
/// #     .to_zarr(sink)?;
/// std::fs::write(path.join("c/0"), [1, 2])?;
/// let defect = stored.verify().next().expect("one")?;
/// assert!(matches!(defect.kind, DefectKind::Truncated { expected: 3, actual: 2 }));
/// assert!(!may_be_read_later(&defect));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DefectKind {
    /// The chunk does not exist.
    #[error("{MISSING}")]
    Missing,
    /// The chunk is truncated. If all chunks have the same size, the size shows it. For a
    /// compressed chunk, the codec reports an error instead.
    #[error("it has {actual} bytes, but {expected} were stored")]
    Truncated {
        /// The size of the complete chunk, in bytes.
        expected: u64,
        /// The size of the stored chunk, in bytes.
        actual: u64,
    },
    /// The chunk does not decode to elements, or fails its checksum.
    #[error("it is corrupt")]
    Corrupt {
        /// The error of the codec.
        source: BoxError,
    },
    /// The chunk could not be read.
    #[error(transparent)]
    Unreadable {
        /// The error of the store.
        source: BoxError,
    },
}

impl Error for Defect {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "chunk {:?} (key {}): {}", self.chunk, self.key, self.kind)
    }
}

//! What is wrong with a stored chunk.

use std::error::Error;
use std::fmt;

use lazy_core::BoxError;

/// The message about a missing chunk of an array that was stored with all its chunks.
pub(crate) const MISSING: &str = "it is missing, although every chunk of this array was stored";

/// A chunk that cannot be read, or a shard, where there are shards.
///
/// It is an error as well, whose message names the chunk; what the codec or the store says of it is its
/// [`source`](std::error::Error::source), which [`lazy_core::report`] adds.
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
    /// What is wrong with it.
    pub kind: DefectKind,
}

/// What is wrong with a chunk.
///
/// # Example
///
/// What can be had again from where it came, and what has to be computed again:
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
/// assert!(matches!(defect.kind, DefectKind::Torn { expected: 3, actual: 2 }));
/// assert!(!may_be_read_later(&defect));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DefectKind {
    /// It is not there.
    #[error("{MISSING}")]
    Missing,
    /// It ends too early. That is seen by the length where all chunks have the same; of a compressed one
    /// the codec says what is wrong.
    #[error("it has {actual} bytes, but {expected} were stored")]
    Torn {
        /// The bytes of the whole.
        expected: u64,
        /// The bytes that are there.
        actual: u64,
    },
    /// Its bytes do not stand for elements, or have another checksum than was stored.
    #[error("it is corrupt")]
    Corrupt {
        /// What the codec answered.
        source: BoxError,
    },
    /// Its bytes could not be had.
    #[error(transparent)]
    Unreadable {
        /// What the store answered.
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

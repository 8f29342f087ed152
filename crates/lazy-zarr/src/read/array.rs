//! The handle of a stored array.

use std::fmt;
use std::sync::Arc;

use lazy_core::{ArrayBlock, DType};
use serde_json::{Map, Value};

use super::gather::ChunkReader;
use super::missing::MissingChunks;
use crate::error::Result;
use crate::format::MetadataChecksum;
use crate::store::Origin;

/// A stored Zarr array: its metadata, and its elements when they are asked for.
///
/// Arrays of Zarr v3 and v2 are read. Cloning shares the handle, which is `Send` and `Sync`.
///
/// A handle reads the version of the array that it was made for. When the array is replaced or
/// removed, the next read returns [`ErrorKind::Changed`](crate::ErrorKind::Changed) or
/// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), so that no block and no sequence mixes two versions.
/// The handle keeps the metadata file open to recognize it; a program that changes chunks in place,
/// without writing the metadata, goes unnoticed. In a store instance, which has no files, the bytes
/// of the metadata are compared, so that a replacement by an array of equal metadata goes
/// unnoticed.
///
/// Input is untrusted: whatever is wrong with the array is an error, before memory is allocated that
/// neither the array's own shapes nor the region ask for.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use std::sync::Arc;
///
/// use lazy_chunks::{Concatenate, LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{MemoryStore, StoredArray, ToZarr};
/// use ndarray::{Array2, array};
///
/// let store = Arc::new(MemoryStore::new());
/// LazyChunkSequence::new(|| [array![[1, 2], [3, 4]], array![[5, 6]]])
///     .convert(NdarrayConverter)
///     .to_zarr(Arc::clone(&store))?;
///
/// let stored = StoredArray::open(store)?;
/// assert_eq!(stored.shape(), [3, 2]);
/// assert_eq!(stored.read_region(&[1..3, 0..1])?.as_slice::<i32>()?, [3, 5]);
///
/// // One pass's output is the next one's input, one block at a time.
/// let doubled = stored.sequence([2, 1])?.to_tensors(NdarrayConverter).map(|block: Array2<i32>| 2 * block);
/// assert_eq!(doubled.compute(Concatenate)?, array![[2, 4], [6, 8], [10, 12]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct StoredArray {
    pub(super) chunks: ChunkReader,
    pub(super) origin: Origin,
    pub(super) n_threads: Option<usize>,
    pub(super) checksum: MetadataChecksum,
    /// As the metadata has them; those of `chunks` are wrapped.
    pub(super) codecs: Arc<[Value]>,
    pub(super) attributes: Arc<Map<String, Value>>,
    pub(super) target: String,
    pub(super) shape: Vec<usize>,
    pub(super) chunk_grid: Arc<str>,
    pub(super) chunk_shape: Vec<usize>,
    pub(super) shard_shape: Option<Vec<usize>>,
}

impl StoredArray {
    /// The same array, with another meaning of chunks that are not there.
    #[must_use]
    pub fn with_missing_chunks(self, missing: MissingChunks) -> StoredArray {
        StoredArray { chunks: self.chunks.with_missing(missing), ..self }
    }

    /// Sets the number of threads that read and decode the chunks or shards of a region, at most 1024. 0, the
    /// default, stands for the number of cores. A region of one chunk is read by one thread, and small regions by
    /// few. The result does not depend on the number. More than 1024 are
    /// [`ErrorKind::InvalidSetting`](crate::ErrorKind::InvalidSetting) when the array is read.
    #[must_use]
    pub fn with_reader_threads(self, n_threads: usize) -> StoredArray {
        StoredArray { n_threads: (n_threads > 0).then_some(n_threads), ..self }
    }

    /// Checks that the array which lies at the target is still the one that was opened.
    pub(crate) fn check_is_there(&self) -> Result<()> {
        self.origin.check(&self.target)
    }

    /// The element type.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.chunks.dtype
    }

    /// The size along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The chunks' size along each axis.
    #[must_use]
    pub fn chunk_shape(&self) -> &[usize] {
        &self.chunk_shape
    }

    /// Returns the name of the chunk grid: `regular`, or of another one, in which chunks differ in size. Then
    /// [`chunk_shape`](Self::chunk_shape) is that of the first chunk.
    #[must_use]
    pub fn chunk_grid(&self) -> &str {
        &self.chunk_grid
    }

    /// The shards' size along each axis, when chunks lie in shards.
    #[must_use]
    pub fn shard_shape(&self) -> Option<&[usize]> {
        self.shard_shape.as_deref()
    }

    /// Whether the metadata was as this crate wrote it when the array was opened.
    ///
    /// A flipped bit is noticed: the result is then [`Mismatch`](MetadataChecksum::Mismatch), where the
    /// array can be opened at all. [`verify`](Self::verify) tells the same of the chunks.
    #[must_use]
    pub fn metadata_checksum(&self) -> MetadataChecksum {
        self.checksum
    }

    /// The attributes: the user's, and `provenance`, which [`ZarrSink`](crate::ZarrSink) adds.
    #[must_use]
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// The name of each axis, where it has one.
    #[must_use]
    pub fn dimension_names(&self) -> Option<&[Option<String>]> {
        self.chunks.array.dimension_names().as_deref()
    }

    /// The fill value: one element.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Sequence`](crate::ErrorKind::Sequence) when the metadata holds no element of the array's dtype.
    pub fn fill_value(&self) -> Result<ArrayBlock> {
        let bytes = self.chunks.array.fill_value().as_ne_bytes().to_vec();
        Ok(ArrayBlock::new(self.chunks.dtype, [], bytes.into())?)
    }
}

impl fmt::Debug for StoredArray {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoredArray")
            .field("target", &self.target)
            .field("dtype", &self.chunks.dtype)
            .field("shape", &self.shape)
            .field("chunk_shape", &self.chunk_shape)
            .field("shard_shape", &self.shard_shape)
            .finish()
    }
}

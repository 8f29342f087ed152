//! A handle of a stored array.

use std::fmt;
use std::sync::Arc;

use lazy_core::{ArrayBlock, DType};
use serde_json::{Map, Value};

use super::gather::{ChunkCache, ChunkReader};
use super::grid::Grid;
use super::missing::MissingChunks;
use crate::error::Result;
use crate::format::MetadataChecksum;
use crate::store::Origin;
use crate::target::Target;

/// A handle of a stored Zarr array: its metadata, and access to its elements.
///
/// The array can be Zarr v3 or v2. Cloning shares the handle, which is `Send` and `Sync`.
///
/// A handle reads the version of the array that it was opened for. If the array is replaced or
/// removed while open, the next read returns [`ErrorKind::Changed`](crate::ErrorKind::Changed) or
/// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), so no block and no sequence mixes two
/// versions. The handle keeps the metadata file open to detect a replacement. It does not detect a
/// program that changes chunks in place without writing the metadata. A store instance has no
/// files, so the handle compares the bytes of the metadata there, and does not detect a replacement
/// with equal metadata.
///
/// Input is untrusted: a read returns an error for an invalid array before it allocates more memory
/// than the array's own shapes and the region require.
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
    /// The codecs that the metadata names, unlike the guarded codecs of `chunks`.
    pub(super) codecs: Arc<[Value]>,
    pub(super) attributes: Arc<Map<String, Value>>,
    pub(super) place: Target,
    /// The text of the target, for messages.
    pub(super) target: String,
    pub(super) shape: Vec<usize>,
    pub(super) grid: Arc<Grid>,
    pub(super) chunk_shape: Vec<usize>,
    pub(super) shard_shape: Option<Vec<usize>>,
}

impl StoredArray {
    /// Sets how missing chunks are read.
    #[must_use]
    pub fn with_missing_chunks(self, missing: MissingChunks) -> StoredArray {
        StoredArray { chunks: self.chunks.with_missing(missing), ..self }
    }

    /// Sets the number of threads, at most 1024, that read and decode the chunks or shards of a
    /// region. The default, 0, stands for the number of cores. One thread reads a region of one
    /// chunk, and few threads read a small region. The result does not depend on this number. More
    /// than 1024 threads are [`ErrorKind::InvalidSetting`](crate::ErrorKind::InvalidSetting) when
    /// the array is read.
    #[must_use]
    pub fn with_reader_threads(self, n_threads: usize) -> StoredArray {
        StoredArray { n_threads: (n_threads > 0).then_some(n_threads), ..self }
    }

    /// Sets the memory, in bytes, that keeps decoded chunks for later reads. 0 keeps none.
    ///
    /// A chunk that is compressed or has a checksum is decoded whole, whatever part of it is read.
    /// A read of a part keeps the chunk, so that reads of other parts do not decode it again. So
    /// the rows of a chunk can be read one by one, or in blocks of any size, and the chunk is
    /// decoded once. If several threads need the same chunk, one of them decodes it. Reads of whole
    /// chunks use the chunks that are kept, but keep none. Chunks of shards are kept one by one.
    ///
    /// The least recently used chunks make room for new ones. A chunk counts the bytes of its
    /// elements and 256 bytes. Together, the chunks never count more than this number of bytes, and
    /// a chunk that alone counts more is not kept. If a block overlaps several chunks side by side,
    /// the memory must hold all of them: otherwise each chunk is displaced before the next block
    /// needs it.
    ///
    /// Clones of the handle, and their sequences, share the chunks that are kept, which are freed
    /// with the last of them. By default, all handles without this setting share 64 MiB.
    ///
    /// The chunks are those of the version that the handle reads. Each read still checks that this
    /// version is the present one, and returns [`ErrorKind::Changed`](crate::ErrorKind::Changed) if
    /// it is not. A change in place, without a change of the metadata, goes unnoticed as long as
    /// the chunk is kept. [`verify`](Self::verify) reads all chunks anew.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// # use std::sync::Arc;
    /// #
    /// # use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::{BlockSizes, Sum};
    /// # use lazy_chunks::zarr::{MemoryStore, ToZarr, ZarrSink};
    /// # use ndarray::Array2;
    ///
    /// # let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_chunk_shape([250, 3]);
    /// # let stored = LazyChunkSequence::new(|| (0..5).map(|i| Array2::from_elem((100, 3), i as f64)))
    /// #     .convert(NdarrayConverter)
    /// #     .to_zarr(sink)?;
    /// // Memory for two rows of chunks, so that a random sample decodes each chunk once.
    /// let row_bytes: usize = stored.shape()[1..].iter().product::<usize>() * stored.dtype().size();
    /// let chunk_row_bytes = row_bytes * stored.chunk_shape()[0];
    /// let stored = stored.with_cache(2 * chunk_row_bytes as u64 + 4096);
    /// let rows = stored.sequence(BlockSizes::uniform(500, 1))?;
    /// assert_eq!(rows.select([499, 3, 251, 4])?.compute(Sum)?, 3.0 * (4.0 + 0.0 + 2.0 + 0.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_cache(self, bytes: u64) -> StoredArray {
        let cache = (bytes > 0).then(|| Arc::new(ChunkCache::new(bytes)));
        StoredArray { chunks: ChunkReader { cache, ..self.chunks }, ..self }
    }

    /// Checks that the array at the target is still the one that was opened.
    pub(crate) fn check_is_there(&self) -> Result<()> {
        self.origin.check(&self.target)
    }

    /// Returns the dtype of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.chunks.dtype
    }

    /// Returns the array's size along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the size of a chunk along each axis. If the chunks differ in size, it is the shape
    /// of the first one; [`chunk_sizes`](Self::chunk_sizes) returns all sizes.
    #[must_use]
    pub fn chunk_shape(&self) -> &[usize] {
        &self.chunk_shape
    }

    /// Returns the name of the chunk grid: `regular`, or the name of a grid whose chunks differ in
    /// size, such as `rectilinear`. If the array has shards, it is the grid of the shards.
    #[must_use]
    pub fn chunk_grid(&self) -> &str {
        &self.grid.name
    }

    /// Returns the size of a shard along each axis, or `None` if the array has no shards. If the
    /// shards differ in size, it is the shape of the first one; [`shard_sizes`](Self::shard_sizes)
    /// returns all sizes.
    #[must_use]
    pub fn shard_shape(&self) -> Option<&[usize]> {
        self.shard_shape.as_deref()
    }

    /// Returns the result of comparing the metadata with its checksum when the array was opened.
    ///
    /// A flipped bit gives [`Mismatch`](MetadataChecksum::Mismatch), if the array can be opened at
    /// all. [`verify`](Self::verify) checks the chunks.
    #[must_use]
    pub fn metadata_checksum(&self) -> MetadataChecksum {
        self.checksum
    }

    /// Returns the attributes: the user's, and `provenance`, which [`ZarrSink`](crate::ZarrSink)
    /// adds.
    #[must_use]
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }

    /// Returns the name of each axis, if the axes have names.
    #[must_use]
    pub fn dimension_names(&self) -> Option<&[Option<String>]> {
        self.chunks.array.dimension_names().as_deref()
    }

    /// Returns the fill value, a block of one element without axes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Sequence`](crate::ErrorKind::Sequence) if the fill value in the metadata is not
    /// an element of the array's dtype.
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

//! Descriptions of how an array is stored: its codecs, its chunks and its size.

use std::io;

use lazy_core::BlockSizes;
use serde_json::Value;

use super::array::StoredArray;
use super::grid::AxisSizes;
use super::untrusted::caught;
use crate::error::{Error, ReadError, Result};
use crate::format::KeySpace;
use crate::layout::index_in_grid;
use crate::memory::fits_memory;
use crate::store::node::present_at_path;
use crate::store::{Found, Origin};

/// The number of stored chunks of an array, and their bytes.
///
/// # Example
///
/// Shows how much a codec saves:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use std::sync::Arc;
///
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
/// use lazy_chunks::zarr::{MemoryStore, ToZarr, ZarrSink};
/// use ndarray::Array2;
///
/// let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_chunk_shape([100, 50]);
/// let stored = LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((100, 50), i as f64)))
///     .convert(NdarrayConverter)
///     .to_zarr(sink)?;
/// let size = stored.stored_size()?;
/// assert_eq!((size.n_stored, size.n_chunks), (4, 4));
/// assert!(size.bytes < stored.n_bytes() / 20);
/// # Ok::<(), lazy_chunks::zarr::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredSize {
    /// The number of chunks, or shards, that the array's shape requires.
    pub n_chunks: u64,
    /// The number of these that are stored.
    pub n_stored: u64,
    /// The size of the stored ones in bytes, after encoding.
    pub bytes: u64,
}

impl StoredArray {
    /// Returns the codecs that the metadata names: the list `codecs` of Zarr v3, or the filters and
    /// the compressor of v2. Each is an object with a `name` (v3) or an `id` (v2).
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use std::sync::Arc;
    ///
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{Codec, MemoryStore, ToZarr, ZarrSink};
    /// use ndarray::array;
    ///
    /// let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_codec(Codec::Zstd { level: 3 });
    /// let stored = LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter).to_zarr(sink)?;
    /// let names: Vec<_> = stored.codecs().iter().map(|codec| codec["name"].clone()).collect();
    /// assert_eq!(names, ["bytes", "zstd", "crc32c"]);
    /// # Ok::<(), lazy_chunks::zarr::Error>(())
    /// ```
    #[must_use]
    pub fn codecs(&self) -> Vec<Value> {
        self.codecs.to_vec()
    }

    /// Returns the size of all elements in bytes, before encoding.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        super::untrusted::n_bytes(self.chunks.dtype, self.shape.iter().copied()) as u64
    }

    /// Returns the sizes of the chunks along an axis. The last chunk is counted as far as it lies
    /// in the array, so the sizes add up to the size of the array. In arrays with shards, these
    /// are the chunks of all shards.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidRegion`](crate::ErrorKind::InvalidRegion) if the array has no such
    ///   axis.
    /// - [`ErrorKind::Memory`](crate::ErrorKind::Memory) if memory cannot hold the sizes, 8 bytes
    ///   for each.
    ///
    /// # Example
    ///
    /// Reads an array chunk by chunk, whatever its grid:
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
    /// # let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_chunks_of_blocks();
    /// # let layer = |n| Array2::from_elem((n, 8), 1);
    /// # let stored = LazyChunkSequence::new(|| [64, 1000, 10].map(layer))
    /// #     .convert(NdarrayConverter)
    /// #     .to_zarr(sink)?;
    /// assert_eq!(stored.chunk_sizes(0)?, BlockSizes::from([64, 1000, 10]));
    /// let chunks = stored.sequence(stored.chunk_sizes(0)?)?;
    /// assert_eq!(chunks.compute(Sum)?, 8 * 1074);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn chunk_sizes(&self, axis: usize) -> Result<BlockSizes> {
        let in_shards = |&size: &usize| AxisSizes::Uniform(size);
        let in_shards = self.shard_shape.as_ref().and(self.chunk_shape.get(axis)).map(in_shards);
        self.sizes_along(axis, in_shards.as_ref().or(self.grid.sizes.get(axis)))
    }

    /// Returns the sizes of the shards along an axis, like [`chunk_sizes`](Self::chunk_sizes), or
    /// `None` if the array has no shards.
    ///
    /// # Errors
    ///
    /// The errors of [`chunk_sizes`](Self::chunk_sizes).
    pub fn shard_sizes(&self, axis: usize) -> Result<Option<BlockSizes>> {
        let sizes = self.shard_shape.as_ref();
        sizes.map(|_| self.sizes_along(axis, self.grid.sizes.get(axis))).transpose()
    }

    fn sizes_along(&self, axis: usize, sizes: Option<&AxisSizes>) -> Result<BlockSizes> {
        let Some(sizes) = sizes else {
            return Err(ReadError::NoAxis { axis, shape: self.shape.clone() }.into());
        };
        let n_chunks = sizes.n_within(self.shape[axis]);
        // The sizes are listed once, and added up once.
        if !fits_memory(2 * size_of::<usize>() as u128 * u128::from(n_chunks)) {
            let target = self.target.clone();
            return Err(ReadError::SizesMemory { target, axis, n_chunks }.into());
        }
        Ok(sizes.within(self.shape[axis]).into())
    }

    /// Returns the number of stored chunks, or shards, and their bytes, without reading any chunk.
    /// The existing chunks are listed, however many the array declares. In a store that cannot list
    /// objects, and for an unknown chunk key encoding, each chunk is looked up.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the file system or the store fails.
    /// - [`ErrorKind::Changed`](crate::ErrorKind::Changed) if the array was replaced after it was
    ///   opened, and [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if it was removed.
    pub fn stored_size(&self) -> Result<StoredSize> {
        let size = match self.listed_size()? {
            Some(size) => size,
            None => self.asked_size()?,
        };
        self.origin.check(&self.target)?;
        Ok(size)
    }

    /// Returns the size of the listed chunks, or `None` if chunk keys cannot be told from other
    /// names.
    fn listed_size(&self) -> Result<Option<StoredSize>> {
        let mut size = StoredSize { n_chunks: self.n_units(), n_stored: 0, bytes: 0 };
        let is_listed = self.list_units(|_, n_bytes| {
            // A chunk that was just removed is not counted.
            match n_bytes() {
                Ok(bytes) => {
                    size.n_stored += 1;
                    size.bytes += bytes;
                    Ok(())
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            }
        })?;
        Ok(is_listed.then_some(size))
    }

    /// Visits the keys of all stored chunks, or shards, each with a function that returns its size
    /// in bytes. Returns false if they cannot be listed.
    pub(super) fn list_units(
        &self,
        mut visit: impl FnMut(&str, &dyn Fn() -> io::Result<u64>) -> io::Result<()>,
    ) -> Result<bool> {
        let n_chunks = &self.grid.n_units[..];
        // The only chunk of an array without axes has a key that does not reveal the encoding.
        if n_chunks.is_empty() {
            return Ok(false);
        }
        let (file_system, path) = match &self.origin {
            Origin::Directory { file_system, path, .. } => (file_system, path),
            Origin::Keys { bytes, .. } => {
                let Some(keys) = KeySpace::of_metadata(bytes) else { return Ok(false) };
                let Some((prefix, objects)) = self.objects()? else { return Ok(false) };
                let chunks =
                    objects.iter().map(|object| (&object.key[prefix.len()..], object.size));
                for (key, size) in chunks.filter(|(key, _)| keys.number(key, n_chunks).is_some()) {
                    visit(key, &|| Ok(size)).map_err(|error| Error::store(&prefix, error))?;
                }
                return Ok(true);
            }
        };
        let Some(present) = present_at_path(&**file_system, path)? else { return Ok(false) };
        let walked = present.keys.walk(&**file_system, path, n_chunks, |found| match found {
            Found::Chunk { key, path } => visit(key, &|| file_system.size(path)),
            Found::Directory(_) => Ok(()),
        });
        walked.map_err(|source| Error::examine(path, source))?;
        Ok(true)
    }

    /// Returns the size of the stored chunks, by looking up every possible key.
    fn asked_size(&self) -> Result<StoredSize> {
        let n_chunks = self.n_units();
        let mut size = StoredSize { n_chunks, n_stored: 0, bytes: 0 };
        for place in 0..n_chunks {
            let key = self.chunks.array.chunk_key(&self.unit_index(place));
            let bytes = caught(|| self.chunks.store.size_key(&key))
                .map_err(|source| Error::store(&key, source))?;
            size.n_stored += u64::from(bytes.is_some());
            size.bytes += bytes.unwrap_or(0);
        }
        Ok(size)
    }

    /// Returns the number of chunks, or shards, of the array.
    pub(super) fn n_units(&self) -> u64 {
        self.grid.n_units.iter().fold(1, |n, &along| n.saturating_mul(along))
    }

    /// Returns the index along each axis of a chunk, or shard, from its position in C order.
    pub(super) fn unit_index(&self, place: u64) -> Vec<u64> {
        index_in_grid(place, &self.grid.n_units)
    }
}

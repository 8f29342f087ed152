//! Methods that read the elements of a stored array: whole, by region, or as a sequence.

use std::ops::Range;

use lazy_core::ndarray::{Array, Dimension};
use lazy_core::{
    ArrayBlock, BlockSizes, Element, Indexed, LazyChunkSequence, NestedLazyChunkSequence,
};
use zarrs::array::ArraySubset;

use super::array::StoredArray;
use super::gather::ChunkReader;
use super::untrusted::{caught, n_bytes};
use crate::defect::Defect;
use crate::error::{Error, ReadError, Result};
use crate::memory::{BufferPool, fits_memory};
use crate::store::EarlyCheck;
use crate::threads;

impl StoredArray {
    /// Reads the whole array.
    ///
    /// # Errors
    ///
    /// The errors of [`read_region`](Self::read_region).
    pub fn read(&self) -> Result<ArrayBlock> {
        let region: Vec<_> = self.shape.iter().map(|&size| 0..size).collect();
        self.read_region(&region)
    }

    /// Reads the whole array as an ndarray of dimension `D`.
    ///
    /// # Errors
    ///
    /// The errors of [`read_region`](Self::read_region), and
    /// [`ErrorKind::Sequence`](crate::ErrorKind::Sequence) if the array has another dtype or
    /// another number of axes.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::zarr::{StoredArray, store};
    /// use ndarray::{Ix2, array};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("weights.zarr");
    /// store(array![[1.0_f32, 2.0]], &path)?;
    /// let weights = StoredArray::open(&path)?.read_array::<f32, Ix2>()?;
    /// assert_eq!(weights, array![[1.0, 2.0]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_array<A: Element, D: Dimension>(&self) -> Result<Array<A, D>> {
        Ok(self.read()?.into_array()?)
    }

    /// Reads a region, given as one range of indices for each axis.
    ///
    /// If a chunk has a checksum or is compressed, the whole chunk is read, whatever part of it
    /// lies in the region, and its checksum is checked. In a shard, this applies to each chunk
    /// separately. If a chunk is uncompressed and has no checksum, only the part in the region is
    /// read, together with gaps of at most 16 KiB between its runs of bytes. On one machine, ten
    /// elements of a chunk of 8 MiB took 0.01 ms without a checksum, and 0.8 ms with one. A chunk
    /// that is read whole for a part of it is [kept](Self::with_cache) for reads of other parts.
    ///
    /// Several [threads](Self::with_reader_threads) read at once. Besides the result, each thread
    /// holds one chunk, encoded and decoded. With shards, a thread holds a whole shard if its
    /// chunks have less than 32 KiB, and otherwise one chunk and 16 bytes for each chunk of a
    /// shard. Uncompressed chunks in directories are read directly into the result, with at most
    /// 8 MiB of other memory.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidRegion`](crate::ErrorKind::InvalidRegion) if the region does not lie
    ///   within the array.
    /// - [`ErrorKind::Memory`](crate::ErrorKind::Memory) if memory cannot hold the region.
    /// - [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if a chunk is missing or cannot be
    ///   decoded. [`Error::chunk`] and [`Error::key`] name it.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the file system or the store fails.
    /// - [`ErrorKind::Changed`](crate::ErrorKind::Changed) if the array was replaced after it was
    ///   opened, and [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if it was removed.
    pub fn read_region(&self, region: &[Range<usize>]) -> Result<ArrayBlock> {
        self.read_to(region, None)
    }

    /// Reads a region into memory of a pool, or into new memory without a pool.
    fn read_to(&self, region: &[Range<usize>], pool: Option<&BufferPool>) -> Result<ArrayBlock> {
        let fits = region.len() == self.shape.len()
            && region
                .iter()
                .zip(&self.shape)
                .all(|(range, &size)| range.start <= range.end && range.end <= size);
        if !fits {
            return Err(ReadError::OutOfBounds {
                region: region.to_vec(),
                shape: self.shape.clone(),
            }
            .into());
        }
        threads::check("reader threads", self.n_threads)?;
        let shape: Vec<_> = region.iter().map(Range::len).collect();
        if shape.contains(&0) {
            return Ok(ArrayBlock::new(self.chunks.dtype, shape, bytes::Bytes::new())?);
        }
        let failed = |source: lazy_core::BoxError| {
            Error::from(ReadError::Region {
                target: self.target.clone(),
                region: region.to_vec(),
                source,
            })
        };
        let bytes = n_bytes(self.chunks.dtype, shape.iter().copied());
        if !fits_memory(bytes) {
            let (target, region) = (self.target.clone(), region.to_vec());
            return Err(ReadError::RegionMemory { target, region, bytes }.into());
        }
        let ranges: Vec<_> =
            region.iter().map(|range| range.start as u64..range.end as u64).collect();
        let subset = ArraySubset::new_with_ranges(&ranges);
        let gather = |chunks: &ChunkReader| {
            let read = chunks.gather(&subset, pool, self.n_threads);
            read.map_err(|error| self.broken_chunk(&subset).unwrap_or_else(|| failed(error)))
        };
        // The check comes after the read, so that it notices a replacement during the read, and an
        // error that the replacement caused is not reported as a lost chunk. An early check notices
        // as much, and saves a round trip.
        let n_shards = self.chunks.n_shards(&subset);
        let check = n_shards.and_then(|n| EarlyCheck::of_read(&self.origin, &self.target, n));
        let (read, checked) = match check {
            None => (gather(&self.chunks), self.origin.check(&self.target)),
            Some(check) => {
                let read = gather(&self.chunks.checked(&check));
                let checked = check.finish(read.is_ok());
                (read, checked)
            }
        };
        let bytes = match (read, checked) {
            (Ok(bytes), Ok(())) => bytes,
            (_, Err(error)) if !error.is_of_access() => return Err(error),
            (Err(error), _) | (Ok(_), Err(error)) => return Err(error),
        };
        ArrayBlock::new(self.chunks.dtype, shape, bytes).map_err(|error| failed(error.into()))
    }

    /// Returns the first chunk of a region that cannot be read, and the cause.
    fn broken_chunk(&self, subset: &ArraySubset) -> Option<Error> {
        let chunks = caught(|| self.chunks.array.chunks_in_array_subset(subset)).ok().flatten()?;
        chunks.indices().into_iter().find_map(|index| {
            let Defect { chunk, key, kind } = self.chunks.defect(&index)?;
            Some(ReadError::Chunk { target: self.target.clone(), chunk, key, defect: kind }.into())
        })
    }

    /// Returns the array as a sequence of blocks with these numbers of rows. Each block is read on
    /// demand.
    ///
    /// If the number of rows of each block is a multiple of the chunk's
    /// ([`chunk_shape`](Self::chunk_shape)), or if the blocks are the chunks
    /// ([`chunk_sizes`](Self::chunk_sizes)), every chunk is read once. Blocks of other sizes read
    /// every chunk once as long as a row of chunks fits the memory for decoded chunks
    /// ([`with_cache`](Self::with_cache)), by default 64 MiB. The sequence reuses the
    /// memory of dropped blocks, if they span several chunks, and frees it when the sequence is
    /// dropped.
    ///
    /// If the sequence is reduced [on several threads](LazyChunkSequence::with_threads), each
    /// thread reads a block. With [one reader thread](Self::with_reader_threads), it reads the
    /// block alone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRegion`](crate::ErrorKind::InvalidRegion) if the blocks do not add up to
    /// the array's rows. A block that cannot be read fails the evaluation with
    /// [`lazy_core::ErrorKind::Producer`].
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// # use std::sync::Arc;
    /// #
    /// # use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::{BlockSizes, MeanVariance};
    /// # use lazy_chunks::zarr::{MemoryStore, ToZarr, ZarrSink};
    /// # use ndarray::Array2;
    ///
    /// # let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_chunk_shape([10, 3]);
    /// # let stored = LazyChunkSequence::new(|| (0..5).map(|i| Array2::from_elem((5, 3), i as f64)))
    /// #     .convert(NdarrayConverter)
    /// #     .to_zarr(sink)?;
    /// // Statistics of what was stored, a row of chunks at a time.
    /// let rows = BlockSizes::uniform(stored.shape()[0], stored.chunk_shape()[0]);
    /// let moments = stored.sequence(rows)?.compute(MeanVariance)?;
    /// assert_eq!((moments.count, moments.mean), (75, 2.0));
    /// # Ok::<(), lazy_chunks::zarr::Error>(())
    /// ```
    pub fn sequence(
        &self,
        rows: impl Into<BlockSizes>,
    ) -> Result<LazyChunkSequence<'static, ArrayBlock, Indexed>> {
        let rows = self.blocks_along(0, rows.into())?;
        let (stored, sizes, pool) = (self.clone(), rows.clone(), BufferPool::default());
        let sequence = LazyChunkSequence::try_from_fn(rows, move |i| {
            let mut region: Vec<_> = stored.shape.iter().map(|&size| 0..size).collect();
            region[0] = sizes.range(i);
            stored.read_to(&region, Some(&pool))
        });
        Ok(sequence.with_row_type(self.chunks.dtype, &self.shape[1..]))
    }

    /// Returns the array as a nested sequence of blocks with these numbers of rows and columns.
    /// Each block is read on demand.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidRegion`](crate::ErrorKind::InvalidRegion) if the blocks do not add up to
    /// the array's rows and columns, or if the array has no columns. A block that cannot be read
    /// fails the evaluation, as in [`sequence`](Self::sequence).
    pub fn nested_sequence(
        &self,
        rows: impl Into<BlockSizes>,
        columns: impl Into<BlockSizes>,
    ) -> Result<NestedLazyChunkSequence<'static, ArrayBlock, Indexed>> {
        let rows = self.blocks_along(0, rows.into())?;
        let columns = self.blocks_along(1, columns.into())?;
        let (stored, pool) = (self.clone(), BufferPool::default());
        let (row_sizes, column_sizes) = (rows.clone(), columns.clone());
        let sequence = NestedLazyChunkSequence::try_from_fn(rows, columns, move |i, j| {
            let mut region: Vec<_> = stored.shape.iter().map(|&size| 0..size).collect();
            region[0] = row_sizes.range(i);
            region[1] = column_sizes.range(j);
            stored.read_to(&region, Some(&pool))
        });
        Ok(sequence.with_row_type(self.chunks.dtype, &self.shape[1..]))
    }

    fn blocks_along(&self, axis: usize, sizes: BlockSizes) -> Result<BlockSizes> {
        if self.shape.get(axis) == Some(&sizes.total()) {
            return Ok(sizes);
        }
        Err(ReadError::BlockSizes { axis, actual: sizes.total(), shape: self.shape.clone() }.into())
    }
}

//! A reader of single chunks.

use std::sync::Arc;

use bytes::Bytes;
use lazy_core::{BoxError, DType};
use zarrs::array::{Array, ArrayBytes, ArraySubset, ChunkGrid};
use zarrs::storage::{ReadableStorage, ReadableStorageTraits};

use super::cache::ChunkCache;
use super::direct::Direct;
use super::part::{Decoded, Part, Span};
use super::shards::{InShards, Shards};
use crate::format::one_thread;
use crate::layout::overlap::{copy_bytes, n_elements};
use crate::memory::fits_memory;
use crate::read::missing::MissingChunks;
use crate::read::untrusted::{as_usize, caught, n_bytes};
use crate::store::{CompleteStore, EarlyCheck};

/// Reads the chunks or shards of an array.
#[derive(Clone)]
pub(in crate::read) struct ChunkReader {
    /// The array with guarded codecs. If missing chunks are errors, its store returns these errors.
    pub(in crate::read) array: Arc<Array<dyn ReadableStorageTraits>>,
    /// The store without that check.
    pub(in crate::read) store: ReadableStorage,
    /// Reads chunks without the codecs, if they are stored unencoded.
    pub(in crate::read) direct: Option<Direct>,
    /// The shards, if their chunks are read one by one.
    pub(in crate::read) in_shards: Option<InShards>,
    /// The shards, if their chunks are read one by one only where a part of the shard is requested,
    /// and must each be read whole.
    pub(in crate::read) small_chunks: Option<InShards>,
    /// Decoded chunks of which parts were read, unless the cache is off.
    pub(in crate::read) cache: Option<Arc<ChunkCache>>,
    /// True if a unit is a chunk that must be read whole, whatever part of it is requested, so that
    /// it is worth caching.
    pub(in crate::read) reads_whole: bool,
    pub(in crate::read) missing: MissingChunks,
    pub(in crate::read) dtype: DType,
    pub(in crate::read) is_sharded: bool,
    /// The number of chunks that are requested at a time from a store that waits.
    pub(in crate::read) concurrency: Option<usize>,
    /// The size of the unit that is decoded at once, in bytes: a chunk or a shard.
    pub(in crate::read) unit_bytes: u128,
    /// The check of the read that this reader is for, if it begins early.
    pub(in crate::read) check: Option<Arc<EarlyCheck>>,
}

impl ChunkReader {
    /// Returns a reader of the same chunks that treats missing chunks as given.
    pub(in crate::read) fn with_missing(self, missing: MissingChunks) -> ChunkReader {
        // Cached chunks may have been read with another meaning of missing chunks.
        let cache = self.cache.as_ref().map(|cache| Arc::new(cache.apart()));
        let store = Arc::clone(&self.store);
        ChunkReader { missing, cache, ..self }.with_store(store)
    }

    /// Returns a reader of the same chunks from another store of the same objects.
    pub(super) fn with_store(self, store: ReadableStorage) -> ChunkReader {
        let of_array: ReadableStorage = match self.missing {
            MissingChunks::FillValue => Arc::clone(&store),
            MissingChunks::Error => Arc::new(CompleteStore::new(Arc::clone(&store))),
        };
        ChunkReader { array: Arc::new(self.array.with_storage(of_array)), store, ..self }
    }

    /// Returns the cache that holds a chunk of this shape, if there is one.
    pub(super) fn cache_of(&self, part: &Part) -> Option<&ChunkCache> {
        let bytes = n_bytes(self.dtype, part.shape.iter().copied());
        self.cache.as_deref().filter(|cache| self.reads_whole && cache.can_hold(bytes))
    }

    /// Returns true if the cache holds a chunk.
    pub(super) fn is_cached(&self, index: &[u64]) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.get(index).is_some())
    }

    pub(super) fn fill_element(&self) -> &[u8] {
        self.array.fill_value().as_ne_bytes()
    }

    /// Returns the fill value if a missing chunk stands for it, or `None` if a missing chunk is an
    /// error.
    pub(super) fn absent_element(&self) -> Option<&[u8]> {
        match self.missing {
            MissingChunks::FillValue => Some(self.fill_element()),
            MissingChunks::Error => None,
        }
    }

    pub(super) fn part(&self, region: &ArraySubset, index: &[u64]) -> Result<Part, BoxError> {
        self.part_in(self.grid(), region, index)
    }

    fn part_in(
        &self,
        grid: &ChunkGrid,
        region: &ArraySubset,
        index: &[u64],
    ) -> Result<Part, BoxError> {
        let chunk = caught(|| grid.subset(index))?.ok_or("there is no such chunk")?;
        let axes =
            || chunk.start().iter().zip(chunk.shape()).zip(region.start()).zip(region.shape());
        let (mut start, mut extent) = (Vec::new(), Vec::new());
        let mut is_all = true;
        for ((((chunk, size), region), n), of_array) in axes().zip(self.array.shape()) {
            let chunk_end = chunk.saturating_add(*size);
            start.push(*chunk.max(region));
            let end = chunk_end.min(region + n);
            extent.push(end.checked_sub(*chunk.max(region)).ok_or("a chunk lies elsewhere")?);
            is_all &= region <= chunk && end == chunk_end.min(*of_array);
        }
        let from = |origin: &[u64]| {
            as_usize(
                &start.iter().zip(origin).map(|(start, origin)| start - origin).collect::<Vec<_>>(),
            )
        };
        Ok(Part {
            index: index.to_vec(),
            shape: as_usize(chunk.shape())?,
            in_chunk: from(chunk.start())?,
            in_region: from(region.start())?,
            extent: as_usize(&extent)?,
            is_all,
        })
    }

    /// Returns the bytes that a chunk lies in, or `None` if its shard does not contain it.
    pub(super) fn span(&self, part: &Part, shards: &Shards) -> Result<Option<Span>, BoxError> {
        match &self.in_shards {
            Some(in_shards) => caught(|| shards.span(self, in_shards, part)),
            None => {
                let key = self.array.chunk_key(&part.index);
                Ok(Some(Span { key, offset: 0, length: None }))
            }
        }
    }

    /// Returns the elements of a part, or `None` if they are all the fill value.
    ///
    /// A chunk of which only a part is requested is kept for later reads of other parts. A chunk
    /// that is requested whole is not, since reads of whole chunks would displace all others.
    pub(super) fn elements(
        &self,
        part: &Part,
        shards: &Shards,
    ) -> Result<Option<Decoded>, BoxError> {
        let Some(cache) = self.cache_of(part) else {
            return self.decoded(part, shards);
        };
        if part.is_all {
            return match self.kept(cache, &part.index) {
                Some(bytes) => Ok(Some(part.of_chunk(bytes))),
                None => self.decoded(part, shards),
            };
        }
        let bytes = self.kept_or_read(cache, &part.index, || {
            self.check_memory(part)?;
            match &self.in_shards {
                Some(in_shards) => self.chunk_of_shard(in_shards, part, shards),
                None => self.whole_chunk(part).map(Some),
            }
        })?;
        Ok(bytes.map(|bytes| part.of_chunk(bytes)))
    }

    /// Reads the elements of a part, or returns `None` if they are all the fill value. The whole
    /// chunk is decoded if most of it is requested.
    ///
    /// A shard is decoded whole only if the part covers all of it that lies in the array, so that
    /// damage of other chunks of the shard has no effect.
    fn decoded(&self, part: &Part, shards: &Shards) -> Result<Option<Decoded>, BoxError> {
        if let Some(in_shards) = &self.in_shards {
            let bytes = self.chunk_of_shard(in_shards, part, shards)?;
            return Ok(bytes.map(|bytes| part.of_chunk(bytes)));
        }
        let n_bytes = |sizes: &[usize]| n_bytes(self.dtype, sizes.iter().copied());
        let bytes = n_bytes(&part.shape);
        let is_most = bytes <= 2 * n_bytes(&part.extent);
        let is_whole = part.is_whole() || (is_most && (part.is_all || !self.is_sharded));
        if !is_whole {
            let (bytes, shape) = (self.part_of_unit(part, shards)?, part.extent.clone());
            return Ok(Some(Decoded { bytes, start: vec![0; shape.len()], shape }));
        }
        if !part.is_whole() {
            self.check_memory(part)?;
        }
        self.whole_chunk(part).map(|bytes| Some(part.of_chunk(bytes)))
    }

    /// Checks that memory can hold the whole chunk of a part.
    fn check_memory(&self, part: &Part) -> Result<(), BoxError> {
        let bytes = n_bytes(self.dtype, part.shape.iter().copied());
        if fits_memory(bytes) {
            Ok(())
        } else {
            Err(format!("it has {bytes} bytes, which memory cannot hold").into())
        }
    }

    /// Reads and decodes a chunk of a shard, or returns `None` if the chunk stands for the fill
    /// value.
    fn chunk_of_shard(
        &self,
        in_shards: &InShards,
        part: &Part,
        shards: &Shards,
    ) -> Result<Option<Bytes>, BoxError> {
        caught(|| -> Result<_, BoxError> {
            let encoded = shards.encoded(self, in_shards, part)?;
            encoded.map(|encoded| in_shards.decode(&self.array, &encoded)).transpose()
        })
    }

    /// Returns the grid of the chunks of shards that are read one by one, or else of the chunks or
    /// shards.
    pub(super) fn grid(&self) -> &ChunkGrid {
        self.in_shards.as_ref().map_or(self.array.chunk_grid(), |in_shards| &in_shards.grid)
    }

    fn whole_chunk(&self, part: &Part) -> Result<Bytes, BoxError> {
        caught(|| -> Result<_, BoxError> {
            let array = &self.array;
            let bytes: ArrayBytes<'static> =
                array.retrieve_chunk_opt(&part.index, &one_thread())?;
            Ok(bytes.into_fixed()?.into_owned().into())
        })
    }

    /// Reads a part of a chunk or shard.
    pub(super) fn part_of_unit(&self, part: &Part, shards: &Shards) -> Result<Bytes, BoxError> {
        match (&self.small_chunks, &self.cache) {
            (Some(small_chunks), Some(cache)) => {
                self.part_of_shard(part, shards, small_chunks, cache)
            }
            _ => self.part_of_chunk(part),
        }
    }

    /// Reads a part of a shard from its chunks, which are kept if the part has only parts of them.
    fn part_of_shard(
        &self,
        part: &Part,
        shards: &Shards,
        in_shards: &InShards,
        cache: &ChunkCache,
    ) -> Result<Bytes, BoxError> {
        let at = part.index.iter().zip(&part.shape).zip(&part.in_chunk);
        let start: Vec<_> =
            at.map(|((index, size), start)| index * *size as u64 + *start as u64).collect();
        let extent = part.extent.iter().map(|&size| size as u64).collect();
        let region = ArraySubset::new_with_start_shape(start, extent)?;
        let chunks = caught(|| in_shards.grid.chunks_in_array_subset(&region))?;
        let mut output = self.fill_element().repeat(n_elements(&part.extent));
        for index in &chunks.ok_or("it has no chunks")?.indices() {
            let chunk = self.part_in(&in_shards.grid, &region, &index)?;
            let read = || self.chunk_of_shard(in_shards, &chunk, shards);
            let bytes = match self.kept(cache, &index) {
                None if chunk.is_all => read()?,
                None => self.kept_or_read(cache, &index, read)?,
                bytes => bytes,
            };
            let Some(bytes) = bytes else { continue };
            copy_bytes(
                self.dtype.size(),
                (&bytes, &chunk.shape, &chunk.in_chunk),
                (&mut output, &part.extent, &chunk.in_region),
                &chunk.extent,
            );
        }
        Ok(output.into())
    }

    /// Reads a part with the partial decoders of zarrs. Of a shard, they read only the chunks that
    /// the part overlaps; of an uncompressed chunk without a checksum, only the elements.
    fn part_of_chunk(&self, part: &Part) -> Result<Bytes, BoxError> {
        let start = part.in_chunk.iter().map(|&start| start as u64).collect();
        let shape = part.extent.iter().map(|&size| size as u64).collect();
        caught(|| -> Result<_, BoxError> {
            let subset = ArraySubset::new_with_start_shape(start, shape)?;
            let array = &self.array;
            let bytes: ArrayBytes<'static> =
                array.retrieve_chunk_subset_opt(&part.index, &subset, &one_thread())?;
            Ok(bytes.into_fixed()?.into_owned().into())
        })
    }
}

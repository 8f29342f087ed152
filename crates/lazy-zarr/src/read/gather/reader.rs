//! The chunks of an array, and how each of them is read.

use std::sync::Arc;

use bytes::Bytes;
use lazy_core::{BoxError, DType};
use zarrs::array::{Array, ArrayBytes, ArraySubset, ChunkGrid};
use zarrs::storage::byte_range::ByteRange;
use zarrs::storage::{ReadableStorage, ReadableStorageTraits};

use super::direct::Direct;
use super::part::{Decoded, Part, Span};
use super::shards::{InShards, Shards};
use crate::memory::fits_memory;
use crate::read::missing::MissingChunks;
use crate::read::untrusted::{as_usize, caught, n_bytes, one_thread};
use crate::store::CompleteStore;

/// The chunks of an array, or its shards, as they are read.
#[derive(Clone)]
pub(in crate::read) struct ChunkReader {
    /// With guarded codecs, and over a store in which a missing chunk is an error where it is one.
    pub(in crate::read) array: Arc<Array<dyn ReadableStorageTraits>>,
    /// The store as it is.
    pub(in crate::read) store: ReadableStorage,
    /// Where chunks can be read past the codecs.
    pub(in crate::read) direct: Option<Direct>,
    /// The shards, where each of their chunks is read by itself.
    pub(in crate::read) in_shards: Option<InShards>,
    pub(in crate::read) missing: MissingChunks,
    pub(in crate::read) dtype: DType,
    pub(in crate::read) is_sharded: bool,
    /// The bytes of what is decoded at once: a chunk or a shard.
    pub(in crate::read) unit_bytes: u128,
}

impl ChunkReader {
    /// Returns a reader of the same chunks, with another meaning of those that are not there.
    pub(in crate::read) fn with_missing(self, missing: MissingChunks) -> ChunkReader {
        let store: ReadableStorage = match missing {
            MissingChunks::FillValue => Arc::clone(&self.store),
            MissingChunks::Error => Arc::new(CompleteStore::new(Arc::clone(&self.store))),
        };
        ChunkReader { array: Arc::new(self.array.with_storage(store)), missing, ..self }
    }

    pub(super) fn fill_element(&self) -> &[u8] {
        self.array.fill_value().as_ne_bytes()
    }

    /// Returns the fill value if a missing chunk stands for it; none if a missing chunk is an error.
    pub(super) fn absent_element(&self) -> Option<&[u8]> {
        match self.missing {
            MissingChunks::FillValue => Some(self.fill_element()),
            MissingChunks::Error => None,
        }
    }

    pub(super) fn part(&self, region: &ArraySubset, index: &[u64]) -> Result<Part, BoxError> {
        let chunk = caught(|| self.grid().subset(index))?.ok_or("there is no such chunk")?;
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

    /// Where a chunk lies; none where a shard says that it is not stored.
    pub(super) fn span(&self, part: &Part, shards: &Shards) -> Result<Option<Span>, BoxError> {
        match &self.in_shards {
            Some(in_shards) => caught(|| shards.span(&self.array, in_shards, part)),
            None => {
                let key = self.array.chunk_key(&part.index);
                Ok(Some(Span { key, offset: 0, length: None }))
            }
        }
    }

    /// The elements of a part, out of the whole chunk where most of it is asked for; none where they are of
    /// the fill value.
    ///
    /// A shard is decoded whole only where all of it is asked for that lies in the array: damage of its
    /// other chunks is no matter.
    pub(super) fn decoded(&self, part: &Part, span: &Span) -> Result<Option<Decoded>, BoxError> {
        let n_bytes = |sizes: &[usize]| n_bytes(self.dtype, sizes.iter().copied());
        let bytes = n_bytes(&part.shape);
        let whole =
            |bytes| Decoded { bytes, shape: part.shape.clone(), start: part.in_chunk.clone() };
        if let (Some(in_shards), Some(length)) = (&self.in_shards, span.length) {
            let range = ByteRange::FromStart(span.offset, Some(length));
            return caught(|| -> Result<_, BoxError> {
                let encoded = self.array.storage().get_partial(&span.key, range)?;
                let decoded =
                    encoded.map(|encoded| in_shards.decode(&self.array, &encoded)).transpose()?;
                Ok(decoded.map(whole))
            });
        }
        let is_most = bytes <= 2 * n_bytes(&part.extent);
        let is_whole = part.is_whole() || (is_most && (part.is_all || !self.is_sharded));
        if !is_whole {
            let (bytes, shape) = (self.part_of_chunk(part)?, part.extent.clone());
            return Ok(Some(Decoded { bytes, start: vec![0; shape.len()], shape }));
        }
        if !part.is_whole() && !fits_memory(bytes) {
            return Err(format!("it has {bytes} bytes, which memory cannot hold").into());
        }
        self.whole_chunk(part).map(|bytes| Some(whole(bytes)))
    }

    /// The grid of the chunks that are read by themselves, or of the shards.
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

    /// What zarrs' partial decoders read: of a shard the chunks that are touched, and of an uncompressed chunk
    /// without a checksum the elements alone.
    pub(super) fn part_of_chunk(&self, part: &Part) -> Result<Bytes, BoxError> {
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

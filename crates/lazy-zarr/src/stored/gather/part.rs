//! What a region has of one chunk, or of one shard.

use bytes::Bytes;
use lazy_core::{BoxError, CommonRuns, DType};
use zarrs::array::{ArrayBytes, ArraySubset, ChunkGrid};
use zarrs::storage::byte_range::ByteRange;
use zarrs::storage::{ReadableStorageTraits, StoreKey};

use super::shards::Shards;
use crate::memory::fits_memory;
use crate::overlap::runs_of_bytes;
use crate::stored::memory::{caught, n_bytes};
use crate::stored::{StoredArray, as_usize, one_thread};

/// What a region and a chunk, or a shard, have in common.
pub(super) struct Part {
    /// The chunk's index along each axis.
    pub(super) index: Vec<u64>,
    /// The chunk's size along each axis.
    pub(super) shape: Vec<usize>,
    /// Where the common box begins in the chunk.
    pub(super) in_chunk: Vec<usize>,
    /// Where it begins in the region.
    pub(super) in_region: Vec<usize>,
    /// Its size along each axis.
    pub(super) extent: Vec<usize>,
    /// Whether that is all of the chunk that lies in the array.
    is_all: bool,
}

impl Part {
    /// Whether that is all of the chunk.
    pub(super) fn is_whole(&self) -> bool {
        self.extent == self.shape
    }

    /// The runs of its bytes in the chunk.
    pub(super) fn runs(&self, dtype: DType) -> CommonRuns {
        let chunk = (&self.shape[..], &self.in_chunk[..]);
        runs_of_bytes(dtype.size(), chunk, chunk, &self.extent)
    }
}

/// The bytes that a chunk lies in.
pub(super) struct Span {
    pub(super) key: StoreKey,
    pub(super) offset: u64,
    /// How many there are, where they are not all of a file.
    pub(super) length: Option<u64>,
}

/// Elements of a chunk.
pub(super) struct Decoded {
    pub(super) bytes: Bytes,
    /// The shape of what was decoded: the chunk, or the part that is asked for.
    pub(super) shape: Vec<usize>,
    /// Where the part begins in it.
    pub(super) start: Vec<usize>,
}

impl StoredArray {
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
            Some(in_shards) => caught(|| shards.span(self, in_shards, part)),
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
                    encoded.map(|encoded| in_shards.decode(self, &encoded)).transpose()?;
                Ok(decoded.map(whole))
            });
        }
        let is_most = bytes <= 2 * n_bytes(&part.extent);
        let is_whole = part.is_whole() || (is_most && (part.is_all || self.shard_shape.is_none()));
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

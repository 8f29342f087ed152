//! The part that a region has of one chunk, or of one shard.

use bytes::Bytes;
use lazy_core::{CommonRuns, DType};
use zarrs::storage::StoreKey;

use crate::layout::overlap::runs_of_bytes;

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
    pub(super) is_all: bool,
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

//! The part of a chunk or shard that lies in a region.

use bytes::Bytes;
use lazy_core::{CommonRuns, DType};
use zarrs::storage::StoreKey;

use crate::layout::overlap::runs_of_bytes;

/// The overlap of a region and a chunk, or a shard.
pub(super) struct Part {
    /// The chunk's index along each axis.
    pub(super) index: Vec<u64>,
    /// The chunk's size along each axis.
    pub(super) shape: Vec<usize>,
    /// The start of the common box in the chunk.
    pub(super) in_chunk: Vec<usize>,
    /// The start of the common box in the region.
    pub(super) in_region: Vec<usize>,
    /// The size of the common box along each axis.
    pub(super) extent: Vec<usize>,
    /// True if the box is all of the chunk that lies in the array.
    pub(super) is_all: bool,
}

impl Part {
    /// Returns true if the box is the whole chunk.
    pub(super) fn is_whole(&self) -> bool {
        self.extent == self.shape
    }

    /// Returns the part of a whole decoded chunk.
    pub(super) fn of_chunk(&self, bytes: Bytes) -> Decoded {
        Decoded { bytes, shape: self.shape.clone(), start: self.in_chunk.clone() }
    }

    /// Returns the runs of the box's bytes in the chunk.
    pub(super) fn runs(&self, dtype: DType) -> CommonRuns {
        let chunk = (&self.shape[..], &self.in_chunk[..]);
        runs_of_bytes(dtype.size(), chunk, chunk, &self.extent)
    }
}

/// The range of bytes that a chunk lies in.
pub(super) struct Span {
    pub(super) key: StoreKey,
    pub(super) offset: u64,
    /// The number of bytes, or `None` if the chunk is the whole file.
    pub(super) length: Option<u64>,
}

/// Decoded elements of a chunk.
pub(super) struct Decoded {
    pub(super) bytes: Bytes,
    /// The shape of the decoded elements: the whole chunk, or only the requested part.
    pub(super) shape: Vec<usize>,
    /// The start of the requested part in the decoded elements.
    pub(super) start: Vec<usize>,
}

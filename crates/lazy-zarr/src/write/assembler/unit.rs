//! A unit of writing, and the chunks in it.

use std::sync::Arc;

use super::chunk::Chunk;
use super::part::{Contents, Frame, Part};
use crate::layout::overlap::{Overlap, chunk_after};

/// A whole unit of writing: a chunk, or a shard if there are shards. Its elements outside the array
/// are the fill value.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The index along each axis in the grid of units.
    pub(crate) index: Vec<usize>,
    frame: Arc<Frame>,
    /// The size along each axis of the unit's part within the array.
    extent: Vec<usize>,
    /// The parts that fill the extent.
    parts: Vec<Part>,
}

impl Unit {
    pub(super) fn new(
        index: Vec<usize>,
        frame: &Arc<Frame>,
        extent: Vec<usize>,
        contents: Contents,
    ) -> Unit {
        let parts = match contents {
            Contents::Parts(parts) => parts,
            Contents::Copied(data) => {
                let start = vec![0; extent.len()];
                let overlap =
                    Overlap { in_block: start.clone(), in_chunk: start, extent: extent.clone() };
                let data = data.into_block().data().clone();
                vec![Part { data, shape: frame.unit_shape.clone(), overlap }]
            }
        };
        Unit { index, frame: Arc::clone(frame), extent, parts }
    }

    /// Returns the size of all elements in bytes, before they are encoded.
    pub(crate) fn n_bytes(&self) -> usize {
        self.frame.unit_bytes()
    }

    /// Returns the chunks in C order: all chunks of a shard, or the one chunk that the unit is.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        let (unit_shape, chunk_shape) = (&self.frame.unit_shape, &self.frame.chunk_shape);
        let zero = vec![0; unit_shape.len()];
        let after = move |chunk: &Vec<usize>| chunk_after(chunk, &zero, unit_shape, chunk_shape);
        std::iter::successors(Some(vec![0; unit_shape.len()]), after)
            .map(|index| Chunk::new(&self.frame, &index, &self.extent, &self.parts))
    }
}

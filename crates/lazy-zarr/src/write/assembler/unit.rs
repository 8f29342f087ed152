//! A whole unit of what is written, and the chunks in it.

use std::sync::Arc;

use super::chunk::Chunk;
use super::part::{Contents, Frame, Part};
use crate::layout::overlap::{Overlap, chunk_after};

/// A whole unit of what is written: a chunk, or a shard where there are shards. What of it lies outside of
/// the array is the fill value.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The index along each axis, among units.
    pub(crate) index: Vec<usize>,
    frame: Arc<Frame>,
    /// The size along each axis of what lies within the array.
    extent: Vec<usize>,
    /// They fill that.
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

    /// The bytes of all elements, before they are encoded.
    pub(crate) fn n_bytes(&self) -> usize {
        self.frame.unit_bytes()
    }

    /// The chunks in C order: all of a shard, or the one that the unit is.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        let (unit_shape, chunk_shape) = (&self.frame.unit_shape, &self.frame.chunk_shape);
        let zero = vec![0; unit_shape.len()];
        let after = move |chunk: &Vec<usize>| chunk_after(chunk, &zero, unit_shape, chunk_shape);
        std::iter::successors(Some(vec![0; unit_shape.len()]), after)
            .map(|index| Chunk::new(&self.frame, &index, &self.extent, &self.parts))
    }
}

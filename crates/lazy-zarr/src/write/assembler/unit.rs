//! A unit of writing, and the chunks in it.

use std::sync::Arc;

use lazy_core::ArrayBlock;

use super::chunk::Chunk;
use super::part::{Contents, Frame, Part};
use crate::layout::Layout;
use crate::layout::overlap::{Overlap, chunk_after};
use crate::settings::FillElement;

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

    /// Returns a unit that is a block, in a rectilinear grid.
    pub(crate) fn of_block(index: Vec<usize>, block: &ArrayBlock, fill: &FillElement) -> Unit {
        let shape = block.shape().to_vec();
        let layout = Layout { chunk_shape: shape.clone(), shard_shape: None };
        let start = vec![0; shape.len()];
        let overlap = Overlap { in_block: start.clone(), in_chunk: start, extent: shape.clone() };
        let frame = Arc::new(Frame::new(&layout, fill.clone()));
        Unit { index, frame, extent: shape, parts: vec![Part::of_block(block, overlap)] }
    }

    /// Returns the shape of the unit.
    pub(crate) fn shape(&self) -> &[usize] {
        &self.frame.unit_shape
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

//! A whole unit of what is written, and the chunks in it.

use std::sync::Arc;

use bytes::Bytes;
use lazy_core::{ArrayBlock, BlockBuffer, BlockPool};

use super::chunk::Chunk;
use crate::format::FillElement;
use crate::layout::Layout;
use crate::overlap::{Overlap, chunk_after, copy_bytes, n_elements};

/// What all units of an array have in common.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) unit_shape: Vec<usize>,
    pub(super) chunk_shape: Vec<usize>,
    pub(super) fill: FillElement,
}

impl Frame {
    pub(super) fn new(layout: &Layout, fill: FillElement) -> Frame {
        let (unit_shape, chunk_shape) = (layout.unit_shape().to_vec(), layout.chunk_shape.clone());
        Frame { unit_shape, chunk_shape, fill }
    }

    pub(super) fn item_size(&self) -> usize {
        self.fill.bytes.len()
    }

    pub(super) fn unit_bytes(&self) -> usize {
        n_elements(&self.unit_shape) * self.item_size()
    }
}

/// A box of elements of a unit, and where they are.
#[derive(Debug)]
pub(super) struct Part {
    /// The native-endian bytes of an array in C order: a block, or a part of one.
    pub(super) data: Bytes,
    pub(super) shape: Vec<usize>,
    /// Where the box is in that array, and in the unit.
    pub(super) overlap: Overlap,
}

/// What there is of a unit so far.
#[derive(Debug)]
pub(super) enum Contents {
    /// Parts, most of which are in blocks, which live as long as the unit does.
    Parts(Vec<Part>),
    /// The unit's own memory, to which its parts are copied.
    Copied(BlockBuffer<u8>),
}

impl Contents {
    /// Takes a part, which goes into the unit's own memory if it is small or others have gone there.
    pub(super) fn add(
        &mut self,
        part: Part,
        is_small: bool,
        frame: &Frame,
        memory: &BlockPool<u8>,
    ) -> lazy_core::Result<()> {
        if let Contents::Parts(parts) = self {
            if !is_small {
                parts.push(part);
                return Ok(());
            }
            let mut data = memory.buffer([frame.unit_bytes()])?;
            parts.iter().for_each(|part| part.copy(&mut data, frame));
            *self = Contents::Copied(data);
        }
        if let Contents::Copied(data) = self {
            part.copy(data, frame);
        }
        Ok(())
    }
}

impl Part {
    pub(super) fn of_block(block: &ArrayBlock, overlap: Overlap) -> Part {
        Part { data: block.data().clone(), shape: block.shape().to_vec(), overlap }
    }

    /// In memory of its own, so that the block can go.
    pub(super) fn copied(block: &ArrayBlock, overlap: Overlap) -> Part {
        let (shape, start) = (overlap.extent.clone(), vec![0; overlap.extent.len()]);
        let item_size = block.dtype().size();
        let mut data = vec![0; n_elements(&shape) * item_size];
        copy_bytes(
            item_size,
            (block.data(), block.shape(), &overlap.in_block),
            (&mut data, &shape, &start),
            &shape,
        );
        Part { data: data.into(), shape, overlap: Overlap { in_block: start, ..overlap } }
    }

    /// Copies it to where it is in its unit.
    fn copy(&self, unit: &mut [u8], frame: &Frame) {
        copy_bytes(
            frame.item_size(),
            (&self.data, &self.shape, &self.overlap.in_block),
            (unit, &frame.unit_shape, &self.overlap.in_chunk),
            &self.overlap.extent,
        );
    }
}

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

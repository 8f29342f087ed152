//! The parts of a unit, and the properties that all units of an array share.

use bytes::Bytes;
use lazy_core::{ArrayBlock, BlockBuffer, BlockPool};

use crate::layout::Layout;
use crate::layout::overlap::{Overlap, copy_bytes, n_elements};
use crate::settings::FillElement;

/// The properties that all units of an array share.
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

/// A box of elements of a unit, and the array that contains them.
#[derive(Debug)]
pub(super) struct Part {
    /// The native-endian bytes of an array in C order: a block, or a part of one.
    pub(super) data: Bytes,
    pub(super) shape: Vec<usize>,
    /// The position of the box in that array and in the unit.
    pub(super) overlap: Overlap,
}

/// The elements of a unit so far.
#[derive(Debug)]
pub(super) enum Contents {
    /// Parts, most of which lie in blocks. The unit keeps these blocks alive.
    Parts(Vec<Part>),
    /// The unit's own memory, which the parts are copied to.
    Copied(BlockBuffer<u8>),
}

impl Contents {
    /// Adds a part. It is copied into the unit's own memory if it is small, or if earlier parts
    /// were.
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

    /// Copies a part into its own memory, so that the block can be dropped.
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

    /// Copies the part to its position in the unit.
    fn copy(&self, unit: &mut [u8], frame: &Frame) {
        copy_bytes(
            frame.item_size(),
            (&self.data, &self.shape, &self.overlap.in_block),
            (unit, &frame.unit_shape, &self.overlap.in_chunk),
            &self.overlap.extent,
        );
    }
}

//! Cutting blocks of any sizes into whole chunks.

use std::collections::BTreeMap;

use bytes::Bytes;
use lazy_core::{ArrayBlock, BlockPosition};

use crate::Result;
use crate::format::FillElement;
use crate::overlap::{Overlap, chunk_after, copy_bytes, first_chunk, n_elements, origin};

/// A whole chunk, or shard where there are shards, padded with the fill value where it lies outside of the array.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The index along each axis.
    pub(crate) index: Vec<usize>,
    /// The elements' native-endian bytes, in C order.
    pub(crate) data: Bytes,
}

/// Takes blocks in order and emits each chunk once, as soon as it is whole.
#[derive(Debug)]
pub(crate) struct Assembler {
    chunk_shape: Vec<usize>,
    /// The array's shape without axis 0; its first entry is unknown while the first band of a
    /// nested sequence lasts.
    row_shape: Vec<Option<usize>>,
    fill: FillElement,
    /// Chunks that are not whole yet, by index.
    open: BTreeMap<Vec<usize>, OpenChunk>,
}

#[derive(Debug)]
struct OpenChunk {
    data: Vec<u8>,
    n_filled: usize,
}

impl Assembler {
    /// `row_shape` is the array's shape without axis 0, as far as it is known.
    pub(crate) fn new(
        chunk_shape: Vec<usize>,
        row_shape: Vec<Option<usize>>,
        fill: FillElement,
    ) -> Assembler {
        Assembler { chunk_shape, row_shape, fill, open: BTreeMap::new() }
    }

    /// Tells the array's size along axis 1, from the end of a nested sequence's first band on. Only
    /// the first time matters.
    pub(crate) fn set_width(
        &mut self,
        width: usize,
        emit: &mut dyn FnMut(Chunk) -> Result<()>,
    ) -> Result<()> {
        if self.row_shape[0].replace(width).is_some() {
            return Ok(());
        }
        // Chunks at the right edge were waiting for columns that do not come.
        let whole: Vec<_> = self
            .open
            .iter()
            .filter(|(index, chunk)| chunk.n_filled == n_elements(&self.valid_extent(index)))
            .map(|(index, _)| index.clone())
            .collect();
        whole.into_iter().try_for_each(|index| {
            let chunk = self.open.remove(&index).expect("the index was found there");
            let extent = self.valid_extent(&index);
            emit(self.padded(index, chunk.data, &extent))
        })
    }

    /// Copies a block into the chunks it overlaps, and emits those that it makes whole.
    pub(crate) fn push(
        &mut self,
        at: BlockPosition,
        block: &ArrayBlock,
        emit: &mut dyn FnMut(Chunk) -> Result<()>,
    ) -> Result<()> {
        if block.n_elements() == 0 {
            return Ok(());
        }
        let (origin, shape) = (origin(at, block.shape().len()), block.shape());
        let mut next = Some(first_chunk(&origin, &self.chunk_shape));
        while let Some(chunk) = next {
            next = chunk_after(&chunk, &origin, shape, &self.chunk_shape);
            let overlap = Overlap::new(chunk, &origin, shape, &self.chunk_shape);
            self.add(overlap, block, emit)?;
        }
        Ok(())
    }

    /// Emits the chunks of the last row of chunks, which the array's end leaves incomplete.
    pub(crate) fn finish(
        &mut self,
        n_rows: usize,
        emit: &mut dyn FnMut(Chunk) -> Result<()>,
    ) -> Result<()> {
        while let Some((index, chunk)) = self.open.pop_first() {
            let mut extent = self.valid_extent(&index);
            extent[0] = extent[0].min(n_rows - index[0] * self.chunk_shape[0]);
            debug_assert_eq!(chunk.n_filled, n_elements(&extent));
            emit(self.padded(index, chunk.data, &extent))?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        overlap: Overlap,
        block: &ArrayBlock,
        emit: &mut dyn FnMut(Chunk) -> Result<()>,
    ) -> Result<()> {
        let Overlap { chunk: index, in_block, in_chunk, extent } = overlap;
        if extent == self.chunk_shape && extent == block.shape() {
            // The block is the chunk.
            return emit(Chunk { index, data: block.data().clone() });
        }
        let item_size = block.dtype().size();
        let valid = self.valid_extent(&index);
        let n_bytes = n_elements(&self.chunk_shape) * item_size;
        let chunk = self
            .open
            .entry(index.clone())
            .or_insert_with(|| OpenChunk { data: vec![0; n_bytes], n_filled: 0 });
        copy_bytes(
            item_size,
            (block.data(), block.shape(), &in_block),
            (&mut chunk.data, &self.chunk_shape, &in_chunk),
            &extent,
        );
        chunk.n_filled += n_elements(&extent);
        if chunk.n_filled < n_elements(&valid) {
            return Ok(());
        }
        let chunk = self.open.remove(&index).expect("the chunk was just filled");
        emit(self.padded(index, chunk.data, &valid))
    }

    /// The box of a chunk that lies within the array, as far as its end is known: all rows, and all
    /// columns while the width is unknown.
    fn valid_extent(&self, index: &[usize]) -> Vec<usize> {
        let mut extent = self.chunk_shape.clone();
        for (axis, size) in self.row_shape.iter().enumerate() {
            let axis = axis + 1;
            if let Some(size) = size {
                extent[axis] = extent[axis].min(size - index[axis] * self.chunk_shape[axis]);
            }
        }
        extent
    }

    /// A chunk whose elements outside of `extent` are the fill value.
    fn padded(&self, index: Vec<usize>, data: Vec<u8>, extent: &[usize]) -> Chunk {
        if extent == self.chunk_shape || self.fill.is_zero() {
            return Chunk { index, data: data.into() };
        }
        let mut padded = self.fill.array(data.len());
        let start = vec![0; extent.len()];
        copy_bytes(
            self.fill.bytes.len(),
            (&data, &self.chunk_shape, &start),
            (&mut padded, &self.chunk_shape, &start),
            extent,
        );
        Chunk { index, data: padded.into() }
    }
}

#[cfg(test)]
mod tests;

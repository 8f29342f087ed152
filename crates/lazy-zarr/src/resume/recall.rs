//! Blocks out of the chunks that an earlier write completed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lazy_core::{ArrayBlock, BlockGrid, BlockPosition, DType, Location};

use super::journal::{Entry, Journal};
use super::record::Record;
use crate::Result;
use crate::encode::UnitCodec;
use crate::format::Format;
use crate::overlap::{Overlap, chunk_after, copy_bytes, first_chunk, n_elements, origin};

/// Cuts blocks, in order, out of chunks that were verified.
///
/// A chunk is read when the first block that touches it is asked for, and kept until the last one was.
pub(super) struct Recall {
    grid: BlockGrid,
    dtype: DType,
    row_shape: Vec<usize>,
    chunk_shape: Vec<usize>,
    /// How many chunks there are along each axis.
    n_chunks: Vec<u64>,
    codec: UnitCodec,
    journal: Arc<Journal>,
    /// The chunks that were complete, by their number in C order, as far as they are not found to be
    /// otherwise.
    entries: BTreeMap<u64, Entry>,
    /// The elements of chunks that more blocks touch.
    loaded: BTreeMap<Vec<usize>, Bytes>,
    /// The stored bytes of chunks that were found to be complete, until the writer has asked for them.
    verified: BTreeMap<Vec<usize>, u64>,
}

impl Recall {
    pub(super) fn new(
        grid: &BlockGrid,
        format: &Format,
        record: &Record,
        journal: &Arc<Journal>,
    ) -> Result<Recall> {
        let chunk_shape = format.layout.unit_shape().to_vec();
        let n_chunks = record.n_chunks();
        journal.remove_strays(&n_chunks)?;
        let entries = journal.entries(&n_chunks)?;
        Ok(Recall {
            grid: grid.clone(),
            dtype: record.dtype,
            row_shape: record.row_shape.clone(),
            chunk_shape,
            n_chunks,
            codec: UnitCodec::new(format)?,
            journal: Arc::clone(journal),
            entries,
            loaded: BTreeMap::new(),
            verified: BTreeMap::new(),
        })
    }

    /// The block at a position, when all chunks that it touches are complete. Blocks are asked for in
    /// order, and by several threads' evaluation before those in front have come.
    pub(super) fn block(&mut self, at: BlockPosition) -> Option<ArrayBlock> {
        let shape = self.block_shape(at);
        if shape.contains(&0) {
            return ArrayBlock::new(self.dtype, shape, Bytes::new()).ok();
        }
        let block = self.assemble(&origin(at, shape.len()), &shape)?;
        ArrayBlock::new(self.dtype, shape, block).ok()
    }

    /// The stored bytes of a chunk that was found to be complete.
    pub(super) fn take_verified(&mut self, chunk: &[usize]) -> Option<u64> {
        self.verified.remove(chunk)
    }

    fn block_shape(&self, at: BlockPosition) -> Vec<usize> {
        let (band, column) = match at.location {
            Location::NestedBlock(band, column) => (band, column),
            Location::Block(band) | Location::Band(band) => (band, 0),
            _ => unreachable!("a block is asked for by its place"),
        };
        let mut shape = [&[self.grid.rows().size(band)], &self.row_shape[..]].concat();
        if let Some(columns) = self.grid.columns() {
            shape[1] = columns.size(column);
        }
        shape
    }

    fn assemble(&mut self, origin: &[usize], shape: &[usize]) -> Option<Bytes> {
        let chunks = chunks(origin, shape, &self.chunk_shape);
        // Nothing is read for a block that is to be computed all the same.
        if !chunks.iter().all(|chunk| self.is_noted(chunk)) {
            return None;
        }
        for chunk in &chunks {
            self.load(chunk)?;
        }
        if let [chunk] = &chunks[..]
            && *shape == self.chunk_shape
        {
            return Some(self.loaded[chunk].clone());
        }
        let item_size = self.dtype.size();
        let mut block = vec![0; n_elements(shape) * item_size];
        for chunk in chunks {
            let Overlap { in_block, in_chunk, extent } =
                Overlap::new(&chunk, origin, shape, &self.chunk_shape);
            copy_bytes(
                item_size,
                (&self.loaded[&chunk], &self.chunk_shape, &in_chunk),
                (&mut block, shape, &in_block),
                &extent,
            );
        }
        Some(block.into())
    }

    fn is_noted(&self, chunk: &[usize]) -> bool {
        self.loaded.contains_key(chunk) || self.entries.contains_key(&self.number(chunk))
    }

    /// Reads a chunk, if it is what was noted of it.
    fn load(&mut self, chunk: &[usize]) -> Option<()> {
        if self.loaded.contains_key(chunk) {
            return Some(());
        }
        let entry = self.entries.remove(&self.number(chunk))?;
        let stored = self.journal.read(&self.codec.key(chunk), entry)?;
        let data = self.codec.decode(&stored).ok()?;
        self.loaded.insert(chunk.to_vec(), data);
        self.verified.insert(chunk.to_vec(), entry.length);
        Some(())
    }

    /// Frees the chunks of which a block was the last. It is told of every block, whether it was recalled
    /// here, by another reducer of the same pass, or computed.
    pub(super) fn forget(&mut self, at: BlockPosition, shape: &[usize]) {
        if self.loaded.is_empty() || shape.contains(&0) {
            return;
        }
        let origin = &origin(at, shape.len());
        let n_rows = self.grid.rows().total();
        for chunk in chunks(origin, shape, &self.chunk_shape) {
            let is_last = |axis: usize, size: usize| {
                let end = ((chunk[axis] + 1) * self.chunk_shape[axis]).min(size);
                end <= origin[axis] + shape[axis]
            };
            if is_last(0, n_rows)
                && (self.grid.columns().is_none() || is_last(1, self.row_shape[0]))
            {
                self.loaded.remove(&chunk);
            }
        }
    }

    fn number(&self, chunk: &[usize]) -> u64 {
        chunk.iter().zip(&self.n_chunks).fold(0, |number, (i, n)| number * n + *i as u64)
    }
}

/// The chunks that a block overlaps.
fn chunks(origin: &[usize], shape: &[usize], chunk_shape: &[usize]) -> Vec<Vec<usize>> {
    let next = |chunk: &Vec<usize>| chunk_after(chunk, origin, shape, chunk_shape);
    std::iter::successors(Some(first_chunk(origin, chunk_shape)), next).collect()
}

//! Blocks restored from the chunks of an earlier write.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use lazy_core::{ArrayBlock, BlockGrid, BlockIndex, BlockPosition, DType};

use crate::error::Result;
use crate::layout::ChunksOfGrid;
use crate::layout::overlap::{
    Overlap, chunk_after, copy_bytes, first_chunk, n_elements, origin, runs_of_bytes,
};
use crate::staging::{ChunkJournal, Entry, Record};
use crate::write::encode::UnitCodec;

/// Cuts blocks, in order, out of verified chunks.
///
/// A chunk is read when the first block that overlaps it is requested, and kept until the last one
/// has passed.
pub(crate) struct Recall {
    grid: BlockGrid,
    /// The number of rows in the first row of chunks that lie before the blocks.
    n_last_rows: usize,
    dtype: DType,
    row_shape: Vec<usize>,
    chunks: Chunks,
    /// The number of chunks of the array along each axis.
    n_chunks: Vec<u64>,
    codec: UnitCodec,
    journal: Arc<dyn ChunkJournal>,
    /// The journal entries of completed chunks, by their number in C order, until they are read.
    entries: BTreeMap<u64, Entry>,
    /// The elements of chunks that later blocks overlap.
    loaded: BTreeMap<Vec<usize>, Bytes>,
    /// The stored bytes of verified chunks, until the writer has asked for them.
    verified: BTreeMap<Vec<usize>, u64>,
}

impl Recall {
    pub(crate) fn new(
        grid: &BlockGrid,
        n_last_rows: usize,
        codec: UnitCodec,
        record: &Record,
        journal: Arc<dyn ChunkJournal>,
    ) -> Result<Recall> {
        let chunks = if record.is_of_blocks() {
            Chunks::Blocks(ChunksOfGrid::new(grid))
        } else {
            Chunks::Regular(record.layout.unit_shape().to_vec())
        };
        let n_chunks = record.n_chunks();
        let entries = journal.entries(&n_chunks)?;
        journal.remove_strays(&entries, &n_chunks)?;
        Ok(Recall {
            grid: grid.clone(),
            n_last_rows,
            dtype: record.dtype,
            row_shape: record.row_shape.clone(),
            chunks,
            n_chunks,
            codec,
            journal,
            entries,
            loaded: BTreeMap::new(),
            verified: BTreeMap::new(),
        })
    }

    /// Returns the block at a position, if all chunks that it overlaps are complete. Blocks are
    /// requested in order. An evaluation on several threads requests blocks before the preceding
    /// blocks have arrived.
    ///
    /// # Errors
    ///
    /// An error if an incomplete chunk cannot be removed.
    pub(crate) fn block(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        let shape = self.block_shape(at);
        if shape.contains(&0) {
            return Ok(ArrayBlock::new(self.dtype, shape, Bytes::new()).ok());
        }
        let block = self.assemble(at, &shape)?;
        Ok(block.and_then(|block| ArrayBlock::new(self.dtype, shape, block).ok()))
    }

    /// Returns the stored bytes of a verified chunk. Any other chunk is removed, since it is stored
    /// again.
    pub(crate) fn take_verified(&mut self, chunk: &[usize]) -> Option<u64> {
        let verified = self.verified.remove(chunk);
        if verified.is_none() && self.entries.remove(&self.number(chunk)).is_some() {
            // If the file remains, storing the chunk fails with a more specific error.
            let _ = self.journal.remove(&self.codec.key(chunk));
        }
        verified
    }

    /// Compares a computed block with the chunks that it overlaps. A chunk that differs is removed,
    /// and stored again.
    pub(crate) fn compare(&mut self, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        let shape = block.shape();
        if shape.contains(&0) {
            return Ok(());
        }
        for (chunk, overlap) in self.chunks.of_block(at, shape) {
            let chunk_shape = self.chunks.shape(shape).to_vec();
            if !self.load(&chunk, &chunk_shape)? {
                continue;
            }
            let Overlap { in_block, in_chunk, extent } = overlap;
            let (computed, stored) = ((shape, &*in_block), (&*chunk_shape, &*in_chunk));
            let mut runs = runs_of_bytes(self.dtype.size(), computed, stored, &extent);
            let n_bytes = runs.length();
            let is_equal = runs.all(|(in_block, in_chunk)| {
                block.data()[in_block..in_block + n_bytes]
                    == self.loaded[&chunk][in_chunk..in_chunk + n_bytes]
            });
            if !is_equal && self.verified.remove(&chunk).is_some() {
                self.journal.remove(&self.codec.key(&chunk))?;
            }
        }
        Ok(())
    }

    fn block_shape(&self, at: BlockPosition) -> Vec<usize> {
        let (band, column) = match at.index {
            BlockIndex::NestedBlock(band, column) => (band, column),
            BlockIndex::Block(band) | BlockIndex::Band(band) => (band, 0),
            _ => unreachable!("a block is asked for by its place"),
        };
        let mut shape = [&[self.grid.rows().size(band)], &self.row_shape[..]].concat();
        if let Some(columns) = self.grid.columns() {
            shape[1] = columns.size(column);
        }
        shape
    }

    fn assemble(&mut self, at: BlockPosition, shape: &[usize]) -> Result<Option<Bytes>> {
        let chunks = self.chunks.of_block(at, shape);
        let chunk_shape = self.chunks.shape(shape).to_vec();
        // No chunk is read for a block that must be computed in any case.
        if !chunks.iter().all(|(chunk, _)| self.is_noted(chunk)) {
            return Ok(None);
        }
        for (chunk, _) in &chunks {
            if !self.load(chunk, &chunk_shape)? {
                return Ok(None);
            }
        }
        if let [(chunk, _)] = &chunks[..]
            && *shape == chunk_shape
        {
            return Ok(Some(self.loaded[chunk].clone()));
        }
        let item_size = self.dtype.size();
        let mut block = vec![0; n_elements(shape) * item_size];
        for (chunk, Overlap { in_block, in_chunk, extent }) in chunks {
            copy_bytes(
                item_size,
                (&self.loaded[&chunk], &chunk_shape, &in_chunk),
                (&mut block, shape, &in_block),
                &extent,
            );
        }
        Ok(Some(block.into()))
    }

    fn is_noted(&self, chunk: &[usize]) -> bool {
        self.loaded.contains_key(chunk) || self.entries.contains_key(&self.number(chunk))
    }

    /// Reads a chunk. Returns false, and removes the chunk, if it does not match its journal entry.
    fn load(&mut self, chunk: &[usize], shape: &[usize]) -> Result<bool> {
        if self.loaded.contains_key(chunk) {
            return Ok(true);
        }
        let Some(entry) = self.entries.remove(&self.number(chunk)) else { return Ok(false) };
        let key = self.codec.key(chunk);
        let Some(stored) = self.journal.read(&key, entry)? else { return Ok(false) };
        let Ok(data) = self.codec.decode(&stored, shape) else {
            self.journal.remove(&key)?;
            return Ok(false);
        };
        self.loaded.insert(chunk.to_vec(), data);
        self.verified.insert(chunk.to_vec(), entry.length);
        Ok(true)
    }

    /// Frees the chunks that a block is the last block of. It is called for every block, whether
    /// the block was restored here, restored by another reducer of the same pass, or computed.
    pub(crate) fn forget(&mut self, at: BlockPosition, shape: &[usize]) {
        if self.loaded.is_empty() || shape.contains(&0) {
            return;
        }
        let n_rows = self.n_last_rows + self.grid.rows().total();
        for (chunk, _) in self.chunks.of_block(at, shape) {
            let is_last = match &self.chunks {
                Chunks::Blocks(_) => true,
                Chunks::Regular(chunk_shape) => {
                    let origin = origin(at, shape.len());
                    let ends = |axis: usize, size: usize| {
                        let end = ((chunk[axis] + 1) * chunk_shape[axis]).min(size);
                        end <= origin[axis] + shape[axis]
                    };
                    ends(0, n_rows) && (self.grid.columns().is_none() || ends(1, self.row_shape[0]))
                }
            };
            if is_last {
                self.loaded.remove(&chunk);
            }
        }
    }

    fn number(&self, chunk: &[usize]) -> u64 {
        self.codec
            .index(chunk)
            .iter()
            .zip(&self.n_chunks)
            .fold(0, |number, (i, n)| number * n + *i as u64)
    }
}

/// The grid of the chunks.
#[derive(Debug)]
enum Chunks {
    /// Chunks of one shape.
    Regular(Vec<usize>),
    /// Each block with elements is a chunk.
    Blocks(ChunksOfGrid),
}

impl Chunks {
    /// Returns the chunks that a block overlaps, with the overlaps. The block has elements.
    fn of_block(&self, at: BlockPosition, shape: &[usize]) -> Vec<(Vec<usize>, Overlap)> {
        match self {
            Chunks::Regular(chunk_shape) => {
                let origin = origin(at, shape.len());
                let next = |chunk: &Vec<usize>| chunk_after(chunk, &origin, shape, chunk_shape);
                let first = first_chunk(&origin, chunk_shape);
                let overlap = |chunk: Vec<usize>| {
                    let overlap = Overlap::new(&chunk, &origin, shape, chunk_shape);
                    (chunk, overlap)
                };
                std::iter::successors(Some(first), next).map(overlap).collect()
            }
            Chunks::Blocks(chunks) => {
                let (start, extent) = (vec![0; shape.len()], shape.to_vec());
                let overlap = Overlap { in_block: start.clone(), in_chunk: start, extent };
                vec![(chunks.index(at, shape.len()), overlap)]
            }
        }
    }

    /// Returns the shape of the chunks of a block of this shape.
    fn shape<'s>(&'s self, block_shape: &'s [usize]) -> &'s [usize] {
        match self {
            Chunks::Regular(chunk_shape) => chunk_shape,
            Chunks::Blocks(_) => block_shape,
        }
    }
}

//! Checks that the stored array is the expected one.

use std::fs;

use anyhow::{Result, ensure};
use lazy_chunks::zarr::StoredArray;

use crate::job::Job;
use crate::party::Party;
use crate::pool::{Pool, for_each_block};

/// Checks that the elements a party has stored are the blocks', and returns their CRC-32.
pub(crate) fn stored(party: Party, job: &Job, pool: &Pool) -> Result<u32> {
    if party == Party::Memmap {
        let bytes = fs::read(&job.path)?;
        let (elements, _) = bytes.as_chunks::<4>();
        let elements: Vec<_> = elements.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        compare(job, pool, &elements)?;
        return Ok(crc32fast::hash(&bytes));
    }
    let stored = StoredArray::open(job.target())?;
    let shape = [job.rows.iter().sum(), job.width];
    ensure!(stored.shape() == shape, "the shape is {:?}, expected {shape:?}", stored.shape());
    let block = stored.read()?;
    compare(job, pool, block.as_slice::<f32>()?)?;
    Ok(crc32fast::hash(block.data()))
}

fn compare(job: &Job, pool: &Pool, elements: &[f32]) -> Result<()> {
    for_each_block(job, pool, |[row, column], width, block| {
        for (i, expected) in block.chunks_exact(width).enumerate() {
            let start = (row + i) * job.width + column;
            let actual = &elements[start..start + width];
            ensure!(actual == expected, "row {} differs from column {column} on", row + i);
        }
        Ok(())
    })
}

/// Returns the number of rows of a stored array's shards, or chunks without shards.
pub(crate) fn unit_rows(path: &std::path::Path) -> Result<usize> {
    let stored = StoredArray::open(path)?;
    Ok(stored.shard_shape().unwrap_or(stored.chunk_shape())[0])
}

//! A job of this workspace, as a user would write it.

use std::time::Instant;

use anyhow::{Context, Result};
use lazy_chunks::zarr::{Durability, StoredArray, ToZarr, ZarrSink};
use lazy_chunks::{
    ArrayBlock, BlockPool, BlockPosition, Cut, DType, LazyChunkSequence, NestedLazyChunkSequence,
    Reducer, RowType, Run, SequenceSpec,
};

use crate::job::{Job, Outcome, Task};
use crate::memory::Peak;
use crate::pool::Pool;

pub(crate) fn run(job: &Job) -> Result<Outcome> {
    match job.task {
        Task::Store => store(job),
        Task::Read => read(job),
        Task::ReadBlocks => read_blocks(job),
        Task::ReadRegion => read_region(job),
    }
}

fn store(job: &Job) -> Result<Outcome> {
    let pool = Pool::load(&job.pool)?;
    let sink = sink(job)?;
    let largest = |sizes: &[usize]| sizes.iter().copied().max().unwrap_or_default();
    let cut = if job.columns.is_some() { Cut::RowsAndColumns } else { Cut::Rows };
    let block_shape = [largest(&job.rows), job.columns.as_deref().map_or(job.width, largest)];
    let row_type = RowType { dtype: DType::Float32, shape: vec![job.width] };
    let spec = SequenceSpec::streamed(cut, None).with_row_type(Some(row_type));
    let bound = sink.memory_bound(&spec, &block_shape)?;
    let memory = BlockPool::new();
    let block = |number, shape: [usize; 2]| -> Result<ArrayBlock, lazy_chunks::Error> {
        let mut buffer = memory.buffer(shape)?;
        buffer.copy_from_slice(pool.block(number, shape[0] * shape[1]));
        Ok(buffer.into_block())
    };

    let peak = Peak::begin();
    let start = Instant::now();
    match &job.columns {
        None => {
            let shape = |i: usize| [job.rows[i], job.width];
            LazyChunkSequence::try_from_fn(&job.rows, |i| block(i, shape(i))).to_zarr(sink)?;
        }
        Some(columns) => {
            let number = |i: usize, j: usize| i * columns.len() + j;
            let shape = |i: usize, j: usize| [job.rows[i], columns[j]];
            NestedLazyChunkSequence::try_from_fn(&job.rows, columns, |i, j| {
                block(number(i, j), shape(i, j))
            })
            .to_zarr(sink)?;
        }
    }
    Ok(Outcome {
        seconds: start.elapsed().as_secs_f64(),
        peak_bytes: peak.bytes(),
        bound_bytes: Some(bound as u64),
        ..Outcome::default()
    })
}

fn sink(job: &Job) -> Result<ZarrSink> {
    let durability = if job.flush { Durability::Full } else { Durability::None };
    let mut sink =
        ZarrSink::new(job.target()).with_codec(job.encoding()?.codec()).with_durability(durability);
    if !job.encoding()?.has_checksum() {
        // The peers' Zstandard has no checksum either.
        sink = sink.with_checksum(lazy_chunks::zarr::Checksum::None);
    }
    if let Some(chunks) = job.chunks {
        sink = sink.with_chunk_shape(chunks);
    }
    if let Some(shards) = job.shards {
        sink = sink.with_shard_shape(shards);
    }
    Ok(sink)
}

fn read(job: &Job) -> Result<Outcome> {
    let peak = Peak::begin();
    let start = Instant::now();
    let block = StoredArray::open(job.target())?.read()?;
    Ok(Outcome {
        seconds: start.elapsed().as_secs_f64(),
        peak_bytes: peak.bytes(),
        crc32: job.check.then(|| crc32fast::hash(block.data())),
        ..Outcome::default()
    })
}

fn read_region(job: &Job) -> Result<Outcome> {
    let [top, left, bottom, right] = job.region.context("the job has no region")?;
    let peak = Peak::begin();
    let start = Instant::now();
    let block = StoredArray::open(job.target())?.read_region(&[top..bottom, left..right])?;
    Ok(Outcome {
        seconds: start.elapsed().as_secs_f64(),
        peak_bytes: peak.bytes(),
        crc32: job.check.then(|| crc32fast::hash(block.data())),
        ..Outcome::default()
    })
}

/// Reads blocks with a reducer, like a program that processes them: on all cores, one block on
/// each.
fn read_blocks(job: &Job) -> Result<Outcome> {
    let peak = Peak::begin();
    let start = Instant::now();
    let stored = StoredArray::open(job.target())?.with_reader_threads(1);
    let crc32 =
        stored.sequence(&job.rows)?.with_threads(0).compute(Consume { check: job.check })?;
    Ok(Outcome {
        seconds: start.elapsed().as_secs_f64(),
        peak_bytes: peak.bytes(),
        crc32,
        ..Outcome::default()
    })
}

/// A reducer that computes the checksum of the blocks if asked to.
struct Consume {
    check: bool,
}

struct Consuming {
    check: bool,
    crc: crc32fast::Hasher,
}

impl Reducer for Consume {
    type Map = fn(BlockPosition, &ArrayBlock) -> lazy_chunks::Result<ArrayBlock>;
    type Run = Consuming;
    type Output = Option<u32>;

    fn start(self, _: &SequenceSpec) -> lazy_chunks::Result<(Self::Map, Consuming)> {
        let run = Consuming { check: self.check, crc: crc32fast::Hasher::new() };
        Ok((|_, block| Ok(block.clone()), run))
    }
}

impl Run for Consuming {
    type Partial = ArrayBlock;
    type Output = Option<u32>;

    fn merge(&mut self, _: BlockPosition, block: ArrayBlock) -> lazy_chunks::Result<()> {
        if self.check {
            self.crc.update(block.data());
        }
        Ok(())
    }

    fn commit(self) -> lazy_chunks::Result<Option<u32>> {
        Ok(self.check.then(|| self.crc.finalize()))
    }
}

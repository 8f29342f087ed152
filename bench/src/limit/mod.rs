//! A job as a bare loop: it writes elements to files of the size of chunks, or shards, and reads
//! them back. It runs on one thread per core, with reused buffers.

mod encoder;
mod objects;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::encoding::Encoding;
use crate::job::{Job, Outcome, Task};
use crate::memory::Peak;
use crate::pool::Pool;
use encoder::Encoder;

pub(crate) fn run(job: &Job) -> Result<Outcome> {
    if let Some(endpoint) = &job.endpoint {
        return objects::run(job, endpoint);
    }
    let limit = Limit::new(job)?;
    match job.task {
        Task::Store => {
            let pool = Pool::load(&job.pool)?;
            fs::create_dir(&job.path)?;
            measured(|| limit.store(&pool))
        }
        Task::Read => measured(|| {
            let mut elements = vec![0; limit.n_units * limit.unit_bytes];
            let units: Vec<_> = elements.chunks_mut(limit.unit_bytes).map(Mutex::new).collect();
            limit.on_all_cores(|state, i| {
                limit.read_unit(
                    state,
                    i,
                    &mut units[i].lock().expect("each unit is taken by one thread"),
                )
            })
        }),
        Task::ReadBlocks => measured(|| {
            limit.on_all_cores(|state, i| {
                let mut unit = std::mem::take(&mut state.unit);
                limit.read_unit(state, i, &mut unit)?;
                state.unit = unit;
                Ok(())
            })
        }),
        Task::ReadRegion => bail!("no region of a file is read"),
    }
}

fn measured(run: impl FnOnce() -> Result<()>) -> Result<Outcome> {
    let peak = Peak::begin();
    let start = Instant::now();
    run()?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Outcome { seconds, peak_bytes: peak.bytes(), ..Outcome::default() })
}

/// The files of a job's array, each with a chunk or a shard.
struct Limit<'j> {
    job: &'j Job,
    encoding: Encoding,
    /// The shape of a file's elements, and of the chunks in it.
    unit: [usize; 2],
    chunk: [usize; 2],
    unit_bytes: usize,
    n_units: usize,
}

/// The buffers of a thread.
struct State {
    encoder: Encoder,
    unit: Vec<u8>,
    chunk: Vec<u8>,
    file: Vec<u8>,
}

impl<'j> Limit<'j> {
    fn new(job: &'j Job) -> Result<Limit<'j>> {
        let shape = [job.rows.iter().sum(), job.width];
        // An array without a chunk shape is small enough to be one chunk.
        let chunk = job.chunks.unwrap_or(shape);
        let unit = job.shards.unwrap_or(chunk);
        let n_units = shape[0].div_ceil(unit[0]) * shape[1].div_ceil(unit[1]);
        let unit_bytes = unit[0] * unit[1] * size_of::<f32>();
        Ok(Limit { job, encoding: job.encoding()?, unit, chunk, unit_bytes, n_units })
    }

    fn path(&self, i: usize) -> PathBuf {
        self.job.path.join(i.to_string())
    }

    fn store(&self, pool: &Pool) -> Result<()> {
        self.on_all_cores(|state, i| {
            let elements = pool.block(i, self.unit[0] * self.unit[1]);
            for (bytes, element) in state.unit.as_chunks_mut::<4>().0.iter_mut().zip(elements) {
                *bytes = element.to_ne_bytes();
            }
            let mut file = File::create_new(self.path(i))?;
            if self.encoding == Encoding::None && self.job.shards.is_none() {
                file.write_all(&state.unit)?;
            } else {
                let n_bytes = self.encode(state)?;
                file.write_all(&state.file[..n_bytes])?;
            }
            if self.job.flush {
                file.sync_all()?;
            }
            Ok(())
        })?;
        if self.job.flush {
            File::open(&self.job.path)?.sync_all()?;
        }
        Ok(())
    }

    /// Encodes the chunks of a unit, one after the other, to the bytes of a file, and returns their
    /// number. The file of a shard begins with the offset and length of each chunk, like the index
    /// of a shard.
    fn encode(&self, state: &mut State) -> Result<usize> {
        if self.job.shards.is_none() {
            return state.encoder.encode(&state.unit, &mut state.file);
        }
        let mut end = self.n_chunks() * size_of::<[u64; 2]>();
        for i in 0..self.n_chunks() {
            self.for_each_run(i, |in_unit, in_chunk| {
                state.chunk[in_chunk].copy_from_slice(&state.unit[in_unit]);
            });
            let n_bytes = state.encoder.encode(&state.chunk, &mut state.file[end..])?;
            let place = [end, n_bytes].map(|number| (number as u64).to_le_bytes());
            state.file[16 * i..16 * (i + 1)].copy_from_slice(place.as_flattened());
            end += n_bytes;
        }
        Ok(end)
    }

    fn read_unit(&self, state: &mut State, i: usize, unit: &mut [u8]) -> Result<()> {
        let mut file = File::open(self.path(i))?;
        if self.encoding == Encoding::None && self.job.shards.is_none() {
            return Ok(file.read_exact(unit)?);
        }
        let n_bytes = usize::try_from(file.metadata()?.len())?;
        let bytes = state.file.get_mut(..n_bytes).context("the file is too long")?;
        file.read_exact(bytes)?;
        if self.job.shards.is_none() {
            return state.encoder.decode(bytes, unit);
        }
        for i in 0..self.n_chunks() {
            let place = state.file[16 * i..16 * (i + 1)].as_chunks::<8>().0;
            let number = |bytes: [u8; 8]| usize::try_from(u64::from_le_bytes(bytes));
            let (start, length) = (number(place[0])?, number(place[1])?);
            let encoded = state.file.get(start..start + length).context("the file is torn")?;
            state.encoder.decode(encoded, &mut state.chunk)?;
            self.for_each_run(i, |in_unit, in_chunk| {
                unit[in_unit].copy_from_slice(&state.chunk[in_chunk]);
            });
        }
        Ok(())
    }

    /// Returns the number of chunks of a unit.
    fn n_chunks(&self) -> usize {
        (self.unit[0] / self.chunk[0]) * (self.unit[1] / self.chunk[1])
    }

    /// Calls a function with the ranges of bytes that a unit and its chunk `i` share.
    fn for_each_run(
        &self,
        i: usize,
        mut function: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>),
    ) {
        let chunks_along = self.unit[1] / self.chunk[1];
        let [row, column] = [i / chunks_along * self.chunk[0], i % chunks_along * self.chunk[1]];
        let run = self.chunk[1] * size_of::<f32>();
        for k in 0..self.chunk[0] {
            let in_unit = ((row + k) * self.unit[1] + column) * size_of::<f32>();
            function(in_unit..in_unit + run, k * run..(k + 1) * run);
        }
    }

    /// Calls a function with each unit, on all cores.
    fn on_all_cores(&self, unit: impl Fn(&mut State, usize) -> Result<()> + Sync) -> Result<()> {
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            let encoder = Encoder::new(self.encoding)?;
            let chunk_bytes = self.chunk[0] * self.chunk[1] * size_of::<f32>();
            let most_bytes = size_of::<[u64; 2]>() + encoder.most_bytes(chunk_bytes);
            let mut state = State {
                encoder,
                unit: vec![0; self.unit_bytes],
                chunk: vec![0; chunk_bytes],
                file: vec![0; self.n_chunks() * most_bytes],
            };
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= self.n_units {
                    return Ok(());
                }
                unit(&mut state, i)?;
            }
        };
        let n_threads = thread::available_parallelism()?.get().min(self.n_units);
        ensure!(n_threads > 0, "the array is empty");
        thread::scope(|scope| {
            let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().expect("a bare loop does not panic"))
        })
    }
}

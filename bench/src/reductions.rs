//! The speed of reductions compared with ndarray, and the speed-up of threads.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use anyhow::{Result, ensure};
use lazy_chunks::{ArrayBlock, Indexed, LazyChunkSequence, MeanVariance, Sum, TopK};
use ndarray::{Array1, ArrayView1};
use serde::Serialize;

use crate::course::Course;
use crate::pool::Pool;
use crate::record::median;
use crate::workload::Data;

/// The seconds of each round, for each comparison.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Reductions {
    pub(crate) rows: Vec<Reduction>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Reduction {
    pub(crate) name: &'static str,
    pub(crate) n_threads: usize,
    pub(crate) ours: Vec<f64>,
    /// The seconds of the comparison, on as many threads.
    pub(crate) limit: Vec<f64>,
    /// The seconds of this workspace on one thread.
    pub(crate) serial: Vec<f64>,
}

impl Reductions {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

pub(crate) fn measure(course: &Course, is_quick: bool) -> Result<Reductions> {
    let mut rows = Vec::new();
    if course.is_chosen("threads") {
        rows.push(threads(course, if is_quick { 20 } else { 200 }));
    }
    if course.is_chosen("statistics") {
        rows.extend(statistics(course, if is_quick { 1 << 25 } else { 1 << 28 })?);
    }
    Ok(Reductions { rows })
}

fn n_cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// Keeps a core busy without using memory.
pub(crate) fn spin(n_steps: u64, seed: u64) -> u64 {
    (0..n_steps).fold(seed, |x, i| (x ^ i).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29))
}

/// Returns the number of steps that take this number of seconds.
pub(crate) fn steps_of(duration: f64) -> u64 {
    const PROBE: u64 = 1 << 24;
    let probe = seconds(|| {
        black_box(spin(PROBE, 1));
    });
    (PROBE as f64 * duration / probe) as u64
}

/// Computes blocks of 5 ms each on all cores, compared with threads that have a fixed set of
/// blocks.
fn threads(course: &Course, n_blocks: usize) -> Reduction {
    let n_steps = steps_of(0.005);
    let block = |i: usize| black_box(spin(n_steps, i as u64));
    let sequence = LazyChunkSequence::from_fn(vec![1; n_blocks], |i| {
        ArrayBlock::from_vec([1], vec![block(i)]).expect("one element")
    });
    let compute = |n_threads: usize| {
        seconds(|| {
            black_box(sequence.clone().with_threads(n_threads).compute(Sum))
                .expect("no block fails");
        })
    };
    let n_threads = n_cores();
    let limit = || {
        seconds(|| {
            thread::scope(|scope| {
                for first in 0..n_threads {
                    scope.spawn(move || {
                        (first..n_blocks).step_by(n_threads).for_each(|i| {
                            black_box(spin(n_steps, i as u64));
                        });
                    });
                }
            });
        })
    };
    let mut reduction = Reduction::new("5 ms blocks", n_threads);
    for _ in 0..course.n_rounds {
        reduction.serial.push(compute(1));
        reduction.limit.push(limit());
        reduction.ours.push(compute(n_threads));
    }
    reduction
}

/// Computes statistics of elements in memory, compared with one pass of ndarray's sum on as many
/// threads.
fn statistics(course: &Course, n_elements: usize) -> Result<Vec<Reduction>> {
    const BLOCK: usize = 1 << 21;
    let pool = Pool::load(&course.pool(Data::Noise))?;
    let mut elements = Vec::with_capacity(n_elements);
    for number in 0..n_elements / BLOCK {
        elements.extend_from_slice(pool.block(number, BLOCK));
    }
    let whole = ArrayBlock::from_array(Array1::from_vec(elements));
    let view = whole.as_slice::<f32>()?;
    let size = BLOCK * size_of::<f32>();
    let sequence = LazyChunkSequence::try_from_fn(vec![BLOCK; n_elements / BLOCK], |i| {
        ArrayBlock::new(whole.dtype(), [BLOCK], whole.data().slice(i * size..(i + 1) * size))
    });
    let n_threads = n_cores();
    let limit = || {
        seconds(|| {
            thread::scope(|scope| {
                for part in view.chunks(view.len().div_ceil(n_threads)) {
                    scope.spawn(move || black_box(ArrayView1::from(part).sum()));
                }
            });
        })
    };
    let mut rows =
        [Reduction::new("mean, variance, top 10", n_threads), Reduction::new("sum", n_threads)];
    for _ in 0..course.n_rounds {
        for (i, row) in rows.iter_mut().enumerate() {
            let compute = |n_threads: usize| -> Result<f64> {
                let sequence: LazyChunkSequence<'_, _, Indexed> =
                    sequence.clone().with_threads(n_threads);
                let start = Instant::now();
                if i == 0 {
                    let (moments, top) = sequence.compute((MeanVariance, TopK::new(10)))?;
                    ensure!(
                        moments.count == n_elements as u64 && top.len() == 10,
                        "the reduction missed elements"
                    );
                } else {
                    black_box(sequence.compute(Sum)?);
                }
                Ok(start.elapsed().as_secs_f64())
            };
            row.serial.push(compute(1)?);
            row.limit.push(limit());
            row.ours.push(compute(n_threads)?);
        }
    }
    Ok(rows.into())
}

impl Reduction {
    fn new(name: &'static str, n_threads: usize) -> Reduction {
        Reduction { name, n_threads, ours: Vec::new(), limit: Vec::new(), serial: Vec::new() }
    }

    /// Returns the seconds, the speed-up over one thread, and the limit as a multiple of the
    /// seconds.
    pub(crate) fn summary(&self) -> (f64, f64, f64) {
        let [ours, limit, serial] =
            [&self.ours, &self.limit, &self.serial].map(|seconds| median(seconds.clone()));
        (ours, serial / ours, limit / ours)
    }
}

//! The speed of reductions compared with ndarray, and the speed-up of threads.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use anyhow::Result;
use lazy_chunks::{
    ArrayBlock, Covariance, Histogram, Indexed, LazyChunkSequence, MeanVariance, Quantiles,
    Reducer, Sum, Summary, TopK,
};
use ndarray::{Array1, ArrayView1, ArrayView2, Axis};
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

/// A statistic of elements in memory, and a bare loop over the same elements.
struct Case<'c> {
    name: &'static str,
    /// Computes the statistic on a number of threads.
    ours: Box<dyn Fn(usize) -> Result<()> + 'c>,
    /// Computes something like it on all cores.
    limit: Box<dyn Fn() + 'c>,
}

impl<'c> Case<'c> {
    fn new<R>(
        name: &'static str,
        sequence: &LazyChunkSequence<'c, ArrayBlock, Indexed>,
        reducer: impl Fn() -> R + 'c,
        limit: impl Fn() + 'c,
    ) -> Case<'c>
    where
        R: Reducer + 'c,
    {
        let sequence = sequence.clone();
        let ours = move |n_threads| {
            black_box(sequence.clone().with_threads(n_threads).compute(reducer())?);
            Ok(())
        };
        Case { name, ours: Box::new(ours), limit: Box::new(limit) }
    }
}

/// Calls a function with the part of each core.
fn on_all_cores<A: Sync, T>(elements: &[A], row_length: usize, of: impl Fn(&[A]) -> T + Sync) {
    let n_rows = (elements.len() / row_length).div_ceil(n_cores());
    thread::scope(|scope| {
        for part in elements.chunks(n_rows * row_length) {
            let of = &of;
            scope.spawn(move || drop(black_box(of(part))));
        }
    });
}

/// Returns the number of elements in each of `N_BINS` bins of equal widths from -4 to 4.
fn in_equal_bins(elements: &[f32]) -> [u64; N_BINS] {
    let mut counts = [0; N_BINS];
    let per_unit = N_BINS as f32 / 8.0;
    for x in elements.iter().filter(|x| (-4.0..4.0).contains(*x)) {
        counts[(((x + 4.0) * per_unit) as usize).min(N_BINS - 1)] += 1;
    }
    counts
}

const N_BINS: usize = 64;

/// Computes statistics of elements in memory, compared with bare loops on as many threads.
fn statistics(course: &Course, n_elements: usize) -> Result<Vec<Reduction>> {
    const BLOCK: usize = 1 << 21;
    const N_COLUMNS: usize = 1024;
    let pool = Pool::load(&course.pool(Data::Noise))?;
    let mut elements = Vec::with_capacity(n_elements);
    for number in 0..n_elements / BLOCK {
        elements.extend_from_slice(pool.block(number, BLOCK));
    }
    let whole = ArrayBlock::from_array(Array1::from_vec(elements));
    let view = whole.as_slice::<f32>()?;
    // A product takes a thousand times as long as a sum.
    let few = &view[..n_elements / 16];
    let of_product: Vec<f64> = few.iter().copied().map(f64::from).collect();
    let blocks = |shape: &'static [usize], n_elements: usize| {
        let (n_blocks, size) = (n_elements / BLOCK, BLOCK * size_of::<f32>());
        let whole = whole.clone();
        LazyChunkSequence::try_from_fn(vec![shape[0]; n_blocks], move |i| {
            let bytes = whole.data().slice(i * size..(i + 1) * size);
            ArrayBlock::new(whole.dtype(), shape, bytes)
        })
    };
    let list = blocks(&[BLOCK], n_elements);
    let table = blocks(&[BLOCK / N_COLUMNS, N_COLUMNS], n_elements);
    let few_rows = blocks(&[BLOCK / N_COLUMNS, N_COLUMNS], few.len());
    let sum = || on_all_cores(view, 1, |part| ArrayView1::from(part).sum());
    let sums = |axis| {
        move || {
            on_all_cores(view, N_COLUMNS, |part| {
                let shape = (part.len() / N_COLUMNS, N_COLUMNS);
                ArrayView2::from_shape(shape, part).expect("whole rows").sum_axis(axis)
            });
        }
    };
    let edges: Vec<f64> = (0..=N_BINS).map(|i| i as f64 * 8.0 / N_BINS as f64 - 4.0).collect();
    let cases = [
        Case::new("sum", &list, || Sum, sum),
        Case::new("mean, variance, top 10", &list, || (MeanVariance, TopK::new(10)), sum),
        Case::new(
            "mean and variance of columns",
            &table,
            || MeanVariance.per_column(),
            sums(Axis(0)),
        ),
        Case::new("mean and variance of rows", &table, || MeanVariance.per_row(), sums(Axis(1))),
        Case::new(
            "histogram",
            &list,
            move || Histogram::new(edges.clone()),
            || {
                on_all_cores(view, 1, in_equal_bins);
            },
        ),
        Case::new(
            "median",
            &blocks(&[BLOCK], few.len()),
            || Quantiles::new([0.5]),
            || {
                on_all_cores(few, 1, |part| {
                    let mut part = part.to_vec();
                    let middle = part.len() / 2;
                    *part.select_nth_unstable_by(middle, f32::total_cmp).1
                });
            },
        ),
        Case::new(
            "covariance",
            &few_rows,
            || Covariance,
            || {
                on_all_cores(&of_product, N_COLUMNS, |part| {
                    let shape = (part.len() / N_COLUMNS, N_COLUMNS);
                    let rows = ArrayView2::from_shape(shape, part).expect("whole rows");
                    rows.t().dot(&rows)
                });
            },
        ),
    ];
    let n_threads = n_cores();
    let mut rows = cases.each_ref().map(|case| Reduction::new(case.name, n_threads));
    let timed = |work: &dyn Fn() -> Result<()>| -> Result<f64> {
        let start = Instant::now();
        work()?;
        Ok(start.elapsed().as_secs_f64())
    };
    for _ in 0..course.n_rounds {
        for (case, row) in cases.iter().zip(&mut rows) {
            row.serial.push(timed(&|| (case.ours)(1))?);
            row.limit.push(seconds(|| (case.limit)()));
            row.ours.push(timed(&|| (case.ours)(n_threads))?);
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

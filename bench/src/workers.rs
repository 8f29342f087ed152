//! Writes that several processes share: their speed compared with the threads of one process, the
//! cost of a part, and the growth of time and memory with the number of parts and chunks.

use std::hint::black_box;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use lazy_chunks::zarr::{Codec, Durability, ToZarr, ZarrSink};
use lazy_chunks::{
    ArrayBlock, BlockPool, BlockSizes, DType, Indexed, LazyChunkSequence, PartOutcome, Plan,
    Workers,
};
use serde::{Deserialize, Serialize};

use crate::course::{Course, remove, shuffled};
use crate::job::{Outcome, Task};
use crate::memory::Peak;
use crate::pool::Pool;
use crate::record::median;
use crate::reductions::{spin, steps_of};
use crate::workload::Data;

/// The job of one of the processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Share {
    action: Action,
    /// The file that contains the elements of all blocks.
    pool: PathBuf,
    n_blocks: usize,
    block_shape: [usize; 2],
    chunk_shape: [usize; 2],
    /// The computation of a block.
    n_steps: u64,
    n_threads: usize,
    n_parts: usize,
    is_flushed: bool,
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Action {
    /// Store the array without a plan.
    Store,
    /// Work on the plan as one of several workers.
    Work,
    /// Create the plan.
    Create,
    /// Compute all parts, without finishing the plan.
    Parts,
    /// Ask for the progress of the plan.
    Status,
    /// Publish the array.
    Finish,
}

/// Two workers with a thread each, and one process with two threads.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pair {
    pub(crate) name: &'static str,
    /// The seconds of each round.
    pub(crate) two_workers: Vec<f64>,
    pub(crate) one_worker: Vec<f64>,
    /// Without a plan.
    pub(crate) two_threads: Vec<f64>,
}

/// The time that a part takes besides its blocks.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PartCost {
    pub(crate) is_flushed: bool,
    /// The seconds of each round.
    pub(crate) seconds: Vec<f64>,
}

/// One step of a plan with many parts and chunks, in a process of its own.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) n_parts: usize,
    pub(crate) n_chunks: usize,
    pub(crate) name: &'static str,
    pub(crate) seconds: f64,
    pub(crate) peak_bytes: u64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Shared {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) part_costs: Vec<PartCost>,
    pub(crate) steps: Vec<Step>,
}

impl Shared {
    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.part_costs.is_empty() && self.steps.is_empty()
    }
}

impl Pair {
    /// Returns the seconds of two workers, and those of one worker and of two threads as multiples
    /// of them.
    pub(crate) fn summary(&self) -> [f64; 3] {
        let [two, one, threads] = [&self.two_workers, &self.one_worker, &self.two_threads]
            .map(|seconds| median(seconds.clone()));
        [two, one / two, threads / two]
    }
}

pub(crate) fn measure(course: &Course, is_quick: bool) -> Result<Shared> {
    let mut shared = Shared::default();
    if course.is_chosen("workers") {
        let blocks = Share {
            action: Action::Work,
            pool: course.pool(Data::Noise),
            n_blocks: if is_quick { 20 } else { 800 },
            block_shape: [1, 1024],
            chunk_shape: [16, 1024],
            n_steps: steps_of(0.005),
            n_threads: 1,
            n_parts: 16,
            is_flushed: false,
            path: course.path("shared"),
        };
        let factors = Share {
            n_blocks: if is_quick { 16 } else { 384 },
            block_shape: [256, 8192],
            chunk_shape: [256, 8192],
            n_steps: 0,
            ..blocks.clone()
        };
        shared.pairs.push(pair(course, "5 ms blocks", &blocks)?);
        shared.pairs.push(pair(course, "factors", &factors)?);
    }
    if course.is_chosen("part") {
        let disk = tempfile::Builder::new().prefix("lazy-bench-").tempdir_in("target")?;
        for (is_flushed, path) in [(false, course.path("shared")), (true, disk.path().join("a"))] {
            shared.part_costs.push(part_cost(course, is_flushed, path)?);
        }
    }
    if course.is_chosen("scale") {
        for n_parts in if is_quick { [10, 100] } else { [1_000, 10_000] } {
            shared.steps.extend(steps(course, n_parts)?);
        }
    }
    Ok(shared)
}

fn pair(course: &Course, name: &'static str, share: &Share) -> Result<Pair> {
    let n_bytes = share.n_blocks * share.block_shape.iter().product::<usize>() * size_of::<f32>();
    let threads = Share { action: Action::Store, n_threads: 2, ..share.clone() };
    let mut turns = [(share, 2), (share, 1), (&threads, 1)].map(|turn| (turn, Vec::new()));
    for round in 0..course.n_rounds {
        for i in shuffled(turns.len(), round) {
            let ((share, n_processes), seconds) = &mut turns[i];
            course.warm_up(Task::Store, n_bytes)?;
            let start = Instant::now();
            together(share, *n_processes)?;
            seconds.push(start.elapsed().as_secs_f64());
            remove(&share.path)?;
        }
    }
    let [two_workers, one_worker, two_threads] = turns.map(|(_, seconds)| seconds);
    Ok(Pair { name, two_workers, one_worker, two_threads })
}

/// Returns the time of a part, by plans of one part and of many with the same blocks.
fn part_cost(course: &Course, is_flushed: bool, path: PathBuf) -> Result<PartCost> {
    const N_PARTS: usize = 256;
    let share = Share {
        action: Action::Parts,
        pool: course.pool(Data::Noise),
        n_blocks: N_PARTS,
        block_shape: [1, 1024],
        chunk_shape: [1, 1024],
        n_steps: 0,
        n_threads: 1,
        n_parts: 1,
        is_flushed,
        path,
    };
    let mut cost = PartCost { is_flushed, seconds: Vec::new() };
    for _ in 0..course.n_rounds {
        let [one, many] = [1, N_PARTS].map(|n_parts| -> Result<f64> {
            let seconds = alone(&Share { n_parts, ..share.clone() })?.seconds;
            remove(&share.path)?;
            Ok(seconds)
        });
        cost.seconds.push((many? - one?) / (N_PARTS - 1) as f64);
    }
    Ok(cost)
}

/// Returns the steps of a plan with this number of parts, of 100 chunks each.
fn steps(course: &Course, n_parts: usize) -> Result<Vec<Step>> {
    const N_CHUNKS: usize = 100;
    let share = Share {
        action: Action::Create,
        pool: course.pool(Data::Noise),
        n_blocks: n_parts,
        block_shape: [10, 1000],
        chunk_shape: [1, 100],
        n_steps: 0,
        n_threads: 1,
        n_parts,
        is_flushed: false,
        path: course.path("shared"),
    };
    let mut steps = Vec::new();
    for (action, name) in [
        (Action::Store, "store without a plan"),
        (Action::Create, "create the plan"),
        (Action::Create, "join the plan"),
        (Action::Parts, "compute all parts"),
        (Action::Status, "ask for the status"),
        (Action::Finish, "finish the plan"),
        (Action::Work, "find the array complete"),
    ] {
        let outcome = alone(&Share { action, ..share.clone() })?;
        steps.push(Step {
            n_parts,
            n_chunks: n_parts * N_CHUNKS,
            name,
            seconds: outcome.seconds,
            peak_bytes: outcome.peak_bytes.unwrap_or_default(),
        });
        if matches!(action, Action::Store | Action::Work) {
            remove(&share.path)?;
        }
    }
    Ok(steps)
}

/// Runs a job in a process that is the only worker.
fn alone(share: &Share) -> Result<Outcome> {
    end(start(share, "off".to_owned())?)
}

/// Runs a job in several processes at the same time.
fn together(share: &Share, n_processes: usize) -> Result<()> {
    let started: Result<Vec<_>> =
        (0..n_processes).map(|i| start(share, format!("{i}/{n_processes}"))).collect();
    started?.into_iter().try_for_each(|process| end(process).map(drop))
}

fn start(share: &Share, worker: String) -> Result<Child> {
    let mut process = Command::new(std::env::current_exe()?)
        .arg("share")
        .env("LAZY_WORKER", worker)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = process.stdin.take().context("the process has no input")?;
    writeln!(input, "{}", serde_json::to_string(share)?)?;
    Ok(process)
}

fn end(process: Child) -> Result<Outcome> {
    let output = process.wait_with_output()?;
    ensure!(output.status.success(), "a worker failed: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs the job of this process.
pub(crate) fn run(share: &Share) -> Result<Outcome> {
    let pool = Pool::load(&share.pool)?;
    let memory = BlockPool::new();
    let [height, width] = share.block_shape;
    let sizes = BlockSizes::uniform(share.n_blocks * height, height);
    let sequence = LazyChunkSequence::try_from_fn(sizes, |i| {
        black_box(spin(share.n_steps, i as u64));
        let mut buffer = memory.buffer(share.block_shape)?;
        buffer.copy_from_slice(pool.block(i, height * width));
        Ok::<_, lazy_chunks::Error>(buffer.into_block())
    })
    .with_row_type(DType::Float32, [width])
    .with_threads(share.n_threads);
    let durability = if share.is_flushed { Durability::Full } else { Durability::None };
    let sink = ZarrSink::new(&share.path)
        .with_codec(Codec::None)
        .with_chunk_shape(share.chunk_shape)
        .with_durability(durability)
        .with_resume("blocks of the benchmark");

    let peak = Peak::begin();
    let start = Instant::now();
    match share.action {
        Action::Store => drop(sequence.to_zarr(sink)?),
        _ => run_plan(share, &sequence, sink)?,
    }
    Ok(Outcome {
        seconds: start.elapsed().as_secs_f64(),
        peak_bytes: peak.bytes(),
        ..Outcome::default()
    })
}

fn run_plan(
    share: &Share,
    sequence: &LazyChunkSequence<'_, ArrayBlock, Indexed>,
    sink: ZarrSink,
) -> Result<()> {
    let plan = Plan::of(sequence, sink).with_parts(share.n_parts).create()?;
    match share.action {
        Action::Store | Action::Create => {}
        Action::Work => {
            plan.work(&Workers::from_env()?)?;
        }
        Action::Parts => {
            for part in plan.parts() {
                let outcome = plan.run(part)?;
                ensure!(matches!(outcome, PartOutcome::Finished(_)), "{outcome:?}");
            }
        }
        Action::Status => ensure!(plan.status()?.is_complete(), "parts are missing"),
        Action::Finish => drop(plan.finish()?),
    }
    Ok(())
}

//! The growth of memory and time with the length of the array: memory should be constant, and time
//! proportional to the number of blocks.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::course::{Course, remove};
use crate::encoding::Encoding;
use crate::job::{Job, Outcome};
use crate::party::Party;
use crate::record::median;
use crate::workload::{Chunks, Data, Workload};

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Growth {
    pub(crate) memory: Vec<Memory>,
    pub(crate) blocks: Vec<Blocks>,
}

/// The peak memory of arrays with one and four times as many rows.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) workload: &'static str,
    pub(crate) encoding: &'static str,
    pub(crate) bound_bytes: u64,
    /// The median for each length.
    pub(crate) peak_bytes: [u64; 2],
}

/// The time for blocks of one element.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Blocks {
    pub(crate) n_blocks: usize,
    /// The time for all blocks, in each round.
    pub(crate) seconds: Vec<f64>,
}

impl Growth {
    pub(crate) fn is_empty(&self) -> bool {
        self.memory.is_empty() && self.blocks.is_empty()
    }
}

pub(crate) fn measure(course: &Course, workloads: &[Workload]) -> Result<Growth> {
    let mut growth = Growth::default();
    if course.is_chosen("memory") {
        for workload in workloads.iter().filter(|workload| workload.chunks != Chunks::Automatic) {
            for encoding in [Encoding::None, Encoding::Default] {
                growth.memory.push(memory(course, workload, encoding)?);
            }
        }
    }
    if course.is_chosen("blocks") {
        growth.blocks = blocks(course)?;
    }
    Ok(growth)
}

fn memory(course: &Course, workload: &Workload, encoding: Encoding) -> Result<Memory> {
    const TIMES: [usize; 2] = [1, 4];
    let mut outcomes = TIMES.map(|_| Vec::new());
    for _ in 0..course.n_rounds {
        for (times, outcomes) in TIMES.into_iter().zip(&mut outcomes) {
            let mut workload = workload.clone();
            workload.rows = workload.rows.repeat(times);
            outcomes.push(store(course, &workload, encoding)?);
        }
    }
    let bound_bytes = outcomes[0][0].bound_bytes.context("this workspace reports no bound")?;
    let peak_bytes = outcomes.map(|outcomes| {
        median(outcomes.iter().map(|outcome| outcome.peak_bytes.unwrap_or_default()).collect())
    });
    let (workload, encoding) = (workload.name, encoding.name());
    Ok(Memory { workload, encoding, bound_bytes, peak_bytes })
}

fn blocks(course: &Course) -> Result<Vec<Blocks>> {
    let mut blocks =
        [10_000, 100_000, 1_000_000].map(|n_blocks| Blocks { n_blocks, seconds: Vec::new() });
    for _ in 0..course.n_rounds {
        for blocks in &mut blocks {
            let workload = Workload {
                name: "blocks",
                data: Data::Noise,
                rows: vec![1; blocks.n_blocks],
                columns: None,
                width: 1,
                chunks: Chunks::Automatic,
                shards: None,
            };
            blocks.seconds.push(store(course, &workload, Encoding::Default)?.seconds);
        }
    }
    Ok(blocks.into())
}

fn store(course: &Course, workload: &Workload, encoding: Encoding) -> Result<Outcome> {
    let path = course.path("stored");
    let job = Job::store(workload, encoding, course.pool(workload.data), path);
    let outcome = course.run(Party::Ours, &job)?;
    remove(&job.path)?;
    Ok(outcome)
}

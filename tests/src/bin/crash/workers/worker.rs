//! A worker of a plan, with statistics in the same pass.

use std::sync::Arc;

use lazy_chunks::zarr::{Error, FileSystem, Target};
use lazy_chunks::{
    ArgMax, DType, MeanVariance, NestedLazyChunkSequence, Outcome, Part, PartSizes, Plan, Summary,
    TopK, Workers,
};
use lazy_tests::{KillingFileSystem, Machine};
use serde::{Deserialize, Serialize};

use crate::array::{FILE_SHAPE, Grid};
use crate::program::{Failure, Task};

/// A worker of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Worker {
    pub(super) index: usize,
    pub(super) count: usize,
    /// True if it waits until the array is published.
    pub(super) waits: bool,
    pub(super) host: Host,
}

/// The machine of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Host {
    /// One machine for all workers, which share locks.
    Common,
    /// A machine that has no locks.
    First,
    /// Another machine that has no locks. The worker takes over whatever it finds.
    Second,
}

/// The number of parts, or of bands if there are fewer.
const N_PARTS: usize = 5;

/// The kind of the failure of a worker that has left parts to others.
pub(super) const REMAINING: &str = "Remaining";

/// The start of what a worker returns if the array was published before.
pub(super) const FINISHED_BEFORE: &str = "finished before: ";

impl Worker {
    /// The only worker.
    pub(super) const ALONE: Worker =
        Worker { index: 0, count: 1, waits: false, host: Host::Common };

    /// Returns the file system as the machine of the worker sees it.
    pub(crate) fn file_system(self, inner: Arc<KillingFileSystem>) -> Arc<dyn FileSystem> {
        match self.host {
            Host::Common => inner,
            Host::First => Arc::new(Machine::new("first", inner)),
            Host::Second => Arc::new(Machine::new("second", inner)),
        }
    }

    /// Works on the plan. Returns the statistics.
    pub(crate) fn work(self, task: &Task, target: Target) -> Result<String, Failure> {
        let sink = task.sink(target);
        let sink = if self.host == Host::Second { sink.with_take_over() } else { sink };
        let Grid { rows, columns } = task.course.grid();
        let n_columns = columns.iter().sum::<usize>();
        let blocks = NestedLazyChunkSequence::try_from_fn(rows, columns, |i, j| task.block(i, j))
            .with_row_type(DType::Float64, [n_columns]);
        let reducers = ((MeanVariance, TopK::new(2).per_column(), ArgMax.per_row()), sink);
        let failure = |error: lazy_chunks::Error| Failure::of(&Error::from(error));
        let plan = Plan::of(&blocks, reducers).with_parts(N_PARTS).create().map_err(failure)?;
        let workers = Workers::new(self.index, self.count).map_err(failure)?;
        let output = if self.waits {
            plan.compute(&workers)
        } else {
            match plan.work(&workers).map_err(failure)? {
                Outcome::Finished { output, .. } => Ok(output),
                Outcome::Remaining { status, .. } => {
                    let message = format!("{status}: {:?}", status.taken());
                    return Err(Failure { kind: REMAINING.to_owned(), message });
                }
                // The statistics are computed from the array.
                _ => {
                    let (statistics, _) = plan.finish().map_err(failure)?;
                    return Ok(format!("{FINISHED_BEFORE}{statistics:?}"));
                }
            }
        };
        let (statistics, _) = output.map_err(failure)?;
        Ok(format!("{statistics:?}"))
    }
}

/// Returns the parts of the plan of an array.
pub(super) fn parts(grid: &Grid) -> Vec<Part> {
    PartSizes::Number(N_PARTS).cut(&grid.rows.clone().into(), Some(FILE_SHAPE[0]))
}

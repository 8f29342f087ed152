//! The outcomes of jobs.

use serde::Serialize;

use crate::job::{Outcome, Task};
use crate::party::Party;

/// The outcomes of one party for one kind of job.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Record {
    pub(crate) workload: &'static str,
    pub(crate) encoding: &'static str,
    pub(crate) is_flushed: bool,
    pub(crate) task: Task,
    pub(crate) party: Party,
    /// The number of bytes of the elements.
    pub(crate) n_bytes: usize,
    /// The outcome of each round.
    pub(crate) outcomes: Vec<Outcome>,
    /// The number of files of the stored array, and their bytes.
    pub(crate) n_files: usize,
    pub(crate) stored_bytes: u64,
}

/// Returns the median of several values.
pub(crate) fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("measured values are comparable"));
    values[values.len() / 2]
}

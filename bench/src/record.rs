//! The outcomes of jobs.

use serde::Serialize;

use crate::encoding::Encoding;
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
    /// The latency of the object store in milliseconds, or `None` if the array is in files.
    pub(crate) latency_ms: Option<u64>,
    /// The number of bytes of the elements.
    pub(crate) n_bytes: usize,
    /// The outcome of each round.
    pub(crate) outcomes: Vec<Outcome>,
    /// The number of files of the stored array, and their bytes.
    pub(crate) n_files: usize,
    pub(crate) stored_bytes: u64,
}

impl Record {
    /// Returns a record without outcomes, of arrays in files that are not flushed.
    pub(crate) fn new(
        workload: &'static str,
        encoding: Encoding,
        task: Task,
        party: Party,
        n_bytes: usize,
    ) -> Record {
        Record {
            workload,
            encoding: encoding.name(),
            is_flushed: false,
            latency_ms: None,
            task,
            party,
            n_bytes,
            outcomes: Vec::new(),
            n_files: 0,
            stored_bytes: 0,
        }
    }

    /// Returns the encoding, and what is special about the device.
    pub(crate) fn conditions(&self) -> String {
        match self.latency_ms {
            Some(latency) => format!("{}, {latency} ms", self.encoding),
            None if self.is_flushed => format!("{}, flushed", self.encoding),
            None => self.encoding.to_owned(),
        }
    }
}

/// Returns the median of several values.
pub(crate) fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("measured values are comparable"));
    values[values.len() / 2]
}

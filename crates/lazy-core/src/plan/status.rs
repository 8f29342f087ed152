//! The state of a plan.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Holder, Part};

/// What [`Plan::run`](crate::Plan::run) did with a part.
///
/// [`PartStore`](crate::PartStore) has an example of a plan.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PartOutcome {
    /// The part is finished.
    Finished(PartReport),
    /// The part was finished before.
    FinishedBefore,
    /// Another worker computes the part.
    Held(Holder),
}

/// A part that a worker has finished: a small value to send to the process that deals the parts.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{BlockSizes, PartReport, PartSizes};
///
/// let part = PartSizes::Number(2).cut(&BlockSizes::uniform(100, 20), None).remove(0);
/// let report = PartReport::new(part, 2, 0.5);
/// let sent = serde_json::to_string(&report).expect("it is small");
/// assert_eq!(serde_json::from_str::<PartReport>(&sent).expect("it was just written"), report);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PartReport {
    /// The part.
    pub part: Part,
    /// The number of its blocks, computed or restored.
    pub n_blocks: usize,
    /// The seconds that the worker took.
    pub seconds: f64,
}

impl PartReport {
    /// Creates a report.
    #[must_use]
    pub fn new(part: Part, n_blocks: usize, seconds: f64) -> PartReport {
        PartReport { part, n_blocks, seconds }
    }
}

/// What [`Plan::work`](crate::Plan::work) achieved. [`PartStore`](crate::PartStore) has an example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome<O> {
    /// This worker has published the array.
    Finished {
        /// The parts that this worker has computed.
        parts: Vec<PartReport>,
        /// The results of all reducers.
        output: O,
    },
    /// The array was published before. [`Plan::finish`](crate::Plan::finish) computes the results
    /// of the statistics from it.
    FinishedBefore,
    /// Nothing is left that this worker could take, but other workers have not ended.
    Remaining {
        /// The parts that this worker has computed.
        parts: Vec<PartReport>,
        /// What remains.
        status: PlanStatus,
    },
}

/// Which parts of a plan are finished, and who computes the others.
/// [`PartStore`](crate::PartStore) has an example of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanStatus {
    target: String,
    n_parts: usize,
    finished: Vec<usize>,
    taken: Vec<(usize, Holder)>,
    /// The process that publishes the array.
    finisher: Option<Holder>,
    is_published: bool,
}

impl PlanStatus {
    pub(super) fn new(
        target: String,
        n_parts: usize,
        finished: Vec<usize>,
        mut taken: Vec<(usize, Holder)>,
    ) -> PlanStatus {
        // A worker that has just finished a part still holds it.
        taken.retain(|(part, _)| !finished.contains(part));
        PlanStatus { target, n_parts, finished, taken, finisher: None, is_published: false }
    }

    pub(super) fn published(n_parts: usize) -> PlanStatus {
        let finished = (0..n_parts).collect();
        let none = PlanStatus::new(String::new(), n_parts, finished, Vec::new());
        PlanStatus { is_published: true, ..none }
    }

    pub(super) fn finished_by(self, holder: Holder) -> PlanStatus {
        PlanStatus { finisher: Some(holder), ..self }
    }

    /// Returns the number of parts.
    #[must_use]
    pub fn n_parts(&self) -> usize {
        self.n_parts
    }

    /// Returns the numbers of the finished parts, in ascending order.
    #[must_use]
    pub fn finished(&self) -> &[usize] {
        &self.finished
    }

    /// Returns the parts that workers compute now, with these workers.
    #[must_use]
    pub fn taken(&self) -> &[(usize, Holder)] {
        &self.taken
    }

    /// Returns the process that publishes the array now, if all parts are finished.
    #[must_use]
    pub fn finisher(&self) -> Option<&Holder> {
        self.finisher.as_ref()
    }

    /// Returns true if all parts are finished.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.finished.len() == self.n_parts
    }

    /// Returns true if the array is published.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.is_published
    }
}

impl fmt::Display for PlanStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PlanStatus { n_parts, finished, taken, finisher, is_published, .. } = self;
        if *is_published {
            return write!(formatter, "all {n_parts} parts are finished and published");
        }
        write!(formatter, "{} of {n_parts} parts are finished", finished.len())?;
        if let Some(holder) = finisher {
            return write!(formatter, ", and {holder} publishes the array");
        }
        if !taken.is_empty() {
            write!(formatter, ", {} in progress", taken.len())?;
        }
        Ok(())
    }
}

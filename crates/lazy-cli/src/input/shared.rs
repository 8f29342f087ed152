//! Passes that workers share.

use lazy_chunks::{
    DivisibleReducer, Error, Observer, Outcome, Plan, PlanStatus, PlannedSequence, Result, Workers,
};

use super::unchanged::Unchanged;
use super::{Blocks, Input};

/// What a worker has achieved.
#[derive(Debug)]
pub(crate) struct Worked<O> {
    /// The number of parts of the plan.
    pub(crate) n_parts: usize,
    pub(crate) end: End<O>,
}

/// The state of the write when a worker ends.
#[derive(Debug)]
pub(crate) enum End<O> {
    /// This worker has published the array.
    Published(O),
    /// The array was published by another worker, or by an earlier command. The results are given
    /// if they were computed from the array.
    Complete(Option<O>),
    /// Other workers have parts that are not finished, or publish the array.
    Remaining(PlanStatus),
}

impl Input {
    /// Works on all blocks as one of several workers, and calls the observer in the pass of each
    /// part. The input is no stream. If a file changes, nothing of it is published.
    ///
    /// With `needs_output`, a worker that is alone computes the results of an array that was
    /// complete before.
    pub(crate) fn work<R: DivisibleReducer>(
        &self,
        reducer: R,
        (worker, n_parts): (&Workers, Option<usize>),
        needs_output: bool,
        observer: impl Observer + 'static,
    ) -> Result<Worked<R::Output>> {
        let n_rows = self.grid.as_ref().map_or(0, |grid| grid.n_rows());
        self.size.check_all(n_rows as u64).map_err(Error::other)?;
        // The files are checked after everything else.
        let reducers = (reducer, Unchanged::new(self.grid.clone()));
        let worked = match &self.blocks {
            Blocks::Flat(sequence) => {
                let sequence = sequence.clone().with_observer(observer);
                work(&sequence, reducers, (worker, n_parts), needs_output)
            }
            Blocks::Nested(sequence) => {
                let sequence = sequence.clone().with_observer(observer);
                work(&sequence, reducers, (worker, n_parts), needs_output)
            }
            Blocks::Stream(_) | Blocks::NestedStream(_) => {
                Err(Error::other("workers cannot share a stream"))
            }
        }?;
        Ok(Worked {
            n_parts: worked.n_parts,
            end: match worked.end {
                End::Published((output, ())) => End::Published(output),
                End::Complete(output) => End::Complete(output.map(|(output, ())| output)),
                End::Remaining(status) => End::Remaining(status),
            },
        })
    }
}

fn work<S: PlannedSequence, R: DivisibleReducer>(
    sequence: &S,
    reducers: R,
    (worker, n_parts): (&Workers, Option<usize>),
    needs_output: bool,
) -> Result<Worked<R::Output>> {
    let plan = Plan::of(sequence, reducers);
    let plan = match n_parts {
        Some(n_parts) => plan.with_parts(n_parts),
        None => plan,
    };
    let plan = plan.create()?;
    let end = match plan.work(worker)? {
        Outcome::Finished { output, .. } => End::Published(output),
        Outcome::Remaining { status, .. } => End::Remaining(status),
        // The array was complete before.
        _ if needs_output && worker.is_alone() => End::Complete(Some(plan.finish()?)),
        _ => End::Complete(None),
    };
    Ok(Worked { n_parts: plan.parts().len(), end })
}

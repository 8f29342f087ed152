//! Running a plan: its parts, and what remains.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::sequence::PlannedSequence;
use super::status::{Outcome, PartOutcome, PartReport, PlanStatus};
use super::{
    Claimed, DividedReducer, DivisibleReducer, Holder, Part, PartSizes, PartStore, PlanSpec,
    TakeOver, Workers,
};
use crate::error::Case;
use crate::{BlockGrid, BlockIndex, BlockPosition, Error, ErrorKind, Result, Run};

/// A pass that is cut into parts, which several processes compute.
///
/// All processes create the same plan: the same sequence, reducers and sizes of parts. They meet at
/// the last sink, which keeps the plan, the chunks and a record of each finished part until the
/// last part is finished; then one of them publishes the array. Nobody schedules: each process
/// [works](Self::work) until nothing is left, or a system that deals tasks itself calls
/// [`run`](Self::run) for each part and [`finish`](Self::finish) at the end.
///
/// Each block is computed once, by one of the processes, however often they are stopped and
/// started again. Statistics are folded for each part and then merged in the order of the parts, so
/// the bits of all results depend on the plan alone.
///
/// The key of the sink names what is computed. If its array is published, the plan is complete,
/// even if the sink replaces arrays: workers that come late must not start over. So change the key,
/// or its revision, when the computation changes.
///
/// The sequence of a plan declares its row type and is [indexed](crate::RandomAccess). Each part is
/// a pass of its own: blocks that [`outer`](crate::LazyChunkSequence::outer) keeps are computed
/// again for each part, so give such a plan few parts. The observer of the sequence sees the
/// progress of one part at a time.
///
/// [`PartStore`] has an example of a sink in memory; the guide has one with `ZarrSink`.
pub struct Plan<'s, S, R: DivisibleReducer> {
    sequence: &'s S,
    divided: R::Divided,
    spec: PlanSpec,
    /// True if the store knows which workers have ended, once it was asked.
    knows_ended: OnceLock<bool>,
}

/// The settings of a [`Plan`] before it is created. [`PartStore`] has an example.
pub struct PlanBuilder<'s, S, R> {
    sequence: &'s S,
    reducers: R,
    sizes: PartSizes,
}

/// The record of a finished part.
#[derive(Serialize, Deserialize)]
struct Record<P> {
    version: u32,
    part: Part,
    partial: P,
}

const RECORD_VERSION: u32 = 1;

/// The number of times that a worker starts over when finished parts turn out to be damaged.
const MOST_ROUNDS: usize = 3;

impl<'s, S: PlannedSequence, R: DivisibleReducer> PlanBuilder<'s, S, R> {
    /// Cuts the plan into this number of parts of about equal numbers of rows, or into one part for
    /// each band if there are fewer bands.
    #[must_use]
    pub fn with_parts(self, n_parts: usize) -> Self {
        PlanBuilder { sizes: PartSizes::Number(n_parts), ..self }
    }

    /// Cuts the plan into parts of about this number of rows.
    #[must_use]
    pub fn with_part_rows(self, n_rows: usize) -> Self {
        PlanBuilder { sizes: PartSizes::Rows(n_rows), ..self }
    }

    /// Creates the plan, or joins the one that another worker has created.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidSpec`] if the sequence declares no row type.
    /// - Any error of the reducers, for instance if there is another plan at the target of a sink.
    pub fn create(self) -> Result<Plan<'s, S, R>> {
        let sequence = self.sequence.spec().clone();
        let Some(grid) = sequence.grid().filter(|_| sequence.row_type().is_some()) else {
            return Err(Case::PlanWithoutRowType.into());
        };
        if !self.reducers.keeps_plan() {
            return Err(Case::PlanWithoutSink.into());
        }
        let mut names = Vec::new();
        self.reducers.describe(&mut names);
        let chunk_rows = self.reducers.part_rows(&sequence)?;
        let parts = self.sizes.cut(grid.rows(), chunk_rows);
        if let Some(part) = parts.iter().max_by_key(|part| part.rows().len()) {
            self.reducers.claim_memory(&self.sequence.spec_of_bands(part.bands())?)?;
        }
        let spec = PlanSpec { sequence, parts, names };
        let divided = self.reducers.divide(&spec)?;
        Ok(Plan { sequence: self.sequence, divided, spec, knows_ended: OnceLock::new() })
    }
}

impl<'s, S: PlannedSequence, R: DivisibleReducer> Plan<'s, S, R> {
    /// Starts a plan of a sequence for these reducers.
    pub fn of(sequence: &'s S, reducers: R) -> PlanBuilder<'s, S, R> {
        PlanBuilder { sequence, reducers, sizes: PartSizes::default() }
    }

    /// Returns the parts in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        self.spec.parts()
    }

    /// Computes a part, unless it is finished or another worker computes it. A worker that was
    /// stopped before has kept its complete chunks, and only the other blocks are computed.
    ///
    /// # Errors
    ///
    /// Any error of the pass. It names blocks by their place in the whole sequence.
    ///
    /// # Panics
    ///
    /// Panics if the part is not one of this plan.
    pub fn run(&self, part: &Part) -> Result<PartOutcome> {
        assert_eq!(self.spec.parts.get(part.number()), Some(part), "a part of another plan");
        self.run_part(part, TakeOver::IfSet)
    }

    fn run_part(&self, part: &Part, take_over: TakeOver) -> Result<PartOutcome> {
        if self.divided.store().is_none() {
            return Ok(PartOutcome::FinishedBefore);
        }
        let reducer = match self.divided.claim(part, take_over)? {
            Claimed::Taken(reducer) => reducer,
            Claimed::Held(holder) => return Ok(PartOutcome::Held(holder)),
            Claimed::Finished => return Ok(PartOutcome::FinishedBefore),
        };
        let started = Instant::now();
        let partial = self.sequence.compute_bands(part.bands(), reducer)?;
        let report = PartReport {
            part: part.clone(),
            n_blocks: part.bands().len() * self.grid().blocks_per_band(),
            seconds: started.elapsed().as_secs_f64(),
        };
        let record = Record { version: RECORD_VERSION, part: part.clone(), partial };
        let mut bytes = Vec::new();
        ciborium::into_writer(&record, &mut bytes).map_err(|error| Case::PartRecord {
            part: part.number(),
            problem: error.to_string(),
        })?;
        self.divided.keep(&report, record.partial, &mut Some(bytes))?;
        Ok(PartOutcome::Finished(report))
    }

    fn grid(&self) -> &BlockGrid {
        self.spec.sequence.grid().expect("a plan is created for a sequence with a grid")
    }

    /// Merges and publishes the results of all parts, and returns them. It can be called again: if
    /// the array is published already, the statistics are computed from it.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Unfinished`] if parts are not finished, or if another process is finishing.
    /// - Any error of the reducers.
    pub fn finish(&self) -> Result<R::Output> {
        match self.try_finish(TakeOver::IfSet)? {
            Finish::Output(output) => Ok(output),
            Finish::Before => self.compute_again(),
            Finish::Held(holder) => {
                let target = self.target();
                Err(Case::BeingFinished { target, holder: holder.to_string() }.into())
            }
        }
    }

    /// Finishes the plan unless another worker does. Where locks do not reach all workers, another
    /// one may take over a plan that this one has just begun to finish.
    fn try_finish(&self, mut take_over: TakeOver) -> Result<Finish<R::Output>> {
        let mut n_rounds = 0;
        loop {
            match self.finish_once(take_over) {
                Err(error) if error.is_plan_taken_over() && n_rounds < MOST_ROUNDS => {
                    n_rounds += 1;
                    take_over = TakeOver::Never;
                }
                tried => return tried,
            }
        }
    }

    fn finish_once(&self, take_over: TakeOver) -> Result<Finish<R::Output>> {
        let Some(store) = self.divided.store() else { return Ok(Finish::Before) };
        let missing = missing(&self.spec.parts, &store.finished()?);
        // The array may turn out to be published, and the records to be gone.
        if self.divided.store().is_none() {
            return Ok(Finish::Before);
        }
        if !missing.is_empty() {
            let n_parts = self.parts().len();
            return Err(Error::parts_missing(store.target(), n_parts, missing));
        }
        let mut run = match self.divided.join(take_over)? {
            Claimed::Taken(run) => run,
            Claimed::Held(holder) => return Ok(Finish::Held(holder)),
            Claimed::Finished => return Ok(Finish::Before),
        };
        let prepared = self.merge_parts(store, &mut run).and_then(|()| run.prepare());
        if let Err(error) = prepared {
            // The sink still holds the plan.
            for part in error.missing_parts().unwrap_or_default() {
                store.discard(*part)?;
            }
            return Err(error);
        }
        run.commit().map(Finish::Output)
    }

    /// Merges the stored results of all parts.
    fn merge_parts(
        &self,
        store: &dyn PartStore,
        run: &mut <R::Divided as DividedReducer>::Join,
    ) -> Result<()> {
        let mut damaged = Vec::new();
        for part in self.parts() {
            let Some(partial) = self.partial_of(store, part)? else {
                damaged.push(part.number());
                continue;
            };
            if !damaged.is_empty() {
                continue;
            }
            match run.merge(position(part), partial) {
                // The state of a statistic is damaged, or was saved by another version.
                Err(error) if error.kind() == ErrorKind::SavedState => damaged.push(part.number()),
                merged => merged?,
            }
        }
        if damaged.is_empty() {
            return Ok(());
        }
        Err(Error::parts_missing(store.target(), self.parts().len(), damaged))
    }

    /// Returns the stored result of a part, or `None` if its record is missing or damaged.
    fn partial_of(
        &self,
        store: &dyn PartStore,
        part: &Part,
    ) -> Result<Option<<R::Divided as DividedReducer>::Partial>> {
        let Some(bytes) = store.record(part.number())? else { return Ok(None) };
        let record: Result<Record<_>, _> = ciborium::from_reader(&*bytes);
        let is_of_part =
            |record: &Record<_>| record.version == RECORD_VERSION && record.part == *part;
        Ok(record.ok().filter(is_of_part).map(|record| record.partial))
    }

    /// Computes the results of an array that is published, part by part, so that they have the same
    /// bits.
    fn compute_again(&self) -> Result<R::Output> {
        let changed = || Error::from(Case::PlanChanged { target: self.target() });
        let Claimed::Taken(mut run) = self.divided.join(TakeOver::Never)? else {
            return Err(changed());
        };
        for part in self.parts() {
            let Claimed::Taken(reducer) = self.divided.claim(part, TakeOver::Never)? else {
                return Err(changed());
            };
            let partial = self.sequence.compute_bands(part.bands(), reducer)?;
            run.merge(position(part), partial)?;
        }
        run.prepare()?;
        run.commit()
    }

    fn target(&self) -> String {
        self.divided.store().map_or_else(String::new, PartStore::target)
    }

    /// Returns which parts are finished, and who computes the others.
    ///
    /// # Errors
    ///
    /// Returns an error if the place where the workers meet cannot be examined.
    pub fn status(&self) -> Result<PlanStatus> {
        let Some(store) = self.divided.store() else {
            return Ok(PlanStatus::published(self.parts().len()));
        };
        let finished = store.finished()?;
        let taken = store.taken()?;
        Ok(PlanStatus::new(store.target(), self.parts().len(), finished, taken))
    }

    /// Works on the plan as one of its workers: computes the parts of this worker's share, then all
    /// parts that no other worker has, and publishes the array if no part is left.
    ///
    /// If the place where the workers meet cannot tell which workers have ended, each worker
    /// computes its own share alone. If it tells after a while, this worker waits for as long.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Workers`] if each worker computes its own share alone, and the share is
    ///   unknown.
    /// - Any error of [`run`](Self::run) and [`finish`](Self::finish).
    pub fn work(&self, workers: &Workers) -> Result<Outcome<R::Output>> {
        self.work_once(workers, TakeOver::IfSet)
    }

    fn work_once(&self, workers: &Workers, take_over: TakeOver) -> Result<Outcome<R::Output>> {
        let mut parts = Vec::new();
        let (mut n_rounds, mut waiting) = (0, Waiting::new());
        loop {
            let Some(store) = self.divided.store() else { return Ok(Outcome::FinishedBefore) };
            let n_before = parts.len();
            self.work_on_parts(store, workers, take_over, &mut parts)?;
            if parts.len() > n_before {
                waiting = Waiting::new();
            }
            let status = self.status()?;
            if !status.is_complete() {
                if waiting.is_useful(store, status.taken().iter().map(|(_, holder)| holder)) {
                    self.wait(&mut waiting, &status)?;
                    continue;
                }
                return Ok(Outcome::Remaining { parts, status });
            }
            match self.try_finish(take_over) {
                Ok(Finish::Output(output)) => return Ok(Outcome::Finished { parts, output }),
                Ok(Finish::Before) => return Ok(Outcome::FinishedBefore),
                Ok(Finish::Held(holder)) if waiting.is_useful(store, [&holder]) => {
                    self.wait(&mut waiting, &status)?;
                }
                Ok(Finish::Held(holder)) => {
                    return Ok(Outcome::Remaining { parts, status: status.finished_by(holder) });
                }
                // Records turned out to be damaged, and were removed.
                Err(error) if error.kind() == ErrorKind::Unfinished && n_rounds < MOST_ROUNDS => {
                    n_rounds += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until others may have finished parts, or ended.
    fn wait(&self, waiting: &mut Waiting, status: &PlanStatus) -> Result<()> {
        let blocks_per_band = self.grid().blocks_per_band();
        let n_blocks = |part: &usize| self.parts()[*part].bands().len() * blocks_per_band;
        self.sequence.observe_waiting(status.finished().iter().map(n_blocks).sum())?;
        sleep(waiting.pause);
        waiting.pause = (2 * waiting.pause).min(LONGEST_PAUSE);
        Ok(())
    }

    /// Works on the plan until the array is published, by this worker or by another one, and
    /// returns the results: a plan takes the place of a pass in a program with several steps.
    ///
    /// While other workers compute what remains, this one waits, and takes over the parts of
    /// workers that end. The observer of the sequence is called meanwhile, and can cancel it. If
    /// another worker has published the array, the statistics are computed from it, or by the
    /// sequence again if all sinks cast the blocks; [`work`](Self::work) computes nothing again.
    ///
    /// # Errors
    ///
    /// The errors of [`work`](Self::work).
    pub fn compute(&self, workers: &Workers) -> Result<R::Output> {
        let (mut waiting, mut take_over) = (Waiting::new(), TakeOver::IfSet);
        loop {
            match self.work_once(workers, take_over)? {
                Outcome::Finished { output, .. } => return Ok(output),
                Outcome::FinishedBefore => return self.finish(),
                Outcome::Remaining { parts, status } => {
                    if !parts.is_empty() {
                        waiting = Waiting::new();
                    }
                    // Those that are running now are no longer those that were there before.
                    take_over = TakeOver::Never;
                    self.wait(&mut waiting, &status)?;
                }
            }
        }
    }

    /// Computes all parts that this worker can take.
    fn work_on_parts(
        &self,
        store: &dyn PartStore,
        workers: &Workers,
        take_over: TakeOver,
        done: &mut Vec<PartReport>,
    ) -> Result<()> {
        let n_parts = self.parts().len();
        let own = workers.share(n_parts);
        let knows_ended = match self.knows_ended.get() {
            Some(knows_ended) => *knows_ended,
            None => {
                let knows_ended = store.knows_ended()?;
                *self.knows_ended.get_or_init(|| knows_ended)
            }
        };
        let helps = workers.is_alone() || knows_ended;
        if !helps && !workers.is_exact() {
            return Err(Case::NoShare { target: store.target() }.into());
        }
        let others = (own.end..n_parts).chain(0..own.start).filter(|_| helps);
        let mut order: Vec<_> = own.clone().chain(others).collect();
        if workers.count().is_none() {
            // All workers would begin at the same part.
            order.rotate_left(workers.index().wrapping_mul(SPREAD) % n_parts.max(1));
        }
        let take_over = if helps { take_over } else { TakeOver::Always };
        let mut finished: BTreeSet<_> = store.finished()?.into_iter().collect();
        let mut listed = Instant::now();
        for number in order {
            if finished.contains(&number) {
                continue;
            }
            match self.run_part(&self.spec.parts[number], take_over) {
                Ok(PartOutcome::Finished(report)) => done.push(report),
                Ok(PartOutcome::FinishedBefore | PartOutcome::Held(_)) => continue,
                Err(error) if error.is_part_taken_over() => continue,
                Err(error) => return Err(error),
            }
            if listed.elapsed() > BETWEEN_LISTS {
                finished = store.finished()?.into_iter().collect();
                listed = Instant::now();
            }
        }
        Ok(())
    }
}

/// A number that spreads workers of an unknown number over the parts.
const SPREAD: usize = 0x9e37_79b1;

/// The time that a worker waits before it looks again for parts that others have left.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// The least time between two listings of the finished parts.
const BETWEEN_LISTS: Duration = Duration::from_secs(1);

/// The waiting of a worker for others.
struct Waiting {
    since: Instant,
    pause: Duration,
}

impl Waiting {
    fn new() -> Waiting {
        Waiting { since: Instant::now(), pause: SHORTEST_PAUSE }
    }

    /// Returns true if this worker will know which of these workers have ended.
    fn is_useful<'h>(
        &self,
        store: &dyn PartStore,
        holders: impl IntoIterator<Item = &'h Holder>,
    ) -> bool {
        // A worker that is seen late is known late.
        let is_short = |patience: Duration| self.since.elapsed() < 2 * patience;
        store.patience().is_some_and(is_short)
            && holders.into_iter().any(|holder| !holder.is_certain())
    }
}

enum Finish<O> {
    Output(O),
    /// Another worker has published the array.
    Before,
    Held(Holder),
}

/// Returns the position of the first row of a part.
fn position(part: &Part) -> BlockPosition {
    BlockPosition { index: BlockIndex::Band(part.bands().start), row: part.rows().start, column: 0 }
}

/// Returns the numbers of the parts that are not finished.
fn missing(parts: &[Part], finished: &[usize]) -> Vec<usize> {
    let finished: BTreeSet<_> = finished.iter().collect();
    parts.iter().map(Part::number).filter(|number| !finished.contains(number)).collect()
}

impl<S, R: DivisibleReducer> fmt::Debug for Plan<'_, S, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Plan").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl<S, R> fmt::Debug for PlanBuilder<'_, S, R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("PlanBuilder").field("sizes", &self.sizes).finish_non_exhaustive()
    }
}

//! Reducers whose pass several processes divide among them.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Part, PartReport};
use crate::{MemoryClaim, Reducer, Result, Run, SequenceSpec};

/// A reducer that several processes can compute together, a part each.
///
/// Every [statistic whose states can be saved](crate::SaveState) is one, and so are sinks that keep
/// unfinished writes; tuples, vectors and options of divisible reducers are divisible, too.
/// [`Plan`](crate::Plan) divides a pass over them. [`PartStore`] has an example of a sink.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be divided among workers",
    note = "implement `SaveState` for a statistic of your own"
)]
pub trait DivisibleReducer: Reducer {
    /// The reducer in a plan.
    type Divided: DividedReducer<Output = Self::Output>;

    /// Adds what a plan must contain in the same order for all its workers: the name of a
    /// statistic, or `array` for a sink.
    fn describe(&self, names: &mut Vec<String>);

    /// Returns true if the reducer, or one of several, keeps the plan: if it is a sink.
    fn keeps_plan(&self) -> bool {
        false
    }

    /// Returns the number of rows that a part should be a multiple of: the rows of the chunks of a
    /// sink.
    ///
    /// # Errors
    ///
    /// Returns an error if the reducer cannot take these blocks.
    fn part_rows(&self, spec: &SequenceSpec) -> Result<Option<usize>> {
        let _ = spec;
        Ok(None)
    }

    /// Checks that a part can start under the memory limit of its pass, before a plan is created:
    /// makes the claims that the reducer of a part makes when it starts. The default makes none.
    ///
    /// # Errors
    ///
    /// Returns an error if the reducer cannot take these blocks, or if the limit is too low.
    fn claim_memory(&self, spec: &SequenceSpec) -> Result<Vec<MemoryClaim>> {
        let _ = spec;
        Ok(Vec::new())
    }

    /// Creates the plan, or joins the one that another worker has created. A sink checks its target
    /// here.
    ///
    /// # Errors
    ///
    /// Returns an error if the plan cannot succeed, or if there is another one.
    fn divide(self, plan: &PlanSpec) -> Result<Self::Divided>;
}

/// The values that all workers of a plan share, besides the settings of each reducer.
///
/// [`PartStore`] has an example.
#[derive(Clone, Debug)]
pub struct PlanSpec {
    pub(crate) sequence: SequenceSpec,
    pub(crate) parts: Vec<Part>,
    pub(crate) names: Vec<String>,
}

impl PlanSpec {
    /// Returns the declaration of the sequence, which has a block grid and a row type.
    #[must_use]
    pub fn sequence(&self) -> &SequenceSpec {
        &self.sequence
    }

    /// Returns the parts in order.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns the names of the reducers in order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// A [`DivisibleReducer`] in a plan. [`PartStore`] has an example.
pub trait DividedReducer {
    /// The result for one part, which is stored until the plan is finished.
    type Partial: Serialize + DeserializeOwned;
    /// The reducer of one part. Its blocks have positions from 0 on.
    type PartReducer: Reducer<Output = Self::Partial>;
    /// Merges the results of all parts, in order.
    type Join: Run<Partial = Self::Partial, Output = Self::Output>;
    /// The type of the result of the whole pass.
    type Output;

    /// Takes a part, so that no other worker computes it.
    ///
    /// # Errors
    ///
    /// Returns an error if the place where workers meet cannot be used.
    fn claim(&self, part: &Part, take_over: TakeOver) -> Result<Claimed<Self::PartReducer>>;

    /// Keeps the result of a part: the [store](Self::store) takes `record`, and the part is finished
    /// from then on. `report` describes the part.
    ///
    /// # Errors
    ///
    /// Returns an error if the record cannot be stored, or if another worker has taken over.
    fn keep(
        &self,
        report: &PartReport,
        partial: Self::Partial,
        record: &mut Option<Vec<u8>>,
    ) -> Result<()>;

    /// Takes the plan, to finish it, when all parts are finished.
    ///
    /// # Errors
    ///
    /// Returns an error if the place where workers meet cannot be used.
    fn join(&self, take_over: TakeOver) -> Result<Claimed<Self::Join>>;

    /// Returns the place where the workers meet: that of the last sink that is not complete. The
    /// last one publishes last, so the records of the parts are there as long as they are needed.
    fn store(&self) -> Option<&dyn PartStore> {
        None
    }
}

/// The handling of a worker that may be running, but may also have ended, which the locks of some
/// file systems cannot tell.
///
/// [`PartStore`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakeOver {
    /// It counts as running.
    Never,
    /// It counts as one that has ended if the sink is set to take over.
    IfSet,
    /// It counts as one that has ended.
    Always,
}

/// The result of trying to take a part, or the plan. [`PartStore`] has an example.
#[derive(Debug)]
#[non_exhaustive]
pub enum Claimed<T> {
    /// It belongs to this worker until it is dropped.
    Taken(T),
    /// Another worker has it.
    Held(Holder),
    /// Another worker has finished it.
    Finished,
}

impl<T> Claimed<T> {
    /// Converts what was taken.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Claimed<U> {
        match self {
            Claimed::Taken(taken) => Claimed::Taken(convert(taken)),
            Claimed::Held(holder) => Claimed::Held(holder),
            Claimed::Finished => Claimed::Finished,
        }
    }
}

/// A process that has taken a part, or the plan.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::Holder;
///
/// let holder = Holder::new("process 7 on node-3", false);
/// assert_eq!(holder.to_string(), "process 7 on node-3 (maybe ended)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Holder {
    name: String,
    is_certain: bool,
}

impl Holder {
    /// Creates a holder. `name` tells the process and its machine. `is_certain` tells whether the
    /// process is known to be running, which the locks of some file systems cannot tell.
    pub fn new(name: impl Into<String>, is_certain: bool) -> Holder {
        Holder { name: name.into(), is_certain }
    }

    /// Returns the process and its machine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns true if the process is known to be running.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.is_certain
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        if self.is_certain { Ok(()) } else { formatter.write_str(" (maybe ended)") }
    }
}

/// The place where the workers of a plan meet: it keeps a record of each finished part.
///
/// # Example
///
/// A sink that collects the rows of an array in memory, for workers that are threads:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use std::collections::BTreeMap;
/// use std::sync::{Arc, Mutex};
///
/// use lazy_chunks::{
///     ArrayBlock, BlockMap, BlockPosition, Claimed, DType, DividedReducer, DivisibleReducer, Holder,
///     LazyChunkSequence, NdarrayConverter, Outcome, Part, PartReport, PartStore, Plan, PlanSpec,
///     Reducer, Result, Run, SequenceSpec, Sum, TakeOver, Workers,
/// };
/// use ndarray::{Array1, Ix1};
///
/// /// Collects rows of one element. Workers that share a plan have clones of one sink.
/// #[derive(Clone, Default)]
/// struct Rows(Arc<Mutex<Meeting>>);
///
/// #[derive(Default)]
/// struct Meeting {
///     taken: BTreeMap<usize, u32>,
///     records: BTreeMap<usize, Vec<u8>>,
/// }
///
/// /// The rows of a part, or of the array.
/// #[derive(Default)]
/// struct Collected(Vec<f64>);
///
/// impl Run for Collected {
///     type Partial = Vec<f64>;
///     type Output = Vec<f64>;
///
///     fn merge(&mut self, _: BlockPosition, rows: Vec<f64>) -> Result<()> {
///         self.0.extend(rows);
///         Ok(())
///     }
///
///     fn commit(self) -> Result<Vec<f64>> {
///         Ok(self.0)
///     }
/// }
///
/// impl Reducer for Rows {
///     type Map = fn(BlockPosition, &ArrayBlock) -> Result<Vec<f64>>;
///     type Run = Collected;
///     type Output = Vec<f64>;
///
///     fn start(self, _: &SequenceSpec) -> Result<(Self::Map, Collected)> {
///         let map: Self::Map = |_, block| Ok(block.as_array::<f64, Ix1>()?.to_vec());
///         Ok((map, Collected::default()))
///     }
/// }
///
/// impl DivisibleReducer for Rows {
///     type Divided = Rows;
///
///     fn describe(&self, names: &mut Vec<String>) {
///         names.push("rows".to_owned());
///     }
///
///     fn keeps_plan(&self) -> bool {
///         true
///     }
///
///     fn divide(self, _: &PlanSpec) -> Result<Rows> {
///         Ok(self)
///     }
/// }
///
/// impl DividedReducer for Rows {
///     type Partial = Vec<f64>;
///     type PartReducer = Rows;
///     type Join = Collected;
///     type Output = Vec<f64>;
///
///     fn claim(&self, part: &Part, _: TakeOver) -> Result<Claimed<Rows>> {
///         let mut meeting = self.0.lock().unwrap();
///         if meeting.records.contains_key(&part.number()) {
///             return Ok(Claimed::Finished);
///         }
///         Ok(match meeting.taken.insert(part.number(), 1) {
///             Some(_) => Claimed::Held(Holder::new("another thread", true)),
///             None => Claimed::Taken(self.clone()),
///         })
///     }
///
///     fn keep(
///         &self,
///         report: &PartReport,
///         _: Vec<f64>,
///         record: &mut Option<Vec<u8>>,
///     ) -> Result<()> {
///         // The record has the rows.
///         let (number, mut meeting) = (report.part.number(), self.0.lock().unwrap());
///         meeting.records.extend(record.take().map(|record| (number, record)));
///         meeting.taken.remove(&number);
///         Ok(())
///     }
///
///     fn join(&self, _: TakeOver) -> Result<Claimed<Collected>> {
///         Ok(Claimed::Taken(Collected::default()))
///     }
///
///     fn store(&self) -> Option<&dyn PartStore> {
///         Some(self)
///     }
/// }
///
/// impl PartStore for Rows {
///     fn target(&self) -> String {
///         "the rows".to_owned()
///     }
///
///     fn knows_ended(&self) -> Result<bool> {
///         Ok(true)
///     }
///
///     fn finished(&self) -> Result<Vec<usize>> {
///         Ok(self.0.lock().unwrap().records.keys().copied().collect())
///     }
///
///     fn record(&self, part: usize) -> Result<Option<Vec<u8>>> {
///         Ok(self.0.lock().unwrap().records.get(&part).cloned())
///     }
///
///     fn discard(&self, part: usize) -> Result<()> {
///         self.0.lock().unwrap().records.remove(&part);
///         Ok(())
///     }
///
///     fn taken(&self) -> Result<Vec<(usize, Holder)>> {
///         let meeting = self.0.lock().unwrap();
///         let holder = |part: &usize| (*part, Holder::new("a thread", true));
///         Ok(meeting.taken.keys().map(holder).collect())
///     }
/// }
///
/// let values = LazyChunkSequence::from_fn([2; 6], |i| Array1::from_elem(2, i as f64))
///     .with_row_type(DType::Float64, [])
///     .convert(NdarrayConverter);
/// let rows = Rows::default();
/// let work = |i| {
///     let plan = Plan::of(&values, (rows.clone(), Sum)).with_parts(3).create()?;
///     plan.work(&Workers::new(i, 2)?)
/// };
/// let outcomes = std::thread::scope(|scope| {
///     let threads = [0, 1].map(|i| scope.spawn(move || work(i)));
///     threads.map(|thread| thread.join().unwrap())
/// });
/// let mut results = outcomes.into_iter().filter_map(|outcome| match outcome {
///     Ok(Outcome::Finished { output, .. }) => Some(output),
///     _ => None,
/// });
/// let (all, sum) = results.next().expect("the last thread finishes");
/// assert_eq!(all, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 5.0, 5.0]);
/// assert_eq!(sum, 30.0);
/// ```
pub trait PartStore {
    /// Returns the name of the target, for messages.
    fn target(&self) -> String;

    /// Returns true if a worker that has ended is known to have ended, so that others can take its
    /// parts.
    ///
    /// # Errors
    ///
    /// Returns an error if the place cannot be examined.
    fn knows_ended(&self) -> Result<bool>;

    /// Returns the time after which a worker that is not certain to be running is known to run or
    /// to have ended, if others find that out by looking at it again and again. The default is
    /// `None`.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// Returns the numbers of the finished parts, in ascending order.
    ///
    /// # Errors
    ///
    /// Returns an error if the place cannot be examined.
    fn finished(&self) -> Result<Vec<usize>>;

    /// Returns the record of a part, if it is finished.
    ///
    /// # Errors
    ///
    /// Returns an error if the record cannot be read.
    fn record(&self, part: usize) -> Result<Option<Vec<u8>>>;

    /// Removes a damaged record, so that the part is computed again.
    ///
    /// # Errors
    ///
    /// Returns an error if the record cannot be removed.
    fn discard(&self, part: usize) -> Result<()>;

    /// Returns the parts that workers have taken and not finished, with these workers, in ascending
    /// order.
    ///
    /// # Errors
    ///
    /// Returns an error if the place cannot be examined.
    fn taken(&self) -> Result<Vec<(usize, Holder)>>;
}

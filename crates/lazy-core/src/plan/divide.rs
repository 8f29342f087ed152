//! Reducers whose pass several processes divide among them.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Part, PartReport};
use crate::{Reducer, Result, Run, SequenceSpec};

/// A reducer that several processes can compute together, a part each.
///
/// Every [statistic whose states can be saved](crate::SaveState) is one, and so are sinks that keep
/// unfinished writes; tuples, vectors and options of divisible reducers are divisible, too.
/// [`Plan`](crate::Plan) divides a pass over them.
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

    /// Creates the plan, or joins the one that another worker has created. A sink checks its target
    /// here.
    ///
    /// # Errors
    ///
    /// Returns an error if the plan cannot succeed, or if there is another one.
    fn divide(self, plan: &PlanSpec) -> Result<Self::Divided>;
}

/// What all workers of a plan agree on, besides the settings of each reducer.
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

/// A [`DivisibleReducer`] in a plan.
pub trait DividedReducer {
    /// The result for one part, which is stored until the plan is finished.
    type Partial: Serialize + DeserializeOwned;
    /// The reducer of one part. Its blocks have positions from 0 on.
    type PartReducer: Reducer<Output = Self::Partial>;
    /// Merges the results of all parts, in order.
    type Join: Run<Partial = Self::Partial, Output = Self::Output>;
    /// The type of the result of the whole pass.
    type Output;

    /// Takes a part, so that no other worker computes it. If `takes_over` is true, a worker that
    /// may be running counts as one that has ended.
    ///
    /// # Errors
    ///
    /// Returns an error if the place where workers meet cannot be used.
    fn claim(&self, part: &Part, takes_over: bool) -> Result<Claimed<Self::PartReducer>>;

    /// Keeps the result of a part: the first sink stores `record`, which it takes, and the part is
    /// finished from then on. `report` describes the part.
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
    fn join(&self) -> Result<Claimed<Self::Join>>;

    /// Returns the place where the workers meet: that of the first sink that is not complete.
    fn store(&self) -> Option<&dyn PartStore> {
        None
    }
}

/// The result of trying to take a part, or the plan.
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

//! Plans: passes that several processes compute together, a part each.

mod boxed;
mod divide;
mod limit;
mod part;
mod run;
mod sequence;
mod statistic;
mod status;
mod tuples;
mod workers;

pub use boxed::BoxedDivisibleReducer;
pub use divide::{
    Claimed, DividedReducer, DivisibleReducer, Holder, PartStore, PlanSpec, TakeOver,
};
pub use part::{Part, PartSizes};
pub use run::{Plan, PlanBuilder};
pub use sequence::PlannedSequence;
pub use status::{Outcome, PartOutcome, PartReport, PlanStatus};
pub use workers::Workers;

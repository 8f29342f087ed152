//! Code that the tests share: arrays with known elements, cut into blocks in every way, and file
//! systems that fail, lose unflushed changes, or kill the process.

mod array;
mod caching;
mod case;
mod discarding;
mod errors;
mod faulty;
mod hooked;
pub mod interrupted;
#[cfg(unix)]
mod killing;
#[cfg(unix)]
mod machine;
mod shared_write;
mod simple;
mod statistics;
mod volatile;

pub use array::{Real, element_bytes, elements, real_values};
pub use caching::CachingFileSystem;
pub use case::{Case, Chunks, Shards, case, codec};
pub use discarding::DiscardingFileSystem;
pub use errors::{is_locked, is_taken_over};
pub use faulty::{Fault, FaultyFileSystem};
pub use hooked::HookedFileSystem;
#[cfg(unix)]
pub use killing::{Failpoint, KillingFileSystem, Operation, Progress};
#[cfg(unix)]
pub use machine::Machine;
pub use shared_write::{SharedOutput, SharedPlan, SharedSequence, SharedWrite, finished_parts};
pub use simple::{
    assert_not_stored, assert_target_refused, directory_in_memory, files, flat, names, nested,
    never_computed, spec, zeros,
};
pub use statistics::{Visitor, every_sketch, every_statistic, every_statistic_of_rows};
pub use volatile::{VolatileFileSystem, chooser};

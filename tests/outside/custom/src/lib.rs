//! The parts that a user of `lazy-chunks` can bring along, one to a file:
//!
//! - [`Matrix`], a tensor type, and [`MatrixConverter`], which turns it into blocks and back.
//! - [`LargestRowSum`] and [`BlockNorms`], aggregators of sequences and of nested sequences.
//! - [`Histogram`], a statistic: its states merge, and travel between processes.
//! - [`Drift`], a reducer that is no statistic, since it depends on the order of the blocks.
//! - [`Ledger`], an observer.
//! - [`Metered`], a file system that counts the bytes that go through another one.

mod aggregators;
mod drift;
mod histogram;
mod ledger;
mod matrix;
mod metered;

pub use aggregators::{BlockNorms, HeatMap, LargestRowSum, RowSum};
pub use drift::{Drift, Jump, Means};
pub use histogram::{Counts, Histogram};
pub use ledger::Ledger;
pub use matrix::{Device, Matrix, MatrixConverter};
pub use metered::Metered;

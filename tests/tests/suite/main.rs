//! Tests of several crates together, in one binary, which links each crate once.
//!
//! Tests that measure the memory of their process, or change the process for all threads, have
//! their own binaries.

mod adapters;
mod append;
mod assembling;
mod axis_names;
mod bad_input;
mod conformance;
mod errors;
mod exactness;
mod faults;
mod groups;
mod left_behind;
mod opening;
mod parity;
mod power_loss;
mod properties;
mod reading;
mod rectilinear;
mod removing;
mod replaced;
mod resume;
mod rivals;
mod stack;
mod statistics;
mod structure;
mod threads;
mod tracing;
mod unfinished;
mod verify;
mod watching;
mod workers;
mod workers_faults;
#[cfg(unix)]
mod workers_locks;
mod workers_power_loss;
#[cfg(unix)]
mod workers_renamed;
#[cfg(unix)]
mod workers_taken_over;

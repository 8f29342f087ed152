//! The tests of several crates together, in one binary: each has to be linked once.
//!
//! Tests that measure the memory of their process, or change it for all threads, are binaries of their own.

mod adapters;
mod assembling;
mod bad_input;
mod conformance;
mod errors;
mod faults;
mod groups;
mod left_behind;
mod opening;
mod parity;
mod power_loss;
mod properties;
mod reading;
mod replaced;
mod resume;
mod rivals;
mod stack;
mod statistics;
#[cfg(feature = "tch")]
mod tensors;
mod threads;
mod tracing;
mod unfinished;
mod verify;
mod watching;

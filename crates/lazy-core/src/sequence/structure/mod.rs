//! Sequences that are made of parts of other sequences, without computing any block.
//!
//! Each operation keeps the access, the threads, the memory limit and the observer of the sequence
//! that it is called on; and the row type, if the operation does not change it.

mod cast;
mod chain;
mod columns;
mod map;
mod outer;
mod pick;
mod rechunk;
mod rows;
mod zip;

use crate::Error;
use crate::error::Case;

/// Returns the error of an operation on sequences.
fn refused(operation: &'static str, problem: impl Into<String>) -> Error {
    Case::Structure { operation, problem: problem.into() }.into()
}

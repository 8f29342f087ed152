//! Blocks out of Python arrays, and NumPy arrays out of blocks.
//!
//! Ignorant of sequences, of statistics and of storage. Only this module has code that is unsafe,
//! since the memory belongs to others.

#![expect(unsafe_code)]

mod dlpack;
mod dtype;
mod give;
mod numpy;
mod strided;
mod take;

pub(crate) use dtype::dtype_named;
pub(crate) use give::{give, give_scalar, lend};
pub(crate) use take::{Taker, copies, drop_returned, is_array};

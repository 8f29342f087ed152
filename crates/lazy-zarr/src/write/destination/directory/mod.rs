//! An array in a directory of a file system.

mod claim;
mod operations;
mod publishing;
mod writing;

pub(super) use publishing::flush_again;
pub(crate) use writing::Directory;

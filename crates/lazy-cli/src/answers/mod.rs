//! Output of the results of statistics: tables, JSON and Zarr arrays.
//!
//! Ignorant of how statistics are computed, and of the command line.

mod elements;
mod group;
mod json;
mod table;
mod tables;

pub(crate) use group::Group;
pub(crate) use json::Json;
pub(crate) use tables::to_tables;

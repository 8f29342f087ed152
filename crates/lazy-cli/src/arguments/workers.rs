//! The arguments of the commands about writes that workers share.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use super::Report;
use super::parsers::{fraction, location};

/// Show the progress of writes that workers share
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy status values.zarr
  lazy status values.zarr --interval 10")]
pub(crate) struct Status {
    /// Path or URL of a Zarr array that is being stored, or a group or folder of them
    #[arg(value_parser = location(), value_hint = ValueHint::AnyPath)]
    pub(crate) path: OsString,

    /// Repeat every SECONDS until no write is left
    ///
    /// On a terminal, the display is updated in place. Otherwise, each time adds a line for each
    /// write, or with --json an object.
    #[arg(
        long,
        value_name = "SECONDS",
        value_parser = fraction(0.1..=86400.0),
        allow_negative_numbers = true
    )]
    pub(crate) interval: Option<f64>,

    /// Print the progress as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Publish an array whose parts are finished, if all workers have ended before one published it
///
/// The input is not needed. The last worker publishes the array, so this command is needed only if
/// that worker was killed, and no worker is to be started again.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy finish values.zarr")]
pub(crate) struct Finish {
    /// Path or URL of a Zarr array that workers have stored
    #[arg(value_parser = location(), value_hint = ValueHint::AnyPath)]
    pub(crate) path: OsString,

    #[command(flatten)]
    pub(crate) report: Report,
}

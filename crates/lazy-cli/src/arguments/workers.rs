//! The arguments of the commands about writes that workers share.

use std::path::PathBuf;

use clap::Args;

use super::Report;
use super::parsers::{fraction, path};

/// Show the progress of writes that workers share
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy status values.zarr
  lazy status values.zarr --interval 10")]
pub(crate) struct Status {
    /// Zarr array that is being stored, or a group or folder of them
    #[arg(value_parser = path())]
    pub(crate) path: PathBuf,

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
    /// Zarr array that workers have stored
    #[arg(value_parser = path())]
    pub(crate) path: PathBuf,

    #[command(flatten)]
    pub(crate) report: Report,
}

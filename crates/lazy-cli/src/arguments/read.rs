//! The arguments of the commands that read one array: `info`, `verify`, `view` and `export`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::Report;
use super::parsers::{location, path, picture_path};
use crate::values::Span;

/// Describe a stored array, or a group and its members
#[derive(Args, Debug)]
pub(crate) struct Info {
    /// Path or URL of a Zarr array or group
    #[arg(value_parser = location(), value_hint = ValueHint::AnyPath)]
    pub(crate) path: OsString,

    /// Print the description as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Read and check every chunk of a stored array
///
/// Prints each defective chunk. The exit code is 3 if chunks are missing, truncated or corrupt, and
/// 1 if the only defects are chunks that could not be read.
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// Path or URL of a Zarr array
    #[arg(value_parser = location(), value_hint = ValueHint::AnyPath)]
    pub(crate) path: OsString,

    #[command(flatten)]
    pub(crate) report: Report,
}

/// Draw a stored array as a heat map
///
/// Each pixel is the mean of its elements. An array with one axis is drawn as one line, of which
/// --rows chooses elements. Axes after axis 1 are averaged, and complex elements count by
/// magnitude. Of an array of more than 4 GiB, only evenly spaced chunks are read; the pixels
/// between them repeat the previous pixels.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy view values.zarr -o values.png
  lazy view values.zarr -o corner.png --rows :1000 --cols 500:1500")]
pub(crate) struct View {
    /// Path or URL of a Zarr array
    #[arg(value_parser = location(), value_hint = ValueHint::AnyPath)]
    pub(crate) path: OsString,

    /// PNG file to create
    #[arg(short, long, value_name = "PNG", value_parser = picture_path())]
    pub(crate) output: PathBuf,

    /// Replace an existing regular file; links, devices and pipes are never replaced
    #[arg(long)]
    pub(crate) replace: bool,

    /// Draw only the rows a to b-1; a negative number counts from the end: -3: is the last three
    #[arg(long, value_name = "a:b", default_value = ":", allow_hyphen_values = true)]
    pub(crate) rows: Span,

    /// Draw only the columns a to b-1 of an array with at least two axes
    #[arg(long, value_name = "a:b", default_value = ":", allow_hyphen_values = true)]
    pub(crate) cols: Span,

    /// Print no progress and no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Write a stored array, or a part of it, to a .npy or .safetensors file
///
/// The file appears when it is complete. The command keeps the rows of one chunk in memory, but at
/// most 256 MiB of them, unless a single row is larger.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  lazy export values.zarr -o values.npy
  lazy export values.zarr -o corner.safetensors --rows :100 --cols :100 --name corner
  lazy export values.zarr -o - | python consume.py")]
pub(crate) struct Export {
    /// Path or URL of a Zarr array
    #[arg(value_parser = location(), value_hint = ValueHint::AnyPath)]
    pub(crate) path: OsString,

    /// File to create, .npy or .safetensors; or `-` for a .npy record on standard output
    #[arg(short, long, value_name = "FILE", value_parser = path())]
    pub(crate) output: PathBuf,

    /// Write only the rows a to b-1; a negative number counts from the end: -3: is the last three
    #[arg(long, value_name = "a:b", default_value = ":", allow_hyphen_values = true)]
    pub(crate) rows: Span,

    /// Write only the columns a to b-1 of an array with at least two axes
    #[arg(long, value_name = "a:b", default_value = ":", allow_hyphen_values = true)]
    pub(crate) cols: Span,

    /// Name of the tensor in a .safetensors file [default: array]
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// Replace an existing regular file; links, devices and pipes are never replaced
    #[arg(long)]
    pub(crate) replace: bool,

    /// Print no progress and no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

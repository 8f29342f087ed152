//! The arguments that choose the input.

use std::ffi::OsString;

use clap::{Args, ValueHint};

use super::parsers::{location, number};

/// The input of `lazy store` and `lazy reduce`.
#[derive(Args, Debug)]
pub(crate) struct Input {
    /// Blocks in order: files, folders, Zarr arrays (paths or URLs), or `-` for standard input
    ///
    /// `-` reads a stream of .npy records. Files are .npy, .npz or .safetensors. A folder stands
    /// for the files and Zarr arrays in it, in natural order: part-10 after part-9.
    #[arg(
        required_unless_present = "from_command",
        value_name = "INPUT",
        value_parser = location(),
        value_hint = ValueHint::AnyPath
    )]
    pub(crate) inputs: Vec<OsString>,

    /// Run a shell command, and read the .npy records that it writes to standard output
    ///
    /// The input is complete only if the command ends with exit code 0. In a pipe, a failed
    /// producer looks like a finished one.
    #[arg(long, value_name = "COMMAND", conflicts_with = "inputs")]
    pub(crate) from_command: Option<String>,

    /// Fail unless the input has exactly N rows (indices along axis 0)
    #[arg(long, value_name = "N", value_parser = number::<u64, _>(0..), allow_negative_numbers = true)]
    pub(crate) rows: Option<u64>,

    /// Fail unless the input has exactly N blocks (records of a stream, or arrays of files)
    #[arg(long, value_name = "N", value_parser = number::<u64, _>(0..), allow_negative_numbers = true)]
    pub(crate) blocks: Option<u64>,

    /// Arrange the blocks in a grid, COLS of them side by side [default: each below the previous]
    ///
    /// The first COLS blocks form the first band of the grid, the next COLS blocks the band below.
    #[arg(
        long, value_name = "COLS", value_parser = number::<usize, _>(1..), allow_negative_numbers = true
    )]
    pub(crate) grid: Option<usize>,

    /// Make each input one row, as np.stack does: N vectors of 768 elements have shape (N, 768)
    #[arg(long)]
    pub(crate) stack: bool,

    /// Sort the inputs in natural order: part-9 before part-10 [default: the given order]
    ///
    /// A shell expands `part-*.npy` in alphabetical order: part-10 before part-9.
    #[arg(long)]
    pub(crate) sort: bool,

    /// Read only the arrays of .npz and .safetensors files whose names match PATTERN
    ///
    /// The pattern is a glob, such as 'layer.*.weight'.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) select: Option<String>,

    /// Number of threads that read, compute and write [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = number::<usize, _>(1..=1024), allow_negative_numbers = true)]
    pub(crate) threads: Option<usize>,
}

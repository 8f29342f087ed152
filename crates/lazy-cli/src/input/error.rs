//! Errors of the input, which name the file and the block.

use std::fmt::Display;
use std::io;

use lazy_chunks::zarr::ErrorKind;
use lazy_chunks::{DType, zarr};

use super::npy::Foreign;
use super::sources::few;
use crate::count::count;

/// An error in a file or in a record of a stream, or of blocks that do not fit together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("{name} cannot be read")]
    Read { name: String, source: io::Error },
    #[error("{name} is not an array file: its name does not end in .npy, .npz or .safetensors")]
    UnknownKind { name: String },
    #[error(
        "{name} is not a Zarr array, and has no .npy, .npz or .safetensors files and no Zarr \
         arrays{}",
        of_left_out(.left_out)
    )]
    NoFiles { name: String, left_out: Vec<String> },
    #[error("{name} is not a Zarr array: a write of it is unfinished")]
    Incomplete { name: String },
    #[error("{name} is not a Zarr array, and files are not read from object stores")]
    FileInStore { name: String },
    #[error("{name} has no arrays{}", of_pattern(.pattern.as_deref()))]
    NoArrays { name: String, pattern: Option<String> },
    #[error("--select chooses arrays of .npz and .safetensors files, and the input has none")]
    NothingToSelect,
    #[error("{name} is corrupt: {reason}")]
    Corrupt { name: String, reason: String },
    #[error("{name} is truncated: it has {actual} bytes, but its header declares {expected}")]
    Truncated { name: String, expected: u64, actual: u64 },
    #[error("{name} ends early: it has {actual} of {expected} bytes of {part}")]
    Ended { name: String, part: &'static str, expected: u64, actual: u64 },
    #[error("{name} changed while it was read: {change}")]
    Changed { name: String, change: String },
    #[error("{name} is {what}, not a regular file")]
    NotAFile { name: String, what: &'static str },
    #[error("{name} holds pickled Python objects, which are never unpickled")]
    Objects { name: String },
    #[error("{name} has dtype {dtype}, which is not supported")]
    UnsupportedDType { name: String, dtype: String, remedy: &'static str },
    #[error("{name} is a single number, but a block needs at least one axis")]
    NoAxes { name: String },
    #[error("{name} is not a .npy record, but {}: it begins with {start}", foreign.what)]
    NoRecord { name: String, start: String, foreign: Foreign },
    #[error("{name} has shape {shape:?} and dtype {dtype}, and does not fit into memory")]
    TooLarge { name: String, shape: Vec<u64>, dtype: DType },
    #[error(
        "{name} has dtype {actual}, but {first} has {expected}; all blocks must have the same dtype"
    )]
    OtherDType { name: String, actual: DType, first: String, expected: DType },
    #[error("{name} has shape {actual:?}, but {first} has {expected:?}; {}", fit.must_agree())]
    OtherShape { name: String, actual: Vec<usize>, first: String, expected: Vec<usize>, fit: Fit },
    #[error("{name} has {actual} rows, but {first}, the first block of its band, has {expected}")]
    OtherHeight { name: String, actual: usize, first: String, expected: usize },
    #[error("{name} has {actual} columns, but {first}, above it, has {expected}")]
    OtherWidth { name: String, actual: usize, first: String, expected: usize },
    #[error(
        "the input has {}, but --grid {n_columns} needs a multiple of {n_columns}",
        count(*n_blocks, "block")
    )]
    IncompleteBand { n_blocks: usize, n_columns: usize },
    #[error("{name} has no blocks")]
    EmptyStream { name: String },
    #[error("the command `{command}` cannot be started")]
    Command { command: String, source: io::Error },
    #[error("the command `{command}` {end}, so blocks may be missing")]
    CommandFailed { command: String, end: String },
    #[error("the input has {actual} {unit}, but --{unit} is {declared}")]
    TooFew { unit: &'static str, declared: u64, actual: u64 },
    #[error("the input has more {unit} than --{unit} {declared} allows")]
    TooMany { unit: &'static str, declared: u64 },
    #[error("the stream ended after {actual} rows, but the array to replace has {replaced}")]
    Smaller { replaced: u64, actual: u64 },
    #[error("{name} has shape {shape:?}, and would be read in more than {most} blocks")]
    TooManyBlocks { name: String, shape: Vec<usize>, most: u128 },
    #[error("--grid needs blocks of at least two axes, but {name} has shape {shape:?}")]
    GridOfOneAxis { name: String, shape: Vec<usize> },
    #[error(transparent)]
    InArchive(Box<InputError>),
    #[error(transparent)]
    Zarr(#[from] zarr::Error),
    #[error("stopped by a signal")]
    Stopped,
}

fn of_left_out(left_out: &[String]) -> String {
    match left_out {
        [] => String::new(),
        names => format!("; ignored: {}", few(names)),
    }
}

fn of_pattern(pattern: Option<&str>) -> String {
    pattern.map_or_else(String::new, |pattern| format!(" whose names match {pattern:?}"))
}

/// The way in which blocks must fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    /// True if blocks lie side by side as well, so that they may differ along axis 1.
    pub(super) is_grid: bool,
    /// True if each input has become a row, along a new axis 0.
    pub(super) is_stacked: bool,
}

impl Fit {
    /// Returns the error for a block that does not fit to the first one, or `Ok` if it does. The
    /// shapes are those of the blocks.
    pub(super) fn check(
        self,
        (name, actual): (impl FnOnce() -> String, &[usize]),
        (first, expected): (impl FnOnce() -> String, &[usize]),
    ) -> Result<(), InputError> {
        let first_axis = if self.is_grid { 2 } else { 1 };
        if actual.len() == expected.len() && actual[first_axis..] == expected[first_axis..] {
            return Ok(());
        }
        // The input itself does not have the new axis.
        let own = |shape: &[usize]| shape[usize::from(self.is_stacked)..].to_vec();
        Err(InputError::OtherShape {
            name: name(),
            actual: own(actual),
            first: first(),
            expected: own(expected),
            fit: self,
        })
    }

    fn must_agree(self) -> &'static str {
        match (self.is_stacked, self.is_grid) {
            (false, false) => "blocks may differ only in the number of rows",
            (false, true) => "blocks may differ only along the first two axes",
            (true, false) => "with --stack, all inputs must have the same shape",
            (true, true) => "with --stack and --grid, inputs may differ only along the first axis",
        }
    }
}

impl InputError {
    /// Returns the error for an array in a file that has several, from which others may be chosen.
    pub(crate) fn in_archive(self) -> InputError {
        match self {
            InputError::OtherDType { .. }
            | InputError::OtherShape { .. }
            | InputError::NoAxes { .. }
            | InputError::Objects { .. }
            | InputError::UnsupportedDType { .. } => InputError::InArchive(Box::new(self)),
            error => error,
        }
    }

    /// Returns a remedy in terms of the command line, if one is known.
    pub(crate) fn hint(&self) -> Option<String> {
        const OF_PRODUCER: &str = "check whether the producer failed";
        Some(match self {
            InputError::InArchive(error) => {
                let choose = "choose arrays of the file by name with --select";
                error.hint().map_or(choose.to_owned(), |hint| format!("{hint}, or {choose}"))
            }
            InputError::Incomplete { name } => list_unfinished(name),
            InputError::FileInStore { .. } => "copy the file to a disk first".to_owned(),
            InputError::Ended { .. } => "check whether the program that wrote it failed".to_owned(),
            InputError::TooFew { .. } => {
                format!("{OF_PRODUCER}, or whether inputs are missing")
            }
            InputError::Objects { .. } => "save an array of numbers".to_owned(),
            InputError::UnsupportedDType { remedy, .. } => (*remedy).to_owned(),
            InputError::NoAxes { .. } => "make each input a row with --stack".to_owned(),
            InputError::NoRecord { foreign, .. } => foreign.remedy.to_owned(),
            InputError::EmptyStream { .. } => {
                "write at least one block with `np.save(sys.stdout.buffer, block)`".to_owned()
            }
            InputError::Smaller { actual, .. } => {
                format!(
                    "{OF_PRODUCER}; if the stream is complete, add --rows {actual} or \
                     --allow-fewer-rows"
                )
            }
            _ => return None,
        })
    }

    /// Returns true if the data is corrupt, and false if it is used wrongly or cannot be read.
    pub(crate) fn is_of_corrupt_data(&self) -> bool {
        match self {
            InputError::Corrupt { .. }
            | InputError::Truncated { .. }
            | InputError::Ended { .. } => true,
            InputError::Zarr(error) => is_of_corrupt_array(error),
            _ => false,
        }
    }
}

/// Returns the remedy for a path at which a write is unfinished.
pub(crate) fn list_unfinished(path: impl Display) -> String {
    format!("`lazy unfinished {path}` tells if it is running or can be continued")
}

/// Returns true if a stored array is corrupt, and false if it is used wrongly or cannot be read.
pub(crate) fn is_of_corrupt_array(error: &zarr::Error) -> bool {
    error.kind() == ErrorKind::Corrupt
}

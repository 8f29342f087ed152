//! What is wrong with the input: which file, and which block.

use std::io;

use lazy_chunks::{DType, zarr};

use super::npy::Foreign;
use crate::failure::is_of_corrupt_array;

/// What is wrong with a file, or with a record of a stream; or with how they fit together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("{name} cannot be read")]
    Read { name: String, source: io::Error },
    #[error("{name} is no file of arrays: its name ends neither in .npy, .npz nor .safetensors")]
    UnknownKind { name: String },
    #[error(
        "{name} has no .npy, .npz or .safetensors files and no Zarr arrays, and is none itself{}", of_left_out(.left_out)
    )]
    NoFiles { name: String, left_out: Vec<String> },
    #[error("{name} has no arrays{}", of_pattern(.pattern.as_deref()))]
    NoArrays { name: String, pattern: Option<String> },
    #[error("{name} is corrupt: {reason}")]
    Corrupt { name: String, reason: String },
    #[error("{name} is cut off: it has {actual} bytes, but its header asks for {expected}")]
    Truncated { name: String, expected: u64, actual: u64 },
    #[error("{name} ends in the middle: of {expected} bytes of {part}, {actual} came")]
    Ended { name: String, part: &'static str, expected: u64, actual: u64 },
    #[error("{name} changed while it was read: {change}")]
    Changed { name: String, change: String },
    #[error("{name} is {what}, not a regular file")]
    NotAFile { name: String, what: &'static str },
    #[error("{name} holds Python objects, which are pickled and never unpickled here")]
    Objects { name: String },
    #[error("{name} has the dtype {dtype}, which is not supported")]
    UnsupportedDType { name: String, dtype: String, remedy: &'static str },
    #[error("{name} is one number without an axis")]
    NoAxes { name: String },
    #[error("{name} is no .npy record, but begins with {start}: it is {}", foreign.what)]
    NoRecord { name: String, start: String, foreign: Foreign },
    #[error("{name} has an array of {shape:?} elements of {dtype}, which memory cannot hold")]
    TooLarge { name: String, shape: Vec<u64>, dtype: DType },
    #[error(
        "{name} has dtype {actual}, but {first} has {expected}; all blocks must have one dtype"
    )]
    OtherDType { name: String, actual: DType, first: String, expected: DType },
    #[error(
        "{name} has shape {actual:?}, but {first} has {expected:?}; {}", must_agree(*.first_axis)
    )]
    OtherShape {
        name: String,
        actual: Vec<usize>,
        first: String,
        expected: Vec<usize>,
        first_axis: usize,
    },
    #[error("{name} has {actual} rows, but {first}, the first of its band, has {expected}")]
    OtherHeight { name: String, actual: usize, first: String, expected: usize },
    #[error("{name} has {actual} columns, but {first}, above it, has {expected}")]
    OtherWidth { name: String, actual: usize, first: String, expected: usize },
    #[error("{n_blocks} blocks do not make bands of {n_columns}: the last band has {}", .n_blocks % .n_columns)]
    IncompleteBand { n_blocks: usize, n_columns: usize },
    #[error("{name} has no blocks")]
    EmptyStream { name: String },
    #[error("the command `{command}` cannot be started")]
    Command { command: String, source: io::Error },
    #[error("the command `{command}` {end}, so its blocks may not be all")]
    CommandFailed { command: String, end: String },
    #[error("there were {actual} {unit}, but --{unit} says {declared}")]
    TooFew { unit: &'static str, declared: u64, actual: u64 },
    #[error("there are more {unit} than the {declared} that --{unit} says")]
    TooMany { unit: &'static str, declared: u64 },
    #[error(
        "the stream ended after {actual} rows, but the array that it is to replace has {replaced}"
    )]
    Smaller { replaced: u64, actual: u64 },
    #[error("{name} has shape {shape:?}, of which more than {most} blocks would have to be read")]
    TooManyBlocks { name: String, shape: Vec<usize>, most: u128 },
    #[error("--grid needs blocks of two axes at least, but {name} has shape {shape:?}")]
    GridOfOneAxis { name: String, shape: Vec<usize> },
    #[error(transparent)]
    InArchive(Box<InputError>),
    #[error(transparent)]
    Zarr(#[from] zarr::Error),
    #[error("it was stopped")]
    Stopped,
}

fn of_left_out(left_out: &[String]) -> String {
    match left_out {
        [] => String::new(),
        names => format!("; left out: {}", super::few(names)),
    }
}

impl InputError {
    /// The same of one of several arrays of a file, of which the others may be meant.
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

    /// Returns a remedy in words of the shell, if one is known.
    pub(crate) fn hint(&self) -> Option<String> {
        const OF_PRODUCER: &str = "see whether the producer failed";
        Some(match self {
            InputError::InArchive(error) => {
                let choose = "take some of the file's arrays, by name, with --tensors";
                error.hint().map_or(choose.to_owned(), |hint| format!("{hint}, or {choose}"))
            }
            InputError::Ended { .. } | InputError::TooFew { .. } => OF_PRODUCER.to_owned(),
            InputError::Objects { .. } => "save numbers".to_owned(),
            InputError::UnsupportedDType { remedy, .. } => (*remedy).to_owned(),
            InputError::NoAxes { .. } => "make a row of each input with --stack".to_owned(),
            InputError::NoRecord { foreign, .. } => foreign.remedy.to_owned(),
            InputError::EmptyStream { .. } => {
                "write one at least, by `np.save(sys.stdout.buffer, block)`".to_owned()
            }
            InputError::Smaller { actual, .. } => {
                format!(
                    "{OF_PRODUCER}; if these are all, say --rows {actual}, or --allow-fewer-rows"
                )
            }
            _ => return None,
        })
    }

    /// Whether the data are at fault, and not how they are used or where they lie.
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

fn of_pattern(pattern: Option<&str>) -> String {
    pattern.map_or_else(String::new, |pattern| format!(" whose names match {pattern:?}"))
}

fn must_agree(first_axis: usize) -> &'static str {
    match first_axis {
        1 => "all sizes but the number of rows must agree",
        _ => "all sizes but those of the first two axes must agree",
    }
}

//! The failure of a command: a message, a hint and an exit code.
//!
//! Knows the errors of the library and of the input. Ignorant of the command line, of commands, and
//! of how a failure is printed.

mod exit;
mod hint;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::io;
use std::path::PathBuf;

use lazy_chunks::BlockIndex;
use lazy_chunks::zarr::{self, ErrorKind};

pub(crate) use hint::with_hint;

use crate::input::InputError;
use crate::location::Location;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// The reason that a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line is invalid.
    #[error("{0}")]
    Usage(String),
    /// The input cannot be read.
    #[error(transparent)]
    Input(InputError),
    /// A block of the input cannot be read.
    #[error(transparent)]
    Block(BlockError),
    /// The array cannot be written or read.
    #[error(transparent)]
    Zarr(zarr::Error),
    /// A write failed, and the chunks that it has stored are kept.
    #[error("could not store all of {output}")]
    Kept {
        output: Location,
        #[source]
        failure: Box<Failure>,
    },
    /// A worker failed, and the parts and chunks that workers have stored are kept.
    #[error("could not store all of {output}")]
    KeptParts {
        output: Location,
        #[source]
        failure: Box<Failure>,
    },
    /// Other workers share the write of another input, or with other settings.
    #[error(transparent)]
    OtherPlan(zarr::Error),
    /// Workers share the write of an array that one process is to store.
    #[error("workers share an unfinished write of {target}: {progress}")]
    Shared { target: String, progress: String },
    /// A write failed, and its files could not be removed.
    #[error("could not store {output}")]
    Left {
        output: Location,
        #[source]
        failure: Box<Failure>,
    },
    /// A write failed, and neither published nor kept anything.
    #[error("could not store {output}, which is unchanged")]
    Unchanged {
        output: Location,
        #[source]
        failure: Box<Failure>,
    },
    /// An array was stored, and a later step failed.
    #[error("{output} was stored, but a later step failed")]
    AfterStoring {
        output: Location,
        #[source]
        failure: Box<Failure>,
    },
    /// The pass failed.
    #[error(transparent)]
    Pass(lazy_chunks::Error),
    /// The statistics need more memory than the limit.
    #[error(transparent)]
    StatisticMemory(lazy_chunks::Error),
    /// A file cannot be created or written.
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The directory of a file to create does not exist.
    #[error(
        "{} cannot be written: the directory {} does not exist", path.display(), directory.display()
    )]
    MissingDirectory { path: PathBuf, directory: PathBuf },
    /// No file can be created in the directory of a file to create.
    #[error(
        "{} cannot be written: no file can be created in the directory {}",
        path.display(),
        directory.display()
    )]
    Directory { path: PathBuf, directory: PathBuf, source: io::Error },
    /// Nothing exists at a path or URL.
    #[error("{0} does not exist")]
    Missing(Location),
    /// No array exists at a path or URL, but an unfinished write of it does.
    #[error("{0} does not exist: a write of it is unfinished")]
    Incomplete(Location),
    /// A write that is running was to be removed.
    #[error("the write of {target} was not removed: it is being written by {holder}")]
    Running { target: String, holder: String },
    /// A write that one process is doing was to be finished.
    #[error("the write of {target} was not finished: it is being written by {holder}")]
    BeingWritten { target: String, holder: String },
    /// The last parts of a plan to finish are in progress.
    #[error("{target} cannot be finished yet: workers still compute {parts}")]
    InProgress { target: String, parts: String },
    /// A write to finish belongs to one process.
    #[error("{0} has no write that workers share")]
    NotShared(String),
    /// An array or a group to remove is not a member of a group.
    #[error("{0} is not a member of a Zarr group")]
    NoMember(Location),
    /// An array to remove has an unfinished write that can be resumed.
    #[error(transparent)]
    HasUnfinished(zarr::Error),
    /// A file or an array to create already exists.
    #[error("{0} already exists")]
    Exists(Location),
    /// Something other than a file is at the path of a file to create.
    #[error("{} is {what}, which is never replaced", path.display())]
    InTheWay { path: PathBuf, what: &'static str },
    /// Data is corrupt.
    #[error("{0}")]
    Corrupt(String),
    /// Data could not be read.
    #[error("{0}")]
    Unreadable(String),
    /// An earlier write was interrupted, and the command does not say what to do with it.
    #[error("{0}")]
    Unfinished(String),
    #[error("standard output cannot be written")]
    Output(#[source] io::Error),
    #[error("signal handlers cannot be installed")]
    Signals(#[source] io::Error),
    #[error("the picture cannot be drawn: {0}")]
    Picture(String),
    /// A signal stopped the command.
    #[error("{0}")]
    Stopped(String),
    /// A signal stopped a worker, and the same command continues.
    #[error("{0}")]
    StoppedWorker(String),
}

/// An error in a block of the input, whose message names the block.
#[derive(Debug)]
pub(crate) struct BlockError {
    at: BlockIndex,
    error: Box<InputError>,
}

impl Display for BlockError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.at, self.error)
    }
}

impl StdError for BlockError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// Converts an error that occurs before the first block.
impl From<InputError> for Failure {
    fn from(error: InputError) -> Failure {
        match error {
            InputError::Stopped => Failure::Stopped("stopped before the first block".to_owned()),
            error @ InputError::NothingToSelect => Failure::Usage(error.to_string()),
            error => Failure::Input(error),
        }
    }
}

impl From<zarr::Error> for Failure {
    fn from(error: zarr::Error) -> Failure {
        if error.kind() == ErrorKind::Sequence {
            lazy_chunks::Error::from(error).into()
        } else {
            Failure::Zarr(error)
        }
    }
}

impl From<lazy_chunks::Error> for Failure {
    fn from(error: lazy_chunks::Error) -> Failure {
        if error.memory().is_some_and(|shortage| shortage.limit.is_some()) {
            return Failure::StatisticMemory(error);
        }
        // An error of a sink or of the input is complete without the words of the pass.
        let error = match zarr::Error::from(error) {
            error if error.kind() != ErrorKind::Sequence => return Failure::Zarr(error),
            error => lazy_chunks::Error::from(error),
        };
        let at = error.block();
        match (error.downcast::<InputError>(), at) {
            (Ok(error), Some(at)) if !matches!(*error, InputError::EmptyStream { .. }) => {
                Failure::Block(BlockError { at, error })
            }
            (Ok(error), _) => Failure::Input(*error),
            (Err(error), _) => Failure::Pass(error),
        }
    }
}

impl Failure {
    /// Returns the failure of a command that has stored an array before.
    ///
    /// A closed pipe stays as it is: the reader has read enough, and the command has succeeded.
    pub(crate) fn after_storing(self, output: &Location) -> Failure {
        if self.is_closed_pipe() {
            return self;
        }
        Failure::AfterStoring { output: output.clone(), failure: Box::new(self) }
    }

    /// Returns true if the array is published in spite of the failure.
    pub(crate) fn is_of_published_array(&self) -> bool {
        matches!(self, Failure::Zarr(error) if error.is_published())
    }

    /// Returns true if existing data at the target prevented the write.
    pub(crate) fn is_of_target(&self) -> bool {
        let Failure::Zarr(error) = self else { return false };
        matches!(error.kind(), ErrorKind::Exists | ErrorKind::ResumeMismatch)
    }

    /// Returns true if a file of the input changed while it was read.
    pub(crate) fn is_of_changed_input(&self) -> bool {
        match self {
            Failure::Input(error) => matches!(error, InputError::Changed { .. }),
            Failure::Block(block) => matches!(*block.error, InputError::Changed { .. }),
            _ => false,
        }
    }

    /// Returns true if the observer of the pass stopped it.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self, Failure::Pass(error) if error.is_cancelled())
    }

    /// Returns true if the reader of standard output has closed the pipe.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

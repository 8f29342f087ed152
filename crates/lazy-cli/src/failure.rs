//! How a command fails: one line, and an exit code.

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lazy_chunks::zarr::DefectKind;
use lazy_chunks::{Location, zarr};

use crate::input::InputError;
use crate::stop;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The input cannot be had.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A block of the input cannot be had.
    #[error("{at}: {source}")]
    Block { at: Location, source: Box<InputError> },
    /// The array cannot be written or read.
    #[error("{}", in_words_of_the_program(.0))]
    Zarr(zarr::Error),
    /// A write failed, and what it has stored is kept.
    #[error("{failure}; what was stored is kept: --resume goes on with it{condition}")]
    Kept { failure: Box<Failure>, condition: &'static str },
    /// A write failed, and neither published nor kept anything.
    #[error("{failure}; {} is unchanged", output.display())]
    Unchanged { failure: Box<Failure>, output: PathBuf },
    /// An array was stored, and what was to follow failed.
    #[error("{} was stored, but {failure}", output.display())]
    AfterStoring { output: PathBuf, failure: Box<Failure> },
    /// There is an array already where another is to be.
    #[error("{0} exists already; name another place, or --replace it")]
    TargetExists(String),
    /// The pass failed.
    #[error(transparent)]
    Pass(lazy_chunks::Error),
    /// The statistics would take more memory than they may.
    #[error("{0}; --memory changes the limit")]
    StatisticMemory(lazy_chunks::Error),
    /// A file that is to be made cannot be.
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// Something is in the way of a file.
    #[error("{} exists already; name another place, or --replace it", .0.display())]
    Exists(PathBuf),
    /// Something that is no file is in the way of a file.
    #[error("{} is {what}, which is never replaced; name another place", path.display())]
    InTheWay { path: PathBuf, what: &'static str },
    /// Data were found to be corrupt, and the command has said which.
    #[error("{0}")]
    Corrupt(String),
    /// Data could not be read, and the command has said which.
    #[error("{0}")]
    Unreadable(String),
    /// A write stopped before, and it was not said what is to become of it.
    #[error("{0}")]
    Unfinished(String),
    /// Standard output could not be written to.
    #[error("standard output cannot be written to: {0}")]
    Output(io::Error),
    /// The system does not let the program know of signals.
    #[error("signals cannot be heeded: {0}")]
    Signals(io::Error),
    /// The picture cannot be drawn.
    #[error("the picture cannot be drawn: {0}")]
    Picture(String),
    /// A signal stopped it; what to do now.
    #[error("{0}")]
    Stopped(String),
}

impl From<zarr::Error> for Failure {
    fn from(error: zarr::Error) -> Failure {
        match error {
            zarr::Error::Sequence(error) => error.into(),
            zarr::Error::TargetExists { target } => Failure::TargetExists(target),
            error => Failure::Zarr(error),
        }
    }
}

impl From<lazy_chunks::Error> for Failure {
    fn from(error: lazy_chunks::Error) -> Failure {
        match error {
            // What a sink says needs no more words.
            lazy_chunks::Error::Other(source) => match source.downcast::<zarr::Error>() {
                Ok(error) => (*error).into(),
                Err(source) => match source.downcast::<InputError>() {
                    Ok(error) => Failure::Input(*error),
                    Err(source) => Failure::Pass(lazy_chunks::Error::Other(source)),
                },
            },
            lazy_chunks::Error::Producer { at, source } => match source.downcast::<InputError>() {
                Ok(source) if matches!(*source, InputError::EmptyStream { .. }) => {
                    Failure::Input(*source)
                }
                Ok(source) => Failure::Block { at, source },
                Err(source) => Failure::Pass(lazy_chunks::Error::Producer { at, source }),
            },
            error if is_of_memory_limit(&error) => Failure::StatisticMemory(error),
            error => Failure::Pass(error),
        }
    }
}

fn is_of_memory_limit(error: &lazy_chunks::Error) -> bool {
    match error {
        lazy_chunks::Error::Reduction { source, .. } => is_of_memory_limit(source),
        error => matches!(error, lazy_chunks::Error::StatisticMemory { limit: Some(_), .. }),
    }
}

impl Failure {
    /// The process's end: 1, or what the error is.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Usage(_) => 2,
            Failure::Corrupt(_) => 3,
            Failure::AfterStoring { .. } => 4,
            failure if failure.is_of_published_array() => 4,
            Failure::Stopped(_) => stop::exit_code(),
            Failure::Kept { failure, .. } | Failure::Unchanged { failure, .. } => {
                return failure.exit_code();
            }
            failure if failure.is_of_corrupt_data() => 3,
            _ => 1,
        })
    }

    /// Returns true if the array is complete at its place all the same.
    pub(crate) fn is_of_published_array(&self) -> bool {
        matches!(self, Failure::Zarr(error) if error.is_published())
    }

    /// Returns the failure of a command that has stored an array before.
    ///
    /// If it is because nobody reads what is printed, the command has done all that it was asked for.
    pub(crate) fn after_storing(self, output: &Path) -> Failure {
        if self.is_closed_pipe() {
            return self;
        }
        Failure::AfterStoring { output: output.to_owned(), failure: Box::new(self) }
    }

    /// Whether a file of the input changed while it was read.
    pub(crate) fn is_of_changed_input(&self) -> bool {
        match self {
            Failure::Input(error) => matches!(error, InputError::Changed { .. }),
            Failure::Block { source, .. } => matches!(**source, InputError::Changed { .. }),
            _ => false,
        }
    }

    /// Whether the pass was stopped by its observer.
    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self, Failure::Pass(lazy_chunks::Error::Cancelled { .. }))
    }

    /// Whether it is because nobody reads what is printed.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    fn is_of_corrupt_data(&self) -> bool {
        let mut cause: Option<&(dyn StdError + 'static)> = match self {
            Failure::Input(error) => Some(error),
            Failure::Block { source, .. } => Some(&**source),
            Failure::Zarr(error) => Some(error),
            Failure::Pass(error) => Some(error),
            _ => None,
        };
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<InputError>() {
                return error.is_of_corrupt_data();
            }
            if let Some(error) = error.downcast_ref::<zarr::Error>() {
                return is_of_corrupt_array(error);
            }
            cause = error.source();
        }
        false
    }
}

/// Whether what is stored is at fault, and not how it is used or where it lies.
pub(crate) fn is_of_corrupt_array(error: &zarr::Error) -> bool {
    match error {
        // Bytes that could not be read are not known to be wrong.
        zarr::Error::ReadChunk { source, .. } => {
            !matches!(source.downcast_ref(), Some(DefectKind::Unreadable { .. }))
        }
        error => matches!(error, zarr::Error::BrokenMetadata { .. }),
    }
}

/// What the library says to programs, as it is said at the shell.
fn in_words_of_the_program(error: &zarr::Error) -> String {
    error
        .to_string()
        .replace("`UnfinishedWrite::remove`", "`lazy staging … --remove`")
        .replace("`ZarrSink::with_resume`", "--resume")
        .replace("`ZarrSink::with_take_over`", "--take-over")
}

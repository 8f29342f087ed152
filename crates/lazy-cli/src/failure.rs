//! How a command fails: one line, what to do about it, and an exit code.

use std::error::Error as StdError;
use std::fmt::{self, Display};
use std::io;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lazy_chunks::zarr::DefectKind;
use lazy_chunks::{Location, report, zarr};

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
    #[error(transparent)]
    Block(BlockError),
    /// The array cannot be written or read.
    #[error(transparent)]
    Zarr(zarr::Error),
    /// A write failed, and what it has stored is kept.
    #[error("could not store all of {}", output.display())]
    Kept {
        output: PathBuf,
        #[source]
        failure: Box<Failure>,
    },
    /// A write failed, and neither published nor kept anything.
    #[error("could not store {}, which is unchanged", output.display())]
    Unchanged {
        output: PathBuf,
        #[source]
        failure: Box<Failure>,
    },
    /// An array was stored, and what was to follow failed.
    #[error("{} was stored, but a later step failed", output.display())]
    AfterStoring {
        output: PathBuf,
        #[source]
        failure: Box<Failure>,
    },
    /// The pass failed.
    #[error(transparent)]
    Pass(lazy_chunks::Error),
    /// The statistics would take more memory than they may.
    #[error(transparent)]
    StatisticMemory(lazy_chunks::Error),
    /// A file that is to be made cannot be.
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// Something is in the way of a file.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// Something that is no file is in the way of a file.
    #[error("{} is {what}, which is never replaced", path.display())]
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
    #[error("standard output cannot be written to")]
    Output(#[source] io::Error),
    /// The system does not let the program know of signals.
    #[error("signals cannot be heeded")]
    Signals(#[source] io::Error),
    /// The picture cannot be drawn.
    #[error("the picture cannot be drawn: {0}")]
    Picture(String),
    /// A signal stopped it; what to do now.
    #[error("{0}")]
    Stopped(String),
}

/// An error in a block of the input, whose message names the block.
#[derive(Debug)]
pub(crate) struct BlockError {
    at: Location,
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

impl From<zarr::Error> for Failure {
    fn from(error: zarr::Error) -> Failure {
        match error {
            zarr::Error::Sequence(error) => error.into(),
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
                Ok(error) => Failure::Block(BlockError { at, error }),
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
    /// Returns a remedy in words of the shell, if one is known.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Failure::Input(error) => hint_of_cause(error),
            Failure::Block(block) => hint_of_cause(&*block.error),
            Failure::Zarr(error) => hint_of_array(error),
            Failure::Pass(error) => hint_of_cause(error),
            Failure::Kept { failure, .. } => {
                let kept = "what was stored is kept: --resume continues from there";
                Some(failure.hint().map_or_else(|| kept.into(), |hint| format!("{hint}; {kept}")))
            }
            Failure::Unchanged { failure, .. } | Failure::AfterStoring { failure, .. } => {
                failure.hint()
            }
            Failure::StatisticMemory(_) => {
                Some("ask for fewer statistics, or allow more memory with --memory".to_owned())
            }
            Failure::Exists(_) => Some(REPLACE.to_owned()),
            Failure::InTheWay { .. } => Some(ANOTHER_PLACE.to_owned()),
            Failure::Unfinished(_) => Some(RESUME_OR_RESTART.to_owned()),
            _ => None,
        }
    }

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

    /// Returns true if it is what lies at the target that does not let the write begin.
    pub(crate) fn is_of_target(&self) -> bool {
        let Failure::Zarr(error) = self else { return false };
        matches!(
            error,
            zarr::Error::TargetExists { .. }
                | zarr::Error::TargetDiffers { .. }
                | zarr::Error::ResumeMismatch { .. }
                | zarr::Error::BrokenRecord { .. }
        )
    }

    /// Whether a file of the input changed while it was read.
    pub(crate) fn is_of_changed_input(&self) -> bool {
        match self {
            Failure::Input(error) => matches!(error, InputError::Changed { .. }),
            Failure::Block(block) => matches!(*block.error, InputError::Changed { .. }),
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
            Failure::Block(block) => Some(&*block.error),
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

const REPLACE: &str = "name another place, or --replace it";
const ANOTHER_PLACE: &str = "name another place";
const RESUME_OR_RESTART: &str = "resume it with --resume, or start anew with --restart";

fn remove_unfinished(target: impl Display) -> String {
    format!("remove it by `lazy staging {target} --remove`")
}

/// Returns the remedy for an error, or for one of its causes.
fn hint_of_cause(error: &(dyn StdError + 'static)) -> Option<String> {
    let mut causes = iter::successors(Some(error), |error| (*error).source());
    causes.find_map(|error| match error.downcast_ref() {
        Some(InputError::Zarr(error)) => hint_of_array(error),
        Some(error) => error.hint(),
        None => hint_of_array(error.downcast_ref::<zarr::Error>()?),
    })
}

/// Returns the message of an error in an argument, with its remedy.
pub(crate) fn with_hint(error: &zarr::Error) -> String {
    let hint = hint_of_array(error).map_or_else(String::new, |hint| format!("; {hint}"));
    report(error) + &hint
}

/// Returns the remedy for an error of the library in words of the shell; the library's own hints name Rust items.
fn hint_of_array(error: &zarr::Error) -> Option<String> {
    let hint = match error {
        zarr::Error::Sequence(error) => return hint_of_cause(error),
        zarr::Error::InvalidUrl { .. } => {
            "write file:///absolute/path, with three slashes, %3F for ? and %23 for #"
        }
        zarr::Error::TargetExists { .. } | zarr::Error::TargetDiffers { .. } => REPLACE,
        zarr::Error::TargetIsGroup { .. }
        | zarr::Error::TargetIsFile { .. }
        | zarr::Error::TargetNotZarr { .. }
        | zarr::Error::UnknownKeys { .. } => ANOTHER_PLACE,
        zarr::Error::TargetInArray { .. } | zarr::Error::TargetInV2Group { .. } => {
            "name a place outside of it"
        }
        zarr::Error::TargetInConsolidatedGroup { group, .. } => {
            return Some(format!(
                "remove the consolidated metadata by `lazy consolidate {group} --remove`, and consolidate again afterwards"
            ));
        }
        zarr::Error::Locked { .. } => "wait until that process ends, or stop it",
        zarr::Error::MaybeLocked { target, .. } => {
            let remove = remove_unfinished(target);
            return Some(format!(
                "if that process has ended, take over with --take-over, or {remove}"
            ));
        }
        zarr::Error::ResumeMismatch { .. } => {
            "start anew with --restart, or resume with the input and the settings that it began with"
        }
        zarr::Error::Unfinished { .. } => RESUME_OR_RESTART,
        zarr::Error::BrokenRecord { .. } => "start anew with --restart",
        zarr::Error::NotWritable { source, .. }
            if source.kind() == io::ErrorKind::AlreadyExists =>
        {
            "move it away, or remove the chunks of old versions by `lazy clean`"
        }
        zarr::Error::Thread { .. } => "ask for fewer by --threads",
        zarr::Error::ChunkTooLarge { .. } => "ask for smaller ones by --chunks",
        zarr::Error::NotAnArray { target, members, .. } => {
            let member = members.first()?;
            return Some(format!("name one of its members, such as {target}/{member}"));
        }
        zarr::Error::Replaced { .. } => "run the command again",
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use lazy_chunks::{BoxError, DType, Error, zarr::Error as Array};

    use super::*;

    fn io_error() -> io::Error {
        io::Error::other("the disk is on fire")
    }

    fn cause() -> BoxError {
        io_error().into()
    }

    /// One of each of the library's kinds.
    fn of_arrays() -> Vec<Array> {
        let target = || "a.zarr".to_owned();
        let text = || "x".to_owned();
        let path = || PathBuf::from("a.zarr/.lazy.1/record");
        let (unit, reason, shape) = ("chunk", "it is so", || vec![2, 3]);
        vec![
            Array::Sequence(Error::EmptySequence),
            Array::UnknownScheme { url: "s3://a".into(), scheme: "s3".into() },
            Array::InvalidUrl { url: "file:/a".into(), reason },
            Array::InvalidStorePath { path: text(), reason: text() },
            Array::InvalidName { name: "a/b".into(), reason },
            Array::InvalidPath { path: path(), reason },
            Array::BrokenMetadata { path: text(), source: cause() },
            Array::TargetExists { target: target() },
            Array::TargetDiffers { target: target(), at: Location::Block(3) },
            Array::TargetIsGroup { target: target() },
            Array::TargetIsFile { target: target() },
            Array::TargetNotZarr { target: target() },
            Array::TargetInArray { target: target(), array: text() },
            Array::TargetInConsolidatedGroup { target: target(), group: text() },
            Array::TargetInV2Group { target: target(), group: text() },
            Array::NotAGroup { target: target(), place: text(), actual: "a file" },
            Array::ReplaceUnsupported { target: target() },
            Array::Locked { target: target(), holder: text() },
            Array::MaybeLocked { target: target(), holder: text() },
            Array::TakenOver { target: target() },
            Array::UnknownKeys { target: target() },
            Array::ChunksLost { target: target(), missing: None, expected: 2, found: 1 },
            Array::ChunksLost { target: target(), missing: Some(text()), expected: 2, found: 1 },
            Array::NotResumable { target: target(), reason },
            Array::ResumeMismatch {
                target: target(),
                directory: path(),
                what: "job",
                expected: text(),
                actual: text(),
            },
            Array::Unfinished { target: target(), directory: path(), job: text() },
            Array::BrokenRecord { path: path(), reason: text() },
            Array::Examine { path: path(), source: io_error() },
            Array::NotWritable { target: target(), directory: path(), source: io_error() },
            Array::NotWritable {
                target: target(),
                directory: path(),
                source: io::ErrorKind::AlreadyExists.into(),
            },
            Array::Write { path: path(), source: io_error() },
            Array::Publish { target: target(), source: io_error() },
            Array::Flush { target: target(), source: io_error() },
            Array::Unflushed { target: target(), source: io_error() },
            Array::ReplacedAtOnce { target: target() },
            Array::Thread { source: io_error() },
            Array::Store { key: text(), source: cause() },
            Array::WriterPanicked { chunk: shape(), message: text() },
            Array::ChunkRank { unit, shape: shape(), n_axes: 1 },
            Array::ChunkShape { unit, shape: shape(), reason },
            Array::ShardShape { shard_shape: shape(), chunk_shape: shape() },
            Array::ChunkTooLarge { codec: "blosc", limit: 1, actual: 2 },
            Array::DimensionNames { names: vec![text()], n_axes: 2 },
            Array::FillValueDType { expected: DType::Bool, actual: DType::Int8 },
            Array::Attribute { name: text(), reason: text() },
            Array::Setting { setting: "the gzip level", value: 10, range: "between 0 and 9" },
            Array::Encode { chunk: shape(), source: cause() },
            Array::Metadata { source: cause() },
            Array::NothingThere { target: target() },
            Array::NotAnArray { target: target(), reason, members: vec!["b".into()] },
            Array::Open { target: target(), source: cause() },
            Array::UnsupportedDataType { target: target(), data_type: text() },
            Array::Region { region: vec![0..1, 0..3], shape: shape() },
            Array::BlockSizes { axis: 0, actual: 1, shape: shape() },
            of_chunk(DefectKind::Missing),
            of_chunk(DefectKind::Torn { expected: 2, actual: 1 }),
            of_chunk(DefectKind::Corrupt { source: cause() }),
            of_chunk(DefectKind::Unreadable { source: cause() }),
            Array::Read { target: target(), region: vec![0..1, 0..3], source: cause() },
            Array::Replaced { target: target() },
            Array::Removed { target: target() },
            Array::UnitMemory { target: target(), unit, shape: shape(), bytes: 1 },
            Array::RegionMemory { target: target(), region: vec![0..1, 0..3], bytes: 1 },
        ]
    }

    fn of_chunk(kind: DefectKind) -> Array {
        let (target, key) = ("a.zarr".to_owned(), "c/0/0".to_owned());
        Array::ReadChunk { target, chunk: vec![0, 0], key, source: kind.into() }
    }

    /// A pass that fails for each of these reasons: stored arrays, and those that are read, by themselves and within
    /// each other.
    fn failures() -> Vec<Failure> {
        let at = Location::Block(3);
        let output = || PathBuf::from("b.zarr");
        let producer = |source: BoxError| Error::Producer { at, source };
        let mut failures: Vec<Failure> = Vec::new();
        failures.extend(of_arrays().into_iter().map(Failure::from));
        for wrap in [
            |error: Array| InputError::from(error).into(),
            |error: Array| Box::new(error).into(),
            |error: Array| {
                Box::new(Error::Producer { at: Location::Block(1), source: error.into() }).into()
            },
        ] as [fn(Array) -> BoxError; 3]
        {
            failures.extend(of_arrays().into_iter().map(|error| producer(wrap(error)).into()));
        }
        for wrap in [
            |output, failure| Failure::Kept { output, failure },
            |output, failure| Failure::Unchanged { output, failure },
            |output, failure| Failure::AfterStoring { output, failure },
        ] as [fn(PathBuf, Box<Failure>) -> Failure; 3]
        {
            let each = of_arrays().into_iter().map(|error| wrap(output(), Box::new(error.into())));
            failures.extend(each);
        }
        failures.extend([
            Failure::from(Error::EmptySequence),
            Failure::from(Error::Statistic { statistic: "the sum".into(), problem: "no".into() }),
            Failure::Write { path: output(), source: io_error() },
            Failure::Exists(output()),
            Failure::InTheWay { path: output(), what: "a FIFO" },
            Failure::Output(io_error()),
            Failure::Signals(io_error()),
            Failure::Unfinished("a write has ended early".into()),
            InputError::Read { name: "a.npy".into(), source: io_error() }.into(),
            InputError::Command { command: "exit 1".into(), source: io_error() }.into(),
        ]);
        failures
    }

    #[test]
    fn nothing_is_said_in_words_of_rust() {
        for failure in failures() {
            let said = format!("{}; {}", report(&failure), failure.hint().unwrap_or_default());
            for name in ["::", "with_", "from_fn", "()", "Existing", "Unfinished", "Sink"] {
                assert!(!said.contains(name), "{said}");
            }
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        for failure in failures() {
            let said = report(&failure);
            assert!(said.matches("the disk is on fire").count() <= 1, "{said}");
            let mut error: &dyn StdError = &failure;
            while let Some(cause) = error.source() {
                assert!(!error.to_string().contains(&cause.to_string()), "{said}");
                error = cause;
            }
            assert!(failure.hint().is_none_or(|hint| !said.contains(&hint)), "{said}");
        }
    }

    #[test]
    fn hints_are_those_of_the_shell() {
        let hint = |error: Array| Failure::from(error).hint().unwrap_or_default();
        let target = || "a.zarr".to_owned();
        assert_eq!(hint(Array::TargetExists { target: target() }), REPLACE);
        let holder = "process 7".to_owned();
        assert_eq!(
            hint(Array::MaybeLocked { target: target(), holder }),
            "if that process has ended, take over with --take-over, or remove it by `lazy staging \
             a.zarr --remove`"
        );
        let path = PathBuf::from("b/a.zarr/.lazy.1/record");
        let reason = "its version is 0".to_owned();
        assert_eq!(hint(Array::BrokenRecord { path, reason }), "start anew with --restart");
        // Of an array that is read, deep below.
        let replaced = Array::Replaced { target: target() };
        let read = Error::Producer { at: Location::Block(0), source: Box::new(replaced) };
        assert_eq!(Failure::from(read).hint().as_deref(), Some("run the command again"));
        let replaced = InputError::from(Array::Replaced { target: target() });
        assert_eq!(Failure::from(replaced).hint().as_deref(), Some("run the command again"));
        let exists = Failure::from(Array::TargetExists { target: target() });
        let kept = Failure::Kept { output: "a.zarr".into(), failure: Box::new(exists) };
        assert_eq!(
            kept.hint().unwrap(),
            "name another place, or --replace it; what was stored is kept: --resume continues from there"
        );
    }
}

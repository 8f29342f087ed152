//! Tests of messages and hints.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

use lazy_chunks::conformance::example_errors;
use lazy_chunks::zarr::{Error as Array, ErrorKind};
use lazy_chunks::{ArrayBlock, BoxError, Error, LazyChunkSequence, report};

use super::Failure;
use super::hint::REPLACE;
use crate::input::InputError;

fn io_error() -> io::Error {
    io::Error::other("the disk is on fire")
}

/// Returns the error of a pass whose producer returns this error.
fn producer(error: BoxError) -> Error {
    let error = Mutex::new(Some(error));
    let failing = LazyChunkSequence::<ArrayBlock>::try_new(|| {
        [Err(error.lock().unwrap().take().expect("the pass runs once"))]
    });
    failing.collect().unwrap_err()
}

/// Returns failures of passes for each of these reasons, for arrays that are stored and arrays that
/// are read, with errors wrapped in each other.
fn failures() -> Vec<Failure> {
    let output = || PathBuf::from("b.zarr");
    let mut failures: Vec<Failure> = Vec::new();
    failures.extend(example_errors().into_iter().map(Failure::from));
    for wrap in [
        |error: Array| InputError::from(error).into(),
        |error: Array| Box::new(error).into(),
        |error: Array| producer(error.into()).into(),
    ] as [fn(Array) -> BoxError; 3]
    {
        failures.extend(example_errors().into_iter().map(|error| producer(wrap(error)).into()));
    }
    for wrap in [
        |output, failure| Failure::Kept { output, failure },
        |output, failure| Failure::Left { output, failure },
        |output, failure| Failure::Unchanged { output, failure },
        |output, failure| Failure::AfterStoring { output, failure },
    ] as [fn(PathBuf, Box<Failure>) -> Failure; 4]
    {
        let each = example_errors().into_iter().map(|error| wrap(output(), Box::new(error.into())));
        failures.extend(each);
    }
    failures.extend([
        Failure::from(Error::empty_sequence()),
        Failure::from(Error::statistic("the sum", "no")),
        Failure::Write { path: output(), source: io_error() },
        Failure::MissingDirectory { path: output(), directory: "nowhere".into() },
        Failure::Directory { path: output(), directory: "here".into(), source: io_error() },
        Failure::Missing(output()),
        Failure::Incomplete(output()),
        Failure::Running { target: "b.zarr".into(), holder: "process 7".into() },
        Failure::NoMember(output()),
        Failure::HasUnfinished(example("an unfinished write")),
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
fn messages_name_no_rust_items() {
    for failure in failures() {
        let message = format!("{}; {}", report(&failure), failure.hint().unwrap_or_default());
        for name in ["::", "with_", "from_fn", "()", "Existing", "Unfinished", "Sink"] {
            assert!(!message.contains(name), "{message}");
        }
    }
}

#[test]
fn a_cause_is_reported_once() {
    for failure in failures() {
        let message = report(&failure);
        assert!(message.matches("the disk is on fire").count() <= 1, "{message}");
        let mut error: &dyn StdError = &failure;
        while let Some(cause) = error.source() {
            assert!(!error.to_string().contains(&cause.to_string()), "{message}");
            error = cause;
        }
        assert!(failure.hint().is_none_or(|hint| !message.contains(&hint)), "{message}");
    }
}

/// Returns the example whose message begins like this.
#[track_caller]
fn example(start: &str) -> Array {
    let mut examples = example_errors().into_iter();
    examples.find(|error| error.to_string().starts_with(start)).expect("there is an example")
}

#[test]
fn hints_name_arguments() {
    const NEW_METADATA: &str = "remove the consolidated metadata with `lazy consolidate groups/g \
                                --remove`, and consolidate again afterwards";
    const TAKE_OVER: &str = "if that process has ended, take over with --take-over, or remove it \
                             with `lazy unfinished a.zarr --remove`";
    const OUTSIDE: &str = "choose a path outside of it";
    const URL: &str = "write file:///absolute/path, with three slashes, %3F for ? and %23 for #";
    const RUN_AGAIN: &str = "run the command again";
    for (start, hint) in [
        ("the scheme s3 of s3://a", "use a path or a file URL"),
        ("invalid file URL", URL),
        ("invalid path \"x\" in a store", ""),
        ("invalid name", ""),
        ("the Zarr metadata x is not valid JSON", ""),
        ("a.zarr already exists", REPLACE),
        ("a.zarr already exists, and its contents differ", REPLACE),
        ("cannot overwrite a.zarr: it is a Zarr group", "choose another path"),
        ("cannot overwrite a.zarr: it is a file", "choose another path"),
        ("cannot overwrite a.zarr: it holds data", "choose another path"),
        ("cannot append to a.zarr: it is so", "choose another path"),
        ("cannot write to a.zarr: its chunk key encoding is unknown", "choose another path"),
        (
            "rows with the key of this write were already appended to a.zarr",
            "if these are other rows, append them without --resume",
        ),
        ("cannot write a.zarr: it lies inside", OUTSIDE),
        ("cannot write a.zarr: x is a Zarr v2 group", OUTSIDE),
        ("cannot write a.zarr: it would make", NEW_METADATA),
        ("a.zarr is being written by process 7", "wait until that process ends, or stop it"),
        ("a.zarr may still be written by process 7", TAKE_OVER),
        ("another write of a.zarr took over", ""),
        (
            "cannot resume the unfinished write",
            "start anew with --restart, or resume with the original input and settings",
        ),
        (
            "an unfinished write of a.zarr",
            "continue it with --resume, or start anew with --restart",
        ),
        ("the record ", "start anew with --restart"),
        ("could not start a thread", "use fewer threads with --threads"),
        ("could not access", ""),
        ("could not write", ""),
        ("could not publish", ""),
        ("a chunk has 2 bytes", "choose smaller chunks with --chunks"),
        ("the chunk shape [2, 3] has 2 axes", ""),
        ("gzip level", ""),
        ("a.zarr does not exist", ""),
        ("link is a symbolic link", ""),
        (
            "a.zarr is not a Zarr array: it is so with the member b",
            "name one of its members, such as a.zarr/b",
        ),
        ("a.zarr was replaced", RUN_AGAIN),
        ("a.zarr was removed", ""),
        ("a.zarr was published, but another write has replaced it", ""),
        ("a.zarr is complete, but could not be flushed", ""),
        ("could not read chunk", ""),
    ] {
        let error = example(start);
        assert_eq!(Failure::from(error).hint().unwrap_or_default(), hint, "{start}");
    }
    // A file lies where a chunk is to be written.
    let is_in_the_way = |error: &Array| error.io_kind() == Some(io::ErrorKind::AlreadyExists);
    let in_the_way = example_errors().into_iter().find(is_in_the_way).unwrap();
    assert_eq!(
        Failure::from(in_the_way).hint().unwrap(),
        "move that file away, or remove chunks of old versions with `lazy clean`"
    );
    // An error of an array that is read, wrapped in others.
    let replaced = || example("a.zarr was replaced");
    assert_eq!(Failure::from(producer(replaced().into())).hint().as_deref(), Some(RUN_AGAIN));
    let replaced = InputError::from(replaced());
    assert_eq!(Failure::from(replaced).hint().as_deref(), Some(RUN_AGAIN));
    let exists = Failure::from(example("a.zarr already exists"));
    let kept = Failure::Kept { output: "a.zarr".into(), failure: Box::new(exists) };
    assert_eq!(
        kept.hint().unwrap(),
        "choose another path, or replace it with --replace; the stored chunks are kept: continue with \
         --resume"
    );
    let failure = Box::new(Failure::Output(io_error()));
    let left = Failure::Left { output: "a.zarr".into(), failure };
    assert_eq!(
        left.hint().unwrap(),
        "an unfinished write is left; remove it with `lazy unfinished a.zarr --remove`"
    );
}

#[test]
fn exit_codes_tell_corrupt_and_published_arrays() {
    for error in example_errors() {
        let (kind, is_published) = (error.kind(), error.is_published());
        let expected = match kind {
            _ if is_published => 4,
            ErrorKind::Corrupt => 3,
            _ => 1,
        };
        let said = report(&error);
        assert_eq!(Failure::from(error).exit_code(), ExitCode::from(expected), "{said}");
    }
}

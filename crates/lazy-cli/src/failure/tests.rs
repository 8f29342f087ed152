//! Tests of messages and hints.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use lazy_chunks::conformance::example_errors;
use lazy_chunks::zarr::{Error as Array, ErrorKind, ZarrSink};
use lazy_chunks::{ArrayBlock, BoxError, DType, Error, LazyChunkSequence, Plan, Workers, report};

use super::Failure;
use super::hint::REPLACE;
use crate::input::InputError;
use crate::location::Location;

fn location(path: &str) -> Location {
    PathBuf::from(path).into()
}

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

/// Returns the error of a plan of which one part is finished.
fn parts_missing() -> Error {
    let directory = tempfile::tempdir().unwrap();
    let sequence =
        LazyChunkSequence::from_fn([1; 3], |_| ArrayBlock::from_vec([1], vec![0_i8]).unwrap())
            .with_row_type(DType::Int8, []);
    let sink = ZarrSink::new(directory.path().join("a.zarr")).with_resume("the job");
    let plan = Plan::of(&sequence, sink).with_parts(3).create().unwrap();
    plan.run(&plan.parts()[1]).unwrap();
    plan.finish().unwrap_err()
}

/// Returns failures of passes for each of these reasons, for arrays that are stored and arrays that
/// are read, with errors wrapped in each other.
fn failures() -> Vec<Failure> {
    let (output, file) = (|| location("b.zarr"), || PathBuf::from("b.npy"));
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
        |output, failure| Failure::KeptParts { output, failure },
        |output, failure| Failure::Left { output, failure },
        |output, failure| Failure::Unchanged { output, failure },
        |output, failure| Failure::AfterStoring { output, failure },
    ] as [fn(Location, Box<Failure>) -> Failure; 5]
    {
        let each = example_errors().into_iter().map(|error| wrap(output(), Box::new(error.into())));
        failures.extend(each);
    }
    failures.extend([
        Failure::from(Error::empty_sequence()),
        Failure::from(Error::statistic("the sum", "no")),
        Failure::from(Workers::new(3, 3).unwrap_err()),
        Failure::from(Workers::parse("three").unwrap_err()),
        Failure::from(parts_missing()),
        Failure::Write { path: file(), source: io_error() },
        Failure::MissingDirectory { path: file(), directory: "nowhere".into() },
        Failure::Directory { path: file(), directory: "here".into(), source: io_error() },
        Failure::Missing(output()),
        Failure::Incomplete(output()),
        Failure::Running { target: "b.zarr".into(), holder: "process 7".into() },
        Failure::NoMember(output()),
        Failure::HasUnfinished(example("an unfinished write")),
        Failure::OtherPlan(example("cannot join the plan")),
        Failure::OtherPlan(example("the record ")),
        Failure::Shared { target: "b.zarr".into(), progress: "1 of 2 parts".into() },
        Failure::BeingWritten { target: "b.zarr".into(), holder: "process 7".into() },
        Failure::InProgress { target: "b.zarr".into(), parts: "2 parts".into() },
        Failure::NotShared("b.zarr".into()),
        Failure::StoppedWorker("stopped".into()),
        Failure::Exists(output()),
        Failure::InTheWay { path: file(), what: "a FIFO" },
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
    const A_URL: &str = "use a path, or a URL such as s3://bucket/path, gs://bucket/path, \
                         az://container/path or https://host/path";
    const STORE_OPTION: &str = "check the options that were given with --store-option, and the \
                                environment variables of the store";
    const CREDENTIALS: &str = "set credentials in the environment, such as AWS_ACCESS_KEY_ID and \
                               AWS_SECRET_ACCESS_KEY; read a public bucket with --store-option \
                               skip_signature=true";
    const RUN_AGAIN: &str = "run the command again";
    const CONTINUE_OR_REMOVE: &str = "continue it with --resume, or with --workers if workers share \
                                      it, or remove it with `lazy unfinished a.zarr --remove`";
    for (start, hint) in [
        ("the scheme ftp of ftp://a", A_URL),
        ("invalid URL s3:///a", A_URL),
        ("invalid URL file:/a", URL),
        ("invalid store option", STORE_OPTION),
        ("cannot open the store", STORE_OPTION),
        ("there are no credentials", CREDENTIALS),
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
        ("a write of a.zarr cannot be resumed", "leave out --workers"),
        ("an unfinished write of a.zarr", CONTINUE_OR_REMOVE),
        ("workers share an unfinished write of a.zarr", CONTINUE_OR_REMOVE),
        ("the plan of a.zarr was removed", RUN_AGAIN),
        (
            "workers that share the write of a.zarr need a key",
            "store files or Zarr arrays, or leave out --workers",
        ),
        ("the record ", "start anew with --restart"),
        ("could not start a thread", "use fewer threads with --threads"),
        ("could not access", ""),
        (
            "the store failed at key z",
            "set credentials in the environment, such as AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY; read a public bucket with --store-option skip_signature=true",
        ),
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
    let kept = Failure::Kept { output: location("a.zarr"), failure: Box::new(exists) };
    assert_eq!(
        kept.hint().unwrap(),
        "choose another path, or replace it with --replace; the stored chunks are kept: continue with \
         --resume"
    );
    let failure = Box::new(Failure::Output(io_error()));
    let left = Failure::Left { output: location("a.zarr"), failure };
    assert_eq!(
        left.hint().unwrap(),
        "an unfinished write is left; remove it with `lazy unfinished a.zarr --remove`"
    );
}

#[test]
fn hints_for_workers() {
    let hint = |failure: Failure| failure.hint().unwrap_or_default();
    let start_all_anew = |target| {
        format!(
            "remove the unfinished write with `lazy unfinished {target} --remove`, and start all \
             workers anew"
        )
    };
    assert_eq!(
        hint(Failure::OtherPlan(example("cannot join the plan"))),
        format!(
            "start the worker with the input and the options of the others; or {}",
            start_all_anew("a.zarr")
        )
    );
    assert_eq!(hint(Failure::OtherPlan(example("the record "))), start_all_anew("OUT"));
    let (target, progress) = ("a.zarr".to_owned(), "1 of 2 parts".to_owned());
    assert_eq!(
        hint(Failure::Shared { target, progress }),
        "continue it with --workers, or remove it with `lazy unfinished a.zarr --remove`"
    );
    let missing = Failure::from(parts_missing());
    assert!(report(&missing).ends_with("2 of 3 parts are not finished: 0, 2"), "{missing}");
    assert_eq!(hint(missing), "start workers again; they compute these parts");
    let failure = Box::new(Failure::from(parts_missing()));
    assert_eq!(
        hint(Failure::KeptParts { output: location("a.zarr"), failure }),
        "start workers again; they compute these parts; the stored parts are kept: continue with \
         the same command"
    );
    let stopped = Failure::StoppedWorker("stopped".into());
    assert_eq!(stopped.exit_code(), 75);
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
        assert_eq!(Failure::from(error).exit_code(), expected, "{said}");
    }
}

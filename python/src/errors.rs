//! Exceptions for the errors of the library.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;

use lazy_chunks::zarr::{Error, ErrorKind};
use lazy_chunks::{ErrorKind as CoreKind, report};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;

/// The module of the exceptions.
const MODULE: &str = "lazy_chunks.errors";

/// Returns the exception for an error. If Python code raised an exception in a pass, returns that
/// exception, with a note of the block.
pub(crate) fn raised(py: Python<'_>, error: impl Into<Error>) -> PyErr {
    let error = error.into();
    if let Some(exception) = exception_in(py, &error) {
        // Without a block, the message is that of the exception.
        if error.sequence().is_some_and(|error| error.block().is_some()) {
            add_note(py, &exception, &error.to_string());
        }
        return exception;
    }
    match exception(py, &error) {
        Ok(exception) | Err(exception) => exception,
    }
}

/// Returns an exception of this package.
pub(crate) fn named(py: Python<'_>, class: &str, message: impl Into<String>) -> PyErr {
    let class = py.import(MODULE).and_then(|module| module.getattr(class));
    match class.and_then(|class| class.call1((message.into(),))) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// Returns the exception that Python code raised, if that is the cause of an error.
fn exception_in(py: Python<'_>, error: &(dyn StdError + 'static)) -> Option<PyErr> {
    // The library hands on an error of a reducer as its own, so it is no cause of another one.
    let of_pass = |error: &(dyn StdError + 'static)| {
        let inner = error.downcast_ref::<Error>().and_then(Error::sequence);
        let inner = inner.or_else(|| error.downcast_ref::<lazy_chunks::Error>());
        inner?.get_ref()?.downcast_ref::<PyErr>().map(|exception| exception.clone_ref(py))
    };
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(exception) = error.downcast_ref::<PyErr>() {
            return Some(exception.clone_ref(py));
        }
        if let Some(exception) = of_pass(error) {
            return Some(exception);
        }
        cause = error.source();
    }
    None
}

fn exception(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let exception = named(py, class(error), report(error));
    if let Some(code) = os_error(error) {
        exception.value(py).setattr("errno", code)?;
    }
    match hint(error) {
        Some(hint) => noted(py, exception, &hint, error.target()),
        None => {
            exception.value(py).setattr("target", error.target())?;
            Ok(exception)
        }
    }
}

/// Adds a hint and a target to an exception of this package.
pub(crate) fn noted(
    py: Python<'_>,
    exception: PyErr,
    hint: &str,
    target: Option<&str>,
) -> PyResult<PyErr> {
    let value = exception.value(py);
    value.setattr("hint", hint)?;
    value.setattr("target", target)?;
    add_note(py, &exception, &format!("hint: {hint}"));
    Ok(exception)
}

/// Returns the code of the error of the operating system, if that is the cause.
fn os_error(error: &Error) -> Option<i32> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.raw_os_error();
        }
        cause = error.source();
    }
    None
}

/// Returns the name of the class of an exception.
fn class(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidTarget | ErrorKind::InvalidSetting | ErrorKind::InvalidRegion => {
            "InvalidArgumentError"
        }
        ErrorKind::Exists | ErrorKind::Occupied => "TargetExistsError",
        ErrorKind::NotFound => "TargetNotFoundError",
        ErrorKind::NotAnArray | ErrorKind::NotAGroup => "NotAnArrayError",
        ErrorKind::InUse => "InUseError",
        ErrorKind::Unfinished => "UnfinishedError",
        ErrorKind::ResumeMismatch => "ResumeMismatchError",
        ErrorKind::Changed => "ChangedError",
        ErrorKind::Corrupt => "CorruptError",
        ErrorKind::Unsupported => "UnsupportedError",
        ErrorKind::Memory => "OutOfMemoryError",
        ErrorKind::AccessDenied => "AccessDeniedError",
        ErrorKind::Io if error.io_kind() == Some(io::ErrorKind::PermissionDenied) => {
            "AccessDeniedError"
        }
        ErrorKind::Io => "StorageError",
        ErrorKind::Sequence => match error.sequence().map(lazy_chunks::Error::kind) {
            Some(
                CoreKind::Conversion | CoreKind::BlockCount | CoreKind::Shape | CoreKind::Empty,
            ) => "BlockError",
            Some(CoreKind::DType | CoreKind::UnsupportedDType) => "DTypeError",
            Some(CoreKind::InvalidSpec | CoreKind::Workers) => "InvalidArgumentError",
            Some(CoreKind::Statistic) => "StatisticError",
            Some(CoreKind::Memory) => "OutOfMemoryError",
            Some(CoreKind::Unfinished) => "UnfinishedError",
            Some(CoreKind::SavedState) => "CorruptError",
            _ => "LazyChunksError",
        },
        _ => "LazyChunksError",
    }
}

/// Returns the remedy in the words of the package.
fn hint(error: &Error) -> Option<String> {
    let hint = match error.kind() {
        ErrorKind::Unfinished if error.setting() == Some("workers") => {
            "run the same plan to continue; `lazy unfinished TARGET --remove` removes it"
        }
        ErrorKind::Exists => {
            "pass `overwrite=True` to replace the array; `store(…, append=True)` adds rows to it"
        }
        ErrorKind::Unfinished => {
            "pass the `resume` of the interrupted write, or `Resume(key, restart=True)`; \
             `lazy unfinished TARGET --remove` removes it"
        }
        ErrorKind::ResumeMismatch => {
            "pass `Resume(key, restart=True)` to start over; `lazy unfinished TARGET --remove` \
             removes a plan of workers"
        }
        ErrorKind::AccessDenied => {
            "set credentials in the environment, such as AWS_ACCESS_KEY_ID, or pass \
             `Target(url, options)`; for a public bucket, the option `skip_signature`"
        }
        ErrorKind::Consolidated => {
            "`lazy consolidate GROUP --remove` removes the consolidated metadata"
        }
        _ => {
            // Hints for programmers in Rust name its functions.
            let hint = error.hint().filter(|hint| !hint.contains('`'));
            return hint.map(Cow::into_owned);
        }
    };
    Some(hint.to_owned())
}

/// Returns what a call returned, or `None` if it failed, unless Ctrl-C was the cause.
pub(crate) fn unless_failed<T>(py: Python<'_>, result: PyResult<T>) -> PyResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_instance_of::<PyKeyboardInterrupt>(py) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Adds a note to an exception. Python 3.10 keeps the note, but does not print it.
pub(crate) fn add_note(py: Python<'_>, exception: &PyErr, note: &str) {
    let value = exception.value(py);
    if value.call_method1("add_note", (note,)).is_err() {
        // An exception without a note is better than an error about the note.
        let notes = value.getattr("__notes__").and_then(|notes| notes.extract::<Vec<String>>());
        let mut notes = notes.unwrap_or_default();
        notes.push(note.to_owned());
        let _ = value.setattr("__notes__", notes);
    }
}

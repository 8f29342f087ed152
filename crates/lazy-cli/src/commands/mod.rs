//! The commands of the program, a file for each.
//!
//! A command takes plain options. It is ignorant of how they were written on the command line.

mod attributes;
mod clean;
mod completions;
mod consolidate;
mod export;
mod finish;
mod info;
mod parts;
mod reduce;
mod remove;
mod shared;
mod status;
mod store;
mod unfinished;
mod verify;
mod view;

use std::io;

use lazy_chunks::zarr::{ErrorKind, StoredArray, UnfinishedWrite};

use crate::failure::{Failure, Result};
use crate::location::Location;
use crate::options::Command;
use crate::stop;
use crate::values::StopSignal;

pub(crate) fn run(command: &Command) -> Result<()> {
    let is_long = !matches!(
        command,
        Command::Info(_)
            | Command::Unfinished(_)
            | Command::Status(_)
            | Command::Finish(_)
            | Command::Clean(_)
            | Command::Attributes(_)
            | Command::Remove(_)
            | Command::Consolidate(_)
            | Command::Completions(_)
    );
    if is_long {
        let sharing = match command {
            Command::Store(options) => options.sharing.as_ref(),
            _ => None,
        };
        let more = sharing.and_then(|sharing| sharing.stop_signal).map(StopSignal::number);
        stop::listen(more).map_err(Failure::Signals)?;
    }
    match command {
        Command::Store(options) => store::run(options),
        Command::Reduce(options) => reduce::run(options),
        Command::Info(options) => info::run(options),
        Command::Verify(options) => verify::run(options),
        Command::View(options) => view::run(options),
        Command::Export(options) => export::run(options),
        Command::Unfinished(options) => unfinished::run(options),
        Command::Status(options) => status::run(options),
        Command::Finish(options) => finish::run(options),
        Command::Clean(options) => clean::run(options),
        Command::Attributes(options) => attributes::run(options),
        Command::Remove(options) => remove::run(options),
        Command::Consolidate(options) => consolidate::run(options),
        Command::Completions(options) => completions::run(options),
    }
}

/// Checks that something exists at a path, which may be below a file, or at a URL.
fn check_exists(location: &Location) -> Result<()> {
    let is_missing = match location.path() {
        Some(path) => path.metadata().is_err_and(|error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        }),
        None => is_vacant(location),
    };
    if is_missing { Err(Failure::Missing(location.clone())) } else { Ok(()) }
}

/// Returns true if nothing lies at a URL or below it, not even an unfinished write. If a store
/// cannot tell, the command that asks for more reports it.
fn is_vacant(location: &Location) -> bool {
    StoredArray::open(location).is_err_and(|error| error.kind() == ErrorKind::NotFound)
        && UnfinishedWrite::list(location).is_ok_and(|writes| writes.is_empty())
}

/// Returns words for the place of stored bytes.
fn on_medium(location: &Location) -> &'static str {
    if location.path().is_some() { "on disk" } else { "in the store" }
}

/// Opens the array that a command reads.
fn open(location: &Location) -> Result<StoredArray> {
    StoredArray::open(location).map_err(|error| {
        let is_missing = error.kind() == ErrorKind::NotFound;
        // A write that has ended since is not reported.
        if is_missing && UnfinishedWrite::list(location).is_ok_and(|writes| !writes.is_empty()) {
            Failure::Incomplete(location.clone())
        } else {
            error.into()
        }
    })
}

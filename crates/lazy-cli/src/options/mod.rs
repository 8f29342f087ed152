//! The commands and their options as plain data.
//!
//! [`Command::new`] makes them from the parsed command line and checks all that can be checked
//! without looking at a file. This module knows `arguments`; the commands know only this module. It
//! is ignorant of how a command works.

mod export;
mod input;
mod store;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lazy_chunks::zarr::StoreOptions;

pub(crate) use export::{Destination, Export, Format};
pub(crate) use store::{EarlierWrite, Sharing, Store};

use crate::arguments;
use crate::failure::{Failure, Result, with_hint};
use crate::input::InputOptions;
use crate::location::{Location, store_options};
use crate::statistics::{Axis, Form, StatisticList};
use crate::values::{Attribute, Span};

/// A command with its options.
#[derive(Debug)]
pub(crate) enum Command {
    Store(Store),
    Reduce(Reduce),
    Info(Info),
    Verify(Verify),
    View(View),
    Export(Export),
    Unfinished(Unfinished),
    Status(Status),
    Finish(Finish),
    Clean(Clean),
    Attributes(Attributes),
    Remove(Remove),
    Consolidate(Consolidate),
    Completions(Completions),
}

/// The options of `lazy reduce`.
#[derive(Debug)]
pub(crate) struct Reduce {
    pub(crate) input: InputOptions,
    pub(crate) stats: StatisticList,
    pub(crate) form: Form,
    /// The memory limit for the states of the statistics, in bytes.
    pub(crate) memory_limit: u64,
    /// The Zarr group that stores the results.
    pub(crate) output: Option<Location>,
    pub(crate) replace: bool,
    pub(crate) report: Report,
}

/// The options of `lazy info`.
#[derive(Debug)]
pub(crate) struct Info {
    pub(crate) path: Location,
    pub(crate) json: bool,
}

/// The options of `lazy verify`.
#[derive(Debug)]
pub(crate) struct Verify {
    pub(crate) path: Location,
    pub(crate) report: Report,
}

/// The options of `lazy view`.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) path: Location,
    /// The PNG file to create.
    pub(crate) output: PathBuf,
    pub(crate) replace: bool,
    pub(crate) rows: Span,
    pub(crate) columns: Span,
    pub(crate) quiet: bool,
}

/// The options of `lazy unfinished`.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) path: Location,
    pub(crate) remove: bool,
    pub(crate) json: bool,
}

/// The options of `lazy status`.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) path: Location,
    /// The time between two displays. None for a single one.
    pub(crate) interval: Option<Duration>,
    pub(crate) json: bool,
}

/// The options of `lazy finish`.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) path: Location,
    pub(crate) report: Report,
}

/// The options of `lazy clean`.
#[derive(Debug)]
pub(crate) struct Clean {
    pub(crate) path: Location,
    pub(crate) dry_run: bool,
    pub(crate) json: bool,
}

/// The options of `lazy attributes`.
#[derive(Debug)]
pub(crate) struct Attributes {
    pub(crate) path: Location,
    pub(crate) set: Vec<Attribute>,
    /// The names of the attributes to remove.
    pub(crate) unset: Vec<String>,
    pub(crate) json: bool,
}

/// The options of `lazy remove`.
#[derive(Debug)]
pub(crate) struct Remove {
    pub(crate) path: Location,
    /// True to remove a group that has members.
    pub(crate) recursive: bool,
    pub(crate) json: bool,
}

/// The options of `lazy consolidate`.
#[derive(Debug)]
pub(crate) struct Consolidate {
    pub(crate) path: Location,
    /// True to remove consolidated metadata, false to write it.
    pub(crate) remove: bool,
}

/// The options of `lazy completions`.
#[derive(Debug)]
pub(crate) struct Completions {
    /// The script that completes arguments.
    pub(crate) script: String,
}

/// The output of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    /// True to print results as JSON, false as text.
    pub(crate) json: bool,
    /// True to print neither progress nor a summary.
    pub(crate) quiet: bool,
}

impl Command {
    /// Makes the options from the command line, and checks them.
    pub(crate) fn new(arguments: arguments::Arguments) -> Result<Command> {
        let stores = store_options(arguments.store_options)
            .map_err(|key| Failure::Usage(format!("--store-option sets {key} twice")))?;
        let at = |path| location(path, &stores);
        Ok(match arguments.command {
            arguments::Command::Store(arguments) => Command::Store(Store::new(arguments, &stores)?),
            arguments::Command::Reduce(arguments) => {
                Command::Reduce(Reduce::new(arguments, &stores)?)
            }
            arguments::Command::Export(arguments) => {
                Command::Export(Export::new(arguments, &stores)?)
            }
            arguments::Command::Info(arguments::Info { path, json }) => {
                Command::Info(Info { path: at(path)?, json })
            }
            arguments::Command::Verify(arguments::Verify { path, report }) => {
                Command::Verify(Verify { path: at(path)?, report: report.into() })
            }
            arguments::Command::View(arguments) => Command::View(View {
                path: at(arguments.path)?,
                output: arguments.output,
                replace: arguments.replace,
                rows: arguments.rows,
                columns: arguments.cols,
                quiet: arguments.quiet,
            }),
            arguments::Command::Unfinished(arguments::Unfinished { path, remove, json }) => {
                Command::Unfinished(Unfinished { path: at(path)?, remove, json })
            }
            arguments::Command::Status(arguments::Status { path, interval, json }) => {
                let interval = interval.map(Duration::from_secs_f64);
                Command::Status(Status { path: at(path)?, interval, json })
            }
            arguments::Command::Finish(arguments::Finish { path, report }) => {
                Command::Finish(Finish { path: at(path)?, report: report.into() })
            }
            arguments::Command::Clean(arguments::Clean { path, dry_run, json }) => {
                Command::Clean(Clean { path: at(path)?, dry_run, json })
            }
            arguments::Command::Attributes(arguments::Attributes { path, set, unset, json }) => {
                Command::Attributes(Attributes { path: at(path)?, set, unset, json })
            }
            arguments::Command::Remove(arguments::Remove { path, recursive, json }) => {
                Command::Remove(Remove { path: at(path)?, recursive, json })
            }
            arguments::Command::Consolidate(arguments::Consolidate { path, remove }) => {
                Command::Consolidate(Consolidate { path: at(path)?, remove })
            }
            arguments::Command::Completions(arguments) => {
                Command::Completions(Completions { script: arguments.script() })
            }
        })
    }
}

/// Returns the place that an argument names. An invalid URL makes the command line invalid.
fn location(text: OsString, stores: &StoreOptions) -> Result<Location> {
    Location::new(text, stores).map_err(|error| Failure::Usage(with_hint(&error)))
}

impl Reduce {
    fn new(arguments: arguments::Reduce, stores: &StoreOptions) -> Result<Reduce> {
        let axis = match arguments.axis {
            arguments::Axis::All => Axis::All,
            arguments::Axis::Rows => Axis::Rows,
            arguments::Axis::Columns => Axis::Columns,
        };
        Ok(Reduce {
            input: input::options(arguments.input, stores)?,
            stats: arguments.stats,
            form: Form { axis, ignore_nan: arguments.ignore_nan, rank_error: arguments.rank_error },
            memory_limit: arguments.memory.unwrap_or_default().bytes(),
            output: arguments.output.map(|output| location(output, stores)).transpose()?,
            replace: arguments.replace,
            report: arguments.report.into(),
        })
    }
}

impl From<arguments::Report> for Report {
    fn from(arguments: arguments::Report) -> Report {
        Report { json: arguments.json, quiet: arguments.quiet }
    }
}

//! What the program does: a file for each command.

mod clean;
mod completions;
mod consolidate;
mod export;
mod info;
mod reduce;
mod staging;
mod store;
mod verify;
mod view;

use crate::arguments::Command;
use crate::failure::{Failure, Result};
use crate::stop;

pub(crate) fn run(command: &Command) -> Result<()> {
    let is_long = !matches!(
        command,
        Command::Info(_)
            | Command::Staging(_)
            | Command::Clean(_)
            | Command::Consolidate(_)
            | Command::Completions(_)
    );
    if is_long {
        stop::listen().map_err(Failure::Signals)?;
    }
    match command {
        Command::Store(arguments) => store::run(arguments),
        Command::Reduce(arguments) => reduce::run(arguments),
        Command::Info(arguments) => info::run(arguments),
        Command::Verify(arguments) => verify::run(arguments),
        Command::View(arguments) => view::run(arguments),
        Command::Export(arguments) => export::run(arguments),
        Command::Staging(arguments) => staging::run(arguments),
        Command::Clean(arguments) => clean::run(arguments),
        Command::Consolidate(arguments) => consolidate::run(arguments),
        Command::Completions(arguments) => completions::run(arguments),
    }
}

//! The program `lazy`: the library at the shell.

mod answers;
mod arguments;
mod commands;
mod failure;
mod input;
mod picture;
mod print;
mod progress;
mod settings;
mod statistics;
mod stop;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Ok(filter) = EnvFilter::try_from_default_env() {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    }
    let ended = stop::listen()
        .map_err(|error| format!("signals cannot be heeded: {error}"))
        .map(|()| commands::run(&arguments.command));
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        // Who has read enough is not told that there is more.
        Ok(Err(failure)) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            eprintln!("lazy: {failure}");
            failure.exit_code()
        }
        Err(problem) => {
            eprintln!("lazy: {problem}");
            ExitCode::FAILURE
        }
    }
}

//! The program `lazy`: the library at the shell.

mod answers;
mod arguments;
mod commands;
mod failure;
mod file_kind;
mod input;
mod output_file;
mod picture;
mod print;
mod progress;
mod settings;
mod statistics;
mod stop;
mod usage;

use std::env;
use std::io;
use std::process::ExitCode;

use rayon::ThreadPoolBuilder;
use tracing_subscriber::EnvFilter;

use arguments::Arguments;
use failure::{Failure, Result};

fn main() -> ExitCode {
    start_no_pool();
    match run(&usage::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // Who has read enough is not told that there is more.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            print::failure(&failure);
            failure.exit_code()
        }
    }
}

/// Makes rayon's global pool one of this thread alone.
///
/// Nothing here uses it. But zarrs asks rayon how many threads there are, which otherwise starts as many, and panics where the
/// system has no more.
fn start_no_pool() {
    let pool = ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    // No other part of the program has made one.
    let _ = pool.build_global();
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(filter) = env::var_os(EnvFilter::DEFAULT_ENV) {
        let filter = EnvFilter::try_new(filter.to_string_lossy())
            .map_err(|error| Failure::Usage(format!("RUST_LOG makes no sense: {error}")))?;
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            // Where nothing can be written, that cannot be told either.
            .log_internal_errors(false)
            .init();
    }
    commands::run(&arguments.command)
}

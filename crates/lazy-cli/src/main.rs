//! The program `lazy`: the library on the command line.
//!
//! `arguments` parses the command line, `options` turns it into plain data and checks it, and
//! `commands` work with that. Each module says what it is ignorant of; no modules depend on each
//! other in a circle.

mod answers;
mod arguments;
mod commands;
mod count;
mod failure;
mod file_kind;
mod input;
mod location;
mod options;
mod output_file;
mod picture;
mod print;
mod progress;
mod statistics;
mod stop;
mod values;

use std::env;
use std::io;
use std::process::ExitCode;

use rayon::ThreadPoolBuilder;
use tracing_subscriber::EnvFilter;

use arguments::Arguments;
use failure::{Failure, Result};

fn main() -> ExitCode {
    start_no_pool();
    match run(arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // A reader of standard output that has read enough closes the pipe.
        Err(failure) if failure.is_closed_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            print::failure(&failure);
            failure.exit_code()
        }
    }
}

/// Makes rayon's global pool consist of this thread only.
///
/// The program does not use the pool. But zarrs asks rayon for the number of threads, which would
/// otherwise start that many, and panic if the system cannot.
fn start_no_pool() {
    let pool = ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    // This succeeds, since no other part of the program makes the pool.
    let _ = pool.build_global();
}

fn run(arguments: Arguments) -> Result<()> {
    if let Some(filter) = env::var_os(EnvFilter::DEFAULT_ENV) {
        let filter = EnvFilter::try_new(filter.to_string_lossy())
            .map_err(|error| Failure::Usage(format!("RUST_LOG is invalid: {error}")))?;
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(io::stderr)
            // If standard error cannot be written, neither can an error about it.
            .log_internal_errors(false)
            .init();
    }
    commands::run(&options::Command::new(arguments)?)
}

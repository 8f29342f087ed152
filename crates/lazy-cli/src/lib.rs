//! The program `lazy`: the library on the command line.
//!
//! `arguments` parses the command line, `options` turns it into plain data and checks it, and
//! `commands` work with that. Each module says what it is ignorant of; no modules depend on each
//! other in a circle.
//!
//! The Python package calls [`run`], and shares [`statistics`].

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
pub mod statistics;
mod stop;
mod values;

use std::env;
use std::ffi::OsString;
use std::io;

use lazy_chunks::zarr::Codec;
use rayon::ThreadPoolBuilder;
use tracing_subscriber::EnvFilter;

use arguments::Arguments;
use failure::{Failure, Result};
use values::{CodecSetting, MemorySize};

/// Runs the program with these arguments, of which the first one is its name, and returns its exit
/// code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    start_no_pool();
    let arguments = match arguments::parse(arguments) {
        Ok(arguments) => arguments,
        Err(message) => {
            // If it cannot be printed, neither can an error about that.
            let _ = message.print();
            return u8::try_from(message.exit_code()).unwrap_or(2);
        }
    };
    match try_to_run(arguments) {
        Ok(()) => 0,
        // A reader of standard output that has read enough closes the pipe.
        Err(failure) if failure.is_closed_pipe() => 0,
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
pub fn start_no_pool() {
    let pool = ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    // This succeeds, since no other part of the program makes the pool.
    let _ = pool.build_global();
}

/// Parses a codec with an optional level, such as `zstd` or `zstd:9`.
///
/// # Errors
///
/// A message if there is no such codec.
pub fn codec(text: &str) -> std::result::Result<Codec, String> {
    text.parse::<CodecSetting>().map(|CodecSetting(codec)| codec)
}

/// Parses a size in memory, such as `512MiB`, in bytes.
///
/// # Errors
///
/// A message if the text is no size.
pub fn memory_size(text: &str) -> std::result::Result<u64, String> {
    text.parse::<MemorySize>().map(MemorySize::bytes)
}

fn try_to_run(arguments: Arguments) -> Result<()> {
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

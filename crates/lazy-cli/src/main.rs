//! The program `lazy`.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(lazy_cli::run(env::args_os()))
}

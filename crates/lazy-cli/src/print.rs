//! Standard output and standard error.

use std::fmt::Display;
use std::io::{self, Write};

use crate::failure::{Failure, Result};

/// Prints a result.
pub(crate) fn result(text: impl Display) -> Result<()> {
    let mut output = io::stdout().lock();
    write!(output, "{text}").and_then(|()| output.flush()).map_err(Failure::Output)
}

/// Prints JSON for a program.
pub(crate) fn json(value: &serde_json::Value) -> Result<()> {
    result(format_args!("{value:#}\n"))
}

/// Tells what was done. When nobody can be told, it was done all the same.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

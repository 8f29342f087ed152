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

/// Tells why the program did not do what it was asked for: in one line, whatever names are in it.
pub(crate) fn failure(failure: &Failure) {
    let escaped = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    note(format_args!("lazy: {}", failure.to_string().chars().map(escaped).collect::<String>()));
}

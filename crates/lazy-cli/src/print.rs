//! Standard output and standard error.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use crate::failure::{Failure, Result};

/// Prints a result, which may be long.
pub(crate) fn result(text: impl Display) -> Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    write!(output, "{text}").and_then(|()| output.flush()).map_err(Failure::Output)
}

/// Prints JSON for a program.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    serde_json::to_writer_pretty(&mut output, value)
        .map_err(io::Error::from)
        .and_then(|()| writeln!(output))
        .and_then(|()| output.flush())
        .map_err(Failure::Output)
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

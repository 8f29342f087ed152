//! Standard output and standard error.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};

use serde::Serialize;

use lazy_chunks::report;

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

/// Tells why the program did not do what it was asked for: in one line, whatever names are in it; and in another
/// what can be done, if that is known.
pub(crate) fn failure(failure: &Failure) {
    let mut text = format!("lazy: {}", escaped(&report(failure)));
    if let Some(hint) = failure.hint() {
        text.push_str(&format!("\nhint: {}", escaped(&hint)));
    }
    note(text);
}

/// The text in one line.
fn escaped(text: &str) -> String {
    let escaped = |letter: char| {
        if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() }
    };
    text.chars().map(escaped).collect()
}

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

/// Prints a result of one line, whatever names are in it.
pub(crate) fn line(text: impl Display) -> Result<()> {
    result(one_line(&text.to_string()) + "\n")
}

/// Tells what was done, in one line. When nobody can be told, it was done all the same.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", one_line(&text.to_string()));
}

/// Tells why the program did not do what it was asked for: in one line, whatever names are in it; and in another
/// what can be done, if that is known.
pub(crate) fn failure(failure: &Failure) {
    note(format_args!("lazy: {}", report(failure)));
    if let Some(hint) = failure.hint() {
        note(format_args!("hint: {hint}"));
    }
}

/// The text in one line, with escapes for what a terminal takes for a command, and for what changes the direction of
/// writing.
pub(crate) fn one_line(text: &str) -> String {
    let is_safe = |letter: char| {
        !letter.is_control()
            && !matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let shown = |letter: char| {
        if is_safe(letter) { letter.to_string() } else { letter.escape_default().to_string() }
    };
    text.chars().map(shown).collect()
}

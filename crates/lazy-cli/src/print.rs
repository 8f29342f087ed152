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
    let mut output = Escaping(BufWriter::new(io::stdout().lock()));
    serde_json::to_writer_pretty(&mut output, value)
        .map_err(io::Error::from)
        .and_then(|()| writeln!(output))
        .and_then(|()| output.flush())
        .map_err(Failure::Output)
}

/// Writes JSON, with escapes for what a terminal would not show as it is.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only strings have such letters, and newlines are between them.
        let is_whole = |letter| letter == '\n' || is_safe(letter);
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.chars().all(is_whole) => {
                for letter in text.chars() {
                    if is_whole(letter) {
                        write!(self.0, "{letter}")?;
                    } else {
                        write!(self.0, "\\u{:04x}", u32::from(letter))?;
                    }
                }
            }
            _ => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
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
    let shown = |letter: char| {
        if is_safe(letter) { letter.to_string() } else { letter.escape_default().to_string() }
    };
    text.chars().map(shown).collect()
}

/// Returns true if a terminal shows a letter, and takes it for no command.
fn is_safe(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

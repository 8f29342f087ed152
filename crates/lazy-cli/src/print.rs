//! Standard output for results, and standard error for everything else.
//!
//! Ignorant of what is printed, except that a failure has a hint.

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

/// Prints a result as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    let mut output = Escaping(BufWriter::new(io::stdout().lock()));
    serde_json::to_writer_pretty(&mut output, value)
        .map_err(io::Error::from)
        .and_then(|()| writeln!(output))
        .and_then(|()| output.flush())
        .map_err(Failure::Output)
}

/// A writer of JSON that escapes characters that a terminal would interpret.
struct Escaping<W>(W);

impl<W: Write> Write for Escaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Only strings contain such characters. Newlines are outside of strings.
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

/// Prints a result on one line, with escapes for line ends in names.
pub(crate) fn line(text: impl Display) -> Result<()> {
    result(one_line(&text.to_string()) + "\n")
}

/// Prints a note on one line of standard error. A failure is ignored, since there is no other place
/// to report it.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", one_line(&text.to_string()));
}

/// Prints the message of a failure on one line, and its hint on another, if there is one.
pub(crate) fn failure(failure: &Failure) {
    note(format_args!("lazy: {}", report(failure)));
    if let Some(hint) = failure.hint() {
        note(format_args!("hint: {hint}"));
    }
}

/// Returns the text on one line, with escapes for characters that a terminal would interpret, and
/// for those that change the direction of text.
pub(crate) fn one_line(text: &str) -> String {
    let shown = |letter: char| {
        if is_safe(letter) { letter.to_string() } else { letter.escape_default().to_string() }
    };
    text.chars().map(shown).collect()
}

/// Returns true if a terminal shows a character and does not interpret it.
fn is_safe(letter: char) -> bool {
    let changes_direction = matches!(
        letter,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    !letter.is_control() && !changes_direction
}

//! Python literals. A header is one.

/// A Python literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    /// None for an integer that cannot be a size: a negative one, or one of more than 64 bits.
    Integer(Option<u64>),
    Bool(bool),
    None,
    Tuple(Vec<Literal>),
    List(Vec<Literal>),
    Dict(Vec<(Literal, Literal)>),
}

/// The deepest nesting of containers. A structured dtype needs a few levels.
const DEEPEST: usize = 32;

/// Parses a literal as `ast.literal_eval` does, and integers of Python 2 (`3L`) as `np.load` does.
///
/// Time and memory are linear in the length of the text. The error names the problem and its
/// position.
pub(super) fn parse(text: &str) -> Result<Literal, String> {
    let mut parser = Parser { text, at: 0 };
    let literal = parser.literal(0)?;
    match parser.peek() {
        None => Ok(literal),
        Some(letter) => Err(parser.unexpected(letter)),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Returns the next character that is not white space.
    fn peek(&mut self) -> Option<char> {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.rest().chars().next()
    }

    /// Skips a character, if it is the next one.
    fn take(&mut self, letter: char) -> bool {
        let is_next = self.peek() == Some(letter);
        self.at += if is_next { letter.len_utf8() } else { 0 };
        is_next
    }

    fn expect(&mut self, letter: char) -> Result<(), String> {
        if self.take(letter) {
            Ok(())
        } else {
            Err(format!("{letter:?} is missing at byte {}", self.at))
        }
    }

    fn unexpected(&self, letter: char) -> String {
        format!("{letter:?} at byte {} is unexpected", self.at)
    }

    fn literal(&mut self, depth: usize) -> Result<Literal, String> {
        let Some(letter) = self.peek() else { return Err("it ends too early".to_owned()) };
        if depth > DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} deep"));
        }
        match letter {
            '(' => {
                let (mut items, has_comma) = self.items(')', |this| this.literal(depth + 1))?;
                // Parentheses around a single value mean nothing.
                match items.len() {
                    1 if !has_comma => Ok(items.remove(0)),
                    _ => Ok(Literal::Tuple(items)),
                }
            }
            '[' => Ok(Literal::List(self.items(']', |this| this.literal(depth + 1))?.0)),
            '{' => {
                let entry = |this: &mut Self| {
                    let key = this.literal(depth + 1)?;
                    this.expect(':')?;
                    Ok((key, this.literal(depth + 1)?))
                };
                Ok(Literal::Dict(self.items('}', entry)?.0))
            }
            '\'' | '"' => self.string(),
            '-' => {
                self.at += 1;
                self.number().map(|number| Literal::Integer(number.filter(|number| *number == 0)))
            }
            '0'..='9' => self.number().map(Literal::Integer),
            _ => self.word(),
        }
    }

    /// Parses the items between brackets. Returns them, and true if a comma follows the last one.
    fn items<T>(
        &mut self,
        end: char,
        mut item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<(Vec<T>, bool), String> {
        self.at += 1;
        let mut items = Vec::new();
        let mut has_comma = true;
        while !self.take(end) {
            if !has_comma {
                return Err(format!("a comma is missing at byte {}", self.at));
            }
            items.push(item(self)?);
            has_comma = self.take(',');
        }
        Ok((items, has_comma))
    }

    /// Parses a string in quotes. The only escapes are those of quotes and backslashes.
    fn string(&mut self) -> Result<Literal, String> {
        let start = self.at;
        let mut letters = self.rest().chars();
        let quote = letters.next();
        let mut string = String::new();
        while let Some(letter) = letters.next() {
            match letter {
                '\\' => match letters.next() {
                    Some(escaped @ ('\\' | '\'' | '"')) => string.push(escaped),
                    _ => return Err(format!("the string at byte {start} has an unknown escape")),
                },
                letter if Some(letter) == quote => {
                    self.at = self.text.len() - letters.as_str().len();
                    return Ok(Literal::Text(string));
                }
                letter => string.push(letter),
            }
        }
        Err(format!("the string at byte {start} does not end"))
    }

    fn number(&mut self) -> Result<Option<u64>, String> {
        self.peek();
        let is_digit = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let length = self.rest().find(|letter| !is_digit(letter)).unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        let digits = word.strip_suffix(['L', 'l']).unwrap_or(word);
        let digits: String = digits.chars().filter(|letter| *letter != '_').collect();
        if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(format!("{word:?} at byte {} is not an integer", self.at));
        }
        self.at += length;
        Ok(digits.parse().ok())
    }

    fn word(&mut self) -> Result<Literal, String> {
        // A string of Python 2.
        if let Some('u' | 'U' | 'b' | 'B') = self.peek()
            && self.rest()[1..].starts_with(['\'', '"'])
        {
            self.at += 1;
            return self.string();
        }
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let length = self.rest().find(|letter| !is_letter(letter)).unwrap_or(self.rest().len());
        let literal = match &self.rest()[..length] {
            "True" => Literal::Bool(true),
            "False" => Literal::Bool(false),
            "None" => Literal::None,
            _ => return Err(self.unexpected(self.rest().chars().next().unwrap_or(' '))),
        };
        self.at += length;
        Ok(literal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_those_of_python() {
        let text = |text: &str| Literal::Text(text.to_owned());
        let integer = |number| Literal::Integer(Some(number));
        for (written, expected) in [
            ("3", integer(3)),
            (" 3L ", integer(3)),
            ("1_000", integer(1000)),
            ("18446744073709551616", Literal::Integer(None)),
            ("-1", Literal::Integer(None)),
            ("-0", integer(0)),
            ("'a\\'b'", text("a'b")),
            ("u\"a'\"", text("a'")),
            ("None", Literal::None),
            ("()", Literal::Tuple(vec![])),
            ("(3)", integer(3)),
            ("(3,)", Literal::Tuple(vec![integer(3)])),
            ("( 3L,\n4L )", Literal::Tuple(vec![integer(3), integer(4)])),
            ("[True, False,]", Literal::List(vec![Literal::Bool(true), Literal::Bool(false)])),
            ("{'a': 1}", Literal::Dict(vec![(text("a"), integer(1))])),
            ("{}", Literal::Dict(vec![])),
        ] {
            assert_eq!(parse(written).as_ref(), Ok(&expected), "{written}");
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        let deep = "[".repeat(1 << 20);
        let entries = "{(".repeat(40);
        for written in [
            "", "(", "(3 4)", "[,]", "{1}", "{1:}", "'a", "'\\x'", "3x", "x", "True1", "3, 4",
            "(,)", "1.5", "L", "_", "\u{e9}", "'a' 'b'", &deep, &entries,
        ] {
            assert!(parse(written).is_err(), "{written:.40}");
        }
    }

    #[test]
    fn every_prefix_of_a_literal_is_an_error() {
        let written =
            "{'descr': [('a', '<f4', (2L, 3)), (u\"b\", '|O')], 'shape': (-1, None), 'x': True}";
        assert!(parse(written).is_ok());
        for end in 0..written.len() {
            assert!(parse(&written[..end]).is_err(), "{}", &written[..end]);
        }
    }
}

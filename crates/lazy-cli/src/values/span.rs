//! Ranges of rows or columns.

use std::ops::Range;
use std::str::FromStr;

/// A range of indices, written as in a Python slice: `a:b`, where either may be left out, and a
/// negative index counts from the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: Option<i64>,
    end: Option<i64>,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let problem = || format!("{text:?} is not a range; give `a:b`, `a:`, `:b` or `:`");
        let (start, end) = text.split_once(':').ok_or_else(problem)?;
        let index = |text: &str| match text {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| problem()),
        };
        Ok(Span { start: index(start)?, end: index(end)? })
    }
}

impl Span {
    /// Returns the indices along an axis of this size, whose indices are called `what`: rows or
    /// columns.
    pub(crate) fn along(&self, what: &str, size: usize) -> Result<Range<usize>, String> {
        let index = |index: i64| match usize::try_from(index) {
            Ok(index) => Some(index),
            Err(_) => size.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
        };
        let (start, end) = (self.start.map_or(Some(0), index), self.end.map_or(Some(size), index));
        match (start, end) {
            (Some(start), Some(end)) if start <= end && end <= size => Ok(start..end),
            _ => {
                let text =
                    |index: Option<i64>| index.map_or(String::new(), |index| index.to_string());
                let (start, end) = (text(self.start), text(self.end));
                Err(format!("{what} {start}:{end} are out of range: the array has {size} {what}"))
            }
        }
    }

    /// Returns true if the range covers the whole axis.
    pub(crate) fn is_all(&self) -> bool {
        self.start.unwrap_or(0) == 0 && self.end.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_within_the_axis() {
        let along = |text: &str| text.parse::<Span>().and_then(|span| span.along("rows", 10));
        assert_eq!(along(":"), Ok(0..10));
        assert_eq!(along("3:"), Ok(3..10));
        assert_eq!(along("3:3"), Ok(3..3));
        assert_eq!(along("-3:"), Ok(7..10));
        assert_eq!(along("-3:-1"), Ok(7..9));
        assert_eq!(along(":-10"), Ok(0..0));
        assert_eq!(along(":11").unwrap_err(), "rows :11 are out of range: the array has 10 rows");
        assert_eq!(along("-11:").unwrap_err(), "rows -11: are out of range: the array has 10 rows");
        for wrong in ["", "5", "5:3", "a:b", "-1:-2", "--1:", "1:2:3", "-9223372036854775808:"] {
            assert!(along(wrong).is_err(), "{wrong:?}");
        }
    }
}

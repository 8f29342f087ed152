//! Numbers within a range.

use std::fmt::Display;
use std::ops::{Bound, RangeBounds, RangeInclusive};
use std::str::FromStr;

/// Returns the whole number that a text is, if it lies within a range. The range has a start, and
/// no excluded end.
pub(crate) fn number<N>(text: &str, range: &impl RangeBounds<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display,
{
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let start = match range.start_bound() {
            Bound::Included(start) => format!(" from {start}"),
            Bound::Excluded(_) | Bound::Unbounded => String::new(),
        };
        let end = match range.end_bound() {
            Bound::Included(end) => format!(" to {end}"),
            Bound::Excluded(_) | Bound::Unbounded => " on".to_owned(),
        };
        format!("must be a whole number{start}{end}")
    })
}

/// Returns the number that a text is, if it lies within a range.
pub(crate) fn fraction(text: &str, range: &RangeInclusive<f64>) -> Result<f64, String> {
    let is_within = |number: &f64| range.contains(number);
    text.parse()
        .ok()
        .filter(is_within)
        .ok_or_else(|| format!("must be a number from {} to {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lies_within_its_range() {
        assert_eq!(number("7", &(1_u64..)), Ok(7));
        assert_eq!(number("1024", &(1_usize..=1024)), Ok(1024));
        for wrong in ["0", "-1", "x", "", "1.5", " 1", "99999999999999999999"] {
            let problem = number(wrong, &(1_u64..)).unwrap_err();
            assert_eq!(problem, "must be a whole number from 1 on", "{wrong:?}");
        }
        let problem = number("1025", &(1_usize..=1024)).unwrap_err();
        assert_eq!(problem, "must be a whole number from 1 to 1024");
    }

    #[test]
    fn a_fraction_lies_within_its_range() {
        let range = 0.001..=0.5;
        for (text, expected) in [("0.001", 0.001), ("0.5", 0.5), ("1e-2", 0.01)] {
            assert_eq!(fraction(text, &range), Ok(expected));
        }
        for wrong in ["0", "0.6", "-0.1", "nan", "inf", "", "1 %"] {
            let problem = fraction(wrong, &range).unwrap_err();
            assert_eq!(problem, "must be a number from 0.001 to 0.5", "{wrong:?}");
        }
    }
}

//! The part of an array that a command reads, and the parts of it that are read at a time.

use std::ops::Range;

use crate::failure::{Failure, Result};
use crate::location::Location;
use crate::values::Span;

/// The number of bytes to read at a time, if chunks are not larger.
pub(super) const AT_ONCE: usize = 32 << 20;

/// The least bytes that a chunk counts as, since each chunk takes time to find.
pub(super) const LEAST_PER_CHUNK: usize = 4 << 10;

/// The most bytes to read of an array for a picture.
const MOST_BYTES: u64 = 4 << 30;

/// Returns the chosen rows and columns of an array. An array of one axis has no columns.
pub(super) fn chosen(
    path: &Location,
    shape: &[usize],
    rows: &Span,
    columns: &Span,
) -> Result<(Range<usize>, Option<Range<usize>>)> {
    match *shape {
        [] => Err(Failure::Usage(format!("{path} has no axes"))),
        [n_rows] if columns.is_all() => {
            Ok((rows.along("rows", n_rows).map_err(Failure::Usage)?, None))
        }
        [_] => Err(Failure::Usage(format!(
            "{path} has one axis, so it has no columns; choose elements with --rows"
        ))),
        [n_rows, n_columns, ..] => {
            let rows = rows.along("rows", n_rows).map_err(Failure::Usage)?;
            let columns = columns.along("columns", n_columns).map_err(Failure::Usage)?;
            Ok((rows, Some(columns)))
        }
    }
}

/// A range, cut at the multiples of a number.
pub(super) struct Parts {
    pub(super) range: Range<usize>,
    pub(super) at_once: usize,
}

impl Parts {
    fn len(&self) -> usize {
        self.range.end.div_ceil(self.at_once) - self.range.start / self.at_once
    }

    fn part(&self, i: usize) -> Range<usize> {
        let start = (self.range.start / self.at_once + i).saturating_mul(self.at_once);
        start.max(self.range.start)..start.saturating_add(self.at_once).min(self.range.end)
    }

    /// Returns all parts that are not empty.
    pub(super) fn all(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        (0..self.len()).map(|i| self.part(i)).filter(|part| !part.is_empty())
    }

    /// Returns the parts to read for a picture, if each index has this number of bytes: all of
    /// them, or evenly spaced ones of at most [`MOST_BYTES`].
    pub(super) fn spread(&self, bytes_each: usize) -> Vec<Range<usize>> {
        let total = self.range.len() as f64 * bytes_each as f64;
        let share = (MOST_BYTES as f64 / total).min(1.0);
        let n_read = ((self.len() as f64 * share) as usize).clamp(1, self.len());
        let place = |i: usize| (2 * i as u128 + 1) * self.len() as u128 / (2 * n_read as u128);
        (0..n_read).map(|i| self.part(place(i) as usize)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_end_at_multiples() {
        let parts =
            |range: Range<usize>, at_once| Parts { range, at_once }.all().collect::<Vec<_>>();
        assert_eq!(parts(3..17, 5), [3..5, 5..10, 10..15, 15..17]);
        assert_eq!(parts(3..4, usize::MAX), std::slice::from_ref(&(3..4)));
        assert_eq!(parts(5..10, 5), std::slice::from_ref(&(5..10)));
        assert!(parts(7..7, 5).is_empty());
    }

    #[test]
    fn a_large_array_is_read_in_parts() {
        let bands = Parts { range: 0..1000, at_once: 10 };
        assert_eq!(bands.spread(1).len(), 100);
        let read = bands.spread(MOST_BYTES as usize / 250);
        assert_eq!(read.len(), 25);
        assert_eq!((read[0].clone(), read[24].clone()), (20..30, 980..990));
        assert_eq!(bands.spread(usize::MAX).len(), 1);
    }
}

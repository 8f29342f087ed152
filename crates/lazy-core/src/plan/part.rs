//! Parts: the runs of bands that a plan is cut into.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::BlockSizes;

/// A part of a [`Plan`](crate::Plan): a run of whole bands, which one worker computes at a time.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{BlockSizes, Part, PartSizes};
///
/// let parts = PartSizes::Number(2).cut(&BlockSizes::uniform(100, 20), None);
/// assert_eq!(parts.len(), 2);
/// assert_eq!((parts[1].bands(), parts[1].rows()), (2..5, 40..100));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    number: usize,
    bands: Range<usize>,
    rows: Range<usize>,
}

impl Part {
    /// Returns the parts that end behind these bands, or `None` if the ends do not ascend to the
    /// number of bands.
    #[must_use]
    pub fn ending_at(ends: &[usize], bands: &BlockSizes) -> Option<Vec<Part>> {
        let starts = std::iter::once(&0).chain(ends);
        let part = |(number, (&start, &end)): (usize, (&usize, &usize))| {
            let is_run = start < end && end <= bands.n_blocks();
            let rows = || bands.start(start)..bands.range(end - 1).end;
            is_run.then(|| Part { number, bands: start..end, rows: rows() })
        };
        let is_all = ends.last().copied().unwrap_or(0) == bands.n_blocks();
        starts.zip(ends).enumerate().map(part).collect::<Option<_>>().filter(|_| is_all)
    }

    /// Returns the index of the part in its plan.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Returns the bands of the part: the blocks of a sequence that is cut along axis 0 alone.
    #[must_use]
    pub fn bands(&self) -> Range<usize> {
        self.bands.clone()
    }

    /// Returns the rows of the array that the part computes.
    #[must_use]
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "part {} (rows {:?})", self.number, self.rows)
    }
}

/// The sizes of the parts of a [`Plan`](crate::Plan). They never depend on the number of workers.
/// [`Part`] has an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartSizes {
    /// At most 1,024 parts, each of whole rows of chunks if the bands allow it.
    #[default]
    Automatic,
    /// This number of parts, of about as many rows each, or as many parts as there are bands.
    Number(usize),
    /// Parts of about this number of rows.
    Rows(usize),
}

/// The most parts of an automatic plan.
const MOST_PARTS: usize = 1024;

impl PartSizes {
    /// Cuts the bands of these heights into parts. A part begins where a row of chunks of
    /// `chunk_rows` rows begins, if a band begins there and no part becomes much higher or lower
    /// for it.
    #[must_use]
    pub fn cut(self, bands: &BlockSizes, chunk_rows: Option<usize>) -> Vec<Part> {
        let (n_bands, n_rows) = (bands.n_blocks(), bands.total());
        let n_parts = match self {
            PartSizes::Automatic => {
                let n_chunks = chunk_rows.map_or(usize::MAX, |rows| n_rows.div_ceil(rows.max(1)));
                MOST_PARTS.min(n_chunks.max(1))
            }
            PartSizes::Number(n) => n,
            PartSizes::Rows(n) => n_rows.div_ceil(n.max(1)),
        };
        let n_parts = n_parts.min(n_bands).max(1);
        let tolerance = n_rows / n_parts / 2;
        let mut ends = Vec::with_capacity(n_parts);
        let mut start = 0;
        for number in 1..=n_parts {
            // Each of the parts that follow has a band.
            let last_end = n_bands - (n_parts - number).min(n_bands);
            if start == last_end {
                break;
            }
            start = if number == n_parts {
                n_bands
            } else {
                end_near(bands, share(n_rows, number, n_parts), chunk_rows, tolerance)
                    .clamp(start + 1, last_end)
            };
            ends.push(start);
        }
        Part::ending_at(&ends, bands).unwrap_or_default()
    }
}

/// Returns `total * n / of` without overflow.
fn share(total: usize, n: usize, of: usize) -> usize {
    (total as u128 * n as u128 / of.max(1) as u128) as usize
}

/// Returns the index of the band that begins nearest to a row, or where a row of chunks begins at
/// most `tolerance` rows away.
fn end_near(bands: &BlockSizes, row: usize, chunk_rows: Option<usize>, tolerance: usize) -> usize {
    // The number of rows of chunks on each side in which no band may begin.
    const MOST_STEPS: usize = 64;
    let begins_at = |row: usize| {
        let band = bands.block_of(row)?;
        (bands.start(band) == row).then_some(band)
    };
    if let Some(chunk_rows) = chunk_rows.filter(|&rows| rows > 0) {
        let first = row / chunk_rows * chunk_rows;
        let mut nearest: Vec<_> = (0..MOST_STEPS)
            .flat_map(|step| {
                let steps = step.saturating_mul(chunk_rows);
                let above = first.checked_add(steps).and_then(|row| row.checked_add(chunk_rows));
                [first.checked_sub(steps), above]
            })
            .flatten()
            .filter(|near| near.abs_diff(row) <= tolerance)
            .collect();
        nearest.sort_by_key(|near| near.abs_diff(row));
        if let Some(band) = nearest.into_iter().find_map(begins_at) {
            return band;
        }
    }
    let Some(band) = bands.block_of(row) else { return bands.n_blocks() };
    let Range { start, end } = bands.range(band);
    if row - start <= end - row { band } else { band + 1 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_are_all_bands_in_order(
            rows in prop::collection::vec(0..9_usize, 0..60),
            sizes in prop_oneof![
                Just(PartSizes::Automatic),
                (0..80_usize).prop_map(PartSizes::Number),
                (0..99_usize).prop_map(PartSizes::Rows),
            ],
            chunk_rows in prop::option::of(0..20_usize),
        ) {
            let bands = BlockSizes::from(rows.clone());
            let parts = sizes.cut(&bands, chunk_rows);
            let (mut band, mut row) = (0, 0);
            for (number, part) in parts.iter().enumerate() {
                prop_assert_eq!(part.number(), number);
                prop_assert_eq!(part.bands().start, band);
                prop_assert_eq!(part.rows().start, row);
                prop_assert!(!part.bands().is_empty());
                let height: usize = rows[part.bands()].iter().sum();
                prop_assert_eq!(part.rows().len(), height);
                (band, row) = (part.bands().end, part.rows().end);
            }
            prop_assert_eq!((band, row), (rows.len(), bands.total()));
            if let PartSizes::Number(n) = sizes {
                prop_assert_eq!(parts.len(), n.max(1).min(rows.len()));
            }
        }
    }

    #[test]
    fn parts_begin_with_rows_of_chunks_where_bands_do() {
        let starts = |sizes: PartSizes, bands: BlockSizes, chunk_rows| -> Vec<usize> {
            let parts = sizes.cut(&bands, chunk_rows);
            parts.iter().map(|part| part.rows().start).collect()
        };
        let bands = || BlockSizes::uniform(100, 10);
        assert_eq!(starts(PartSizes::Number(3), bands(), None), [0, 30, 70]);
        assert_eq!(starts(PartSizes::Number(3), bands(), Some(20)), [0, 40, 60]);
        // No band begins at a multiple of 7 but 70.
        assert_eq!(starts(PartSizes::Number(3), bands(), Some(7)), [0, 30, 70]);
        assert_eq!(starts(PartSizes::Automatic, bands(), Some(25)), [0, 20, 50, 70]);
        assert_eq!(starts(PartSizes::Rows(50), bands(), Some(8)), [0, 40]);
        assert_eq!(starts(PartSizes::Rows(50), bands(), Some(3)), [0, 60]);
        assert_eq!(starts(PartSizes::Rows(50), bands(), Some(30)), [0, 60]);
        assert_eq!(
            starts(PartSizes::Automatic, BlockSizes::from([]), Some(8)),
            Vec::<usize>::new()
        );
    }
}

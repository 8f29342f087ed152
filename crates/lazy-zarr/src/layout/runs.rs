//! The sizes of blocks along an axis, in little space.

use std::fmt;

use lazy_core::BlockSizes;
use serde::{Deserialize, Serialize};

/// The sizes of blocks along an axis, as runs `[n_blocks, size]` of equal sizes. Displays the first
/// runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct BlockRuns(Vec<[usize; 2]>);

impl BlockRuns {
    pub(crate) fn of(sizes: &BlockSizes) -> BlockRuns {
        let mut runs = BlockRuns::default();
        sizes.ranges().for_each(|range| runs.push(range.len()));
        runs
    }

    /// Adds a block of this size.
    /// Returns the sizes of all blocks.
    pub(crate) fn sizes(&self) -> BlockSizes {
        let sizes = self.0.iter().flat_map(|&[n, size]| std::iter::repeat_n(size, n));
        BlockSizes::from(sizes.collect::<Vec<_>>())
    }

    pub(crate) fn push(&mut self, size: usize) {
        self.push_run(1, size);
    }

    /// Adds several blocks of this size. Their number saturates.
    pub(crate) fn push_run(&mut self, n_blocks: usize, size: usize) {
        match self.0.last_mut() {
            Some([n_before, last]) if *last == size => {
                *n_before = n_before.saturating_add(n_blocks);
            }
            _ => self.0.push([n_blocks, size]),
        }
    }

    /// Adds the blocks of other runs behind these.
    pub(crate) fn extend(&mut self, next: &BlockRuns) {
        next.0.iter().for_each(|&[n_blocks, size]| self.push_run(n_blocks, size));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn n_runs(&self) -> usize {
        self.0.len()
    }

    /// Returns the runs `[n_blocks, size]`.
    pub(crate) fn runs(&self) -> &[[usize; 2]] {
        &self.0
    }

    /// Returns the number of blocks whose size is not 0.
    pub(crate) fn n_not_empty(&self) -> usize {
        let not_empty = self.0.iter().filter(|[_, size]| *size > 0);
        not_empty.fold(0, |n: usize, [n_blocks, _]| n.saturating_add(*n_blocks))
    }

    /// Returns the sum of the sizes, unless it overflows.
    pub(crate) fn total(&self) -> Option<usize> {
        self.0.iter().try_fold(0_usize, |total, [n, size]| total.checked_add(n.checked_mul(*size)?))
    }
}

impl fmt::Display for BlockRuns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 8;
        let first = self.0.iter().take(MOST).map(|[n_blocks, size]| format!("{n_blocks} × {size}"));
        let more = (self.0.len() > MOST).then(|| "…".to_owned());
        let text = first.chain(more).collect::<Vec<_>>().join(", ");
        formatter.write_str(if text.is_empty() { "none" } else { &text })
    }
}

//! The memory of contributions in flight.

use super::statistic::Statistic;
use crate::{BlockSizes, Cut, SequenceSpec, StateSize};

/// The contributions in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    cut: Cut,
    /// The maximum number of contributions in flight.
    most: usize,
    /// The number of blocks that are not merged, or `usize::MAX` if unknown.
    n_left: usize,
    /// The smallest sizes of blocks along the cut axes.
    smallest: [usize; 2],
}

impl InFlight {
    pub(super) fn new(spec: &SequenceSpec) -> InFlight {
        let most = spec.memory().n_in_flight();
        let Some(grid) = spec.grid() else {
            // Blocks that come one at a time are merged one at a time.
            return InFlight {
                cut: spec.cut(),
                most: most.min(1),
                n_left: usize::MAX,
                smallest: [0, 0],
            };
        };
        let smallest = |sizes: &BlockSizes| (0..sizes.n_blocks()).map(|i| sizes.size(i)).min();
        let n_rows = smallest(grid.rows()).unwrap_or(0);
        let n_columns = grid.columns().and_then(smallest).unwrap_or(0);
        InFlight { cut: spec.cut(), most, n_left: grid.n_blocks(), smallest: [n_rows, n_columns] }
    }

    /// Returns the size of the contribution of the smallest block.
    fn of_smallest<S: Statistic>(&self, statistic: &S, row_shape: Option<&[usize]>) -> StateSize {
        let [n_rows, n_columns] = self.smallest;
        match (self.cut, row_shape) {
            (Cut::RowsAndColumns, Some([_, trailing @ ..])) => {
                let shape = [&[n_columns], trailing].concat();
                statistic.state_size(n_rows, Some(&shape))
            }
            _ => statistic.state_size(n_rows, row_shape),
        }
    }

    /// Returns a lower bound of the memory of the pass: just before the last blocks in flight are
    /// merged, or when all are merged.
    pub(super) fn foreseen<S: Statistic>(&self, statistic: &S, spec: &SequenceSpec) -> StateSize {
        let row_shape = spec.row_type().map(|row_type| row_type.shape.as_slice());
        let of_smallest = self.of_smallest(statistic, row_shape);
        let Some(grid) = spec.grid() else {
            let begun = statistic.state_size(0, row_shape);
            let has_blocks = spec.n_bands() != Some(0);
            return if has_blocks { begun.plus(of_smallest) } else { begun };
        };
        let n_last = self.most.min(self.n_left);
        let n_rows_before = match self.n_left - n_last {
            first if n_last > 0 => {
                let (band, column) = grid.band_and_column(first);
                let rows = grid.rows().range(band);
                if column > 0 { rows.end } else { rows.start }
            }
            _ => grid.rows().total(),
        };
        let with_last =
            statistic.state_size(n_rows_before, row_shape).plus(of_smallest.times(n_last));
        with_last.max(statistic.state_size(grid.rows().total(), row_shape))
    }

    /// Returns a lower bound of the memory of the contributions in flight when the contribution of
    /// a block, with this size, is merged. Each later contribution is assumed to take as much as
    /// that of the smallest block, plus the growth of this one beyond its predicted size.
    pub(super) fn absorbed<S: Statistic>(
        &mut self,
        statistic: &S,
        size: StateSize,
        block_shape: &[usize],
    ) -> StateSize {
        let n_others = self.most.min(self.n_left).saturating_sub(1);
        self.n_left = self.n_left.saturating_sub(1);
        if n_others == 0 {
            return size;
        }
        let [n_rows, row_shape @ ..] = block_shape else { return size };
        let growth = size.minus(statistic.state_size(*n_rows, Some(row_shape)));
        let of_smallest = self.of_smallest(statistic, Some(row_shape));
        let other =
            StateSize { bytes: of_smallest.bytes.saturating_add(growth.bytes), ..of_smallest };
        size.plus(other.times(n_others))
    }
}

//! States kept per row, which join across blocks and bands.

use serde::{Deserialize, Serialize};

use crate::{ArrayBlock, BlockPosition, Element, Error, Result};

/// One state per row of a run of consecutive rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerRow<R> {
    first_row: usize,
    rows: Vec<R>,
}

impl<R> PerRow<R> {
    pub(crate) fn empty() -> PerRow<R> {
        PerRow { first_row: 0, rows: Vec::new() }
    }

    pub(crate) fn into_rows(self) -> Vec<R> {
        self.rows
    }

    /// Adds the states of rows that overlap or follow these. `merge` joins the states of one row.
    pub(crate) fn merge(
        &mut self,
        next: PerRow<R>,
        mut merge: impl FnMut(&mut R, R) -> Result<()>,
    ) -> Result<()> {
        if next.rows.is_empty() {
            return Ok(());
        }
        if self.rows.is_empty() {
            *self = next;
            return Ok(());
        }
        let end = self.first_row + self.rows.len();
        if next.first_row < self.first_row || next.first_row > end {
            return Err(Error::Statistic {
                statistic: "states per row",
                problem: format!(
                    "rows {}..{} cannot be followed by rows from {}; merge states in the order of \
                     their blocks",
                    self.first_row, end, next.first_row
                ),
            });
        }
        for (i, state) in next.rows.into_iter().enumerate() {
            match self.rows.get_mut(next.first_row + i - self.first_row) {
                Some(row) => merge(row, state)?,
                None => self.rows.push(state),
            }
        }
        Ok(())
    }

    /// One state for each row of a block, made of the row's elements and the index in the array's
    /// row of the first of them.
    pub(crate) fn of_block<A: Element>(
        at: BlockPosition,
        block: &ArrayBlock,
        mut state: impl FnMut(&[A], u64) -> R,
    ) -> Result<PerRow<R>> {
        let elements = block.as_slice::<A>()?;
        let n_rows = block.shape()[0];
        let row_length = elements.len().checked_div(n_rows).unwrap_or(0);
        // The axes behind axis 1 are whole, so a block's row is one run of the array's row.
        let n_columns = block.shape().get(1).copied().unwrap_or(0);
        let first_index = at.column * row_length.checked_div(n_columns).unwrap_or(0);
        let rows = (0..n_rows)
            .map(|row| state(&elements[row * row_length..][..row_length], first_index as u64))
            .collect();
        Ok(PerRow { first_row: at.row, rows })
    }
}

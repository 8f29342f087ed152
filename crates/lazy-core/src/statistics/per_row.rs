//! Statistics of each row, which join across blocks and bands.

use ndarray::Ix1;
use serde::{Deserialize, Serialize};

use super::cell::{Along, Cell, Run};
use super::{check_real, not_real};
use crate::dtype::with_element;
use crate::{ArrayBlock, BlockPosition, DType, Error, Result, Statistic};

/// A statistic of each row; see [`Summary::per_row`](super::Summary::per_row). The result has axis 0 of the array.
///
/// The parts of a row that are in several blocks of a nested sequence are merged.
///
/// # Example
///
/// ```
/// use lazy_core::{Min, NdarrayConverter, NestedLazyChunkSequence, PerRow, Result, Statistic, Summary};
/// use ndarray::array;
///
/// /// The least similarity of each sample to any other.
/// const LEAST: fn() -> PerRow<Min> = || Min.per_row();
///
/// let similarities =
///     NestedLazyChunkSequence::new(|| [[array![[0.5, 0.9]], array![[0.1]]]]).convert(NdarrayConverter);
/// assert_eq!(similarities.compute(LEAST())?, array![0.1]);
/// assert_eq!(LEAST().name(), "the smallest element of each row");
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PerRow<S>(pub(super) S);

/// One state for each row of a run of consecutive rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rows<C> {
    first: u64,
    cells: Vec<C>,
}

impl<S: Cell> Statistic for PerRow<S> {
    type State = Rows<S::State>;
    type Output = S::Values<Ix1>;

    fn name(&self) -> String {
        format!("{} of each row", self.0.name())
    }

    fn check(&self, dtype: Option<DType>, row_shape: Option<&[usize]>) -> Result<()> {
        self.0
            .check(row_shape.map(|shape| shape.iter().product()))
            .map_err(|error| error.of_statistic(self.name()))?;
        check_real(|| self.name(), dtype)
    }

    fn empty(&self) -> Rows<S::State> {
        Rows { first: 0, cells: Vec::new() }
    }

    fn push(
        &self,
        state: &mut Rows<S::State>,
        at: BlockPosition,
        block: &ArrayBlock,
    ) -> Result<()> {
        let dtype = block.dtype();
        let cells = with_element!(
            dtype,
            real A => {
                let run = Run::<A>::of_block(at, block)?;
                let cell = |row| {
                    let mut cell = self.0.empty();
                    // A block without columns has nothing of its rows.
                    if !run.elements.is_empty() {
                        self.0.push(&mut cell, run.row(row));
                        self.0.settle(&mut cell);
                    }
                    cell
                };
                (0..block.shape()[0]).map(cell).collect()
            },
            _ => return Err(not_real(&self.name(), dtype))
        );
        self.merge(state, Rows { first: at.row as u64, cells })
    }

    fn merge(&self, state: &mut Rows<S::State>, next: Rows<S::State>) -> Result<()> {
        if next.cells.is_empty() {
            return Ok(());
        }
        if state.cells.is_empty() {
            *state = next;
            return Ok(());
        }
        let end = state.first + state.cells.len() as u64;
        if next.first < state.first || next.first > end {
            return Err(Error::Statistic {
                statistic: self.name(),
                problem: format!(
                    "rows {}..{end} cannot be followed by rows from {}, since states are merged in the order of \
                     their blocks",
                    state.first, next.first
                ),
            });
        }
        let n_before = (next.first - state.first) as usize;
        for (i, next) in next.cells.into_iter().enumerate() {
            match state.cells.get_mut(n_before + i) {
                Some(cell) => self.0.merge(cell, next),
                None => state.cells.push(next),
            }
        }
        Ok(())
    }

    fn is_state(&self, state: &Rows<S::State>) -> bool {
        state.first.checked_add(state.cells.len() as u64).is_some()
            && state.cells.iter().all(|cell| self.0.is_state(cell))
    }

    fn finish(&self, state: Rows<S::State>) -> Result<S::Values<Ix1>> {
        let n_rows = Ix1(state.cells.len());
        self.0
            .values(state.cells, n_rows, Along::Row)
            .map_err(|error| error.of_statistic(self.name()))
    }
}

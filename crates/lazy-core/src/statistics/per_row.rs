//! Statistics per row, which are merged across blocks and bands.

use ndarray::Ix1;
use serde::{Deserialize, Serialize};

use super::bound;
use super::cell::{Along, Cell, Heap, Run, merge_counted, values_of_cells};
use super::order::Nan;
use crate::dtype::with_element;
use crate::memory::{n_elements, reserve, take};
use crate::real::{check_real, not_real};
use crate::{
    ArrayBlock, BlockPosition, DType, Error, Result, SaveState, SequenceSpec, StateSize, Statistic,
};

/// A statistic per row; see [`Summary::per_row`](super::Summary::per_row). The result has axis 0 of
/// the array.
///
/// In a nested sequence, the parts of a row in several blocks are merged.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{
///     Min, NdarrayConverter, NestedLazyChunkSequence, PerRow, Result, Statistic, Summary,
/// };
/// use ndarray::array;
///
/// /// The smallest similarity of each sample to any other.
/// const LEAST: fn() -> PerRow<Min> = || Min.per_row();
///
/// let similarities =
///     NestedLazyChunkSequence::new(|| [[array![[0.5, 0.9]], array![[0.1]]]])
///         .convert(NdarrayConverter);
/// assert_eq!(similarities.compute(LEAST())?, array![0.1]);
/// assert_eq!(LEAST().name(), "the smallest element of each row");
/// # Ok::<(), lazy_chunks::Error>(())
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
            .check(row_shape.map(|shape| n_elements(shape).unwrap_or(usize::MAX)))
            .map_err(|error| error.of_statistic(self.name()))?;
        check_real(|| self.name(), dtype)
    }

    fn state_size(&self, n_rows: usize, row_shape: Option<&[usize]>) -> StateSize {
        self.0.size_of_cells(Some(n_rows), row_shape.and_then(n_elements).unwrap_or(0))
    }

    fn state_bound(&self, spec: &SequenceSpec) -> Option<StateSize> {
        bound::per_row(&self.0, spec)
    }

    fn empty(&self) -> Rows<S::State> {
        Rows { first: 0, cells: Vec::new() }
    }

    fn init(&self, spec: &SequenceSpec) -> Result<Rows<S::State>> {
        // A list that grows would be in memory twice, and have room for more rows. The rows count
        // when they are added.
        let mut cells = Vec::new();
        reserve(&mut cells, spec.n_rows().unwrap_or(0), || self.name())?;
        Ok(Rows { first: 0, cells })
    }

    fn update(
        &self,
        state: &mut Rows<S::State>,
        at: BlockPosition,
        block: &ArrayBlock,
    ) -> Result<()> {
        let dtype = block.dtype();
        let (n_rows, name) = (block.shape()[0], || self.name());
        // Without columns, there may be more rows than memory can hold.
        let row_length = block.n_elements().checked_div(n_rows).unwrap_or(0);
        take(self.0.size_of_cells(Some(n_rows), row_length), name)?;
        let mut heap = Heap::of(n_rows * self.0.least_heap(row_length));
        let mut cells = Vec::new();
        reserve(&mut cells, n_rows, name)?;
        with_element!(
            dtype,
            real A => {
                let run = Run::<A>::of_block(at, block)?;
                for row in 0..n_rows {
                    let mut cell = self.0.empty();
                    // A block without columns contains no elements of its rows.
                    if !run.elements.is_empty() {
                        self.0.update(&mut cell, run.row(row), Nan::Counts);
                        self.0.normalize(&mut cell, Nan::Counts);
                    }
                    heap.grow(0, self.0.heap(&cell), name)?;
                    cells.push(cell);
                }
            },
            _ => return Err(not_real(&self.name(), dtype))
        );
        heap.give_back();
        let next = Rows { first: at.row as u64, cells };
        if state.cells.capacity() == 0 {
            *state = next;
            return Ok(());
        }
        self.merge(state, next)
    }

    fn merge(&self, state: &mut Rows<S::State>, next: Rows<S::State>) -> Result<()> {
        if next.cells.is_empty() {
            return Ok(());
        }
        let name = || self.name();
        if state.cells.is_empty() {
            state.first = next.first;
        }
        let end = state.first + state.cells.len() as u64;
        if next.first < state.first || next.first > end {
            let problem = format!(
                "rows {}..{end} cannot be followed by rows from {}; states must be merged in the \
                 order of their blocks",
                state.first, next.first
            );
            return Err(Error::statistic(self.name(), problem));
        }
        let n_before = (next.first - state.first) as usize;
        let n_known = (state.cells.len() - n_before).min(next.cells.len());
        take(self.size_of(&next.cells[n_known..]), name)?;
        reserve(&mut state.cells, next.cells.len() - n_known, name)?;
        for (i, next) in next.cells.into_iter().enumerate() {
            match state.cells.get_mut(n_before + i) {
                Some(cell) => merge_counted(&self.0, cell, next, name)?,
                None => state.cells.push(next),
            }
        }
        Ok(())
    }

    fn finish(&self, state: Rows<S::State>) -> Result<S::Values<Ix1>> {
        let n_rows = Ix1(state.cells.len());
        values_of_cells(&self.0, state.cells, n_rows, Along::Row, || self.name())
    }
}

impl<S: Cell> SaveState for PerRow<S> {
    fn is_valid(&self, state: &Rows<S::State>) -> bool {
        state.first.checked_add(state.cells.len() as u64).is_some()
            && state.cells.iter().all(|cell| self.0.is_valid(cell))
    }
}

impl<S: Cell> PerRow<S> {
    fn size_of(&self, cells: &[S::State]) -> StateSize {
        let heap = if S::HAS_HEAP { cells.iter().map(|cell| self.0.heap(cell)).sum() } else { 0 };
        StateSize::new(cells.len() as u128, size_of::<S::State>()).plus(StateSize::growth(heap))
    }
}

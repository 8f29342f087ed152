//! Upper bounds of the memory that statistics of cells take in a pass.

use super::cell::Cell;
use crate::memory::n_elements;
use crate::{DType, SequenceSpec, StateSize};

/// Cells of one size.
#[derive(Clone, Copy, Debug)]
struct Cells {
    n: usize,
    /// The number of elements of each, if known.
    n_elements: Option<usize>,
}

/// The sizes in a declaration that determine the memory of a pass.
struct Sizes<'s> {
    dtype: DType,
    row_shape: &'s [usize],
    /// The number of rows, if known.
    n_rows: Option<usize>,
    /// The number of rows of the largest block, if known.
    block_rows: Option<usize>,
    /// The shape of a row of the largest block, or a larger one if it is unknown.
    block_row_shape: Vec<usize>,
    n_in_flight: usize,
}

impl Sizes<'_> {
    fn of(spec: &SequenceSpec) -> Option<Sizes<'_>> {
        let row_type = spec.row_type()?;
        let block = spec.largest_block();
        Some(Sizes {
            dtype: row_type.dtype,
            row_shape: &row_type.shape,
            n_rows: spec.n_rows(),
            block_rows: block.as_ref().map(|shape| shape[0]),
            block_row_shape: block.map_or(row_type.shape.clone(), |shape| shape[1..].to_vec()),
            n_in_flight: spec.max_in_flight(),
        })
    }

    /// Returns the bound for a pass with these cells: one state of all blocks so far for each, a
    /// state of each block in flight, and either what is needed to merge two of them, or the
    /// results.
    fn bound<S: Cell>(&self, cell: &S, all: Cells, of_block: Cells) -> Option<StateSize> {
        let size = |cells: Cells| {
            let heap = cell.most_heap(cells.n_elements, self.dtype)?;
            let each = size_of::<S::State>().saturating_add(heap);
            Some(StateSize::new(cells.n as u128, each))
        };
        // One cell at a time is changed.
        let spare = |cells: Cells| {
            let n_cells = usize::from(cells.n > 0);
            let bytes = cell.most_spare(cells.n_elements, self.dtype)?.saturating_mul(n_cells);
            Some(StateSize::growth(bytes))
        };
        let in_flight = size(of_block)?.plus(spare(of_block)?).times(self.n_in_flight);
        let while_merging = size(all)?.plus(spare(all)?).plus(in_flight);
        let with_results = size(all)?.plus(StateSize::new(all.n as u128, cell.value_size()));
        Some(while_merging.max(StateSize { states: while_merging.states, ..with_results }))
    }
}

fn product(n_rows: Option<usize>, n_others: Option<usize>) -> Option<usize> {
    Some(n_rows?.saturating_mul(n_others.unwrap_or(usize::MAX)))
}

/// Returns the bound for one cell.
pub(crate) fn of_the_whole_array<S: Cell>(cell: &S, spec: &SequenceSpec) -> Option<StateSize> {
    let sizes = Sizes::of(spec)?;
    let all = Cells { n: 1, n_elements: product(sizes.n_rows, n_elements(sizes.row_shape)) };
    let n_elements = product(sizes.block_rows, n_elements(&sizes.block_row_shape));
    let bound = sizes.bound(cell, all, Cells { n: 1, n_elements })?;
    // A block is added to a state of its own, which is then merged with an empty one.
    let empty = cell.least_heap(0).saturating_mul(sizes.n_in_flight);
    Some(bound.plus(StateSize::growth(empty)))
}

/// Returns the bound for a cell for each row.
pub(crate) fn per_row<S: Cell>(cell: &S, spec: &SequenceSpec) -> Option<StateSize> {
    let sizes = Sizes::of(spec)?;
    let all = Cells { n: sizes.n_rows?, n_elements: n_elements(sizes.row_shape) };
    let of_block = Cells { n: sizes.block_rows?, n_elements: n_elements(&sizes.block_row_shape) };
    sizes.bound(cell, all, of_block)
}

/// Returns the bound for a cell for each column.
pub(crate) fn per_column<S: Cell>(cell: &S, spec: &SequenceSpec) -> Option<StateSize> {
    let sizes = Sizes::of(spec)?;
    let n_columns = |row_shape| n_elements(row_shape).unwrap_or(usize::MAX);
    let all = Cells { n: n_columns(sizes.row_shape), n_elements: sizes.n_rows };
    let of_block = Cells { n: n_columns(&sizes.block_row_shape), n_elements: sizes.block_rows };
    sizes.bound(cell, all, of_block)
}

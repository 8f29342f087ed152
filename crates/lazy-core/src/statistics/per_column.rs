//! Statistics per column, which are merged across blocks and bands.

use ndarray::IxDyn;
use serde::{Deserialize, Serialize};

use super::bound;
use super::cell::{Along, Cell, Heap, Run, merge_counted, values_of_cells};
use super::order::Nan;
use crate::dtype::with_element;
use crate::memory::{n_elements, reserve, take};
use crate::real::{Real, check_real, not_real};
use crate::{
    ArrayBlock, BlockPosition, DType, Error, Result, RowType, SaveState, SequenceSpec, StateSize,
    Statistic,
};

/// A statistic per column; see [`Summary::per_column`](super::Summary::per_column).
///
/// The result has the axes of the array except axis 0. For an array without blocks and without a
/// declared row type, it has one axis of size 0.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter, Summary};
/// use ndarray::Array3;
///
/// // 8 images of 2 × 3 pixels: the mean and the deviation of each pixel.
/// let images =
///     LazyChunkSequence::new(|| (0..4).map(|i| Array3::from_elem((2, 2, 3), f64::from(i))))
///         .convert(NdarrayConverter);
/// let moments = images.compute(MeanVariance.per_column())?;
/// assert_eq!((moments.mean.shape(), moments.mean[[1, 2]]), (&[2, 3][..], 1.5));
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PerColumn<S>(pub(super) S);

/// One state for each element of a row, for a range of columns of the array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Columns<C> {
    /// The first column of the range.
    first: usize,
    /// The shape of the accumulated part of a row; `None` before the first block.
    shape: Option<Vec<usize>>,
    cells: Vec<C>,
}

/// Returns the number of columns in a part of a row, and the number of elements that a row has in
/// each; the latter is `None` if it exceeds `usize::MAX`.
fn columns(row_shape: &[usize]) -> (usize, Option<usize>) {
    match row_shape {
        [] => (1, Some(1)),
        [n_columns, trailing @ ..] => (*n_columns, n_elements(trailing)),
    }
}

/// Adds the columns of a block to the cells, one for each column.
///
/// Columns are copied a few at a time, so that whole cache lines are used.
fn push_columns<S: Cell, A: Real>(
    summary: &S,
    cells: &mut [S::State],
    run: Run<'_, A>,
    mut grow: impl FnMut(usize, usize) -> Result<()>,
) -> Result<()> {
    const N_COLUMNS: usize = 16;
    const N_ROWS: usize = 256;
    let row_length = cells.len();
    let mut columns = vec![A::default(); N_COLUMNS * N_ROWS.min(run.elements.len() / row_length)];
    for (i, rows) in run.elements.chunks(N_ROWS * row_length).enumerate() {
        let n_rows = rows.len() / row_length;
        for (j, cells) in cells.chunks_mut(N_COLUMNS).enumerate() {
            let first_column = j * N_COLUMNS;
            for (row, elements) in rows.chunks_exact(row_length).enumerate() {
                let elements = &elements[first_column..][..cells.len()];
                for (column, element) in elements.iter().enumerate() {
                    columns[column * n_rows + row] = *element;
                }
            }
            for (column, cell) in cells.iter_mut().enumerate() {
                let elements = &columns[column * n_rows..][..n_rows];
                let heap = summary.heap(cell);
                let run = run.column(i * N_ROWS, first_column + column, elements);
                summary.update(cell, run, Nan::Counts);
                // Frees the unneeded memory of one column before the next one.
                summary.normalize(cell, Nan::Counts);
                grow(heap, summary.heap(cell))?;
            }
        }
    }
    Ok(())
}

impl<S: Cell> Statistic for PerColumn<S> {
    type State = Columns<S::State>;
    type Output = S::Values<IxDyn>;

    fn name(&self) -> String {
        format!("{} of each column", self.0.name())
    }

    fn check(&self, dtype: Option<DType>, _: Option<&[usize]>) -> Result<()> {
        self.0.check(None).map_err(|error| error.of_statistic(self.name()))?;
        check_real(|| self.name(), dtype)
    }

    fn state_size(&self, n_rows: usize, row_shape: Option<&[usize]>) -> StateSize {
        row_shape
            .map_or(StateSize::default(), |shape| self.0.size_of_cells(n_elements(shape), n_rows))
    }

    fn empty(&self) -> Columns<S::State> {
        Columns { first: 0, shape: None, cells: Vec::new() }
    }

    fn state_bound(&self, spec: &SequenceSpec) -> Option<StateSize> {
        bound::per_column(&self.0, spec)
    }

    fn init(&self, spec: &SequenceSpec) -> Result<Columns<S::State>> {
        let Some(RowType { shape, .. }) = spec.row_type() else { return Ok(self.empty()) };
        let mut cells = Vec::new();
        self.add_columns(&mut cells, n_elements(shape), 0)?;
        Ok(Columns { first: 0, shape: Some(shape.clone()), cells })
    }

    fn update(
        &self,
        state: &mut Columns<S::State>,
        at: BlockPosition,
        block: &ArrayBlock,
    ) -> Result<()> {
        let shape = block.shape()[1..].to_vec();
        let (n_rows, dtype) = (block.shape()[0], block.dtype());
        let mut cells = Vec::new();
        // Without rows, there may be more columns than memory can hold.
        self.add_columns(&mut cells, n_elements(&shape), n_rows)?;
        let mut heap = Heap::of(cells.len() * self.0.least_heap(n_rows));
        // The heap memory of an empty state.
        let of_empty = if S::HAS_HEAP { self.0.least_heap(0) } else { 0 };
        heap.grow(0, cells.len() * of_empty, || self.name())?;
        with_element!(
            dtype,
            real A => {
                let run = Run::<A>::of_block(at, block)?;
                if !run.elements.is_empty() {
                    let grow = |before, after| heap.grow(before, after, || self.name());
                    push_columns(&self.0, &mut cells, run, grow)?;
                }
            },
            _ => return Err(not_real(&self.name(), dtype))
        );
        heap.give_back();
        let next = Columns { first: at.column, shape: Some(shape), cells };
        if state.shape.is_none() {
            *state = next;
            return Ok(());
        }
        self.merge(state, next)
    }

    fn merge(&self, state: &mut Columns<S::State>, next: Columns<S::State>) -> Result<()> {
        let Some(next_shape) = &next.shape else { return Ok(()) };
        let Some(shape) = &mut state.shape else {
            take(self.size_of(&next.cells), || self.name())?;
            *state = next;
            return Ok(());
        };
        if shape.len() != next_shape.len() || shape.get(1..) != next_shape.get(1..) {
            let problem =
                format!("cannot merge rows of shape {shape:?} with rows of shape {next_shape:?}");
            return Err(Error::statistic(self.name(), problem));
        }
        let (n_columns, n_trailing) = columns(shape);
        let (n_next, _) = columns(next_shape);
        let first = state.first.min(next.first);
        let end = (state.first + n_columns).max(next.first + n_next);
        // The columns before and after the present ones. A part of a band may leave a gap, which
        // others fill.
        let of_columns = |n_columns: usize| match n_columns {
            0 => Some(0),
            _ => n_trailing?.checked_mul(n_columns),
        };
        let n_before = of_columns(state.first - first);
        let n_behind = of_columns(end - state.first - n_columns);
        if n_before != Some(0) {
            let mut cells = Vec::new();
            self.add_columns(&mut cells, n_before, 0)?;
            reserve(&mut cells, state.cells.len(), || self.name())?;
            cells.append(&mut state.cells);
            state.cells = cells;
        }
        self.add_columns(&mut state.cells, n_behind, 0)?;
        state.first = first;
        if let Some(n_columns) = shape.first_mut() {
            *n_columns = end - first;
        }
        let n_skipped = of_columns(next.first - first).unwrap_or(0);
        for (cell, next) in state.cells[n_skipped..].iter_mut().zip(next.cells) {
            merge_counted(&self.0, cell, next, || self.name())?;
        }
        Ok(())
    }

    fn finish(&self, state: Columns<S::State>) -> Result<S::Values<IxDyn>> {
        let shape = state.shape.unwrap_or(vec![0]);
        values_of_cells(&self.0, state.cells, IxDyn(&shape), Along::Column, || self.name())
    }
}

impl<S: Cell> SaveState for PerColumn<S> {
    fn is_valid(&self, state: &Columns<S::State>) -> bool {
        let Columns { first, shape, cells } = state;
        let shape = shape.as_deref().unwrap_or(&[0]);
        let n_cells = n_elements(shape);
        // A row without axes has one column and one cell.
        let n_columns = shape.first().copied().unwrap_or(1);
        n_cells == Some(cells.len())
            && first.checked_add(n_columns).is_some()
            && cells.iter().all(|cell| self.0.is_valid(cell))
    }
}

impl<S: Cell> PerColumn<S> {
    /// Adds empty states of `n_columns` columns, for `n_elements` elements each.
    fn add_columns(
        &self,
        cells: &mut Vec<S::State>,
        n_columns: Option<usize>,
        n_elements: usize,
    ) -> Result<()> {
        let name = || self.name();
        take(self.0.size_of_cells(n_columns, n_elements), name)?;
        // Sizes that overflow were refused before.
        let n_columns = n_columns.unwrap_or(0);
        reserve(cells, n_columns, name)?;
        cells.resize(cells.len() + n_columns, self.0.empty());
        Ok(())
    }

    fn size_of(&self, cells: &[S::State]) -> StateSize {
        let heap = if S::HAS_HEAP { cells.iter().map(|cell| self.0.heap(cell)).sum() } else { 0 };
        StateSize::new(cells.len() as u128, size_of::<S::State>()).plus(StateSize::growth(heap))
    }
}

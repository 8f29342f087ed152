//! Accumulation of elements into one value, wherever in the array the elements are.

use ndarray::{Array, Dimension, IxDyn};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::NamedArrays;
use super::order::{ElementIndex, Nan};
use crate::block::size_in_bytes;
use crate::memory;
use crate::real::Real;
use crate::{ArrayBlock, BlockPosition, DType, Error, Result, StateSize};

/// A statistic of the elements of one cell of its result: of the whole array, of a row, or of a
/// column.
///
/// Within a state, elements come in the order of their places; states are merged in the order of
/// blocks.
pub trait Cell: Clone + Send + Sync + 'static {
    /// The accumulated state.
    type State: Clone + Send + Serialize + DeserializeOwned + 'static;
    /// The result of one cell.
    type Value: NamedArrays + Send + 'static;
    /// The results of many cells, as arrays of dimension `D`.
    type Values<D: Dimension + 'static>: NamedArrays + Send + 'static;
    /// True if states own heap memory, which may grow.
    const HAS_HEAP: bool = false;

    /// Returns the name in messages, with the complete configuration: `the 10 largest`.
    fn name(&self) -> String;

    /// Checks the configuration, against the number of elements of a cell if that is known.
    fn check(&self, n_elements: Option<usize>) -> Result<()> {
        let _ = n_elements;
        Ok(())
    }

    /// Returns a lower bound of the heap memory of a state of `n_elements` elements, in bytes.
    fn least_heap(&self, n_elements: usize) -> usize {
        let _ = n_elements;
        0
    }

    /// Returns an upper bound of the heap memory of a state of `n_elements` elements, in bytes, or
    /// `None` if it is unknown. `n_elements` is `None` while the number is unknown.
    fn most_heap(&self, n_elements: Option<usize>, dtype: DType) -> Option<usize> {
        let _ = dtype;
        Some(self.least_heap(n_elements.unwrap_or(usize::MAX)))
    }

    /// Returns an upper bound of the memory that a state of `n_elements` elements additionally
    /// takes while elements or another state are added to it, in bytes.
    fn most_spare(&self, n_elements: Option<usize>, dtype: DType) -> Option<usize> {
        let (_, _) = (n_elements, dtype);
        Some(0)
    }

    /// Returns the heap memory of a state, in bytes.
    fn heap(&self, state: &Self::State) -> usize {
        let _ = state;
        0
    }

    /// Returns the size of the result of one cell among many, in bytes.
    fn value_size(&self) -> usize;

    /// Returns a lower bound of the size of the states of `n_cells` cells of `n_elements` elements
    /// each.
    fn size_of_cells(&self, n_cells: Option<usize>, n_elements: usize) -> StateSize {
        let each = size_of::<Self::State>().saturating_add(self.least_heap(n_elements));
        StateSize::new(n_cells.map_or(u128::MAX, |n_cells| n_cells as u128), each)
    }

    /// Returns the state of no elements.
    fn empty(&self) -> Self::State;

    /// True if [`update`](Self::update) skips NaN if NaN is ignored. If false,
    /// [`IgnoringNan`](super::IgnoringNan) removes NaN from the elements first.
    const HANDLES_NAN: bool = false;

    /// Adds elements, all of which come after the elements of the state.
    fn update<A: Real>(&self, state: &mut Self::State, run: Run<'_, A>, nan: Nan);

    /// Brings a state into its final form after a block has been added.
    fn normalize(&self, state: &mut Self::State, nan: Nan) {
        let (_, _) = (state, nan);
    }

    /// Adds the state of elements of later blocks.
    fn merge(&self, state: &mut Self::State, next: Self::State, nan: Nan);

    /// Returns true if a loaded state is consistent with this configuration.
    fn is_valid(&self, state: &Self::State) -> bool {
        let _ = state;
        true
    }

    /// Returns the result of a cell.
    fn value(&self, state: Self::State) -> Result<Self::Value>;

    /// Returns the results of cells, given in C order, as arrays of this shape.
    fn values<D: Dimension + 'static>(
        &self,
        states: Vec<Self::State>,
        shape: D,
        along: Along,
    ) -> Result<Self::Values<D>>;

    /// Returns the error of an invalid configuration, or of data for which the statistic is
    /// undefined.
    fn problem(&self, problem: impl Into<String>) -> Error {
        Error::statistic(self.name(), problem)
    }
}

/// The heap memory of states as it grows.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    /// The bytes that the states have.
    bytes: usize,
    /// The bytes that were taken for them.
    taken: usize,
}

impl Heap {
    /// Starts with the bytes that were taken for the states.
    pub(crate) fn of(taken: usize) -> Heap {
        Heap { bytes: 0, taken }
    }

    /// Counts the growth of a state from `before` to `after` bytes, and takes the bytes that are
    /// missing.
    pub(crate) fn grow(
        &mut self,
        before: usize,
        after: usize,
        statistic: impl FnOnce() -> String,
    ) -> Result<()> {
        self.bytes = self.bytes.saturating_sub(before).saturating_add(after);
        if self.bytes > self.taken {
            memory::take(StateSize::growth(self.bytes - self.taken), statistic)?;
            self.taken = self.bytes;
        }
        Ok(())
    }

    /// Gives back the bytes that were taken and are not needed.
    pub(crate) fn give_back(self) {
        memory::give_back(StateSize::growth(self.taken.saturating_sub(self.bytes)));
    }
}

/// Merges two states, and takes the growth of the first one.
pub(crate) fn merge_counted<S: Cell>(
    summary: &S,
    state: &mut S::State,
    next: S::State,
    statistic: impl FnOnce() -> String,
) -> Result<()> {
    if !S::HAS_HEAP {
        summary.merge(state, next, Nan::Counts);
        return Ok(());
    }
    let before = summary.heap(state);
    summary.merge(state, next, Nan::Counts);
    let after = summary.heap(state);
    if after > before {
        memory::take(StateSize::growth(after - before), statistic)?;
    } else {
        memory::give_back(StateSize::growth(before - after));
    }
    Ok(())
}

/// The axes of the array that a cell covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// All but the first: the index within the row identifies an element of a cell.
    Row,
    /// The first: the row identifies an element of a cell.
    Column,
}

impl Along {
    /// Returns the index of an element within its cell.
    pub(crate) fn index(self, place: ElementIndex) -> u64 {
        match self {
            Along::Row => place.index,
            Along::Column => place.row,
        }
    }
}

/// Elements of a block that are contiguous in memory, with their positions in the array.
#[derive(Clone, Copy, Debug)]
pub struct Run<'b, A> {
    pub(crate) elements: &'b [A],
    /// The index of the first element, relative to the element at `place`.
    first: usize,
    place: ElementIndex,
    /// The number of elements of a row that the block contains.
    row_length: usize,
}

impl<'b, A: Real> Run<'b, A> {
    /// Returns all elements of a block as one run.
    pub(crate) fn of_block(at: BlockPosition, block: &'b ArrayBlock) -> Result<Run<'b, A>> {
        let elements = block.as_slice::<A>()?;
        let row_length = elements.len().checked_div(block.shape()[0]).unwrap_or(0);
        // The axes after axis 1 are whole, so the part of a row in a block is one run of the
        // array's row.
        let n_columns = block.shape().get(1).copied().unwrap_or(0);
        let index = at.column * row_length.checked_div(n_columns).unwrap_or(0);
        let place = ElementIndex { row: at.row as u64, index: index as u64 };
        Ok(Run { elements, first: 0, place, row_length: row_length.max(1) })
    }

    /// Returns the elements of this run from index `first` on, which may have been copied.
    pub(crate) fn piece<'c>(self, first: usize, elements: &'c [A]) -> Run<'c, A> {
        let Run { place, row_length, .. } = self;
        Run { elements, first: self.first + first, place, row_length }
    }

    /// Returns the elements of one row of the block.
    pub(crate) fn row(self, row: usize) -> Run<'b, A> {
        let first = row * self.row_length;
        Run { elements: &self.elements[first..first + self.row_length], first, ..self }
    }

    /// Returns elements of column `column` of the block, from `row` on, which were copied into
    /// `elements`.
    pub(crate) fn column<'c>(self, row: usize, column: usize, elements: &'c [A]) -> Run<'c, A> {
        let ElementIndex { row: first_row, index } = self.place;
        let place = ElementIndex { row: first_row + row as u64, index: index + column as u64 };
        Run { elements, first: 0, place, row_length: 1 }
    }

    pub(crate) fn place(&self, i: usize) -> ElementIndex {
        let (row, index) = ((self.first + i) / self.row_length, (self.first + i) % self.row_length);
        ElementIndex { row: self.place.row + row as u64, index: self.place.index + index as u64 }
    }
}

/// Returns the results of all cells, after a check that memory can hold them.
pub(crate) fn values_of_cells<S: Cell, D: Dimension + 'static>(
    summary: &S,
    states: Vec<S::State>,
    shape: D,
    along: Along,
    statistic: impl Fn() -> String,
) -> Result<S::Values<D>> {
    let size = StateSize::new(states.len() as u128, summary.value_size());
    memory::check_result(size, &statistic)?;
    // Without cells, the shape may still exceed the maximum size of an array.
    if size_in_bytes(summary.value_size().max(1), shape.slice()).is_none() {
        let problem =
            format!("the result of shape {:?} exceeds the maximum size of an array", shape.slice());
        return Err(Error::statistic(statistic(), problem));
    }
    summary.values(states, shape, along).map_err(|error| error.of_statistic(statistic()))
}

/// Arranges one result for each cell in an array.
pub(crate) fn arrange<T, D: Dimension + 'static>(shape: D, values: Vec<T>) -> Array<T, D> {
    Array::from_shape_vec(shape, values).expect("there is one value for each cell")
}

/// Arranges `n_each` results for each cell in an array, along an additional last axis.
pub(crate) fn arrange_many<T, D: Dimension + 'static>(
    shape: &D,
    n_each: usize,
    values: Vec<T>,
) -> Array<T, D::Larger> {
    let shape = [shape.slice(), &[n_each]].concat();
    arrange(IxDyn(&shape), values)
        .into_dimensionality()
        .expect("the larger dimension has one more axis")
}

//! What is accumulated of the elements that are reduced to one value, wherever in the array they lie.

use ndarray::{Array, Dimension, IxDyn};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Real;
use super::order::Place;
use crate::memory::{self, n_elements};
use crate::reduce::short_name;
use crate::{ArrayBlock, BlockPosition, Error, Result, StateSize};

/// A statistic of the elements of one cell of its result: of the whole array, of a row, or of a column.
///
/// Elements come in the order of their places within a state; states are merged in the order of blocks.
pub trait Cell: Sync {
    /// What has been accumulated.
    type State: Clone + Send + Serialize + DeserializeOwned;
    /// The result of one cell.
    type Value;
    /// The results of many cells, as arrays of a dimension.
    type Values<D: Dimension>;
    /// Whether states have memory beside that of their type, which may grow.
    const HAS_HEAP: bool = false;

    /// What it is called in messages, with all that it is configured by: `the 10 largest`.
    fn name(&self) -> String;

    /// Checks the configuration, against the number of elements of a cell where that is known.
    fn check(&self, n_elements: Option<usize>) -> Result<()> {
        let _ = n_elements;
        Ok(())
    }

    /// The memory beside that of its type that the state of so many elements has at least.
    fn least_heap(&self, n_elements: usize) -> usize {
        let _ = n_elements;
        0
    }

    /// The memory that a state has beside that of its type.
    fn heap(&self, state: &Self::State) -> usize {
        let _ = state;
        0
    }

    /// The bytes of the result of one cell among many.
    fn value_size(&self) -> usize;

    /// The least size of the states of so many cells, of so many elements each.
    fn size_of_cells(&self, n_cells: Option<usize>, n_elements: usize) -> StateSize {
        let each = size_of::<Self::State>().saturating_add(self.least_heap(n_elements));
        StateSize::new(n_cells.map_or(u128::MAX, |n_cells| n_cells as u128), each)
    }

    /// The state of no element at all.
    fn empty(&self) -> Self::State;

    /// Adds elements, all of which come behind those that the state has.
    fn push<A: Real>(&self, state: &mut Self::State, run: Run<'_, A>);

    /// As [`push`](Self::push), leaving out NaN.
    fn push_numbers<A: Real>(&self, state: &mut Self::State, run: Run<'_, A>) {
        /// Elements that are copied together: few enough for the stack.
        const PIECE: usize = 256;
        for (i, piece) in run.elements.chunks(PIECE).enumerate() {
            let run = Run { elements: piece, first: i * PIECE + run.first, ..run };
            if !piece.iter().fold(false, |any, x| any | x.is_nan()) {
                self.push(state, run);
                continue;
            }
            let mut numbers = [A::default(); PIECE];
            let mut n_numbers = 0;
            for element in piece.iter().filter(|x| !x.is_nan()) {
                numbers[n_numbers] = *element;
                n_numbers += 1;
            }
            self.push(state, Run { elements: &numbers[..n_numbers], ..run });
        }
    }

    /// Brings a state into the form in which it is kept, when a block has been added.
    fn settle(&self, state: &mut Self::State) {
        let _ = state;
    }

    /// As [`settle`](Self::settle), of states that are to leave out NaN.
    fn settle_numbers(&self, state: &mut Self::State) {
        self.settle(state);
    }

    /// Adds the state of elements of later blocks.
    fn merge(&self, state: &mut Self::State, next: Self::State);

    /// As [`merge`](Self::merge), of states that are to leave out NaN.
    fn merge_numbers(&self, state: &mut Self::State, next: Self::State) {
        self.merge(state, next);
    }

    /// Whether a state that was loaded is whole, and of this configuration.
    fn is_state(&self, state: &Self::State) -> bool {
        let _ = state;
        true
    }

    /// The result of a cell.
    fn value(&self, state: Self::State) -> Result<Self::Value>;

    /// The results of cells in C order, in an array of this shape.
    fn values<D: Dimension>(
        &self,
        states: Vec<Self::State>,
        shape: D,
        along: Along,
    ) -> Result<Self::Values<D>>;

    /// The error of a configuration or of data that have no such value.
    fn problem(&self, problem: impl Into<String>) -> Error {
        Error::Statistic { statistic: short_name(self.name()), problem: problem.into() }
    }
}

/// The memory of states beside that of their types, as it grows.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    /// What they have.
    bytes: usize,
    /// What was taken for them.
    taken: usize,
}

impl Heap {
    /// Of states for which so much was taken.
    pub(crate) fn of(taken: usize) -> Heap {
        Heap { bytes: 0, taken }
    }

    /// Counts that of a state which had less before, and takes what is missing.
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

    /// Gives back what was taken and is not needed.
    pub(crate) fn settle(self) {
        memory::give_back(StateSize::growth(self.taken.saturating_sub(self.bytes)));
    }
}

/// Merges two states, and takes by how much the first one grows.
pub(crate) fn merge_counted<S: Cell>(
    summary: &S,
    state: &mut S::State,
    next: S::State,
    statistic: impl FnOnce() -> String,
) -> Result<()> {
    if !S::HAS_HEAP {
        summary.merge(state, next);
        return Ok(());
    }
    let before = summary.heap(state);
    summary.merge(state, next);
    let after = summary.heap(state);
    if after > before {
        memory::take(StateSize::growth(after - before), statistic)?;
    } else {
        memory::give_back(StateSize::growth(before - after));
    }
    Ok(())
}

/// Which of the array's axes a cell has all of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// All but the first: an element of a cell is told by its index within the row.
    Row,
    /// The first: it is told by its row.
    Column,
}

impl Along {
    /// The index within its cell of an element.
    pub(crate) fn index(self, place: Place) -> u64 {
        match self {
            Along::Row => place.index,
            Along::Column => place.row,
        }
    }
}

/// Elements of a block that follow each other in memory, and where in the array they lie.
#[derive(Clone, Copy, Debug)]
pub struct Run<'b, A> {
    pub(crate) elements: &'b [A],
    /// The first of them, counted from the element at `place`.
    first: usize,
    place: Place,
    /// The elements of a row that the block has.
    row_length: usize,
}

impl<'b, A: Real> Run<'b, A> {
    /// All elements of a block.
    pub(crate) fn of_block(at: BlockPosition, block: &'b ArrayBlock) -> Result<Run<'b, A>> {
        let elements = block.as_slice::<A>()?;
        let row_length = elements.len().checked_div(block.shape()[0]).unwrap_or(0);
        // The axes behind axis 1 are whole, so what a block has of a row is one run of the array's row.
        let n_columns = block.shape().get(1).copied().unwrap_or(0);
        let index = at.column * row_length.checked_div(n_columns).unwrap_or(0);
        let place = Place { row: at.row as u64, index: index as u64 };
        Ok(Run { elements, first: 0, place, row_length: row_length.max(1) })
    }

    /// What it has of a row of its block.
    pub(crate) fn row(self, row: usize) -> Run<'b, A> {
        let first = row * self.row_length;
        Run { elements: &self.elements[first..first + self.row_length], first, ..self }
    }

    /// Elements of column `column` of its block, from `row` on, which were copied together.
    pub(crate) fn column<'c>(self, row: usize, column: usize, elements: &'c [A]) -> Run<'c, A> {
        let Place { row: first_row, index } = self.place;
        let place = Place { row: first_row + row as u64, index: index + column as u64 };
        Run { elements, first: 0, place, row_length: 1 }
    }

    pub(crate) fn place(&self, i: usize) -> Place {
        let (row, index) = ((self.first + i) / self.row_length, (self.first + i) % self.row_length);
        Place { row: self.place.row + row as u64, index: self.place.index + index as u64 }
    }
}

/// The results of all cells, in arrays that memory can hold.
pub(crate) fn values_of_cells<S: Cell, D: Dimension>(
    summary: &S,
    states: Vec<S::State>,
    shape: D,
    along: Along,
    statistic: impl Fn() -> String,
) -> Result<S::Values<D>> {
    let size = StateSize::new(states.len() as u128, summary.value_size());
    memory::check_result(size, &statistic)?;
    // Of no cells, the shape may still be larger than that of any array.
    let is_array = n_elements_but_0(shape.slice()).is_some_and(|n_cells| {
        n_cells.checked_mul(summary.value_size().max(1)).is_some_and(|n| isize::try_from(n).is_ok())
    });
    if !is_array {
        return Err(Error::Statistic {
            statistic: short_name(statistic()),
            problem: format!(
                "a result of shape {:?} is larger than an array can be",
                shape.slice()
            ),
        });
    }
    summary.values(states, shape, along).map_err(|error| error.of_statistic(statistic()))
}

/// As ndarray counts, where sizes of 0 do not make a shape small.
fn n_elements_but_0(shape: &[usize]) -> Option<usize> {
    let sizes: Vec<usize> = shape.iter().copied().filter(|size| *size > 0).collect();
    n_elements(&sizes)
}

/// One result for each cell.
pub(crate) fn arrange<T, D: Dimension>(shape: D, values: Vec<T>) -> Array<T, D> {
    Array::from_shape_vec(shape, values).expect("there is one value for each cell")
}

/// So many results for each cell, along one more axis, the last.
pub(crate) fn arrange_many<T, D: Dimension>(
    shape: &D,
    n_each: usize,
    values: Vec<T>,
) -> Array<T, D::Larger> {
    let shape = [shape.slice(), &[n_each]].concat();
    arrange(IxDyn(&shape), values)
        .into_dimensionality()
        .expect("the larger dimension has one more axis")
}

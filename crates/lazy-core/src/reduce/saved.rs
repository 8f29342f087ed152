//! States of statistics that are sent between processes.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::pieces::Making;
use super::statistic::Statistic;
use super::statistic_run::{Contribution, StatisticMap, StatisticRun};
use super::{BlockMap, Reducer, Run};
use crate::error::{Case, short_name};
use crate::{ArrayBlock, BlockPosition, Result, SequenceSpec};

/// A [`Statistic`] whose states can be stored, sent to another process and merged there.
///
/// All statistics of this crate implement it. Implement it for your own statistic if several
/// processes compute its parts.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArrayBlock, BlockPosition, Result, SaveState, Statistic};
///
/// struct CountNonZero;
///
/// impl Statistic for CountNonZero {
///     type State = u64;
///     type Output = u64;
/// #   fn empty(&self) -> u64 { 0 }
/// #   fn update(&self, state: &mut u64, _: BlockPosition, block: &ArrayBlock) -> Result<()> {
/// #       block.for_each_f64(|value| *state += u64::from(value != 0.0))
/// #   }
/// #   fn merge(&self, state: &mut u64, next: u64) -> Result<()> { *state += next; Ok(()) }
/// #   fn finish(&self, state: u64) -> Result<u64> { Ok(state) }
///     // …
/// }
///
/// impl SaveState for CountNonZero {}
///
/// let states = [3, 4].map(|n| CountNonZero.save(n));
/// assert_eq!(CountNonZero.finish_saved(states)?, 7);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub trait SaveState: Statistic<State: Serialize + DeserializeOwned> {
    /// Returns true if a [loaded](SavedState) state is consistent and can be merged and finished:
    /// all its parts have the lengths that a state of this statistic has.
    fn is_valid(&self, state: &Self::State) -> bool {
        let _ = state;
        true
    }

    /// Returns the state in a form that can be stored or sent.
    fn save(&self, state: Self::State) -> SavedState<Self::State> {
        SavedState { version: STATE_VERSION, statistic: self.name(), state }
    }

    /// Returns the result for all blocks from the states of several parts, given in the order of
    /// the parts.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Statistic`](crate::ErrorKind::Statistic) if the configuration of the
    ///   statistic is invalid.
    /// - [`ErrorKind::SavedState`](crate::ErrorKind::SavedState) if a state was saved by another
    ///   version of this library or by another statistic, or is corrupt.
    /// - Any error of the statistic, if the states do not belong together or the result is
    ///   undefined for the blocks.
    fn finish_saved(
        &self,
        states: impl IntoIterator<Item = SavedState<Self::State>>,
    ) -> Result<Self::Output>
    where
        Self: Sized,
    {
        self.finish(merged(self, states)?)
    }

    /// Returns one saved state for all blocks from the states of several parts, given in the order
    /// of the parts. It takes the place of their states in later merges, so the state of everything
    /// so far is enough to add another part.
    ///
    /// # Errors
    ///
    /// The errors of [`finish_saved`](Self::finish_saved), except those of an undefined result.
    ///
    /// # Example
    ///
    /// Every day, the state of all days so far takes in the state of the day:
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter, SaveState, StateOf};
    /// use ndarray::array;
    ///
    /// let mut so_far = None;
    /// for day in 1..=3_i64 {
    ///     let blocks = LazyChunkSequence::new(move || [array![day]]).convert(NdarrayConverter);
    ///     let today = blocks.compute(StateOf::new(MeanVariance))?;
    ///     so_far = Some(MeanVariance.merge_saved(so_far.into_iter().chain([today]))?);
    /// }
    /// let moments = MeanVariance.finish_saved(so_far)?;
    /// assert_eq!((moments.count, moments.mean), (3, 2.0));
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    fn merge_saved(
        &self,
        states: impl IntoIterator<Item = SavedState<Self::State>>,
    ) -> Result<SavedState<Self::State>>
    where
        Self: Sized,
    {
        Ok(self.save(merged(self, states)?))
    }
}

/// Merges the states of several parts, given in their order.
fn merged<S: SaveState>(
    statistic: &S,
    states: impl IntoIterator<Item = SavedState<S::State>>,
) -> Result<S::State> {
    statistic.check(None, None)?;
    let mut all = statistic.empty();
    for saved in states {
        statistic.merge(&mut all, saved.restore(statistic)?)?;
    }
    Ok(all)
}

/// A reference to a statistic saves its states as the statistic does.
impl<S: SaveState> SaveState for &S {
    fn is_valid(&self, state: &S::State) -> bool {
        (**self).is_valid(state)
    }
}

/// A shared statistic saves its states as the statistic does.
impl<S: SaveState> SaveState for Arc<S> {
    fn is_valid(&self, state: &S::State) -> bool {
        (**self).is_valid(state)
    }
}

/// The version of the format of states. Increase it when the state of any statistic changes.
const STATE_VERSION: u32 = 3;

/// A state of a [`Statistic`], with the name of the statistic and the version of the format.
///
/// Store it in any format of serde that supports NaN, infinities and 128-bit integers. JSON does
/// not support NaN and infinities.
///
/// # Example
///
/// Two processes compute a part of the blocks each, and a third process merges their states:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{
///     LazyChunkSequence, MeanVariance, NdarrayConverter, SaveState, SavedState, StateOf,
///     Statistic, TopK,
/// };
/// use ndarray::Array1;
///
/// let part = |blocks: std::ops::Range<usize>| {
///     let sequence =
///         LazyChunkSequence::new(move || blocks.clone().map(|i| Array1::from_elem(10, i as f64)));
///     let state = sequence.convert(NdarrayConverter).compute(StateOf::new(MeanVariance))?;
///     Ok::<_, lazy_chunks::Error>(serde_json::to_string(&state).expect("its floats are finite"))
/// };
/// let files = [part(0..3)?, part(3..8)?];
///
/// let states = files.iter().map(|file| serde_json::from_str(file).expect("it was just written"));
/// let moments = MeanVariance.finish_saved(states)?;
/// assert_eq!((moments.count, moments.mean), (80, 3.5));
///
/// // Another statistic rejects them.
/// let error = TopK::new(3).finish_saved([TopK::new(2).save(TopK::new(2).empty())]).unwrap_err();
/// assert_eq!(error.to_string(), "cannot load a state of `the 2 largest` into `the 3 largest`");
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedState<T> {
    version: u32,
    statistic: String,
    state: T,
}

impl<T> SavedState<T> {
    /// Returns the state, if `statistic` is the one that saved it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::SavedState`](crate::ErrorKind::SavedState) if the version or the statistic
    /// differs, or the state is corrupt.
    pub fn restore<S: SaveState<State = T>>(self, statistic: &S) -> Result<T> {
        if self.version != STATE_VERSION {
            return Err(Case::StateVersion { expected: STATE_VERSION, actual: self.version }.into());
        }
        let expected = statistic.name();
        if self.statistic != expected {
            return Err(Case::StateMismatch {
                expected: short_name(expected),
                actual: short_name(self.statistic),
            }
            .into());
        }
        if !statistic.is_valid(&self.state) {
            return Err(Case::StateDamaged { statistic: short_name(expected) }.into());
        }
        Ok(self.state)
    }
}

/// Computes the state of a statistic for a part of an array, instead of the result. Merge the
/// states with [`SaveState::finish_saved`], for example those of [several processes](SavedState),
/// or with [`SaveState::merge_saved`] if more parts will follow.
///
/// # Example
///
/// Later blocks are added to an earlier state:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, SaveState, StateOf, Sum};
/// use ndarray::array;
///
/// let yesterday = LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter);
/// let today = LazyChunkSequence::new(|| [array![3], array![4]]).convert(NdarrayConverter);
/// let states = [yesterday.compute(StateOf::new(Sum))?, today.compute(StateOf::new(Sum))?];
/// assert_eq!(Sum.finish_saved(states)?, 10.0);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StateOf<S> {
    statistic: S,
    first_row: usize,
}

impl<S: SaveState> StateOf<S> {
    /// Computes the state of the first part of an array, or of any part if the statistic ignores
    /// positions.
    pub fn new(statistic: S) -> StateOf<S> {
        StateOf { statistic, first_row: 0 }
    }

    /// Sets the index of the part's first row in the array.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{LazyChunkSequence, Max, NdarrayConverter, SaveState, StateOf, Summary};
    /// use ndarray::Array2;
    ///
    /// let part = |row: [i32; 2]| {
    ///     LazyChunkSequence::new(move || [Array2::from(vec![row])]).convert(NdarrayConverter)
    /// };
    /// let largest = Max.per_row();
    /// let states = [
    ///     part([1, 5]).compute(StateOf::new(largest))?,
    ///     part([7, 2]).compute(StateOf::new(largest).from_row(1))?,
    /// ];
    /// assert_eq!(largest.finish_saved(states)?.to_vec(), [5.0, 7.0]);
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    #[must_use]
    pub fn from_row(self, first_row: usize) -> StateOf<S> {
        StateOf { first_row, ..self }
    }
}

impl<S: SaveState> Reducer for StateOf<S> {
    type Map = StateMap<S>;
    type Run = StateRun<S>;
    type Output = SavedState<S::State>;

    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        self.statistic.memory_bound(spec)
    }

    fn start(self, spec: &SequenceSpec) -> Result<(StateMap<S>, StateRun<S>)> {
        let (map, run) = self.statistic.start(spec)?;
        Ok((StateMap { map, first_row: self.first_row }, StateRun(run)))
    }
}

/// Computes the contribution of a block of a part.
#[derive(Debug)]
pub struct StateMap<S> {
    map: StatisticMap<S>,
    first_row: usize,
}

impl<S: SaveState> BlockMap for StateMap<S> {
    type Partial = Contribution<S::State>;

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Contribution<S::State>> {
        self.map.partial(self.in_array(at, block)?, block)
    }

    fn in_pieces<'b>(
        &'b self,
        at: BlockPosition,
        block: &'b ArrayBlock,
    ) -> Result<Making<'b, Contribution<S::State>>> {
        self.map.in_pieces(self.in_array(at, block)?, block)
    }
}

impl<S> StateMap<S> {
    /// Returns the position of a block of the part in the array.
    fn in_array(&self, at: BlockPosition, block: &ArrayBlock) -> Result<BlockPosition> {
        let row = self.first_row.checked_add(at.row);
        // The index of the last row must not overflow either.
        match row.filter(|row| row.checked_add(block.shape()[0]).is_some()) {
            Some(row) => Ok(BlockPosition { row, ..at }),
            None => Err(Case::IndexOverflow { at: at.index, axis: 0 }.into()),
        }
    }
}

/// The accumulated state of a part.
#[derive(Debug)]
pub struct StateRun<S: Statistic>(StatisticRun<S>);

impl<S: SaveState> Run for StateRun<S> {
    type Partial = Contribution<S::State>;
    type Output = SavedState<S::State>;

    fn merge(&mut self, at: BlockPosition, partial: Contribution<S::State>) -> Result<()> {
        self.0.merge(at, partial)
    }

    fn prepare(&mut self) -> Result<()> {
        self.0.end()
    }

    fn commit(self) -> Result<SavedState<S::State>> {
        let (statistic, state) = self.0.into_state();
        Ok(statistic.save(state))
    }
}

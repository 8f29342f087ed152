//! States of statistics that travel between processes.

use serde::{Deserialize, Serialize};

use super::Reducer;
use super::statistic::{Reduction, Statistic, short_name};
use crate::{ArrayBlock, BlockPosition, Declared, Error, Result};

/// How states are laid out. A change to the state of any statistic makes it another.
pub(crate) const STATE_VERSION: u32 = 2;

/// A state of a [`Statistic`], which knows whose it is.
///
/// It is stored in any format of serde's that has NaN, infinities and integers of 128 bits: JSON has not the
/// first two.
///
/// # Example
///
/// Two processes have a part of the blocks each, and a third one merges what they found:
///
/// ```
/// use lazy_core::{
///     LazyChunkSequence, MeanVariance, NdarrayConverter, SavedState, StateOf, Statistic, TopK,
/// };
/// use ndarray::Array1;
///
/// let part = |blocks: std::ops::Range<usize>| {
///     let sequence =
///         LazyChunkSequence::new(move || blocks.clone().map(|i| Array1::from_elem(10, i as f64)));
///     let state = sequence.convert(NdarrayConverter).compute(StateOf::new(MeanVariance))?;
///     Ok::<_, lazy_core::Error>(serde_json::to_string(&state).expect("its floats are finite"))
/// };
/// let files = [part(0..3)?, part(3..8)?];
///
/// let states = files.iter().map(|file| serde_json::from_str(file).expect("it was just written"));
/// let moments = MeanVariance.finish_saved(states)?;
/// assert_eq!((moments.count, moments.mean), (80, 3.5));
///
/// // Nobody else takes them.
/// let error = TopK::new(3).finish_saved([TopK::new(2).save(TopK::new(2).empty())]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "cannot load a state of `the 2 largest` into `the 3 largest`"
/// );
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SavedState<T> {
    pub(super) version: u32,
    pub(super) statistic: String,
    pub(super) state: T,
}

impl<T> SavedState<T> {
    /// The state, for the statistic that it is one of.
    ///
    /// # Errors
    ///
    /// [`Error::StateVersion`], [`Error::StateMismatch`] and [`Error::StateDamaged`].
    pub fn restore<S: Statistic<State = T>>(self, statistic: &S) -> Result<T> {
        if self.version != STATE_VERSION {
            return Err(Error::StateVersion { expected: STATE_VERSION, actual: self.version });
        }
        let expected = statistic.name();
        if self.statistic != expected {
            return Err(Error::StateMismatch {
                expected: short_name(expected),
                actual: short_name(self.statistic),
            });
        }
        if !statistic.is_state(&self.state) {
            return Err(Error::StateDamaged { statistic: short_name(expected) });
        }
        Ok(self.state)
    }
}

/// The state of a statistic in place of its result: of a part, which is to be
/// [merged](Statistic::finish_saved) with others, as [those of several processes](SavedState) are.
///
/// # Example
///
/// What comes later is added to what there was:
///
/// ```
/// use lazy_core::{LazyChunkSequence, NdarrayConverter, StateOf, Statistic, Sum};
/// use ndarray::array;
///
/// let yesterday = LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter);
/// let today = LazyChunkSequence::new(|| [array![3], array![4]]).convert(NdarrayConverter);
/// let states = [yesterday.compute(StateOf::new(Sum))?, today.compute(StateOf::new(Sum))?];
/// assert_eq!(Sum.finish_saved(states)?, 10.0);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StateOf<S> {
    statistic: S,
    first_row: usize,
}

impl<S: Statistic> StateOf<S> {
    /// The state of the array's first part, or of one whose place makes no difference to the statistic.
    pub fn new(statistic: S) -> StateOf<S> {
        StateOf { statistic, first_row: 0 }
    }

    /// The state of a part whose first row is this one of the array's.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{LazyChunkSequence, Max, NdarrayConverter, StateOf, Statistic, Summary};
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
    /// # Ok::<(), lazy_core::Error>(())
    /// ```
    #[must_use]
    pub fn from_row(self, first_row: usize) -> StateOf<S> {
        StateOf { first_row, ..self }
    }
}

impl<S: Statistic> Reducer for StateOf<S> {
    type Partial = <S as Reducer>::Partial;
    type State = Reduction<S::State, S::Output>;
    type Output = SavedState<S::State>;

    fn start(&self, declared: &Declared) -> Result<Self::State> {
        self.statistic.start(declared)
    }

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Self::Partial> {
        let row = self.first_row.checked_add(at.row);
        // The last row has an index, too.
        match row.filter(|row| row.checked_add(block.shape()[0]).is_some()) {
            Some(row) => self.statistic.partial(BlockPosition { row, ..at }, block),
            None => Err(Error::IndexOverflow { at: at.location, axis: 0 }),
        }
    }

    fn absorb(
        &self,
        state: &mut Self::State,
        at: BlockPosition,
        next: Self::Partial,
    ) -> Result<()> {
        self.statistic.absorb(state, at, next)
    }

    fn seal(&self, state: &mut Self::State) -> Result<()> {
        state.end()
    }

    fn finish(&self, state: Self::State) -> Result<SavedState<S::State>> {
        Ok(self.statistic.save(state.into_accumulated()))
    }
}

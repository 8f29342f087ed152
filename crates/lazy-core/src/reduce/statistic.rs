//! Statistics: reducers whose states merge.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Reducer;
use super::state::{STATE_VERSION, SavedState};
use crate::memory::{Claim, fits, measured};
use crate::{
    ArrayBlock, BlockCheck, BlockPosition, BlockSizes, Cut, DType, Declared, Error, Location,
    Result, StateSize,
};

/// A summary of an array whose states merge, so that it can be computed piece by piece.
///
/// Every statistic is a [`Reducer`]: each block makes a state of its own, and the states are merged
/// in the blocks' order. So the result has the same bits whichever thread made the states.
///
/// A reference to a statistic is one as well, so that it can be computed more than once. Where a computation is
/// spread over processes, each has a [state of its part](crate::StateOf), and one merges them.
/// To call the methods here by hand, import this trait and not [`Reducer`], which has a `finish` too.
///
/// # Example
///
/// ```
/// use lazy_core::{
///     ArrayBlock, BlockPosition, LazyChunkSequence, NdarrayConverter, Result, Statistic,
/// };
/// use ndarray::array;
///
/// /// How many elements are not zero.
/// struct NonZero;
///
/// impl Statistic for NonZero {
///     type State = u64;
///     type Output = u64;
///
///     fn empty(&self) -> u64 {
///         0
///     }
///
///     fn push(&self, state: &mut u64, _: BlockPosition, block: &ArrayBlock) -> Result<()> {
///         block.for_each_f64(|value| *state += u64::from(value != 0.0))
///     }
///
///     fn merge(&self, state: &mut u64, next: u64) -> Result<()> {
///         *state += next;
///         Ok(())
///     }
///
///     fn finish(&self, state: u64) -> Result<u64> {
///         Ok(state)
///     }
/// }
///
/// let sequence = LazyChunkSequence::new(|| [array![[0.0, 1.0]], array![[2.0, 0.0]]]);
/// assert_eq!(sequence.convert(NdarrayConverter).compute(NonZero)?, 2);
/// # Ok::<(), lazy_core::Error>(())
/// ```
pub trait Statistic: Sync {
    /// What has been accumulated. Floats in it may be NaN or infinite, so it is to be serialized in
    /// a format that has them.
    type State: Send + Serialize + DeserializeOwned;
    /// The result.
    type Output;

    /// What it is called in messages, with all that it is configured by: `the 10 largest of each row`. States of
    /// statistics with different names are not merged.
    fn name(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// Whether a block must have whole rows, so that there is none of a nested sequence.
    fn needs_whole_rows(&self) -> bool {
        false
    }

    /// Checks, before anything is computed where that is possible, that the statistic is configured
    /// in a way that makes sense and can take the dtype and the shape of a row.
    ///
    /// Called before the first block with what is declared: `dtype` and `row_shape` are none where
    /// nothing is. Called again before [`push`](Self::push) with each block's dtype, and its row shape
    /// in a sequence cut along axis 0; a block of a nested sequence holds no whole row, and `row_shape`
    /// is none.
    ///
    /// # Errors
    ///
    /// [`Error::Statistic`] or
    /// [`Error::UnsupportedDType`].
    fn check(&self, dtype: Option<DType>, row_shape: Option<&[usize]>) -> Result<()> {
        let (_, _) = (dtype, row_shape);
        Ok(())
    }

    /// Returns the size of the states of so many rows of this shape, or less where that is unknown. `row_shape` is
    /// none as long as the shape is.
    ///
    /// So a pass can be refused before its first block if the states of its statistics would take more memory than
    /// [there may be](crate::LazyChunkSequence::with_memory_limit). By default it is the size of the type.
    fn state_size(&self, n_rows: usize, row_shape: Option<&[usize]>) -> StateSize {
        let (_, _) = (n_rows, row_shape);
        StateSize::new(1, size_of::<Self::State>())
    }

    /// The state of no block at all.
    fn empty(&self) -> Self::State;

    /// The state to which those of all blocks are added. Where the shape of a row is declared, an array
    /// without a block has its columns.
    ///
    /// # Errors
    ///
    /// [`Error::StatisticMemory`] when memory cannot hold the state.
    fn begin(&self, row_shape: Option<&[usize]>) -> Result<Self::State> {
        let _ = row_shape;
        Ok(self.empty())
    }

    /// Adds a block to a state. [`check`](Self::check) has accepted it.
    ///
    /// # Errors
    ///
    /// When the block cannot be taken.
    fn push(&self, state: &mut Self::State, at: BlockPosition, block: &ArrayBlock) -> Result<()>;

    /// Adds the state of the blocks that follow those of `state`.
    ///
    /// # Errors
    ///
    /// When the states do not belong together.
    fn merge(&self, state: &mut Self::State, next: Self::State) -> Result<()>;

    /// Whether a state that was [loaded](SavedState) is whole, so that it can be merged and finished: that all its
    /// parts are as many as those of a state of this statistic.
    fn is_state(&self, state: &Self::State) -> bool {
        let _ = state;
        true
    }

    /// The result for all blocks.
    ///
    /// # Errors
    ///
    /// When the blocks have no such result.
    fn finish(&self, state: Self::State) -> Result<Self::Output>;

    /// A state that can be stored or sent.
    fn save(&self, state: Self::State) -> SavedState<Self::State> {
        SavedState { version: STATE_VERSION, statistic: self.name(), state }
    }

    /// The result for all blocks of several parts, whose states are given in the order of the parts.
    ///
    /// # Errors
    ///
    /// - [`Error::Statistic`] when the statistic is configured in a way that makes no sense.
    /// - [`Error::StateVersion`], [`Error::StateMismatch`] and [`Error::StateDamaged`] when a state was saved by
    ///   another version of this library, by another statistic than this one, or is not what was saved.
    /// - When the states do not belong together, or the blocks have no such result.
    fn finish_saved(
        &self,
        states: impl IntoIterator<Item = SavedState<Self::State>>,
    ) -> Result<Self::Output>
    where
        Self: Sized,
    {
        self.check(None, None)?;
        let mut all = self.empty();
        for saved in states {
            self.merge(&mut all, saved.restore(self)?)?;
        }
        self.finish(all)
    }
}

/// The state of a [`Statistic`] as a [`Reducer`].
#[derive(Debug)]
pub struct Reduction<S, O> {
    /// The blocks may come from another reducer, which has made others of those that were declared.
    check: BlockCheck<'static>,
    /// The memory of what has been accumulated, and of blocks in flight.
    claim: Claim,
    /// The size of what has been accumulated.
    size: StateSize,
    in_flight: InFlight,
    /// What has been accumulated; taken when the reduction is sealed.
    state: Option<S>,
    /// The result, once the reduction is sealed.
    output: Option<O>,
}

/// What a block contributes to a [`Statistic`].
#[derive(Debug)]
pub struct Contribution<S> {
    state: S,
    size: StateSize,
    dtype: DType,
    shape: Box<[usize]>,
}

impl<S, O> Reduction<S, O> {
    /// Checks that there was a last block.
    pub(super) fn end(&mut self) -> Result<()> {
        self.check.end()
    }

    /// The result, once it is sealed.
    pub fn output(&self) -> Option<&O> {
        self.output.as_ref()
    }

    /// What has been accumulated, of one that is not sealed.
    pub(super) fn into_accumulated(self) -> S {
        self.state.expect("its state is taken when it is sealed")
    }
}

/// The contributions that may be alive at once.
#[derive(Debug)]
struct InFlight {
    cut: Cut,
    /// How many there may be.
    most: usize,
    /// The blocks that are not absorbed, where their number is known.
    n_left: usize,
    /// The smallest sizes that blocks have along the cut axes.
    smallest: [usize; 2],
}

impl InFlight {
    fn new(declared: &Declared) -> InFlight {
        let most = declared.memory().n_in_flight();
        let Some(grid) = declared.grid() else {
            // Blocks that come one after the other are absorbed one after the other.
            return InFlight {
                cut: declared.cut(),
                most: most.min(1),
                n_left: usize::MAX,
                smallest: [0, 0],
            };
        };
        let smallest = |sizes: &BlockSizes| (0..sizes.n_blocks()).map(|i| sizes.size(i)).min();
        let n_rows = smallest(grid.rows()).unwrap_or(0);
        let n_columns = grid.columns().and_then(smallest).unwrap_or(0);
        InFlight {
            cut: declared.cut(),
            most,
            n_left: grid.n_blocks(),
            smallest: [n_rows, n_columns],
        }
    }

    /// The size of the contribution of the smallest block.
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

    /// What a pass will need at least: before the last blocks that are in flight together are absorbed, or when all are.
    fn foreseen<S: Statistic>(&self, statistic: &S, declared: &Declared) -> StateSize {
        let row_shape = declared.row_type().map(|row_type| row_type.shape.as_slice());
        let of_smallest = self.of_smallest(statistic, row_shape);
        let Some(grid) = declared.grid() else {
            let begun = statistic.state_size(0, row_shape);
            let has_blocks = declared.n_bands() != Some(0);
            return if has_blocks { begun.plus(of_smallest) } else { begun };
        };
        let n_last = self.most.min(self.n_left);
        let n_rows_before = match self.n_left - n_last {
            first if n_last > 0 => {
                let position = grid.position(first);
                let is_begun = first % grid.blocks_per_band() > 0;
                let band = first / grid.blocks_per_band();
                position.row + if is_begun { grid.rows().size(band) } else { 0 }
            }
            _ => grid.rows().total(),
        };
        let with_last =
            statistic.state_size(n_rows_before, row_shape).plus(of_smallest.times(n_last));
        with_last.max(statistic.state_size(grid.rows().total(), row_shape))
    }

    /// What the contributions that are alive when this one is absorbed need at least: those behind it as much as the
    /// smallest block, and as much more as this one has grown beyond what was foreseen.
    fn absorbed<S: Statistic>(
        &mut self,
        statistic: &S,
        contribution: &Contribution<S::State>,
    ) -> StateSize {
        let n_others = self.most.min(self.n_left).saturating_sub(1);
        self.n_left = self.n_left.saturating_sub(1);
        if n_others == 0 {
            return contribution.size;
        }
        let [n_rows, row_shape @ ..] = &*contribution.shape else { return contribution.size };
        let growth = contribution.size.minus(statistic.state_size(*n_rows, Some(row_shape)));
        let of_smallest = self.of_smallest(statistic, Some(row_shape));
        let other =
            StateSize { bytes: of_smallest.bytes.saturating_add(growth.bytes), ..of_smallest };
        contribution.size.plus(other.times(n_others))
    }
}

/// Returns the name of a statistic for a message: of one that is configured by many numbers, the beginning and the end.
pub(crate) fn short_name(name: String) -> String {
    const LONGEST: usize = 160;
    const END: usize = 60;
    let n_letters = name.chars().count();
    if n_letters <= LONGEST {
        return name;
    }
    let beginning: String = name.chars().take(LONGEST - END).collect();
    let end: String = name.chars().skip(n_letters - END).collect();
    format!("{beginning} … {end}")
}

/// A statistic is inert configuration, and may be used for several passes.
impl<S: Statistic> Statistic for &S {
    type State = S::State;
    type Output = S::Output;

    fn name(&self) -> String {
        (**self).name()
    }

    fn needs_whole_rows(&self) -> bool {
        (**self).needs_whole_rows()
    }

    fn check(&self, dtype: Option<DType>, row_shape: Option<&[usize]>) -> Result<()> {
        (**self).check(dtype, row_shape)
    }

    fn state_size(&self, n_rows: usize, row_shape: Option<&[usize]>) -> StateSize {
        (**self).state_size(n_rows, row_shape)
    }

    fn begin(&self, row_shape: Option<&[usize]>) -> Result<S::State> {
        (**self).begin(row_shape)
    }

    fn empty(&self) -> S::State {
        (**self).empty()
    }

    fn push(&self, state: &mut S::State, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        (**self).push(state, at, block)
    }

    fn merge(&self, state: &mut S::State, next: S::State) -> Result<()> {
        (**self).merge(state, next)
    }

    fn is_state(&self, state: &S::State) -> bool {
        (**self).is_state(state)
    }

    fn finish(&self, state: S::State) -> Result<S::Output> {
        Statistic::finish(*self, state)
    }
}

impl<S: Statistic> Reducer for S {
    type Partial = Contribution<S::State>;
    type State = Reduction<S::State, S::Output>;
    type Output = S::Output;

    fn start(&self, declared: &Declared) -> Result<Self::State> {
        if self.needs_whole_rows() && declared.cut() == Cut::RowsAndColumns {
            return Err(Error::Statistic {
                statistic: self.name(),
                problem: "it needs whole rows, which the blocks of a nested sequence do not have"
                    .to_owned(),
            });
        }
        let row_type = declared.row_type();
        let row_shape = row_type.map(|row_type| row_type.shape.as_slice());
        self.check(row_type.map(|row_type| row_type.dtype), row_shape)?;
        let check = BlockCheck::owned(declared.clone())?;
        let in_flight = InFlight::new(declared);
        let foreseen = in_flight.foreseen(self, declared);
        let mut claim = Claim::new(declared.memory());
        claim.raise(foreseen, || self.name())?;
        if !fits(foreseen.bytes) {
            let StateSize { states, bytes } = foreseen;
            let statistic = short_name(self.name());
            return Err(Error::StatisticMemory { statistic, states, bytes, taken: 0, limit: None });
        }
        let (state, size) = claim.grow(StateSize::default(), || self.begin(row_shape));
        Ok(Reduction { check, claim, size, in_flight, state: Some(state?), output: None })
    }

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Self::Partial> {
        // A block of a sequence cut along axis 0 holds whole rows.
        let row_shape = match at.location {
            Location::Block(_) => Some(&block.shape()[1..]),
            _ => None,
        };
        self.check(Some(block.dtype()), row_shape)?;
        let mut state = self.empty();
        let (pushed, size) = measured(|| self.push(&mut state, at, block));
        pushed?;
        Ok(Contribution { state, size, dtype: block.dtype(), shape: block.shape().into() })
    }

    fn absorb(
        &self,
        state: &mut Self::State,
        at: BlockPosition,
        partial: Self::Partial,
    ) -> Result<()> {
        state.check.block_at(at, partial.dtype, &partial.shape)?;
        let in_flight = state.in_flight.absorbed(self, &partial);
        state.claim.raise(state.size.plus(in_flight), || self.name())?;
        let accumulated = state.state.as_mut().expect("blocks come before the seal");
        let (merged, growth) =
            state.claim.grow(state.size, || self.merge(accumulated, partial.state));
        state.size = state.size.plus(growth);
        merged
    }

    fn seal(&self, state: &mut Self::State) -> Result<()> {
        state.end()?;
        let accumulated = state.state.take().expect("a reduction is sealed once");
        let (output, _) = state.claim.grow(state.size, || S::finish(self, accumulated));
        state.output = Some(output?);
        Ok(())
    }

    fn finish(&self, state: Self::State) -> Result<S::Output> {
        Ok(state.output.expect("a reduction is sealed before it is finished"))
    }
}

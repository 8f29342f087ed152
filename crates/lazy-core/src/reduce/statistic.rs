//! Statistics: reducers whose states merge.

use std::fmt;
use std::mem;
use std::sync::Arc;

use super::{BlockMap, Reducer, Run};
use crate::error::short_name;
use crate::memory::{Claim, fits, measured};
use crate::{
    ArrayBlock, BlockCheck, BlockIndex, BlockPosition, BlockSizes, Cut, DType, Error, Result,
    SequenceSpec, StateSize,
};

/// A summary of an array whose states can be merged, so that it can be computed piece by piece.
///
/// Every statistic is a [`Reducer`]: each block makes a state of its own, and the states are merged
/// in the order of the blocks. So the result has the same bits on any number of threads.
///
/// A reference to a statistic is a statistic, so one statistic can be computed several times. If a
/// computation is distributed over several processes, each process computes the [state of its
/// part](crate::StateOf), and one process merges them; this requires
/// [`SaveState`](crate::SaveState).
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{
///     ArrayBlock, BlockPosition, LazyChunkSequence, NdarrayConverter, Result, Statistic,
/// };
/// use ndarray::array;
///
/// /// The number of elements that are not zero.
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
///     fn update(&self, state: &mut u64, _: BlockPosition, block: &ArrayBlock) -> Result<()> {
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
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a statistic nor a reducer",
    note = "a tuple of up to eight reducers is a reducer, and tuples nest: `((a, b), c)`"
)]
pub trait Statistic: Send + Sync {
    /// The accumulated state.
    type State: Send;
    /// The type of the result.
    type Output;

    /// Returns the name in messages, with the complete configuration: `the 10 largest of each row`.
    /// States of statistics with different names are not merged.
    fn name(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }

    /// Returns true if the statistic needs whole rows, so that it rejects nested sequences. The
    /// default is `false`.
    fn needs_whole_rows(&self) -> bool {
        false
    }

    /// Checks that the configuration is valid and that the statistic supports the dtype and the
    /// shape of a row.
    ///
    /// It is called before the first block with the declared dtype and row shape, or `None` where
    /// they are not declared. It is called again before each [`update`](Self::update), with the
    /// dtype of the block, and in a sequence cut along axis 0 with its row shape. In a nested
    /// sequence, a block has no whole rows, so `row_shape` is `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Statistic`] or [`Error::UnsupportedDType`].
    fn check(&self, dtype: Option<DType>, row_shape: Option<&[usize]>) -> Result<()> {
        let (_, _) = (dtype, row_shape);
        Ok(())
    }

    /// Returns the size of the states of `n_rows` rows of this shape, or a lower bound of it.
    /// `row_shape` is `None` while the shape is unknown.
    ///
    /// With it, a pass fails before its first block if its statistics would exceed the [memory
    /// limit](crate::LazyChunkSequence::with_memory_limit). The default is the size of the type.
    fn state_size(&self, n_rows: usize, row_shape: Option<&[usize]>) -> StateSize {
        let (_, _) = (n_rows, row_shape);
        StateSize::new(1, size_of::<Self::State>())
    }

    /// Returns the state before any block is added.
    fn empty(&self) -> Self::State;

    /// Returns the initial state, to which the states of all blocks are added. If the shape of a
    /// row is declared, an array without blocks still has its columns.
    ///
    /// # Errors
    ///
    /// [`Error::StatisticMemory`] if there is not enough memory for the state.
    fn init(&self, row_shape: Option<&[usize]>) -> Result<Self::State> {
        let _ = row_shape;
        Ok(self.empty())
    }

    /// Adds a block to a state. [`check`](Self::check) has accepted the block.
    ///
    /// # Errors
    ///
    /// Any error, if the statistic cannot use the block.
    fn update(&self, state: &mut Self::State, at: BlockPosition, block: &ArrayBlock) -> Result<()>;

    /// Adds the state of the blocks that follow the blocks of `state`.
    ///
    /// # Errors
    ///
    /// Any error, if the states do not belong together.
    fn merge(&self, state: &mut Self::State, next: Self::State) -> Result<()>;

    /// Returns the result for all blocks.
    ///
    /// # Errors
    ///
    /// Any error, if the result is undefined for the blocks.
    fn finish(&self, state: Self::State) -> Result<Self::Output>;
}

/// Computes the contribution of a block to a [`Statistic`].
///
/// [`StatisticRun`] has an example.
#[derive(Debug)]
pub struct StatisticMap<S>(Arc<S>);

impl<S: Statistic> BlockMap for StatisticMap<S> {
    type Partial = Contribution<S::State>;

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Contribution<S::State>> {
        let StatisticMap(statistic) = self;
        // A block of a sequence cut along axis 0 has whole rows.
        let row_shape = match at.index {
            BlockIndex::Block(_) => Some(&block.shape()[1..]),
            _ => None,
        };
        statistic.check(Some(block.dtype()), row_shape)?;
        let mut state = statistic.empty();
        let (updated, size) = measured(|| statistic.update(&mut state, at, block));
        updated?;
        Ok(Contribution { state, size, dtype: block.dtype(), shape: block.shape().into() })
    }
}

/// The contribution of a block to a [`Statistic`]: a state of its own.
///
/// [`StatisticRun`] has an example.
#[derive(Debug)]
pub struct Contribution<S> {
    state: S,
    size: StateSize,
    dtype: DType,
    shape: Box<[usize]>,
}

/// The merged state of all blocks so far.
///
/// A reducer that does more with a statistic than compute it wraps its run.
///
/// # Example
///
/// A statistic whose result is printed when all reducers of the pass are prepared:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{
///     BlockPosition, Contribution, LazyChunkSequence, MeanVariance, Moments, NdarrayConverter,
///     Reducer, Result, Run, SequenceSpec, Statistic, StatisticMap, StatisticRun,
/// };
/// use ndarray::array;
///
/// struct Printed<S>(S);
///
/// struct Printing<S: Statistic>(StatisticRun<S>);
///
/// impl<S: Statistic<Output = Moments>> Reducer for Printed<S> {
///     type Map = StatisticMap<S>;
///     type Run = Printing<S>;
///     type Output = Moments;
///
///     fn start(self, spec: &SequenceSpec) -> Result<(StatisticMap<S>, Printing<S>)> {
///         let (map, run) = self.0.start(spec)?;
///         Ok((map, Printing(run)))
///     }
/// }
///
/// impl<S: Statistic<Output = Moments>> Run for Printing<S> {
///     type Partial = Contribution<S::State>;
///     type Output = Moments;
///
///     fn merge(&mut self, at: BlockPosition, partial: Contribution<S::State>) -> Result<()> {
///         self.0.merge(at, partial)
///     }
///
///     fn prepare(&mut self) -> Result<()> {
///         self.0.prepare()
///     }
///
///     fn commit(self) -> Result<Moments> {
///         println!("mean: {}", self.0.output().expect("it is prepared").mean);
///         self.0.commit()
///     }
/// }
///
/// let sequence = LazyChunkSequence::new(|| [array![1.0, 3.0]]).convert(NdarrayConverter);
/// assert_eq!(sequence.compute(Printed(MeanVariance))?.mean, 2.0);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct StatisticRun<S: Statistic> {
    statistic: Arc<S>,
    /// Another reducer, in front of this one, may have changed the blocks that were checked.
    check: BlockCheck<'static>,
    /// The memory of accumulated states and of blocks in flight.
    claim: Claim,
    /// The size of the accumulated state.
    size: StateSize,
    in_flight: InFlight,
    stage: Stage<S>,
}

enum Stage<S: Statistic> {
    Accumulating(S::State),
    Prepared(S::Output),
    /// The statistic returned an error, or its method is running.
    Failed,
}

const IN_ORDER: &str = "a run is merged, then prepared, then committed";

impl<S: Statistic> StatisticRun<S> {
    /// Checks that no blocks are missing.
    pub(super) fn end(&mut self) -> Result<()> {
        self.check.end()
    }

    /// Returns the result of a prepared run.
    #[must_use]
    pub fn output(&self) -> Option<&S::Output> {
        match &self.stage {
            Stage::Prepared(output) => Some(output),
            Stage::Accumulating(_) | Stage::Failed => None,
        }
    }

    /// Returns the state of a run that is not prepared.
    pub(super) fn into_state(self) -> (Arc<S>, S::State) {
        match self.stage {
            Stage::Accumulating(state) => (self.statistic, state),
            Stage::Prepared(_) | Stage::Failed => unreachable!("{IN_ORDER}"),
        }
    }
}

impl<S: Statistic> fmt::Debug for StatisticRun<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StatisticRun").field("size", &self.size).finish_non_exhaustive()
    }
}

impl<S: Statistic> Run for StatisticRun<S> {
    type Partial = Contribution<S::State>;
    type Output = S::Output;

    fn merge(&mut self, at: BlockPosition, next: Contribution<S::State>) -> Result<()> {
        self.check.block_at(at, next.dtype, &next.shape)?;
        let statistic = &*self.statistic;
        let in_flight = self.in_flight.absorbed(statistic, &next);
        self.claim.raise(self.size.plus(in_flight), || statistic.name())?;
        let Stage::Accumulating(state) = &mut self.stage else { unreachable!("{IN_ORDER}") };
        let (merged, growth) = self.claim.grow(self.size, || statistic.merge(state, next.state));
        self.size = self.size.plus(growth);
        merged
    }

    fn prepare(&mut self) -> Result<()> {
        self.end()?;
        let Stage::Accumulating(state) = mem::replace(&mut self.stage, Stage::Failed) else {
            unreachable!("{IN_ORDER}")
        };
        let (output, _) = self.claim.grow(self.size, || self.statistic.finish(state));
        self.stage = Stage::Prepared(output?);
        Ok(())
    }

    fn commit(self) -> Result<S::Output> {
        match self.stage {
            Stage::Prepared(output) => Ok(output),
            Stage::Accumulating(_) | Stage::Failed => unreachable!("{IN_ORDER}"),
        }
    }
}

/// The contributions in flight.
#[derive(Debug)]
struct InFlight {
    cut: Cut,
    /// The maximum number of contributions in flight.
    most: usize,
    /// The number of blocks that are not merged, or `usize::MAX` if unknown.
    n_left: usize,
    /// The smallest sizes of blocks along the cut axes.
    smallest: [usize; 2],
}

impl InFlight {
    fn new(spec: &SequenceSpec) -> InFlight {
        let most = spec.memory().n_in_flight();
        let Some(grid) = spec.grid() else {
            // Blocks that come one at a time are merged one at a time.
            return InFlight {
                cut: spec.cut(),
                most: most.min(1),
                n_left: usize::MAX,
                smallest: [0, 0],
            };
        };
        let smallest = |sizes: &BlockSizes| (0..sizes.n_blocks()).map(|i| sizes.size(i)).min();
        let n_rows = smallest(grid.rows()).unwrap_or(0);
        let n_columns = grid.columns().and_then(smallest).unwrap_or(0);
        InFlight { cut: spec.cut(), most, n_left: grid.n_blocks(), smallest: [n_rows, n_columns] }
    }

    /// Returns the size of the contribution of the smallest block.
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

    /// Returns a lower bound of the memory of the pass: just before the last blocks in flight are
    /// merged, or when all are merged.
    fn foreseen<S: Statistic>(&self, statistic: &S, spec: &SequenceSpec) -> StateSize {
        let row_shape = spec.row_type().map(|row_type| row_type.shape.as_slice());
        let of_smallest = self.of_smallest(statistic, row_shape);
        let Some(grid) = spec.grid() else {
            let begun = statistic.state_size(0, row_shape);
            let has_blocks = spec.n_bands() != Some(0);
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

    /// Returns a lower bound of the memory of the contributions in flight when this one is merged.
    /// Each of those behind it takes as much as the smallest block, plus the growth of this one
    /// beyond its predicted size.
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

/// A reference to a statistic is a statistic, so one statistic can be computed in several passes.
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

    fn init(&self, row_shape: Option<&[usize]>) -> Result<S::State> {
        (**self).init(row_shape)
    }

    fn empty(&self) -> S::State {
        (**self).empty()
    }

    fn update(&self, state: &mut S::State, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        (**self).update(state, at, block)
    }

    fn merge(&self, state: &mut S::State, next: S::State) -> Result<()> {
        (**self).merge(state, next)
    }

    fn finish(&self, state: S::State) -> Result<S::Output> {
        (**self).finish(state)
    }
}

impl<S: Statistic> Reducer for S {
    type Map = StatisticMap<S>;
    type Run = StatisticRun<S>;
    type Output = S::Output;

    fn start(self, spec: &SequenceSpec) -> Result<(StatisticMap<S>, StatisticRun<S>)> {
        if self.needs_whole_rows() && spec.cut() == Cut::RowsAndColumns {
            return Err(Error::Statistic {
                statistic: self.name(),
                problem: "it needs whole rows, which the blocks of a nested sequence do not have"
                    .to_owned(),
            });
        }
        let row_type = spec.row_type();
        let row_shape = row_type.map(|row_type| row_type.shape.as_slice());
        self.check(row_type.map(|row_type| row_type.dtype), row_shape)?;
        let check = BlockCheck::owned(spec.clone())?;
        let in_flight = InFlight::new(spec);
        let foreseen = in_flight.foreseen(&self, spec);
        let mut claim = Claim::new(spec.memory());
        claim.raise(foreseen, || self.name())?;
        if !fits(foreseen.bytes) {
            let StateSize { states, bytes } = foreseen;
            let statistic = short_name(self.name());
            return Err(Error::StatisticMemory { statistic, states, bytes, taken: 0, limit: None });
        }
        let (state, size) = claim.grow(StateSize::default(), || self.init(row_shape));
        let stage = Stage::Accumulating(state?);
        let statistic = Arc::new(self);
        let map = StatisticMap(Arc::clone(&statistic));
        Ok((map, StatisticRun { statistic, check, claim, size, in_flight, stage }))
    }
}

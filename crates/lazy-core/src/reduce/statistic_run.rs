//! The pass of a statistic.

use std::fmt;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use super::in_flight::InFlight;
use super::pieces::{InPieces, Making};
use super::statistic::Statistic;
use super::{BlockMap, Reducer, Run};
use crate::memory::{self, Claim, fits, measured};
use crate::{
    ArrayBlock, BlockCheck, BlockIndex, BlockPosition, Cut, DType, Error, Result, SequenceSpec,
    StateSize,
};

/// Computes the contribution of a block to a [`Statistic`].
///
/// [`StatisticRun`] has an example.
#[derive(Debug)]
pub struct StatisticMap<S>(Arc<S>);

impl<S: Statistic> BlockMap for StatisticMap<S> {
    type Partial = Contribution<S::State>;

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Contribution<S::State>> {
        let StatisticMap(statistic) = self;
        check(&**statistic, at, block)?;
        let mut state = statistic.empty();
        let (updated, size) = measured(|| statistic.update(&mut state, at, block));
        updated?;
        Ok(Contribution { state, size, dtype: block.dtype(), shape: block.shape().into() })
    }

    fn in_pieces<'b>(
        &'b self,
        at: BlockPosition,
        block: &'b ArrayBlock,
    ) -> Result<Making<'b, Contribution<S::State>>> {
        let StatisticMap(statistic) = self;
        check(&**statistic, at, block)?;
        let (making, size) = measured(|| statistic.state_in_pieces(at, block));
        Ok(making?.map(|making| Box::new(Measured { making, size, block }) as Box<dyn InPieces<_>>))
    }
}

fn check(statistic: &impl Statistic, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
    // A block of a sequence cut along axis 0 has whole rows.
    let row_shape = match at.index {
        BlockIndex::Block(_) => Some(&block.shape()[1..]),
        _ => None,
    };
    statistic.check(Some(block.dtype()), row_shape)
}

/// The state of a block in the making, with the memory that it has taken.
struct Measured<'b, S> {
    making: Box<dyn InPieces<S> + 'b>,
    size: StateSize,
    block: &'b ArrayBlock,
}

impl<S> InPieces<Contribution<S>> for Measured<'_, S> {
    fn add(&mut self, elements: Range<usize>) -> Result<()> {
        let (added, growth) = measured(|| self.making.add(elements));
        self.size = self.size.plus(growth);
        added
    }

    fn finish(self: Box<Self>) -> Result<Contribution<S>> {
        let Measured { making, size, block } = *self;
        let (state, growth) = measured(|| making.finish());
        let size = size.plus(growth);
        Ok(Contribution { state: state?, size, dtype: block.dtype(), shape: block.shape().into() })
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

    /// Returns the dtype of the blocks, if a row type is declared or a block was merged.
    #[must_use]
    pub fn dtype(&self) -> Option<DType> {
        self.check.element_type().map(|(dtype, _)| dtype)
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
        let in_flight = self.in_flight.absorbed(statistic, next.size, &next.shape);
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

/// Checks that a statistic can take the blocks of a pass, and claims the memory for them.
pub(crate) fn claim_memory<S: Statistic>(statistic: &S, spec: &SequenceSpec) -> Result<Claim> {
    claim(statistic, spec, &InFlight::new(spec))
}

fn claim<S: Statistic>(statistic: &S, spec: &SequenceSpec, in_flight: &InFlight) -> Result<Claim> {
    if statistic.needs_whole_rows() && spec.cut() == Cut::RowsAndColumns {
        let problem = "needs whole rows, but the blocks are cut along axis 1, too";
        return Err(Error::statistic(statistic.name(), problem));
    }
    let row_type = spec.row_type();
    let row_shape = row_type.map(|row_type| row_type.shape.as_slice());
    statistic.check(row_type.map(|row_type| row_type.dtype), row_shape)?;
    let foreseen = in_flight.foreseen(statistic, spec);
    let mut claim = Claim::new(spec.memory());
    // A declared limit is kept, so what the states may take counts, if it is known. The memory of
    // the system only refuses what it cannot hold.
    let bound = spec.memory_limit().and_then(|_| statistic.state_bound(spec));
    claim.raise(bound.map_or(foreseen, |bound| bound.max(foreseen)), || statistic.name())?;
    if !fits(foreseen.bytes) {
        return Err(memory::refused(foreseen, 0, None, statistic.name()));
    }
    Ok(claim)
}

impl<S: Statistic> Reducer for S {
    type Map = StatisticMap<S>;
    type Run = StatisticRun<S>;
    type Output = S::Output;

    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        self.state_bound(spec).map(StateSize::bytes_or_max)
    }

    fn start(self, spec: &SequenceSpec) -> Result<(StatisticMap<S>, StatisticRun<S>)> {
        let in_flight = InFlight::new(spec);
        let claim = claim(&self, spec, &in_flight)?;
        let check = BlockCheck::owned(spec.clone())?;
        let (state, size) = claim.grow(StateSize::default(), || self.init(spec));
        let stage = Stage::Accumulating(state?);
        let statistic = Arc::new(self);
        let map = StatisticMap(Arc::clone(&statistic));
        Ok((map, StatisticRun { statistic, check, claim, size, in_flight, stage }))
    }
}

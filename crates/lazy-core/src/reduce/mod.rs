//! Reducers: aggregators of array blocks that share one pass.

mod boxed;
pub(crate) mod drive;
mod limit;
mod parallel;
mod state;
mod statistic;
mod tuples;

pub use boxed::BoxedReducer;
pub use limit::MemoryLimit;
pub use state::{SavedState, StateOf};
pub use statistic::Statistic;
pub(crate) use statistic::short_name;

use crate::aggregate::{Bands, Blocks, NestedSequenceAggregator, SequenceAggregator};
use crate::{ArrayBlock, BlockPosition, Declared, Result};

/// An aggregator of [`ArrayBlock`]s that can share a pass with others.
///
/// The reducer itself is inert configuration; what it accumulates is its [`State`](Self::State).
/// For one evaluation it is called in this order: [`start`](Self::start) before the first block is
/// computed; per block [`recall`](Self::recall) where the block grid is known, [`partial`](Self::partial),
/// then [`absorb`](Self::absorb); [`seal`](Self::seal) after the last block; [`finish`](Self::finish). A state that is dropped
/// before it is finished is an aborted reduction, and leaves no trace.
///
/// A reducer is handed [`ArrayBlock`]s, so a sequence of other tensors is
/// [converted](crate::LazyChunkSequence::convert) first. An error of `partial` or `absorb` that names no
/// block becomes an [`Error::Reduction`](crate::Error::Reduction), which does; one made by
/// [`Error::other`](crate::Error::other) is handed on as it is. A reducer's own panic is not caught: the
/// reduction is aborted, as by an error, and the panic goes on when all threads have ended.
///
/// A reducer may stand in front of another one and hand it other blocks. Then it starts the other one with what it
/// makes of them ([`Declared::with_row_type`]), and says where they lie: [`Concatenate`](crate::Concatenate),
/// statistics and sinks check both ([`BlockCheck::block_at`](crate::BlockCheck::block_at)).
///
/// A tuple of up to eight reducers is a reducer, and so is a vector of reducers of one type; tuples may
/// hold tuples. Reducers of types that are not known until the program runs go into a vector as a [`BoxedReducer`]. All of its members are sealed before the first one is finished, so that a sink publishes
/// nothing when a statistic beside it fails.
///
/// # Example
///
/// ```
/// use lazy_core::{LazyChunkSequence, MeanVariance, NdarrayConverter, Summary, TopK};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![[1.0, 5.0, 2.0]], array![[9.0, 3.0, 4.0]]])
///     .convert(NdarrayConverter);
/// let (moments, top) = sequence.compute((MeanVariance, TopK::new(2).per_row()))?;
/// assert_eq!(moments.mean, 4.0);
/// assert_eq!(top.indices, array![[1, 2], [0, 2]]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no reducer",
    note = "a tuple of up to eight reducers is one, and tuples nest; an aggregator of tensors cannot be \
            in it"
)]
pub trait Reducer: Sync {
    /// What one block contributes.
    type Partial: Send;
    /// What has been accumulated.
    type State;
    /// The result.
    type Output;

    /// Begins a reduction, before the first block is computed: a sink checks its target here.
    ///
    /// # Errors
    ///
    /// When it is already clear that the reduction cannot succeed.
    fn start(&self, declared: &Declared) -> Result<Self::State>;

    /// A block that need not be computed, since an earlier evaluation left it
    /// behind: a sink that resumes reads it back. All reducers of the pass are then handed that one.
    ///
    /// It is asked of indexed sequences alone, whose blocks have known places; in their order, and by several
    /// threads' evaluation before the blocks in front of it have been absorbed. By default there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be found out.
    fn recall(&self, state: &mut Self::State, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        let (_, _) = (state, at);
        Ok(None)
    }

    /// Computes what a block contributes, on any thread and in any order.
    ///
    /// # Errors
    ///
    /// When the block cannot be taken.
    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Self::Partial>;

    /// Adds what a block contributes, on the thread that started the reduction and in the blocks'
    /// order.
    ///
    /// # Errors
    ///
    /// When it cannot be added.
    fn absorb(
        &self,
        state: &mut Self::State,
        at: BlockPosition,
        partial: Self::Partial,
    ) -> Result<()>;

    /// Does all that can still fail, after the last block.
    ///
    /// # Errors
    ///
    /// When the blocks have no such result.
    fn seal(&self, state: &mut Self::State) -> Result<()>;

    /// Yields the result; a sink publishes.
    ///
    /// # Errors
    ///
    /// When what was prepared cannot be published after all.
    fn finish(&self, state: Self::State) -> Result<Self::Output>;
}

impl<R: Reducer> SequenceAggregator<ArrayBlock> for R {
    type Output = R::Output;

    fn aggregate(self, blocks: Blocks<'_, ArrayBlock>) -> Result<R::Output> {
        drive::reduce(&self, blocks.into_stream())
    }
}

impl<R: Reducer> NestedSequenceAggregator<ArrayBlock> for R {
    type Output = R::Output;

    fn aggregate_nested(self, bands: Bands<'_, ArrayBlock>) -> Result<R::Output> {
        drive::reduce(&self, bands.into_stream())
    }
}

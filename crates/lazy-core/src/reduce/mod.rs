//! Reducers: aggregators of array blocks that share one pass.
//!
//! A reducer is configuration. [`Reducer::start`] turns it into the two halves of one pass: a
//! [`BlockMap`], which all threads share, and a [`Run`], which the evaluating thread owns.

mod boxed;
mod claim;
mod concatenate;
pub(crate) mod drive;
mod in_flight;
mod limit;
mod mapped;
mod parallel;
mod pieces;
mod saved;
mod statistic;
mod statistic_run;
mod tuples;

pub use boxed::BoxedReducer;
pub(crate) use boxed::{BoxedMap, BoxedRun};
pub use claim::MemoryClaim;
pub use concatenate::Concatenate;
pub use limit::MemoryLimit;
pub use mapped::Mapped;
pub(crate) use pieces::{InPieces, Making, pieces};
pub use saved::{SaveState, SavedState, StateOf};
pub use statistic::Statistic;
pub(crate) use statistic_run::claim_memory;
pub use statistic_run::{Contribution, StatisticMap, StatisticRun};

use crate::aggregate::{Bands, Blocks, NestedSequenceAggregator, SequenceAggregator};
use crate::{ArrayBlock, BlockPosition, Error, Progress, Result, RowType, SequenceSpec};

/// An aggregator of [`ArrayBlock`]s that can share a pass with others.
///
/// A reducer is configuration; [`start`](Self::start) makes the parts of one pass from it, as
/// [`IntoIterator`] makes an iterator. The [`BlockMap`] computes the contribution of each block, on
/// any thread. The [`Run`] merges the contributions in the order of the blocks, on the evaluating
/// thread.
///
/// A reducer takes [`ArrayBlock`]s, so [convert](crate::LazyChunkSequence::convert) a sequence of
/// other tensors first. A tuple of up to eight reducers is a reducer, and so are a vector of
/// reducers of one type and an `Option`; tuples nest. [`BoxedReducer`] erases the type of a
/// reducer. All reducers of a pass [prepare](Run::prepare) before the first one
/// [commits](Run::commit), so a sink publishes nothing if a statistic beside it fails.
///
/// If an error of a map or a run names no block, the pass adds the index of the block, and the
/// error keeps its kind. The pass returns an error made by [`Error::other`] unchanged. It does not
/// catch the panic of a reducer: the panic continues when all threads have ended.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter, Summary, TopK};
/// use ndarray::array;
///
/// let sequence = LazyChunkSequence::new(|| [array![[1.0, 5.0, 2.0]], array![[9.0, 3.0, 4.0]]])
///     .convert(NdarrayConverter);
/// let (moments, top) = sequence.compute((MeanVariance, TopK::new(2).per_row()))?;
/// assert_eq!(moments.mean, 4.0);
/// assert_eq!(top.indices, array![[1, 2], [0, 2]]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
///
/// A reducer of your own, whose map holds a matrix that is made once per pass and shared by all
/// threads:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{
///     ArrayBlock, BlockMap, BlockPosition, LazyChunkSequence, NdarrayConverter, Reducer, Result,
///     Run, SequenceSpec,
/// };
/// use ndarray::{Array1, Array2, Ix2, array};
///
/// /// The sum of all rows, projected onto `n_dimensions` dimensions.
/// struct ProjectedSum {
///     n_dimensions: usize,
/// }
///
/// struct Projection(Array2<f64>);
///
/// impl BlockMap for Projection {
///     type Partial = Array1<f64>;
///
///     fn partial(&self, _: BlockPosition, block: &ArrayBlock) -> Result<Array1<f64>> {
///         let rows = block.as_array::<f64, Ix2>()?;
///         Ok(rows.dot(&self.0).sum_axis(ndarray::Axis(0)))
///     }
/// }
///
/// struct Total(Array1<f64>);
///
/// impl Run for Total {
///     type Partial = Array1<f64>;
///     type Output = Array1<f64>;
///
///     fn merge(&mut self, _: BlockPosition, partial: Array1<f64>) -> Result<()> {
///         self.0 += &partial;
///         Ok(())
///     }
///
///     fn commit(self) -> Result<Array1<f64>> {
///         Ok(self.0)
///     }
/// }
///
/// impl Reducer for ProjectedSum {
///     type Map = Projection;
///     type Run = Total;
///     type Output = Array1<f64>;
///
///     fn start(self, spec: &SequenceSpec) -> Result<(Projection, Total)> {
///         let n_columns = spec.row_type().map_or(0, |row_type| row_type.shape[0]);
///         let matrix = Array2::from_shape_fn((n_columns, self.n_dimensions), |(i, j)| {
///             if (i + j) % 2 == 0 { 1.0 } else { -1.0 }
///         });
///         Ok((Projection(matrix), Total(Array1::zeros(self.n_dimensions))))
///     }
/// }
///
/// let gradients = LazyChunkSequence::from_fn([1, 1], |i| array![[i as f64, 1.0, 2.0]])
///     .with_row_type(lazy_chunks::DType::Float64, [3])
///     .convert(NdarrayConverter);
/// assert_eq!(gradients.compute(ProjectedSum { n_dimensions: 2 })?, array![3.0, -3.0]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reducer",
    note = "a tuple of up to eight reducers is a reducer, and tuples nest: `((a, b), c)`",
    note = "an aggregator of tensors cannot share a pass; implement `Reducer` or `Statistic` for it"
)]
pub trait Reducer: Sized {
    /// The map, which computes the contributions of blocks and is shared by all threads of a pass.
    type Map: BlockMap;
    /// The run, which merges the contributions of one pass and returns its result.
    type Run: Run<Partial = <Self::Map as BlockMap>::Partial, Output = Self::Output>;
    /// The type of the result.
    type Output;

    /// Starts a pass, before the first block is computed. A sink checks its target here.
    ///
    /// # Errors
    ///
    /// Returns an error if it is already clear that the pass cannot succeed.
    fn start(self, spec: &SequenceSpec) -> Result<(Self::Map, Self::Run)>;

    /// Returns an upper bound of the memory, in bytes, that a pass over a sequence with this
    /// declaration takes for the reducer, or `None` if it is unknown, which is the default.
    ///
    /// The bounds of several reducers add up. A reducer that returns a bound counts it towards the
    /// [memory limit](crate::LazyChunkSequence::with_memory_limit) when it starts, as the
    /// statistics of this crate do; a sink does so with a [`MemoryClaim`].
    /// [`LazyChunkSequence::memory_bound`](crate::LazyChunkSequence::memory_bound) returns the
    /// bound for a sequence with its threads, and has an example.
    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        let _ = spec;
        None
    }

    /// Applies a function to every block in front of this reducer, such as a cast, a selection of
    /// columns or a computation. Other reducers of the pass still receive the original blocks.
    ///
    /// `row_type` is the dtype and the row shape of the function's results, or `None` if unknown;
    /// this reducer checks every block against it. The function must keep the number of rows of a
    /// block, and in a nested sequence its size along axis 1. The returned reducer
    /// [restores](Run::restore) no blocks, since a block that a resumed sink restores behind a
    /// function is not the original one.
    ///
    /// # Example
    ///
    /// The mean of a sequence and the mean of its absolute values:
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{ArrayBlock, LazyChunkSequence, MeanVariance, NdarrayConverter, Reducer};
    /// use ndarray::{Ix1, array};
    ///
    /// let absolute = |block: &ArrayBlock| {
    ///     Ok(ArrayBlock::from_array(block.as_array::<f64, Ix1>()?.mapv(f64::abs)))
    /// };
    /// let sequence = LazyChunkSequence::new(|| [array![-1.0, 1.0]]).convert(NdarrayConverter);
    /// let (all, positive) = sequence.compute((MeanVariance, MeanVariance.of(absolute, None)))?;
    /// assert_eq!((all.mean, positive.mean), (0.0, 1.0));
    /// # Ok::<(), lazy_chunks::Error>(())
    /// ```
    fn of<F>(self, function: F, row_type: Option<RowType>) -> Mapped<Self, F>
    where
        F: Fn(&ArrayBlock) -> Result<ArrayBlock> + Sync,
    {
        Mapped::new(self, function, row_type)
    }
}

/// Computes the contributions of blocks to a pass: the half of a started [`Reducer`] that all
/// threads share.
///
/// A function of a position and a block is a map. So a reducer that needs no data of its own has
/// `type Map = fn(BlockPosition, &ArrayBlock) -> Result<Partial>`.
///
/// [`Reducer`] has an example.
pub trait BlockMap: Sync {
    /// The contribution of a block.
    type Partial: Send;

    /// Computes the contribution of a block, on any thread and in any order.
    ///
    /// # Errors
    ///
    /// Returns an error if the reducer cannot use the block.
    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Self::Partial>;

    /// Begins a contribution that is computed piece by piece, in turns with those of other reducers.
    /// It is the one that [`partial`](Self::partial) returns.
    #[doc(hidden)]
    fn in_pieces<'b>(
        &'b self,
        at: BlockPosition,
        block: &'b ArrayBlock,
    ) -> Result<Making<'b, Self::Partial>> {
        let (_, _) = (at, block);
        Ok(None)
    }
}

impl<P, F> BlockMap for F
where
    P: Send,
    F: Fn(BlockPosition, &ArrayBlock) -> Result<P> + Sync,
{
    type Partial = P;

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<P> {
        self(at, block)
    }
}

/// Merges the contributions of one pass: the half of a started [`Reducer`] that the evaluating
/// thread owns.
///
/// The pass calls the methods in this order: [`restore`](Self::restore) (if the block grid is
/// known) and [`merge`](Self::merge) for each block, [`prepare`](Self::prepare) after the last
/// block, and [`commit`](Self::commit) when all reducers are prepared. If the pass fails before the
/// first commit, it calls [`abort`](Self::abort) instead of the remaining methods, unless a panic
/// ends it. A run that is dropped before it commits leaves no trace.
///
/// [`Reducer`] has an example.
pub trait Run {
    /// The contribution of a block.
    type Partial;
    /// The type of the result.
    type Output;

    /// Returns a block that an earlier pass stored, so that it is not computed again: a sink that
    /// resumes a write reads it back. All reducers of the pass then receive this block. The default
    /// returns `None`.
    ///
    /// The pass calls it only for indexed sequences, whose positions are known, and in the order of
    /// the blocks. On several threads, it calls it before the preceding blocks are merged.
    ///
    /// # Errors
    ///
    /// Returns an error if the block cannot be read back.
    fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        let _ = at;
        Ok(None)
    }

    /// Adds the contribution of a block. The pass calls it in the order of the blocks.
    ///
    /// # Errors
    ///
    /// Returns an error if the contribution cannot be added.
    fn merge(&mut self, at: BlockPosition, partial: Self::Partial) -> Result<()>;

    /// Does everything that can still fail, after the last block.
    ///
    /// # Errors
    ///
    /// Returns an error if the result is undefined for the blocks.
    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    /// Returns the result. A sink publishes its array.
    ///
    /// # Errors
    ///
    /// Returns an error if the prepared result cannot be published.
    fn commit(self) -> Result<Self::Output>;

    /// Adds information about this run to the progress that [observers](crate::Observer) receive: a
    /// sink adds the chunks that it has stored.
    fn report(&self, progress: &mut Progress) {
        let _ = progress;
    }

    /// Ends a failed pass and returns the error to report: a sink adds the chunks that it has kept
    /// with [`Error::with_kept`]. The default drops the run and returns the error unchanged.
    fn abort(self, error: Error) -> Error
    where
        Self: Sized,
    {
        error
    }
}

impl<R: Reducer> SequenceAggregator<ArrayBlock> for R {
    type Output = R::Output;
    const REDUCES: bool = true;

    fn aggregate(self, blocks: Blocks<'_, ArrayBlock>) -> Result<R::Output> {
        drive::reduce(self, blocks.into_stream(), |block| block)
    }
}

impl<R: Reducer> NestedSequenceAggregator<ArrayBlock> for R {
    type Output = R::Output;
    const REDUCES: bool = true;

    fn aggregate_nested(self, bands: Bands<'_, ArrayBlock>) -> Result<R::Output> {
        drive::reduce(self, bands.into_stream(), |block| block)
    }
}

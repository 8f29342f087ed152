//! A function in front of a reducer.

use std::fmt;

use super::{BlockMap, Reducer, Run};
use crate::error::Case;
use crate::{
    ArrayBlock, BlockCheck, BlockIndex, BlockPosition, Error, Progress, Result, RowType,
    SequenceSpec,
};

/// A reducer with a function in front of it; see [`Reducer::of`].
///
/// # Example
///
/// The first two columns of every block:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArrayBlock, Concatenate, LazyChunkSequence, NdarrayConverter, Reducer, Sum};
/// use ndarray::{Ix2, array, s};
///
/// let first_two = |block: &ArrayBlock| {
///     Ok(ArrayBlock::from_array(block.as_array::<i32, Ix2>()?.slice(s![.., ..2]).to_owned()))
/// };
/// let sequence = LazyChunkSequence::new(|| [array![[1, 2, 30]], array![[3, 4, 50]]]);
/// let (sum, columns) =
///     sequence.convert(NdarrayConverter).compute((Sum, Concatenate.of(first_two, None)))?;
/// assert_eq!(sum, 90.0);
/// assert_eq!(columns.as_slice::<i32>()?, [1, 2, 3, 4]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct Mapped<R, F> {
    inner: R,
    function: F,
    row_type: Option<RowType>,
}

impl<R, F> Mapped<R, F> {
    pub(super) fn new(inner: R, function: F, row_type: Option<RowType>) -> Mapped<R, F> {
        Mapped { inner, function, row_type }
    }
}

impl<R: fmt::Debug, F> fmt::Debug for Mapped<R, F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mapped").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<R, F> Reducer for Mapped<R, F>
where
    R: Reducer,
    F: Fn(&ArrayBlock) -> Result<ArrayBlock> + Sync,
{
    type Map = MappedMap<R::Map, F>;
    type Run = MappedRun<R::Run>;
    type Output = R::Output;

    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        self.inner.memory_bound(&spec.clone().with_row_type(self.row_type.clone()))
    }

    fn start(self, spec: &SequenceSpec) -> Result<(Self::Map, Self::Run)> {
        let spec = spec.clone().with_row_type(self.row_type);
        let check = BlockCheck::owned(spec.clone())?;
        let (inner, run) = self.inner.start(&spec)?;
        Ok((MappedMap { inner, function: self.function, check }, MappedRun(run)))
    }
}

/// The block map of a [`Mapped`] reducer.
#[derive(Debug)]
pub struct MappedMap<M, F> {
    inner: M,
    function: F,
    check: BlockCheck<'static>,
}

impl<M, F> BlockMap for MappedMap<M, F>
where
    M: BlockMap,
    F: Fn(&ArrayBlock) -> Result<ArrayBlock> + Sync,
{
    type Partial = M::Partial;

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<M::Partial> {
        let mapped = (self.function)(block)?;
        self.check.check_type(at.index, mapped.dtype(), mapped.shape())?;
        check_sizes(at.index, block.shape(), mapped.shape())?;
        self.inner.partial(at, &mapped)
    }
}

/// Checks that a block of this shape has the sizes along the cut axes that the original block had.
fn check_sizes(at: BlockIndex, original: &[usize], shape: &[usize]) -> Result<()> {
    let (n_axes, cut_axes) = match at {
        BlockIndex::NestedBlock(..) => (2, "the numbers of rows and columns"),
        BlockIndex::Block(_) | BlockIndex::Band(_) => (1, "the number of rows"),
    };
    if shape[..n_axes] != original[..n_axes] {
        let (original, actual) = (original.to_vec(), shape.to_vec());
        return Err(Case::MappedShape { at, original, actual, cut_axes }.into());
    }
    Ok(())
}

/// The run of a [`Mapped`] reducer, which restores no blocks.
#[derive(Debug)]
pub struct MappedRun<R>(R);

impl<R: Run> Run for MappedRun<R> {
    type Partial = R::Partial;
    type Output = R::Output;

    fn merge(&mut self, at: BlockPosition, partial: R::Partial) -> Result<()> {
        self.0.merge(at, partial)
    }

    fn prepare(&mut self) -> Result<()> {
        self.0.prepare()
    }

    fn commit(self) -> Result<R::Output> {
        self.0.commit()
    }

    fn report(&self, progress: &mut Progress) {
        self.0.report(progress);
    }

    fn abort(self, error: Error) -> Error {
        self.0.abort(error)
    }
}

//! A function in front of a reducer.

use std::fmt;

use super::{BlockMap, Reducer, Run};
use crate::error::Case;
use crate::{
    ArrayBlock, BlockCheck, BlockIndex, BlockPosition, Error, Progress, Reference, Result, RowType,
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
    type Map = Mapped<R::Map, F>;
    type Run = MappedRun<R::Run>;
    type Output = R::Output;

    fn start(self, spec: &SequenceSpec) -> Result<(Self::Map, Self::Run)> {
        let spec = spec.clone().with_row_type(self.row_type.clone());
        BlockCheck::new(&spec)?;
        let (inner, run) = self.inner.start(&spec)?;
        let map = Mapped { inner, function: self.function, row_type: self.row_type };
        Ok((map, MappedRun(run)))
    }
}

impl<M, F> BlockMap for Mapped<M, F>
where
    M: BlockMap,
    F: Fn(&ArrayBlock) -> Result<ArrayBlock> + Sync,
{
    type Partial = M::Partial;

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<M::Partial> {
        let mapped = (self.function)(block)?;
        check(at.index, block.shape(), &mapped, self.row_type.as_ref())?;
        self.inner.partial(at, &mapped)
    }
}

/// Checks that a block has the size along the cut axes that the original block had, and the
/// declared row type.
fn check(
    at: BlockIndex,
    original: &[usize],
    mapped: &ArrayBlock,
    row_type: Option<&RowType>,
) -> Result<()> {
    let (n_axes, cut_axes) = match at {
        BlockIndex::NestedBlock(..) => (2, "the numbers of rows and columns"),
        BlockIndex::Block(_) | BlockIndex::Band(_) => (1, "the number of rows"),
    };
    let shape = mapped.shape();
    if shape.len() < n_axes {
        return Err(Case::TooFewAxes { at, expected: n_axes, actual: shape.to_vec() }.into());
    }
    if let Some(row_type) = row_type {
        let (dtype, trailing) = (row_type.dtype, &row_type.shape[n_axes - 1..]);
        let reference = Reference::Declared;
        if mapped.dtype() != dtype {
            let actual = mapped.dtype();
            return Err(Case::BlockDType { at, expected: dtype, actual, reference }.into());
        }
        if shape[n_axes..] != *trailing {
            let (expected, actual) = (trailing.to_vec(), shape.to_vec());
            return Err(Case::TrailingShape {
                at,
                first_axis: n_axes,
                expected,
                actual,
                reference,
            }
            .into());
        }
    }
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

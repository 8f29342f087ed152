//! Concatenation along axis 0, or along axis 1 in each band and then along axis 0.

use ndarray::{Array, Dimension};

use super::{Bands, Blocks, NestedSequenceAggregator, SequenceAggregator};
use crate::block::size_in_bytes;
use crate::dtype::with_element;
use crate::memory::fits;
use crate::reduce::drive;
use crate::stream::BlockStream;
use crate::{
    ArrayBlock, BlockCheck, BlockPosition, Cut, Declared, Element, Error, Reducer, Result, RowType,
    copy_region,
};

/// Joins all blocks into one array: along axis 0; in a nested sequence along axis 1 within each
/// band, then along axis 0.
///
/// Of ndarray arrays it makes an array of the same type, of [`ArrayBlock`]s a block; as a
/// [`Reducer`] of blocks it also goes beside other reducers into one pass. The result and the
/// blocks are in memory together.
///
/// # Errors
///
/// - The errors of blocks that do not fit together, with the block's index.
/// - [`Error::ArrayMemory`] when memory cannot hold the array beside the blocks.
/// - [`Error::EmptySequence`] when there is no block and no declared row type.
/// - [`Error::DTypeMismatch`] and [`Error::RankMismatch`] when there is no block, and the declared row
///   type is not that of the ndarray type.
///
/// # Example
///
/// ```
/// use lazy_core::{Concatenate, NestedLazyChunkSequence};
/// use ndarray::array;
///
/// let blocks = || [[array![[1], [2]], array![[3], [4]]], [array![[5], [6]], array![[7], [8]]]];
/// let array = NestedLazyChunkSequence::new(blocks).compute(Concatenate)?;
/// assert_eq!(array, array![[1, 3], [2, 4], [5, 7], [6, 8]]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Concatenate;

/// The blocks seen so far, and where they go.
#[derive(Debug)]
pub struct Collected {
    cut: Cut,
    check: BlockCheck<'static>,
    row_type: Option<RowType>,
    n_rows: usize,
    blocks: Vec<(BlockPosition, ArrayBlock)>,
}

impl Collected {
    /// The dtype and the shape of one row, once the blocks are all there.
    fn sealed_row_type(&self) -> Result<RowType> {
        let Some((last, block)) = self.blocks.last() else {
            return self.row_type.clone().ok_or(Error::EmptySequence);
        };
        let mut shape = block.shape()[1..].to_vec();
        if self.cut == Cut::RowsAndColumns {
            shape[0] += last.column;
        }
        Ok(RowType { dtype: block.dtype(), shape })
    }

    /// Copies the blocks into one array, freeing each once it is copied.
    fn joined<A: Element>(self, row_type: &RowType) -> Result<(Vec<usize>, Vec<A>)> {
        let shape = [&[self.n_rows], &row_type.shape[..]].concat();
        let n_bytes = size_in_bytes(A::DTYPE, &shape).filter(|n_bytes| fits(*n_bytes as u128));
        let Some(n_bytes) = n_bytes else {
            return Err(Error::ArrayMemory { shape, dtype: A::DTYPE });
        };
        let mut array = vec![A::default(); n_bytes / size_of::<A>()];
        for (position, block) in self.blocks {
            let mut start = vec![0; shape.len()];
            start[0] = position.row;
            if self.cut == Cut::RowsAndColumns {
                start[1] = position.column;
            }
            copy_region(
                block.as_slice::<A>()?,
                block.shape(),
                &vec![0; shape.len()],
                &mut array,
                &shape,
                &start,
                block.shape(),
            );
        }
        Ok((shape, array))
    }
}

impl Reducer for Concatenate {
    type Partial = ArrayBlock;
    type State = Collected;
    type Output = ArrayBlock;

    fn start(&self, declared: &Declared) -> Result<Collected> {
        Ok(Collected {
            cut: declared.cut(),
            check: BlockCheck::owned(declared.clone())?,
            row_type: declared.row_type().cloned(),
            n_rows: 0,
            blocks: Vec::new(),
        })
    }

    fn partial(&self, _: BlockPosition, block: &ArrayBlock) -> Result<ArrayBlock> {
        Ok(block.clone())
    }

    fn absorb(&self, state: &mut Collected, at: BlockPosition, block: ArrayBlock) -> Result<()> {
        state.check.block_at(at, block.dtype(), block.shape())?;
        state.n_rows = at.row + block.shape()[0];
        state.blocks.push((at, block));
        Ok(())
    }

    fn seal(&self, state: &mut Collected) -> Result<()> {
        state.check.end()?;
        state.row_type = Some(state.sealed_row_type()?);
        Ok(())
    }

    fn finish(&self, state: Collected) -> Result<ArrayBlock> {
        let row_type = state.sealed_row_type()?;
        with_element!(row_type.dtype, A => {
            let (shape, elements) = state.joined::<A>(&row_type)?;
            ArrayBlock::from_vec(shape, elements)
        })
    }
}

/// Concatenates arrays, through blocks that share their memory.
fn concatenate_arrays<A, D>(mut stream: BlockStream<'_, Array<A, D>>) -> Result<Array<A, D>>
where
    A: Element,
    D: Dimension,
{
    let state = drive::accumulate(&Concatenate, &mut stream, ArrayBlock::from_array)?;
    let row_type = state.sealed_row_type()?;
    if row_type.dtype != A::DTYPE {
        return Err(Error::DTypeMismatch { expected: A::DTYPE, actual: row_type.dtype });
    }
    let (shape, elements) = state.joined::<A>(&row_type)?;
    match Array::from_shape_vec(shape.as_slice(), elements).map(Array::into_dimensionality::<D>) {
        Ok(Ok(array)) => Ok(array),
        _ => Err(Error::RankMismatch { expected: D::NDIM.unwrap_or_default(), shape }),
    }
}

impl<A: Element, D: Dimension> SequenceAggregator<Array<A, D>> for Concatenate {
    type Output = Array<A, D>;

    fn aggregate(self, blocks: Blocks<'_, Array<A, D>>) -> Result<Array<A, D>> {
        concatenate_arrays(blocks.into_stream())
    }
}

impl<A: Element, D: Dimension> NestedSequenceAggregator<Array<A, D>> for Concatenate {
    type Output = Array<A, D>;

    fn aggregate_nested(self, bands: Bands<'_, Array<A, D>>) -> Result<Array<A, D>> {
        concatenate_arrays(bands.into_stream())
    }
}

//! Concatenation along axis 0, or along axis 1 in each band and then along axis 0.

use ndarray::{Array, Dimension};

use super::{Reducer, Run, drive};
use crate::aggregate::{Bands, Blocks, NestedSequenceAggregator, SequenceAggregator};
use crate::block::size_in_bytes;
use crate::dtype::with_element;
use crate::error::Case;
use crate::memory::fits;
use crate::{
    ArrayBlock, BlockCheck, BlockPosition, Cut, Element, Error, Result, RowType, SequenceSpec,
    copy_region,
};

/// Joins all blocks into one array: along axis 0, or in a nested sequence along axis 1 within each
/// band and then along axis 0.
///
/// It joins ndarrays into an ndarray of the same type, and [`ArrayBlock`]s into a block. As a
/// [`Reducer`] of blocks it can share a pass with other reducers. The result and the blocks are in
/// memory at the same time.
///
/// # Errors
///
/// - The errors of blocks that do not fit together, with the index of the block.
/// - [`ErrorKind::Memory`](crate::ErrorKind::Memory) if there is not enough memory for the array
///   beside the blocks.
/// - [`ErrorKind::Empty`](crate::ErrorKind::Empty) if there are no blocks and no declared row type.
/// - [`ErrorKind::DType`](crate::ErrorKind::DType) or [`ErrorKind::Shape`](crate::ErrorKind::Shape)
///   if there are no blocks and the declared row type does not match the ndarray type.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Concatenate, NestedLazyChunkSequence};
/// use ndarray::array;
///
/// let blocks = || [[array![[1], [2]], array![[3], [4]]], [array![[5], [6]], array![[7], [8]]]];
/// let array = NestedLazyChunkSequence::new(blocks).compute(Concatenate)?;
/// assert_eq!(array, array![[1, 3], [2, 4], [5, 7], [6, 8]]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Concatenate;

/// The blocks so far, and their positions.
#[derive(Debug)]
pub struct Collected {
    cut: Cut,
    check: BlockCheck<'static>,
    row_type: Option<RowType>,
    n_rows: usize,
    blocks: Vec<(BlockPosition, ArrayBlock)>,
}

impl Collected {
    /// Returns the dtype and the shape of one row, after the last block.
    fn final_row_type(&self) -> Result<RowType> {
        let Some((last, block)) = self.blocks.last() else {
            return self.row_type.clone().ok_or_else(Error::empty_sequence);
        };
        let mut shape = block.shape()[1..].to_vec();
        if self.cut == Cut::RowsAndColumns {
            shape[0] += last.column;
        }
        Ok(RowType { dtype: block.dtype(), shape })
    }

    /// Copies the blocks into one array, and frees each block once it is copied.
    fn join<A: Element>(self, row_type: &RowType) -> Result<ArrayBlock> {
        let shape = [&[self.n_rows], &row_type.shape[..]].concat();
        let n_bytes =
            size_in_bytes(size_of::<A>(), &shape).filter(|n_bytes| fits(*n_bytes as u128));
        let Some(n_bytes) = n_bytes else {
            return Err(Case::ArrayMemory { shape, dtype: A::DTYPE }.into());
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
        ArrayBlock::from_vec(shape, array)
    }
}

impl Reducer for Concatenate {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<ArrayBlock>;
    type Run = Collected;
    type Output = ArrayBlock;

    fn start(self, spec: &SequenceSpec) -> Result<(Self::Map, Collected)> {
        let run = Collected {
            cut: spec.cut(),
            check: BlockCheck::owned(spec.clone())?,
            row_type: spec.row_type().cloned(),
            n_rows: 0,
            blocks: Vec::new(),
        };
        Ok((|_, block| Ok(block.clone()), run))
    }
}

impl Run for Collected {
    type Partial = ArrayBlock;
    type Output = ArrayBlock;

    fn merge(&mut self, at: BlockPosition, block: ArrayBlock) -> Result<()> {
        self.check.block_at(at, block.dtype(), block.shape())?;
        self.n_rows = at.row + block.shape()[0];
        self.blocks.push((at, block));
        Ok(())
    }

    fn prepare(&mut self) -> Result<()> {
        self.check.end()?;
        self.row_type = Some(self.final_row_type()?);
        Ok(())
    }

    fn commit(self) -> Result<ArrayBlock> {
        let row_type = self.final_row_type()?;
        with_element!(row_type.dtype, A => self.join::<A>(&row_type))
    }
}

impl<A: Element, D: Dimension> SequenceAggregator<Array<A, D>> for Concatenate {
    type Output = Array<A, D>;
    const REDUCES: bool = true;

    fn aggregate(self, blocks: Blocks<'_, Array<A, D>>) -> Result<Array<A, D>> {
        drive::reduce(self, blocks.into_stream(), ArrayBlock::from_array)?.into_array()
    }
}

impl<A: Element, D: Dimension> NestedSequenceAggregator<Array<A, D>> for Concatenate {
    type Output = Array<A, D>;
    const REDUCES: bool = true;

    fn aggregate_nested(self, bands: Bands<'_, Array<A, D>>) -> Result<Array<A, D>> {
        drive::reduce(self, bands.into_stream(), ArrayBlock::from_array)?.into_array()
    }
}

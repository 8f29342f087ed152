//! Parts of blocks, and blocks made of parts.

use std::ops::Range;

use super::{ArrayBlock, size_in_bytes};
use crate::dtype::with_element;
use crate::error::Case;
use crate::memory::fits;
use crate::region::copy_region;
use crate::{Element, Result};

impl ArrayBlock {
    /// Returns a part of the block along one axis. A part along axis 0 shares the memory of the
    /// block.
    pub(crate) fn slice(&self, axis: usize, range: Range<usize>) -> ArrayBlock {
        if range == (0..self.shape[axis]) {
            return self.clone();
        }
        let mut shape = self.shape.clone();
        shape[axis] = range.len();
        if axis == 0 {
            let row = self.data.len().checked_div(self.shape[0]).unwrap_or(0);
            let data = self.data.slice(range.start * row..range.end * row);
            return ArrayBlock::of_elements(self.dtype, shape, data);
        }
        let mut start = vec![0; shape.len()];
        start[axis] = range.start;
        with_element!(self.dtype, A => {
            let mut elements = vec![A::default(); shape.iter().product()];
            let source = super::elements::<A>(&self.data);
            let origin = vec![0; shape.len()];
            copy_region(source, &self.shape, &start, &mut elements, &shape, &origin, &shape);
            ArrayBlock::of_vector(shape, elements)
        })
    }

    /// Joins blocks along an axis. There must be at least one.
    ///
    /// # Errors
    ///
    /// An error if the dtypes differ, or the sizes along any other axis, or if there is not enough
    /// memory.
    pub(crate) fn join(axis: usize, blocks: &[ArrayBlock]) -> Result<ArrayBlock> {
        let [first, others @ ..] = blocks else { unreachable!("blocks to join are never none") };
        if others.is_empty() {
            return Ok(first.clone());
        }
        let mut shape = first.shape.clone();
        for (i, block) in others.iter().enumerate() {
            let differs = |(k, (one, other))| k != axis && one != other;
            let mut sizes = first.shape.iter().zip(&block.shape).enumerate();
            if block.shape.len() != shape.len() || sizes.any(differs) {
                let (expected, actual) = (first.shape.clone(), block.shape.clone());
                return Err(Case::Unjoinable { axis, index: i + 1, expected, actual }.into());
            }
            if block.dtype != first.dtype {
                return Err(crate::Error::dtype_mismatch(first.dtype, block.dtype));
            }
            shape[axis] = shape[axis].saturating_add(block.shape[axis]);
        }
        with_element!(first.dtype, A => joined::<A>(axis, blocks, shape))
    }

    /// Swaps axes 0 and 1.
    pub(crate) fn transposed(&self) -> ArrayBlock {
        with_element!(self.dtype, A => {
            let mut array = super::array_view(&self.shape, super::elements::<A>(&self.data));
            array.swap_axes(0, 1);
            let shape = array.shape().to_vec();
            ArrayBlock::of_vector(shape, array.iter().copied().collect())
        })
    }
}

fn joined<A: Element>(axis: usize, blocks: &[ArrayBlock], shape: Vec<usize>) -> Result<ArrayBlock> {
    let n_bytes = size_in_bytes(size_of::<A>(), &shape).filter(|n_bytes| fits(*n_bytes as u128));
    let Some(n_bytes) = n_bytes else {
        return Err(Case::ArrayMemory { shape, dtype: A::DTYPE }.into());
    };
    let mut elements = vec![A::default(); n_bytes / size_of::<A>()];
    let (origin, mut start) = (vec![0; shape.len()], vec![0; shape.len()]);
    for block in blocks {
        let source = block.as_slice::<A>()?;
        copy_region(source, &block.shape, &origin, &mut elements, &shape, &start, &block.shape);
        start[axis] += block.shape[axis];
    }
    Ok(ArrayBlock::of_vector(shape, elements))
}

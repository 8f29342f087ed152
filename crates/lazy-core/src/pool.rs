//! Reuse of the memory of blocks.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use ndarray::ArrayViewMutD;

use crate::block::size_in_bytes;
use crate::error::Case;
use crate::memory::fits;
use crate::{ArrayBlock, Element, Result};

/// A pool that reuses the memory of dropped blocks.
///
/// If a producer allocates each block anew, the system clears its pages first, which takes as long
/// as copying the block. A producer that fills [buffers](Self::buffer) of a pool avoids this. A
/// buffer becomes a block without a copy. When the last handle to the block is dropped, wherever it
/// is, its memory returns to the pool. The pool keeps as much memory as blocks were ever in use at
/// once, until the pool and its blocks are dropped.
///
/// Cloning shares the pool.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{BlockPool, LazyChunkSequence, MeanVariance};
///
/// let pool = BlockPool::<f64>::new();
/// let sequence = LazyChunkSequence::from_fn([2; 100], |i| {
///     let mut block = pool.buffer([2, 1000]).expect("there is enough memory");
///     // The buffer may contain elements of an earlier block.
///     block.fill(i as f64);
///     block.into_block()
/// });
/// assert_eq!(sequence.compute(MeanVariance)?.mean, 49.5);
/// // At most one block was in use at a time.
/// assert_eq!(pool.n_free(), 1);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct BlockPool<A> {
    free: Free<A>,
}

/// The memory that no block uses at the moment, by the number of elements.
type Free<A> = Arc<Mutex<BTreeMap<usize, Vec<Vec<A>>>>>;

impl<A: Element> BlockPool<A> {
    /// Creates an empty pool, so the first buffers are allocated.
    #[must_use]
    pub fn new() -> BlockPool<A> {
        BlockPool { free: Free::default() }
    }

    /// Returns a buffer for a block of this shape. Its elements are unspecified: those of an
    /// earlier block, or zeros.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidData`](crate::ErrorKind::InvalidData) if a block of this shape exceeds
    ///   the address space.
    /// - [`ErrorKind::Memory`](crate::ErrorKind::Memory) if there is not enough memory.
    pub fn buffer(&self, shape: impl Into<Vec<usize>>) -> Result<BlockBuffer<A>> {
        let shape = shape.into();
        let Some(n_bytes) = size_in_bytes(size_of::<A>(), &shape) else {
            return Err(
                Case::InvalidData { shape, dtype: A::DTYPE, expected: None, actual: 0 }.into()
            );
        };
        let n_elements = n_bytes / size_of::<A>();
        let mut elements = take(&mut lock(&self.free), n_elements);
        if elements.len() < n_elements {
            // The old elements are useless, and zeros come from the system, which clears pages
            // anyway.
            drop(elements);
            if !fits(n_bytes as u128) {
                return Err(Case::ArrayMemory { shape, dtype: A::DTYPE }.into());
            }
            elements = vec![A::default(); n_elements];
        }
        Ok(BlockBuffer { shape, n_elements, elements, free: Arc::clone(&self.free) })
    }

    /// Returns the number of pieces of memory that no block uses at the moment.
    #[must_use]
    pub fn n_free(&self) -> usize {
        lock(&self.free).values().map(Vec::len).sum()
    }
}

/// Returns the smallest memory that `n_elements` elements fit into, or else the largest that is too
/// small. Among equals, returns the one that was used last, which a cache may still hold.
fn take<A>(free: &mut BTreeMap<usize, Vec<Vec<A>>>, n_elements: usize) -> Vec<A> {
    let sizes = [free.range(n_elements..).next(), free.last_key_value()];
    let Some((&size, _)) = sizes.into_iter().flatten().next() else { return Vec::new() };
    let equals = free.get_mut(&size).expect("the size was found there");
    let elements = equals.pop().expect("sizes without memory are removed");
    if equals.is_empty() {
        free.remove(&size);
    }
    elements
}

fn lock<A>(free: &Free<A>) -> MutexGuard<'_, BTreeMap<usize, Vec<Vec<A>>>> {
    // No code panics while it holds the lock, so the data is consistent.
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<A: Element> Default for BlockPool<A> {
    fn default() -> Self {
        BlockPool::new()
    }
}

impl<A> Clone for BlockPool<A> {
    fn clone(&self) -> Self {
        BlockPool { free: Arc::clone(&self.free) }
    }
}

impl<A: Element> fmt::Debug for BlockPool<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BlockPool").field("n_free", &self.n_free()).finish_non_exhaustive()
    }
}

/// A block that is being filled, in memory of a [`BlockPool`].
///
/// It dereferences to a slice of its elements in C order, and [`view_mut`](Self::view_mut) returns
/// it as an array. Dropping it returns its memory to the pool.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{BlockPool, DType};
/// use ndarray::linalg::general_mat_mul;
/// use ndarray::{Array2, Ix2};
///
/// let (a, b) = (Array2::<f32>::ones((4, 3)), Array2::<f32>::ones((3, 5)));
/// let mut block = BlockPool::new().buffer([4, 5])?;
/// let mut product = block.view_mut().into_dimensionality::<Ix2>().expect("two axes");
/// general_mat_mul(1.0, &a, &b, 0.0, &mut product);
/// assert_eq!(block.into_block().as_slice::<f32>()?, [3.0; 20]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct BlockBuffer<A: Element> {
    shape: Vec<usize>,
    n_elements: usize,
    /// At least as many elements as the shape has, since the memory may come from a larger block.
    elements: Vec<A>,
    free: Free<A>,
}

impl<A: Element> BlockBuffer<A> {
    /// Returns the size along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the elements as an ndarray view.
    pub fn view_mut(&mut self) -> ArrayViewMutD<'_, A> {
        array_view_mut(&self.shape, &mut self.elements[..self.n_elements])
    }

    /// Turns the buffer into a block, without a copy.
    #[must_use]
    pub fn into_block(mut self) -> ArrayBlock {
        let shape = std::mem::take(&mut self.shape);
        ArrayBlock::of_elements(A::DTYPE, shape, Bytes::from_owner(self))
    }
}

fn array_view_mut<'a, A>(shape: &[usize], elements: &'a mut [A]) -> ArrayViewMutD<'a, A> {
    ArrayViewMutD::from_shape(shape, elements).expect("a buffer has as many elements as its shape")
}

impl<A: Element> Deref for BlockBuffer<A> {
    type Target = [A];

    fn deref(&self) -> &[A] {
        &self.elements[..self.n_elements]
    }
}

impl<A: Element> DerefMut for BlockBuffer<A> {
    fn deref_mut(&mut self) -> &mut [A] {
        &mut self.elements[..self.n_elements]
    }
}

impl<A: Element> AsRef<[u8]> for BlockBuffer<A> {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(self)
    }
}

impl<A: Element> Drop for BlockBuffer<A> {
    fn drop(&mut self) {
        let elements = std::mem::take(&mut self.elements);
        lock(&self.free).entry(elements.len()).or_default().push(elements);
    }
}

impl<A: Element> fmt::Debug for BlockBuffer<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "BlockBuffer {{ dtype: {}, shape: {:?} }}", A::DTYPE, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_block_has_the_memory_of_another(
            sizes in prop::collection::vec((0..50_usize, any::<bool>()), 1..30),
        ) {
            let pool = BlockPool::<u16>::new();
            let mut alive = Vec::new();
            let mut most = 0;
            for (i, (size, is_kept)) in sizes.into_iter().enumerate() {
                let mut buffer = pool.buffer([size, 2]).unwrap();
                buffer.fill(i as u16);
                alive.push((i as u16, size, buffer.into_block()));
                most = most.max(alive.len());
                if !is_kept {
                    alive.remove(alive.len() / 2);
                }
                for (i, size, block) in &alive {
                    prop_assert_eq!(block.shape(), [*size, 2]);
                    prop_assert_eq!(block.as_slice::<u16>().unwrap(), vec![*i; 2 * size]);
                }
            }
            drop(alive);
            prop_assert_eq!(pool.n_free(), most);
        }
    }

    #[test]
    fn memory_is_used_again() {
        let pool = BlockPool::<f32>::new();
        let block = pool.buffer([3, 4]).unwrap().into_block();
        let (pointer, clone) = (block.data().as_ptr(), block.clone());
        drop(block);
        assert_eq!(pool.n_free(), 0, "a clone has it");
        drop(clone);
        let smaller = pool.buffer([2, 2]).unwrap().into_block();
        assert_eq!((smaller.data().as_ptr(), smaller.data().len()), (pointer, 16));
    }

    #[test]
    fn blocks_outlive_their_pool() {
        let mut buffer = BlockPool::<i64>::new().buffer([2]).unwrap();
        buffer.copy_from_slice(&[1, 2]);
        assert_eq!(buffer.into_block().as_slice::<i64>().unwrap(), [1, 2]);
    }

    #[test]
    fn a_block_larger_than_memory_is_refused() {
        let error = BlockPool::<u8>::new().buffer([usize::MAX, 2]).unwrap_err();
        assert!(matches!(error.case(), Case::InvalidData { expected: None, .. }));
    }
}

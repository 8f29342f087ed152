//! Reducers whose statistics have a limit of their own for their memory.

use super::Reducer;
use crate::memory::contribute_within;
use crate::{ArrayBlock, BlockPosition, Declared, Result};

/// A reducer whose statistics take so many bytes at most, all of them together.
///
/// [`with_memory_limit`](crate::LazyChunkSequence::with_memory_limit) says what counts. That is the limit of a whole
/// evaluation; this is one of some of its reducers, which are not counted among the others.
///
/// # Example
///
/// ```
/// use lazy_core::{Covariance, LazyChunkSequence, MeanVariance, MemoryLimit, NdarrayConverter, report};
/// use ndarray::Array2;
///
/// // The matrix of 4,096 columns has 128 MiB, and that of the block being added as much.
/// let sequence = LazyChunkSequence::new(|| [Array2::<f32>::zeros((2, 4096))]).convert(NdarrayConverter);
/// let covariance = MemoryLimit::new(100 << 20, Covariance);
/// let error = sequence.compute((MeanVariance, covariance)).unwrap_err();
/// assert_eq!(
///     report(&error),
///     "block 0 could not be reduced: the covariance needs 128 MiB for 1 state, but the limit is 100 MiB"
/// );
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimit<R> {
    bytes: u64,
    reducer: R,
}

impl<R: Reducer> MemoryLimit<R> {
    /// Limits the memory of a reducer, of a tuple of them, or of a vector.
    pub fn new(bytes: u64, reducer: R) -> MemoryLimit<R> {
        MemoryLimit { bytes, reducer }
    }
}

impl<R: Reducer> Reducer for MemoryLimit<R> {
    type Partial = R::Partial;
    type State = R::State;
    type Output = R::Output;

    fn start(&self, declared: &Declared) -> Result<R::State> {
        self.reducer.start(&declared.clone().with_memory_limit(self.bytes))
    }

    fn recall(&self, state: &mut R::State, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        self.reducer.recall(state, at)
    }

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<R::Partial> {
        contribute_within(self.bytes, || self.reducer.partial(at, block))
    }

    fn absorb(&self, state: &mut R::State, at: BlockPosition, next: R::Partial) -> Result<()> {
        self.reducer.absorb(state, at, next)
    }

    fn seal(&self, state: &mut R::State) -> Result<()> {
        self.reducer.seal(state)
    }

    fn finish(&self, state: R::State) -> Result<R::Output> {
        self.reducer.finish(state)
    }
}

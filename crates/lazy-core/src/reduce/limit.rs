//! Reducers whose statistics have a memory limit of their own.

use super::{BlockMap, Reducer};
use crate::memory::contribute_within;
use crate::{ArrayBlock, BlockPosition, Result, SequenceSpec};

/// A reducer, or a tuple or vector of reducers, whose statistics and sinks together take at most a
/// given number of bytes.
///
/// [`with_memory_limit`](crate::LazyChunkSequence::with_memory_limit) describes what counts. It
/// limits a whole evaluation; this type limits some of its reducers, which do not count towards the
/// limit of the others.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{
///     Covariance, LazyChunkSequence, MeanVariance, MemoryLimit, NdarrayConverter, report,
/// };
/// use ndarray::Array2;
///
/// // The matrix of 4,096 columns takes 128 MiB, and the matrix of the block being added as much.
/// let sequence = LazyChunkSequence::new(|| [Array2::<f32>::zeros((2, 4096))])
///     .convert(NdarrayConverter);
/// let covariance = MemoryLimit::new(100 << 20, Covariance);
/// let error = sequence.compute((MeanVariance, covariance)).unwrap_err();
/// assert_eq!(
///     report(&error),
///     "block 0 could not be reduced: 1 state of the covariance takes 128 MiB, \
///      but the limit is 100 MiB"
/// );
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimit<R> {
    pub(crate) bytes: u64,
    pub(crate) reducer: R,
}

impl<R: Reducer> MemoryLimit<R> {
    /// Limits the memory of a reducer, or of a tuple or a vector of reducers, to `bytes`.
    pub fn new(bytes: u64, reducer: R) -> MemoryLimit<R> {
        MemoryLimit { bytes, reducer }
    }
}

impl<R: Reducer> Reducer for MemoryLimit<R> {
    type Map = MemoryLimit<R::Map>;
    type Run = R::Run;
    type Output = R::Output;

    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        self.reducer.memory_bound(&spec.clone().with_memory_limit(self.bytes))
    }

    fn start(self, spec: &SequenceSpec) -> Result<(MemoryLimit<R::Map>, R::Run)> {
        let (map, run) = self.reducer.start(&spec.clone().with_memory_limit(self.bytes))?;
        Ok((MemoryLimit { bytes: self.bytes, reducer: map }, run))
    }
}

impl<M: BlockMap> BlockMap for MemoryLimit<M> {
    type Partial = M::Partial;

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<M::Partial> {
        contribute_within(self.bytes, || self.reducer.partial(at, block))
    }
}

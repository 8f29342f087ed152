//! A statistic made of closures.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ArrayBlock, BlockPosition, Result, Statistic};

/// A statistic made of closures: one that adds a block to a state, and one that merges two states.
///
/// The state is the result; it begins as its type's default. What needs more than that implements [`Statistic`].
///
/// # Example
///
/// The trace of a matrix:
///
/// ```
/// use lazy_core::{ArrayBlock, BlockPosition, Fold, LazyChunkSequence, NdarrayConverter};
/// use ndarray::{Ix2, array};
///
/// let trace = Fold::new(
///     "the trace",
///     |trace: &mut f64, at: BlockPosition, block: &ArrayBlock| {
///         let rows = block.to_array::<f64, Ix2>()?;
///         *trace += rows.indexed_iter().filter(|((i, j), _)| at.row + i == *j).map(|(_, x)| x).sum::<f64>();
///         Ok(())
///     },
///     |trace, next| *trace += next,
/// );
/// let matrix = LazyChunkSequence::new(|| [array![[1.0, 2.0]], array![[3.0, 4.0]]]);
/// assert_eq!(matrix.convert(NdarrayConverter).compute(trace)?, 5.0);
/// # Ok::<(), lazy_core::Error>(())
/// ```
pub struct Fold<S, P, M> {
    name: String,
    push: P,
    merge: M,
    state: PhantomData<fn() -> S>,
}

impl<S, P, M> Fold<S, P, M>
where
    S: Default + Send + Serialize + DeserializeOwned,
    P: Fn(&mut S, BlockPosition, &ArrayBlock) -> Result<()> + Sync,
    M: Fn(&mut S, S) + Sync,
{
    /// `push` adds a block to a state; `merge` adds the state of the blocks that follow. The name is for messages,
    /// and tells states of different closures apart.
    pub fn new(name: impl Into<String>, push: P, merge: M) -> Fold<S, P, M> {
        Fold { name: name.into(), push, merge, state: PhantomData }
    }
}

impl<S, P, M> Statistic for Fold<S, P, M>
where
    S: Default + Send + Serialize + DeserializeOwned,
    P: Fn(&mut S, BlockPosition, &ArrayBlock) -> Result<()> + Sync,
    M: Fn(&mut S, S) + Sync,
{
    type State = S;
    type Output = S;

    fn name(&self) -> String {
        self.name.clone()
    }

    fn empty(&self) -> S {
        S::default()
    }

    fn push(&self, state: &mut S, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        (self.push)(state, at, block)
    }

    fn merge(&self, state: &mut S, next: S) -> Result<()> {
        (self.merge)(state, next);
        Ok(())
    }

    fn finish(&self, state: S) -> Result<S> {
        Ok(state)
    }
}

impl<S, P, M> fmt::Debug for Fold<S, P, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Fold").field("name", &self.name).finish_non_exhaustive()
    }
}

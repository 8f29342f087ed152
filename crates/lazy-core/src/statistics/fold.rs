//! A statistic made from closures.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ArrayBlock, BlockPosition, Result, SaveState, Statistic};

/// A statistic made from two closures: one adds a block to a state, and one merges two states.
///
/// The state is the result, and starts as the default of its type. For more, implement
/// [`Statistic`].
///
/// # Example
///
/// The trace of a matrix:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArrayBlock, BlockPosition, Fold, LazyChunkSequence, NdarrayConverter};
/// use ndarray::{Ix2, array};
///
/// let trace = Fold::new(
///     "the trace",
///     |trace: &mut f64, at: BlockPosition, block: &ArrayBlock| {
///         let rows = block.to_array::<f64, Ix2>()?;
///         let diagonal = rows.indexed_iter().filter(|((i, j), _)| at.row + i == *j);
///         *trace += diagonal.map(|(_, x)| x).sum::<f64>();
///         Ok(())
///     },
///     |trace, next| *trace += next,
/// );
/// let matrix = LazyChunkSequence::new(|| [array![[1.0, 2.0]], array![[3.0, 4.0]]]);
/// assert_eq!(matrix.convert(NdarrayConverter).compute(trace)?, 5.0);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct Fold<S, P, M> {
    name: String,
    update: P,
    merge: M,
    state: PhantomData<fn() -> S>,
}

impl<S, P, M> Fold<S, P, M>
where
    S: Default + Send,
    P: Fn(&mut S, BlockPosition, &ArrayBlock) -> Result<()> + Send + Sync,
    M: Fn(&mut S, S) + Send + Sync,
{
    /// Creates a statistic. `update` adds a block to a state; `merge` adds the state of the blocks
    /// that follow. The name appears in messages, and distinguishes the states of different
    /// closures.
    pub fn new(name: impl Into<String>, update: P, merge: M) -> Fold<S, P, M> {
        Fold { name: name.into(), update, merge, state: PhantomData }
    }
}

impl<S, P, M> Statistic for Fold<S, P, M>
where
    S: Default + Send,
    P: Fn(&mut S, BlockPosition, &ArrayBlock) -> Result<()> + Send + Sync,
    M: Fn(&mut S, S) + Send + Sync,
{
    type State = S;
    type Output = S;

    fn name(&self) -> String {
        self.name.clone()
    }

    fn empty(&self) -> S {
        S::default()
    }

    fn update(&self, state: &mut S, at: BlockPosition, block: &ArrayBlock) -> Result<()> {
        (self.update)(state, at, block)
    }

    fn merge(&self, state: &mut S, next: S) -> Result<()> {
        (self.merge)(state, next);
        Ok(())
    }

    fn finish(&self, state: S) -> Result<S> {
        Ok(state)
    }
}

/// The states can be saved if their type can.
impl<S, P, M> SaveState for Fold<S, P, M>
where
    S: Default + Send + Serialize + DeserializeOwned,
    P: Fn(&mut S, BlockPosition, &ArrayBlock) -> Result<()> + Send + Sync,
    M: Fn(&mut S, S) + Send + Sync,
{
}

impl<S, P, M> fmt::Debug for Fold<S, P, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Fold").field("name", &self.name).finish_non_exhaustive()
    }
}

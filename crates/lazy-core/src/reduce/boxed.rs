//! Reducers whose types are chosen at run time.

use std::any::Any;
use std::fmt;
use std::ops::Range;

use super::pieces::{InPieces, Making};
use super::{BlockMap, Reducer, Run};
use crate::{ArrayBlock, BlockPosition, Error, Progress, Result, SequenceSpec};

/// A reducer of any type, with a function that converts its result. Reducers of different types fit
/// into one vector, so a program can choose at run time what to compute.
///
/// Each block's contribution takes one additional allocation.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArgMax, BoxedReducer, LazyChunkSequence, MeanVariance, NdarrayConverter, Sum};
/// use ndarray::array;
///
/// fn reducer(name: &str) -> Option<BoxedReducer<'static, String>> {
///     Some(match name {
///         "sum" => BoxedReducer::new(Sum, |sum| format!("{sum} in all")),
///         "mean" => {
///             BoxedReducer::new(MeanVariance, |moments| format!("{} on average", moments.mean))
///         }
///         "argmax" => BoxedReducer::new(ArgMax, |max| format!("the largest at {}", max.index)),
///         _ => return None,
///     })
/// }
///
/// let reducers: Vec<_> = "mean argmax sum".split(' ').filter_map(reducer).collect();
/// let sequence = LazyChunkSequence::new(|| [array![[1, 2, 9]]]).convert(NdarrayConverter);
/// assert_eq!(sequence.compute(reducers)?, ["4 on average", "the largest at 2", "12 in all"]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct BoxedReducer<'r, O>(Box<dyn Start<'r, O> + 'r>);

impl<'r, O: 'r> BoxedReducer<'r, O> {
    /// Creates a reducer whose result is the result of `output`.
    pub fn new<R>(reducer: R, output: impl FnOnce(R::Output) -> O + 'r) -> BoxedReducer<'r, O>
    where
        R: Reducer<Map: 'r, Run: 'r> + 'r,
        <R::Map as BlockMap>::Partial: 'static,
    {
        BoxedReducer(Box::new(Boxed { reducer, output }))
    }
}

impl<O> fmt::Debug for BoxedReducer<'_, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BoxedReducer").finish_non_exhaustive()
    }
}

type Partial = Box<dyn Any + Send>;

/// A [`Reducer`] without its types.
trait Start<'r, O> {
    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64>;
    fn start(self: Box<Self>, spec: &SequenceSpec) -> Result<(BoxedMap<'r>, BoxedRun<'r, O>)>;
}

/// A [`BlockMap`] without its types.
trait ErasedMap: Sync {
    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Partial>;
    fn in_pieces<'b>(
        &'b self,
        at: BlockPosition,
        block: &'b ArrayBlock,
    ) -> Result<Making<'b, Partial>>;
}

/// A [`Run`] without its types.
trait ErasedRun<O> {
    fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>>;
    fn merge(&mut self, at: BlockPosition, partial: Partial) -> Result<()>;
    fn prepare(&mut self) -> Result<()>;
    fn commit(self: Box<Self>) -> Result<O>;
    fn report(&self, progress: &mut Progress);
    fn abort(self: Box<Self>, error: Error) -> Error;
}

struct Boxed<R, F> {
    reducer: R,
    output: F,
}

impl<'r, R, O, F> Start<'r, O> for Boxed<R, F>
where
    R: Reducer<Map: 'r, Run: 'r>,
    <R::Map as BlockMap>::Partial: 'static,
    F: FnOnce(R::Output) -> O + 'r,
{
    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        self.reducer.memory_bound(spec)
    }

    fn start(self: Box<Self>, spec: &SequenceSpec) -> Result<(BoxedMap<'r>, BoxedRun<'r, O>)> {
        let (map, run) = self.reducer.start(spec)?;
        let run = Boxed { reducer: run, output: self.output };
        Ok((BoxedMap(Box::new(Erased(map))), BoxedRun(Box::new(run))))
    }
}

struct Erased<M>(M);

impl<M: BlockMap<Partial: 'static>> ErasedMap for Erased<M> {
    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Partial> {
        Ok(Box::new(self.0.partial(at, block)?))
    }

    fn in_pieces<'b>(
        &'b self,
        at: BlockPosition,
        block: &'b ArrayBlock,
    ) -> Result<Making<'b, Partial>> {
        let making = self.0.in_pieces(at, block)?;
        Ok(making.map(|making| Box::new(Erased(making)) as Box<dyn InPieces<Partial>>))
    }
}

impl<P: Send + 'static> InPieces<Partial> for Erased<Box<dyn InPieces<P> + '_>> {
    fn add(&mut self, elements: Range<usize>) -> Result<()> {
        self.0.add(elements)
    }

    fn finish(self: Box<Self>) -> Result<Partial> {
        Ok(Box::new(self.0.finish()?))
    }
}

impl<R, O, F> ErasedRun<O> for Boxed<R, F>
where
    R: Run<Partial: 'static>,
    F: FnOnce(R::Output) -> O,
{
    fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        self.reducer.restore(at)
    }

    fn merge(&mut self, at: BlockPosition, partial: Partial) -> Result<()> {
        let partial = partial.downcast().expect("a run receives the contributions of its map");
        self.reducer.merge(at, *partial)
    }

    fn prepare(&mut self) -> Result<()> {
        self.reducer.prepare()
    }

    fn commit(self: Box<Self>) -> Result<O> {
        self.reducer.commit().map(self.output)
    }

    fn report(&self, progress: &mut Progress) {
        self.reducer.report(progress);
    }

    fn abort(self: Box<Self>, error: Error) -> Error {
        self.reducer.abort(error)
    }
}

/// The map of a [`BoxedReducer`].
pub struct BoxedMap<'r>(Box<dyn ErasedMap + 'r>);

/// The run of a [`BoxedReducer`].
pub struct BoxedRun<'r, O>(Box<dyn ErasedRun<O> + 'r>);

impl fmt::Debug for BoxedMap<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BoxedMap").finish_non_exhaustive()
    }
}

impl<O> fmt::Debug for BoxedRun<'_, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BoxedRun").finish_non_exhaustive()
    }
}

impl<'r, O> Reducer for BoxedReducer<'r, O> {
    type Map = BoxedMap<'r>;
    type Run = BoxedRun<'r, O>;
    type Output = O;

    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        self.0.memory_bound(spec)
    }

    fn start(self, spec: &SequenceSpec) -> Result<(BoxedMap<'r>, BoxedRun<'r, O>)> {
        self.0.start(spec)
    }
}

impl BlockMap for BoxedMap<'_> {
    type Partial = Partial;

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Partial> {
        self.0.partial(at, block)
    }

    fn in_pieces<'b>(
        &'b self,
        at: BlockPosition,
        block: &'b ArrayBlock,
    ) -> Result<Making<'b, Partial>> {
        self.0.in_pieces(at, block)
    }
}

impl<O> Run for BoxedRun<'_, O> {
    type Partial = Partial;
    type Output = O;

    fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        self.0.restore(at)
    }

    fn merge(&mut self, at: BlockPosition, partial: Partial) -> Result<()> {
        self.0.merge(at, partial)
    }

    fn prepare(&mut self) -> Result<()> {
        self.0.prepare()
    }

    fn commit(self) -> Result<O> {
        self.0.commit()
    }

    fn report(&self, progress: &mut Progress) {
        self.0.report(progress);
    }

    fn abort(self, error: Error) -> Error {
        self.0.abort(error)
    }
}

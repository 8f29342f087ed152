//! Reducers whose type is not known until the program runs.

use std::any::Any;
use std::fmt;

use super::Reducer;
use crate::{ArrayBlock, BlockPosition, Declared, Result};

/// A reducer of whichever type, with what becomes of its result: so that reducers of different types fit into one vector,
/// as a program has them that is told what to compute when it runs.
///
/// Each block's contribution is allocated once more than without it.
///
/// # Example
///
/// ```
/// use lazy_core::{ArgMax, BoxedReducer, LazyChunkSequence, MeanVariance, NdarrayConverter, Sum};
/// use ndarray::array;
///
/// fn reducer(name: &str) -> Option<BoxedReducer<'static, String>> {
///     Some(match name {
///         "sum" => BoxedReducer::new(Sum, |sum| format!("{sum} in all")),
///         "mean" => BoxedReducer::new(MeanVariance, |moments| format!("{} on average", moments.mean)),
///         "argmax" => BoxedReducer::new(ArgMax, |max| format!("the largest at {}", max.index)),
///         _ => return None,
///     })
/// }
///
/// let reducers: Vec<_> = "mean argmax sum".split(' ').filter_map(reducer).collect();
/// let sequence = LazyChunkSequence::new(|| [array![[1, 2, 9]]]).convert(NdarrayConverter);
/// assert_eq!(sequence.compute(reducers)?, ["4 on average", "the largest at 2", "12 in all"]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
pub struct BoxedReducer<'r, O>(Box<dyn Erased<O> + 'r>);

impl<'r, O: 'r> BoxedReducer<'r, O> {
    /// A reducer whose result becomes that of the function.
    pub fn new<R>(reducer: R, output: impl Fn(R::Output) -> O + Sync + 'r) -> BoxedReducer<'r, O>
    where
        R: Reducer<Partial: 'static, State: 'static> + 'r,
    {
        BoxedReducer(Box::new(Mapped { reducer, output }))
    }
}

impl<O> fmt::Debug for BoxedReducer<'_, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BoxedReducer").finish_non_exhaustive()
    }
}

type Partial = Box<dyn Any + Send>;
type State = Box<dyn Any>;

/// A [`Reducer`] without its types.
trait Erased<O>: Sync {
    fn start(&self, declared: &Declared) -> Result<State>;
    fn recall(&self, state: &mut State, at: BlockPosition) -> Result<Option<ArrayBlock>>;
    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Partial>;
    fn absorb(&self, state: &mut State, at: BlockPosition, partial: Partial) -> Result<()>;
    fn seal(&self, state: &mut State) -> Result<()>;
    fn finish(&self, state: State) -> Result<O>;
}

struct Mapped<R, F> {
    reducer: R,
    output: F,
}

const ITS_OWN: &str = "a reducer is handed what it has made";

fn state_of<S: 'static>(state: &mut State) -> &mut S {
    state.downcast_mut().expect(ITS_OWN)
}

impl<R, O, F> Erased<O> for Mapped<R, F>
where
    R: Reducer<Partial: 'static, State: 'static>,
    F: Fn(R::Output) -> O + Sync,
{
    fn start(&self, declared: &Declared) -> Result<State> {
        Ok(Box::new(self.reducer.start(declared)?))
    }

    fn recall(&self, state: &mut State, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        self.reducer.recall(state_of(state), at)
    }

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Partial> {
        Ok(Box::new(self.reducer.partial(at, block)?))
    }

    fn absorb(&self, state: &mut State, at: BlockPosition, partial: Partial) -> Result<()> {
        let partial: Box<R::Partial> = partial.downcast().expect(ITS_OWN);
        self.reducer.absorb(state_of(state), at, *partial)
    }

    fn seal(&self, state: &mut State) -> Result<()> {
        self.reducer.seal(state_of(state))
    }

    fn finish(&self, state: State) -> Result<O> {
        let state: Box<R::State> = state.downcast().expect(ITS_OWN);
        self.reducer.finish(*state).map(&self.output)
    }
}

impl<O> Reducer for BoxedReducer<'_, O> {
    type Partial = BoxedPartial;
    type State = BoxedState;
    type Output = O;

    fn start(&self, declared: &Declared) -> Result<BoxedState> {
        self.0.start(declared).map(BoxedState)
    }

    fn recall(&self, state: &mut BoxedState, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        self.0.recall(&mut state.0, at)
    }

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<BoxedPartial> {
        self.0.partial(at, block).map(BoxedPartial)
    }

    fn absorb(&self, state: &mut BoxedState, at: BlockPosition, next: BoxedPartial) -> Result<()> {
        self.0.absorb(&mut state.0, at, next.0)
    }

    fn seal(&self, state: &mut BoxedState) -> Result<()> {
        self.0.seal(&mut state.0)
    }

    fn finish(&self, state: BoxedState) -> Result<O> {
        self.0.finish(state.0)
    }
}

/// What one block contributes to a [`BoxedReducer`].
#[derive(Debug)]
pub struct BoxedPartial(Partial);

/// What a [`BoxedReducer`] has accumulated.
#[derive(Debug)]
pub struct BoxedState(State);

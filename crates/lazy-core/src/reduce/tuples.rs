//! Tuples and vectors of reducers.

use super::Reducer;
use crate::{ArrayBlock, BlockPosition, Declared, Result};

macro_rules! tuple_reducer {
    ($($R:ident $i:tt),+) => {
        impl<$($R: Reducer),+> Reducer for ($($R,)+) {
            type Partial = ($($R::Partial,)+);
            type State = ($($R::State,)+);
            type Output = ($($R::Output,)+);

            fn start(&self, declared: &Declared) -> Result<Self::State> {
                Ok(($(self.$i.start(declared)?,)+))
            }

            fn recall(
                &self,
                state: &mut Self::State,
                at: BlockPosition,
            ) -> Result<Option<ArrayBlock>> {
                $(
                    if let Some(block) = self.$i.recall(&mut state.$i, at)? {
                        return Ok(Some(block));
                    }
                )+
                Ok(None)
            }

            fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Self::Partial> {
                Ok(($(self.$i.partial(at, block)?,)+))
            }

            fn absorb(
                &self,
                state: &mut Self::State,
                at: BlockPosition,
                partial: Self::Partial,
            ) -> Result<()> {
                $(self.$i.absorb(&mut state.$i, at, partial.$i)?;)+
                Ok(())
            }

            fn seal(&self, state: &mut Self::State) -> Result<()> {
                $(self.$i.seal(&mut state.$i)?;)+
                Ok(())
            }

            fn finish(&self, state: Self::State) -> Result<Self::Output> {
                Ok(($(self.$i.finish(state.$i)?,)+))
            }
        }
    };
}

tuple_reducer!(A 0);
tuple_reducer!(A 0, B 1);
tuple_reducer!(A 0, B 1, C 2);
tuple_reducer!(A 0, B 1, C 2, D 3);
tuple_reducer!(A 0, B 1, C 2, D 3, E 4);
tuple_reducer!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple_reducer!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple_reducer!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

impl<R: Reducer> Reducer for Vec<R> {
    type Partial = Vec<R::Partial>;
    type State = Vec<R::State>;
    type Output = Vec<R::Output>;

    fn start(&self, declared: &Declared) -> Result<Self::State> {
        self.iter().map(|reducer| reducer.start(declared)).collect()
    }

    fn recall(&self, state: &mut Self::State, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        for (reducer, state) in self.iter().zip(state) {
            if let Some(block) = reducer.recall(state, at)? {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Self::Partial> {
        self.iter().map(|reducer| reducer.partial(at, block)).collect()
    }

    fn absorb(
        &self,
        state: &mut Self::State,
        at: BlockPosition,
        partial: Self::Partial,
    ) -> Result<()> {
        self.iter()
            .zip(state)
            .zip(partial)
            .try_for_each(|((reducer, state), partial)| reducer.absorb(state, at, partial))
    }

    fn seal(&self, state: &mut Self::State) -> Result<()> {
        self.iter().zip(state).try_for_each(|(reducer, state)| reducer.seal(state))
    }

    fn finish(&self, state: Self::State) -> Result<Self::Output> {
        self.iter().zip(state).map(|(reducer, state)| reducer.finish(state)).collect()
    }
}

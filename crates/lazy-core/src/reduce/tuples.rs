//! Tuples, vectors and options of reducers.

use super::pieces::{Turns, add};
use super::{BlockMap, Reducer, Run};
use crate::{ArrayBlock, BlockPosition, Error, Progress, Result, SequenceSpec};

/// Returns the sum of bounds, or `None` if one is unknown.
fn sum(bounds: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    bounds.into_iter().try_fold(0_u64, |sum, bound| Some(sum.saturating_add(bound?)))
}

macro_rules! tuple_reducer {
    ($($R:ident $i:tt),+) => {
        impl<$($R: Reducer),+> Reducer for ($($R,)+) {
            type Map = ($($R::Map,)+);
            type Run = ($($R::Run,)+);
            type Output = ($($R::Output,)+);

            fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
                sum([$(self.$i.memory_bound(spec)),+])
            }

            fn start(self, spec: &SequenceSpec) -> Result<(Self::Map, Self::Run)> {
                let parts = ($(self.$i.start(spec)?,)+);
                Ok((($(parts.$i.0,)+), ($(parts.$i.1,)+)))
            }
        }

        impl<$($R: BlockMap),+> BlockMap for ($($R,)+) {
            type Partial = ($($R::Partial,)+);

            fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Self::Partial> {
                let turns = Turns::new(at, block);
                let mut making = ($(turns.begin(&self.$i)?,)+);
                for piece in turns.pieces() {
                    $(add(&mut making.$i, piece.clone())?;)+
                }
                Ok(($(turns.end(&self.$i, making.$i)?,)+))
            }
        }

        impl<$($R: Run),+> Run for ($($R,)+) {
            type Partial = ($($R::Partial,)+);
            type Output = ($($R::Output,)+);

            fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
                $(
                    if let Some(block) = self.$i.restore(at)? {
                        return Ok(Some(block));
                    }
                )+
                Ok(None)
            }

            fn merge(&mut self, at: BlockPosition, partial: Self::Partial) -> Result<()> {
                $(self.$i.merge(at, partial.$i)?;)+
                Ok(())
            }

            fn prepare(&mut self) -> Result<()> {
                $(self.$i.prepare()?;)+
                Ok(())
            }

            fn commit(self) -> Result<Self::Output> {
                Ok(($(self.$i.commit()?,)+))
            }

            fn report(&self, progress: &mut Progress) {
                $(self.$i.report(progress);)+
            }

            fn abort(self, error: Error) -> Error {
                $(let error = self.$i.abort(error);)+
                error
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
    type Map = Vec<R::Map>;
    type Run = Vec<R::Run>;
    type Output = Vec<R::Output>;

    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        sum(self.iter().map(|reducer| reducer.memory_bound(spec)))
    }

    fn start(self, spec: &SequenceSpec) -> Result<(Self::Map, Self::Run)> {
        let parts: Vec<_> =
            self.into_iter().map(|reducer| reducer.start(spec)).collect::<Result<_>>()?;
        Ok(parts.into_iter().unzip())
    }
}

impl<M: BlockMap> BlockMap for Vec<M> {
    type Partial = Vec<M::Partial>;

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Self::Partial> {
        let turns = Turns::new(at, block);
        let making: Result<Vec<_>> = self.iter().map(|map| turns.begin(map)).collect();
        let mut making = making?;
        for piece in turns.pieces() {
            making.iter_mut().try_for_each(|making| add(making, piece.clone()))?;
        }
        self.iter().zip(making).map(|(map, making)| turns.end(map, making)).collect()
    }
}

impl<R: Run> Run for Vec<R> {
    type Partial = Vec<R::Partial>;
    type Output = Vec<R::Output>;

    fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        for run in self {
            if let Some(block) = run.restore(at)? {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    fn merge(&mut self, at: BlockPosition, partial: Self::Partial) -> Result<()> {
        self.iter_mut().zip(partial).try_for_each(|(run, partial)| run.merge(at, partial))
    }

    fn prepare(&mut self) -> Result<()> {
        self.iter_mut().try_for_each(Run::prepare)
    }

    fn commit(self) -> Result<Self::Output> {
        self.into_iter().map(Run::commit).collect()
    }

    fn report(&self, progress: &mut Progress) {
        self.iter().for_each(|run| run.report(progress));
    }

    fn abort(self, error: Error) -> Error {
        self.into_iter().fold(error, |error, run| run.abort(error))
    }
}

/// An optional reducer; `None` does nothing.
impl<R: Reducer> Reducer for Option<R> {
    type Map = Option<R::Map>;
    type Run = Option<R::Run>;
    type Output = Option<R::Output>;

    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        sum(self.iter().map(|reducer| reducer.memory_bound(spec)))
    }

    fn start(self, spec: &SequenceSpec) -> Result<(Self::Map, Self::Run)> {
        Ok(self.map(|reducer| reducer.start(spec)).transpose()?.unzip())
    }
}

impl<M: BlockMap> BlockMap for Option<M> {
    type Partial = Option<M::Partial>;

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Self::Partial> {
        self.as_ref().map(|map| map.partial(at, block)).transpose()
    }
}

impl<R: Run> Run for Option<R> {
    type Partial = Option<R::Partial>;
    type Output = Option<R::Output>;

    fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        self.as_mut().map_or(Ok(None), |run| run.restore(at))
    }

    fn merge(&mut self, at: BlockPosition, partial: Self::Partial) -> Result<()> {
        match (self, partial) {
            (Some(run), Some(partial)) => run.merge(at, partial),
            _ => Ok(()),
        }
    }

    fn prepare(&mut self) -> Result<()> {
        self.as_mut().map_or(Ok(()), Run::prepare)
    }

    fn commit(self) -> Result<Self::Output> {
        self.map(Run::commit).transpose()
    }

    fn report(&self, progress: &mut Progress) {
        if let Some(run) = self {
            run.report(progress);
        }
    }

    fn abort(self, error: Error) -> Error {
        match self {
            Some(run) => run.abort(error),
            None => error,
        }
    }
}

//! Statistics whose results are stored.

use lazy_core::{
    ArrayBlock, BlockPosition, Declared, LazyChunkSequence, Location, NamedArrays, Reducer,
    Statistic,
};
use serde::Serialize;

use crate::{Durability, Existing, StoredArray, Target, ZarrSink};

/// A statistic whose result is stored too, as one or several Zarr arrays, in the pass that computes it.
///
/// What is one array by itself lies at the target; what is several, each under its name in a group there:
/// [`NamedArrays`] says which. All targets are checked before the first block is computed, and the arrays appear when
/// all that is computed in the pass has succeeded: one after the other, so that what fails between two leaves the first.
///
/// The result is that of the statistic, and the arrays.
///
/// # Errors
///
/// Those of the statistic, and of a [`ZarrSink`].
///
/// # Example
///
/// Values and what they come to, in one group:
///
/// ```
/// use lazy_core::{LazyChunkSequence, MeanVariance, NdarrayConverter, Sum, Summary};
/// use lazy_zarr::{StoreResult, StoredArray, Target, ZarrSink};
/// use ndarray::Array2;
///
/// # let directory = tempfile::tempdir()?;
/// let group = Target::from(directory.path().join("influence.zarr"));
/// let sequence = LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((2, 3), f64::from(i))))
///     .convert(NdarrayConverter);
/// let (stored, (moments, _), (sums, _)) = sequence.compute((
///     ZarrSink::new(group.clone().member("values")),
///     StoreResult::new(MeanVariance.per_column(), group.clone().member("of_columns")),
///     StoreResult::new(Sum.per_row(), group.clone().member("sums")),
/// ))?;
/// assert_eq!(stored.shape(), [8, 3]);
/// assert_eq!(moments.mean[[1]], 1.5);
/// assert_eq!(sums[7], 9.0);
///
/// let variances = StoredArray::open(group.clone().member("of_columns").member("variance"))?;
/// assert_eq!(variances.read()?.as_slice::<f64>()?, [1.25; 3]);
/// assert_eq!(StoredArray::open(group.member("sums"))?.shape(), [8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct StoreResult<S> {
    statistic: S,
    sink: ZarrSink,
}

impl<S> StoreResult<S>
where
    S: Statistic,
    S::Output: NamedArrays,
{
    /// Computes the statistic, and stores its result there.
    pub fn new(statistic: S, target: impl Into<Target>) -> StoreResult<S> {
        StoreResult { statistic, sink: ZarrSink::new(target) }
    }

    /// What happens where there is an array already: by default [`Error::TargetExists`](crate::Error::TargetExists).
    #[must_use]
    pub fn with_existing(self, existing: Existing) -> StoreResult<S> {
        StoreResult { sink: self.sink.with_existing(existing), ..self }
    }

    /// What the arrays survive once they are published: by default power failures.
    #[must_use]
    pub fn with_durability(self, durability: Durability) -> StoreResult<S> {
        StoreResult { sink: self.sink.with_durability(durability), ..self }
    }

    /// Adds a user attribute to each array, as [`ZarrSink::with_attribute`].
    #[must_use]
    pub fn with_attribute(self, name: impl Into<String>, value: impl Serialize) -> StoreResult<S> {
        StoreResult { sink: self.sink.with_attribute(name, value), ..self }
    }

    /// A sink for each array of the result.
    fn sinks(&self) -> Vec<ZarrSink> {
        let sink = |name: &&str| match *name {
            "" => self.sink.clone(),
            name => self.sink.clone().with_target(self.sink.target.clone().member(name)),
        };
        S::Output::NAMES.iter().map(sink).collect()
    }
}

/// A statistic that is being computed, and the writes of its result.
#[derive(Debug)]
pub struct StoringResult<T, W> {
    statistic: T,
    writes: Vec<(ZarrSink, W)>,
}

impl<S> Reducer for StoreResult<S>
where
    S: Statistic,
    S::Output: NamedArrays,
{
    type Partial = <S as Reducer>::Partial;
    type State = StoringResult<<S as Reducer>::State, <ZarrSink as Reducer>::State>;
    type Output = (S::Output, Vec<StoredArray>);

    fn start(&self, declared: &Declared) -> lazy_core::Result<Self::State> {
        let statistic = self.statistic.start(declared)?;
        // Of the result it is known that it comes in one piece.
        let result = LazyChunkSequence::new(|| [] as [ArrayBlock; 0]).with_len(1);
        let start = |sink: ZarrSink| {
            let write = sink.start(result.declared())?;
            Ok((sink, write))
        };
        let writes = self.sinks().into_iter().map(start).collect::<lazy_core::Result<_>>()?;
        Ok(StoringResult { statistic, writes })
    }

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> lazy_core::Result<Self::Partial> {
        self.statistic.partial(at, block)
    }

    fn absorb(
        &self,
        state: &mut Self::State,
        at: BlockPosition,
        partial: Self::Partial,
    ) -> lazy_core::Result<()> {
        self.statistic.absorb(&mut state.statistic, at, partial)
    }

    fn seal(&self, state: &mut Self::State) -> lazy_core::Result<()> {
        self.statistic.seal(&mut state.statistic)?;
        let arrays = state.statistic.output().expect("it is sealed").arrays();
        assert_eq!(arrays.len(), state.writes.len(), "a result has an array for each of its names");
        let at = BlockPosition { location: Location::Block(0), row: 0, column: 0 };
        for ((sink, write), array) in state.writes.iter_mut().zip(arrays) {
            sink.absorb(write, at, array)?;
            sink.seal(write)?;
        }
        Ok(())
    }

    fn finish(&self, state: Self::State) -> lazy_core::Result<Self::Output> {
        let publish = |(sink, write): (ZarrSink, _)| sink.finish(write);
        let arrays = state.writes.into_iter().map(publish).collect::<lazy_core::Result<_>>()?;
        Ok((Reducer::finish(&self.statistic, state.statistic)?, arrays))
    }
}

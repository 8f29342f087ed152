//! A reducer that stores the result of a statistic.

use std::fmt;

use lazy_core::{
    ArrayBlock, BlockIndex, BlockPosition, Contribution, Cut, Error, NamedArrays, Progress,
    Reducer, Result, Run, SequenceSpec, Statistic, StatisticMap, StatisticRun,
};
use serde::Serialize;

use crate::read::StoredArray;
use crate::settings::{Durability, Existing};
use crate::target::Target;
use crate::write::session::Write;
use crate::write::sink::ZarrSink;

/// A statistic whose result is also stored, as one or several Zarr arrays, in the pass that
/// computes it.
///
/// A result that is one array is stored at the target; a result of several arrays becomes a group
/// there, which holds each array under its name (see [`NamedArrays`]). All targets are checked
/// before the first block is computed. The arrays appear when the whole pass has succeeded, one
/// after the other, so an error between two arrays leaves the first.
///
/// The output is a pair: the result of the statistic, and the stored arrays.
///
/// Under a [memory limit](lazy_core::LazyChunkSequence::with_memory_limit) the statistic counts.
/// The memory in which its result is stored after the last block does not count.
///
/// # Errors
///
/// The errors of the statistic, and of a [`ZarrSink`].
///
/// # Example
///
/// Stores values and their statistics in one group:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter, Sum, Summary};
/// use lazy_chunks::zarr::{StoreResult, StoredArray, Target, ZarrSink};
/// use ndarray::Array2;
///
/// # let directory = tempfile::tempdir()?;
/// let group = Target::from(directory.path().join("influence.zarr"));
/// let sequence = LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((2, 3), f64::from(i))))
///     .convert(NdarrayConverter);
/// let (stored, (moments, _), (sums, _)) = sequence.compute((
///     ZarrSink::new(group.member("values")),
///     StoreResult::new(MeanVariance.per_column(), group.member("of_columns")),
///     StoreResult::new(Sum.per_row(), group.member("sums")),
/// ))?;
/// assert_eq!(stored.shape(), [8, 3]);
/// assert_eq!(moments.mean[[1]], 1.5);
/// assert_eq!(sums[7], 9.0);
///
/// let variances = StoredArray::open(group.member("of_columns").member("variance"))?;
/// assert_eq!(variances.read()?.as_slice::<f64>()?, [1.25; 3]);
/// assert_eq!(StoredArray::open(group.member("sums"))?.shape(), [8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct StoreResult<S> {
    statistic: S,
    sink: ZarrSink,
    /// The axis names that the user sets, with the name of the array.
    dimension_names: Vec<(String, Vec<String>)>,
}

impl<S> StoreResult<S>
where
    S: Statistic,
    S::Output: NamedArrays,
{
    /// Computes a statistic and stores its result at a target.
    pub fn new(statistic: S, target: impl Into<Target>) -> StoreResult<S> {
        StoreResult { statistic, sink: ZarrSink::new(target), dimension_names: Vec::new() }
    }

    /// Sets how to treat an array that already exists. By default, it is an error of the kind
    /// [`ErrorKind::Exists`](crate::ErrorKind::Exists).
    ///
    /// A result cannot be appended ([`Existing::Append`]), since a pass that is repeated would
    /// append it again: the pass returns
    /// [`ErrorKind::InvalidSetting`](crate::ErrorKind::InvalidSetting) before its first block. To
    /// append a value for each row, put a function in front of a resumable sink
    /// ([`Reducer::of`]).
    #[must_use]
    pub fn with_existing(self, existing: Existing) -> StoreResult<S> {
        StoreResult { sink: self.sink.with_existing(existing), ..self }
    }

    /// Sets which failures the arrays survive once they are published. By default, they survive
    /// power failures.
    #[must_use]
    pub fn with_durability(self, durability: Durability) -> StoreResult<S> {
        StoreResult { sink: self.sink.with_durability(durability), ..self }
    }

    /// Adds a user attribute to each array, like [`ZarrSink::with_attribute`].
    #[must_use]
    pub fn with_attribute(self, name: impl Into<String>, value: impl Serialize) -> StoreResult<S> {
        StoreResult { sink: self.sink.with_attribute(name, value), ..self }
    }

    /// Names the axes of one array of the result. `array` is one of [`NamedArrays::NAMES`]; the
    /// name is `""` if the result is one array.
    ///
    /// By default, axes have names that no other result in the group uses, so that xarray opens
    /// the group: `sums_0` for one array at the target `sums`, and `moments_mean_0` for the array
    /// `mean` of a result at the target `moments`. An axis that has the same size in all arrays of
    /// a result has the same name in all of them, the name that it has in the first array.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Sum, Summary, TopK};
    /// use lazy_chunks::zarr::{StoreResult, Target};
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let group = Target::from(directory.path().join("influence.zarr"));
    /// let values = LazyChunkSequence::new(|| [array![[1.0, 2.0], [3.0, 4.0]]]).convert(NdarrayConverter);
    /// let sums = StoreResult::new(Sum.per_row(), group.member("sums"))
    ///     .with_dimension_names("", ["test"]);
    /// let top = StoreResult::new(TopK::new(1).per_row(), group.member("top"))
    ///     .with_dimension_names("values", ["test", "rank"])
    ///     .with_dimension_names("indices", ["test", "rank"]);
    /// let ((_, sums), (_, top)) = values.compute((sums, top))?;
    /// assert_eq!(sums[0].dimension_names().unwrap()[0].as_deref(), Some("test"));
    /// assert_eq!(top[1].dimension_names().unwrap()[1].as_deref(), Some("rank"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_dimension_names<N: Into<String>>(
        mut self,
        array: impl Into<String>,
        names: impl IntoIterator<Item = N>,
    ) -> StoreResult<S> {
        self.dimension_names.push((array.into(), names.into_iter().map(N::into).collect()));
        self
    }
}

/// Returns a sink for each array of a result.
pub(super) fn sinks_of_arrays(names: &[&str], sink: &ZarrSink) -> Vec<ZarrSink> {
    let of_array = |name: &&str| match *name {
        "" => sink.clone(),
        name => sink.clone().with_target(sink.target().member(name)),
    };
    names.iter().map(of_array).collect()
}

/// Returns the names of the axes of each array of a result: the names that the user set, or names
/// that begin with the names of the target and the array. No other result has such names, even if
/// it lies in the same group or in a group above.
pub(super) fn names_of_axes(
    array_names: &[&str],
    arrays: &[ArrayBlock],
    target: &str,
    given: &[(String, Vec<String>)],
) -> Vec<Vec<String>> {
    let named = |array: &str, axis: usize| match (target, array) {
        (target, "") => format!("{target}_{axis}"),
        ("", array) => format!("{array}_{axis}"),
        (target, array) => format!("{target}_{array}_{axis}"),
    };
    // The name of the first array that has the axis.
    let first = |axis: usize| {
        let mut arrays = array_names.iter().zip(arrays);
        arrays.find(|(_, array)| array.shape().len() > axis).map_or("", |(name, _)| *name)
    };
    let of_array = |(name, array): (&&str, &ArrayBlock)| {
        if let Some((_, names)) = given.iter().rfind(|(of, _)| of == name) {
            return names.clone();
        }
        let in_all = |axis: usize, size: &usize| {
            arrays.iter().all(|other| other.shape().get(axis).is_none_or(|other| other == size))
        };
        let name_of = |(axis, size): (usize, &usize)| {
            named(if in_all(axis, size) { first(axis) } else { name }, axis)
        };
        array.shape().iter().enumerate().map(name_of).collect()
    };
    array_names.iter().zip(arrays).map(of_array).collect()
}

/// The run of a [`StoreResult`]: a statistic that is being computed, and the writes of its result.
pub struct StoringResult<S: Statistic> {
    statistic: StatisticRun<S>,
    /// The axis names that the user set, with the name of the array.
    dimension_names: Vec<(String, Vec<String>)>,
    /// The name of the target, which the default names of axes start with.
    name: String,
    writes: Vec<Write>,
}

impl<S: Statistic> fmt::Debug for StoringResult<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoringResult")
            .field("writes", &self.writes)
            .finish_non_exhaustive()
    }
}

impl<S> Reducer for StoreResult<S>
where
    S: Statistic,
    S::Output: NamedArrays,
{
    type Map = StatisticMap<S>;
    type Run = StoringResult<S>;
    type Output = (S::Output, Vec<StoredArray>);

    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        self.statistic.memory_bound(spec)
    }

    fn start(self, spec: &SequenceSpec) -> Result<(StatisticMap<S>, StoringResult<S>)> {
        let mut given = self.dimension_names.iter();
        let unknown = given.find(|(name, _)| !S::Output::NAMES.contains(&name.as_str()));
        if let Some((name, _)) = unknown {
            let statistic = self.statistic.name();
            let problem = format!("its result has no array {name:?}, but {:?}", S::Output::NAMES);
            return Err(Error::statistic(statistic, problem));
        }
        self.sink.check_of_result()?;
        let sinks = sinks_of_arrays(S::Output::NAMES, &self.sink);
        let name = self.sink.target().name();
        let (map, statistic) = self.statistic.start(spec)?;
        // The result is one block.
        let result = SequenceSpec::streamed(Cut::Rows, Some(1));
        let writes = sinks
            .into_iter()
            .map(|sink| Ok(sink.start(&result)?.1))
            .collect::<Result<Vec<Write>>>()?;
        let dimension_names = self.dimension_names;
        Ok((map, StoringResult { statistic, dimension_names, name, writes }))
    }
}

impl<S> Run for StoringResult<S>
where
    S: Statistic,
    S::Output: NamedArrays,
{
    type Partial = Contribution<S::State>;
    type Output = (S::Output, Vec<StoredArray>);

    fn merge(&mut self, at: BlockPosition, partial: Contribution<S::State>) -> Result<()> {
        self.statistic.merge(at, partial)
    }

    fn prepare(&mut self) -> Result<()> {
        self.statistic.prepare()?;
        let output = self.statistic.output().expect("it is prepared");
        let arrays = output.arrays_for(self.statistic.dtype());
        assert_eq!(arrays.len(), self.writes.len(), "a result has an array for each of its names");
        let at = BlockPosition { index: BlockIndex::Block(0), row: 0, column: 0 };
        let given = &self.dimension_names;
        let names = names_of_axes(S::Output::NAMES, &arrays, &self.name, given);
        for ((write, array), names) in self.writes.iter_mut().zip(arrays).zip(names) {
            write.set_dimension_names(names);
            write.merge(at, array.into())?;
            write.prepare()?;
        }
        Ok(())
    }

    fn commit(self) -> Result<(S::Output, Vec<StoredArray>)> {
        let arrays = self.writes.into_iter().map(Write::commit).collect::<Result<_>>()?;
        Ok((self.statistic.commit()?, arrays))
    }

    fn report(&self, progress: &mut Progress) {
        self.writes.iter().for_each(|write| write.report(progress));
    }
}

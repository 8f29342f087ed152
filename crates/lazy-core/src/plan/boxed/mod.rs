//! Divisible reducers whose types are chosen at run time.

mod partial;

use std::fmt;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use partial::BoxedPartial;

use super::{
    Claimed, DividedReducer, DivisibleReducer, Part, PartReport, PartStore, PlanSpec, TakeOver,
};
use crate::error::short_name;
use crate::reduce::{BoxedMap, BoxedRun};
use crate::{
    BlockMap, BlockPosition, BoxedReducer, Error, MemoryClaim, Progress, Reducer, Result, Run,
    SequenceSpec,
};

/// A [`DivisibleReducer`] of any type, with a function that converts its result. Reducers of
/// different types fit into one vector, so a program can choose at run time what its workers
/// compute.
///
/// It is a [`BoxedReducer`] in a pass that is not divided. In a [`Plan`](crate::Plan), the result
/// of each part is stored as it is without the box, as a string of bytes.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{
///     ArgMax, BoxedDivisibleReducer, DivisibleReducer, LazyChunkSequence, MeanVariance,
///     NdarrayConverter, Sum,
/// };
/// use ndarray::array;
///
/// fn reducer(name: &str) -> Option<BoxedDivisibleReducer<'static, f64>> {
///     Some(match name {
///         "sum" => BoxedDivisibleReducer::new(Sum, |sum| sum.to_f64()),
///         "mean" => BoxedDivisibleReducer::new(MeanVariance, |moments| moments.mean),
///         "argmax" => BoxedDivisibleReducer::new(ArgMax, |max| max.index as f64),
///         _ => return None,
///     })
/// }
/// let reducers: Vec<_> = "mean argmax sum".split(' ').filter_map(reducer).collect();
///
/// // Workers compute them together, beside a sink: `Plan::of(&sequence, (reducers, sink))`.
/// let mut names = Vec::new();
/// reducers.describe(&mut names);
/// assert_eq!(names, ["the mean and variance", "the arg-max", "the sum"]);
///
/// // So does one process, without a sink.
/// let sequence = LazyChunkSequence::new(|| [array![[1, 2, 9]]]).convert(NdarrayConverter);
/// assert_eq!(sequence.compute(reducers)?, [4.0, 2.0, 12.0]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub struct BoxedDivisibleReducer<'r, O>(Box<dyn Divide<'r, O> + 'r>);

impl<'r, O: 'r> BoxedDivisibleReducer<'r, O> {
    /// Creates a reducer whose result is the result of `output`. A plan can be finished again, so
    /// the function can be called again.
    pub fn new<R>(reducer: R, output: impl Fn(R::Output) -> O + 'r) -> BoxedDivisibleReducer<'r, O>
    where
        R: DivisibleReducer + Reducer<Map: 'r, Run: 'r> + 'r,
        <R::Map as BlockMap>::Partial: 'static,
        R::Divided: DividedReducer<Partial: 'static, Join: 'r> + 'r,
        PartReducerOf<R>: Reducer<Map: 'r, Run: 'r> + 'r,
        <<PartReducerOf<R> as Reducer>::Map as BlockMap>::Partial: 'static,
    {
        BoxedDivisibleReducer(Box::new(Boxed { reducer, output }))
    }
}

/// The reducer of one part of a divisible reducer.
type PartReducerOf<R> = <<R as DivisibleReducer>::Divided as DividedReducer>::PartReducer;

impl<O> fmt::Debug for BoxedDivisibleReducer<'_, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BoxedDivisibleReducer").finish_non_exhaustive()
    }
}

impl<'r, O: 'r> Reducer for BoxedDivisibleReducer<'r, O> {
    type Map = BoxedMap<'r>;
    type Run = BoxedRun<'r, O>;
    type Output = O;

    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        self.0.memory_bound(spec)
    }

    fn start(self, spec: &SequenceSpec) -> Result<(BoxedMap<'r>, BoxedRun<'r, O>)> {
        self.0.undivided().start(spec)
    }
}

impl<'r, O: 'r> DivisibleReducer for BoxedDivisibleReducer<'r, O> {
    type Divided = BoxedDivided<'r, O>;

    fn describe(&self, names: &mut Vec<String>) {
        self.0.describe(names);
    }

    fn keeps_plan(&self) -> bool {
        self.0.keeps_plan()
    }

    fn part_rows(&self, spec: &SequenceSpec) -> Result<Option<usize>> {
        self.0.part_rows(spec)
    }

    fn claim_memory(&self, spec: &SequenceSpec) -> Result<Vec<MemoryClaim>> {
        self.0.claim_memory(spec)
    }

    fn divide(self, plan: &PlanSpec) -> Result<BoxedDivided<'r, O>> {
        self.0.divide(plan).map(BoxedDivided)
    }
}

/// A [`DivisibleReducer`] without its types.
trait Divide<'r, O> {
    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64>;
    fn undivided(self: Box<Self>) -> BoxedReducer<'r, O>;
    fn describe(&self, names: &mut Vec<String>);
    fn keeps_plan(&self) -> bool;
    fn part_rows(&self, spec: &SequenceSpec) -> Result<Option<usize>>;
    fn claim_memory(&self, spec: &SequenceSpec) -> Result<Vec<MemoryClaim>>;
    fn divide(self: Box<Self>, plan: &PlanSpec) -> Result<Box<dyn ErasedDivided<'r, O> + 'r>>;
}

/// A [`DividedReducer`] without its types.
trait ErasedDivided<'r, O> {
    fn claim(
        &self,
        part: &Part,
        take_over: TakeOver,
    ) -> Result<Claimed<BoxedReducer<'r, BoxedPartial>>>;
    fn keep(
        &self,
        report: &PartReport,
        partial: BoxedPartial,
        record: &mut Option<Vec<u8>>,
    ) -> Result<()>;
    fn join(&self, take_over: TakeOver) -> Result<Claimed<BoxedJoin<'r, O>>>;
    fn store(&self) -> Option<&dyn PartStore>;
}

/// A [`Run`] that merges the results of parts, without its types.
trait ErasedJoin<O> {
    fn merge(&mut self, at: BlockPosition, partial: BoxedPartial) -> Result<()>;
    fn prepare(&mut self) -> Result<()>;
    fn commit(self: Box<Self>) -> Result<O>;
    fn report(&self, progress: &mut Progress);
    fn abort(self: Box<Self>, error: Error) -> Error;
}

struct Boxed<R, F> {
    reducer: R,
    output: F,
}

impl<'r, R, O: 'r, F> Divide<'r, O> for Boxed<R, F>
where
    R: DivisibleReducer + Reducer<Map: 'r, Run: 'r> + 'r,
    <R::Map as BlockMap>::Partial: 'static,
    R::Divided: DividedReducer<Partial: 'static, Join: 'r> + 'r,
    PartReducerOf<R>: Reducer<Map: 'r, Run: 'r> + 'r,
    <<PartReducerOf<R> as Reducer>::Map as BlockMap>::Partial: 'static,
    F: Fn(R::Output) -> O + 'r,
{
    fn memory_bound(&self, spec: &SequenceSpec) -> Option<u64> {
        self.reducer.memory_bound(spec)
    }

    fn undivided(self: Box<Self>) -> BoxedReducer<'r, O> {
        BoxedReducer::new(self.reducer, self.output)
    }

    fn describe(&self, names: &mut Vec<String>) {
        self.reducer.describe(names);
    }

    fn keeps_plan(&self) -> bool {
        self.reducer.keeps_plan()
    }

    fn part_rows(&self, spec: &SequenceSpec) -> Result<Option<usize>> {
        self.reducer.part_rows(spec)
    }

    fn claim_memory(&self, spec: &SequenceSpec) -> Result<Vec<MemoryClaim>> {
        self.reducer.claim_memory(spec)
    }

    fn divide(self: Box<Self>, plan: &PlanSpec) -> Result<Box<dyn ErasedDivided<'r, O> + 'r>> {
        let mut names = Vec::new();
        self.reducer.describe(&mut names);
        let divided = self.reducer.divide(plan)?;
        let name = short_name(names.join(", ")).into();
        Ok(Box::new(Divided { divided, output: Rc::new(self.output), name }))
    }
}

struct Divided<D, F> {
    divided: D,
    output: Rc<F>,
    /// The name of the reducer, for messages.
    name: Rc<str>,
}

impl<'r, D, O, F> ErasedDivided<'r, O> for Divided<D, F>
where
    D: DividedReducer<Partial: 'static, Join: 'r>,
    D::PartReducer: Reducer<Map: 'r, Run: 'r> + 'r,
    <<D::PartReducer as Reducer>::Map as BlockMap>::Partial: 'static,
    F: Fn(D::Output) -> O + 'r,
{
    fn claim(
        &self,
        part: &Part,
        take_over: TakeOver,
    ) -> Result<Claimed<BoxedReducer<'r, BoxedPartial>>> {
        let claimed = self.divided.claim(part, take_over)?;
        Ok(claimed.map(|reducer| BoxedReducer::new(reducer, BoxedPartial::new)))
    }

    fn keep(
        &self,
        report: &PartReport,
        partial: BoxedPartial,
        record: &mut Option<Vec<u8>>,
    ) -> Result<()> {
        self.divided.keep(report, partial.open(&self.name)?, record)
    }

    fn join(&self, take_over: TakeOver) -> Result<Claimed<BoxedJoin<'r, O>>> {
        let (output, name) = (&self.output, &self.name);
        let boxed = |run| {
            let (output, name) = (Rc::clone(output), Rc::clone(name));
            BoxedJoin(Box::new(Join { run, output, name }))
        };
        Ok(self.divided.join(take_over)?.map(boxed))
    }

    fn store(&self) -> Option<&dyn PartStore> {
        self.divided.store()
    }
}

struct Join<J, F> {
    run: J,
    output: Rc<F>,
    name: Rc<str>,
}

impl<J, O, F> ErasedJoin<O> for Join<J, F>
where
    J: Run<Partial: Serialize + DeserializeOwned + 'static>,
    F: Fn(J::Output) -> O,
{
    fn merge(&mut self, at: BlockPosition, partial: BoxedPartial) -> Result<()> {
        self.run.merge(at, partial.open(&self.name)?)
    }

    fn prepare(&mut self) -> Result<()> {
        self.run.prepare()
    }

    fn commit(self: Box<Self>) -> Result<O> {
        self.run.commit().map(&*self.output)
    }

    fn report(&self, progress: &mut Progress) {
        self.run.report(progress);
    }

    fn abort(self: Box<Self>, error: Error) -> Error {
        self.run.abort(error)
    }
}

/// A [`BoxedDivisibleReducer`] in a plan.
pub struct BoxedDivided<'r, O>(Box<dyn ErasedDivided<'r, O> + 'r>);

/// Merges the results of the parts of a [`BoxedDivisibleReducer`].
pub struct BoxedJoin<'r, O>(Box<dyn ErasedJoin<O> + 'r>);

impl<O> fmt::Debug for BoxedDivided<'_, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BoxedDivided").finish_non_exhaustive()
    }
}

impl<O> fmt::Debug for BoxedJoin<'_, O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("BoxedJoin").finish_non_exhaustive()
    }
}

impl<'r, O> DividedReducer for BoxedDivided<'r, O> {
    type Partial = BoxedPartial;
    type PartReducer = BoxedReducer<'r, BoxedPartial>;
    type Join = BoxedJoin<'r, O>;
    type Output = O;

    fn claim(&self, part: &Part, take_over: TakeOver) -> Result<Claimed<Self::PartReducer>> {
        self.0.claim(part, take_over)
    }

    fn keep(
        &self,
        report: &PartReport,
        partial: BoxedPartial,
        record: &mut Option<Vec<u8>>,
    ) -> Result<()> {
        self.0.keep(report, partial, record)
    }

    fn join(&self, take_over: TakeOver) -> Result<Claimed<BoxedJoin<'r, O>>> {
        self.0.join(take_over)
    }

    fn store(&self) -> Option<&dyn PartStore> {
        self.0.store()
    }
}

impl<O> Run for BoxedJoin<'_, O> {
    type Partial = BoxedPartial;
    type Output = O;

    fn merge(&mut self, at: BlockPosition, partial: BoxedPartial) -> Result<()> {
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

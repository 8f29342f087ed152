//! Sequences of blocks that Python code yields, as the library evaluates them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use lazy_chunks::{
    ArrayBlock, BlockSizes, BoxError, DType, DivisibleReducer, Error, Indexed, LazyChunkSequence,
    NestedLazyChunkSequence, Observer, Part, PartOutcome, Plan, PlanBuilder, PlanStatus,
    PlannedSequence, Reducer, Result, Streamed, Workers,
};
use pyo3::PyErr;

use crate::cast::Cast;
use crate::queue::{Entry, Receiver};

/// A function that computes a block from its indices. That of a flat sequence takes column 0.
pub(crate) type Compute = dyn Fn(usize, usize) -> Result<ArrayBlock, BoxError> + Send + Sync;

/// The blocks of a pass, on the thread that evaluates.
pub(crate) enum Supply {
    Flat(Receiver<PyErr>),
    Nested(Receiver<PyErr>),
    Indexed(BlockSizes, Arc<Compute>),
    NestedIndexed(BlockSizes, BlockSizes, Arc<Compute>),
    /// The blocks of a stored array.
    Stored(LazyChunkSequence<'static, ArrayBlock, Indexed>),
}

/// The declarations of a sequence.
#[derive(Clone, Default)]
pub(crate) struct Declared {
    pub(crate) n_threads: Option<usize>,
    pub(crate) row_type: Option<(DType, Vec<usize>)>,
    pub(crate) memory_limit: Option<u64>,
    /// True if arrays do not change after they were handed over.
    pub(crate) keeps_arrays: bool,
    pub(crate) cast: Option<Cast>,
}

/// A sequence that the library evaluates.
pub(crate) enum Sequence {
    Flat(LazyChunkSequence<'static, ArrayBlock, Streamed>),
    Nested(NestedLazyChunkSequence<'static, ArrayBlock, Streamed>),
    Indexed(LazyChunkSequence<'static, ArrayBlock, Indexed>),
    NestedIndexed(NestedLazyChunkSequence<'static, ArrayBlock, Indexed>),
}

impl Sequence {
    /// Creates the sequence of a pass.
    pub(crate) fn new(
        supply: Supply,
        declared: &Declared,
        observer: impl Observer + 'static,
    ) -> Result<Sequence> {
        let n_threads = declared.n_threads.unwrap_or(1);
        let sequence = match supply {
            Supply::Flat(blocks) => {
                // A pass evaluates its sequence once.
                let blocks = Cell::new(Some(blocks));
                Sequence::Flat(LazyChunkSequence::try_new(move || {
                    let blocks = blocks.take();
                    std::iter::from_fn(move || match blocks.as_ref()?.receive()? {
                        Entry::Block(block) => Some(Ok(block)),
                        Entry::Band => unreachable!("a flat sequence has no bands"),
                        Entry::Failed(error) => Some(Err(BoxError::from(error))),
                        Entry::Broken => Some(Err(interrupted())),
                    })
                }))
            }
            Supply::Nested(blocks) => {
                let blocks = Cell::new(Some(blocks));
                Sequence::Nested(NestedLazyChunkSequence::try_new(move || {
                    Bands(Rc::new(Stream { blocks: blocks.take(), next: RefCell::new(None) }))
                }))
            }
            Supply::Indexed(rows, compute) => {
                let block = move |i| compute(i, 0);
                Sequence::Indexed(
                    LazyChunkSequence::try_from_fn(rows, block).with_threads(n_threads),
                )
            }
            Supply::NestedIndexed(rows, columns, compute) => {
                let block = move |i, j| compute(i, j);
                let sequence = NestedLazyChunkSequence::try_from_fn(rows, columns, block);
                Sequence::NestedIndexed(sequence.with_threads(n_threads))
            }
            Supply::Stored(sequence) => Sequence::Indexed(sequence.with_threads(n_threads)),
        };
        sequence.configured(declared, observer)
    }

    fn configured(
        self,
        declared: &Declared,
        observer: impl Observer + 'static,
    ) -> Result<Sequence> {
        macro_rules! configure {
            ($variant:ident, $sequence:expr) => {{
                let mut sequence = $sequence.with_observer(observer);
                if let Some((dtype, row_shape)) = &declared.row_type {
                    sequence = sequence.with_row_type(*dtype, row_shape.clone());
                }
                if let Some(bytes) = declared.memory_limit {
                    sequence = sequence.with_memory_limit(bytes);
                }
                // A sink that casts could restore no block.
                if let Some(cast) = declared.cast {
                    sequence = sequence.cast(cast.dtype, cast.casting())?;
                }
                Ok(Sequence::$variant(sequence))
            }};
        }
        match self {
            Sequence::Flat(sequence) => configure!(Flat, sequence),
            Sequence::Nested(sequence) => configure!(Nested, sequence),
            Sequence::Indexed(sequence) => configure!(Indexed, sequence),
            Sequence::NestedIndexed(sequence) => configure!(NestedIndexed, sequence),
        }
    }

    /// Evaluates the sequence.
    pub(crate) fn compute<R: Reducer>(&self, reducer: R) -> Result<R::Output> {
        match self {
            Sequence::Flat(sequence) => sequence.compute(reducer),
            Sequence::Nested(sequence) => sequence.compute(reducer),
            Sequence::Indexed(sequence) => sequence.compute(reducer),
            Sequence::NestedIndexed(sequence) => sequence.compute(reducer),
        }
    }
}

/// The entries of a nested sequence.
struct Stream {
    blocks: Option<Receiver<PyErr>>,
    /// The entry that ended a band.
    next: RefCell<Option<Entry<PyErr>>>,
}

impl Stream {
    fn next(&self) -> Option<Entry<PyErr>> {
        self.next.borrow_mut().take().or_else(|| self.blocks.as_ref()?.receive())
    }
}

struct Bands(Rc<Stream>);

impl Iterator for Bands {
    type Item = Result<BlocksOfBand, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.0.next()? {
                Entry::Band => return Some(Ok(BlocksOfBand(Rc::clone(&self.0)))),
                // The rest of a band that was not used to its end.
                Entry::Block(_) => {}
                Entry::Failed(error) => return Some(Err(error.into())),
                Entry::Broken => return Some(Err(interrupted())),
            }
        }
    }
}

struct BlocksOfBand(Rc<Stream>);

impl Iterator for BlocksOfBand {
    type Item = Result<ArrayBlock, BoxError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.next()? {
            Entry::Block(block) => Some(Ok(block)),
            entry @ Entry::Band => {
                *self.0.next.borrow_mut() = Some(entry);
                None
            }
            Entry::Failed(error) => Some(Err(error.into())),
            Entry::Broken => Some(Err(interrupted())),
        }
    }
}

/// Returns the error of a pass whose calling thread does not wait for it any more.
pub(crate) fn interrupted() -> BoxError {
    BoxError::from("the pass was interrupted")
}

/// The operations of a plan, whatever its sequence.
pub(crate) trait AnyPlan<O> {
    fn parts(&self) -> &[Part];
    fn run(&self, part: &Part) -> Result<PartOutcome>;
    fn finish(&self) -> Result<O>;
    fn status(&self) -> Result<PlanStatus>;
    fn compute(&self, workers: &Workers) -> Result<O>;
}

impl<S: PlannedSequence, R: DivisibleReducer> AnyPlan<R::Output> for Plan<'_, S, R> {
    fn parts(&self) -> &[Part] {
        self.parts()
    }

    fn run(&self, part: &Part) -> Result<PartOutcome> {
        self.run(part)
    }

    fn finish(&self) -> Result<R::Output> {
        self.finish()
    }

    fn status(&self) -> Result<PlanStatus> {
        self.status()
    }

    fn compute(&self, workers: &Workers) -> Result<R::Output> {
        self.compute(workers)
    }
}

impl Sequence {
    /// Creates or joins a plan of several workers, and calls a function with it.
    pub(crate) fn plan<R: DivisibleReducer, T>(
        &self,
        reducers: R,
        n_parts: Option<usize>,
        work: impl FnOnce(&dyn AnyPlan<R::Output>) -> Result<T>,
    ) -> Result<T> {
        match self {
            Sequence::Indexed(sequence) => work(&cut(Plan::of(sequence, reducers), n_parts)?),
            Sequence::NestedIndexed(sequence) => work(&cut(Plan::of(sequence, reducers), n_parts)?),
            Sequence::Flat(_) | Sequence::Nested(_) => {
                Err(Error::other("a plan needs blocks with known sizes"))
            }
        }
    }
}

fn cut<'s, S: PlannedSequence, R: DivisibleReducer>(
    plan: PlanBuilder<'s, S, R>,
    n_parts: Option<usize>,
) -> Result<Plan<'s, S, R>> {
    match n_parts {
        Some(n_parts) => plan.with_parts(n_parts).create(),
        None => plan.create(),
    }
}

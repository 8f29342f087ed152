//! The stream of steps behind every sequence, whatever its access and its cut.

mod block_stream;
mod combined;
mod derived;
mod in_order;
mod indexed;
mod kept;
mod mapped;
mod parallel;
mod rechunked;
mod rules;
mod streamed;
mod trace;

pub(crate) use block_stream::{BlockStream, guarded};
pub(crate) use combined::{Chained, InStep, JoinedBands};
pub(crate) use derived::{Derived, Inputs, PairRule, Paired, Rule};
pub(crate) use in_order::{Dealing, in_order};
pub(crate) use indexed::{Dimensions, FnBlocks, IndexedSteps};
pub(crate) use kept::Kept;
pub(crate) use mapped::Mapped;
pub(crate) use parallel::{Evaluate, Parallel, Threads};
pub(crate) use rechunked::{Heights, Rechunked};
pub(crate) use rules::{BandRule, ChainRule, MapRule, PickRule, ZipRule};
pub(crate) use streamed::{
    Bands as StreamedBands, Blocks as StreamedBlocks, FnSource, TryFnSource,
};
pub use streamed::{NestedSource, Source};
pub(crate) use trace::{Trace, TraceOfThreads};

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{BoxError, Error};

/// A step of the evaluation of a sequence.
///
/// A sequence that is cut along axis 0 alone is a stream of bands of one block each.
#[derive(Debug)]
pub enum Step<T> {
    /// The next block of the open band; the first one opens the band.
    Block(T),
    /// The end of the open band, which is empty if no block came before.
    EndBand,
}

/// The failure of a step whose location is not known yet.
#[derive(Debug)]
pub enum Failure {
    /// The producer returned an error.
    Producer(BoxError),
    /// A converter rejected the block.
    Conversion(Error),
    /// The block could not be made of parts of other blocks.
    Assembly(Error),
}

/// A running evaluation.
pub trait Steps<T> {
    /// Returns the next step, or `None` at the end. Must not be called after a failure or the end.
    fn next_step(&mut self) -> Option<Result<Step<T>, Failure>>;

    /// Returns true if the iterator of a band is running. A failure then belongs to a block,
    /// otherwise to a band.
    fn in_band(&self) -> bool;

    /// Returns true if the steps time the producer themselves, on other threads.
    fn is_timed(&self) -> bool {
        false
    }

    /// Skips the next block without evaluating it. Called only for grids, if the band has another
    /// block.
    fn skip_block(&mut self) {
        unreachable!("only blocks of a grid can be skipped");
    }

    /// Skips the rest of the open band without evaluating it. The next step is the end of the band.
    fn skip_band(&mut self);
}

/// A producer of blocks, which can start any number of evaluations.
pub trait Produce<T> {
    /// Starts an evaluation without computing anything.
    fn steps(&self) -> Box<dyn Steps<T> + '_>;
}

/// A producer of any block of a grid, in any order.
pub trait ProduceIndexed<T>: Produce<T> {
    /// Computes one block; `column` is 0 if only axis 0 is cut.
    fn block(&self, evaluation: Evaluation, band: usize, column: usize) -> Result<T, Failure>;

    /// Frees what the producer keeps for the blocks of this evaluation whose number in C order is
    /// less than `end`: none of them is requested any more.
    fn release(&self, evaluation: Evaluation, end: usize) {
        let _ = (evaluation, end);
    }
}

/// The identity of an evaluation, by which producers keep blocks that several other blocks need.
///
/// A producer may be a source of another one several times, such as both sides of a zip. Each of
/// these uses has its own identity, since each needs the blocks at another time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Evaluation {
    number: Option<NonZeroU64>,
    /// A hash of the sources between the evaluated sequence and the producer.
    path: u64,
}

impl Evaluation {
    /// A request for a single block, for which producers keep nothing.
    pub(crate) const SINGLE: Evaluation = Evaluation { number: None, path: 0 };

    /// Returns a new identity. Its user must release all blocks at the end.
    pub(crate) fn new() -> Evaluation {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Evaluation { number: NonZeroU64::new(NEXT.fetch_add(1, Ordering::Relaxed)), path: 0 }
    }

    /// Returns the identity for a source of a producer.
    pub(crate) fn of_source(self, source: usize) -> Evaluation {
        let mut hasher = DefaultHasher::new();
        (self.path, source).hash(&mut hasher);
        Evaluation { path: hasher.finish(), ..self }
    }
}

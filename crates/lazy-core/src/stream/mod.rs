//! One stream of steps behind every sequence, whatever its kind and however it is cut.

mod block_stream;
mod indexed;
mod mapped;
mod parallel;
mod streamed;
mod trace;

pub(crate) use block_stream::{BlockStream, guarded};
pub(crate) use indexed::FnBlocks;
pub(crate) use mapped::Mapped;
pub(crate) use parallel::{Parallel, Threads};
pub(crate) use streamed::{
    Bands as StreamedBands, Blocks as StreamedBlocks, FnSource, TryFnSource,
};
pub use streamed::{NestedSource, Source};
pub(crate) use trace::{Trace, TraceOfThreads};

use crate::{BoxError, Error};

/// What the evaluation of a sequence comes to next.
///
/// A sequence that is cut along axis 0 alone is a stream of bands of one block each.
#[derive(Debug)]
pub enum Step<T> {
    /// The next block of the open band; the first one opens the band.
    Block(T),
    /// The end of the open band, which is empty when no block came before.
    EndBand,
}

/// Why a step failed, before its location is known.
#[derive(Debug)]
pub enum Failure {
    /// The producer returned an error.
    Producer(BoxError),
    /// A converter refused the block.
    Conversion(Error),
}

/// A running evaluation.
pub trait Steps<T> {
    /// The next step; none at the end. Not called again after a failure or the end.
    fn next_step(&mut self) -> Option<Result<Step<T>, Failure>>;

    /// Whether the band's own iterator is at work: a failure is then that of a block, else that of
    /// a band.
    fn in_band(&self) -> bool;

    /// Leaves out the next block without evaluating it. Only blocks of a grid are left out, in a band that
    /// has one more.
    fn skip_block(&mut self) {
        unreachable!("blocks of an iterator come one after the other");
    }

    /// Leaves out the rest of the open band without evaluating it; its end is the next step.
    fn skip_band(&mut self);
}

/// A producer of blocks: starts an evaluation as often as it is asked to.
pub trait Produce<T> {
    /// Starts an evaluation; nothing is computed yet.
    fn steps(&self) -> Box<dyn Steps<T> + '_>;
}

/// A producer of any block of a grid, in any order.
pub trait ProduceIndexed<T>: Produce<T> {
    /// Computes one block; `column` is 0 when only axis 0 is cut.
    fn block(&self, band: usize, column: usize) -> Result<T, Failure>;
}

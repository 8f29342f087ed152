//! The progress of an evaluation, and its observers.

#[cfg(test)]
mod tests;
mod tracker;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) use tracker::Tracker;

use crate::{BlockIndex, Cut, SequenceSpec};

/// The progress of an evaluation.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use std::sync::Mutex;
///
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Progress, Sum};
/// use ndarray::Array2;
///
/// /// A line of a log.
/// fn line(progress: &Progress) -> String {
///     let all = progress.n_blocks.map_or("?".to_owned(), |n_blocks| n_blocks.to_string());
///     format!("{} of {all} blocks, {} KiB", progress.blocks, progress.bytes >> 10)
/// }
///
/// let log = Mutex::new(Vec::new());
/// LazyChunkSequence::from_fn([256, 128], |i| Array2::<f32>::zeros(([256, 128][i], 8)))
///     .convert(NdarrayConverter)
///     .with_observer(|progress: &Progress| log.lock().unwrap().push(line(progress)))
///     .compute(Sum)?;
/// assert_eq!(log.lock().unwrap()[..2], ["0 of 2 blocks, 0 KiB", "1 of 2 blocks, 8 KiB"]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of blocks so far.
    pub blocks: usize,
    /// The total number of blocks, if known: from a grid, or from the declared length of a sequence
    /// that is cut along axis 0.
    pub n_blocks: Option<usize>,
    /// The number of complete blocks along axis 0: bands, or blocks of a sequence cut along axis 0.
    ///
    /// If the number of blocks in a band is unknown, a band is complete when the next one begins or
    /// the evaluation ends.
    pub bands: usize,
    /// The total number of blocks along axis 0, if known.
    pub n_bands: Option<usize>,
    /// The bytes of the blocks so far, before any encoding. Reductions count them; other
    /// aggregators leave 0.
    pub bytes: u64,
    /// The number of blocks so far that a sink restored from an earlier evaluation instead of
    /// computing them.
    pub restored: usize,
    /// The number of chunks, or shards of chunks, that the sinks of the pass have stored so far.
    pub chunks: u64,
    /// The bytes that the sinks of the pass have stored so far, after encoding.
    pub stored_bytes: u64,
    /// The stage of the evaluation: running, finished or aborted.
    pub stage: Stage,
}

/// The stage of an evaluation.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use std::sync::Mutex;
///
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Progress, Stage, Sum};
/// use ndarray::array;
///
/// let stages = Mutex::new(Vec::new());
/// let sequence = LazyChunkSequence::new(|| [array![1.0]])
///     .convert(NdarrayConverter)
///     .with_observer(|progress: &Progress| stages.lock().unwrap().push(progress.stage));
/// sequence.compute(Sum)?;
/// assert_eq!(*stages.lock().unwrap(), [Stage::Running, Stage::Running, Stage::Finished]);
///
/// // One block, although two were declared.
/// sequence.clone().with_len(2).compute(Sum).unwrap_err();
/// assert_eq!(stages.lock().unwrap()[3..], [Stage::Running, Stage::Running, Stage::Aborted]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// The evaluation is running: there may be more blocks, or work after the last one.
    #[default]
    Running,
    /// The evaluation completed.
    Finished,
    /// The evaluation ended early: it failed or was abandoned.
    Aborted,
    /// This worker of a [`Plan`](crate::Plan) waits for others, which compute what remains. The
    /// number of blocks is that of all finished parts.
    Waiting,
}

impl Progress {
    /// Creates the progress of an evaluation before its first block.
    #[must_use]
    pub fn new(spec: &SequenceSpec) -> Progress {
        let n_bands = spec.n_bands();
        let n_blocks = match (spec.grid(), spec.cut()) {
            (Some(grid), _) => Some(grid.n_blocks()),
            (None, Cut::Rows) => n_bands,
            (None, Cut::RowsAndColumns) => None,
        };
        Progress { n_blocks, n_bands, ..Progress::default() }
    }

    /// Counts a block of `n_bytes` bytes. Blocks must be counted in order.
    pub(crate) fn add(&mut self, at: BlockIndex, n_bytes: u64) {
        self.blocks += 1;
        self.bytes += n_bytes;
        self.bands = match at {
            BlockIndex::Block(i) => i + 1,
            BlockIndex::NestedBlock(i, j) => i + usize::from(Some(j + 1) == self.blocks_per_band()),
            BlockIndex::Band(i) => i,
        };
    }

    /// Returns the completed fraction of the evaluation, from 0 to 1: of its blocks if their number
    /// is known, otherwise of its bands. Returns `None` if neither number is known.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{LazyChunkSequence, Progress};
    ///
    /// let sequence = LazyChunkSequence::new(|| [1, 2, 3, 4]);
    /// assert_eq!(Progress::new(sequence.spec()).fraction(), None);
    ///
    /// let mut progress = Progress::new(sequence.with_len(4).spec());
    /// progress.blocks = 3;
    /// assert_eq!(progress.fraction(), Some(0.75));
    /// ```
    #[must_use]
    pub fn fraction(&self) -> Option<f64> {
        let (done, all) = match (self.n_blocks, self.n_bands) {
            (Some(n_blocks), _) => (self.blocks, n_blocks),
            (None, Some(n_bands)) => (self.bands, n_bands),
            (None, None) => return None,
        };
        Some(if all == 0 { 1.0 } else { done as f64 / all as f64 })
    }

    fn blocks_per_band(&self) -> Option<usize> {
        self.n_blocks?.checked_div(self.n_bands?)
    }
}

/// Observes the progress of an evaluation and can cancel it: draws a bar, writes a log, or reacts
/// to Ctrl-C.
///
/// [`with_observer`](crate::LazyChunkSequence::with_observer) sets the observer of a sequence. A
/// closure that takes a [`Progress`] is an observer if any thread may call it; it returns nothing,
/// or [`ControlFlow`]. Its parameter needs a type: `|progress: &Progress| …`. An [`AtomicBool`] is
/// an observer that cancels when it is true. An [`Arc`] of an observer is an observer, and so is a
/// pair of observers.
///
/// An evaluation calls its observer on the evaluating thread: before it computes the first block,
/// after each block, and at the end, with [`Stage::Finished`] or [`Stage::Aborted`]. It waits for
/// the observer each time, so an observer should return quickly and do slow work only occasionally.
/// It should not panic.
///
/// # Example
///
/// An observer that leaves a note when an evaluation fails, combined with a flag that cancels the
/// evaluation:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use std::ops::ControlFlow;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::sync::{Arc, Mutex};
///
/// use lazy_chunks::{
///     Error, LazyChunkSequence, MeanVariance, NdarrayConverter, Observer, Progress, Stage,
/// };
/// use ndarray::array;
///
/// #[derive(Default)]
/// struct Note(Mutex<Option<String>>);
///
/// impl Observer for Note {
///     fn observe(&self, progress: &Progress) -> ControlFlow<()> {
///         if progress.stage == Stage::Aborted {
///             *self.0.lock().unwrap() = Some(format!("gave up after block {}", progress.blocks));
///         }
///         ControlFlow::Continue(())
///     }
/// }
///
/// /// Another thread or a signal handler sets this flag.
/// static CANCEL: AtomicBool = AtomicBool::new(false);
///
/// let note = Arc::new(Note::default());
/// let sequence = LazyChunkSequence::new(|| {
///     (0..4).map(|i| {
///         CANCEL.store(i == 1, Ordering::Relaxed);
///         array![f64::from(i)]
///     })
/// })
/// .with_observer((note.clone(), &CANCEL));
/// let error = sequence.convert(NdarrayConverter).compute(MeanVariance).unwrap_err();
/// assert_eq!(error.blocks_done(), Some(2));
/// assert_eq!(note.0.lock().unwrap().as_deref(), Some("gave up after block 2"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an observer",
    note = "write the type of a closure's parameter: `|progress: &Progress| …`"
)]
pub trait Observer: Send + Sync {
    /// Observes the progress, and returns [`ControlFlow::Break`] to cancel the evaluation.
    ///
    /// A cancelled evaluation ends before the next block with
    /// [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled). At the end the returned value has no
    /// effect.
    fn observe(&self, progress: &Progress) -> ControlFlow<()>;
}

impl<F, V> Observer for F
where
    F: Fn(&Progress) -> V + Send + Sync + ?Sized,
    V: sealed::Verdict,
{
    fn observe(&self, progress: &Progress) -> ControlFlow<()> {
        self(progress).into_control_flow()
    }
}

/// A shared observer.
impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn observe(&self, progress: &Progress) -> ControlFlow<()> {
        (**self).observe(progress)
    }
}

/// Calls both observers; either may cancel the evaluation.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&self, progress: &Progress) -> ControlFlow<()> {
        let (one, other) = (self.0.observe(progress), self.1.observe(progress));
        one?;
        other
    }
}

/// A flag that cancels the evaluation when it is true. Set it in a signal handler or from another
/// thread.
impl Observer for AtomicBool {
    fn observe(&self, _: &Progress) -> ControlFlow<()> {
        if self.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Observer for &AtomicBool {
    fn observe(&self, progress: &Progress) -> ControlFlow<()> {
        (**self).observe(progress)
    }
}

mod sealed {
    use std::ops::ControlFlow;

    /// The possible return values of a closure that observes.
    pub trait Verdict {
        fn into_control_flow(self) -> ControlFlow<()>;
    }

    impl Verdict for () {
        fn into_control_flow(self) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }

    impl Verdict for ControlFlow<()> {
        fn into_control_flow(self) -> ControlFlow<()> {
            self
        }
    }
}

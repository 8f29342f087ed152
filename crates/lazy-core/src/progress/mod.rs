//! How far an evaluation has come, and who is told.

#[cfg(test)]
mod tests;
mod watch;

use std::ops::ControlFlow;
use std::sync::Arc;

pub use watch::{Watch, Watching};

use crate::{BlockPosition, Cut, Declared, Location};

/// How far an evaluation has come.
///
/// # Example
///
/// ```
/// use std::sync::Mutex;
///
/// use lazy_core::{LazyChunkSequence, NdarrayConverter, Progress, Watch};
/// use ndarray::Array2;
///
/// /// A line of a log.
/// fn line(progress: &Progress) -> String {
///     let all = progress.n_blocks.map_or("?".to_owned(), |n_blocks| n_blocks.to_string());
///     format!("{} of {all} blocks, {} KiB", progress.blocks, progress.bytes >> 10)
/// }
///
/// let log = Mutex::new(Vec::new());
/// let watch = Watch::new(|progress: &Progress| log.lock().unwrap().push(line(progress)));
/// LazyChunkSequence::from_fn([256, 128], |i| Array2::<f32>::zeros(([256, 128][i], 8)))
///     .convert(NdarrayConverter)
///     .compute(watch)?;
/// assert_eq!(log.lock().unwrap()[..2], ["0 of 2 blocks, 0 KiB", "1 of 2 blocks, 8 KiB"]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The blocks so far.
    pub blocks: usize,
    /// The blocks in all, where they are known: from a grid, or from the declared length of a
    /// sequence that is cut along axis 0.
    pub n_blocks: Option<usize>,
    /// The blocks along axis 0 that are complete: bands, or blocks of a sequence cut along axis 0.
    ///
    /// Where nothing says how many blocks a band has, it is complete when the next one begins or
    /// the evaluation ends.
    pub bands: usize,
    /// The blocks along axis 0 in all, where they are known.
    pub n_bands: Option<usize>,
    /// The bytes of the blocks so far, before any encoding.
    pub bytes: u64,
    /// Of the blocks so far, those that this sink had from an earlier evaluation, so that they were not
    /// computed. As `chunks`, known to a sink alone.
    pub recalled: usize,
    /// The chunks, or shards of chunks, that have been stored so far. A sink counts them for the
    /// observer of its own; [`Watch`] knows of none, and leaves them at 0.
    pub chunks: u64,
    /// The bytes that have been stored so far, after encoding; as `chunks`, known to a sink alone.
    pub stored_bytes: u64,
    /// Whether the evaluation goes on, and how it ended.
    pub stage: Stage,
}

/// Whether an evaluation goes on, and how it ended.
///
/// # Example
///
/// ```
/// use std::sync::Mutex;
///
/// use lazy_core::{LazyChunkSequence, NdarrayConverter, Progress, Stage, Watch};
/// use ndarray::array;
///
/// let heard = Mutex::new(Vec::new());
/// let watch = || Watch::new(|progress: &Progress| heard.lock().unwrap().push(progress.stage));
///
/// let sequence = LazyChunkSequence::new(|| [array![1.0]]).convert(NdarrayConverter);
/// sequence.clone().compute(watch())?;
/// assert_eq!(*heard.lock().unwrap(), [Stage::Running, Stage::Running, Stage::Finished]);
///
/// // One block, where two were declared.
/// sequence.with_len(2).compute(watch()).unwrap_err();
/// assert_eq!(heard.lock().unwrap()[3..], [Stage::Running, Stage::Running, Stage::Aborted]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// There may be more blocks, or work after the last one.
    #[default]
    Running,
    /// The evaluation came to its end.
    Finished,
    /// The evaluation ended early: it failed, or it was given up.
    Aborted,
}

impl Progress {
    /// The progress of an evaluation that has yet to compute its first block.
    #[must_use]
    pub fn new(declared: &Declared) -> Progress {
        let n_bands = declared.n_bands();
        let n_blocks = match (declared.grid(), declared.cut()) {
            (Some(grid), _) => Some(grid.n_blocks()),
            (None, Cut::Rows) => n_bands,
            (None, Cut::RowsAndColumns) => None,
        };
        Progress { n_blocks, n_bands, ..Progress::default() }
    }

    /// Counts a block of `n_bytes` bytes. Blocks are counted in order.
    pub fn add(&mut self, at: BlockPosition, n_bytes: u64) {
        self.blocks += 1;
        self.bytes += n_bytes;
        self.bands = match at.location {
            Location::Block(i) => i + 1,
            Location::NestedBlock(i, j) => i + usize::from(Some(j + 1) == self.blocks_per_band()),
            Location::Band(i) => i,
        };
    }

    /// How much of the evaluation is done, from 0 to 1: of its blocks where their number is known,
    /// else of its bands.
    ///
    /// # Example
    ///
    /// ```
    /// use lazy_core::{LazyChunkSequence, Progress};
    ///
    /// let sequence = LazyChunkSequence::new(|| [1, 2, 3, 4]);
    /// assert_eq!(Progress::new(sequence.declared()).fraction(), None);
    ///
    /// let mut progress = Progress::new(sequence.with_len(4).declared());
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

/// Is told how far an evaluation has come, and may stop it: draws a bar, writes a log, counts, obeys
/// Ctrl-C.
///
/// Every closure that takes a [`Progress`] is an observer, if any thread may call it: one that returns
/// nothing, or [`ControlFlow`]. So is an [`Arc`] of an observer, and a pair of two. A closure's parameter
/// needs its type: `|progress: &Progress| …`.
///
/// For one evaluation it is called in this order, on the thread that evaluates: once before the
/// first block is computed; once after each block; once at the end, with [`Stage::Finished`] or
/// [`Stage::Aborted`]. The evaluation waits for it and calls it for every block, so it is to return
/// quickly; what is slow is done every so often. It is not to panic.
///
/// # Example
///
/// An observer that leaves a note behind when an evaluation fails, beside one that stops it when it is
/// asked to:
///
/// ```
/// use std::ops::ControlFlow;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::sync::{Arc, Mutex};
///
/// use lazy_core::{
///     Error, LazyChunkSequence, MeanVariance, NdarrayConverter, Observer, Progress, Stage, Watch,
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
/// /// What somebody else sets: another thread, or the handler of a signal.
/// static IS_STOPPED: AtomicBool = AtomicBool::new(false);
///
/// fn stop_when_asked(_: &Progress) -> ControlFlow<()> {
///     if IS_STOPPED.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
/// }
///
/// let sequence = LazyChunkSequence::new(|| {
///     (0..4).map(|i| {
///         IS_STOPPED.store(i == 1, Ordering::Relaxed);
///         array![f64::from(i)]
///     })
/// });
/// let note = Arc::new(Note::default());
/// let watch = Watch::new((note.clone(), stop_when_asked));
/// let error = sequence.convert(NdarrayConverter).compute((MeanVariance, watch)).unwrap_err();
/// assert!(matches!(error, Error::Cancelled { blocks: 2 }));
/// assert_eq!(note.0.lock().unwrap().as_deref(), Some("gave up after block 2"));
/// ```
pub trait Observer: Send + Sync {
    /// Takes notice, and says whether the evaluation is to go on.
    ///
    /// [`ControlFlow::Break`] stops it before the next block, with
    /// [`Error::Cancelled`](crate::Error::Cancelled). At the end it makes no difference.
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

/// An observer that somebody else holds as well.
impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn observe(&self, progress: &Progress) -> ControlFlow<()> {
        (**self).observe(progress)
    }
}

/// Both are told, and either may stop the evaluation.
impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&self, progress: &Progress) -> ControlFlow<()> {
        let (one, other) = (self.0.observe(progress), self.1.observe(progress));
        one?;
        other
    }
}

mod sealed {
    use std::ops::ControlFlow;

    /// What a closure that observes may return.
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

//! The reducer that tells an observer, and the state that it and sinks have in common.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Observer, Progress, Stage};
use crate::{ArrayBlock, BlockPosition, Declared, Error, Location, Reducer, Result};

/// A [`Reducer`] that tells an [`Observer`] how far the pass has come, and yields nothing.
///
/// For passes without a sink; a sink tells an observer of its own more, what it has stored.
///
/// In a tuple of reducers it goes last: then a block counts when all others have taken it, and the
/// pass is [finished](Stage::Finished) when all others are.
///
/// # Example
///
/// ```
/// use lazy_core::{LazyChunkSequence, MeanVariance, NdarrayConverter, Progress, Watch};
/// use ndarray::Array2;
///
/// let sequence = LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((2, 3), i as f64)))
///     .with_len(4)
///     .convert(NdarrayConverter);
/// let watch = Watch::new(|progress: &Progress| {
///     if let Some(fraction) = progress.fraction() {
///         println!("{:3.0} %, {} bytes", 100.0 * fraction, progress.bytes);
///     }
/// });
/// let (moments, ()) = sequence.compute((MeanVariance, watch))?;
/// assert_eq!(moments.mean, 1.5);
/// # Ok::<(), lazy_core::Error>(())
/// ```
pub struct Watch<O> {
    observer: Arc<O>,
}

impl<O: Observer> Watch<O> {
    /// Tells `observer`.
    #[must_use]
    pub fn new(observer: O) -> Watch<O> {
        Watch { observer: Arc::new(observer) }
    }
}

impl<O: Observer> Reducer for Watch<O> {
    type Partial = u64;
    type State = Watching<O>;
    type Output = ();

    fn start(&self, declared: &Declared) -> Result<Watching<O>> {
        Watching::start(declared, Arc::clone(&self.observer))
    }

    fn partial(&self, _: BlockPosition, block: &ArrayBlock) -> Result<u64> {
        Ok(block.data().len() as u64)
    }

    fn absorb(&self, watching: &mut Watching<O>, at: BlockPosition, n_bytes: u64) -> Result<()> {
        watching.block(at, n_bytes)
    }

    fn seal(&self, _: &mut Watching<O>) -> Result<()> {
        Ok(())
    }

    fn finish(&self, watching: Watching<O>) -> Result<()> {
        watching.finish();
        Ok(())
    }
}

impl<O> fmt::Debug for Watch<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// An evaluation that is observed: keeps count and calls the observer when there is news.
///
/// It is the state of [`Watch`], and part of the state of reducers that report more than that, as a
/// sink does. Dropped before it is finished, it tells the observer that the evaluation was
/// [aborted](Stage::Aborted).
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use lazy_core::{LazyChunkSequence, Progress, Watching};
///
/// let sequence = LazyChunkSequence::new(|| [1, 2, 3]).with_len(3);
/// let observer = |progress: &Progress| println!("{} chunks written", progress.chunks);
/// let mut watching = Watching::start(sequence.declared(), Arc::new(observer))?;
/// watching.set_stored(1, 4096);
/// assert_eq!(watching.progress().stored_bytes, 4096);
/// watching.finish();
/// # Ok::<(), lazy_core::Error>(())
/// ```
pub struct Watching<O: Observer + ?Sized> {
    progress: Progress,
    /// The bands that have at least one block.
    begun_bands: usize,
    /// Whether the observer is not to hear of the end: it has, or it panicked.
    over: bool,
    observer: Arc<O>,
}

impl<O: Observer + ?Sized> Watching<O> {
    /// Tells the observer that an evaluation begins.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] when the observer stops it.
    pub fn start(declared: &Declared, observer: Arc<O>) -> Result<Watching<O>> {
        let progress = Progress::new(declared);
        let mut watching = Watching { progress, begun_bands: 0, over: false, observer };
        watching.report()?;
        Ok(watching)
    }

    /// Counts a block of `n_bytes` bytes and tells the observer. Blocks come in order.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] when the observer stops the evaluation.
    pub fn block(&mut self, at: BlockPosition, n_bytes: u64) -> Result<()> {
        self.progress.add(at, n_bytes);
        if let Location::Block(band) | Location::NestedBlock(band, _) = at.location {
            self.begun_bands = band + 1;
        }
        self.report()
    }

    /// Counts the block that comes next as one that was not computed.
    pub fn recall(&mut self) {
        self.progress.recalled += 1;
    }

    /// Sets what has been stored so far, of which the observer hears with the next block or at the
    /// end.
    pub fn set_stored(&mut self, chunks: u64, stored_bytes: u64) {
        self.progress.chunks = chunks;
        self.progress.stored_bytes = stored_bytes;
    }

    /// What the observer was told last, with what was stored since.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Tells the observer that the evaluation came to its end.
    pub fn finish(mut self) {
        self.progress.bands = self.begun_bands;
        self.end(Stage::Finished);
    }

    fn end(&mut self, stage: Stage) {
        self.progress.stage = stage;
        // It is over, whatever the observer wants.
        let _ = self.report();
        self.over = true;
    }

    fn report(&mut self) -> Result<()> {
        // An observer that panics is not called again while its panic is under way.
        self.over = true;
        let verdict = self.observer.observe(&self.progress);
        self.over = false;
        match verdict {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled { blocks: self.progress.blocks }),
        }
    }
}

impl<O: Observer + ?Sized> Drop for Watching<O> {
    fn drop(&mut self) {
        if !self.over {
            self.end(Stage::Aborted);
        }
    }
}

impl<O: Observer + ?Sized> fmt::Debug for Watching<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watching").field("progress", &self.progress).finish_non_exhaustive()
    }
}

//! Progress bars in the terminal, drawn by [`indicatif`].
//!
//! ```
//! use lazy_chunks::progress::ProgressBar;
//! use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter, Watch};
//! use ndarray::Array2;
//!
//! let sequence = LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((2, 3), i as f64)))
//!     .with_len(4)
//!     .convert(NdarrayConverter);
//! let (moments, ()) = sequence.compute((MeanVariance, Watch::new(ProgressBar::new())))?;
//! assert_eq!(moments.mean, 1.5);
//! # Ok::<(), lazy_chunks::Error>(())
//! ```

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressStyle};

use crate::{Observer, Progress, Stage};

/// How long a text stays, at least: nobody reads faster, and making one allocates.
const REFRESH: Duration = Duration::from_millis(50);

/// How often a bar of our own is drawn between blocks, so that time goes on while one is computed.
const TICK: Duration = Duration::from_millis(100);

/// An [`Observer`] that draws how far a pass has come.
///
/// Where the number of blocks is known, its position is in blocks, and the remaining time is
/// estimated; where that of the bands alone is known, in bands; else a spinner counts the blocks.
/// The message holds the bytes so far and per second, and the chunks written, when there are any.
///
/// A pass that is aborted leaves the bar where it stood. A bar goes from one pass into another one
/// when the first is over.
///
/// # Example
///
/// A sink that is observed tells of chunks as well:
///
/// ```
/// # #[cfg(feature = "zarr")] {
/// use lazy_chunks::progress::ProgressBar;
/// use lazy_chunks::zarr::{ToZarr, ZarrSink};
/// use lazy_chunks::{BlockSizes, LazyChunkSequence, NdarrayConverter};
/// use ndarray::Array2;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// let sizes = BlockSizes::uniform(1000, 300);
/// LazyChunkSequence::from_fn(sizes.clone(), |i| Array2::<f32>::zeros((sizes.size(i), 20)))
///     .convert(NdarrayConverter)
///     .to_zarr(ZarrSink::new(&path).with_observer(ProgressBar::new()))?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ProgressBar {
    bar: indicatif::ProgressBar,
    /// Whether the style, the ticks and the length are ours alone.
    is_own: bool,
    /// Since when the refreshes are timed.
    made: Instant,
    /// When the next text is due, in milliseconds.
    due: AtomicU64,
}

impl ProgressBar {
    /// A bar on the standard error stream where that is a terminal; else nothing is drawn.
    ///
    /// While a pass goes on, a thread of its own redraws it ten times a second.
    #[must_use]
    pub fn new() -> ProgressBar {
        ProgressBar { is_own: true, ..Self::from_bar(indicatif::ProgressBar::no_length()) }
    }

    /// Drives a bar of your own: of another style, on another target, one of several.
    ///
    /// It is reset when a pass begins. Its template may hold `{pos}`, `{len}`, `{eta}` and what
    /// else depends on the position, and `{msg}` for bytes and chunks. Its length is replaced where
    /// it is known.
    ///
    /// # Example
    ///
    /// ```
    /// use indicatif::ProgressStyle;
    /// use lazy_chunks::progress::ProgressBar;
    /// use lazy_chunks::{Concatenate, LazyChunkSequence, NdarrayConverter, Watch};
    /// use ndarray::array;
    ///
    /// let style = ProgressStyle::with_template("gradients {wide_bar} {percent} %, {msg}")?;
    /// let bar = indicatif::ProgressBar::no_length().with_style(style);
    /// let watch = Watch::new(ProgressBar::from_bar(bar.clone()));
    ///
    /// let sequence = LazyChunkSequence::new(|| [array![1.0], array![2.0]]).with_len(2);
    /// sequence.convert(NdarrayConverter).compute((Concatenate, watch))?;
    /// assert_eq!((bar.position(), bar.length(), bar.is_finished()), (2, Some(2), true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn from_bar(bar: indicatif::ProgressBar) -> ProgressBar {
        ProgressBar { bar, is_own: false, made: Instant::now(), due: AtomicU64::new(0) }
    }

    fn begin(&self, counted: &Counted) {
        if self.is_own {
            self.bar.set_style(counted.style());
        }
        match counted.all {
            Some(all) => self.bar.set_length(all as u64),
            None if self.is_own => self.bar.unset_length(),
            None => {}
        }
        self.bar.reset();
        if self.is_own && !self.bar.is_hidden() {
            self.bar.enable_steady_tick(TICK);
        }
    }

    /// Whether the text is to be made anew; it is then taken to be.
    fn takes_turn(&self) -> bool {
        let now = millis(self.made.elapsed());
        let is_due = now >= self.due.load(Ordering::Relaxed);
        if is_due {
            self.due.store(now + millis(REFRESH), Ordering::Relaxed);
        }
        is_due
    }

    fn set_text(&self, progress: &Progress, counted: &Counted) {
        self.bar.set_message(text(progress, counted, self.bar.elapsed()));
    }
}

impl Default for ProgressBar {
    fn default() -> ProgressBar {
        ProgressBar::new()
    }
}

impl Observer for ProgressBar {
    fn observe(&self, progress: &Progress) -> ControlFlow<()> {
        let counted = Counted::of(progress);
        let is_over = matches!(progress.stage, Stage::Finished | Stage::Aborted);
        let begins = progress.blocks == 0 && !is_over;
        if begins {
            self.begin(&counted);
        }
        self.bar.set_position(counted.done as u64);
        if begins || is_over || self.takes_turn() {
            self.set_text(progress, &counted);
        }
        match progress.stage {
            Stage::Finished => self.bar.finish(),
            Stage::Aborted => self.bar.abandon(),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// What the bar's position counts.
struct Counted {
    unit: &'static str,
    done: usize,
    all: Option<usize>,
}

impl Counted {
    fn of(progress: &Progress) -> Counted {
        if progress.n_blocks.is_none() && progress.n_bands.is_some() {
            Counted { unit: "bands", done: progress.bands, all: progress.n_bands }
        } else {
            Counted { unit: "blocks", done: progress.blocks, all: progress.n_blocks }
        }
    }

    fn style(&self) -> ProgressStyle {
        let unit = self.unit;
        // What there is no room for is cut off, so that no line wraps.
        let template = match self.all {
            Some(_) => {
                format!(
                    "{{bar:20}} {{pos}}/{{len}} {unit} [{{elapsed}}, {{eta}} left] {{wide_msg}}"
                )
            }
            None => format!("{{spinner}} {{pos}} {unit} [{{elapsed}}] {{wide_msg}}"),
        };
        ProgressStyle::with_template(&template).expect("the template is one of indicatif's")
    }
}

fn text(progress: &Progress, counted: &Counted, elapsed: Duration) -> String {
    let mut parts = Vec::with_capacity(4);
    if counted.unit != "blocks" {
        parts.push(format!("{} blocks", progress.blocks));
    }
    parts.push(HumanBytes(progress.bytes).to_string());
    if !elapsed.is_zero() {
        let per_second = progress.bytes as f64 / elapsed.as_secs_f64();
        parts.push(format!("{}/s", HumanBytes(per_second as u64)));
    }
    if progress.chunks > 0 {
        let stored = HumanBytes(progress.stored_bytes);
        parts.push(format!("{} chunks written ({stored})", progress.chunks));
    }
    parts.join(", ")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    use super::*;
    use crate::{
        ArrayBlock, BlockPosition, LazyChunkSequence, Location, NestedLazyChunkSequence, Watch,
        Watching,
    };

    fn block() -> ArrayBlock {
        ArrayBlock::from_vec([1, 1024], vec![0_u8; 1024]).unwrap()
    }

    fn hidden() -> (indicatif::ProgressBar, Watch<ProgressBar>) {
        let bar = indicatif::ProgressBar::hidden();
        (bar.clone(), Watch::new(ProgressBar::from_bar(bar)))
    }

    /// A bar like that of [`ProgressBar::new`] on a terminal of 100 columns.
    fn drawn() -> (InMemoryTerm, Watch<ProgressBar>) {
        let terminal = InMemoryTerm::new(4, 100);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bar = indicatif::ProgressBar::with_draw_target(None, target);
        (terminal, Watch::new(ProgressBar { is_own: true, ..ProgressBar::from_bar(bar) }))
    }

    #[test]
    fn a_known_number_of_blocks_is_the_length() {
        let (bar, watch) = hidden();
        LazyChunkSequence::new(|| [block(), block()]).with_len(2).compute(watch).unwrap();
        assert_eq!((bar.position(), bar.length(), bar.is_finished()), (2, Some(2), true));
        assert!(bar.message().starts_with("2.00 KiB, "), "{}", bar.message());
        assert!(bar.message().ends_with("/s"), "{}", bar.message());
    }

    #[test]
    fn an_unknown_number_of_blocks_is_counted() {
        let (bar, watch) = hidden();
        LazyChunkSequence::new(|| [block(), block()]).compute(watch).unwrap();
        assert_eq!((bar.position(), bar.length(), bar.is_finished()), (2, None, true));
    }

    #[test]
    fn bands_are_the_length_where_nothing_else_is_known() {
        let (bar, watch) = hidden();
        let sequence = NestedLazyChunkSequence::new(|| [[block(), block()]]).with_len(1);
        sequence.compute(watch).unwrap();
        assert_eq!((bar.position(), bar.length(), bar.is_finished()), (1, Some(1), true));
        assert!(bar.message().starts_with("2 blocks, 2.00 KiB"), "{}", bar.message());
    }

    #[test]
    fn an_aborted_pass_leaves_the_bar_where_it_stood() {
        let (bar, watch) = hidden();
        let failing = LazyChunkSequence::try_new(|| [Ok(block()), Err("no")]).with_len(3);
        failing.compute(watch).unwrap_err();
        assert_eq!((bar.position(), bar.length(), bar.is_finished()), (1, Some(3), true));
    }

    #[test]
    fn chunks_are_told_when_there_are_any() {
        let bar = indicatif::ProgressBar::hidden();
        let sequence = LazyChunkSequence::new(|| [block()]);
        let observer = Arc::new(ProgressBar::from_bar(bar.clone()));
        let mut watching = Watching::start(sequence.declared(), observer).unwrap();
        assert!(!bar.is_finished() && !bar.message().contains("chunks"));
        let at = BlockPosition { location: Location::Block(0), row: 0, column: 0 };
        watching.block(at, 1024).unwrap();
        watching.set_stored(3, 512);
        watching.finish();
        assert!(bar.message().ends_with(", 3 chunks written (512 B)"), "{}", bar.message());
    }

    #[test]
    fn a_bar_goes_from_pass_to_pass() {
        let bar = indicatif::ProgressBar::hidden();
        let observer = Arc::new(ProgressBar::from_bar(bar.clone()));
        let sequence = LazyChunkSequence::new(|| [block(), block()]).with_len(2);
        for _ in 0..2 {
            let during = bar.clone();
            let begun = sequence.clone().map(move |block| {
                assert!(!during.is_finished());
                block
            });
            begun.compute(Watch::new(Arc::clone(&observer))).unwrap();
            assert!(bar.is_finished());
        }
    }

    #[test]
    fn the_bar_is_drawn() {
        let (terminal, watch) = drawn();
        LazyChunkSequence::new(|| [block(), block()]).with_len(2).compute(watch).unwrap();
        let line = terminal.contents();
        let start = format!("{} 2/2 blocks [0s, 0s left] 2.00 KiB, ", "█".repeat(20));
        assert!(line.starts_with(&start) && line.trim_end().ends_with("/s"), "{line}");
    }

    #[test]
    fn the_spinner_is_drawn() {
        let (terminal, watch) = drawn();
        LazyChunkSequence::new(|| [block(), block()]).compute(watch).unwrap();
        let line = terminal.contents();
        assert!(line.contains(" 2 blocks [0s] 2.00 KiB, "), "{line}");
    }

    #[test]
    fn what_there_is_no_room_for_is_cut_off() {
        let terminal = InMemoryTerm::new(4, 46);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bar = indicatif::ProgressBar::with_draw_target(None, target);
        let watch = Watch::new(ProgressBar { is_own: true, ..ProgressBar::from_bar(bar) });
        LazyChunkSequence::new(|| [block(), block()]).with_len(2).compute(watch).unwrap();
        let line = terminal.contents();
        assert!(!line.contains('\n') && line.contains("left]") && !line.contains("KiB"), "{line}");
    }

    #[test]
    fn a_million_blocks() {
        const N_BLOCKS: usize = 1_000_000;
        let (terminal, watch) = drawn();
        let tiny = block();
        let sequence = LazyChunkSequence::new(|| std::iter::repeat_n(tiny.clone(), N_BLOCKS));
        sequence.with_len(N_BLOCKS).compute(watch).unwrap();
        assert!(terminal.contents().contains(" 1000000/1000000 blocks ["));
    }
}

//! Progress bars in the terminal, drawn by [`indicatif`].
//!
//! ```
//! use lazy_chunks::progress::ProgressBar;
//! use lazy_chunks::{LazyChunkSequence, MeanVariance, NdarrayConverter};
//! use ndarray::Array2;
//!
//! let sequence = LazyChunkSequence::new(|| (0..4).map(|i| Array2::from_elem((2, 3), i as f64)))
//!     .with_len(4)
//!     .convert(NdarrayConverter)
//!     .with_observer(ProgressBar::new());
//! assert_eq!(sequence.compute(MeanVariance)?.mean, 1.5);
//! # Ok::<(), lazy_chunks::Error>(())
//! ```

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressStyle};

use crate::{Observer, Progress, Stage};

/// The shortest time that a text stays: faster changes cannot be read, and each text allocates.
const REFRESH: Duration = Duration::from_millis(50);

/// The interval at which the default bar is redrawn between blocks, so that its clock keeps
/// running.
const TICK: Duration = Duration::from_millis(100);

/// An [`Observer`] that shows the progress of a pass as a bar.
///
/// The bar counts blocks and estimates the remaining time if the number of blocks is known. If only
/// the number of bands is known, it counts bands. Otherwise, a spinner counts the blocks. The
/// message shows the bytes so far and the bytes per second, and the number of chunks written once
/// there are any.
///
/// An aborted pass leaves the bar at its last position. The same bar can be used for several
/// passes, one after the other.
///
/// # Example
///
/// The sinks of a pass report their chunks as well:
///
/// ```
/// # #[cfg(feature = "zarr")] {
/// use lazy_chunks::progress::ProgressBar;
/// use lazy_chunks::zarr::ToZarr;
/// use lazy_chunks::{BlockSizes, LazyChunkSequence, NdarrayConverter};
/// use ndarray::Array2;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("values.zarr");
/// let sizes = BlockSizes::uniform(1000, 300);
/// LazyChunkSequence::from_fn(sizes.clone(), |i| Array2::<f32>::zeros((sizes.size(i), 20)))
///     .convert(NdarrayConverter)
///     .with_observer(ProgressBar::new())
///     .to_zarr(&path)?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ProgressBar {
    bar: indicatif::ProgressBar,
    /// True if this type sets the style, the ticks and the length.
    is_own: bool,
    /// The time from which refreshes are measured.
    made: Instant,
    /// The time at which the next text is due, in milliseconds.
    due: AtomicU64,
}

impl ProgressBar {
    /// Returns a bar on the standard error stream if that is a terminal, and a hidden bar
    /// otherwise.
    ///
    /// A separate thread redraws the bar ten times a second during a pass.
    #[must_use]
    pub fn new() -> ProgressBar {
        ProgressBar { is_own: true, ..Self::from_bar(indicatif::ProgressBar::no_length()) }
    }

    /// Wraps a bar of your own, for example one with another style or target, or one of several.
    ///
    /// The bar is reset when a pass begins. Its template may hold `{pos}`, `{len}`, `{eta}` and
    /// everything else that depends on the position, and `{msg}` for bytes and chunks. The bar's
    /// length is replaced if the length of the pass is known.
    ///
    /// # Example
    ///
    /// ```
    /// use indicatif::ProgressStyle;
    /// use lazy_chunks::progress::ProgressBar;
    /// use lazy_chunks::{Concatenate, LazyChunkSequence};
    /// use ndarray::array;
    ///
    /// let style = ProgressStyle::with_template("gradients {wide_bar} {percent} %, {msg}")?;
    /// let bar = indicatif::ProgressBar::no_length().with_style(style);
    ///
    /// LazyChunkSequence::new(|| [array![1.0], array![2.0]])
    ///     .with_len(2)
    ///     .with_observer(ProgressBar::from_bar(bar.clone()))
    ///     .compute(Concatenate)?;
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

    /// Returns true if a new text is due, and schedules the next one.
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

/// The unit that the bar's position counts.
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
        // `wide_msg` truncates the message to the space that is left, so that no line wraps.
        let template = match self.all {
            Some(_) => {
                format!(
                    "{{bar:20}} {{pos}}/{{len}} {unit} [{{elapsed}}, {{eta}} left] {{wide_msg}}"
                )
            }
            None => format!("{{spinner}} {{pos}} {unit} [{{elapsed}}] {{wide_msg}}"),
        };
        ProgressStyle::with_template(&template).expect("the template is valid")
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
    use crate::{ArrayBlock, Concatenate, LazyChunkSequence, NestedLazyChunkSequence};

    fn block() -> ArrayBlock {
        ArrayBlock::from_vec([1, 1024], vec![0_u8; 1024]).unwrap()
    }

    fn hidden() -> (indicatif::ProgressBar, ProgressBar) {
        let bar = indicatif::ProgressBar::hidden();
        (bar.clone(), ProgressBar::from_bar(bar))
    }

    /// A bar like the one [`ProgressBar::new`] makes on a terminal of 100 columns.
    fn drawn() -> (InMemoryTerm, ProgressBar) {
        let terminal = InMemoryTerm::new(4, 100);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bar = indicatif::ProgressBar::with_draw_target(None, target);
        (terminal, ProgressBar { is_own: true, ..ProgressBar::from_bar(bar) })
    }

    #[test]
    fn a_known_number_of_blocks_is_the_length() {
        let (bar, observer) = hidden();
        LazyChunkSequence::new(|| [block(), block()])
            .with_len(2)
            .with_observer(observer)
            .compute(Concatenate)
            .unwrap();
        assert_eq!((bar.position(), bar.length(), bar.is_finished()), (2, Some(2), true));
        assert!(bar.message().starts_with("2.00 KiB, "), "{}", bar.message());
        assert!(bar.message().ends_with("/s"), "{}", bar.message());
    }

    #[test]
    fn an_unknown_number_of_blocks_is_counted() {
        let (bar, observer) = hidden();
        LazyChunkSequence::new(|| [block(), block()])
            .with_observer(observer)
            .compute(Concatenate)
            .unwrap();
        assert_eq!((bar.position(), bar.length(), bar.is_finished()), (2, None, true));
    }

    #[test]
    fn bands_are_counted_if_only_their_number_is_known() {
        let (bar, observer) = hidden();
        let sequence = NestedLazyChunkSequence::new(|| [[block(), block()]]).with_len(1);
        sequence.with_observer(observer).compute(Concatenate).unwrap();
        assert_eq!((bar.position(), bar.length(), bar.is_finished()), (1, Some(1), true));
        assert!(bar.message().starts_with("2 blocks, 2.00 KiB"), "{}", bar.message());
    }

    #[test]
    fn an_aborted_pass_leaves_the_bar_at_its_position() {
        let (bar, observer) = hidden();
        let failing = LazyChunkSequence::try_new(|| [Ok(block()), Err("no")]).with_len(3);
        failing.with_observer(observer).compute(Concatenate).unwrap_err();
        assert_eq!((bar.position(), bar.length(), bar.is_finished()), (1, Some(3), true));
    }

    #[test]
    fn chunks_are_shown_once_there_are_any() {
        let bar = indicatif::ProgressBar::hidden();
        let observer = ProgressBar::from_bar(bar.clone());
        let progress = Progress::new(LazyChunkSequence::new(|| [block()]).spec());
        let _ = observer.observe(&progress);
        assert!(!bar.is_finished() && !bar.message().contains("chunks"));
        let mut end = progress;
        (end.blocks, end.bytes, end.chunks, end.stored_bytes) = (1, 1024, 3, 512);
        end.stage = Stage::Finished;
        let _ = observer.observe(&end);
        assert!(bar.message().ends_with(", 3 chunks written (512 B)"), "{}", bar.message());
    }

    #[test]
    fn a_bar_serves_several_passes() {
        let bar = indicatif::ProgressBar::hidden();
        let observer = Arc::new(ProgressBar::from_bar(bar.clone()));
        let sequence = LazyChunkSequence::new(|| [block(), block()]).with_len(2);
        for _ in 0..2 {
            let during = bar.clone();
            let begun = sequence.clone().map(move |block| {
                assert!(!during.is_finished());
                block
            });
            begun.with_observer(Arc::clone(&observer)).compute(Concatenate).unwrap();
            assert!(bar.is_finished());
        }
    }

    #[test]
    fn the_bar_is_drawn() {
        let (terminal, observer) = drawn();
        LazyChunkSequence::new(|| [block(), block()])
            .with_len(2)
            .with_observer(observer)
            .compute(Concatenate)
            .unwrap();
        let line = terminal.contents();
        let start = format!("{} 2/2 blocks [0s, 0s left] 2.00 KiB, ", "█".repeat(20));
        assert!(line.starts_with(&start) && line.trim_end().ends_with("/s"), "{line}");
    }

    #[test]
    fn the_spinner_is_drawn() {
        let (terminal, observer) = drawn();
        LazyChunkSequence::new(|| [block(), block()])
            .with_observer(observer)
            .compute(Concatenate)
            .unwrap();
        let line = terminal.contents();
        assert!(line.contains(" 2 blocks [0s] 2.00 KiB, "), "{line}");
    }

    #[test]
    fn a_narrow_terminal_truncates_the_message() {
        let terminal = InMemoryTerm::new(4, 46);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let bar = indicatif::ProgressBar::with_draw_target(None, target);
        let observer = ProgressBar { is_own: true, ..ProgressBar::from_bar(bar) };
        LazyChunkSequence::new(|| [block(), block()])
            .with_len(2)
            .with_observer(observer)
            .compute(Concatenate)
            .unwrap();
        let line = terminal.contents();
        assert!(!line.contains('\n') && line.contains("left]") && !line.contains("KiB"), "{line}");
    }

    #[test]
    fn a_million_blocks_are_counted() {
        const N_BLOCKS: usize = 1_000_000;
        let (terminal, observer) = drawn();
        let tiny = block();
        let sequence = LazyChunkSequence::new(|| std::iter::repeat_n(tiny.clone(), N_BLOCKS));
        sequence.with_len(N_BLOCKS).with_observer(observer).compute(Concatenate).unwrap();
        assert!(terminal.contents().contains(" 1000000/1000000 blocks ["));
    }
}

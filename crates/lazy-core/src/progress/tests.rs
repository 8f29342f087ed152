use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::thread::{self, ThreadId};

use super::*;
use crate::{
    ArrayBlock, Bands, BlockPosition, Blocks, Concatenate, Count, Error, ErrorKind,
    LazyChunkSequence, NestedLazyChunkSequence, NestedSequenceAggregator, Reducer, Result, Run,
    SequenceAggregator, Sum,
};

/// Blocks and all blocks, bands and all bands, bytes, stage.
type Row = (usize, Option<usize>, usize, Option<usize>, u64, Stage);

/// Remembers what it is told, and checks that one thread tells it.
#[derive(Default)]
struct Diary {
    rows: Mutex<Vec<Row>>,
    thread: Mutex<Option<ThreadId>>,
}

impl Observer for Diary {
    fn observe(&self, now: &Progress) -> ControlFlow<()> {
        let row = (now.blocks, now.n_blocks, now.bands, now.n_bands, now.bytes, now.stage);
        self.rows.lock().unwrap().push(row);
        let here = thread::current().id();
        assert_eq!(*self.thread.lock().unwrap().get_or_insert(here), here);
        ControlFlow::Continue(())
    }
}

impl Diary {
    fn rows(&self) -> Vec<Row> {
        self.rows.lock().unwrap().clone()
    }

    fn stages(&self) -> Vec<Stage> {
        self.rows().into_iter().map(|row| row.5).collect()
    }
}

use Stage::{Aborted, Finished, Running};

/// A block of one byte an element.
fn block(n_rows: usize, n_columns: usize) -> ArrayBlock {
    ArrayBlock::from_vec([n_rows, n_columns], vec![0_u8; n_rows * n_columns]).unwrap()
}

fn diary_of(evaluate: impl FnOnce(Arc<Diary>)) -> Vec<Row> {
    let diary = Arc::new(Diary::default());
    evaluate(Arc::clone(&diary));
    diary.rows()
}

/// Reduces a sequence beside an observer, and returns what the observer was told.
macro_rules! reduced {
    ($sequence:expr) => {
        diary_of(|diary| {
            $sequence.clone().with_observer(diary).compute(Count).unwrap();
        })
    };
}

#[test]
fn blocks_of_unknown_number() {
    let sequence = LazyChunkSequence::new(|| [block(2, 3), block(1, 3)]);
    let expected = [
        (0, None, 0, None, 0, Running),
        (1, None, 1, None, 6, Running),
        (2, None, 2, None, 9, Running),
        (2, None, 2, None, 9, Finished),
    ];
    assert_eq!(reduced!(sequence), expected);
}

#[test]
fn blocks_of_declared_number() {
    let streamed = LazyChunkSequence::new(|| [block(2, 1), block(1, 1)]).with_len(2);
    let indexed = LazyChunkSequence::from_fn([2, 1], |i| block([2, 1][i], 1));
    let expected = [
        (0, Some(2), 0, Some(2), 0, Running),
        (1, Some(2), 1, Some(2), 2, Running),
        (2, Some(2), 2, Some(2), 3, Running),
        (2, Some(2), 2, Some(2), 3, Finished),
    ];
    assert_eq!(reduced!(streamed), expected);
    assert_eq!(reduced!(indexed), expected);
    assert_eq!(reduced!(indexed.clone().with_threads(2)), expected);
    assert_eq!(reduced!(indexed.clone().with_threads(2).streamed()), expected);
}

#[test]
fn bands_of_unknown_width() {
    let bands = || [[block(1, 1), block(1, 2)], [block(2, 1), block(2, 2)]];
    let expected = |n_bands| {
        [
            (0, None, 0, n_bands, 0, Running),
            (1, None, 0, n_bands, 1, Running),
            (2, None, 0, n_bands, 3, Running),
            (3, None, 1, n_bands, 5, Running),
            (4, None, 1, n_bands, 9, Running),
            (4, None, 2, n_bands, 9, Finished),
        ]
    };
    let sequence = NestedLazyChunkSequence::new(bands);
    assert_eq!(reduced!(sequence), expected(None));
    assert_eq!(reduced!(sequence.with_len(2)), expected(Some(2)));
}

#[test]
fn bands_of_a_grid() {
    let sequence = NestedLazyChunkSequence::from_fn([1, 2], [1, 2], |i, j| block(i + 1, j + 1));
    let expected = [
        (0, Some(4), 0, Some(2), 0, Running),
        (1, Some(4), 0, Some(2), 1, Running),
        (2, Some(4), 1, Some(2), 3, Running),
        (3, Some(4), 1, Some(2), 5, Running),
        (4, Some(4), 2, Some(2), 9, Running),
        (4, Some(4), 2, Some(2), 9, Finished),
    ];
    assert_eq!(reduced!(sequence), expected);
    assert_eq!(reduced!(sequence.with_threads(3)), expected);
}

#[test]
fn an_empty_sequence_begins_and_ends() {
    let empty = LazyChunkSequence::new(|| [] as [ArrayBlock; 0]);
    let observed = [(0, None, 0, None, 0, Running), (0, None, 0, None, 0, Finished)];
    assert_eq!(reduced!(empty), observed);
    let collect = |diary| drop(empty.clone().with_observer(diary).collect().unwrap());
    assert_eq!(diary_of(collect), observed);

    let none = LazyChunkSequence::from_fn([0; 0], |_| block(1, 1)).with_threads(2);
    let observed = [(0, Some(0), 0, Some(0), 0, Running), (0, Some(0), 0, Some(0), 0, Finished)];
    assert_eq!(reduced!(none), observed);
    let collect = |diary| drop(none.clone().with_observer(diary).collect().unwrap());
    assert_eq!(diary_of(collect), observed);
    assert_eq!(Progress::new(none.spec()).fraction(), Some(1.0));
}

#[test]
fn a_failure_aborts_once() {
    let failing = LazyChunkSequence::try_new(|| [Ok(block(1, 1)), Err("no"), Ok(block(1, 1))]);
    let panicking =
        LazyChunkSequence::new(|| (0..3).map(|i| if i == 1 { panic!("no") } else { block(1, 1) }));
    let misfit = LazyChunkSequence::new(|| [block(1, 1), block(1, 2)]);
    let expected = |n_bytes| {
        [
            (0, None, 0, None, 0, Running),
            (1, None, 1, None, n_bytes, Running),
            (1, None, 1, None, n_bytes, Aborted),
        ]
    };
    for sequence in [&failing, &panicking, &misfit] {
        let reduce =
            |diary| drop(sequence.clone().with_observer(diary).compute(Count).unwrap_err());
        assert_eq!(diary_of(reduce), expected(1));
    }
    // Only a reduction checks that blocks fit together.
    for sequence in [failing, panicking] {
        let collect = |diary| drop(sequence.clone().with_observer(diary).collect().unwrap_err());
        assert_eq!(diary_of(collect), expected(0));
    }
}

#[test]
fn a_reducer_that_fails_at_the_end_aborts() {
    let empty = LazyChunkSequence::new(|| [] as [ArrayBlock; 0]);
    let rows = diary_of(|diary| {
        // The concatenation of nothing fails when it is prepared.
        let empty = empty.with_observer(diary);
        assert!(empty.compute((Count, Concatenate)).unwrap_err().kind() == ErrorKind::Empty);
    });
    assert_eq!(rows, [(0, None, 0, None, 0, Running), (0, None, 0, None, 0, Aborted)]);
}

/// A sink that stores a chunk of 10 bytes for each block, and another one at the end.
struct Chunks {
    n_stored: u64,
    fails_to_publish: bool,
}

impl Chunks {
    fn new() -> Chunks {
        Chunks { n_stored: 0, fails_to_publish: false }
    }
}

impl Reducer for Chunks {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<()>;
    type Run = Chunks;
    type Output = ();

    fn start(self, _: &SequenceSpec) -> Result<(Self::Map, Chunks)> {
        Ok((|_, _| Ok(()), self))
    }
}

impl Run for Chunks {
    type Partial = ();
    type Output = ();

    fn merge(&mut self, _: BlockPosition, (): ()) -> Result<()> {
        self.n_stored += 1;
        Ok(())
    }

    fn prepare(&mut self) -> Result<()> {
        self.n_stored += 1;
        Ok(())
    }

    fn commit(self) -> Result<()> {
        if self.fails_to_publish { Err(Error::other("another process was faster")) } else { Ok(()) }
    }

    fn report(&self, progress: &mut Progress) {
        progress.chunks += self.n_stored;
        progress.stored_bytes += 10 * self.n_stored;
    }
}

#[test]
fn an_observer_hears_of_failed_publishing() {
    let diary = Arc::new(Diary::default());
    let sequence = LazyChunkSequence::new(|| [block(1, 1)]).with_observer(Arc::clone(&diary));
    let sink = Chunks { fails_to_publish: true, ..Chunks::new() };
    assert!(sequence.compute((Count, sink)).is_err());
    assert_eq!(diary.stages(), [Running, Running, Aborted]);
}

#[test]
fn each_evaluation_is_told_from_its_beginning() {
    let diary = Arc::new(Diary::default());
    let sequence = LazyChunkSequence::new(|| [block(1, 1)]).with_observer(Arc::clone(&diary));
    for _ in 0..2 {
        sequence.compute(Count).unwrap();
    }
    let rows = diary.rows();
    assert_eq!(rows[..3], rows[3..]);
}

#[test]
fn an_observer_that_panics_is_not_called_again() {
    let n_calls = AtomicUsize::new(0);
    let observer = |progress: &Progress| {
        n_calls.fetch_add(1, Ordering::Relaxed);
        assert_eq!(progress.blocks, 0);
    };
    let sequence = LazyChunkSequence::from_fn([1, 1], |_| block(1, 1)).with_observer(observer);
    let sequences = [sequence.clone(), sequence.with_threads(2)];
    for sequence in &sequences {
        assert!(catch_unwind(AssertUnwindSafe(|| sequence.compute(Count))).is_err());
        assert_eq!(n_calls.swap(0, Ordering::Relaxed), 2);
        assert!(catch_unwind(AssertUnwindSafe(|| sequence.collect())).is_err());
        assert_eq!(n_calls.swap(0, Ordering::Relaxed), 2);
    }
}

#[test]
fn an_observer_stops_the_evaluation_between_blocks() {
    for stop_after in 0..=3 {
        let n_computed = AtomicUsize::new(0);
        let computed = || {
            n_computed.fetch_add(1, Ordering::Relaxed);
            block(1, 1)
        };
        let stop = |progress: &Progress| {
            if progress.blocks == stop_after {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let diary = Arc::new(Diary::default());
        let rows = LazyChunkSequence::from_fn([1; 3], |_| computed())
            .with_observer((stop, Arc::clone(&diary)));
        let check = |error: Error, n_computed_at_most: usize| {
            assert_eq!(error.blocks_done(), Some(stop_after), "{error}");
            assert!(error.kept().is_empty(), "{error}");
            let n_computed = n_computed.swap(0, Ordering::Relaxed);
            assert!((stop_after..=n_computed_at_most).contains(&n_computed), "{n_computed}");
            // The other one hears of the block, and of the end.
            let mut stages = vec![Running; stop_after + 1];
            stages.push(Aborted);
            assert_eq!(diary.stages(), stages);
            diary.rows.lock().unwrap().clear();
        };
        check(rows.compute((Concatenate, Count)).unwrap_err(), stop_after);
        check(rows.collect().unwrap_err(), stop_after);
        check(rows.compute(Every).unwrap_err(), stop_after);
        // On threads, no block is computed before the first call; then they may be ahead.
        let on_threads = rows.clone().with_threads(2);
        let ahead = if stop_after == 0 { 0 } else { 3 };
        check(on_threads.compute((Concatenate, Count)).unwrap_err(), ahead);
        check(on_threads.collect().unwrap_err(), ahead);
        check(on_threads.compute(Every).unwrap_err(), ahead);
    }
}

#[test]
fn the_answer_at_the_end_has_no_effect() {
    let observer = |progress: &Progress| match progress.stage {
        Running => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    };
    let sequence = LazyChunkSequence::new(|| [block(1, 1)]).with_observer(observer);
    sequence.compute(Count).unwrap();
    sequence.collect().unwrap();
}

#[test]
fn stored_chunks_are_told_with_the_next_block() {
    let stored = Mutex::new(Vec::new());
    let observer = |now: &Progress| stored.lock().unwrap().push((now.chunks, now.stored_bytes));
    let sequence = LazyChunkSequence::new(|| [block(1, 1)]).with_observer(observer);
    sequence.compute(Chunks::new()).unwrap();
    assert_eq!(std::mem::take(&mut *stored.lock().unwrap()), [(0, 0), (1, 10), (2, 20)]);
    // Those of all sinks are added up.
    let sinks = (vec![Chunks::new(), Chunks::new()], Sum, Some(Chunks::new()), None::<Chunks>);
    sequence.compute(sinks).unwrap();
    assert_eq!(*stored.lock().unwrap(), [(0, 0), (3, 30), (6, 60)]);
}

#[test]
fn the_fraction_is_that_of_the_blocks_else_of_the_bands() {
    let of = |blocks, n_blocks, bands, n_bands| {
        Progress { blocks, n_blocks, bands, n_bands, ..Progress::default() }.fraction()
    };
    assert_eq!(of(3, Some(4), 1, Some(2)), Some(0.75));
    assert_eq!(of(3, None, 1, Some(2)), Some(0.5));
    assert_eq!(of(3, None, 1, None), None);
}

#[test]
fn a_million_blocks() {
    const N_BLOCKS: usize = 1_000_000;
    let tiny = block(1, 1);
    let last = Mutex::new(Progress::default());
    let n_calls = AtomicUsize::new(0);
    let observer = |progress: &Progress| {
        let mut last = last.lock().unwrap();
        // Each call tells of the next block; the first and the last tell of none.
        let is_next = progress.blocks == last.blocks + 1;
        assert!(is_next || progress.blocks == 0 || progress.stage == Finished);
        *last = *progress;
        n_calls.fetch_add(1, Ordering::Relaxed);
    };
    let sequence = LazyChunkSequence::new(|| std::iter::repeat_n(tiny.clone(), N_BLOCKS))
        .with_observer(observer);
    sequence.compute(Chunks::new()).unwrap();
    let last = *last.lock().unwrap();
    assert_eq!((last.blocks, last.bytes, last.stage), (N_BLOCKS, N_BLOCKS as u64, Finished));
    assert_eq!(n_calls.load(Ordering::Relaxed), N_BLOCKS + 2);
}

/// Takes every block.
struct Every;

impl<T> SequenceAggregator<T> for Every {
    type Output = usize;

    fn aggregate(self, blocks: Blocks<'_, T>) -> Result<usize> {
        let mut n_blocks = 0;
        for block in blocks {
            drop(block?);
            n_blocks += 1;
        }
        Ok(n_blocks)
    }
}

impl<T> NestedSequenceAggregator<T> for Every {
    type Output = usize;

    fn aggregate_nested(self, mut bands: Bands<'_, T>) -> Result<usize> {
        let mut n_blocks = 0;
        while let Some(band) = bands.next_band()? {
            n_blocks += band.collect::<Result<Vec<_>>>()?.len();
        }
        Ok(n_blocks)
    }
}

/// Collects and aggregates a sequence beside an observer that is told the same both times.
macro_rules! aggregated {
    ($sequence:expr) => {{
        let observed = diary_of(|diary| {
            $sequence.clone().with_observer(diary).collect().unwrap();
        });
        let aggregated = diary_of(|diary| {
            $sequence.clone().with_observer(diary).compute(Every).unwrap();
        });
        assert_eq!(aggregated, observed);
        observed
    }};
}

#[test]
fn collecting_and_aggregating_are_observed_like_reducing() {
    // Only reductions know how many bytes a block has.
    let without_bytes = |rows: Vec<Row>| -> Vec<Row> {
        rows.into_iter().map(|row| (row.0, row.1, row.2, row.3, 0, row.5)).collect()
    };
    let streamed = LazyChunkSequence::new(|| [block(2, 3), block(1, 3)]);
    assert_eq!(aggregated!(streamed), without_bytes(reduced!(streamed)));
    let rows = LazyChunkSequence::from_fn([1; 20], |_| block(1, 3));
    assert_eq!(aggregated!(rows), without_bytes(reduced!(rows)));
    assert_eq!(aggregated!(rows.clone().with_threads(3)), without_bytes(reduced!(rows)));
    let local = rows.clone().map_local(|block| block);
    assert_eq!(aggregated!(local), without_bytes(reduced!(rows)));

    let bands = NestedLazyChunkSequence::new(|| (0..2).map(|_| (0..3).map(|_| block(1, 1))));
    assert_eq!(aggregated!(bands), without_bytes(reduced!(bands)));
    let grid = NestedLazyChunkSequence::from_fn([1; 4], [2; 5], |_, _| block(1, 2));
    assert_eq!(aggregated!(grid), without_bytes(reduced!(grid)));
    assert_eq!(aggregated!(grid.clone().with_threads(3)), without_bytes(reduced!(grid)));
    assert_eq!(aggregated!(grid.clone().with_threads(3).streamed()), without_bytes(reduced!(grid)));
}

/// Passes all blocks to a reducer.
struct Through;

impl SequenceAggregator<ArrayBlock> for Through {
    type Output = u64;

    fn aggregate(self, blocks: Blocks<'_, ArrayBlock>) -> Result<u64> {
        Count.aggregate(blocks)
    }
}

#[test]
fn an_aggregator_that_passes_blocks_to_a_reducer_is_observed_like_it() {
    let rows = LazyChunkSequence::from_fn([1; 3], |_| block(1, 1));
    let expected = reduced!(rows);
    for n_threads in 1..4 {
        let rows = rows.clone().with_threads(n_threads);
        let observed = diary_of(|diary| {
            rows.with_observer(diary).compute(Through).unwrap();
        });
        assert_eq!(observed, expected);
    }
}

#[test]
fn iterating_is_observed_as_far_as_it_goes() {
    let rows = diary_of(|diary| {
        let sequence = LazyChunkSequence::new(|| [1, 2, 3]).with_observer(diary);
        assert_eq!(sequence.blocks().take(2).count(), 2);
    });
    // A block counts when its consumer is done with it, and asks for the next one.
    let expected = [
        (0, None, 0, None, 0, Running),
        (1, None, 1, None, 0, Running),
        (1, None, 1, None, 0, Aborted),
    ];
    assert_eq!(rows, expected);
    // No block is asked for, so no evaluation begins.
    let rows = diary_of(|diary| drop(LazyChunkSequence::new(|| [1]).with_observer(diary).blocks()));
    assert_eq!(rows, []);
}

#[test]
fn a_flag_cancels() {
    let flag = AtomicBool::new(false);
    let n_computed = AtomicUsize::new(0);
    let sequence = LazyChunkSequence::from_fn([1; 3], |i| {
        n_computed.fetch_add(1, Ordering::Relaxed);
        flag.store(i == 1, Ordering::Relaxed);
        block(1, 1)
    })
    .with_observer(&flag);
    assert_eq!(sequence.collect().unwrap_err().blocks_done(), Some(2));
    assert_eq!(n_computed.swap(0, Ordering::Relaxed), 2);
    // It is still set, so nothing is computed.
    for sequence in [sequence.clone(), sequence.clone().with_threads(2)] {
        assert_eq!(sequence.compute(Every).unwrap_err().blocks_done(), Some(0));
        assert_eq!(sequence.compute(Count).unwrap_err().blocks_done(), Some(0));
        assert_eq!(sequence.collect().unwrap_err().blocks_done(), Some(0));
    }
    assert_eq!(n_computed.load(Ordering::Relaxed), 0);

    let shared = Arc::new(AtomicBool::new(true));
    let sequence = LazyChunkSequence::new(|| [1]).with_observer(Arc::clone(&shared));
    assert_eq!(sequence.collect().unwrap_err().blocks_done(), Some(0));
    shared.store(false, Ordering::Relaxed);
    assert_eq!(sequence.collect().unwrap(), [1]);
}

#[test]
fn the_observer_of_a_sequence_stays_when_its_blocks_change() {
    let expected = [
        (0, Some(2), 0, Some(2), 0, Running),
        (1, Some(2), 1, Some(2), 0, Running),
        (2, Some(2), 2, Some(2), 0, Running),
        (2, Some(2), 2, Some(2), 0, Finished),
    ];
    let rows = diary_of(|diary| {
        let sequence = LazyChunkSequence::from_fn([1, 1], |i| i).with_observer(diary);
        let changed = sequence.map(|i| i + 1).shorten().streamed().map_local(|i| 10 * i);
        assert_eq!(changed.collect().unwrap(), [10, 20]);
    });
    assert_eq!(rows, expected);
    // Another observer takes its place.
    let rows = diary_of(|diary| {
        let sequence = LazyChunkSequence::from_fn([1, 1], |i| i).with_observer(diary);
        sequence.with_observer(|_: &Progress| ()).collect().unwrap();
    });
    assert_eq!(rows, []);
}

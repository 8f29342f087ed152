use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{
    ArrayBlock, Concatenate, DType, Error, LazyChunkSequence, NestedLazyChunkSequence, Reducer,
    Result,
};

/// Blocks and all blocks, bands and all bands, bytes, stage.
type Row = (usize, Option<usize>, usize, Option<usize>, u64, Stage);

/// Remembers what it is told.
#[derive(Default)]
struct Diary(Mutex<Vec<Row>>);

impl Observer for Diary {
    fn observe(&self, now: &Progress) -> ControlFlow<()> {
        let row = (now.blocks, now.n_blocks, now.bands, now.n_bands, now.bytes, now.stage);
        self.0.lock().unwrap().push(row);
        ControlFlow::Continue(())
    }
}

impl Diary {
    fn rows(&self) -> Vec<Row> {
        self.0.lock().unwrap().clone()
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

fn diary_of(evaluate: impl FnOnce(Watch<Arc<Diary>>)) -> Vec<Row> {
    let diary = Arc::new(Diary::default());
    evaluate(Watch::new(Arc::clone(&diary)));
    diary.rows()
}

#[test]
fn blocks_of_unknown_number() {
    let sequence = LazyChunkSequence::new(|| [block(2, 3), block(1, 3)]);
    let rows = diary_of(|watch| sequence.compute(watch).unwrap());
    let expected = [
        (0, None, 0, None, 0, Running),
        (1, None, 1, None, 6, Running),
        (2, None, 2, None, 9, Running),
        (2, None, 2, None, 9, Finished),
    ];
    assert_eq!(rows, expected);
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
    assert_eq!(diary_of(|watch| streamed.compute(watch).unwrap()), expected);
    assert_eq!(diary_of(|watch| indexed.compute(watch).unwrap()), expected);
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
    assert_eq!(diary_of(|watch| sequence.compute(watch).unwrap()), expected(None));
    let sequence = sequence.with_len(2);
    assert_eq!(diary_of(|watch| sequence.compute(watch).unwrap()), expected(Some(2)));
}

#[test]
fn bands_of_a_grid() {
    let sequence = NestedLazyChunkSequence::from_fn([1, 2], [1, 2], |i, j| block(i + 1, j + 1));
    let rows = diary_of(|watch| sequence.compute(watch).unwrap());
    let expected = [
        (0, Some(4), 0, Some(2), 0, Running),
        (1, Some(4), 0, Some(2), 1, Running),
        (2, Some(4), 1, Some(2), 3, Running),
        (3, Some(4), 1, Some(2), 5, Running),
        (4, Some(4), 2, Some(2), 9, Running),
        (4, Some(4), 2, Some(2), 9, Finished),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn an_empty_sequence_begins_and_ends() {
    let empty = LazyChunkSequence::new(|| [] as [ArrayBlock; 0]);
    let watched = diary_of(|watch| empty.compute(watch).unwrap());
    assert_eq!(watched, [(0, None, 0, None, 0, Running), (0, None, 0, None, 0, Finished)]);

    let none = LazyChunkSequence::from_fn([0; 0], |_| block(1, 1));
    let watched = diary_of(|watch| none.compute(watch).unwrap());
    assert_eq!(
        watched,
        [(0, Some(0), 0, Some(0), 0, Running), (0, Some(0), 0, Some(0), 0, Finished)]
    );
    assert_eq!(Progress::new(none.declared()).fraction(), Some(1.0));
}

#[test]
fn a_failure_aborts_once() {
    let failing = LazyChunkSequence::try_new(|| [Ok(block(1, 1)), Err("no"), Ok(block(1, 1))]);
    let panicking =
        LazyChunkSequence::new(|| (0..3).map(|i| if i == 1 { panic!("no") } else { block(1, 1) }));
    let misfit = LazyChunkSequence::new(|| [block(1, 1), block(1, 2)]);
    let expected = [
        (0, None, 0, None, 0, Running),
        (1, None, 1, None, 1, Running),
        (1, None, 1, None, 1, Aborted),
    ];
    assert_eq!(diary_of(|watch| drop(failing.compute(watch).unwrap_err())), expected);
    assert_eq!(diary_of(|watch| drop(panicking.compute(watch).unwrap_err())), expected);
    assert_eq!(diary_of(|watch| drop(misfit.compute(watch).unwrap_err())), expected);
}

#[test]
fn a_reducer_beside_that_fails_aborts() {
    let empty = LazyChunkSequence::new(|| [] as [ArrayBlock; 0]);
    let rows = diary_of(|watch| {
        // The concatenation of nothing fails when it is sealed.
        assert!(matches!(empty.compute((watch, Concatenate)), Err(Error::EmptySequence)));
    });
    assert_eq!(rows, [(0, None, 0, None, 0, Running), (0, None, 0, None, 0, Aborted)]);
}

#[test]
fn a_watch_in_the_last_place_hears_of_failed_publishing() {
    struct Unpublished;

    impl Reducer for Unpublished {
        type Partial = ();
        type State = ();
        type Output = ();

        fn start(&self, _: &Declared) -> Result<()> {
            Ok(())
        }

        fn partial(&self, _: BlockPosition, _: &ArrayBlock) -> Result<()> {
            Ok(())
        }

        fn absorb(&self, (): &mut (), _: BlockPosition, (): ()) -> Result<()> {
            Ok(())
        }

        fn seal(&self, (): &mut ()) -> Result<()> {
            Ok(())
        }

        fn finish(&self, (): ()) -> Result<()> {
            Err(Error::other("somebody was faster"))
        }
    }

    let diary = Arc::new(Diary::default());
    let sequence = LazyChunkSequence::new(|| [block(1, 1)]);
    assert!(sequence.compute((Unpublished, Watch::new(Arc::clone(&diary)))).is_err());
    assert_eq!(diary.stages(), [Running, Running, Aborted]);
}

#[test]
fn a_watch_begins_anew_with_each_evaluation() {
    let sequence = LazyChunkSequence::new(|| [block(1, 1)]);
    let diary = Arc::new(Diary::default());
    for _ in 0..2 {
        sequence.compute(Watch::new(Arc::clone(&diary))).unwrap();
    }
    let rows = diary.rows();
    assert_eq!(rows[..3], rows[3..]);
}

#[test]
fn an_observer_that_panics_is_not_called_again() {
    let n_calls = AtomicUsize::new(0);
    let watch = Watch::new(|progress: &Progress| {
        n_calls.fetch_add(1, Ordering::Relaxed);
        assert_eq!(progress.blocks, 0);
    });
    let sequence = LazyChunkSequence::new(|| [block(1, 1), block(1, 1)]);
    assert!(catch_unwind(AssertUnwindSafe(|| sequence.compute(watch))).is_err());
    assert_eq!(n_calls.into_inner(), 2);
}

#[test]
fn an_observer_stops_the_evaluation_between_blocks() {
    for stop_after in 0..=3 {
        let n_computed = AtomicUsize::new(0);
        let computed = || {
            n_computed.fetch_add(1, Ordering::Relaxed);
            block(1, 1)
        };
        let stop = |progress: &Progress| match progress.blocks == stop_after {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let diary = Arc::new(Diary::default());
        let rows = LazyChunkSequence::from_fn([1; 3], |_| computed());
        let watch = Watch::new((stop, Arc::clone(&diary)));
        let error = rows.compute((Concatenate, watch)).unwrap_err();
        assert!(matches!(error, Error::Cancelled { blocks } if blocks == stop_after), "{error}");
        assert_eq!(n_computed.load(Ordering::Relaxed), stop_after);
        // The other one hears of the block, and of the end.
        let mut stages = vec![Running; stop_after + 1];
        stages.push(Aborted);
        assert_eq!(diary.stages(), stages);
    }
}

#[test]
fn what_the_observer_says_in_the_end_makes_no_difference() {
    let watch = Watch::new(|progress: &Progress| match progress.stage {
        Running => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    LazyChunkSequence::new(|| [block(1, 1)]).compute(watch).unwrap();
}

#[test]
fn what_is_stored_is_told_with_the_next_block() {
    let stored = Arc::new(Mutex::new(Vec::new()));
    let observer: Arc<dyn Observer> = Arc::new({
        let stored = Arc::clone(&stored);
        move |now: &Progress| stored.lock().unwrap().push((now.chunks, now.stored_bytes))
    });
    let sequence = LazyChunkSequence::new(|| [(); 1]).with_row_type(DType::UInt8, []);
    let at = BlockPosition { location: Location::Block(0), row: 0, column: 0 };
    let mut watching = Watching::start(sequence.declared(), observer).unwrap();
    watching.set_stored(1, 10);
    watching.block(at, 8).unwrap();
    watching.set_stored(2, 20);
    watching.finish();
    assert_eq!(*stored.lock().unwrap(), [(0, 0), (1, 10), (2, 20)]);
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
    let sequence = LazyChunkSequence::new(|| std::iter::repeat_n(tiny.clone(), N_BLOCKS));
    let last = Mutex::new(Progress::default());
    let n_calls = AtomicUsize::new(0);
    let watch = Watch::new(|progress: &Progress| {
        let mut last = last.lock().unwrap();
        // Each call tells of the next block; the first and the last tell of none.
        let is_next = progress.blocks == last.blocks + 1;
        assert!(is_next || progress.blocks == 0 || progress.stage == Finished);
        *last = *progress;
        n_calls.fetch_add(1, Ordering::Relaxed);
    });
    sequence.compute(watch).unwrap();
    let last = last.into_inner().unwrap();
    assert_eq!((last.blocks, last.bytes, last.stage), (N_BLOCKS, N_BLOCKS as u64, Finished));
    assert_eq!(n_calls.into_inner(), N_BLOCKS + 2);
}

//! Evaluation on several threads: blocks in flight, errors, and the end of a pass.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use lazy_chunks::zarr::{MemoryStore, ToZarr, ZarrSink};
use lazy_chunks::{
    ArrayBlock, BlockIndex, BlockPosition, Blocks, BottomK, Concatenate, DType, ErrorKind, Fold,
    Indexed, LazyChunkSequence, MeanVariance, NdarrayConverter, NestedLazyChunkSequence, Number,
    Progress, Reducer, Result, Run, SequenceAggregator, SequenceSpec, Sum, TopK, report,
};
use ndarray::Array2;
use proptest::prelude::*;
use rayon::prelude::*;

const N_BLOCKS: usize = 200;

fn squares<'a>(
    block: impl Fn(usize) + Send + Sync + 'a,
) -> LazyChunkSequence<'a, ArrayBlock, Indexed> {
    LazyChunkSequence::from_fn([2; N_BLOCKS], move |i| {
        block(i);
        ArrayBlock::from_vec([2, 1], vec![(i * i) as u64; 2]).unwrap()
    })
}

fn sum_of_squares() -> f64 {
    (0..N_BLOCKS).map(|i| 2 * i * i).sum::<usize>() as f64
}

#[test]
fn all_threads_compute_blocks() {
    // No thread continues before each thread has a block.
    let n_threads = 4;
    let barrier = Barrier::new(n_threads);
    let threads = Mutex::new(Vec::new());
    let sequence = LazyChunkSequence::from_fn([1; 4], |i| {
        barrier.wait();
        threads.lock().unwrap().push(thread::current().id());
        ArrayBlock::from_vec([1], vec![i as u64]).unwrap()
    });
    assert_eq!(sequence.with_threads(n_threads).compute(Sum).unwrap(), 6.0);
    let mut threads = threads.into_inner().unwrap();
    assert!(threads.contains(&thread::current().id()));
    threads.dedup();
    assert_eq!(threads.len(), n_threads);
}

/// A block that decrements a count of live blocks when it is dropped.
struct Alive<'a> {
    n_alive: &'a AtomicUsize,
    data: Vec<u8>,
}

impl AsRef<[u8]> for Alive<'_> {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.n_alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Keeps each block until it is merged, as a sink does.
struct KeepUntilMerged;

struct CountRows(usize);

impl Reducer for KeepUntilMerged {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<ArrayBlock>;
    type Run = CountRows;
    type Output = usize;

    fn start(self, _: &SequenceSpec) -> Result<(Self::Map, CountRows)> {
        Ok((|_, block| Ok(block.clone()), CountRows(0)))
    }
}

impl Run for CountRows {
    type Partial = ArrayBlock;
    type Output = usize;

    fn merge(&mut self, at: BlockPosition, block: ArrayBlock) -> Result<()> {
        assert_eq!(at.row, self.0, "blocks must be merged in order");
        self.0 += block.shape()[0];
        Ok(())
    }

    fn commit(self) -> Result<usize> {
        Ok(self.0)
    }
}

proptest! {
    #[test]
    fn the_window_bounds_the_blocks_in_flight(
        n_threads in 2..5_usize,
        window in 1..9_usize,
        slow in prop::collection::vec(0..N_BLOCKS, 0..5),
    ) {
        static N_ALIVE: AtomicUsize = AtomicUsize::new(0);
        let most = AtomicUsize::new(0);
        let sequence = LazyChunkSequence::from_fn([1; N_BLOCKS], |i| {
            let alive = N_ALIVE.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(alive, Ordering::SeqCst);
            if slow.contains(&i) {
                thread::sleep(std::time::Duration::from_millis(2));
            }
            let block = Alive { n_alive: &N_ALIVE, data: vec![0; 4] };
            ArrayBlock::new(DType::UInt8, [1, 4], bytes::Bytes::from_owner(block)).unwrap()
        });
        let sequence = sequence.with_threads(n_threads).with_max_in_flight(window);
        prop_assert_eq!(sequence.compute(KeepUntilMerged).unwrap(), N_BLOCKS);
        prop_assert!(most.load(Ordering::SeqCst) <= window);
        prop_assert_eq!(N_ALIVE.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn the_error_names_the_first_failing_block(
        mut failing in prop::collection::vec((0..N_BLOCKS, any::<bool>()), 1..6),
        n_threads in 2..9_usize,
    ) {
        let n_computed = AtomicUsize::new(0);
        let sequence = LazyChunkSequence::try_from_fn([1; N_BLOCKS], |i| {
            n_computed.fetch_add(1, Ordering::Relaxed);
            match failing.iter().find(|(block, _)| *block == i) {
                Some((_, true)) => panic!("a panic"),
                Some((_, false)) => Err("an error"),
                None => Ok(ArrayBlock::from_vec([1], vec![i as u64]).unwrap()),
            }
        });
        let serial = report(&sequence.compute(Sum).unwrap_err());
        let error = sequence.clone().with_threads(n_threads).compute(Sum).unwrap_err();
        prop_assert_eq!(report(&error), serial);
        drop(sequence);
        failing.sort_unstable();
        let first = failing[0].0;
        // After an error, blocks in flight are finished and no others begin: the serial pass, and a
        // window.
        prop_assert!(n_computed.into_inner() <= (first + 1) + (first + 1 + 2 * 64 * n_threads));
    }
}

#[test]
fn errors_on_threads_name_the_same_block_as_without_threads() {
    let n_columns = |i: usize| if i == 70 { 3 } else { 2 };
    let sequence =
        LazyChunkSequence::from_fn([1; N_BLOCKS], |i| Array2::<f32>::zeros((1, n_columns(i))))
            .convert(NdarrayConverter);
    let message = "block 70 has shape [1, 3], but its sizes from axis 1 on must be [2], as in the first block";
    assert_eq!(report(&sequence.compute(MeanVariance).unwrap_err()), message);
    let threaded = sequence.with_threads(4);
    assert_eq!(report(&threaded.compute(MeanVariance).unwrap_err()), message);

    // All blocks are compared with the first block, whichever block is computed first.
    let sequence = NestedLazyChunkSequence::from_fn([1; 10], [1; 10], |i, j| {
        if (i, j) == (0, 0) {
            thread::sleep(std::time::Duration::from_millis(20));
            return ArrayBlock::from_vec([1, 1], vec![1_u8]).unwrap();
        }
        ArrayBlock::from_vec([1, 1], vec![1.0]).unwrap()
    });
    assert_eq!(
        report(&sequence.with_threads(3).compute(MeanVariance).unwrap_err()),
        "block (0, 1) has dtype float64, but it must be uint8, as in the first block"
    );
}

#[test]
fn an_error_of_the_first_block_leaves_no_thread_waiting() {
    for n_threads in 2..5 {
        let sequence = LazyChunkSequence::try_from_fn([1; 10], |i| match i {
            0 => {
                thread::sleep(std::time::Duration::from_millis(5));
                Err("no first block")
            }
            _ => Ok(ArrayBlock::from_vec([1], vec![0_u8]).unwrap()),
        });
        let error = sequence.with_threads(n_threads).compute(Sum).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Producer, "{error}");
        assert_eq!(error.block(), Some(BlockIndex::Block(0)));
    }
}

#[test]
fn an_observer_stops_all_threads() {
    let n_computed = AtomicUsize::new(0);
    let sequence = squares(|_| {
        n_computed.fetch_add(1, Ordering::Relaxed);
    })
    .with_observer(|progress: &Progress| match progress.blocks {
        10 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let error = sequence.with_threads(3).with_max_in_flight(6).compute(Sum).unwrap_err();
    assert_eq!(error.blocks_done(), Some(10), "{error}");
    assert!(n_computed.into_inner() <= 16);
}

#[test]
fn a_panic_of_a_reducer_resumes_after_all_threads_have_ended() {
    static IS_ONE_AT_WORK: AtomicBool = AtomicBool::new(false);
    let reducer = |bad: usize| {
        Fold::new(
            "a panic",
            move |n: &mut u64, at: BlockPosition, _: &ArrayBlock| {
                assert_ne!(at.row, bad, "that row");
                IS_ONE_AT_WORK.store(true, Ordering::SeqCst);
                thread::sleep(std::time::Duration::from_micros(100));
                IS_ONE_AT_WORK.store(false, Ordering::SeqCst);
                *n += 1;
                Ok(())
            },
            |n, next| *n += next,
        )
    };
    let sequence = squares(|_| {}).with_threads(2);
    for bad in [0, 2, 100, 398] {
        let panic = catch_unwind(AssertUnwindSafe(|| sequence.compute(reducer(bad)))).unwrap_err();
        assert!(!IS_ONE_AT_WORK.load(Ordering::SeqCst));
        let message = panic.downcast::<String>().unwrap();
        assert!(message.contains("that row"), "{message}");
    }
    assert_eq!(sequence.compute(reducer(usize::MAX)).unwrap(), N_BLOCKS as u64);
}

#[test]
fn evaluation_inside_a_thread_pool_does_not_deadlock() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let sums = pool.install(|| {
        (0..8)
            .into_par_iter()
            .map(|_| {
                // The producer uses the pool as well.
                let sequence = squares(|_| {
                    let sum: u64 = (0..100_u64).into_par_iter().sum();
                    assert_eq!(sum, 4950);
                });
                let store = Arc::new(MemoryStore::new());
                let sequence = sequence.with_threads(4);
                sequence.to_zarr(store).unwrap();
                sequence.compute(Sum).unwrap()
            })
            .collect::<Vec<_>>()
    });
    assert_eq!(sums, [sum_of_squares(); 8]);
}

#[test]
fn threads_work_with_few_or_no_blocks() {
    let nothing =
        LazyChunkSequence::from_fn([0; 0], |_| ArrayBlock::from_vec([0], vec![0_u8]).unwrap());
    assert_eq!(nothing.with_threads(4).compute(Sum).unwrap(), 0.0);
    let one = LazyChunkSequence::from_fn([2], |_| ndarray::array![1.0, 2.0]).with_threads(64);
    assert_eq!(one.compute(Concatenate).unwrap().to_vec(), [1.0, 2.0]);
    let no_columns = NestedLazyChunkSequence::from_fn([1, 1], [0; 0], |_, _| {
        ArrayBlock::from_vec([1, 0], Vec::<f32>::new()).unwrap()
    });
    let serial = report(&no_columns.compute(Sum).unwrap_err());
    assert_eq!(report(&no_columns.with_threads(2).compute(Sum).unwrap_err()), serial);
}

#[test]
fn many_small_blocks_in_runs_give_the_same_results() {
    let value = |i: usize| ((i * 7919) % 1000) as f64 / 7.0;
    let sequence = LazyChunkSequence::from_fn([1; 5000], |i| {
        ArrayBlock::from_vec([1], vec![value(i)]).unwrap()
    });
    let statistics = || (MeanVariance, Sum, TopK::new(70), BottomK::new(70), KeepUntilMerged);
    let expected = sequence.compute(statistics()).unwrap();
    for n_threads in [2, 5] {
        let threaded = sequence.clone().with_threads(n_threads);
        assert_eq!(threaded.compute(statistics()).unwrap(), expected);
        let all_at_once = threaded.with_max_in_flight(usize::MAX);
        assert_eq!(all_at_once.compute(statistics()).unwrap(), expected);
    }
    let mut sorted: Vec<usize> = (0..5000).collect();
    sorted.sort_by(|&a, &b| value(b).total_cmp(&value(a)).then(a.cmp(&b)));
    let rows: Vec<_> = expected.2.iter().map(|one| one.row as usize).collect();
    assert_eq!(rows, sorted[..70]);
    sorted.sort_by(|&a, &b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
    let rows: Vec<_> = expected.3.iter().map(|one| one.row as usize).collect();
    assert_eq!(rows, sorted[..70]);
}

/// Threads take runs of blocks. Stored blocks are restored from between the runs.
#[test]
fn runs_of_blocks_skip_restored_blocks() {
    let directory = tempfile::tempdir().unwrap();
    let n_computed = AtomicUsize::new(0);
    let stop_after = AtomicUsize::new(700);
    let sequence = LazyChunkSequence::from_fn([1; 1500], |i| {
        n_computed.fetch_add(1, Ordering::Relaxed);
        ArrayBlock::from_vec([1], vec![i as f64]).unwrap()
    })
    .with_threads(3)
    .with_observer(|progress: &Progress| {
        if progress.blocks >= stop_after.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    let sink = || {
        ZarrSink::new(directory.path().join("a.zarr")).with_resume("numbers").with_chunk_shape([5])
    };
    assert!(sequence.compute(sink()).is_err());

    // Every third stored chunk is lost, so five blocks at a time must be computed between restored
    // ones.
    let chunks = directory.path().join("a.zarr/c");
    let mut n_kept = 0;
    for entry in std::fs::read_dir(chunks).unwrap() {
        let path = entry.unwrap().path();
        let index: usize = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        match index % 3 {
            0 => std::fs::remove_file(path).unwrap(),
            _ => n_kept += 1,
        }
    }
    assert!(n_kept >= 90, "{n_kept} chunks were kept");

    stop_after.store(usize::MAX, Ordering::Relaxed);
    n_computed.store(0, Ordering::Relaxed);
    let (stored, sum) = sequence.compute((sink(), Sum)).unwrap();
    assert_eq!(n_computed.load(Ordering::Relaxed), 1500 - 5 * n_kept);
    assert_eq!(sum, (1499 * 1500 / 2) as f64);
    let expected: Vec<f64> = (0..1500).map(f64::from).collect();
    assert_eq!(stored.read().unwrap().as_slice::<f64>().unwrap(), expected);
}

#[test]
fn reducing_the_remaining_blocks_begins_at_the_next_block() {
    struct WithoutFirst;

    impl SequenceAggregator<ArrayBlock> for WithoutFirst {
        type Output = Number;

        fn aggregate(self, mut blocks: Blocks<'_, ArrayBlock>) -> Result<Number> {
            blocks.next().expect("there are blocks")?;
            Sum.aggregate(blocks)
        }
    }

    let n_computed = AtomicUsize::new(0);
    let sequence = squares(|_| {
        n_computed.fetch_add(1, Ordering::Relaxed);
    });
    let result = |threads: usize| {
        let sequence = sequence.clone().with_threads(threads);
        sequence.compute(WithoutFirst).map_err(|error| report(&error))
    };
    let serial = result(1);
    let n_serial = n_computed.swap(0, Ordering::Relaxed);
    assert_eq!(result(3), serial);
    // Threads may compute blocks ahead: the serial pass, and as many as may be in flight.
    let n_on_threads = n_computed.load(Ordering::Relaxed);
    assert!((n_serial..=n_serial + 2 * 3).contains(&n_on_threads), "{n_on_threads}");
}

#[test]
fn collecting_yields_blocks_in_order() {
    let computed = Mutex::new(Vec::new());
    let sequence = squares(|i| computed.lock().unwrap().push(i));
    let serial = sequence.collect().unwrap();
    assert_eq!(*computed.lock().unwrap(), (0..N_BLOCKS).collect::<Vec<_>>());
    assert_eq!(sequence.with_threads(4).collect().unwrap(), serial);
}

//! `collect` and aggregators on several threads: results, errors and blocks in flight.

use std::collections::HashSet;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use lazy_core::{
    ArrayBlock, Bands, BlockIndex, Blocks, Concatenate, Error, ErrorKind, Indexed,
    LazyChunkSequence, NdarrayConverter, NestedLazyChunkSequence, NestedSequenceAggregator, Result,
    SequenceAggregator, Sum, panic_message, report,
};
use ndarray::{Array1, Array2, array};
use proptest::collection::vec;
use proptest::prelude::*;

/// The outcome of computing a block.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Deed {
    Comes,
    ComesLate,
    Fails,
    Panics,
}

use Deed::{Comes, ComesLate, Fails, Panics};

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![20 => Just(Comes), 3 => Just(ComesLate), 1 => Just(Fails), 1 => Just(Panics)]
}

impl Deed {
    fn block<T>(self, i: T) -> Result<T, String>
    where
        T: Debug,
    {
        match self {
            Comes => Ok(i),
            ComesLate => {
                thread::sleep(Duration::from_micros(500));
                Ok(i)
            }
            Fails => Err(format!("no {i:?}")),
            Panics => panic!("not {i:?}"),
        }
    }
}

/// Takes this many blocks, and then returns, fails or panics.
#[derive(Clone, Copy, Debug)]
struct Take {
    n_blocks: usize,
    end: Deed,
}

impl<T> SequenceAggregator<T> for Take {
    type Output = Vec<T>;

    fn aggregate(self, blocks: Blocks<'_, T>) -> Result<Vec<T>> {
        let taken = blocks.take(self.n_blocks).collect::<Result<Vec<T>>>()?;
        self.end.block("more").map_err(Error::other)?;
        Ok(taken)
    }
}

/// Takes these numbers of blocks from the bands, in turns, and stops after `n_bands` bands.
#[derive(Clone, Debug)]
struct TakeOfBands {
    n_blocks: Vec<usize>,
    n_bands: usize,
    end: Deed,
}

impl<T> NestedSequenceAggregator<T> for TakeOfBands {
    type Output = Vec<Vec<T>>;

    fn aggregate_nested(self, mut bands: Bands<'_, T>) -> Result<Vec<Vec<T>>> {
        let mut taken = Vec::new();
        for n_blocks in self.n_blocks.iter().cycle().take(self.n_bands) {
            let Some(band) = bands.next_band()? else { break };
            taken.push(band.take(*n_blocks).collect::<Result<_>>()?);
        }
        self.end.block("more").map_err(Error::other)?;
        Ok(taken)
    }
}

/// Returns the result, or the message of the error or the panic.
fn said<T>(evaluate: impl FnOnce() -> Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(evaluate)) {
        Ok(result) => result.map_err(|error| report(&error)),
        Err(panic) => Err(format!("it panicked: {}", panic_message(&*panic))),
    }
}

fn on_threads<'a, T: Send>(
    sequence: &LazyChunkSequence<'a, T, Indexed>,
    n_threads: usize,
    max_in_flight: Option<usize>,
) -> LazyChunkSequence<'a, T, Indexed> {
    let sequence = sequence.clone().with_threads(n_threads);
    match max_in_flight {
        Some(max_in_flight) => sequence.with_max_in_flight(max_in_flight),
        None => sequence,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rows_on_threads_are_those_of_one_thread(
        deeds in vec(deed(), 0..40),
        n_threads in 2..6_usize,
        max_in_flight in prop::option::of(0..10_usize),
        n_blocks in 0..45_usize,
        end in deed(),
    ) {
        let sequence = LazyChunkSequence::try_from_fn(vec![1; deeds.len()], |i| deeds[i].block(i));
        let threaded = on_threads(&sequence, n_threads, max_in_flight);
        prop_assert_eq!(said(|| threaded.collect()), said(|| sequence.collect()));
        let take = Take { n_blocks, end };
        prop_assert_eq!(said(|| threaded.compute(take)), said(|| sequence.compute(take)));
        let streamed = threaded.clone().streamed();
        prop_assert_eq!(said(|| streamed.collect()), said(|| sequence.collect()));
        prop_assert_eq!(said(|| streamed.compute(take)), said(|| sequence.compute(take)));
    }

    #[test]
    fn bands_on_threads_are_those_of_one_thread(
        deeds in vec(deed(), 48),
        n_bands in 0..8_usize,
        n_columns in 0..6_usize,
        n_threads in 2..6_usize,
        max_in_flight in prop::option::of(0..10_usize),
        n_taken in vec(0..7_usize, 1..4),
        n_bands_taken in 0..10_usize,
        end in deed(),
    ) {
        let rows = vec![1; n_bands];
        let sequence = NestedLazyChunkSequence::try_from_fn(rows, vec![1; n_columns], |i, j| {
            deeds[i * n_columns + j].block((i, j))
        });
        let threaded = sequence.clone().with_threads(n_threads);
        let threaded = match max_in_flight {
            Some(max_in_flight) => threaded.with_max_in_flight(max_in_flight),
            None => threaded,
        };
        prop_assert_eq!(said(|| threaded.collect()), said(|| sequence.collect()));
        let take = || TakeOfBands { n_blocks: n_taken.clone(), n_bands: n_bands_taken, end };
        prop_assert_eq!(said(|| threaded.compute(take())), said(|| sequence.compute(take())));
        let streamed = threaded.clone().streamed();
        prop_assert_eq!(said(|| streamed.compute(take())), said(|| sequence.compute(take())));
    }

    #[test]
    fn the_blocks_in_flight_are_limited(
        n_threads in 2..6_usize,
        max_in_flight in 1..8_usize,
        late in vec(0..60_usize, 0..6),
        n_taken in vec(0..7_usize, 1..4),
    ) {
        let alive = Alive::default();
        let block = |i| {
            let block = alive.block();
            if late.contains(&i) {
                thread::sleep(Duration::from_micros(500));
            }
            block
        };
        let rows = LazyChunkSequence::from_fn([1; 60], block)
            .with_threads(n_threads)
            .with_max_in_flight(max_in_flight);
        prop_assert_eq!(rows.compute(Drops).unwrap(), 60);
        prop_assert!(alive.most() <= max_in_flight, "{}", alive.most());
        let bands = NestedLazyChunkSequence::from_fn([1; 10], [1; 6], |i, j| block(6 * i + j))
            .with_threads(n_threads)
            .with_max_in_flight(max_in_flight);
        prop_assert_eq!(bands.compute(Drops).unwrap(), 60);
        prop_assert!(alive.most() <= max_in_flight, "{}", alive.most());
        bands.compute(DropsOfBands { n_blocks: n_taken }).unwrap();
        prop_assert!(alive.most() <= max_in_flight, "{}", alive.most());
        prop_assert_eq!(alive.now.load(Ordering::SeqCst), 0);
    }
}

/// Counts the blocks that are alive.
#[derive(Default)]
struct Alive {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct AliveBlock<'a>(&'a Alive);

impl Alive {
    fn block(&self) -> AliveBlock<'_> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        AliveBlock(self)
    }

    fn most(&self) -> usize {
        self.most.swap(0, Ordering::SeqCst)
    }
}

impl Drop for AliveBlock<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Drops each block before it asks for the next one.
struct Drops;

impl<T> SequenceAggregator<T> for Drops {
    type Output = usize;

    fn aggregate(self, mut blocks: Blocks<'_, T>) -> Result<usize> {
        blocks.try_fold(0, |n, block| block.map(|_| n + 1))
    }
}

impl<T> NestedSequenceAggregator<T> for Drops {
    type Output = usize;

    fn aggregate_nested(self, mut bands: Bands<'_, T>) -> Result<usize> {
        let mut n_blocks = 0;
        while let Some(mut band) = bands.next_band()? {
            n_blocks = band.try_fold(n_blocks, |n, block| block.map(|_| n + 1))?;
        }
        Ok(n_blocks)
    }
}

/// Drops these numbers of blocks of the bands, in turns, and skips the others.
struct DropsOfBands {
    n_blocks: Vec<usize>,
}

impl<T> NestedSequenceAggregator<T> for DropsOfBands {
    type Output = ();

    fn aggregate_nested(self, mut bands: Bands<'_, T>) -> Result<()> {
        for n_blocks in self.n_blocks.into_iter().cycle() {
            let Some(band) = bands.next_band()? else { break };
            band.take(n_blocks).try_for_each(|block| block.map(drop))?;
        }
        Ok(())
    }
}

/// Remembers the threads that compute blocks; each waits until all have one.
struct Threads {
    ids: Mutex<HashSet<ThreadId>>,
    barrier: Barrier,
}

const N_THREADS: usize = 3;

impl Threads {
    fn new() -> Threads {
        Threads { ids: Mutex::default(), barrier: Barrier::new(N_THREADS) }
    }

    fn meet(&self) {
        self.barrier.wait();
        self.ids.lock().unwrap().insert(thread::current().id());
    }

    /// Checks that all threads have computed a block since the last check, the caller's included.
    fn check(&self) {
        let ids = std::mem::take(&mut *self.ids.lock().unwrap());
        assert_eq!(ids.len(), N_THREADS);
        assert!(ids.contains(&thread::current().id()), "the caller's thread computes as well");
    }
}

#[test]
fn all_threads_compute_blocks() {
    let threads = Threads::new();
    let rows = LazyChunkSequence::from_fn([1; N_THREADS], |i| {
        threads.meet();
        array![i as f64]
    })
    .with_threads(N_THREADS);
    rows.collect().unwrap();
    threads.check();
    rows.compute(Drops).unwrap();
    threads.check();
    rows.compute(Concatenate).unwrap();
    threads.check();
    rows.clone().convert(NdarrayConverter).compute(Sum).unwrap();
    threads.check();

    // So they do after changes of the blocks and of the sequence's type.
    let changed = rows.clone().map(|block| 2.0 * block).shorten().streamed().map(|block| block[0]);
    assert_eq!(changed.collect().unwrap(), [0.0, 2.0, 4.0]);
    threads.check();
    let blocks = rows.streamed().try_map(Ok::<_, Error>).convert(NdarrayConverter).stack();
    assert_eq!(blocks.compute(Sum).unwrap(), 3.0);
    threads.check();
}

#[test]
fn all_threads_compute_blocks_of_bands() {
    let threads = Threads::new();
    let bands = NestedLazyChunkSequence::from_fn([1], [1; N_THREADS], |_, j| {
        threads.meet();
        array![[j as f64]]
    })
    .with_threads(N_THREADS);
    assert_eq!(bands.collect().unwrap()[0].len(), N_THREADS);
    threads.check();
    bands.compute(Drops).unwrap();
    threads.check();
    assert_eq!(bands.compute(Concatenate).unwrap(), array![[0.0, 1.0, 2.0]]);
    threads.check();
    let streamed = bands.streamed();
    streamed.collect().unwrap();
    threads.check();
    streamed.convert(NdarrayConverter).compute(Sum).unwrap();
    threads.check();
}

#[test]
fn the_function_behind_a_sequence_runs_on_all_threads() {
    let threads = Threads::new();
    let sequence = LazyChunkSequence::from_fn([1; N_THREADS], |i| i).with_threads(N_THREADS);
    sequence.map(|_| threads.meet()).collect().unwrap();
    threads.check();
}

#[test]
fn iterators_and_local_functions_stay_on_their_thread() {
    let here = thread::current().id();
    let compute = |i| {
        assert_eq!(thread::current().id(), here);
        i
    };
    let rows = LazyChunkSequence::from_fn([1; 20], compute).with_threads(4);
    assert!(rows.blocks().eq_by_result(0..20));
    assert_eq!(rows.block(3).unwrap(), 3);
    let bands =
        NestedLazyChunkSequence::from_fn([1; 4], [1; 5], |i, j| compute(5 * i + j)).with_threads(4);
    let mut iterator = bands.bands();
    while let Some(band) = iterator.next_band().unwrap() {
        assert_eq!(band.count(), 5);
    }
    assert_eq!(bands.block(1, 2).unwrap(), 7);
    let local = rows.map_local(compute);
    assert!(local.collect().unwrap().into_iter().eq(0..20));
    assert_eq!(local.compute(Drops).unwrap(), 20);
    let single = LazyChunkSequence::from_fn([1; 20], compute);
    assert_eq!(single.collect().unwrap().len(), 20);
    let one = single.with_threads(1);
    assert_eq!(one.compute(Drops).unwrap(), 20);
}

trait EqByResult {
    fn eq_by_result(self, expected: impl Iterator<Item = usize>) -> bool;
}

impl EqByResult for Blocks<'_, usize> {
    fn eq_by_result(self, expected: impl Iterator<Item = usize>) -> bool {
        self.map(Result::unwrap).eq(expected)
    }
}

#[test]
fn concatenation_and_reduction_on_threads_have_the_same_bits() {
    let block = |i: usize| {
        Array2::from_shape_fn((3, 4), |(row, column)| 1.0 / (1 + 12 * i + 4 * row + column) as f64)
    };
    let rows = LazyChunkSequence::from_fn([3; 30], block);
    let expected = rows.compute(Concatenate).unwrap();
    let sum = rows.clone().convert(NdarrayConverter).compute(Sum).unwrap();
    for n_threads in 2..5 {
        let rows = rows.clone().with_threads(n_threads);
        assert_eq!(rows.compute(Concatenate).unwrap(), expected);
        assert_eq!(rows.collect().unwrap().len(), 30);
        assert_eq!(rows.convert(NdarrayConverter).compute(Sum).unwrap(), sum);
    }
}

#[test]
fn skipped_blocks_are_not_begun() {
    const N_BANDS: usize = 20;
    const N_COLUMNS: usize = 50;
    const IN_FLIGHT: usize = 4;
    let n_computed = AtomicUsize::new(0);
    let bands = NestedLazyChunkSequence::from_fn([1; N_BANDS], [1; N_COLUMNS], |i, j| {
        n_computed.fetch_add(1, Ordering::Relaxed);
        (i, j)
    });
    let take = || TakeOfBands { n_blocks: vec![1], n_bands: N_BANDS, end: Comes };
    let firsts: Vec<_> = (0..N_BANDS).map(|i| vec![(i, 0)]).collect();
    assert_eq!(bands.compute(take()).unwrap(), firsts);
    assert_eq!(n_computed.swap(0, Ordering::Relaxed), N_BANDS);
    let threaded = bands.with_threads(3).with_max_in_flight(IN_FLIGHT);
    assert_eq!(threaded.compute(take()).unwrap(), firsts);
    // Threads compute at most as many blocks ahead as may be in flight.
    assert!(n_computed.load(Ordering::Relaxed) <= N_BANDS * IN_FLIGHT);
}

#[test]
fn blocks_after_the_last_one_asked_for_are_not_begun() {
    let n_computed = AtomicUsize::new(0);
    let rows = LazyChunkSequence::from_fn([1; 1000], |i| {
        n_computed.fetch_add(1, Ordering::Relaxed);
        i
    })
    .with_threads(3)
    .with_max_in_flight(5);
    assert_eq!(rows.compute(Take { n_blocks: 2, end: Comes }).unwrap(), [0, 1]);
    assert!(n_computed.swap(0, Ordering::Relaxed) <= 1 + 5);
    rows.compute(Take { n_blocks: 2, end: Fails }).unwrap_err();
    assert!(n_computed.swap(0, Ordering::Relaxed) <= 1 + 5);
    // An aggregator that asks for no block computes none.
    rows.compute(Take { n_blocks: 0, end: Comes }).unwrap();
    assert_eq!(n_computed.load(Ordering::Relaxed), 0);
}

#[test]
fn blocks_behind_a_failing_one_are_computed_only_while_in_flight() {
    let n_computed = AtomicUsize::new(0);
    let rows = LazyChunkSequence::try_from_fn([1; 1000], |i| {
        n_computed.fetch_add(1, Ordering::Relaxed);
        if i == 20 { Err("no") } else { Ok(i) }
    })
    .with_threads(4);
    let error = rows.collect().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Producer, "{error}");
    assert_eq!(error.block(), Some(BlockIndex::Block(20)));
    assert!(n_computed.load(Ordering::Relaxed) <= 20 + 2 * 4);
}

#[test]
fn threads_end_before_the_evaluation_does() {
    let n_running = AtomicUsize::new(0);
    let rows = LazyChunkSequence::from_fn([1; 100], |i| {
        n_running.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_micros(300));
        n_running.fetch_sub(1, Ordering::SeqCst);
        if i == 7 { panic!("no seventh") } else { i }
    })
    .with_threads(4);
    for end in [Comes, Fails, Panics] {
        let _ = said(|| rows.compute(Take { n_blocks: 3, end }));
        assert_eq!(n_running.load(Ordering::SeqCst), 0);
    }
    let error = said(|| rows.collect()).unwrap_err();
    assert_eq!(error, "the producer panicked at block 7: no seventh");
    assert_eq!(n_running.load(Ordering::SeqCst), 0);
}

#[test]
fn threads_work_with_few_or_no_blocks() {
    let none = LazyChunkSequence::from_fn([0; 0], |i| i).with_threads(4);
    assert_eq!(none.collect().unwrap(), [0; 0]);
    assert_eq!(none.compute(Drops).unwrap(), 0);
    let one = LazyChunkSequence::from_fn([2], |i| i).with_threads(64).with_max_in_flight(0);
    assert_eq!(one.collect().unwrap(), [0]);
    let without_columns = NestedLazyChunkSequence::from_fn([1; 3], [0; 0], |i, j| (i, j));
    let expected = without_columns.collect().unwrap();
    assert_eq!(expected, [vec![], vec![], vec![]]);
    assert_eq!(without_columns.with_threads(2).collect().unwrap(), expected);
    let all_cores = LazyChunkSequence::from_fn([1; 9], |i| i).with_threads(0);
    assert_eq!(all_cores.collect().unwrap().len(), 9);
}

#[test]
fn a_wrong_number_of_blocks_is_found_on_threads() {
    let rows = LazyChunkSequence::from_fn([1; 6], |i| ArrayBlock::from_array(array![i as f64]));
    for n_threads in [1, 3] {
        let rows = rows.clone().with_threads(n_threads).streamed();
        for (declared, expected) in [
            (7, "the sequence ended after 6 blocks, but 7 were declared"),
            (5, "the sequence has more blocks than the 5 declared"),
        ] {
            let rows = rows.clone().with_len(declared);
            assert_eq!(report(&rows.collect().unwrap_err()), expected);
            assert_eq!(report(&rows.compute(Drops).unwrap_err()), expected);
            assert_eq!(report(&rows.compute(Sum).unwrap_err()), expected);
            assert_eq!(report(&rows.compute(Vec::<Sum>::new()).unwrap_err()), expected);
        }
    }
}

#[test]
fn an_evaluation_within_an_evaluation_has_threads_of_its_own() {
    let inner = |n: usize| {
        LazyChunkSequence::from_fn(vec![1; n], |i| Array1::from_elem(1, i as f64)).with_threads(2)
    };
    let outer = LazyChunkSequence::try_from_fn([5; 6], |_| inner(5).compute(Concatenate));
    let expected = outer.compute(Concatenate).unwrap();
    assert_eq!(outer.with_threads(3).compute(Concatenate).unwrap(), expected);
}

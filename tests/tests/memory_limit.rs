//! The memory limit of statistics: it fails before memory is allocated, and no shape causes an
//! allocation without a check.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lazy_chunks::zarr::{MemoryStore, StoredArray, Target, ZarrSink};
use lazy_chunks::{
    ArrayBlock, Casting, Concatenate, Count, Covariance, DType, Error, Histogram, Indexed,
    LazyChunkSequence, Max, MeanVariance, MemoryLimit, Min, NestedLazyChunkSequence, Quantiles,
    Reducer, SaveState, StateOf, Statistic, Sum, Summary, TopK, report, system_memory,
};
use lazy_tests::{Visitor, every_sketch, every_statistic, every_statistic_of_rows};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Serializes the tests, since the allocator counts for the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls a function, and returns its result and the largest growth of memory during the call.
fn peak<T>(function: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let output = function();
    (output, ALLOCATOR.peak_usage().saturating_sub(before))
}

/// Visits all statistics, including those that need whole rows.
fn all_statistics<V: Visitor>(visitor: &mut V) -> Result<(), V::Error> {
    every_statistic(visitor, 2)?;
    every_statistic_of_rows(visitor)
}

/// Returns the bytes and the number of states from a memory limit error.
fn refused(error: &Error) -> Option<(u128, u128)> {
    error.memory().map(|shortage| (shortage.bytes, shortage.states))
}

/// One evaluation of a reducer.
type Attempt<'a, R> = Box<dyn Fn() -> lazy_chunks::Result<<R as Reducer>::Output> + 'a>;

/// Visits statistics with blocks that have a shape but no elements.
struct ShapesAlone {
    shape: Vec<usize>,
    n_refused: usize,
}

impl ShapesAlone {
    fn try_all<R: Reducer>(
        &mut self,
        name: &str,
        reducer: impl Fn() -> R,
        show: fn(&R::Output) -> String,
    ) {
        let shape = self.shape.clone();
        let block = || ArrayBlock::from_vec(&shape[..], Vec::<u8>::new()).unwrap();
        let rows = vec![shape[0]; 2];
        let flat = LazyChunkSequence::from_fn(&rows, |_| block());
        let nested = NestedLazyChunkSequence::from_fn(&rows, [shape[1]; 3], |_, _| block());
        let streamed = LazyChunkSequence::new(|| [block(), block()]);
        let mut wide = shape.clone();
        wide[1] *= 3;
        let flat_declared = flat.clone().with_row_type(DType::UInt8, &shape[1..]);
        let nested_declared = nested.clone().with_row_type(DType::UInt8, &wide[1..]);
        let streamed_declared = streamed.clone().with_row_type(DType::UInt8, &shape[1..]);
        let attempts: [(&str, Attempt<'_, R>); 8] = [
            ("flat", Box::new(|| flat.compute(reducer()))),
            ("flat, declared", Box::new(|| flat_declared.compute(reducer()))),
            ("on threads", Box::new(|| flat.clone().with_threads(2).compute(reducer()))),
            ("nested", Box::new(|| nested.compute(reducer()))),
            ("nested, declared", Box::new(|| nested_declared.compute(reducer()))),
            (
                "nested, on threads",
                Box::new(|| nested_declared.clone().with_threads(2).compute(reducer())),
            ),
            ("streamed", Box::new(|| streamed.compute(reducer()))),
            ("streamed, declared", Box::new(|| streamed_declared.compute(reducer()))),
        ];
        for (form, attempt) in attempts {
            let (outcome, peak) =
                peak(|| catch_unwind(AssertUnwindSafe(|| attempt().map(|output| show(&output)))));
            let of = || format!("{name} of blocks of shape {:?}, {form}", self.shape);
            let outcome = outcome.unwrap_or_else(|_| panic!("{} panicked", of()));
            assert!(peak < 1 << 20, "{}: {peak} bytes", of());
            if let Err(error) = outcome {
                self.n_refused += usize::from(refused(&error).is_some());
                assert!(report(&error).len() < 500, "{}: {error}", of());
            }
        }
    }
}

impl Visitor for ShapesAlone {
    type Error = std::convert::Infallible;

    fn visit<S>(&mut self, statistic: S, _: bool) -> Result<(), Self::Error>
    where
        S: SaveState,
        S::Output: Debug,
    {
        let name = statistic.name();
        self.try_all(&name, || &statistic, |result| format!("{result:?}"));
        self.try_all(&name, || StateOf::new(&statistic), |_| String::new());
        self.try_all(&name, || (&statistic, &statistic), |results| format!("{results:?}"));
        Ok(())
    }
}

#[test]
fn huge_shapes_without_elements_never_abort_or_panic() {
    let _alone = alone();
    const HUGE: usize = 1 << 60;
    for shape in [
        vec![1 << 40, 0],
        vec![HUGE, 0],
        vec![0, 1 << 53],
        vec![0, HUGE],
        vec![1, 0, 1 << 40],
        vec![1 << 40, 1 << 20, 0],
        vec![0, 1 << 30, 1 << 30],
        vec![2, 0, 1 << 20, 1 << 20],
        vec![0, 0, HUGE],
    ] {
        let mut shapes_alone = ShapesAlone { shape: shape.clone(), n_refused: 0 };
        let Ok(()) = all_statistics(&mut shapes_alone);
        shapes_alone.try_all("concatenation", || Concatenate, |array| format!("{array:?}"));
        let is_small = shape[0] < 3 && (shape[1] == 0 || shape.len() > 2);
        assert!(is_small || shapes_alone.n_refused > 50, "{shape:?}: {}", shapes_alone.n_refused);
    }
}

#[test]
fn an_index_overflow_is_an_error() {
    let _alone = alone();
    let block = || ArrayBlock::from_vec([1 << 62, 0], Vec::<u8>::new()).unwrap();
    let rows = LazyChunkSequence::new(|| (0..4).map(|_| block()));
    let error = rows.compute(Count).unwrap_err();
    assert_eq!(error.to_string(), format!("block 3 extends past index {} of axis 0", usize::MAX));
    let block = || ArrayBlock::from_vec([0, 1 << 62], Vec::<u8>::new()).unwrap();
    let columns = NestedLazyChunkSequence::new(|| [(0..4).map(|_| block())]);
    let error = columns.compute(Count).unwrap_err();
    assert!(error.to_string().ends_with(" of axis 1"), "{error}");
    let block = || ArrayBlock::from_vec([2], vec![1_u8, 2]).unwrap();
    let last = LazyChunkSequence::new(|| [block()]);
    let error = last.compute(StateOf::new(Max.per_row()).from_row(usize::MAX)).unwrap_err();
    assert!(error.to_string().ends_with(" of axis 0"), "{error}");
}

#[test]
fn a_gap_between_states_larger_than_memory_is_an_error() {
    let _alone = alone();
    // Two states of columns far apart from each other, as an untrusted file may declare.
    let near = r#"{"version":3,"statistic":"the count of each column","state":{"first":0,"shape":[1],"cells":[1]}}"#;
    for first in [1_u64 << 60, u64::MAX - 1] {
        let far = near.replace(r#""first":0"#, &format!(r#""first":{first}"#));
        for states in [[near, &far], [&far, near]] {
            let states = states.map(|state| serde_json::from_str(state).unwrap());
            let error = Count.per_column().finish_saved(states).unwrap_err();
            assert!(refused(&error).is_some(), "{error}");
        }
    }
}

const N_BLOCKS: usize = 3;

fn blocks(shape: [usize; 2], declared: bool) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    let elements: Vec<f64> = (0..shape[0] * shape[1]).map(|i| (i as f64 * 0.7).sin()).collect();
    let block = ArrayBlock::from_vec(shape, elements).unwrap();
    // All blocks share one memory, so that only states need more.
    let sequence = LazyChunkSequence::from_fn([shape[0]; N_BLOCKS], move |_| block.clone());
    if declared { sequence.with_row_type(DType::Float64, [shape[1]]) } else { sequence }
}

/// Finds the smallest limit that suffices to compute each statistic if its row type is unknown.
struct SmallestLimits {
    shape: [usize; 2],
}

impl Visitor for SmallestLimits {
    type Error = Error;

    fn visit<S>(&mut self, statistic: S, _: bool) -> Result<(), Error>
    where
        S: SaveState,
        S::Output: Debug,
    {
        /// The memory of a pass in addition to its states: names, shapes, and pieces of columns.
        const SLACK: usize = 48 << 10;
        let sequence = blocks(self.shape, false);
        let (name, of) = (statistic.name(), self.shape);
        let (result, needed) = peak(|| sequence.compute(&statistic).map(drop));
        result?;
        let with_limit = |limit: usize| {
            let sequence = sequence.clone().with_memory_limit(limit as u64);
            peak(|| sequence.compute(&statistic).map(drop))
        };
        let (result, _) = with_limit(needed);
        assert!(result.is_ok(), "{name} of {of:?} needs {needed} bytes: {}", result.unwrap_err());
        let (mut too_little, mut enough) = (0, needed);
        while enough - too_little > needed / 20 {
            let limit = too_little.midpoint(enough);
            match with_limit(limit) {
                (Ok(()), _) => enough = limit,
                (Err(error), peak) => {
                    too_little = limit;
                    let (bytes, states) = refused(&error).unwrap_or_else(|| panic!("{error}"));
                    assert!(bytes > 0 && states > 0, "{error}");
                    assert!(peak <= 2 * limit + SLACK, "{name} of {of:?}, {limit} bytes: {peak}");
                }
            }
        }
        // A state that moves to a larger allocation is in memory twice for a moment.
        assert!(needed <= 3 * enough + SLACK, "{name} of {of:?}: {needed} bytes, limit {enough}");
        Ok(())
    }
}

#[test]
fn a_limit_rejects_exactly_the_statistics_that_need_more() {
    let _alone = alone();
    for shape in [[2, 600], [600, 3]] {
        let mut limits = SmallestLimits { shape };
        all_statistics(&mut limits).unwrap();
        every_sketch(&mut limits).unwrap();
    }
}

/// Compares the memory of each statistic with its bound.
struct Bounds<'s, 'a> {
    what: String,
    n_computed: &'s AtomicUsize,
    compute: &'s Sequence<'a>,
}

/// A declared sequence of either type, with the number of blocks in flight.
enum Sequence<'a> {
    Flat(LazyChunkSequence<'a, ArrayBlock, Indexed>),
    Nested(NestedLazyChunkSequence<'a, ArrayBlock, Indexed>),
}

impl Sequence<'_> {
    fn bound<R: Reducer>(&self, reducer: &R) -> Option<u64> {
        match self {
            Sequence::Flat(sequence) => sequence.memory_bound(reducer),
            Sequence::Nested(sequence) => sequence.memory_bound(reducer),
        }
    }

    fn compute<R: Reducer>(&self, reducer: R, limit: Option<u64>) -> lazy_chunks::Result<()> {
        match (self, limit) {
            (Sequence::Flat(sequence), None) => sequence.compute(reducer),
            (Sequence::Nested(sequence), None) => sequence.compute(reducer),
            (Sequence::Flat(sequence), Some(limit)) => {
                sequence.clone().with_memory_limit(limit).compute(reducer)
            }
            (Sequence::Nested(sequence), Some(limit)) => {
                sequence.clone().with_memory_limit(limit).compute(reducer)
            }
        }
        .map(drop)
    }
}

impl Visitor for Bounds<'_, '_> {
    type Error = Error;

    fn visit<S>(&mut self, statistic: S, _: bool) -> Result<(), Error>
    where
        S: SaveState,
        S::Output: Debug,
    {
        /// The memory of a pass that does not depend on its shapes, with four blocks in flight.
        const SLACK: u64 = 4 * (64 << 10);
        let (name, sequence) = (format!("{}, {}", statistic.name(), self.what), self.compute);
        let Some(bound) = sequence.bound(&statistic) else {
            assert!(name.contains("not zero"), "the bound of {name} is unknown");
            return Ok(());
        };
        let (result, needed) = peak(|| sequence.compute(&statistic, None));
        result?;
        assert!(needed as u64 <= bound + SLACK, "{name}: {needed} bytes, bound {bound}");
        // The bound is not much too high.
        assert!(bound <= 8 * needed as u64 + SLACK, "{name}: {needed} bytes, bound {bound}");
        let (result, needed) = peak(|| sequence.compute(StateOf::new(&statistic), Some(bound)));
        result.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(needed as u64 <= bound + SLACK, "{name}: {needed} bytes, bound {bound}");
        let n_computed = self.n_computed.swap(0, Ordering::Relaxed);
        let error = sequence.compute(&statistic, Some(bound - 1)).unwrap_err();
        assert_eq!(self.n_computed.load(Ordering::Relaxed), 0, "{name}: {error}");
        assert!(n_computed > 0 && refused(&error).is_some() && error.block().is_none(), "{error}");
        Ok(())
    }
}

#[test]
fn the_bound_of_a_pass_is_kept_and_decides_before_the_first_block() {
    let _alone = alone();
    let n_computed = AtomicUsize::new(0);
    let block = |[n_rows, n_columns]: [usize; 2], dtype: DType| {
        n_computed.fetch_add(1, Ordering::Relaxed);
        let elements = (0..n_rows * n_columns).map(|i| ((i as f64 * 0.7).sin() * 100.0) as f32);
        let block = ArrayBlock::from_vec([n_rows, n_columns], elements.collect()).unwrap();
        block.cast(dtype, Casting::Unsafe).unwrap()
    };
    for (shape, n_blocks) in [([2, 900], 5), ([300, 3], 5), ([7, 300], 5), ([6000, 1], 4)] {
        for (dtype, n_threads) in [(DType::Float64, 1), (DType::Float32, 3), (DType::UInt8, 1)] {
            // All blocks share one memory, so that only states need more.
            let shared = block(shape, dtype);
            let half = block([shape[0], shape[1].div_ceil(2)], dtype);
            let flat = LazyChunkSequence::from_fn(vec![shape[0]; n_blocks], |_| {
                n_computed.fetch_add(1, Ordering::Relaxed);
                shared.clone()
            })
            .with_row_type(dtype, [shape[1]]);
            let width = half.shape()[1];
            let nested = NestedLazyChunkSequence::from_fn(
                vec![shape[0]; n_blocks],
                [width, width],
                |_, _| {
                    n_computed.fetch_add(1, Ordering::Relaxed);
                    half.clone()
                },
            )
            .with_row_type(dtype, [2 * width]);
            let in_flight = |n_threads: usize| n_threads.min(2) * 2;
            for sequence in [
                Sequence::Flat(
                    flat.with_threads(n_threads).with_max_in_flight(in_flight(n_threads)),
                ),
                Sequence::Nested(
                    nested.with_threads(n_threads).with_max_in_flight(in_flight(n_threads)),
                ),
            ] {
                let kind = if matches!(sequence, Sequence::Flat(_)) { "flat" } else { "nested" };
                let what = format!("{kind}, {shape:?}, {dtype}, {n_threads} threads");
                let mut bounds = Bounds { what, n_computed: &n_computed, compute: &sequence };
                every_statistic(&mut bounds, 2.min(shape[1])).unwrap();
                every_sketch(&mut bounds).unwrap();
                if kind == "flat" && shape[1] <= 1000 {
                    every_statistic_of_rows(&mut bounds).unwrap();
                }
            }
        }
    }
}

#[test]
fn bounds_without_a_grid_need_no_number_of_rows() {
    let stream = LazyChunkSequence::new(|| {
        [ArrayBlock::from_vec([3, 1000], (0..3000_i64).collect()).unwrap()]
    });
    assert_eq!(stream.memory_bound(&Sum.per_column()), None, "the columns are unknown");
    let stream = stream.with_row_type(DType::Int64, [1000]);
    let of_columns = (MeanVariance.per_column(), TopK::new(3).per_column(), Sum);
    let bound = stream.memory_bound(&of_columns).unwrap();
    assert!(bound > 2 * (24 + 3 * 32) * 1000 && bound < 1 << 20, "{bound}");
    assert!(stream.clone().with_memory_limit(bound).compute(of_columns).is_ok());
    assert!(stream.clone().with_memory_limit(bound - 1).compute(of_columns).is_err());
    assert_eq!(stream.memory_bound(&Sum.per_row()), None);
    assert_eq!(stream.memory_bound(&Quantiles::new([0.5]).per_column()), None);
    assert_eq!(stream.memory_bound(&(Sum, Concatenate)), None);
}

/// The states per column do not grow with the number of rows, except for a sketch, whose bound
/// grows with the logarithm.
#[test]
fn results_per_column_take_memory_in_proportion_to_columns_alone() {
    let _alone = alone();
    struct OfColumns;

    impl Visitor for OfColumns {
        type Error = Error;

        fn visit<S>(&mut self, statistic: S, _: bool) -> Result<(), Error>
        where
            S: SaveState,
            S::Output: Debug,
        {
            const N_COLUMNS: usize = 200;
            let name = statistic.name();
            if !name.contains("of each column") {
                return Ok(());
            }
            let block = ArrayBlock::from_vec([10, N_COLUMNS], vec![1.5_f32; 10 * N_COLUMNS])?;
            let sequence = |n_blocks: usize| {
                let block = block.clone();
                LazyChunkSequence::from_fn(vec![10; n_blocks], move |_| block.clone())
                    .with_row_type(DType::Float32, [N_COLUMNS])
            };
            let needed = |n_blocks| {
                let sequence = sequence(n_blocks);
                let (result, needed) = peak(|| sequence.compute(&statistic).map(drop));
                result.map(|()| needed)
            };
            let bound = |n_blocks| sequence(n_blocks).memory_bound(&statistic).unwrap();
            let (few, many) = (needed(20)?, needed(2000)?);
            // The list of block sizes takes 8 bytes for each block.
            let grid = 16 * 2000;
            if name.contains("quantiles") {
                // From 200 rows to a million times as many.
                let per_column = (bound(100_000_000) - bound(100_000)) / N_COLUMNS as u64;
                assert!(per_column < 4 * 10 * 30_000, "{name}: {per_column}");
                assert!(many as u64 <= bound(2000) + (64 << 10), "{name}: {few}, {many}");
            } else {
                assert_eq!(bound(20), bound(100_000), "{name}");
                assert!(many <= few + grid, "{name}: {few}, {many}");
            }
            Ok(())
        }
    }

    every_statistic(&mut OfColumns, 2).unwrap();
}

#[test]
fn a_limit_covers_statistics_and_sinks_together() {
    let _alone = alone();
    let n_computed = AtomicUsize::new(0);
    let sequence = LazyChunkSequence::from_fn([4; 20], |_| {
        n_computed.fetch_add(1, Ordering::Relaxed);
        ArrayBlock::from_vec([4, 1000], vec![0.5_f32; 4000]).unwrap()
    })
    .with_row_type(DType::Float32, [1000]);
    let statistic = || (MeanVariance.per_column(), Quantiles::new([0.5]).per_row());
    let store = || Target::from(Arc::new(MemoryStore::new()));
    let sink = |target: &Target, n_threads| {
        ZarrSink::new(target.clone()).with_chunk_shape([8, 500]).with_writer_threads(n_threads)
    };
    let target = store();
    let of_statistic = sequence.memory_bound(&statistic()).unwrap();
    let of_sink = |n_threads| sequence.memory_bound(&sink(&target, n_threads)).unwrap();
    assert_eq!(
        sequence.memory_bound(&(sink(&target, 2), statistic())),
        Some(of_sink(2) + of_statistic)
    );
    // A sink uses as many threads as the limit allows, and needs one.
    let enough = of_statistic + of_sink(1);
    for limit in [enough, enough + 1, of_statistic + of_sink(2), of_statistic + of_sink(8)] {
        let limited = sequence.clone().with_memory_limit(limit);
        limited.compute((sink(&store(), 8), statistic())).unwrap();
        limited.compute((statistic(), sink(&store(), 8))).unwrap();
        let (result, needed) = peak(|| limited.compute((statistic(), sink(&store(), 8))));
        result.unwrap();
        // The store keeps the chunks, and the names of the array are a few.
        assert!(needed as u64 <= limit + (512 << 10), "{needed} bytes, limit {limit}");
    }
    n_computed.store(0, Ordering::Relaxed);
    let limited = sequence.clone().with_memory_limit(enough - 1);
    let error = limited.compute((sink(&target, 8), statistic())).unwrap_err();
    assert!(refused(&error).is_some(), "{error}");
    let error = limited.compute((statistic(), sink(&target, 8))).unwrap_err();
    let needed = of_sink(1);
    let message = format!(
        "needs {needed} bytes of memory, but the memory limit of the pass leaves it {} bytes",
        needed - 1
    );
    assert!(report(&error).ends_with(&message), "{error}");
    // Two sinks share what is left.
    let error = limited.compute((sink(&target, 1), sink(&store(), 1), statistic())).unwrap_err();
    assert!(refused(&error).is_some() || report(&error).contains("leaves it"), "{error}");
    let both = sequence.clone().with_memory_limit(enough + of_sink(1));
    both.compute((sink(&store(), 4), sink(&store(), 4), statistic())).unwrap();
    assert!(StoredArray::open(target.clone()).is_err(), "nothing was stored");

    // A limit of its own counts as well.
    let own = |bytes| sink(&target, 8).with_memory_limit(bytes);
    assert_eq!(sequence.memory_bound(&own(of_sink(3))), Some(of_sink(3)));
    assert!(limited.compute((own(of_sink(1)), statistic())).is_err());
    let limited = sequence.clone().with_memory_limit(enough);
    assert!(limited.compute((own(of_sink(1) - 1), statistic())).is_err());
    n_computed.store(0, Ordering::Relaxed);
    limited.compute((own(of_sink(1)), statistic())).unwrap();
    assert_eq!(n_computed.load(Ordering::Relaxed), 20);

    // A sink without a declaration makes its claim with the first block.
    let stream =
        LazyChunkSequence::new(|| [ArrayBlock::from_vec([4, 1000], vec![0.5_f32; 4000]).unwrap()]);
    let error = stream.clone().with_memory_limit(1000).compute(sink(&store(), 1)).unwrap_err();
    assert!(
        report(&error).ends_with("the memory limit of the pass leaves it 1000 bytes"),
        "{error}"
    );
    stream.with_memory_limit(of_sink(1)).compute(sink(&store(), 4)).unwrap();
}

#[test]
fn a_declared_row_type_fails_before_the_first_block() {
    let _alone = alone();
    let n_computed = AtomicUsize::new(0);
    let sequence = LazyChunkSequence::from_fn([1; 4], |_| {
        n_computed.fetch_add(1, Ordering::Relaxed);
        ArrayBlock::from_vec([1, 1000], vec![0_f64; 1000]).unwrap()
    })
    .with_row_type(DType::Float64, [1000]);
    let edges: Vec<f64> = (0..=20_000).map(f64::from).collect();
    let histogram = Histogram::new(edges).per_column();
    let bytes = 1000 * histogram.state_size(0, Some(&[1])).bytes;
    // One accumulated state, and one for each block in flight.
    for (n_threads, window, n_states) in [(1, 1, 2), (2, 1, 2), (2, 3, 4), (8, 100, 5)] {
        let sequence = sequence.clone().with_threads(n_threads).with_max_in_flight(window);
        let limit = u64::try_from(n_states * bytes).unwrap();
        let error = sequence.clone().with_memory_limit(limit - 1).compute(&histogram).unwrap_err();
        assert_eq!(n_computed.load(Ordering::Relaxed), 0);
        assert_eq!(refused(&error), Some((n_states * bytes, n_states * 1000)));
        let said = report(&error);
        assert!(said.contains(" states of the histogram between the edges [0.0, 1.0, "), "{said}");
        assert!(said.contains(" … ") && said.len() < 300, "{said}");
        assert!(
            said.contains("of each column take ") && said.contains("but the limit is "),
            "{said}"
        );
    }
    let limit = u64::try_from(2 * bytes).unwrap();
    assert_eq!(
        sequence.with_memory_limit(limit).compute(&histogram).unwrap().shape(),
        [1000, 20_000]
    );
}

#[test]
fn all_statistics_of_a_pass_share_the_limit() {
    let _alone = alone();
    let sequence = blocks([2, 1000], true);
    // Twice 24,000 bytes for the first, and twice 8,000 for the second.
    let together = (MeanVariance.per_column(), Count.per_column());
    let limited = |limit| sequence.clone().with_memory_limit(limit);
    assert!(limited(64_000).compute(together).is_ok());
    let error = limited(63_999).compute(together).unwrap_err();
    let shortage = error.memory().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(shortage.statistic, "the count of each column");
    assert_eq!((shortage.bytes, shortage.taken), (16_000, 48_000));
    assert_eq!(shortage.limit, Some(63_999));
    assert!(error.to_string().ends_with("but the limit is 62.5 KiB, of which 46.9 KiB are in use"));
    assert!(
        limited(48_000).compute(together.0).is_ok() && limited(16_000).compute(together.1).is_ok()
    );
    // Each pass has the full limit.
    let limited = limited(64_000);
    for _ in 0..3 {
        limited.compute(together).unwrap();
    }
}

#[test]
fn some_reducers_of_a_pass_can_have_their_own_limit() {
    let _alone = alone();
    for declared in [true, false] {
        let sequence = blocks([2, 1000], declared);
        let mean = || MeanVariance.per_column();
        assert!(sequence.compute((mean(), MemoryLimit::new(16_000, Count.per_column()))).is_ok());
        assert!(sequence.compute((mean(), MemoryLimit::new(15_000, Count.per_column()))).is_err());
        let both = MemoryLimit::new(63_000, (mean(), Count.per_column()));
        assert!(sequence.compute(both).is_err());
    }
}

#[test]
fn sketches_of_unknown_shape_fail_at_the_limit_while_they_grow() {
    let _alone = alone();
    const N_COLUMNS: usize = 2000;
    const LIMIT: usize = 8 << 20;
    let elements = |n: usize| (0..n).map(|i| (i as f64 * 0.7).sin()).collect();
    // Exact medians of 2,000 columns or rows take 16 kB for each row or column.
    let wide = ArrayBlock::from_vec([20, N_COLUMNS], elements(20 * N_COLUMNS)).unwrap();
    let tall = ArrayBlock::from_vec([200, N_COLUMNS], elements(200 * N_COLUMNS)).unwrap();
    let columns = LazyChunkSequence::from_fn([20; 100], move |_| wide.clone());
    let rows = LazyChunkSequence::from_fn([200; 100], move |_| tall.clone());
    let quantiles = Quantiles::new([0.5]);
    for n_threads in [1, 3] {
        let check = |outcome: lazy_chunks::Result<()>, peak: usize| {
            let error = outcome.unwrap_err();
            assert!(refused(&error).is_some() && error.block().is_some(), "{error}");
            assert!(peak < 3 * LIMIT, "{peak} bytes on {n_threads} threads: {error}");
        };
        let limited = |sequence: &LazyChunkSequence<'static, ArrayBlock, Indexed>| {
            sequence.clone().with_threads(n_threads).with_memory_limit(LIMIT as u64)
        };
        let (outcome, bytes) =
            peak(|| limited(&columns).compute(quantiles.clone().per_column()).map(drop));
        check(outcome, bytes);
        let (outcome, bytes) =
            peak(|| limited(&rows).compute(quantiles.clone().per_row()).map(drop));
        check(outcome, bytes);
        // Statistics within the limit are computed.
        assert!(
            limited(&columns).compute((Min, Sum.per_column(), TopK::new(2).per_column())).is_ok()
        );
        let coarse = quantiles.clone().with_exact_len(0).with_rank_error(0.2).per_column();
        assert!(limited(&columns).compute(coarse).is_ok());
    }
}

#[test]
fn a_stream_fails_at_the_limit_when_its_rows_arrive() {
    let _alone = alone();
    let stream = LazyChunkSequence::new(|| {
        (0..).map(|_| ArrayBlock::from_vec([1000, 1], vec![1_u8; 1000]).unwrap())
    })
    .with_memory_limit(1 << 20);
    let (outcome, peak) = peak(|| stream.compute(Count.per_row()).map(drop));
    let error = outcome.unwrap_err();
    // The limit holds 131,072 counts of 8 bytes: 131 blocks.
    assert!(
        report(&error).starts_with("block 131 could not be reduced: ")
            && report(&error).contains(" states of the count of each row take "),
        "{error}"
    );
    assert!(peak < 4 << 20, "{peak}");
}

#[test]
fn the_default_limit_is_the_memory_of_the_system() {
    let _alone = alone();
    let Some(system) = system_memory() else { return };
    // A matrix of this many bytes for the accumulated state, and one for the block's.
    let n_columns = ((system / 8) as f64).sqrt() as usize;
    let sequence = LazyChunkSequence::new(Vec::<ArrayBlock>::new)
        .with_row_type(DType::Float32, [n_columns])
        .with_len(1);
    let error = sequence.compute(Covariance).unwrap_err();
    let shortage = error.memory().unwrap_or_else(|| panic!("{error}"));
    assert_eq!((shortage.states, shortage.limit), (2, Some(system)));
}

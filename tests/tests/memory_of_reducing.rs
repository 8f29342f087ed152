//! The memory of reductions: it does not depend on the length of the array, except for results with
//! an entry per row.

use std::collections::BTreeMap;
use std::fmt::Debug;

use lazy_chunks::{ArrayBlock, BlockPool, DType, LazyChunkSequence, SaveState};
use lazy_tests::{Visitor, every_sketch, every_statistic, every_statistic_of_rows};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const N_ROWS: usize = 16;
const N_COLUMNS: usize = 64;

/// Measures all statistics over an array with this many blocks, on this many threads.
struct Measure {
    n_blocks: usize,
    n_threads: usize,
    bytes: BTreeMap<String, Measured>,
}

/// The memory of one statistic, in bytes.
struct Measured {
    /// The peak above the memory before.
    peak: usize,
    /// The memory of the result.
    result: usize,
    /// The bound before the pass, if it is known.
    bound: Option<usize>,
}

impl Visitor for Measure {
    type Error = lazy_chunks::Error;

    fn visit<S>(&mut self, statistic: S, _: bool) -> Result<(), lazy_chunks::Error>
    where
        S: SaveState,
        S::Output: Debug,
    {
        let pool = BlockPool::<f64>::new();
        // Blocks whose memory is reused, all with the same elements.
        let sequence = LazyChunkSequence::try_from_fn(vec![N_ROWS; self.n_blocks], |_| {
            let mut block = pool.buffer([N_ROWS, N_COLUMNS])?;
            for (i, element) in block.iter_mut().enumerate() {
                *element = (i as f64 * 0.7).sin();
            }
            Ok::<ArrayBlock, lazy_chunks::Error>(block.into_block())
        })
        .with_row_type(DType::Float64, [N_COLUMNS])
        .with_threads(self.n_threads)
        .with_max_in_flight(2 * self.n_threads);
        let name = statistic.name();
        let bound = sequence.memory_bound(&statistic).map(|bytes| bytes as usize);
        ALLOCATOR.reset_peak_usage();
        let before = ALLOCATOR.current_usage();
        let result = sequence.compute(statistic)?;
        let peak = ALLOCATOR.peak_usage() - before;
        let with_result = ALLOCATOR.current_usage();
        drop(result);
        let result = with_result - ALLOCATOR.current_usage();
        self.bytes.insert(name, Measured { peak, result, bound });
        Ok(())
    }
}

fn measure(n_blocks: usize, n_threads: usize) -> BTreeMap<String, Measured> {
    let mut measure = Measure { n_blocks, n_threads, bytes: BTreeMap::new() };
    every_statistic(&mut measure, 2).unwrap();
    every_statistic_of_rows(&mut measure).unwrap();
    every_sketch(&mut measure).unwrap();
    measure.bytes
}

#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn memory_does_not_grow_with_the_length() {
    /// The variation between runs and by the number of digits: a block, and more for each thread.
    const SLACK: usize = 16 << 10;
    let alone = measure(64, 1);
    for n_threads in [1, 3] {
        let block = N_ROWS * N_COLUMNS * size_of::<f64>();
        // The block sizes of the grid grow too: 8 bytes for each block.
        let grid = |n_blocks: usize| 8 * n_blocks;
        let lengths = [64, 256, 1024];
        let [once, four_times, sixteen_times] =
            lengths.map(|n_blocks| measure(n_blocks, n_threads));
        for (name, Measured { peak, result, .. }) in &once {
            let longer = [(256, &four_times[name]), (1024, &sixteen_times[name])];
            // With several threads, as many blocks are in flight as the window allows, or states of
            // blocks, which may be much larger than results. The number at any moment is random.
            let slack = SLACK + (n_threads - 1) * (4 * block + 2 * result);
            let peak = match n_threads {
                1 => *peak,
                _ => *peak.max(&(alone[name].peak * (1 + 2 * n_threads))),
            };
            for (n_blocks, longer) in longer {
                let Measured { peak: longer_peak, result: longer_result, bound } = longer;
                if name.contains("quantiles") {
                    // The memory grows with the number of elements, within the bound. Blocks in
                    // flight are not part of it.
                    let bound = bound.expect("the sizes are declared");
                    let most =
                        bound + grid(n_blocks) + SLACK + (2 * n_threads + 1) * (block + SLACK);
                    assert!(*longer_peak <= most, "{name}: {longer_peak} bytes, bound {bound}");
                    continue;
                }
                // A state is larger than its result, and twice as large again while its list grows.
                let of_result = 24 * longer_result.saturating_sub(*result);
                let of_rows = if name.contains("of each row") { of_result } else { 0 };
                // This statistic keeps the rows of its blocks.
                let of_blocks = if name.contains("not zero") { 64 * n_blocks } else { 0 };
                assert!(
                    *longer_peak <= peak + of_rows + of_blocks + grid(n_blocks) + slack,
                    "{name}, {n_blocks} blocks on {n_threads} threads: {longer_peak} bytes, but \
                     {peak} for 64 blocks; results of {longer_result} and {result} bytes"
                );
            }
        }
    }
}

//! A write's memory stays below its documented bound, and does not grow with the array.

use std::ops::ControlFlow;

use lazy_chunks::zarr::{
    self, BloscCompressor, Checksum, Codec, Shuffle, StoredArray, Target, ToZarr, ZarrSink,
};
use lazy_chunks::{
    ArrayBlock, BlockSizes, Cut, DType, LazyChunkSequence, NestedLazyChunkSequence, Observer,
    Progress,
};
use lazy_tests::{HookedFileSystem, spec};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The cut of an array of float32, and a sink for it.
struct Write {
    name: &'static str,
    /// The shape of the first block. No other block is larger.
    block: [usize; 2],
    /// True if some blocks are smaller.
    is_ragged: bool,
    width: usize,
    sink: fn(ZarrSink) -> ZarrSink,
}

const WRITES: [Write; 19] = [
    Write {
        name: "blocks as chunks",
        block: [64, 512],
        is_ragged: false,
        width: 512,
        sink: |sink| sink.with_chunk_shape([64, 512]),
    },
    Write {
        name: "blocks across chunks",
        block: [50, 512],
        is_ragged: false,
        width: 512,
        sink: |sink| sink.with_chunk_shape([64, 200]),
    },
    Write {
        name: "large blocks",
        block: [512, 512],
        is_ragged: false,
        width: 512,
        sink: |sink| sink.with_chunk_shape([16, 512]),
    },
    Write {
        name: "tiny blocks",
        block: [4, 8],
        is_ragged: false,
        width: 512,
        sink: |sink| sink.with_chunk_shape([64, 512]),
    },
    Write {
        name: "nested, misaligned",
        block: [50, 30],
        is_ragged: false,
        width: 600,
        sink: |sink| sink.with_chunk_shape([64, 128]),
    },
    Write {
        name: "nested, high bands",
        block: [300, 30],
        is_ragged: false,
        width: 600,
        sink: |sink| sink.with_chunk_shape([64, 128]),
    },
    Write {
        name: "one wide chunk",
        block: [50, 30],
        is_ragged: false,
        width: 600,
        sink: |sink| sink.with_chunk_shape([64, 1000]),
    },
    Write {
        name: "single elements",
        block: [1, 1],
        is_ragged: false,
        width: 10,
        sink: |sink| sink.with_chunk_bytes(100_000),
    },
    Write {
        name: "no rows, mostly",
        block: [0, 10],
        is_ragged: false,
        width: 10,
        sink: |sink| sink.with_chunk_bytes(100_000),
    },
    Write {
        name: "automatic",
        block: [10, 10],
        is_ragged: false,
        width: 1000,
        sink: |sink| sink.with_chunk_bytes(100_000),
    },
    Write {
        name: "sharded",
        block: [50, 512],
        is_ragged: false,
        width: 512,
        sink: |sink| sink.with_chunk_shape([16, 64]).with_shard_shape([64, 256]),
    },
    Write {
        name: "sharded, one chunk each",
        block: [50, 30],
        is_ragged: false,
        width: 600,
        sink: |sink| sink.with_chunk_shape([64, 128]).with_shard_bytes(1),
    },
    Write {
        name: "sharded, automatic",
        block: [10, 10],
        is_ragged: false,
        width: 1000,
        sink: |sink| sink.with_chunk_bytes(10_000).with_shard_bytes(200_000),
    },
    Write {
        name: "automatic, large",
        block: [300, 500],
        is_ragged: false,
        width: 500,
        sink: |sink| sink.with_chunk_bytes(100_000),
    },
    Write {
        name: "ragged, across chunks",
        block: [90, 512],
        is_ragged: true,
        width: 512,
        sink: |sink| sink.with_chunk_shape([64, 512]),
    },
    Write {
        name: "ragged, across narrow chunks",
        block: [100, 512],
        is_ragged: true,
        width: 512,
        sink: |sink| sink.with_chunk_shape([64, 200]),
    },
    Write {
        name: "nested, ragged",
        block: [60, 140],
        is_ragged: true,
        width: 600,
        sink: |sink| sink.with_chunk_shape([64, 128]),
    },
    Write {
        name: "cast to a larger dtype",
        block: [50, 512],
        is_ragged: false,
        width: 512,
        sink: |sink| sink.with_chunk_shape([64, 200]).with_dtype(DType::Complex128),
    },
    Write {
        name: "large blocks, cast to a smaller dtype",
        block: [300, 500],
        is_ragged: false,
        width: 500,
        sink: |sink| sink.with_chunk_bytes(50_000).with_dtype(DType::Float16),
    },
];

const CODECS: [(Codec, Checksum); 5] = [
    (Codec::None, Checksum::None),
    (Codec::None, Checksum::Crc32c),
    (Codec::Zstd { level: 1 }, Checksum::None),
    (Codec::Gzip { level: 1 }, Checksum::None),
    (
        Codec::Blosc { compressor: BloscCompressor::Lz4, level: 1, shuffle: Shuffle::Byte },
        Checksum::Crc32c,
    ),
];

/// Returns a block that no codec can compress.
fn noise(shape: [usize; 2], seed: u32) -> ArrayBlock {
    let mut state = seed;
    let element = |_| {
        // The generator of Numerical Recipes. Its upper bits are random enough.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from_bits(state ^ (state >> 16))
    };
    let elements = (0..shape[0] * shape[1]).map(element).collect();
    ArrayBlock::from_vec(shape, elements).unwrap()
}

impl Write {
    fn cut(&self) -> Cut {
        if self.block[1] == self.width { Cut::Rows } else { Cut::RowsAndColumns }
    }

    /// Returns the block sizes along both axes for an array with this many rows.
    fn sizes(&self, n_rows: usize) -> (BlockSizes, BlockSizes) {
        let rows = match self.block[0] {
            0 => BlockSizes::from(vec![0; n_rows]),
            size => self.cut_up(n_rows, size),
        };
        // A nested band begins with a block that has no columns.
        let mut columns = vec![0; usize::from(self.cut() == Cut::RowsAndColumns)];
        let sizes = match self.cut() {
            Cut::Rows => BlockSizes::uniform(self.width, self.width),
            Cut::RowsAndColumns => self.cut_up(self.width, self.block[1]),
        };
        columns.extend((0..sizes.n_blocks()).map(|j| sizes.size(j)));
        (rows, BlockSizes::from(columns))
    }

    /// Cuts an axis into blocks of this size or, if the write is ragged, of this size and smaller
    /// ones.
    fn cut_up(&self, total: usize, size: usize) -> BlockSizes {
        if !self.is_ragged {
            return BlockSizes::uniform(total, size);
        }
        let mut left = total;
        let sizes = [size, size - 1, 1, size, 2, size / 2, size].into_iter().cycle();
        let sizes = sizes.map_while(|size| {
            let size = size.min(left);
            left -= size;
            (size > 0).then_some(size)
        });
        BlockSizes::from(sizes.collect::<Vec<_>>())
    }

    /// Stores an array with this many rows from an indexed sequence. With a window, three threads
    /// compute blocks.
    fn store_indexed(
        &self,
        n_rows: usize,
        window: Option<usize>,
        observer: impl Observer,
        sink: ZarrSink,
    ) -> zarr::Result<StoredArray> {
        let (rows, columns) = self.sizes(n_rows);
        let (n_threads, window) = window.map_or((1, 1), |window| (3, window));
        let block = &|i, j| block(&rows, &columns, i, j);
        match self.cut() {
            Cut::Rows => LazyChunkSequence::from_fn(rows.clone(), |i| block(i, 0))
                .with_threads(n_threads)
                .with_max_in_flight(window)
                .with_observer(observer)
                .to_zarr(sink),
            Cut::RowsAndColumns => {
                NestedLazyChunkSequence::from_fn(rows.clone(), columns.clone(), block)
                    .with_threads(n_threads)
                    .with_max_in_flight(window)
                    .with_observer(observer)
                    .to_zarr(sink)
            }
        }
    }

    /// Returns the memory peak of storing an array with this many rows, above the memory before.
    fn peak(&self, n_rows: usize, sink: ZarrSink) -> usize {
        peak_of(|| match self.cut() {
            Cut::Rows => self.store_indexed(n_rows, None, unobserved, sink),
            // Streamed, so that the width is unknown during the first band.
            Cut::RowsAndColumns => {
                let (rows, columns) = &self.sizes(n_rows);
                NestedLazyChunkSequence::new(|| {
                    (0..rows.n_blocks()).map(move |i| {
                        (0..columns.n_blocks()).map(move |j| block(rows, columns, i, j))
                    })
                })
                .to_zarr(sink)
            }
        })
    }

    /// Returns the same peak for blocks from several threads, at most `window` of them in flight.
    fn peak_on_threads(&self, n_rows: usize, window: usize, sink: ZarrSink) -> usize {
        peak_of(|| self.store_indexed(n_rows, Some(window), unobserved, sink))
    }

    /// Returns the same peak for a write that resumes after 90 % of the blocks, from an indexed
    /// sequence.
    fn peak_of_going_on(&self, n_rows: usize, sink: &ZarrSink) -> usize {
        let (rows, columns) = self.sizes(n_rows);
        let n_blocks = rows.n_blocks() * columns.n_blocks();
        let stop = move |progress: &Progress| {
            if progress.blocks > n_blocks * 9 / 10 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        self.store_indexed(n_rows, None, stop, sink.clone()).unwrap_err();
        peak_of(|| self.store_indexed(n_rows, None, unobserved, sink.clone()))
    }
}

fn unobserved(_: &Progress) {}

fn block(rows: &BlockSizes, columns: &BlockSizes, i: usize, j: usize) -> ArrayBlock {
    noise([rows.size(i), columns.size(j)], (i * columns.n_blocks() + j) as u32)
}

/// Returns the memory peak while an array is stored, above the memory before.
fn peak_of(store: impl FnOnce() -> zarr::Result<StoredArray>) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    store().unwrap();
    ALLOCATOR.peak_usage() - before
}

/// Returns the bound of the memory that the allocator sees: without a compressor of Zstandard, which
/// is written in C. The bound with Blosc is the same apart from that.
fn bound_of(write: &Write, sink: &ZarrSink, codec: Codec) -> usize {
    let bound = |sink: &ZarrSink| {
        let spec = spec(write.cut(), DType::Float32, [write.width]);
        sink.memory_bound(&spec, &write.block).unwrap()
    };
    if !matches!(codec, Codec::Zstd { .. }) {
        return bound(sink);
    }
    let without = bound(&sink.clone().with_codec(Codec::default()));
    assert!(without < bound(sink));
    without
}

// A single test, since the allocator counts for the whole process.
#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn memory_stays_below_its_bound() {
    let directory = tempfile::tempdir().unwrap();
    for write in &WRITES {
        for (codec, checksum) in CODECS {
            let sink_to = |target: Target| {
                let sink = ZarrSink::new(target).with_writer_threads(2);
                (write.sink)(sink.with_codec(codec).with_checksum(checksum))
            };
            let sink = |name: &str| sink_to(directory.path().join(name).into());
            let bound = bound_of(write, &sink("unused"), codec);
            let producers_own = 4 * write.block[0] * write.block[1];
            let mut highest = 0;
            // Long enough for every chunk that can be open at once, and much longer.
            for n_rows in [1000, 8000] {
                let name = format!("{} {codec:?} {checksum:?} {n_rows}", write.name);
                let peak = write.peak(n_rows, sink(&name));
                println!("{name}: {} KiB of {} KiB", peak >> 10, (bound + producers_own) >> 10);
                assert!(
                    peak <= bound + producers_own,
                    "{name}: {peak} bytes, but the bound is {bound}"
                );
                highest = highest.max(peak);
            }
            let name = format!("{} {codec:?} {checksum:?}, on threads", write.name);
            let window = 5;
            let peak = write.peak_on_threads(2000, window, sink(&name));
            // The grid, the threads, and their waiting results.
            let slack = 16 * (2000 / write.block[0].max(1) + write.width) + (32 << 10);
            assert!(
                peak <= bound + window * producers_own + slack,
                "{name}: {peak} bytes, but the bound is {bound}, and a block has {producers_own}"
            );
            // This file system does not implement `write_slices`, so the parts of a chunk are first
            // copied together.
            let name = format!("{} {codec:?} {checksum:?}, in one piece", write.name);
            let file_system = HookedFileSystem::new(|_, _| ());
            let target = Target::on(file_system, directory.path().join(&name));
            let peak = write.peak(1000, sink_to(target));
            assert!(peak <= bound + producers_own, "{name}: {peak} bytes of {bound}");
            assert!(
                bound <= 10 * highest || write.block[0] == 0,
                "{}: the bound of {bound} bytes is far from the peak of {highest}",
                write.name
            );
            if write.block[0] > 0 {
                let name = format!("{} {codec:?} {checksum:?}, resumed", write.name);
                let sink = sink(&name).with_resume("noise");
                let bound = bound_of(write, &sink, codec);
                let peak = write.peak_of_going_on(8000, &sink);
                println!("{name}: {} KiB of {} KiB", peak >> 10, (bound + producers_own) >> 10);
                assert!(
                    peak <= bound + producers_own,
                    "{name}: {peak} bytes, but the bound is {bound}"
                );
                assert!(bound <= 10 * peak, "{name}: the bound of {bound} is far from {peak}");
            }
        }
    }
}

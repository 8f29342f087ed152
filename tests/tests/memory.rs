//! A write's memory stays below its published bound, and does not grow with the array.

use lazy_chunks::zarr::{Codec, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, BlockSizes, Cut, DType, LazyChunkSequence, NestedLazyChunkSequence};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// How an array of float32 is cut, and a sink for it.
struct Write {
    name: &'static str,
    block: [usize; 2],
    width: usize,
    sink: fn(ZarrSink) -> ZarrSink,
}

const WRITES: [Write; 8] = [
    Write { name: "blocks as chunks", block: [64, 512], width: 512, sink: explicit::<64, 512> },
    Write { name: "blocks across chunks", block: [50, 512], width: 512, sink: explicit::<64, 200> },
    Write { name: "large blocks", block: [512, 512], width: 512, sink: explicit::<16, 512> },
    Write { name: "tiny blocks", block: [4, 8], width: 512, sink: explicit::<64, 512> },
    Write { name: "nested, misaligned", block: [50, 30], width: 600, sink: explicit::<64, 128> },
    Write { name: "nested, high bands", block: [300, 30], width: 600, sink: explicit::<64, 128> },
    Write { name: "automatic", block: [10, 10], width: 1000, sink: automatic::<100_000> },
    Write { name: "automatic, large", block: [300, 500], width: 500, sink: automatic::<100_000> },
];

fn explicit<const ROWS: usize, const COLUMNS: usize>(sink: ZarrSink) -> ZarrSink {
    sink.with_chunk_shape([ROWS, COLUMNS])
}

fn automatic<const BYTES: usize>(sink: ZarrSink) -> ZarrSink {
    sink.with_chunk_bytes(BYTES)
}

impl Write {
    fn cut(&self) -> Cut {
        if self.block[1] == self.width { Cut::Rows } else { Cut::RowsAndColumns }
    }

    /// The peak of memory above what there was before, for an array of so many rows.
    fn peak(&self, n_rows: usize, sink: ZarrSink) -> usize {
        let rows = BlockSizes::uniform(n_rows, self.block[0]);
        let columns = BlockSizes::uniform(self.width, self.block[1]);
        let block = |i: usize, j: usize| {
            let shape = [rows.size(i), columns.size(j)];
            ArrayBlock::from_vec(shape, vec![i as f32; shape[0] * shape[1]]).unwrap()
        };
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        match self.cut() {
            Cut::Rows => {
                LazyChunkSequence::from_fn(rows.clone(), |i| block(i, 0)).to_zarr(sink).unwrap()
            }
            Cut::RowsAndColumns => {
                NestedLazyChunkSequence::from_fn(rows.clone(), columns.clone(), block)
                    .to_zarr(sink)
                    .unwrap()
            }
        };
        ALLOCATOR.peak_usage() - before
    }
}

// One test, since the allocator counts for the whole process.
#[test]
fn memory_stays_below_its_bound() {
    let directory = tempfile::tempdir().unwrap();
    for write in &WRITES {
        for codec in [Codec::None, Codec::Zstd { level: 1 }] {
            let bound = (write.sink)(ZarrSink::new("unused").with_threads(2))
                .memory_bound(write.cut(), DType::Float32, &[write.width], &write.block)
                .unwrap();
            let producers_own = 4 * write.block[0] * write.block[1];
            for n_rows in [1000, 4000, 16_000] {
                let path = directory.path().join(format!("{} {codec:?} {n_rows}", write.name));
                let sink = (write.sink)(ZarrSink::new(path).with_threads(2)).with_codec(codec);
                let peak = write.peak(n_rows, sink);
                println!(
                    "{:22} {n_rows:6} rows: {:5} KiB of {:5} KiB",
                    write.name,
                    peak >> 10,
                    (bound + producers_own) >> 10
                );
                assert!(
                    peak <= bound + producers_own,
                    "{}, {n_rows} rows: {peak} bytes, but the bound is {bound}",
                    write.name
                );
            }
        }
    }
}

//! The memory of reading, in addition to the result: what each thread decodes, for any number of
//! chunks, and what is kept for later reads.

use lazy_chunks::zarr::{Checksum, Codec, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, LazyChunkSequence};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The memory of threads and lists, in addition to chunks.
const SLACK: usize = 256 << 10;

// A single test, since the allocator counts for the whole process.
#[test]
fn each_reader_thread_holds_one_chunk_and_the_cache_what_it_may() {
    let chunk_bytes = 4 * 128 * 256;
    let directory = tempfile::tempdir().unwrap();
    let sinks = [
        ("uncompressed", (|sink| sink.with_codec(Codec::None)) as fn(ZarrSink) -> ZarrSink),
        ("checksummed", |sink| sink.with_codec(Codec::None).with_checksum(Checksum::Crc32c)),
        ("compressed", |sink| sink),
        ("in shards", |sink| sink.with_shard_shape([512, 512])),
    ];
    for (name, sink) in sinks {
        for n_rows in [1024, 4096] {
            let block = |i: usize| {
                let elements = (0..128 * 1024).map(|j| ((i + 1) as f32 * j as f32).sin());
                ArrayBlock::from_vec([128, 1024], elements.collect()).unwrap()
            };
            let target = ZarrSink::new(directory.path().join(format!("{name} {n_rows}")));
            let stored = LazyChunkSequence::from_fn(vec![128; n_rows / 128], block)
                .to_zarr(sink(target.with_chunk_shape([128, 256])))
                .unwrap();
            for n_threads in [1, 4] {
                let stored = stored.clone().with_reader_threads(n_threads);
                let before = ALLOCATOR.current_usage();
                ALLOCATOR.reset_peak_usage();
                let read = stored.read().unwrap();
                let beside = ALLOCATOR.peak_usage() - before - read.data().len();
                // The encoded and the decoded chunk.
                let bound = n_threads * 2 * chunk_bytes + SLACK;
                println!("{name}, {n_rows} rows, {n_threads} threads: {} KiB", beside >> 10);
                assert!(beside <= bound, "{name}, {n_threads} threads: {beside} bytes of {bound}");
            }
            for capacity in [0, 3 * chunk_bytes, 20 * chunk_bytes] {
                let before = ALLOCATOR.current_usage();
                ALLOCATOR.reset_peak_usage();
                let stored = stored.clone().with_cache(capacity as u64);
                for row in (0..n_rows).step_by(100) {
                    stored.read_region(&[row..row + 1, 0..1024]).unwrap();
                }
                let kept = ALLOCATOR.current_usage().saturating_sub(before);
                let beside = ALLOCATOR.peak_usage().saturating_sub(before);
                println!("{name}, {n_rows} rows: {} KiB of {}", kept >> 10, capacity >> 10);
                // The lists grow by doubling.
                assert!(kept <= capacity + (64 << 10), "{name}: {kept} bytes of {capacity}");
                let bound = capacity + 2 * chunk_bytes + SLACK;
                assert!(beside <= bound, "{name}: {beside} bytes of {bound}");
                drop(stored);
                let left = ALLOCATOR.current_usage().saturating_sub(before);
                // The queue of a thread pool grows by 1.5 KiB after every 63 tasks.
                assert!(left < 4 << 10, "{name}: {left} bytes are not freed");
            }
        }
    }
}

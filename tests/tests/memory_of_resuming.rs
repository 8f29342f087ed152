//! The memory of resumed writes with several sinks and with small chunks, and of appends.

use std::sync::{Mutex, PoisonError};

use lazy_chunks::zarr::{Checksum, Codec, Durability, Existing, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, Cut, DType, LazyChunkSequence};
use lazy_tests::spec;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Serializes the tests, since the allocator counts for the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// In one pass with two sinks, the first has stored every second block. The second must release its
/// chunks, which contain the other blocks, although the pass does not ask it for them.
#[test]
fn a_sink_releases_chunks_whose_blocks_it_is_not_asked_for() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    const ROW: usize = 4 << 10;
    let directory = tempfile::tempdir().unwrap();
    let peak = |n_blocks: usize| {
        let sink = |name: String, height: usize| {
            ZarrSink::new(directory.path().join(name))
                .with_chunk_shape([height, ROW])
                .with_codec(Codec::None)
                .with_checksum(Checksum::None)
                .with_durability(Durability::None)
                .with_writer_threads(1)
                .with_resume("the job")
        };
        let (one, other) = (format!("one{n_blocks}"), format!("other{n_blocks}"));
        let sinks = || (sink(one.clone(), 1), sink(other.clone(), 2));
        let block = |i: usize| ArrayBlock::from_vec([1, ROW], vec![i as f32; ROW]).unwrap();
        let failing = LazyChunkSequence::try_from_fn(vec![1; n_blocks + 1], |i| {
            if i < n_blocks { Ok(block(i)) } else { Err("the accelerator is gone") }
        });
        failing.compute(sinks()).unwrap_err();
        // A power failure can do the same.
        for i in (0..n_blocks).step_by(2) {
            let key = format!("{one}/c/{i}/0");
            std::fs::remove_file(directory.path().join(key)).unwrap();
        }
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        LazyChunkSequence::from_fn(vec![1; n_blocks + 1], block).compute(sinks()).unwrap();
        let bound = |sink: ZarrSink| {
            sink.memory_bound(&spec(Cut::Rows, DType::Float32, [ROW]), &[1, ROW]).unwrap()
        };
        let (one, other) = sinks();
        let bound = bound(one) + bound(other) + 4 * ROW + 2 * 50 * n_blocks;
        (ALLOCATOR.peak_usage() - before, bound)
    };
    for n_blocks in [100, 400] {
        let (peak, bound) = peak(n_blocks);
        println!("{n_blocks} blocks: {} KiB of {} KiB", peak >> 10, bound >> 10);
        assert!(peak <= bound, "{peak} bytes, but the bound is {bound}");
    }
}

#[test]
fn small_chunks_of_large_blocks_stay_below_the_bound() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let (n_blocks, height, width) = (3, 128, 128);
    for resumes in [false, true] {
        let sink = || {
            let sink = ZarrSink::new(directory.path().join(format!("a{resumes}")))
                .with_chunk_shape([1, 8])
                .with_codec(Codec::None)
                .with_checksum(Checksum::None)
                .with_durability(Durability::None)
                .with_writer_threads(1);
            if resumes { sink.with_resume("the job") } else { sink }
        };
        let block = |i: usize| {
            ArrayBlock::from_vec([height, width], vec![i as f32; height * width]).unwrap()
        };
        let failing = LazyChunkSequence::try_from_fn(vec![height; n_blocks], |i| {
            if i + 1 < n_blocks { Ok(block(i)) } else { Err("the accelerator is gone") }
        });
        if resumes {
            failing.to_zarr(sink()).unwrap_err();
        }
        let before = ALLOCATOR.current_usage();
        ALLOCATOR.reset_peak_usage();
        LazyChunkSequence::from_fn(vec![height; n_blocks], block).to_zarr(sink()).unwrap();
        let peak = ALLOCATOR.peak_usage() - before;
        let n_chunks = n_blocks * height * width / 8;
        let bound = sink()
            .memory_bound(&spec(Cut::Rows, DType::Float32, [width]), &[height, width])
            .unwrap();
        let bound = bound + 4 * height * width + 50 * n_chunks;
        println!("resumes {resumes}: {} KiB of {} KiB", peak >> 10, bound >> 10);
        assert!(peak <= bound, "resumes {resumes}: {peak} bytes, but the bound is {bound}");
    }
}

/// A shard that gets rows keeps the chunks that they supersede, so it is larger than its elements.
#[test]
fn a_shard_is_extended_below_the_bound() {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    const WIDTH: usize = 4096;
    let block = |i: usize| ArrayBlock::from_vec([3, WIDTH], vec![i as f32; 3 * WIDTH]).unwrap();
    for chunk in [[2, 16], [16, WIDTH]] {
        let path = directory.path().join(format!("{}.zarr", chunk[1]));
        let sink = || {
            ZarrSink::new(&path)
                .with_existing(Existing::Append)
                .with_durability(Durability::None)
                .with_writer_threads(1)
        };
        let first = sink()
            .with_codec(Codec::None)
            .with_checksum(Checksum::None)
            .with_chunk_shape(chunk)
            .with_shard_shape([64, WIDTH]);
        LazyChunkSequence::from_fn([3], block).to_zarr(first).unwrap();
        for day in 1..20 {
            let spec = spec(Cut::Rows, DType::Float32, [WIDTH]);
            let bound = sink().memory_bound(&spec, &[3, WIDTH]).unwrap();
            let before = ALLOCATOR.current_usage();
            ALLOCATOR.reset_peak_usage();
            let rows = LazyChunkSequence::from_fn([3], |_| block(day));
            rows.to_zarr(sink()).unwrap();
            let peak = ALLOCATOR.peak_usage() - before;
            let most = bound + 3 * WIDTH * size_of::<f32>();
            println!("{chunk:?}, day {day}: {} KiB of {} KiB", peak >> 10, most >> 10);
            assert!(peak <= most, "{peak} bytes, but the bound is {most}");
        }
    }
}

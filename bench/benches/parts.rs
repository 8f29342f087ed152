//! Benchmarks of the inner parts, each on its own: copying a box, assembling, encoding, and writing
//! a file.
//!
//! `cargo bench --package lazy-bench` runs them. `cargo xtask bench` measures the parts together.

#![allow(missing_docs, reason = "the macro makes public items of the functions")]

use std::path::Path;

use divan::Bencher;
use divan::counter::BytesCount;
use lazy_chunks::zarr::{
    Codec, Durability, Existing, FileSystem, LocalFileSystem, Target, ToZarr, ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence};
use lazy_core::copy_region;
use lazy_tests::DiscardingFileSystem;

fn main() {
    divan::main();
}

const MEBIBYTE: usize = 1 << 20;

/// Copies a box with rows of this many bytes between arrays of twice its width.
#[divan::bench(args = [64, 1024, 16_384])]
fn copying_a_box(bencher: Bencher<'_, '_>, row_bytes: usize) {
    let n_rows = MEBIBYTE / row_bytes;
    let shape = [n_rows, 2 * row_bytes];
    let (source, mut target) = (vec![1_u8; 2 * MEBIBYTE], vec![0_u8; 2 * MEBIBYTE]);
    bencher.counter(BytesCount::new(MEBIBYTE)).bench_local(|| {
        let extent = [n_rows, row_bytes];
        copy_region(&source, &shape, &[0, 0], &mut target, &shape, &[0, row_bytes], &extent);
    });
}

/// Assembles 64 MiB in blocks of this many rows of 32 KiB to chunks of 256 rows, which are neither
/// encoded nor kept. A block of 256 rows is a chunk already.
#[divan::bench(args = [1, 100, 256, 300])]
fn assembling(bencher: Bencher<'_, '_>, block_rows: usize) {
    bench_store(bencher, block_rows, Codec::None);
}

/// Encodes 64 MiB in blocks of 8 MiB, which are chunks, on one thread. The chunks are not kept.
#[divan::bench(args = CODECS)]
fn encoding(bencher: Bencher<'_, '_>, codec: &str) {
    bench_store(bencher, 256, codec_of(codec));
}

const CODECS: [&str; 4] = ["none", "default", "zstd", "gzip"];

fn codec_of(name: &str) -> Codec {
    match name {
        "none" => Codec::None,
        "zstd" => Codec::Zstd { level: 0 },
        "gzip" => Codec::Gzip { level: 1 },
        _ => Codec::default(),
    }
}

fn bench_store(bencher: Bencher<'_, '_>, block_rows: usize, codec: Codec) {
    const N_ROWS: usize = 2048;
    const WIDTH: usize = 8192;
    let elements = noise(block_rows * WIDTH);
    let blocks: Vec<_> = (0..N_ROWS.div_ceil(block_rows))
        .map(|i| {
            let n_rows = block_rows.min(N_ROWS - i * block_rows);
            let elements = elements[..n_rows * WIDTH].to_vec();
            ArrayBlock::from_vec([n_rows, WIDTH], elements)
                .expect("the shape matches the number of elements")
        })
        .collect();
    let directory = tempfile::tempdir().expect("a directory");
    let sink = || {
        ZarrSink::new(Target::on(
            DiscardingFileSystem::default(),
            directory.path().join("array.zarr"),
        ))
        .with_existing(Existing::Replace)
        .with_durability(Durability::None)
        .with_chunk_shape([256, WIDTH])
        .with_codec(codec)
        .with_writer_threads(1)
    };
    let sequence = LazyChunkSequence::new(|| blocks.iter().cloned());
    let n_bytes = N_ROWS * WIDTH * size_of::<f32>();
    bencher
        .counter(BytesCount::new(n_bytes))
        .bench_local(|| sequence.to_zarr(sink()).expect("storing succeeds"));
}

/// Writes a new file of this many bytes, in memory if possible.
#[divan::bench(args = [4096, MEBIBYTE, 8 * MEBIBYTE])]
fn putting(bencher: Bencher<'_, '_>, n_bytes: usize) {
    let in_memory = Path::new("/dev/shm");
    let directory =
        if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() };
    let path = directory.as_ref().expect("a directory").path().join("file");
    let bytes = vec![1_u8; n_bytes];
    bencher.counter(BytesCount::new(n_bytes)).bench_local(|| {
        LocalFileSystem.write(&path, &bytes).expect("writing succeeds");
        LocalFileSystem.remove_file(&path).expect("the file was just written");
    });
}

/// Returns elements that codecs hardly compress.
fn noise(n_elements: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut uniform = || {
        // The generator of Numerical Recipes.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    (0..n_elements).map(|_| uniform() + uniform() - uniform() - uniform()).collect()
}

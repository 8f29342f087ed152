//! Measures the codecs on four kinds of data, and prints the table that is in the documentation of
//! `Codec`.
//!
//! Run it on a machine that does nothing else: `cargo run --release -p lazy-zarr --example codecs`.
//! The codecs take turns, and medians are printed, so that what disturbs one run disturbs all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use half::bf16;
use lazy_core::{ArrayBlock, LazyChunkSequence};
use lazy_zarr::{BloscCompressor, Checksum, Codec, MemoryStore, Shuffle, Store, ToZarr, ZarrSink};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const CHUNK_BYTES: usize = 8 << 20;
const N_CHUNKS: usize = 8;
const N_RUNS: usize = 5;

/// Size as a part of the raw size, and bytes per second.
struct Measured {
    size: f64,
    encoding: f64,
    decoding: f64,
}

fn main() -> Result<(), lazy_zarr::Error> {
    let data = [
        ("float32 noise", float_noise()),
        ("smooth float32", smooth()),
        ("bfloat16 noise", bfloat_noise()),
        ("int32 counts", counts()),
    ];
    let names: Vec<_> = data.iter().map(|(name, _)| *name).collect();
    println!("| codec | {} |\n|---|{}", names.join(" | "), "---|".repeat(data.len()));
    let columns = data
        .iter()
        .map(|(_, block)| measure(block))
        .collect::<Result<Vec<_>, lazy_zarr::Error>>()?;
    for (row, (name, _)) in codecs().iter().enumerate() {
        let cells = columns.iter().map(|column| {
            let Measured { size, encoding, decoding } = &column[row];
            format!("{:.1} %, {:.0}, {:.0}", 100.0 * size, encoding / 1e6, decoding / 1e6)
        });
        println!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
    }
    Ok(())
}

fn codecs() -> Vec<(&'static str, Codec)> {
    let blosc = |compressor, level, shuffle| Codec::Blosc { compressor, level, shuffle };
    vec![
        ("none", Codec::None),
        ("zstd 1", Codec::Zstd { level: 1 }),
        ("zstd 3", Codec::Zstd { level: 3 }),
        ("gzip 1", Codec::Gzip { level: 1 }),
        ("blosc lz4 5, byte", blosc(BloscCompressor::Lz4, 5, Shuffle::Byte)),
        ("blosc lz4 1, bit", blosc(BloscCompressor::Lz4, 1, Shuffle::Bit)),
        ("blosc lz4 5, bit", blosc(BloscCompressor::Lz4, 5, Shuffle::Bit)),
        ("blosc lz4 9, bit", blosc(BloscCompressor::Lz4, 9, Shuffle::Bit)),
        ("blosc zstd 1, byte", blosc(BloscCompressor::Zstd, 1, Shuffle::Byte)),
        ("blosc zstd 1, bit", blosc(BloscCompressor::Zstd, 1, Shuffle::Bit)),
        ("blosc zstd 3, byte", blosc(BloscCompressor::Zstd, 3, Shuffle::Byte)),
        ("blosc zstd 5, byte", blosc(BloscCompressor::Zstd, 5, Shuffle::Byte)),
    ]
}

/// Stores and reads an array of equal chunks with each codec in turn.
fn measure(block: &ArrayBlock) -> Result<Vec<Measured>, lazy_zarr::Error> {
    let codecs = codecs();
    let mut sizes = vec![0.0; codecs.len()];
    let mut times = vec![(Vec::new(), Vec::new()); codecs.len()];
    let raw_size = (N_CHUNKS * block.data().len()) as f64;
    for _ in 0..N_RUNS {
        for (i, (_, codec)) in codecs.iter().enumerate() {
            let store = Arc::new(MemoryStore::new());
            let sink = ZarrSink::new(Arc::clone(&store))
                .with_checksum(Checksum::None)
                .with_codec(*codec)
                .with_chunk_shape(block.shape())
                .with_writer_threads(1);
            let blocks = LazyChunkSequence::new(|| vec![block.clone(); N_CHUNKS]);
            let start = Instant::now();
            let stored = blocks.to_zarr(sink)?;
            times[i].0.push(start.elapsed());
            let start = Instant::now();
            stored.read()?;
            times[i].1.push(start.elapsed());
            let objects = store.list("").expect("a store in memory does not fail");
            let n_bytes: u64 = objects.iter().map(|object| object.size).sum();
            sizes[i] = n_bytes as f64 / raw_size;
        }
    }
    let rate = |mut times: Vec<Duration>| {
        times.sort();
        raw_size / times[times.len() / 2].as_secs_f64()
    };
    let measured = sizes.into_iter().zip(times).map(|(size, (encoding, decoding))| Measured {
        size,
        encoding: rate(encoding),
        decoding: rate(decoding),
    });
    Ok(measured.collect())
}

fn block<A: lazy_core::Element>(element: impl FnMut(usize) -> A) -> ArrayBlock {
    let n_elements = CHUNK_BYTES / size_of::<A>();
    let elements = (0..n_elements).map(element).collect();
    ArrayBlock::from_vec([n_elements / 1024, 1024], elements).expect("as many as the shape has")
}

/// The standard normal distribution, by the method of Box and Muller.
fn normal(random: &mut SmallRng) -> f32 {
    let (u, v): (f32, f32) = (1.0 - random.random::<f32>(), random.random());
    (-2.0 * u.ln()).sqrt() * (std::f32::consts::TAU * v).cos()
}

fn float_noise() -> ArrayBlock {
    let mut random = SmallRng::seed_from_u64(1);
    block(|_| normal(&mut random))
}

fn bfloat_noise() -> ArrayBlock {
    let mut random = SmallRng::seed_from_u64(2);
    block(|_| bf16::from_f32(normal(&mut random)))
}

/// Waves that no sample repeats.
fn smooth() -> ArrayBlock {
    block(|i| {
        let (row, column) = ((i / 1024) as f32, (i % 1024) as f32);
        (row / 300.0).sin() * (column / 170.0).cos() + 0.1 * (column / 7.0).sin()
    })
}

/// Mostly small numbers, as counts and labels are.
fn counts() -> ArrayBlock {
    let mut random = SmallRng::seed_from_u64(3);
    block(|_| (1.0 / (1.0 - random.random::<f64>())) as i32)
}

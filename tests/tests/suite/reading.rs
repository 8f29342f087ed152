//! Reading a region gives its elements, whatever the chunks, shards, codecs, threads and storage.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lazy_chunks::zarr::{
    BloscCompressor, Checksum, Codec, ErrorKind, Existing, FileSystem, FileSystemLayer,
    LocalFileSystem, MemoryStore, MissingChunks, Shuffle, StoredArray, Target, ToZarr, ZarrSink,
};
use lazy_chunks::{ArrayBlock, BlockSizes, Concatenate, DType, LazyChunkSequence, report};
use lazy_tests::{Fault, FaultyFileSystem, case, elements};
use ndarray::Ix2;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Numbers of reader threads; 0 stands for the default.
const N_THREADS: [usize; 4] = [0, 1, 2, 5];

/// Asserts that reading a region gives the expected block, with any number of threads and any
/// memory for decoded chunks.
#[track_caller]
fn assert_reads(stored: &StoredArray, region: &[Range<usize>], expected: &ArrayBlock) {
    let caches = [stored.clone(), stored.clone().with_cache(0), stored.clone().with_cache(1500)];
    for cached in caches {
        for n_threads in N_THREADS {
            let read = cached.clone().with_reader_threads(n_threads).read_region(region).unwrap();
            assert!(read == *expected, "{stored:?}, {region:?}, {n_threads} threads");
        }
    }
}

/// Returns the region with these bounds, which are fractions of the sizes.
fn region(shape: &[usize], bounds: &[(f64, f64)]) -> Vec<Range<usize>> {
    let bound = |size: usize, x: f64| (x * size as f64) as usize;
    let axes = shape.iter().zip(bounds);
    axes.map(|(&size, &(a, b))| bound(size, a.min(b))..bound(size, a.max(b))).collect()
}

fn bounds() -> impl Strategy<Value = Vec<(f64, f64)>> {
    // A region covers an axis completely more often than not.
    prop::collection::vec(prop_oneof![2 => Just((0.0, 1.0)), 1 => (0.0..=1.0, 0.0..=1.0)], 5)
}

proptest! {
    #[test]
    fn any_region_of_any_array_reads_its_elements(case in case(), bounds in bounds()) {
        let directory = tempfile::tempdir().unwrap();
        let shape = case.shape();
        let region = region(&shape, &bounds);
        let start: Vec<_> = region.iter().map(|range| range.start).collect();
        let extent: Vec<_> = region.iter().map(ExactSizeIterator::len).collect();
        let expected = elements(case.dtype, case.seed, &shape, &start, &extent);
        // A file system that does not read into the caller's buffers, and a store.
        let other = Target::on(FaultyFileSystem::new(Fault::default()), directory.path().join("b"));
        let targets =
            [directory.path().join("a").into(), other, Arc::new(MemoryStore::new()).into()];
        for target in targets {
            let computed = AtomicUsize::new(0);
            let sink = case.sink(target);
            let stored = match &case.columns {
                None => case.sequences(&computed).indexed[0].to_zarr(sink),
                Some(_) => case.nested_sequences(&computed).indexed[0].to_zarr(sink),
            };
            assert_reads(&stored.unwrap(), &region, &expected);
        }
    }
}

/// Shape, chunk shape and shard shape.
type Layout = (&'static [usize], &'static [usize], Option<&'static [usize]>);

/// Arrays with regions that several threads read, with short runs of elements, or with runs far
/// from each other.
const LAYOUTS: [Layout; 13] = [
    (&[120, 280], &[16, 40], None),
    (&[120, 280], &[120, 1], None),
    (&[120, 280], &[1, 280], None),
    (&[120, 280], &[3, 200], None),
    (&[120, 280], &[8, 20], Some(&[16, 40])),
    (&[120, 280], &[50, 50], Some(&[50, 300])),
    (&[20, 30, 40], &[3, 8, 9], None),
    (&[20, 30, 40], &[3, 4, 40], None),
    (&[20, 30, 40], &[20, 5, 25], None),
    (&[1, 5000], &[1, 50], None),
    (&[6, 12_000], &[3, 12_000], None),
    (&[200, 350], &[90, 100], Some(&[180, 200])),
    (&[6, 20_000], &[6, 15_000], Some(&[6, 30_000])),
];

const CODECS: [(Codec, Checksum); 4] = [
    (Codec::None, Checksum::None),
    (Codec::None, Checksum::Crc32c),
    (Codec::Zstd { level: 1 }, Checksum::None),
    (
        Codec::Blosc { compressor: BloscCompressor::Lz4, level: 5, shuffle: Shuffle::Bit },
        Checksum::Crc32c,
    ),
];

/// Stores an array with these elements.
fn store(path: &Path, block: &ArrayBlock, sink: impl Fn(ZarrSink) -> ZarrSink) -> StoredArray {
    LazyChunkSequence::new(|| [block.clone()]).to_zarr(sink(ZarrSink::new(path))).unwrap()
}

#[test]
fn regions_of_larger_arrays_read_their_elements() {
    let mut n_cases = 0;
    for (shape, chunk_shape, shard_shape) in LAYOUTS {
        let start = vec![0; shape.len()];
        let block = elements(DType::Float32, 3, shape, &start, shape);
        for (codec, checksum) in CODECS {
            let directory = tempfile::tempdir().unwrap();
            let stored = store(directory.path(), &block, |sink| {
                let sink = sink.with_chunk_shape(chunk_shape).with_codec(codec);
                let sink = sink.with_checksum(checksum);
                shard_shape.map_or(sink.clone(), |shape| sink.with_shard_shape(shape))
            });
            let (all, most, few) = ((0.0, 1.0), (0.05, 0.95), (0.4, 0.42));
            for bounds in [
                [all; 3],
                [most; 3],
                [all, most, all],
                [all, few, all],
                [few, all, all],
                [few, most, few],
                [all, (0.999, 1.0), all],
            ] {
                let region = region(shape, &bounds);
                let start: Vec<_> = region.iter().map(|range| range.start).collect();
                let extent: Vec<_> = region.iter().map(ExactSizeIterator::len).collect();
                let expected = elements(DType::Float32, 3, shape, &start, &extent);
                assert_reads(&stored, &region, &expected);
                n_cases += 1;
            }
        }
    }
    assert_eq!(n_cases, 13 * 4 * 7);
}

/// The error is the first broken chunk's, whichever thread finds a broken chunk first.
#[test]
fn the_error_names_the_first_broken_chunk() {
    // Chunks without shards, chunks in shards that are read whole, and chunks that are read one by
    // one from their shards.
    let units = [([16, 40], None), ([8, 20], Some([16, 40])), ([100, 90], Some([100, 90]))];
    for (codec, checksum) in CODECS {
        for (chunk_shape, shard_shape) in units {
            let unit_shape = shard_shape.unwrap_or(chunk_shape);
            let shape = [5 * unit_shape[0], 7 * unit_shape[1]];
            let block = elements(DType::Float32, 3, &shape, &[0, 0], &shape);
            let directory = tempfile::tempdir().unwrap();
            let stored = store(directory.path(), &block, |sink| {
                let sink = sink.with_codec(codec).with_checksum(checksum);
                let sink = sink.with_chunk_shape(chunk_shape);
                shard_shape.map_or(sink.clone(), |shape| sink.with_shard_shape(shape))
            });
            for (key, chunk) in [("c/4/1", [4, 1]), ("c/3/6", [3, 6]), ("c/0/2", [0, 2])] {
                let path = directory.path().join(key);
                match key {
                    "c/3/6" => std::fs::remove_file(path).unwrap(),
                    _ => std::fs::write(path, [0; 7]).unwrap(),
                }
                let messages: Vec<_> = (0..4)
                    .flat_map(|_| N_THREADS)
                    .map(|n_threads| {
                        let stored = stored.clone().with_reader_threads(n_threads);
                        let error = stored.read().unwrap_err();
                        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                        assert_eq!(error.chunk(), Some(&chunk[..]), "{error}");
                        report(&error)
                    })
                    .collect();
                assert!(messages.iter().all(|message| *message == messages[0]), "{messages:?}");
            }
        }
    }
}

#[test]
fn missing_chunks_read_as_the_fill_value() {
    let block = elements(DType::Float32, 3, &[120, 280], &[0, 0], &[120, 280]);
    for (codec, checksum) in CODECS {
        for shape in [[16, 40], [120, 1], [12, 280]] {
            let directory = tempfile::tempdir().unwrap();
            let stored = store(directory.path(), &block, |sink| {
                let sink = sink.with_chunk_shape(shape).with_fill_value(-1_f32);
                sink.with_codec(codec).with_checksum(checksum)
            });
            std::fs::remove_file(directory.path().join("c/0/0")).unwrap();
            let stored = stored.with_missing_chunks(MissingChunks::FillValue);
            for region in [[0..120, 0..280], [0..9, 0..1], [3..32, 0..280]] {
                let expected = block.as_array::<f32, Ix2>().unwrap();
                let expected = expected.indexed_iter().filter_map(|((row, column), value)| {
                    let is_inside = region[0].contains(&row) && region[1].contains(&column);
                    let is_missing = row < shape[0] && column < shape[1];
                    is_inside.then_some(if is_missing { -1.0 } else { *value })
                });
                let shape: Vec<_> = region.iter().map(ExactSizeIterator::len).collect();
                let expected = ArrayBlock::from_vec(shape, expected.collect()).unwrap();
                assert_reads(&stored, &region, &expected);
            }
        }
    }
}

/// A chunk with too many bytes is an error for every region that touches it.
#[test]
fn a_chunk_with_more_bytes_is_an_error() {
    let block = elements(DType::Float32, 3, &[6, 9], &[0, 0], &[6, 9]);
    let directory = tempfile::tempdir().unwrap();
    let stored = store(directory.path(), &block, |sink| {
        sink.with_chunk_shape([2, 3]).with_codec(Codec::None)
    });
    let path = directory.path().join("c/1/2");
    std::fs::write(&path, [&std::fs::read(&path).unwrap()[..], b"x"].concat()).unwrap();
    for region in [[0..6, 0..9], [2..4, 6..9]] {
        let error = report(&stored.read_region(&region).unwrap_err());
        assert!(
            error.contains("(key c/1/2)") && error.contains("25 bytes instead of 24"),
            "{error}"
        );
    }
}

/// Writes metadata and files of chunks directly, and opens the array.
fn by_hand(metadata: &Value, chunks: &[(&str, &[u8])]) -> (tempfile::TempDir, StoredArray) {
    let directory = tempfile::tempdir().unwrap();
    let name = if metadata["zarr_format"] == 3 { "zarr.json" } else { ".zarray" };
    std::fs::write(directory.path().join(name), metadata.to_string()).unwrap();
    for (key, bytes) in chunks {
        let path = directory.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let stored = StoredArray::open(directory.path()).unwrap();
    (directory, stored)
}

#[test]
fn chunks_of_other_sizes_and_orders_read_their_elements() {
    let block = ArrayBlock::from_vec([4, 6], (0..24).collect::<Vec<u8>>()).unwrap();
    // The two rows of chunks have different heights.
    let rectilinear = json!({
        "zarr_format": 3, "node_type": "array", "shape": [4, 6], "data_type": "uint8",
        "chunk_grid": {"name": "rectangular", "configuration": {"chunk_shape": [[1, 3], 4]}},
        "chunk_key_encoding": {"name": "default"}, "fill_value": 0,
        "codecs": [{"name": "bytes"}]
    });
    let (_directory, stored) = by_hand(
        &rectilinear,
        &[
            ("c/0/0", &[0, 1, 2, 3]),
            ("c/0/1", &[4, 5, 99, 99]),
            ("c/1/0", &[6, 7, 8, 9, 12, 13, 14, 15, 18, 19, 20, 21]),
            ("c/1/1", &[10, 11, 99, 99, 16, 17, 99, 99, 22, 23, 99, 99]),
        ],
    );
    assert_reads(&stored, &[0..4, 0..6], &block);
    let part = ArrayBlock::from_vec([3, 2], vec![3_u8, 4, 9, 10, 15, 16]).unwrap();
    assert_reads(&stored, &[0..3, 3..5], &part);

    let columns_first = json!({
        "zarr_format": 2, "shape": [4, 6], "chunks": [2, 6], "dtype": "|u1", "order": "F",
        "compressor": null, "fill_value": 0, "filters": null
    });
    let column = |first: u8| (first..first + 6).flat_map(|i| [i, i + 6]).collect::<Vec<u8>>();
    let (_directory, stored) =
        by_hand(&columns_first, &[("0.0", &column(0)), ("1.0", &column(12))]);
    assert_reads(&stored, &[0..4, 0..6], &block);
    assert_reads(&stored, &[0..3, 3..5], &part);

    let big_endian = json!({
        "zarr_format": 2, "shape": [2, 2], "chunks": [1, 2], "dtype": ">u2", "order": "C",
        "compressor": null, "fill_value": 0, "filters": null
    });
    let (_directory, stored) =
        by_hand(&big_endian, &[("0.0", &[0, 1, 0, 2]), ("1.0", &[0, 3, 0, 4])]);
    let expected = ArrayBlock::from_vec([2, 2], vec![1_u16, 2, 3, 4]).unwrap();
    assert_reads(&stored, &[0..2, 0..2], &expected);

    let no_axes = json!({
        "zarr_format": 2, "shape": [], "chunks": [], "dtype": "|u1", "order": "C",
        "compressor": null, "fill_value": 0, "filters": null
    });
    let (_directory, stored) = by_hand(&no_axes, &[("0", &[7])]);
    assert_reads(&stored, &[], &ArrayBlock::from_vec([], vec![7_u8]).unwrap());
}

/// A shard with its index at the start, the second chunk before the first, and no third chunk.
#[test]
fn shards_of_another_order_read_their_elements() {
    let (n, height, width) = (100 * 200, 100, 200);
    for endian in ["little", "big"] {
        let shards = json!({
            "zarr_format": 3, "node_type": "array", "shape": [3 * height, width], "data_type": "uint16",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3 * height, width]}},
            "chunk_key_encoding": {"name": "default"}, "fill_value": 7,
            "codecs": [{"name": "sharding_indexed", "configuration": {
                "chunk_shape": [height, width], "index_location": "start",
                "codecs": [{"name": "bytes", "configuration": {"endian": endian}}],
                "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]
            }}]
        });
        let (length, index_bytes) = (2 * n as u64, 48_u64);
        let index = [index_bytes + length, length, index_bytes, length, u64::MAX, u64::MAX];
        let mut shard: Vec<u8> = index.iter().flat_map(|number| number.to_le_bytes()).collect();
        let elements: Vec<_> = (0..2 * n).map(|i| i as u16).collect();
        for element in elements[n..].iter().chain(&elements[..n]) {
            let bytes = element.to_le_bytes();
            shard.extend(if endian == "big" { [bytes[1], bytes[0]] } else { bytes });
        }
        let (_directory, stored) = by_hand(&shards, &[("c/0/0", &shard)]);
        let elements = [elements, vec![7; n]].concat();
        for (rows, columns) in
            [(0..300, 0..200), (90..210, 0..200), (20..21, 3..9), (99..201, 5..6)]
        {
            let region = [rows.clone(), columns.clone()];
            let expected = rows.flat_map(|row| {
                columns.clone().map(|column| elements[row * width + column]).collect::<Vec<_>>()
            });
            let shape: Vec<_> = region.iter().map(ExactSizeIterator::len).collect();
            let expected = ArrayBlock::from_vec(shape, expected.collect::<Vec<u16>>()).unwrap();
            assert_reads(&stored, &region, &expected);
        }
    }
}

/// The local file system, which counts the reads of each range of bytes.
#[derive(Clone, Debug, Default)]
struct CountingFileSystem(Arc<Mutex<BTreeMap<(PathBuf, u64), usize>>>);

impl CountingFileSystem {
    /// Returns how often each chunk was read since the last call, and the number of chunks.
    fn take(&self, n_index_bytes: Option<usize>) -> (Vec<usize>, usize) {
        let mut reads = std::mem::take(&mut *self.0.lock().unwrap());
        reads.retain(|(path, offset), _| {
            // The index of a shard is at its end.
            let length = std::fs::metadata(path).unwrap().len();
            let is_index = n_index_bytes.is_some_and(|n| *offset == length - n as u64);
            path.file_name().unwrap() != "zarr.json" && !is_index
        });
        let n_chunks = reads.len();
        let mut counts: Vec<_> = reads.into_values().collect();
        counts.sort_unstable();
        counts.dedup();
        (counts, n_chunks)
    }
}

impl FileSystemLayer for CountingFileSystem {
    type Inner = LocalFileSystem;

    fn inner(&self) -> &LocalFileSystem {
        &LocalFileSystem
    }

    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes> {
        *self.0.lock().unwrap().entry((path.to_owned(), offset)).or_default() += 1;
        LocalFileSystem.read(path, offset, length)
    }
}

/// Stores 120 rows, and returns a handle that counts, and the bytes of the index of a shard.
fn counted(
    path: &Path,
    codec: (Codec, Checksum),
    (chunks, shards): ([usize; 2], Option<[usize; 2]>),
) -> (CountingFileSystem, StoredArray, Option<usize>) {
    let block = elements(DType::Float32, 3, &[120, 350], &[0, 0], &[120, 350]);
    store(path, &block, |sink| {
        let sink = sink.with_chunk_shape(chunks).with_codec(codec.0).with_checksum(codec.1);
        shards.map_or(sink.clone(), |shape| sink.with_shard_shape(shape))
    });
    let file_system = CountingFileSystem::default();
    let stored = StoredArray::open(Target::on(file_system.clone(), path)).unwrap();
    let per_shard = |shards: [usize; 2]| shards[0] / chunks[0] * (shards[1] / chunks[1]);
    file_system.take(None);
    (file_system, stored, shards.map(|shards| 16 * per_shard(shards) + 4))
}

/// Chunks, large chunks in shards and small chunks in shards, each with the number of chunks.
const COUNTED: [([usize; 2], Option<[usize; 2]>, usize); 4] = [
    ([50, 350], None, 3),
    ([25, 140], None, 15),
    ([50, 175], Some([100, 350]), 6),
    ([20, 35], Some([40, 70]), 60),
];

/// Codecs by which a chunk is read whole.
const WHOLE: [(Codec, Checksum); 3] = [CODECS[1], CODECS[2], CODECS[3]];

#[test]
fn blocks_of_any_sizes_decode_each_chunk_once() {
    let ragged: Vec<usize> = vec![3, 0, 47, 1, 49, 13, 7];
    let sizes = [vec![1; 120], vec![7; 17].into_iter().chain([1]).collect(), vec![60; 2], ragged];
    for codec in WHOLE {
        for (chunks, shards, n_chunks) in COUNTED {
            let directory = tempfile::tempdir().unwrap();
            let (counts, stored, index) = counted(directory.path(), codec, (chunks, shards));
            let whole = stored.read().unwrap();
            counts.take(None);
            for sizes in &sizes {
                // Shards of small chunks are read whole if a block has all of their rows.
                let is_small = n_chunks == 60 && sizes[0] == 60;
                let once = (vec![1], if is_small { n_chunks / 2 } else { n_chunks });
                // Each handle has chunks of its own, freed before the next one reads.
                for stored in [
                    StoredArray::open(Target::on(counts.clone(), directory.path())).unwrap(),
                    stored.clone().with_cache(1 << 20),
                ] {
                    counts.take(None);
                    let rows = BlockSizes::from(sizes);
                    for range in rows.ranges() {
                        stored.read_region(&[range, 0..350]).unwrap();
                    }
                    assert_eq!(counts.take(index), once, "{chunks:?} {sizes:?}");
                }
                for n_threads in 1..4 {
                    let stored = stored.clone().with_cache(1 << 20).with_reader_threads(n_threads);
                    let sequence = stored.sequence(&sizes[..]).unwrap().with_threads(n_threads);
                    assert!(sequence.compute(Concatenate).unwrap() == whole);
                    assert_eq!(counts.take(index), once, "{chunks:?} {sizes:?}");
                    // All chunks are kept, but blocks of whole chunks are not.
                    sequence.compute(Concatenate).unwrap();
                    let n_again = counts.take(index).1;
                    assert!(n_again == 0 || sizes.iter().any(|size| *size >= chunks[0]));
                }
                let nested = stored.clone().with_cache(1 << 20);
                let nested = nested.nested_sequence(&sizes[..], [100, 100, 150]).unwrap();
                assert!(nested.compute(Concatenate).unwrap() == whole);
                let (n_read, n) = counts.take(index);
                assert!(n_read == [1] && (n == n_chunks || is_small), "{chunks:?} {sizes:?}");
            }
            // Without memory for them, chunks are decoded for each block.
            let stored = stored.clone().with_cache(0);
            stored.sequence(vec![1; 120]).unwrap().compute(Concatenate).unwrap();
            let (n_read, n_again) = counts.take(index);
            assert!(n_read[0] > 1 && n_again == n_chunks, "{n_read:?}");
        }
    }
}

#[test]
fn an_outer_product_decodes_the_chunks_of_its_blocks_once() {
    for (chunks, shards, n_chunks) in COUNTED {
        let [left, right] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [left, right] =
            [left.path(), right.path()].map(|path| counted(path, CODECS[3], (chunks, shards)));
        let sizes = BlockSizes::uniform(120, 9);
        let cached = [left.1.with_cache(1 << 20), right.1.with_cache(1 << 20)];
        for n_threads in [1, 3] {
            let [left_blocks, right_blocks] =
                cached.each_ref().map(|stored| stored.clone().sequence(sizes.clone()).unwrap());
            left_blocks
                .with_threads(n_threads)
                .outer(right_blocks, 0, |left, right| (left.clone(), right.clone()))
                .collect()
                .unwrap();
            let expected = if n_threads == 1 { (vec![1], n_chunks) } else { (vec![], 0) };
            assert_eq!((left.0.take(left.2), right.0.take(right.2)), (expected.clone(), expected));
        }
    }
}

#[test]
fn reads_of_whole_chunks_displace_no_chunks() {
    for (chunks, shards, n_chunks) in COUNTED {
        let directory = tempfile::tempdir().unwrap();
        let (counts, stored, index) = counted(directory.path(), CODECS[3], (chunks, shards));
        // The cache holds the chunks of a row, and little more.
        let chunk_bytes = (4 * chunks[0] * chunks[1] + 256) as u64;
        let n_in_row = 350_u64.div_ceil(chunks[1] as u64);
        let stored = stored.with_cache(chunk_bytes * n_in_row);
        stored.read_region(&[0..1, 0..350]).unwrap();
        assert_eq!(counts.take(index), (vec![1], n_in_row as usize));
        stored.read().unwrap();
        assert_eq!(counts.take(index).0, [1]);
        stored.read_region(&[3..5, 0..350]).unwrap();
        assert_eq!(counts.take(index), (vec![], 0));
        // Another row of chunks displaces the first one.
        let last = 120 - 120 % chunks[0].min(50);
        stored.read_region(&[last - 1..last, 0..350]).unwrap();
        stored.read_region(&[3..5, 0..350]).unwrap();
        assert_eq!(counts.take(index), (vec![1], 2 * n_in_row as usize));
        assert!(n_chunks > n_in_row as usize);
        // A cache that is too small for one chunk keeps none.
        let stored = stored.with_cache(chunk_bytes - 1);
        for _ in 0..2 {
            stored.read_region(&[0..1, 0..350]).unwrap();
            assert_eq!(counts.take(index), (vec![1], n_in_row as usize));
        }
    }
}

#[test]
fn kept_chunks_belong_to_a_version_and_to_the_meaning_of_missing_chunks() {
    for (chunks, shards, _) in COUNTED {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let (_, stored, _) = counted(path, CODECS[3], (chunks, shards));
        std::fs::remove_file(path.join("c/0/0")).unwrap();
        let row = [0..1, 0..350];
        let filled = stored.clone().with_missing_chunks(MissingChunks::FillValue);
        for _ in 0..2 {
            filled.read_region(&row).unwrap();
            let error = stored.read_region(&row).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        }
        let row = [119..120, 0..350];
        let before = stored.read_region(&row).unwrap();
        assert!(stored.read_region(&row).unwrap() == before);
        store(path, &lazy_tests::zeros(&[120, 350]), |sink| sink.with_existing(Existing::Replace));
        let error = stored.read_region(&row).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
        let now = StoredArray::open(path).unwrap().read_region(&row).unwrap();
        assert!(now == lazy_tests::zeros(&[1, 350]));
    }
}

#[test]
fn too_many_reader_threads_are_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let stored = store(directory.path(), &lazy_tests::zeros(&[2, 3]), |sink| sink);
    assert!(stored.clone().with_reader_threads(1024).read().is_ok());
    let error = stored.with_reader_threads(1025).read().unwrap_err();
    assert_eq!(report(&error), "reader threads must be at most 1024, got 1025");
}

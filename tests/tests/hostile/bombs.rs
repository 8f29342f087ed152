//! Decompression bombs, and shards whose indices point outside of them.

use std::io::Write;

use lazy_chunks::report;
use lazy_chunks::zarr::{DefectKind, StoredArray};
use serde_json::{Value, json};

use super::{MOST_BYTES, array, bytes, examine, metadata};

/// Compresses bytes in the format of zlib.
pub(super) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The number of zeros that a bomb of a few bytes decodes to.
const BOMB_BYTES: usize = 1 << 30;

/// Returns a Zstandard frame of zeros, which declares its size or does not.
fn zstd_bomb(says_size: bool) -> Vec<u8> {
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd];
    if says_size {
        bomb.push(0xe0);
        bomb.extend((BOMB_BYTES as u64).to_le_bytes());
    } else {
        // A window of 128 KiB.
        bomb.extend([0x00, 0x38]);
    }
    let n_blocks = BOMB_BYTES >> 17;
    for i in 1..=n_blocks {
        // A run-length block: one byte, repeated 128 Ki times.
        let header = u32::from(i == n_blocks) | (1 << 1) | ((1 << 17) << 3);
        bomb.extend(&header.to_le_bytes()[..3]);
        bomb.push(0);
    }
    bomb
}

/// Returns blocks of DEFLATE that decode to zeros, without a final block.
fn deflate_bomb() -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut block = Vec::with_capacity(1 << 16);
    let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
    compress.compress_vec(&zeros, &mut block, flate2::FlushCompress::Full).unwrap();
    block.repeat(BOMB_BYTES >> 20)
}

fn gzip_bomb() -> Vec<u8> {
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &deflate_bomb()].concat()
}

fn zlib_bomb() -> Vec<u8> {
    [&[0x78, 0x9c][..], &deflate_bomb()].concat()
}

fn bz2_bomb() -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    // Fewer zeros than in the other bombs, since this one is slow to make, but more than the limit.
    let zeros = vec![0; 1 << 20];
    for _ in 0..2 * (MOST_BYTES >> 20) {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

fn blosc_bomb() -> Vec<u8> {
    let mut bomb = vec![2, 1, 0x21, 4];
    for word in [BOMB_BYTES as u32, 1 << 20, 4096] {
        bomb.extend(word.to_le_bytes());
    }
    bomb.resize(4096, 0);
    bomb
}

/// Returns codecs with bytes that decode to far more than a chunk.
fn bombs() -> [(Value, Vec<u8>); 6] {
    let blosc = json!({
        "cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 4, "blocksize": 0
    });
    [
        (
            json!({"name": "zstd", "configuration": {"level": 1, "checksum": false}}),
            zstd_bomb(true),
        ),
        (
            json!({"name": "zstd", "configuration": {"level": 1, "checksum": false}}),
            zstd_bomb(false),
        ),
        (json!({"name": "gzip", "configuration": {"level": 1}}), gzip_bomb()),
        (json!({"name": "numcodecs.zlib", "configuration": {"level": 1}}), zlib_bomb()),
        (json!({"name": "numcodecs.bz2", "configuration": {"level": 1}}), bz2_bomb()),
        (json!({"name": "blosc", "configuration": blosc}), blosc_bomb()),
    ]
}

#[test]
fn decompression_stops_at_the_size_of_a_chunk() {
    let bytes = bytes();
    for (codec, bomb) in bombs() {
        let chain = json!([bytes, codec]);
        let (_directory, path) = array(&metadata(&chain), &bomb);
        examine(&path).unwrap_err();
        let error = StoredArray::open(&path).unwrap().read().unwrap_err();
        assert!(matches!(error.defect(), Some(DefectKind::Corrupt { .. })), "{codec}: {error}");
        let is_limit = report(&error).contains("it must have at most 24");
        assert!(is_limit, "{codec}: {error}");

        // As the only chunk of a shard whose index has no checksum.
        let shards = json!([{"name": "sharding_indexed", "configuration": {
            "chunk_shape": [2, 3], "codecs": chain, "index_codecs": [bytes]
        }}]);
        let index = [0_u64.to_le_bytes(), (bomb.len() as u64).to_le_bytes()].concat();
        let (_directory, path) = array(&metadata(&shards), &[&bomb[..], &index].concat());
        let error = examine(&path).unwrap_err();
        assert!(report(&error).contains("it must have at most 24"), "{codec}: {error}");

        // Behind another codec. The size between the two codecs is only bounded, not known.
        let twice =
            json!([bytes, codec, {"name": "numcodecs.zlib", "configuration": {"level": 1}}]);
        for chunk in [zlib(&bomb), zlib_bomb()] {
            let (_directory, path) = array(&metadata(&twice), &chunk);
            examine(&path).unwrap_err();
        }
    }
}

#[test]
fn a_shard_index_that_points_outside_the_shard_is_an_error() {
    let bytes = bytes();
    for inner in [json!([bytes]), json!([bytes, {"name": "crc32c"}])] {
        let shards = json!([{"name": "sharding_indexed", "configuration": {
            "chunk_shape": [2, 3], "codecs": inner, "index_codecs": [bytes]
        }}]);
        for (offset, length) in [
            (0, 1 << 40),
            (1 << 60, 24),
            (u64::MAX, 24),
            (u64::MAX - 8, 24),
            (24, u64::MAX),
            (u64::MAX, u64::MAX - 1),
            (1 << 63, 1 << 63),
            (0, 0),
        ] {
            let index = [u64::to_le_bytes(offset), u64::to_le_bytes(length)].concat();
            let (_directory, path) = array(&metadata(&shards), &[&[1; 24][..], &index].concat());
            examine(&path).unwrap_err();
        }
    }
}

/// Each large chunk of a shard is read separately.
#[test]
fn a_shard_index_that_points_to_a_large_chunk_outside_is_an_error() {
    let bytes = bytes();
    let large = |codecs: Value| {
        let mut metadata = metadata(&json!([{"name": "sharding_indexed", "configuration": {
            "chunk_shape": [100, 100], "codecs": codecs, "index_codecs": [bytes]
        }}]));
        metadata["shape"] = json!([100, 100]);
        metadata["chunk_grid"]["configuration"]["chunk_shape"] = json!([100, 100]);
        metadata
    };
    let n_bytes = 40_000;
    let chunk = vec![1; n_bytes + 4];
    for codecs in [json!([bytes]), json!([bytes, {"name": "crc32c"}])] {
        for (offset, length) in [
            (0, 1 << 40),
            (0, 16),
            (24, 40_000),
            (1 << 60, 40_000),
            (u64::MAX, 40_000),
            (u64::MAX - 8, 40_000),
            (24, u64::MAX),
            (u64::MAX, u64::MAX - 1),
            (1 << 63, 1 << 63),
            (0, 0),
        ] {
            let index = [u64::to_le_bytes(offset), u64::to_le_bytes(length)].concat();
            let stored = [&chunk[..n_bytes - 16], &index].concat();
            let (_directory, path) = array(&large(codecs.clone()), &stored);
            examine(&path).unwrap_err();
        }
        for length in [0, 1, 15] {
            let (_directory, path) = array(&large(codecs.clone()), &chunk[..length]);
            examine(&path).unwrap_err();
        }
    }
    for (codec, bomb) in bombs() {
        let index = [0_u64.to_le_bytes(), (bomb.len() as u64).to_le_bytes()].concat();
        let metadata = large(json!([bytes, codec]));
        let (_directory, path) = array(&metadata, &[&bomb[..], &index].concat());
        let error = report(&examine(&path).unwrap_err());
        assert!(error.contains("it must have at most 40000"), "{codec}: {error}");
    }
}

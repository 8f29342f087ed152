//! Stored arrays with random damage: to values in their metadata, and to the bytes of any file.

use std::path::{Path, PathBuf};

use lazy_chunks::zarr::{BloscCompressor, Checksum, Codec, Shuffle, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, LazyChunkSequence};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::bombs::zlib;
use super::examine;

/// Stores an array of shape (4, 6) in write chunks of shape (2, 3).
fn stored(path: &Path, sink: impl Fn(ZarrSink) -> ZarrSink) {
    let block = ArrayBlock::from_vec([4, 6], (0..24).collect::<Vec<i32>>()).unwrap();
    LazyChunkSequence::new(|| [block.clone()])
        .to_zarr(sink(ZarrSink::new(path).with_chunk_shape([2, 3])))
        .unwrap();
}

/// The settings of the arrays to damage.
const ARRAYS: [fn(ZarrSink) -> ZarrSink; 8] = [
    |sink| sink.with_codec(Codec::None),
    |sink| sink.with_codec(Codec::None).with_checksum(Checksum::Crc32c),
    |sink| sink.with_codec(Codec::Zstd { level: 3 }),
    |sink| sink.with_codec(Codec::Gzip { level: 6 }).with_checksum(Checksum::Crc32c),
    |sink| sink,
    |sink| {
        let (compressor, shuffle) = (BloscCompressor::Zstd, Shuffle::Byte);
        sink.with_codec(Codec::Blosc { compressor, level: 5, shuffle })
    },
    |sink| sink.with_chunk_shape([1, 3]).with_shard_shape([2, 3]),
    |sink| {
        let sink = sink.with_codec(Codec::Zstd { level: 3 }).with_checksum(Checksum::Crc32c);
        sink.with_chunk_shape([1, 1]).with_shard_shape([2, 3])
    },
];

/// Stores the same array in Zarr v2, as another program could have written it.
fn stored_v2(path: &Path) {
    std::fs::create_dir(path).unwrap();
    let metadata = json!({
        "zarr_format": 2, "shape": [4, 6], "chunks": [2, 3], "dtype": "<i4", "order": "F",
        "compressor": {"id": "zlib", "level": 1}, "fill_value": 0, "filters": null,
        "dimension_separator": "."
    });
    std::fs::write(path.join(".zarray"), metadata.to_string()).unwrap();
    std::fs::write(path.join(".zattrs"), r#"{"about": "an array"}"#).unwrap();
    std::fs::write(path.join("0.0"), zlib(&[1; 24])).unwrap();
}

/// Stores the array with this index, and returns its directory, its path, and the file of its
/// metadata.
fn any_array(which: usize) -> (TempDir, PathBuf, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    match ARRAYS.get(which) {
        Some(sink) => stored(&path, sink),
        None => stored_v2(&path),
    }
    let metadata = path.join(if which < ARRAYS.len() { "zarr.json" } else { ".zarray" });
    (directory, path, metadata)
}

const N_ARRAYS: usize = ARRAYS.len() + 1;

/// Returns a JSON pointer to every value in a document.
fn places(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let below = |name: &str, value: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        places(value).into_iter().map(move |place| format!("/{name}{place}")).collect::<Vec<_>>()
    };
    match value {
        Value::Array(values) => {
            found.extend(
                values.iter().enumerate().flat_map(|(i, value)| below(&i.to_string(), value)),
            );
        }
        Value::Object(members) => {
            found.extend(members.iter().flat_map(|(name, value)| below(name, value)));
        }
        _ => {}
    }
    found
}

/// Generates values to put into a document.
fn strange_value() -> impl Strategy<Value = Value> {
    let nested = (0..120).fold(json!([]), |value, _| json!([value]));
    let number = prop::sample::select(vec![
        json!(0),
        json!(1),
        json!(-1),
        json!(2),
        json!(5),
        json!(7),
        json!(1_u64 << 16),
        json!(1_u64 << 31),
        json!(1_u64 << 32),
        json!(1_u64 << 53),
        json!(i64::MAX),
        json!(1_u64 << 63),
        json!(u64::MAX),
        json!(1e308),
        json!(0.5),
    ]);
    let other = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(""),
        json!("NaN"),
        json!("0x7fc00000"),
        json!("bytes"),
        json!("crc32c"),
        json!("float64"),
        json!("complex128"),
        json!("bool"),
        json!("r8"),
        json!("start"),
        json!({}),
        json!([]),
        json!([[]]),
        json!({"name": "transpose", "configuration": {"order": [1, 0]}}),
        json!({"name": "transpose", "configuration": {"order": [0, 0]}}),
        json!({"name": "reshape", "configuration": {"shape": [1_u64 << 32, 1_u64 << 32]}}),
        json!({"name": "zarrs.squeeze"}),
        json!({"name": "packbits"}),
        json!({"name": "crc32c"}),
        json!({"name": "numcodecs.zlib", "configuration": {"level": 1}}),
        json!({"name": "numcodecs.bz2", "configuration": {"level": 1}}),
        json!({"name": "numcodecs.shuffle", "configuration": {"elementsize": 0}}),
        json!({"name": "rectangular", "configuration": {"chunk_shape": [[1, 3], 3]}}),
        json!({"name": "rectilinear", "configuration": {
            "kind": "inline", "chunk_shapes": [[[1, 3], 3], [[1, u64::MAX]]]
        }}),
        json!([1, 1, 1, 1]),
        json!([1_u64 << 31, 1_u64 << 31]),
        json!([1_u64 << 62, 1_u64 << 62]),
        nested,
    ]);
    prop_oneof![number, other]
}

/// A change of bytes.
#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Word(prop::sample::Index, u64),
    Remove(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Truncate(prop::sample::Index),
    Replace(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    let words = [0, 1, 0xff, 1 << 16, 1 << 31, 1 << 53, 1 << 62, 1 << 63, u64::MAX - 1, u64::MAX];
    prop_oneof![
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, 1 << bit)),
        4 => (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        2 => (at(), prop::sample::select(words.to_vec())).prop_map(|(at, x)| Damage::Word(at, x)),
        2 => (at(), 1..20_usize).prop_map(|(at, n)| Damage::Remove(at, n)),
        2 => (at(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => at().prop_map(Damage::Truncate),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Damage::Replace),
    ]
}

fn apply(damage: &Damage, bytes: &mut Vec<u8>) {
    let place = |at: &prop::sample::Index, n: usize| if n == 0 { 0 } else { at.index(n) };
    let n = bytes.len();
    match damage {
        Damage::Flip(at, bits) if n > 0 => bytes[place(at, n)] ^= bits,
        Damage::Set(at, byte) if n > 0 => bytes[place(at, n)] = *byte,
        Damage::Word(at, word) => {
            let start = place(at, n);
            for (byte, new) in bytes[start..].iter_mut().zip(word.to_le_bytes()) {
                *byte = new;
            }
        }
        Damage::Remove(at, length) => {
            let start = place(at, n);
            bytes.drain(start..(start + length).min(n));
        }
        Damage::Insert(at, new) => {
            let start = place(at, n);
            bytes.splice(start..start, new.iter().copied());
        }
        Damage::Truncate(at) => bytes.truncate(place(at, n)),
        Damage::Replace(new) => bytes.clone_from(new),
        Damage::Flip(..) | Damage::Set(..) => {}
    }
}

/// Returns the files of chunks below a directory, sorted.
fn chunk_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files.extend(chunk_files(&path));
        } else if name != "zarr.json" && !name.starts_with(".z") {
            files.push(path);
        }
    }
    files.sort();
    files
}

proptest! {
    #[test]
    fn metadata_with_wrong_values_never_panics(
        which in 0..N_ARRAYS,
        changes in prop::collection::vec((any::<prop::sample::Index>(), strange_value()), 1..4),
    ) {
        let (_directory, path, metadata) = any_array(which);
        let mut json: Value = serde_json::from_slice(&std::fs::read(&metadata).unwrap()).unwrap();
        for (place, value) in changes {
            let places = places(&json);
            *json.pointer_mut(&places[place.index(places.len())]).unwrap() = value;
        }
        std::fs::write(&metadata, json.to_string()).unwrap();
        let _ = examine(&path);
    }

    #[test]
    fn metadata_with_damaged_bytes_never_panics(
        which in 0..N_ARRAYS,
        changes in prop::collection::vec(damage(), 1..4),
    ) {
        let (_directory, path, metadata) = any_array(which);
        let mut bytes = std::fs::read(&metadata).unwrap();
        for change in &changes {
            apply(change, &mut bytes);
        }
        std::fs::write(&metadata, bytes).unwrap();
        let _ = examine(&path);
    }

    #[test]
    fn chunks_with_damaged_bytes_never_panic(
        which in 0..N_ARRAYS,
        changes in prop::collection::vec((any::<prop::sample::Index>(), damage()), 1..6),
    ) {
        let (_directory, path, _) = any_array(which);
        let files = chunk_files(&path);
        for (file, change) in &changes {
            let file = file.get(&files);
            let mut bytes = std::fs::read(file).unwrap();
            apply(change, &mut bytes);
            std::fs::write(file, bytes).unwrap();
        }
        let _ = examine(&path);
    }
}

//! Errors of opening an array and of reading its chunks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lazy_chunks::zarr::{
    Checksum, Codec, DefectKind, ErrorKind, MemoryStore, MissingChunks, Store, StoredArray, Target,
    ToZarr, ZarrSink,
};
use lazy_chunks::{ArrayBlock, DType, LazyChunkSequence, report};
use lazy_tests::{flat, zeros};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Stores an array of shape (4, 6) in chunks of shape (2, 3), and returns its path.
fn stored(sink: fn(ZarrSink) -> ZarrSink) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let block = ArrayBlock::from_vec([4, 6], (0..24).collect::<Vec<i32>>()).unwrap();
    LazyChunkSequence::new(|| [block.clone()])
        .to_zarr(sink(ZarrSink::new(&path).with_chunk_shape([2, 3])))
        .unwrap();
    (directory, path)
}

/// Edits the metadata of an array.
fn edit(path: &Path, change: impl Fn(&mut Value)) {
    let path = path.join("zarr.json");
    let mut metadata = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut metadata);
    std::fs::write(path, metadata.to_string()).unwrap();
}

#[track_caller]
fn assert_not_opened(target: impl Into<Target>, messages: &[&str]) {
    let error = report(&StoredArray::open(target).unwrap_err());
    for message in messages {
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn opening_something_else_than_an_array_says_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("file"), "text").unwrap();
    std::fs::create_dir_all(path("directory/below")).unwrap();
    std::fs::create_dir(path("empty")).unwrap();
    std::fs::create_dir(path("broken")).unwrap();
    std::fs::write(path("broken/zarr.json"), "{").unwrap();
    flat(&[&[1]]).to_zarr(Target::from(path("group")).member("values")).unwrap();
    std::fs::create_dir(path("v2")).unwrap();
    std::fs::write(path("v2/.zgroup"), r#"{"zarr_format":2}"#).unwrap();

    assert_not_opened(path("missing"), &["missing does not exist"]);
    assert_not_opened(path("empty"), &["empty does not exist"]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        assert_not_opened(path("link"), &["link is a symbolic link to a missing path"]);
        for target in [path("link"), path("link/values")] {
            let error = flat(&[&[1]]).to_zarr(target).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
            assert!(error.to_string().ends_with("link is a symbolic link to a missing path"));
        }
    }
    assert_not_opened(path("file"), &["file is not a Zarr array: it is a file"]);
    assert_not_opened(path("directory"), &["it has no array metadata, zarr.json or .zarray"]);
    assert_not_opened(path("broken"), &["broken/zarr.json is not valid JSON: EOF"]);
    assert_not_opened(path("v2"), &["it is a Zarr group without members"]);
    assert_not_opened(path("group"), &["it is a Zarr group with the member values"]);
    assert_not_opened(Target::from(path("group")).member("x"), &["group/x does not exist"]);
    let store = Arc::new(MemoryStore::new());
    assert_not_opened(Arc::clone(&store), &["store:/ does not exist"]);
    flat(&[&[1]]).to_zarr(Target::from(Arc::clone(&store)).member("a").member("b")).unwrap();
    let group = Target::from(Arc::clone(&store)).member("a");
    assert_not_opened(
        group,
        &["store:/a is not a Zarr array: it is a Zarr group with the member b"],
    );
}

/// Checks that an array with changed metadata cannot be opened, for a reason of this kind.
#[track_caller]
fn assert_refused(change: fn(&mut Value), kind: ErrorKind, message: &str) {
    let (_directory, path) = stored(|sink| sink.with_codec(Codec::default()));
    edit(&path, change);
    let error = StoredArray::open(path).unwrap_err();
    let text = report(&error);
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.starts_with("cannot open ") && text.contains("a.zarr: "), "{text}");
    assert!(text.ends_with(message), "{text}");
    for name in ["untagged", "Configuration", "variant", " at line "] {
        assert!(!text.contains(name), "{text}");
    }
}

#[test]
fn valid_metadata_that_is_not_supported_is_named() {
    let check = |change, message| assert_refused(change, ErrorKind::Unsupported, message);
    check(|it| it["codecs"][1] = json!({"name": "quantum"}), "codec quantum is not supported");
    check(|it| it["data_type"] = json!("float8"), "data type float8 is not supported");
    check(|it| it["data_type"] = json!("int4"), "its data type int4 is not supported");
    check(|it| it["chunk_grid"]["name"] = json!("triangular"), "triangular is not supported");
    check(
        |it| it["chunk_key_encoding"] = json!({"name": "fanout"}),
        "chunk key encoding fanout is not supported",
    );
    check(|it| it["zarr_format"] = json!(4), "its zarr_format 4 is not supported");
    check(
        |it| it["storage_transformers"] = json!([{"name": "mirror"}]),
        "storage transformer mirror is not supported",
    );
    check(
        |it| it["surprise"] = json!({"must_understand": true}),
        "unsupported additional field surprise with value {}",
    );
    check(
        |it| it["codecs"][1]["configuration"]["cname"] = json!("lzma"),
        "the field `cname` of its codec blosc is \"lzma\"; supported are blosclz, lz4, lz4hc, \
         snappy, zlib, zstd",
    );
    check(
        |it| it["codecs"][1]["configuration"]["nthreads"] = json!(4),
        "the field `nthreads` of its codec blosc is not supported",
    );
}

#[test]
fn malformed_metadata_is_corrupt() {
    let check = |change, message| assert_refused(change, ErrorKind::Corrupt, message);
    fn remove(metadata: &mut Value, entry: &str) {
        metadata.as_object_mut().unwrap().remove(entry);
    }
    fn codec(metadata: &mut Value, codec: Value) {
        metadata["codecs"][1] = codec;
    }
    check(
        |it| it["shape"] = json!([4]),
        "its entry `chunk_grid` is invalid: regular chunk shape and array \
                                         shape have inconsistent dimensionality",
    );
    check(
        |it| it["shape"] = json!([-1, 2]),
        "invalid value: integer `-1`, expected a whole number from 0 on",
    );
    check(|it| remove(it, "shape"), "its metadata is invalid: missing field `shape`");
    check(|it| remove(it, "fill_value"), "missing field `fill_value`");
    check(
        |it| it["fill_value"] = json!("zero"),
        "invalid fill value metadata for data type `int32`: \"zero\"",
    );
    check(
        |it| it["dimension_names"] = json!(["x"]),
        "the number of dimension names 1 does not match array dimensionality 2",
    );
    check(|it| it["attributes"] = json!(3), "invalid type: integer `3`, expected a map");
    check(
        |it| it["codecs"] = json!([]),
        "its entry `codecs` is invalid: missing array to bytes codec",
    );
    check(
        |it| it["chunk_grid"]["configuration"]["chunk_shape"] = json!([0, 1]),
        "its entry `chunk_grid` is invalid: invalid value: integer `0`, expected a whole number from 1 on",
    );
    check(
        |it| it["codecs"][1]["configuration"]["clevel"] = json!(77),
        "the field `clevel` of its codec blosc is 77, but must be a whole number from 0 to 9",
    );
    check(
        |it| it["codecs"][1]["configuration"]["blocksize"] = json!("a"),
        "the field `blocksize` of its codec blosc is \"a\", but must be a whole number from 0 on",
    );
    check(|it| codec(it, json!("blosc")), "the field `cname` of its codec blosc is missing");
    check(
        |it| codec(it, json!({"name": "gzip", "configuration": {"level": 12}})),
        "the field `level` of its codec gzip is 12, but must be a whole number from 0 to 9",
    );
    check(
        |it| {
            it["codecs"]
                .as_array_mut()
                .unwrap()
                .insert(0, json!({"name": "transpose", "configuration": {"order": [0, 0]}}));
        },
        "the field `order` of its codec transpose is [0,0], but must be a permutation of the axes \
         from 0 on",
    );
    check(
        |it| {
            it["codecs"] = json!([{"name": "sharding_indexed", "configuration": {
                "chunk_shape": [1, 3],
                "codecs": ["bytes", {"name": "zstd", "configuration": {"level": 3, "checksum": 1}}],
                "index_codecs": ["bytes"],
            }}]);
        },
        "the field `checksum` of its codec zstd is 1, but must be true or false",
    );
}

#[test]
fn an_error_names_a_codec_that_cannot_take_the_dtype() {
    let (_directory, path) = stored(|sink| sink);
    edit(&path, |metadata| metadata["codecs"] = json!([{"name": "vlen-utf8"}]));
    let error = report(&StoredArray::open(path).and_then(|array| array.read()).unwrap_err());
    assert!(error.contains("Unsupported data type int32 for codec zarrs.vlen"), "{error}");
}

#[test]
fn a_missing_chunk_is_an_error_if_all_were_stored() {
    for sink in [
        (|sink| sink) as fn(ZarrSink) -> ZarrSink,
        |sink| sink.with_codec(Codec::None),
        |sink| sink.with_chunk_shape([1, 3]).with_shard_shape([2, 3]),
    ] {
        let (_directory, path) = stored(sink);
        std::fs::remove_file(path.join("c/1/0")).unwrap();
        let array = StoredArray::open(&path).unwrap();
        for region in [[0..4, 0..6], [3..4, 1..2]] {
            let error = array.read_region(&region).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(matches!(error.defect(), Some(DefectKind::Missing)), "{error}");
            assert_eq!(error.chunk(), Some(&[1, 0][..]), "{error}");
            let error = report(&error);
            assert!(error.contains("could not read chunk [1, 0] (key c/1/0) of "), "{error}");
            assert!(error.contains("a.zarr: "), "{error}");
            assert!(error.contains("it is missing"), "{error}");
        }
        assert_eq!(array.read_region(&[0..4, 3..6]).unwrap().shape(), [4, 3]);

        // Fill values on request, as Zarr specifies, and in an array whose metadata another program
        // wrote.
        let fill = zeros_i32(&[2, 3]);
        let filled = array.clone().with_missing_chunks(MissingChunks::FillValue);
        assert_eq!(filled.read_region(&[2..4, 0..3]).unwrap(), fill);
        edit(&path, |metadata| metadata["shape"] = json!([10, 6]));
        let resized = StoredArray::open(&path).unwrap();
        assert_eq!(resized.read_region(&[2..4, 0..3]).unwrap(), fill);
        let strict = resized.with_missing_chunks(MissingChunks::Error);
        assert!(strict.read_region(&[8..10, 0..3]).is_err());
    }
    let store = Arc::new(MemoryStore::new());
    let array = flat(&[&[2, 3]]).to_zarr(Arc::clone(&store)).unwrap();
    store.delete("c/0/0").unwrap();
    assert_eq!(array.read().unwrap_err().chunk(), Some(&[0, 0][..]));
}

fn zeros_i32(shape: &[usize]) -> ArrayBlock {
    ArrayBlock::new(DType::Int32, shape, zeros(shape).data().clone()).unwrap()
}

#[test]
fn chunks_of_fill_values_are_written() {
    let directory = tempfile::tempdir().unwrap();
    let sinks: [fn(ZarrSink) -> ZarrSink; 2] =
        [|sink| sink.with_chunk_shape([2, 3]), |sink| sink.with_shard_shape([2, 3])];
    for (i, sink) in sinks.into_iter().enumerate() {
        let path = directory.path().join(format!("{i}.zarr"));
        let sink = sink(ZarrSink::new(&path)).with_fill_value(0_f32);
        let stored = flat(&[&[4, 6]]).to_zarr(sink).unwrap();
        for key in ["c/0/0", "c/0/1", "c/1/0", "c/1/1"] {
            assert!(path.join(key).is_file(), "{key}");
        }
        assert_eq!(stored.read().unwrap(), zeros(&[4, 6]));
    }
}

#[test]
fn a_torn_chunk_is_an_error() {
    for sink in [
        (|sink| sink) as fn(ZarrSink) -> ZarrSink,
        |sink| sink.with_codec(Codec::None),
        |sink| sink.with_codec(Codec::None).with_checksum(Checksum::Crc32c),
        |sink| sink.with_codec(Codec::Zstd { level: 3 }),
        |sink| sink.with_codec(Codec::Gzip { level: 3 }),
        |sink| sink.with_chunk_shape([1, 3]).with_shard_shape([2, 3]),
    ] {
        let (_directory, path) = stored(sink);
        let chunk = path.join("c/0/1");
        let bytes = std::fs::read(&chunk).unwrap();
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            std::fs::write(&chunk, &bytes[..length]).unwrap();
            let error = StoredArray::open(&path).unwrap().read().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert_eq!(error.chunk(), Some(&[0, 1][..]), "{error}");
            assert!(
                report(&error).contains("could not read chunk [0, 1] (key c/0/1) of "),
                "{error}"
            );
        }
    }
}

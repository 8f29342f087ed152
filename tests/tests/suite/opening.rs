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

#[test]
fn an_error_names_unknown_metadata() {
    for (change, messages) in [
        (
            (|metadata| metadata["codecs"][1] = json!({"name": "quantum"})) as fn(&mut Value),
            &["cannot open", "a.zarr", "quantum"][..],
        ),
        (|metadata| metadata["data_type"] = json!("float8"), &["cannot open", "float8"]),
        (
            |metadata| metadata["data_type"] = json!("int4"),
            &["its data type int4 is not supported"],
        ),
        (
            |metadata| metadata["fill_value"] = json!("zero"),
            &["cannot open", "a.zarr", "fill value", "zero"],
        ),
        (
            |metadata| metadata["chunk_grid"]["name"] = json!("triangular"),
            &["cannot open", "a.zarr", "triangular"],
        ),
        (|metadata| metadata["shape"] = json!([4]), &["cannot open", "a.zarr"]),
        (|metadata| metadata["zarr_format"] = json!(4), &["cannot open", "a.zarr", "4"]),
        (
            |metadata| metadata["storage_transformers"] = json!([{"name": "mirror"}]),
            &["cannot open", "a.zarr", "mirror"],
        ),
        (
            |metadata| metadata["surprise"] = json!({"must_understand": true}),
            &["cannot open", "a.zarr", "surprise"],
        ),
    ] {
        let (_directory, path) = stored(|sink| sink);
        edit(&path, change);
        assert_not_opened(path, messages);
    }
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

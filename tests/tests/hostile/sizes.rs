//! Shapes, documents and files that are absurd.

use lazy_chunks::zarr::{Checksum, Codec, Error, StoredArray, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, report};
use serde_json::{Value, json};

use super::{array, bytes, examine, metadata, peak};

/// What the array of `metadata` says when it is opened and read.
fn message(change: impl FnOnce(&mut Value)) -> String {
    let mut metadata = metadata(&json!([bytes()]));
    change(&mut metadata);
    let (_directory, path) = array(&metadata, &[0; 24]);
    report(&examine(&path).unwrap_err())
}

fn set_chunks(metadata: &mut Value, shape: &Value) {
    metadata["chunk_grid"]["configuration"]["chunk_shape"] = shape.clone();
}

#[test]
fn chunks_that_memory_cannot_hold() {
    for (shape, bytes) in [
        (json!([1_u64 << 60, 3]), (3_u128 << 62).to_string()),
        (json!([1_u64 << 32, 1_u64 << 32]), (4_u128 << 64).to_string()),
        (json!([u64::MAX, u64::MAX]), u128::MAX.to_string()),
        (json!([1_u64 << 55, 1]), (1_u128 << 57).to_string()),
    ] {
        let message = message(|metadata| set_chunks(metadata, &shape));
        let is_named = message.contains(&format!("stands for {bytes} bytes, which memory cannot"))
            || message.contains("is larger than indices can be");
        assert!(is_named && message.contains("a.zarr cannot be opened"), "{message}");
    }
    // A shard need not be read whole, but its bytes can be counted.
    let sharded = |shard: Value, chunk: Value| {
        message(|metadata| {
            set_chunks(metadata, &shard);
            metadata["codecs"] = json!([{"name": "sharding_indexed", "configuration": {
                "chunk_shape": chunk,
                "codecs": [bytes()],
                "index_codecs": [bytes()]
            }}]);
        })
    };
    let message = sharded(json!([1_u64 << 62, 1_u64 << 62]), json!([1, 1]));
    assert!(message.contains("its shard shape"), "{message}");
    let message = sharded(json!([4, 3]), json!([3, 3]));
    assert!(message.contains("is not a whole number of chunks of shape [3, 3]"), "{message}");
    let message = sharded(json!([4, 3]), json!([4]));
    assert!(message.contains("is not a whole number of chunks of shape [4]"), "{message}");
    // Of the index of these, nothing is there.
    sharded(json!([1_u64 << 40, 3]), json!([1, 3]));
}

#[test]
fn regions_that_memory_cannot_hold() {
    let n = 1_000_000_000_usize;
    let (_directory, path) = array(
        &{
            let mut metadata = metadata(&json!([bytes()]));
            metadata["shape"] = json!([n, n]);
            metadata
        },
        &[0; 24],
    );
    let array = StoredArray::open(&path).unwrap();
    let error = array.read().unwrap_err();
    assert!(
        matches!(error, Error::RegionMemory { bytes: 4_000_000_000_000_000_000, .. }),
        "{error}"
    );
    let message = report(&error);
    assert!(message.ends_with("has 4000000000000000000 bytes, which memory cannot hold"));
    assert_eq!(array.read_region(&[0..2, 0..3]).unwrap().shape(), [2, 3]);
    assert_eq!(array.read_region(&[n - 1..n, n - 1..n]).unwrap().shape(), [1, 1]);
    // It is refused as a whole, and no part of it is wrong.
    assert_eq!(report(&examine(&path).unwrap_err()), message);
}

#[test]
fn metadata_of_every_sort() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    std::fs::create_dir(&path).unwrap();
    let refused = |text: &[u8], messages: &[&str]| {
        for name in ["zarr.json", ".zarray"] {
            std::fs::write(path.join(name), text).unwrap();
            let error = report(&examine(&path).unwrap_err());
            assert!(messages.iter().any(|message| error.contains(message)), "{error}");
            std::fs::remove_file(path.join(name)).unwrap();
        }
    };
    let not_parsed = ["is not the JSON of a Zarr node", "cannot be opened"];
    refused(b"", &not_parsed);
    refused(b"\xff\xfe{}", &not_parsed);
    refused(b"{\"node_type\": \"array\", \"zarr_format\": 3, \"\xff\": 1}", &not_parsed);
    refused("[".repeat(1 << 20).as_bytes(), &not_parsed);
    refused(format!("{{\"a\": {}", "[".repeat(1 << 20)).as_bytes(), &not_parsed);
    refused(
        format!("{}{}", "[".repeat(100), "]".repeat(100)).as_bytes(),
        &["holds no", "cannot be"],
    );
    refused(b"[1, 2, 3]", &not_parsed);
    refused(b"null", &not_parsed);
    refused(b"{\"node_type\": 7}", &["holds no metadata of an array", "cannot be opened"]);

    // Longer than anything that is parsed: it is not even read.
    for name in ["zarr.json", ".zarray"] {
        let file = std::fs::File::create(path.join(name)).unwrap();
        file.set_len(1 << 40).unwrap();
        let error = report(&examine(&path).unwrap_err());
        let message = format!("{name} is not the JSON of a Zarr node: it has 1099511627776 bytes");
        assert!(error.contains(&message), "{error}");
        std::fs::remove_file(path.join(name)).unwrap();
    }
    std::fs::create_dir(path.join("zarr.json")).unwrap();
    let error = report(&examine(&path).unwrap_err());
    assert!(error.contains("it holds no metadata of an array"), "{error}");
}

#[test]
fn a_chunk_that_is_longer_than_memory() {
    let bytes = bytes();
    for codecs in [json!([bytes]), json!([bytes, {"name": "crc32c"}])] {
        let (_directory, path) = array(&metadata(&codecs), &[]);
        let file = std::fs::File::create(path.join("c/0/0")).unwrap();
        file.set_len(1 << 43).unwrap();
        let array = StoredArray::open(&path).unwrap();
        let error = report(&array.read().unwrap_err());
        assert!(error.contains("it has 8796093022208 bytes instead of 2"), "{error}");
    }
}

#[test]
fn verifying_holds_a_few_chunks() {
    let directory = tempfile::tempdir().unwrap();
    let chunk_bytes = 1 << 20;
    for (name, sink) in [
        ("none", (|sink| sink.with_codec(Codec::None)) as fn(ZarrSink) -> ZarrSink),
        ("blosc", |sink| sink),
        ("shards", |sink| sink.with_chunk_shape([1 << 16]).with_shard_shape([1 << 20])),
    ] {
        let path = directory.path().join(name);
        let sink = sink(ZarrSink::new(&path).with_chunk_shape([chunk_bytes]));
        LazyChunkSequence::from_fn(vec![chunk_bytes; 96], |i| {
            ArrayBlock::from_vec([chunk_bytes], vec![i as u8; chunk_bytes]).unwrap()
        })
        .to_zarr(sink.with_checksum(Checksum::Crc32c))
        .unwrap();
        let array = StoredArray::open(&path).unwrap();
        let peak = peak(|| assert_eq!(array.verify().count(), 0));
        let n_threads = std::thread::available_parallelism().unwrap().get();
        assert!(peak <= 4 * n_threads * chunk_bytes, "{name}: {peak} bytes");
    }
}

#[test]
fn any_number_of_axes() {
    for n_axes in [0, 1, 7, 32, 33, 1000] {
        let (_directory, path) = array(
            &{
                let mut metadata = metadata(&json!([bytes()]));
                metadata["shape"] = json!(vec![1; n_axes]);
                set_chunks(&mut metadata, &json!(vec![1; n_axes]));
                metadata
            },
            &[],
        );
        // That of an array without axes has its key to itself.
        std::fs::remove_dir_all(path.join("c")).unwrap();
        let array = StoredArray::open(&path).unwrap();
        let block = array.read().unwrap();
        assert_eq!((block.shape(), block.n_elements()), (&vec![1; n_axes][..], 1));
        // Of those that may be missing, none is listed; of one without axes, it is not known how its key is made.
        assert_eq!(array.verify().n_chunks(), u64::from(n_axes == 0));
        assert_eq!(array.verify().count(), 0);
        examine(&path).unwrap();
    }
    message(|metadata| metadata["shape"] = json!([]));
    message(|metadata| set_chunks(metadata, &json!([])));
    message(|metadata| set_chunks(metadata, &json!([0, 0])));
    // Empty along one axis, and long along the others.
    let mut empty = metadata(&json!([bytes()]));
    empty["shape"] = json!([1_u64 << 62, 0]);
    let (_directory, path) = array(&empty, &[]);
    let _ = examine(&path);
}

//! Absurd sizes of shapes, documents and files.

use lazy_chunks::zarr::{Checksum, Codec, ErrorKind, StoredArray, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, report};
use serde_json::{Value, json};

use super::{array, bytes, examine, metadata, peak};

/// Returns the error of opening or reading an array with changed metadata.
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
fn a_chunk_larger_than_memory_is_an_error() {
    for (shape, bytes) in [
        (json!([1_u64 << 60, 3]), (3_u128 << 62).to_string()),
        (json!([1_u64 << 32, 1_u64 << 32]), (4_u128 << 64).to_string()),
        (json!([u64::MAX, u64::MAX]), u128::MAX.to_string()),
        (json!([1_u64 << 55, 1]), (1_u128 << 57).to_string()),
    ] {
        let message = message(|metadata| set_chunks(metadata, &shape));
        let is_named = message.contains(&format!("which has {bytes} bytes"))
            || message.contains("is too large for indices");
        assert!(is_named && message.starts_with("cannot open "), "{message}");
    }
    // A shard need not be read as a whole, but its size in bytes must be a number.
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
    assert!(message.contains("memory cannot hold a shard of shape"), "{message}");
    let message = sharded(json!([4, 3]), json!([3, 3]));
    assert!(message.contains("is not a multiple of the chunk shape [3, 3]"), "{message}");
    let message = sharded(json!([4, 3]), json!([4]));
    assert!(message.contains("is not a multiple of the chunk shape [4]"), "{message}");
    // These shards have an index, but no bytes of it are stored.
    sharded(json!([1_u64 << 40, 3]), json!([1, 3]));
}

/// Replaces the grid by a rectilinear one with these sizes of chunks.
fn set_sizes(metadata: &mut Value, shape: &Value, sizes: &Value) {
    metadata["shape"] = shape.clone();
    metadata["chunk_grid"] = json!({
        "name": "rectilinear",
        "configuration": {"kind": "inline", "chunk_shapes": sizes}
    });
}

#[test]
fn runs_of_chunks_are_not_expanded_without_bound() {
    let (tera, most) = (1_u64 << 40, 1_u64 << 20);
    for (shape, sizes, kind, expected) in [
        (json!([2, 3]), json!([[[1, tera]], 3]), ErrorKind::Unsupported, "more than 1048576 sizes"),
        (json!([tera, 3]), json!([[[1, tera]], 3]), ErrorKind::Unsupported, "more than 1048576"),
        (
            json!([2, 3]),
            json!([[[1, u64::MAX], [2, u64::MAX]], [[3, u64::MAX]]]),
            ErrorKind::Unsupported,
            "more than 1048576 sizes",
        ),
        // Many short runs, and many sizes along several axes.
        (
            json!([2, 3]),
            json!([vec![json!([1, most / 4]); 5], [3]]),
            ErrorKind::Unsupported,
            "more than 1048576 sizes",
        ),
        (
            json!([2, 3]),
            json!([[[1, most / 2]], [[1, most / 2 + 1]]]),
            ErrorKind::Unsupported,
            "more than 1048576 sizes",
        ),
        (
            json!([2, 3]),
            json!([[u64::MAX, 2], [3]]),
            ErrorKind::Unsupported,
            "axis 0 are too large",
        ),
        (
            json!([2, 3]),
            json!([[2], [[1_u64 << 44, 1 << 19]]]),
            ErrorKind::Unsupported,
            "axis 1 are too",
        ),
        (json!([2, 3]), json!([1_u64 << 60, [3]]), ErrorKind::Memory, "memory cannot hold a chunk"),
        (
            json!([2, 3]),
            json!([[2], [3, tera << 10]]),
            ErrorKind::Memory,
            "memory cannot hold a chunk",
        ),
        (json!([5, 3]), json!([[2, 2], [3]]), ErrorKind::Corrupt, "cover 4 elements along axis 0"),
        (json!([2, 3]), json!([[2]]), ErrorKind::Corrupt, "its chunk grid, 1, does not match"),
        (json!([2, 3]), json!([[2, 0], [3]]), ErrorKind::Corrupt, "invalid value: integer `0`"),
        (json!([2, 3]), json!([[[2, 0]], [3]]), ErrorKind::Corrupt, "invalid value: integer `0`"),
        (json!([2, 3]), json!([0, [3]]), ErrorKind::Corrupt, "invalid value: integer `0`"),
        (json!([2, 3]), json!([[-2], [3]]), ErrorKind::Corrupt, "invalid type: integer `-2`"),
        (json!([2, 3]), json!([[2.0], [3]]), ErrorKind::Corrupt, "invalid type: floating"),
        (json!([2, 3]), json!([[[2]], [3]]), ErrorKind::Corrupt, "a run has two numbers"),
        (json!([2, 3]), json!([[[2, 1, 1]], [3]]), ErrorKind::Corrupt, "a run has two numbers"),
        (json!([2, 3]), json!([[[[2, 1]]], [3]]), ErrorKind::Corrupt, "invalid type: sequence"),
        (json!([2, 3]), json!(["2", [3]]), ErrorKind::Corrupt, "invalid type: string"),
        (json!([2, 3]), json!(2), ErrorKind::Corrupt, "invalid type: integer `2`"),
        (json!([0, 3]), json!([[], [3]]), ErrorKind::Unsupported, "no chunk along axis 0"),
    ] {
        let mut metadata = metadata(&json!([bytes()]));
        set_sizes(&mut metadata, &shape, &sizes);
        let (_directory, path) = array(&metadata, &[0; 24]);
        let error = examine(&path).unwrap_err();
        assert_eq!(error.kind(), kind, "{}", report(&error));
        assert!(report(&error).contains(expected), "{}", report(&error));
    }
    for configuration in [json!({"kind": "inline"}), json!({"chunk_shapes": [[2], [3]]}), json!({})]
    {
        let error = message(|metadata| {
            set_sizes(metadata, &json!([2, 3]), &json!([]));
            metadata["chunk_grid"]["configuration"] = configuration;
        });
        assert!(
            error.contains("its metadata is invalid: its entry `chunk_grid` is invalid: missing")
        );
    }
    let error = message(|metadata| {
        set_sizes(metadata, &json!([2, 3]), &json!([[2], [3]]));
        metadata["chunk_grid"]["configuration"]["kind"] = json!("elsewhere");
    });
    assert!(error.contains("the kind \"elsewhere\" of its chunk grid is not supported"), "{error}");
    // The old grid of zarrs lists sizes, too.
    let error = message(|metadata| {
        let sizes = json!([[u64::MAX, u64::MAX], 3]);
        let configuration = json!({"chunk_shape": sizes});
        metadata["chunk_grid"] = json!({"name": "rectangular", "configuration": configuration});
    });
    assert!(error.contains("along axis 0 are too large for indices"), "{error}");
}

#[test]
fn as_many_chunks_as_allowed_are_opened() {
    // One chunk is stored, and 2^20 - 2 more are declared.
    let mut metadata = metadata(&json!([bytes()]));
    let n = (1_u64 << 20) - 2;
    set_sizes(&mut metadata, &json!([n + 1, 3]), &json!([[2, [1, n]], [3]]));
    let (_directory, path) = array(&metadata, &[0; 24]);
    examine(&path).unwrap();
    let array = StoredArray::open(&path).unwrap();
    assert_eq!(array.stored_size().unwrap().n_chunks, n);
    assert_eq!(array.chunk_sizes(0).unwrap().n_blocks() as u64, n);
    // Listing the chunks of a regular grid would take more memory than there is.
    set_sizes(&mut metadata, &json!([1_u64 << 61, 3]), &json!([1, 3]));
    let (_directory, path) = self::array(&metadata, &[0; 12]);
    let error = StoredArray::open(&path).unwrap().chunk_sizes(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
}

#[test]
fn shards_that_are_no_multiples_of_chunks_are_an_error() {
    let mut metadata = metadata(&json!([{"name": "sharding_indexed", "configuration": {
        "chunk_shape": [2, 3], "codecs": [bytes()], "index_codecs": [bytes()]
    }}]));
    for sizes in [json!([[3, 4], [3]]), json!([[4, 3], [3]]), json!([[[2, 2], 3], [3]])] {
        set_sizes(&mut metadata, &json!([7, 3]), &sizes);
        let (_directory, path) = array(&metadata, &[0; 24]);
        examine(&path).unwrap_err();
    }
}

#[test]
fn a_region_larger_than_memory_is_an_error() {
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
    assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
    let message = report(&error);
    assert!(message.starts_with("memory cannot hold the region "), "{message}");
    assert!(message.ends_with("which has 4000000000000000000 bytes"), "{message}");
    assert_eq!(array.read_region(&[0..2, 0..3]).unwrap().shape(), [2, 3]);
    assert_eq!(array.read_region(&[n - 1..n, n - 1..n]).unwrap().shape(), [1, 1]);
    // Reading the whole array is the only error: every region within it is valid.
    assert_eq!(report(&examine(&path).unwrap_err()), message);
}

#[test]
fn metadata_of_every_sort_is_an_error() {
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
    let not_parsed = ["is not valid JSON", "cannot open"];
    refused(b"", &not_parsed);
    refused(b"\xff\xfe{}", &not_parsed);
    refused(b"{\"node_type\": \"array\", \"zarr_format\": 3, \"\xff\": 1}", &not_parsed);
    refused("[".repeat(1 << 20).as_bytes(), &not_parsed);
    refused(format!("{{\"a\": {}", "[".repeat(1 << 20)).as_bytes(), &not_parsed);
    refused(
        format!("{}{}", "[".repeat(100), "]".repeat(100)).as_bytes(),
        &["has no array metadata", "is not valid JSON", "cannot open"],
    );
    refused(b"[1, 2, 3]", &not_parsed);
    refused(b"null", &not_parsed);
    refused(b"{\"node_type\": 7}", &["has no array metadata", "cannot open"]);

    // Longer than the limit for parsing: the file is not even read.
    for name in ["zarr.json", ".zarray"] {
        let file = std::fs::File::create(path.join(name)).unwrap();
        file.set_len(1 << 40).unwrap();
        let error = report(&examine(&path).unwrap_err());
        let message = format!("{name} has 1099511627776 bytes, but at most ");
        assert!(error.contains(&message), "{error}");
        std::fs::remove_file(path.join(name)).unwrap();
    }
    std::fs::create_dir(path.join("zarr.json")).unwrap();
    let error = report(&examine(&path).unwrap_err());
    assert!(error.contains("it has no array metadata"), "{error}");
}

#[test]
fn a_chunk_file_larger_than_memory_is_an_error() {
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
fn verifying_holds_few_chunks_in_memory() {
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
fn an_array_may_have_any_number_of_axes() {
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
        // The chunk of an array without axes has the key `c`, which must not be a directory here.
        std::fs::remove_dir_all(path.join("c")).unwrap();
        let array = StoredArray::open(&path).unwrap();
        let block = array.read().unwrap();
        assert_eq!((block.shape(), block.n_elements()), (&vec![1; n_axes][..], 1));
        // Chunks that may be missing are listed from the directory, and there are none. For an
        // array without axes, the encoding of the key is unknown.
        assert_eq!(array.verify().n_chunks(), u64::from(n_axes == 0));
        assert_eq!(array.verify().count(), 0);
        examine(&path).unwrap();
    }
    message(|metadata| metadata["shape"] = json!([]));
    message(|metadata| set_chunks(metadata, &json!([])));
    message(|metadata| set_chunks(metadata, &json!([0, 0])));
    // Empty along one axis, and very long along the other.
    let mut empty = metadata(&json!([bytes()]));
    empty["shape"] = json!([1_u64 << 62, 0]);
    let (_directory, path) = array(&empty, &[]);
    let _ = examine(&path);
}

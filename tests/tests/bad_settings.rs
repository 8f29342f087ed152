//! What settings and targets that make no sense get: an error before the first block is computed.

use std::sync::Arc;

use lazy_chunks::zarr::{
    self, Existing, MemoryStore, ReadableWritableListableStorageTraits, StoredArray, Target,
    ToZarr, ZarrSink,
};
use lazy_chunks::{Cut, DType, report};
use lazy_tests::{
    Fault, FaultyFileSystem, assert_not_stored, assert_target_refused, flat, names, nested,
    never_computed,
};

#[test]
fn an_existing_array_is_an_error_before_the_first_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    flat(&[&[1, 2]]).to_zarr(&path).unwrap();
    assert_target_refused(&path, "a.zarr exists already");
    assert_eq!(names(directory.path()), ["a.zarr"]);

    let store = Arc::new(MemoryStore::new());
    flat(&[&[1, 2]]).to_zarr(Arc::clone(&store)).unwrap();
    assert_target_refused(Arc::clone(&store), "store:/ exists already");
    let replace = ZarrSink::new(Arc::clone(&store)).with_existing(Existing::Replace);
    assert_target_refused(replace, "lies in a store that cannot rename");
    assert_eq!(StoredArray::open(store).unwrap().shape(), [1, 2]);
}

#[test]
fn what_is_no_array_is_never_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("file"), "precious").unwrap();
    std::fs::create_dir(path("directory")).unwrap();
    std::fs::write(path("directory/file"), "precious").unwrap();
    std::fs::create_dir(path("group")).unwrap();
    std::fs::write(path("group/zarr.json"), r#"{"zarr_format":3,"node_type":"group"}"#).unwrap();
    std::fs::create_dir(path("v2")).unwrap();
    std::fs::write(path("v2/.zgroup"), "{}").unwrap();
    std::fs::create_dir(path("broken")).unwrap();
    std::fs::write(path("broken/zarr.json"), "{").unwrap();

    for existing in [Existing::Fail, Existing::Replace, Existing::ReplaceInPlace] {
        let sink = |name| ZarrSink::new(path(name)).with_existing(existing);
        assert_target_refused(sink("file"), "is a file, which is never overwritten");
        assert_target_refused(sink("directory"), "holds data that is no Zarr array");
        assert_target_refused(sink("broken"), "broken/zarr.json is not the JSON of a Zarr node");
        let group = "is a Zarr group, which is never replaced by an array";
        assert_target_refused(sink("group"), group);
        assert_target_refused(sink("v2"), group);
        assert_target_refused(sink("file/below.zarr"), "cannot be written");
    }
    assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "precious");
    assert_eq!(std::fs::read_to_string(path("directory/file")).unwrap(), "precious");
    assert_eq!(names(directory.path()), ["broken", "directory", "file", "group", "v2"]);

    let store = Arc::new(MemoryStore::new());
    flat(&[&[1]]).to_zarr(Target::in_store(Arc::clone(&store), "/a/b")).unwrap();
    assert_target_refused(Target::in_store(store, "/a"), "holds data that is no Zarr array");
}

#[test]
fn an_array_holds_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    flat(&[&[1, 2]]).to_zarr(&path).unwrap();
    assert_target_refused(path.join("b/c.zarr"), "lies in the Zarr array");
    assert_target_refused(path.join("c/b.zarr"), "lies in the Zarr array");

    let store = Arc::new(MemoryStore::new());
    flat(&[&[1, 2]]).to_zarr(Target::in_store(Arc::clone(&store), "/a")).unwrap();
    assert_target_refused(Target::in_store(store, "/a/x/b"), "lies in the Zarr array store:/a/");
}

#[test]
fn consolidated_metadata_is_not_made_untrue() {
    let directory = tempfile::tempdir().unwrap();
    let group = directory.path().join("group");
    std::fs::create_dir_all(group.join("below")).unwrap();
    let metadata = r#"{"zarr_format":3,"node_type":"group","consolidated_metadata":{}}"#;
    std::fs::write(group.join("zarr.json"), metadata).unwrap();
    for path in ["a.zarr", "below/a.zarr"] {
        assert_target_refused(group.join(path), "whose consolidated metadata would no longer be");
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_is_no_vacant_place() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(directory.path().join("missing"), &link).unwrap();
    assert_target_refused(&link, "is a file, which is never overwritten");
}

#[test]
fn what_an_unset_variable_names_is_refused() {
    assert_target_refused("", "is no path of an array: it is empty");
    assert_target_refused(Target::from("").member("a"), "is no path of an array: it is empty");
}

#[test]
fn paths_through_directories_that_do_not_exist_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    flat(&[&[1]]).to_zarr(directory.join("old.zarr")).unwrap();
    for target in ["missing/../old.zarr", "missing/../new.zarr"] {
        assert_target_refused(directory.join(target), "`..` follows a directory that does");
    }
    assert_target_refused(directory.join("old.zarr/../old.zarr"), "exists already");
    assert_eq!(names(&directory), ["old.zarr"]);
}

/// No directory is moved, so neither a mount point nor the working directory is a matter, nor a directory above
/// that may not be written.
#[test]
fn a_file_that_cannot_be_created_is_an_error_before_the_first_block() {
    let directory = tempfile::tempdir().unwrap();
    let old = directory.path().join("old.zarr");
    flat(&[&[2, 3]]).to_zarr(&old).unwrap();
    for n in 0..4 {
        let fault = Fault { change: Some(n), ..Fault::default() };
        let disk = FaultyFileSystem::new(fault);
        let sink = ZarrSink::new(Target::on(disk, &old)).with_existing(Existing::Replace);
        assert_target_refused(sink, "old.zarr cannot be written: nothing can be created in");
        assert_eq!(names(&old), ["c", "zarr.json"]);
    }
}

#[test]
fn metadata_that_is_no_json_is_neither_a_group_nor_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let metadata = r#"{"zarr_format":3,"node_type":"array","attributes":{"loss":NaN}}"#;
    std::fs::write(directory.path().join("zarr.json"), metadata).unwrap();
    let keys: Arc<dyn ReadableWritableListableStorageTraits> = Arc::clone(&store) as Arc<_>;
    keys.set(&"zarr.json".try_into().unwrap(), metadata.into()).unwrap();
    for target in [Target::from(directory.path()), Target::from(store)] {
        let message = "zarr.json is not the JSON of a Zarr node: expected value at line 1";
        for target in [target.clone(), target.clone().member("a"), target.clone().member("a")] {
            assert_target_refused(target, message);
        }
        let error = report(&StoredArray::open(target).unwrap_err());
        assert!(error.contains(message), "{error}");
    }
    assert_target_refused(directory.path().join("a/b"), "is not the JSON of a Zarr node");
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_before_the_first_block() {
    let directory = tempfile::tempdir().unwrap();
    let file_system =
        Arc::new(FaultyFileSystem::new(Fault { change: Some(0), ..Fault::default() }));
    let target = Target::on(file_system, directory.path().join("a.zarr"));
    assert_target_refused(target, "a.zarr cannot be written: nothing can be created in");
}

#[test]
fn targets_are_paths_file_urls_and_stores() {
    assert_target_refused("s3://bucket/a.zarr", "s3://bucket/a.zarr has the scheme s3");
    assert_target_refused("file://elsewhere/a.zarr", "it names a host");
    assert_target_refused("file:/a.zarr", "it has no :// behind its scheme");
    let store = || Arc::new(MemoryStore::new());
    assert_target_refused(Target::in_store(store(), "a"), "is no path within a store");
    assert_target_refused(Target::in_store(store(), "/a//b"), "is no path within a store");
}

#[test]
fn chunk_shapes_fit_the_array() {
    let zero = |target: Target| ZarrSink::new(target).with_chunk_shape([2, 0]);
    let message =
        "the chunk shape [2, 0] is impossible: it has at least one element along each axis";
    assert_not_stored(&flat(&[&[2, 3]]), zero, message);
    assert_target_refused(zero("unused.zarr".into()), message);

    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_chunk_shape([2]),
        "the chunk shape [2] does not have the array's 2 axes",
    );
    let declared = never_computed().with_row_type(DType::Float32, [3]);
    let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_chunk_shape([2]);
    assert!(matches!(declared.to_zarr(sink), Err(zarr::Error::ChunkRank { n_axes: 2, .. })));

    assert_not_stored(
        &nested(&[&[&[2, 3]]]),
        |target| ZarrSink::new(target).with_chunk_shape([usize::MAX / 8, 3]),
        "the chunk shape [2305843009213693951, 3] is impossible: it is larger than memory can be",
    );
}

#[test]
fn a_chunk_fits_into_memory() {
    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_codec(zarr::Codec::None).with_chunk_shape([1 << 50, 3]),
        "the chunk shape [1125899906842624, 3] is impossible: there is no memory for it",
    );
}

#[test]
fn shards_are_whole_chunks() {
    assert_target_refused(
        ZarrSink::new("unused.zarr").with_shard_shape([4, 0]),
        "the shard shape [4, 0] is impossible: it has at least one element along each axis",
    );
    for shard_shape in [vec![4, 7], vec![5, 6], vec![4], vec![2, 3]] {
        let message = format!(
            "the shard shape {shard_shape:?} is not a whole number of chunks of shape [4, 3] along \
             each axis"
        );
        let sink = ZarrSink::new("unused.zarr").with_chunk_shape([4, 3]);
        assert_target_refused(sink.with_shard_shape(shard_shape), &message);
    }
    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_shard_shape([2]),
        "the shard shape [2] does not have the array's 2 axes",
    );
    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_shard_shape([usize::MAX / 8, 3]),
        "the shard shape [2305843009213693951, 3] is impossible: it is larger than memory can be",
    );
}

#[test]
fn a_codec_takes_the_chunk() {
    // 2 GiB, by the shape and by the bytes that automatic chunks may have.
    let message = "chunks of 2147483648 bytes are more than the 2147483631 that the codec blosc \
                   takes";
    let sinks: [fn(Target) -> ZarrSink; 2] = [
        |target| ZarrSink::new(target).with_chunk_shape([1 << 19, 1 << 10]),
        |target| ZarrSink::new(target).with_chunk_bytes(1 << 31),
    ];
    for sink in sinks {
        assert_not_stored(&flat(&[&[2, 3]]), sink, message);
        let declared = never_computed().with_row_type(DType::Float32, [3]);
        let error = declared.to_zarr(sink(Arc::new(MemoryStore::new()).into())).unwrap_err();
        assert_eq!(report(&error), message);
    }
}

#[test]
fn attributes_are_json() {
    let refused = |sink: ZarrSink, message: &str| assert_target_refused(sink, message);
    let sink = || ZarrSink::new("unused.zarr");
    let no_number = "the attribute \"a\" cannot be stored: it holds NaN or an infinity, which JSON \
                     does not have";
    refused(sink().with_attribute("a", f64::NAN), no_number);
    refused(sink().with_attribute("a", [Some(1.0), Some(f32::INFINITY), None]), no_number);
    let nested = std::collections::BTreeMap::from([("x", vec![f64::NEG_INFINITY])]);
    refused(sink().with_attribute("a", nested), no_number);
    let keys = std::collections::BTreeMap::from([([1, 2], 3)]);
    refused(
        sink().with_attribute("a", keys),
        "the attribute \"a\" cannot be stored: key must be a string",
    );
    let mut deep = serde_json::json!(1);
    for _ in 0..200 {
        deep = serde_json::json!([deep]);
    }
    refused(sink().with_attribute("a", deep), "recursion limit exceeded");
    let replaced = sink().with_attribute("a", f64::NAN).with_attribute("a", 1.0);
    refused(replaced.with_writer_threads(0), "the number of writer threads is 0");
    refused(
        sink().with_attribute("provenance", "mine"),
        "the attribute \"provenance\" cannot be stored: its name is that of what the sink writes \
         down itself",
    );
}

#[test]
fn the_memory_of_any_array_has_a_bound() {
    let sinks: [fn(ZarrSink) -> ZarrSink; 5] = [
        |sink| sink,
        |sink| sink.with_chunk_bytes(1),
        |sink| sink.with_chunk_bytes(usize::MAX).with_codec(zarr::Codec::None),
        |sink| sink.with_shard_bytes(0),
        |sink| sink.with_shard_bytes(usize::MAX),
    ];
    let sizes = [0, 1, 10, usize::MAX];
    for sink in sinks {
        for (rows, columns) in sizes.iter().flat_map(|rows| sizes.map(|columns| (*rows, columns))) {
            for (cut, width) in [(Cut::Rows, columns), (Cut::RowsAndColumns, 10)] {
                let sink = sink(ZarrSink::new("unused"));
                sink.memory_bound(cut, DType::Float32, &[width], &[rows, columns]).unwrap();
            }
        }
    }
}

#[test]
fn settings_make_sense() {
    use zarr::{BloscCompressor, Codec, Shuffle};

    assert_target_refused(
        ZarrSink::new("unused.zarr").with_codec(Codec::Zstd { level: 23 }),
        "the zstd level is 23, but it must be between -131072 and 22",
    );
    assert_target_refused(
        ZarrSink::new("unused.zarr").with_codec(Codec::Gzip { level: 10 }),
        "the gzip level is 10, but it must be between 0 and 9",
    );
    let (compressor, shuffle) = (BloscCompressor::Lz4, Shuffle::Bit);
    assert_target_refused(
        ZarrSink::new("unused.zarr").with_codec(Codec::Blosc { compressor, level: 10, shuffle }),
        "the blosc level is 10, but it must be between 0 and 9",
    );
    assert_target_refused(
        ZarrSink::new("unused.zarr").with_writer_threads(0),
        "the number of writer threads is 0, but it must be between 1 and 1024",
    );
    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_dimension_names(["row"]),
        "there are 1 dimension names [\"row\"], but the array has 2 axes",
    );
    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_fill_value(0_f64),
        "the fill value has dtype float64, but the array has float32",
    );
}

#[test]
fn reading_names_what_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let stored = flat(&[&[2, 3]]).to_zarr(directory.path().join("b.zarr")).unwrap();
    let reversed = std::ops::Range { start: 1, end: 0 };
    for region in [vec![0..3, 0..3], vec![0..2, 0..3, 0..1], vec![reversed, 0..3]] {
        let error = report(&stored.read_region(&region).unwrap_err());
        assert!(error.contains("does not lie within an array of shape [2, 3]"), "{error}");
    }
    assert_eq!(
        report(&stored.sequence([1, 2]).unwrap_err()),
        "blocks of 3 elements in all do not cut axis 0 of an array of shape [2, 3]"
    );
    assert!(stored.nested_sequence([2], [2]).is_err());
}

#[test]
fn a_target_that_is_named_twice_in_a_pass_is_said_to_be_that() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let twice = [ZarrSink::new(&path), ZarrSink::new(directory.path().join("./a.zarr"))];
    let error = zarr::Error::from(never_computed().compute(twice.to_vec()).unwrap_err());
    let target = directory.path().join("./a.zarr");
    assert_eq!(error.to_string(), format!("{} is being written by this process", target.display()));
    assert!(error.hint().unwrap().contains("name each target of a pass once"));
    assert!(names(directory.path()).is_empty());
}

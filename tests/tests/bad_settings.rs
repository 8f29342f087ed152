//! Invalid settings and targets: each is an error before the first block is computed.

use std::sync::Arc;

use lazy_chunks::zarr::{
    self, ErrorKind, Existing, MemoryStore, PutCondition, Store, StoredArray, Target, ToZarr,
    ZarrSink,
};
use lazy_chunks::{
    Cut, DType, LazyChunkSequence, NdarrayConverter, NestedLazyChunkSequence, SequenceSpec, report,
};
use lazy_tests::{
    Fault, FaultyFileSystem, assert_not_stored, assert_target_refused, flat, names, nested,
    never_computed, spec,
};
use ndarray::Array2;

#[test]
fn an_existing_array_is_an_error_before_the_first_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    flat(&[&[1, 2]]).to_zarr(&path).unwrap();
    assert_target_refused(&path, "a.zarr already exists");
    assert_eq!(names(directory.path()), ["a.zarr"]);

    let store = Arc::new(MemoryStore::new());
    flat(&[&[1, 2]]).to_zarr(Arc::clone(&store)).unwrap();
    assert_target_refused(Arc::clone(&store), "store:/ already exists");
    assert_eq!(StoredArray::open(store).unwrap().shape(), [1, 2]);
}

#[test]
fn existing_data_that_is_not_an_array_is_never_changed() {
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

    for existing in [Existing::Fail, Existing::Replace] {
        let sink = |name| ZarrSink::new(path(name)).with_existing(existing);
        assert_target_refused(sink("file"), "it is a file");
        assert_target_refused(sink("directory"), "it holds data other than a Zarr array");
        assert_target_refused(sink("broken"), "broken/zarr.json is not valid JSON");
        let group = "it is a Zarr group";
        assert_target_refused(sink("group"), group);
        assert_target_refused(sink("v2"), group);
        assert_target_refused(sink("file/below.zarr"), "could not create files in");
    }
    assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "precious");
    assert_eq!(std::fs::read_to_string(path("directory/file")).unwrap(), "precious");
    assert_eq!(names(directory.path()), ["broken", "directory", "file", "group", "v2"]);

    let store = Arc::new(MemoryStore::new());
    flat(&[&[1]]).to_zarr(Target::in_store(Arc::clone(&store), "/a/b")).unwrap();
    assert_target_refused(Target::in_store(store, "/a"), "it holds data other than a Zarr array");
}

#[test]
fn an_array_inside_another_array_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    flat(&[&[1, 2]]).to_zarr(&path).unwrap();
    assert_target_refused(path.join("b/c.zarr"), "it lies inside the Zarr array");
    assert_target_refused(path.join("c/b.zarr"), "it lies inside the Zarr array");

    let store = Arc::new(MemoryStore::new());
    flat(&[&[1, 2]]).to_zarr(Target::in_store(Arc::clone(&store), "/a")).unwrap();
    assert_target_refused(
        Target::in_store(store, "/a/x/b"),
        "it lies inside the Zarr array store:/a/",
    );
}

#[test]
fn a_group_with_consolidated_metadata_accepts_no_new_array() {
    let directory = tempfile::tempdir().unwrap();
    let group = directory.path().join("group");
    std::fs::create_dir_all(group.join("below")).unwrap();
    let metadata = r#"{"zarr_format":3,"node_type":"group","consolidated_metadata":{}}"#;
    std::fs::write(group.join("zarr.json"), metadata).unwrap();
    for path in ["a.zarr", "below/a.zarr"] {
        assert_target_refused(group.join(path), "it would make the consolidated metadata of");
    }
}

#[cfg(unix)]
#[test]
fn a_dangling_link_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(directory.path().join("missing"), &link).unwrap();
    assert_target_refused(&link, "link is a symbolic link to a missing path");
}

#[test]
fn an_empty_path_is_an_error() {
    assert_target_refused("", "invalid path \"\": it is empty");
    assert_target_refused(Target::from("").member("a"), "invalid path \"\": it is empty");
}

#[test]
fn a_path_through_a_missing_directory_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    flat(&[&[1]]).to_zarr(directory.join("old.zarr")).unwrap();
    for target in ["missing/../old.zarr", "missing/../new.zarr"] {
        assert_target_refused(directory.join(target), "`..` follows a directory that does");
    }
    assert_target_refused(directory.join("old.zarr/../old.zarr"), "already exists");
    assert_eq!(names(&directory), ["old.zarr"]);
}

/// No directory is moved. So mount points, the working directory and read-only parent directories
/// do not matter.
#[test]
fn a_file_that_cannot_be_created_is_an_error_before_the_first_block() {
    let directory = tempfile::tempdir().unwrap();
    let old = directory.path().join("old.zarr");
    flat(&[&[2, 3]]).to_zarr(&old).unwrap();
    for n in 0..4 {
        let fault = Fault { change: Some(n), ..Fault::default() };
        let disk = FaultyFileSystem::new(fault);
        let sink = ZarrSink::new(Target::on(disk, &old)).with_existing(Existing::Replace);
        assert_target_refused(sink, "old.zarr: could not create files in");
        assert_eq!(names(&old), ["c", "zarr.json"]);
    }
}

#[test]
fn metadata_that_is_not_json_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(MemoryStore::new());
    let metadata = r#"{"zarr_format":3,"node_type":"array","attributes":{"loss":NaN}}"#;
    std::fs::write(directory.path().join("zarr.json"), metadata).unwrap();
    store.put("zarr.json", metadata.into(), PutCondition::Always).unwrap();
    for target in [Target::from(directory.path()), Target::from(store)] {
        let message = "zarr.json is not valid JSON: expected value at line 1";
        for target in [target.clone(), target.member("a"), target.member("a")] {
            assert_target_refused(target, message);
        }
        let error = report(&StoredArray::open(target).unwrap_err());
        assert!(error.contains(message), "{error}");
    }
    assert_target_refused(directory.path().join("a/b"), "is not valid JSON");
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_before_the_first_block() {
    let directory = tempfile::tempdir().unwrap();
    let file_system =
        Arc::new(FaultyFileSystem::new(Fault { change: Some(0), ..Fault::default() }));
    let target = Target::on(file_system, directory.path().join("a.zarr"));
    assert_target_refused(target, "a.zarr: could not create files in");
}

#[test]
fn targets_are_paths_urls_and_stores() {
    assert_target_refused(
        "gopher://host/a.zarr",
        "the scheme gopher of gopher://host/a.zarr is not supported",
    );
    assert_target_refused("file://elsewhere/a.zarr", "it names a host");
    assert_target_refused("file:/a.zarr", "it has no :// after its scheme");
    let store = || Arc::new(MemoryStore::new());
    assert_target_refused(Target::in_store(store(), "a"), "invalid path \"a\" in a store");
    assert_target_refused(Target::in_store(store(), "/a//b"), "invalid path \"/a//b\" in a store");
}

#[test]
fn a_chunk_shape_that_does_not_fit_the_array_is_an_error() {
    let zero = |target: Target| ZarrSink::new(target).with_chunk_shape([2, 0]);
    let message = "invalid chunk shape [2, 0]: every axis must have at least one element";
    assert_not_stored(&flat(&[&[2, 3]]), zero, message);
    assert_target_refused(zero("unused.zarr".into()), message);

    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_chunk_shape([2]),
        "the chunk shape [2] has 1 axis, but the array has 2",
    );
    let declared = never_computed().with_row_type(DType::Float32, [3]);
    let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_chunk_shape([2]);
    let error = declared.to_zarr(sink).unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::InvalidSetting, Some("chunk shape")));
    assert_eq!(report(&error), "the chunk shape [2] has 1 axis, but the array has 2");

    assert_not_stored(
        &nested(&[&[&[2, 3]]]),
        |target| ZarrSink::new(target).with_chunk_shape([usize::MAX / 8, 3]),
        "invalid chunk shape [2305843009213693951, 3]: it is larger than any memory",
    );
}

#[test]
fn a_chunk_larger_than_memory_is_an_error() {
    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_codec(zarr::Codec::None).with_chunk_shape([1 << 50, 3]),
        "invalid chunk shape [1125899906842624, 3]: memory cannot hold it",
    );
}

#[test]
fn a_shard_that_is_not_whole_chunks_is_an_error() {
    assert_target_refused(
        ZarrSink::new("unused.zarr").with_shard_shape([4, 0]),
        "invalid shard shape [4, 0]: every axis must have at least one element",
    );
    for shard_shape in [vec![4, 7], vec![5, 6], vec![4], vec![2, 3]] {
        let message =
            format!("the shard shape {shard_shape:?} is not a multiple of the chunk shape [4, 3]");
        let sink = ZarrSink::new("unused.zarr").with_chunk_shape([4, 3]);
        assert_target_refused(sink.with_shard_shape(shard_shape), &message);
    }
    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_shard_shape([2]),
        "the shard shape [2] has 1 axis, but the array has 2",
    );
    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_shard_shape([usize::MAX / 8, 3]),
        "invalid shard shape [2305843009213693951, 3]: it is larger than any memory",
    );
}

#[test]
fn a_chunk_too_large_for_the_codec_is_an_error() {
    // 2 GiB, from the shape and from the size of automatic chunks.
    let message =
        "a chunk has 2147483648 bytes, but the codec blosc takes at most 2147483631 bytes";
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
fn an_attribute_that_is_not_json_is_an_error() {
    let refused = |sink: ZarrSink, message: &str| assert_target_refused(sink, message);
    let sink = || ZarrSink::new("unused.zarr");
    let no_number = "cannot store the attribute \"a\": it contains NaN or an infinity, which JSON \
                     cannot represent";
    refused(sink().with_attribute("a", f64::NAN), no_number);
    refused(sink().with_attribute("a", [Some(1.0), Some(f32::INFINITY), None]), no_number);
    let nested = std::collections::BTreeMap::from([("x", vec![f64::NEG_INFINITY])]);
    refused(sink().with_attribute("a", nested), no_number);
    let keys = std::collections::BTreeMap::from([([1, 2], 3)]);
    refused(
        sink().with_attribute("a", keys),
        "cannot store the attribute \"a\": key must be a string",
    );
    let mut deep = serde_json::json!(1);
    for _ in 0..200 {
        deep = serde_json::json!([deep]);
    }
    refused(sink().with_attribute("a", deep), "recursion limit exceeded");
    let replaced = sink().with_attribute("a", f64::NAN).with_attribute("a", 1.0);
    refused(replaced.with_writer_threads(1025), "writer threads must be at most 1024");
    refused(
        sink().with_attribute("provenance", "mine"),
        "cannot store the attribute \"provenance\": the name is reserved",
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
                sink.memory_bound(&spec(cut, DType::Float32, [width]), &[rows, columns]).unwrap();
            }
        }
    }
}

#[test]
fn a_memory_bound_needs_a_row_type_and_a_block_that_fits_it() {
    let sink = ZarrSink::new("unused");
    let streamed = SequenceSpec::streamed(Cut::Rows, None);
    for (spec, block_shape) in [
        (&streamed, &[2, 3][..]),
        (&spec(Cut::Rows, DType::Float32, [3]), &[2]),
        (&spec(Cut::Rows, DType::Float32, [3]), &[2, 3, 4]),
        (&spec(Cut::RowsAndColumns, DType::Float32, []), &[2]),
    ] {
        let error = sink.memory_bound(spec, block_shape).unwrap_err();
        assert_eq!(error.kind(), zarr::ErrorKind::InvalidSetting, "{error}");
    }
}

#[test]
fn a_memory_limit_is_kept_or_refused_before_the_first_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("array.zarr");
    let shapes = [(Cut::Rows, [4, 32]), (Cut::RowsAndColumns, [4, 8])];
    for ((cut, block_shape), chunk) in
        shapes.into_iter().flat_map(|of| [[4, 32], [3, 5]].map(|c| (of, c)))
    {
        let spec = spec(cut, DType::Float32, [32]);
        let sink = |n_threads| {
            let sink = ZarrSink::new(&path).with_existing(Existing::Replace);
            sink.with_chunk_shape(chunk).with_writer_threads(n_threads)
        };
        let bound = |n_threads| sink(n_threads).memory_bound(&spec, &block_shape).unwrap();
        let store = |sink: ZarrSink, is_declared: bool| match cut {
            Cut::Rows => {
                let sequence =
                    LazyChunkSequence::from_fn([4; 5], |_| Array2::<f32>::zeros((4, 32)));
                let sequence = sequence.convert(NdarrayConverter);
                if is_declared { sequence.with_row_type(DType::Float32, [32]) } else { sequence }
                    .to_zarr(sink)
            }
            Cut::RowsAndColumns => {
                let block = |_, _| Array2::<f32>::zeros((4, 8));
                let sequence = NestedLazyChunkSequence::from_fn([4; 5], [8; 4], block);
                let sequence = sequence.convert(NdarrayConverter);
                if is_declared { sequence.with_row_type(DType::Float32, [32]) } else { sequence }
                    .to_zarr(sink)
            }
        };
        for n_threads in 1..=4 {
            let limited = sink(4).with_memory_limit(bound(n_threads) as u64);
            assert_eq!(limited.memory_bound(&spec, &block_shape).unwrap(), bound(n_threads));
            store(limited.clone(), true).unwrap();
            store(limited, false).unwrap();
        }
        let too_low = sink(4).with_memory_limit(bound(1) as u64 - 1);
        for is_declared in [true, false] {
            let before = StoredArray::open(&path).unwrap().read().unwrap();
            let error = store(too_low.clone(), is_declared).unwrap_err();
            assert_eq!(error.kind(), zarr::ErrorKind::Memory, "{error}");
            assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), before);
        }
        let error = too_low.memory_bound(&spec, &block_shape).unwrap_err();
        assert_eq!(error.kind(), zarr::ErrorKind::Memory, "{error}");
    }
}

#[test]
fn a_setting_out_of_range_is_an_error() {
    use zarr::{BloscCompressor, Codec, Shuffle};

    assert_target_refused(
        ZarrSink::new("unused.zarr").with_codec(Codec::Zstd { level: 23 }),
        "zstd level must be from -131072 to 22, got 23",
    );
    assert_target_refused(
        ZarrSink::new("unused.zarr").with_codec(Codec::Gzip { level: 10 }),
        "gzip level must be from 0 to 9, got 10",
    );
    let (compressor, shuffle) = (BloscCompressor::Lz4, Shuffle::Bit);
    assert_target_refused(
        ZarrSink::new("unused.zarr").with_codec(Codec::Blosc { compressor, level: 10, shuffle }),
        "blosc level must be from 0 to 9, got 10",
    );
    assert_target_refused(
        ZarrSink::new("unused.zarr").with_writer_threads(1025),
        "writer threads must be at most 1024, got 1025",
    );
    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_dimension_names(["row"]),
        "got 1 dimension name [\"row\"] for an array with 2 axes",
    );
    assert_not_stored(
        &flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_fill_value(0_f64),
        "the fill value has dtype float64, but the array has dtype float32",
    );
}

#[test]
fn a_region_or_grid_that_does_not_fit_the_array_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let stored = flat(&[&[2, 3]]).to_zarr(directory.path().join("b.zarr")).unwrap();
    let reversed = std::ops::Range { start: 1, end: 0 };
    for region in [vec![0..3, 0..3], vec![0..2, 0..3, 0..1], vec![reversed, 0..3]] {
        let error = report(&stored.read_region(&region).unwrap_err());
        assert!(error.contains("does not lie within the array of shape [2, 3]"), "{error}");
    }
    assert_eq!(
        report(&stored.sequence([1, 2]).unwrap_err()),
        "the block sizes along axis 0 add up to 3, but the array has 2 elements along it"
    );
    assert!(stored.nested_sequence([2], [2]).is_err());
}

#[test]
fn a_target_named_twice_in_a_pass_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let twice = [ZarrSink::new(&path), ZarrSink::new(directory.path().join("./a.zarr"))];
    let error = zarr::Error::from(never_computed().compute(twice.to_vec()).unwrap_err());
    let target = directory.path().join("./a.zarr");
    assert_eq!(error.to_string(), format!("{} is being written by this process", target.display()));
    assert!(error.hint().unwrap().contains("name each target of a pass once"));
    assert!(names(directory.path()).is_empty());
}

//! What bad input gets: an error that names the block, what was expected and what was there; and a
//! target that is as it was.

use std::cell::Cell;
use std::sync::Arc;

use lazy_chunks::zarr::{self, Existing, MemoryStore, StoredArray, Target, ToZarr, ZarrSink};
use lazy_chunks::{
    ArrayBlock, Concatenate, DType, LazyChunkSequence, MeanVariance, NdarrayConverter,
    NestedLazyChunkSequence, TopK,
};
use lazy_tests::{
    Fault, FaultyFileSystem, assert_target_refused, flat, names, nested, never_computed, zeros,
};
use ndarray::{Array1, Array2, Array3};

/// Asserts that storing fails with this message wherever it goes, that concatenating fails with it
/// too, and that nothing is left behind: no array, no staging, and what was there is unchanged.
macro_rules! assert_refused {
    ($sequence:expr, $message:expr) => {{
        let (sequence, message): (_, &str) = (&$sequence, $message);
        assert_eq!(sequence.compute(Concatenate).unwrap_err().to_string(), message);
        assert_not_stored!(sequence, ZarrSink::new, message);
        // With chunks of single elements, some are written before the error comes.
        let tiny_chunks = |target: Target| ZarrSink::new(target).with_chunk_bytes(1);
        assert_not_stored!(sequence, tiny_chunks, message);
    }};
}

/// As above, for storing with a sink of these settings alone.
macro_rules! assert_not_stored {
    ($sequence:expr, $sink:expr, $message:expr) => {{
        let (sequence, message): (_, &str) = (&$sequence, $message);
        let sink: fn(Target) -> ZarrSink = $sink;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new.zarr");
        let error = sequence.to_zarr(sink(path.into())).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(names(directory.path()), [""; 0]);

        let path = directory.path().join("old.zarr");
        let old = flat(&[&[2, 3]]).to_zarr(&path).unwrap();
        let error = sequence.to_zarr(sink((&path).into()).with_existing(Existing::Replace));
        assert_eq!(error.unwrap_err().to_string(), message);
        assert_eq!(names(directory.path()), ["old.zarr"]);
        assert_eq!(old.read().unwrap(), zeros(&[2, 3]));

        let store = Arc::new(MemoryStore::new());
        let error = sequence.to_zarr(sink(Arc::clone(&store).into())).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(StoredArray::open(Arc::clone(&store)).is_err());
        flat(&[&[2, 3]]).to_zarr(store).expect("a vacant store");
    }};
}

#[test]
fn an_empty_sequence_needs_a_declaration() {
    let message = "the sequence has no blocks, so its shape and dtype are unknown; \
                   declare them with `with_row_type` to get an empty array";
    assert_refused!(flat(&[]), message);
    assert_refused!(nested(&[]), message);

    for stored in [
        flat(&[]).with_row_type(DType::Int16, [4, 2]).to_zarr(Arc::new(MemoryStore::new())),
        nested(&[]).with_row_type(DType::Int16, [4, 2]).to_zarr(Arc::new(MemoryStore::new())),
    ] {
        let stored = stored.unwrap();
        assert_eq!((stored.dtype(), stored.shape()), (DType::Int16, &[0, 4, 2][..]));
        assert_eq!(stored.read().unwrap().n_elements(), 0);
    }
}

#[test]
fn an_empty_band_is_refused() {
    assert_refused!(
        nested(&[&[&[1, 2]], &[], &[&[1, 2]]]),
        "band 1 has no blocks; every band holds all columns in at least one block"
    );
    assert_refused!(
        nested(&[&[]]),
        "band 0 has no blocks; every band holds all columns in at least one block"
    );
}

#[test]
fn a_block_has_the_axes_that_are_cut() {
    assert_refused!(
        flat(&[&[]]),
        "block 0 has shape [], but a block of this sequence has at least 1 axes"
    );
    assert_refused!(
        nested(&[&[&[2, 2], &[2]]]),
        "block (0, 1) has shape [2], but a block of this sequence has at least 2 axes"
    );
}

#[test]
fn trailing_shapes_are_alike() {
    assert_refused!(
        flat(&[&[1, 4], &[1, 5]]),
        "block 1 has shape [1, 5], but its axes from 1 on must be [4] like the first block's"
    );
    assert_refused!(
        flat(&[&[1, 4], &[4]]),
        "block 1 has shape [4], but its axes from 1 on must be [4] like the first block's"
    );
    assert_refused!(
        nested(&[&[&[1, 4, 3]], &[&[1, 4, 2]]]),
        "block (1, 0) has shape [1, 4, 2], but its axes from 2 on must be [3] like the first \
         block's"
    );
    assert_refused!(
        flat(&[&[1, 4]]).with_row_type(DType::Float32, [3]),
        "block 0 has shape [1, 4], but its axes from 1 on must be [3] as declared"
    );
}

#[test]
fn dtypes_are_alike() {
    let mixed = [zeros(&[1, 2]), ArrayBlock::from_vec([1, 2], vec![0_f64; 2]).unwrap()];
    assert_refused!(
        LazyChunkSequence::new(|| mixed.clone()),
        "block 1 has dtype float64, but it must be float32 like the first block's"
    );
    assert_refused!(
        NestedLazyChunkSequence::new(|| [mixed.clone()]),
        "block (0, 1) has dtype float64, but it must be float32 like the first block's"
    );
    assert_refused!(
        flat(&[&[1, 2]]).with_row_type(DType::Int8, [2]),
        "block 0 has dtype float32, but it must be int8 as declared"
    );
}

#[test]
fn a_band_has_one_height() {
    assert_refused!(
        nested(&[&[&[2, 1], &[2, 2], &[3, 1]]]),
        "block (0, 2) has 3 rows, but the first block of its band has 2"
    );
}

#[test]
fn bands_have_one_width() {
    assert_refused!(
        nested(&[&[&[1, 2], &[1, 3]], &[&[1, 4]]]),
        "band 1 has 4 columns in all, but it must have 5 like the first band"
    );
    assert_refused!(
        nested(&[&[&[1, 2], &[1, 3]], &[&[1, 4], &[1, 2], &[1, 9]]]),
        "band 1 has at least 6 columns in all, but it must have 5 like the first band"
    );
    assert_refused!(
        nested(&[&[&[1, 2]]]).with_row_type(DType::Float32, [3]),
        "band 0 has 2 columns in all, but it must have 3 as declared"
    );
}

#[test]
fn blocks_are_those_of_the_grid() {
    assert_refused!(
        LazyChunkSequence::from_fn([2, 3], |_| zeros(&[2, 4])),
        "block 1 has shape [2, 4], but the grid declares sizes [3] for its first axes"
    );
    assert_refused!(
        NestedLazyChunkSequence::from_fn([2], [3, 1], |_, _| zeros(&[2, 3])),
        "block (0, 1) has shape [2, 3], but the grid declares sizes [2, 1] for its first axes"
    );
}

#[test]
fn the_declared_row_is_that_of_the_grid() {
    let sequence = NestedLazyChunkSequence::from_fn([2], [3, 1], |_, _| zeros(&[2, 3]));
    assert_refused!(
        sequence.clone().with_row_type(DType::Float32, [5]),
        "the declared row shape [5] does not fit the grid, which has 4 columns"
    );
    assert_refused!(
        sequence.with_row_type(DType::Float32, []),
        "the declared row shape [] does not fit a nested sequence, whose rows have columns"
    );
}

#[test]
fn as_many_blocks_come_as_declared() {
    assert_refused!(
        flat(&[&[1, 2], &[1, 2]]).with_len(3),
        "the sequence ended after 2 blocks, but 3 were declared"
    );
    assert_refused!(
        flat(&[&[1, 2], &[1, 2]]).with_len(1),
        "the sequence goes on after the 1 blocks that were declared"
    );
    assert_refused!(
        nested(&[&[&[1, 2], &[1, 2]]]).with_len(2),
        "the sequence ended after 1 bands, but 2 were declared"
    );
    assert_refused!(
        nested(&[&[&[1, 2]], &[&[1, 2]]]).with_len(1),
        "the sequence goes on after the 1 bands that were declared"
    );
    assert!(flat(&[&[1]]).with_len(2).collect().is_err(), "collecting counts as well");
    assert!(nested(&[&[&[1, 1]]]).with_len(2).collect().is_err());
}

#[test]
fn a_producers_error_names_its_block() {
    for failing in 0..3 {
        let block = move |i| match i {
            i if i == failing => Err(format!("no sample {i}")),
            _ => Ok(zeros(&[2, 3])),
        };
        let message = format!("the producer failed at block {failing}: no sample {failing}");
        assert_refused!(LazyChunkSequence::try_new(move || (0..3).map(block)), &message);
        assert_refused!(LazyChunkSequence::try_from_fn([2; 3], block), &message);
        assert_refused!(LazyChunkSequence::try_from_local_fn([2; 3], block), &message);
        assert_refused!(LazyChunkSequence::new(|| 0..3).try_map(block), &message);

        for failing_band in 0..3 {
            let block = move |i, j| if i == failing_band { block(j) } else { block(3) };
            let message = format!(
                "the producer failed at block ({failing_band}, {failing}): no sample {failing}"
            );
            assert_refused!(
                NestedLazyChunkSequence::try_new(move || {
                    (0..3).map(move |i| Ok((0..3).map(move |j| block(i, j))))
                }),
                &message
            );
            let sequence = NestedLazyChunkSequence::try_from_fn([2; 3], [3; 3], block);
            assert_refused!(sequence, &message);
            let error = sequence.block(failing_band, failing).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        assert_refused!(
            NestedLazyChunkSequence::try_new(move || {
                (0..3).map(move |i| match i {
                    i if i == failing => Err("no such band"),
                    _ => Ok([Ok(zeros(&[2, 3]))]),
                })
            }),
            &format!("the producer failed at band {failing}: no such band")
        );
    }
}

#[test]
fn a_producers_panic_names_its_block() {
    for failing in 0..3 {
        let block = move |i| {
            assert!(i != failing, "no sample {i}");
            zeros(&[2, 3])
        };
        let message = format!("the producer panicked at block {failing}: no sample {failing}");
        assert_refused!(LazyChunkSequence::new(move || (0..3).map(block)), &message);
        assert_refused!(LazyChunkSequence::from_fn([2; 3], block), &message);
        assert_refused!(LazyChunkSequence::new(|| 0..3).map(block), &message);
        assert_refused!(
            NestedLazyChunkSequence::new(move || (0..2).map(move |_| (0..3).map(block))),
            &format!("the producer panicked at block (0, {failing}): no sample {failing}")
        );
        assert_refused!(
            NestedLazyChunkSequence::new(move || (0..3).map(move |i| [block(i)])),
            &format!("the producer panicked at band {failing}: no sample {failing}")
        );
    }
    assert_refused!(
        LazyChunkSequence::new(|| -> [ArrayBlock; 0] { panic!("no samples") }),
        "the producer panicked at block 0: no samples"
    );
    assert_refused!(
        NestedLazyChunkSequence::new(|| -> [[ArrayBlock; 0]; 0] { panic!("no samples") }),
        "the producer panicked at band 0: no samples"
    );
}

#[test]
fn a_producer_is_not_called_after_it_failed() {
    let calls = Cell::new(0);
    let sequence = LazyChunkSequence::try_new(|| {
        calls.set(0);
        std::iter::from_fn(|| {
            calls.set(calls.get() + 1);
            Some(if calls.get() == 3 { Err("it broke") } else { Ok(zeros(&[1, 1])) })
        })
    });
    let results: Vec<_> = sequence.blocks().take(10).map(|block| block.is_ok()).collect();
    assert_eq!((&results[..], calls.get()), (&[true, true, false][..], 3));
    assert!(sequence.to_zarr(Arc::new(MemoryStore::new())).is_err());
    assert_eq!(calls.get(), 3);
}

#[test]
fn a_converters_error_names_its_block() {
    let sequence = LazyChunkSequence::new(|| [zeros(&[1, 2]), zeros(&[2])]);
    let arrays = sequence.to_tensors::<Array2<f32>, _>(NdarrayConverter);
    assert_eq!(
        arrays.collect().unwrap_err().to_string(),
        "block 1 could not be converted: an array of shape [2] was asked for with 2 axes"
    );
    let arrays = nested(&[&[&[1, 1]]]).to_tensors::<Array2<i32>, _>(NdarrayConverter);
    assert_eq!(
        arrays.collect().unwrap_err().to_string(),
        "block (0, 0) could not be converted: an array of dtype float32 was asked for as int32; \
         nothing is cast"
    );
}

#[test]
fn a_failing_statistic_leaves_the_target_untouched() {
    let store = Arc::new(MemoryStore::new());
    let reducers = (ZarrSink::new(Arc::clone(&store)), TopK::per_row(4));
    assert_eq!(
        flat(&[&[2, 3]]).compute(reducers).unwrap_err().to_string(),
        "the top k per row: k is 4, but a row has 3 elements"
    );
    assert!(StoredArray::open(store).is_err());
}

#[test]
fn statistics_refuse_what_they_cannot_take() {
    let complex = Array1::from(vec![num_complex::Complex::new(1.0, 2.0)]);
    let sequence = LazyChunkSequence::new(|| [complex.clone()]).convert(NdarrayConverter);
    assert_eq!(
        sequence.compute(MeanVariance).unwrap_err().to_string(),
        "the mean and variance cannot take dtype complex128; it takes bool, integers and real \
         floats"
    );

    let computed = Cell::new(false);
    let declared = LazyChunkSequence::new(|| {
        computed.set(true);
        [zeros(&[1, 3])]
    })
    .with_row_type(DType::Float32, [3]);
    assert!(declared.compute(TopK::per_row(4)).is_err());
    assert!(declared.compute(TopK::per_row(0)).is_err());
    assert!(!computed.get(), "what is known beforehand is checked beforehand");

    let computed = Cell::new(0);
    let undeclared = LazyChunkSequence::new(|| {
        (0..3).map(|_| {
            computed.set(computed.get() + 1);
            zeros(&[1, 3])
        })
    });
    assert!(undeclared.compute(TopK::per_row(4)).is_err());
    assert_eq!(computed.get(), 1, "the first block tells the length of a row");
}

#[test]
fn an_existing_array_is_an_error_before_the_first_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    flat(&[&[1, 2]]).to_zarr(&path).unwrap();
    assert_target_refused(&path, "a.zarr exists already; remove it, or ask for it to be replaced");
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
        assert_target_refused(sink("broken"), "holds data that is no Zarr array");
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
    assert_target_refused("", "holds data that is no Zarr array");
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_before_the_first_block() {
    let directory = tempfile::tempdir().unwrap();
    let file_system =
        Arc::new(FaultyFileSystem::new(Fault { change: Some(0), ..Fault::default() }));
    let target = Target::on(file_system, directory.path().join("a.zarr"));
    assert_target_refused(target, "a.zarr cannot be written: nothing can be made in");
}

#[test]
fn targets_are_paths_file_urls_and_stores() {
    assert_target_refused("s3://bucket/a.zarr", "s3://bucket/a.zarr has the scheme s3");
    assert_target_refused("file://elsewhere/a.zarr", "it names a host");
    let store = || Arc::new(MemoryStore::new());
    assert_target_refused(Target::in_store(store(), "a"), "is no path within a store");
    assert_target_refused(Target::in_store(store(), "/a//b"), "is no path within a store");
}

#[test]
fn chunk_shapes_fit_the_array() {
    let zero = |target: Target| ZarrSink::new(target).with_chunk_shape([2, 0]);
    let message =
        "the chunk shape [2, 0] is impossible: it has at least one element along each axis";
    assert_not_stored!(flat(&[&[2, 3]]), zero, message);
    assert_target_refused(zero("unused.zarr".into()), message);

    assert_not_stored!(
        flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_chunk_shape([2]),
        "the chunk shape [2] does not have the array's 2 axes"
    );
    let declared = never_computed().with_row_type(DType::Float32, [3]);
    let sink = ZarrSink::new(Arc::new(MemoryStore::new())).with_chunk_shape([2]);
    assert!(matches!(declared.to_zarr(sink), Err(zarr::Error::ChunkRank { n_axes: 2, .. })));

    assert_not_stored!(
        nested(&[&[&[2, 3]]]),
        |target| ZarrSink::new(target).with_chunk_shape([usize::MAX / 8, 3]),
        "the chunk shape [2305843009213693951, 3] is impossible: it is larger than memory can be"
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
    assert_not_stored!(
        flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_shard_shape([2]),
        "the shard shape [2] does not have the array's 2 axes"
    );
    assert_not_stored!(
        flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_shard_shape([usize::MAX / 8, 3]),
        "the shard shape [2305843009213693951, 3] is impossible: it is larger than memory can be"
    );
}

#[test]
fn a_codec_takes_the_chunk() {
    // 2 GiB, by the shape and by the bytes that automatic chunks may have.
    let message = "chunks of 2147483648 bytes are more than the 2147483631 that the codec blosc \
                   takes; ask for smaller ones";
    let sinks: [fn(Target) -> ZarrSink; 2] = [
        |target| ZarrSink::new(target).with_chunk_shape([1 << 19, 1 << 10]),
        |target| ZarrSink::new(target).with_chunk_bytes(1 << 31),
    ];
    for sink in sinks {
        assert_not_stored!(flat(&[&[2, 3]]), sink, message);
        let declared = never_computed().with_row_type(DType::Float32, [3]);
        let error = declared.to_zarr(sink(Arc::new(MemoryStore::new()).into())).unwrap_err();
        assert_eq!(error.to_string(), message);
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
    refused(
        sink().with_attribute("provenance", "mine"),
        "the attribute \"provenance\" cannot be stored: its name is that of what the sink writes \
         down itself",
    );
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
    assert_not_stored!(
        flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_dimension_names(["row"]),
        "there are 1 dimension names [\"row\"], but the array has 2 axes"
    );
    assert_not_stored!(
        flat(&[&[2, 3]]),
        |target| ZarrSink::new(target).with_fill_value(0_f64),
        "the fill value has dtype float64, but the array has float32"
    );
}

#[test]
fn reading_names_what_cannot_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let stored = flat(&[&[2, 3]]).to_zarr(directory.path().join("b.zarr")).unwrap();
    let reversed = std::ops::Range { start: 1, end: 0 };
    for region in [vec![0..3, 0..3], vec![0..2, 0..3, 0..1], vec![reversed, 0..3]] {
        let error = stored.read_region(&region).unwrap_err().to_string();
        assert!(error.contains("does not lie within an array of shape [2, 3]"), "{error}");
    }
    assert_eq!(
        stored.sequence([1, 2]).unwrap_err().to_string(),
        "blocks of 3 elements in all do not cut axis 0 of an array of shape [2, 3]"
    );
    assert!(stored.nested_sequence([2], [2]).is_err());
}

#[test]
fn zero_row_blocks_contribute_nothing() {
    let stored = flat(&[&[0, 3], &[2, 3], &[0, 3], &[0, 3], &[1, 3], &[0, 3]])
        .to_zarr(Arc::new(MemoryStore::new()))
        .unwrap();
    assert_eq!(stored.read().unwrap(), zeros(&[3, 3]));
    let stored = nested(&[&[&[0, 3], &[0, 1]], &[&[2, 4]], &[&[0, 4]]])
        .to_zarr(Arc::new(MemoryStore::new()))
        .unwrap();
    assert_eq!(stored.read().unwrap(), zeros(&[2, 4]));
    let stored = flat(&[&[0, 3], &[0, 3]]).to_zarr(Arc::new(MemoryStore::new())).unwrap();
    assert_eq!(stored.shape(), [0, 3]);
    let blocks = LazyChunkSequence::new(|| vec![Array3::<i8>::zeros((0, 2, 2)); 2]);
    assert_eq!(blocks.compute(Concatenate).unwrap().dim(), (0, 2, 2));
}

//! Messages of errors: the chain of causes says each thing once, and no message uses the words of
//! Rust's API.

use std::io;
use std::path::Path;
use std::sync::Arc;

use lazy_chunks::zarr::{
    self, Codec, Existing, MemoryStore, Resume, StoredArray, Target, ToZarr, ZarrSink,
};
use lazy_chunks::{
    ArrayBlock, BoxError, Concatenate, Converter, Count, Covariance, DType, Error, ErrorKind,
    Histogram, LazyChunkSequence, Max, MeanVariance, NdarrayConverter, NestedLazyChunkSequence,
    Quantiles, SaveState, StateOf, Sum, TopK, report,
};
use lazy_tests::interrupted::{self, JOB, left_unfinished, sequence};
use lazy_tests::{Fault, FaultyFileSystem, flat, nested, zeros};
use ndarray::Array1;
use num_complex::Complex64;

/// Asserts that the error and its causes say each thing once and contain no words of Rust's API.
/// Returns the whole message.
#[track_caller]
fn check(error: impl Into<BoxError>) -> String {
    let error: BoxError = error.into();
    let whole = report(&*error);
    let mut messages = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        messages.push(error.to_string());
        cause = error.source();
    }
    for pair in messages.windows(2) {
        assert!(!pair[0].contains(&pair[1]), "{whole}");
    }
    let root = messages.last().unwrap();
    assert_eq!(whole.matches(root.as_str()).count(), 1, "{whole}");
    assert_eq!(whole, messages.join(": "));
    assert_eq!(format!("{:#}", anyhow::Error::from_boxed(error)), whole);
    for name in ["::", "with_", "()", "`Existing", "`Target", "`ZarrSink"] {
        assert!(!whole.contains(name), "{whole}");
    }
    whole
}

/// Asserts the same of an error of the library, and that its hint contains `hint`, or that it has
/// none.
#[track_caller]
fn check_hint(error: zarr::Error, hint: &str) -> String {
    let whole_hint = error.hint().unwrap_or_default();
    assert!(whole_hint.contains(hint) && whole_hint.is_empty() == hint.is_empty(), "{whole_hint}");
    let whole = check(error);
    assert!(hint.is_empty() || !whole.contains(&*whole_hint), "{whole}");
    whole
}

fn refused(sequence: &impl ToZarr<Block = ArrayBlock>, sink: impl Into<ZarrSink>) -> zarr::Error {
    sequence.to_zarr(sink).unwrap_err()
}

fn on_fire() -> io::Error {
    io::Error::other("the disk is on fire")
}

/// Returns a sequence whose last block fails.
fn failing(n_blocks: usize) -> LazyChunkSequence<'static, ArrayBlock> {
    LazyChunkSequence::try_new(move || {
        let last = n_blocks - 1;
        (0..n_blocks).map(move |i| if i < last { Ok(zeros(&[2, 3])) } else { Err(on_fire()) })
    })
}

#[test]
fn an_error_in_a_nested_evaluation_names_each_block_once() {
    let error = failing(3).compute(Concatenate).unwrap_err();
    assert_eq!(check(error), "the producer failed at block 2: the disk is on fire");
    let error = refused(&failing(3), Arc::new(MemoryStore::new()));
    assert_eq!(check(error), "the producer failed at block 2: the disk is on fire");

    // The outermost block is named, and the cause.
    let inner = |i: usize| match i {
        0 => Ok(zeros(&[2, 3])),
        _ => failing(3).compute(Concatenate),
    };
    let middle = LazyChunkSequence::try_from_fn([2, 2], inner);
    let outer = NestedLazyChunkSequence::try_from_fn([2, 2], [3, 3], move |_, j| match j {
        0 => Ok(zeros(&[2, 3])),
        _ => middle.compute(Concatenate),
    });
    let expected = "the producer failed at block (0, 1): the disk is on fire";
    assert_eq!(check(outer.compute(Concatenate).unwrap_err()), expected);
    assert_eq!(check(outer.compute(Sum).unwrap_err()), expected);
    let threaded = outer.clone().with_threads(2).compute((Sum, Count)).unwrap_err();
    assert_eq!(check(threaded), expected);
    assert_eq!(check(refused(&outer, Arc::new(MemoryStore::new()))), expected);
    assert_eq!(check(outer.block(0, 1).unwrap_err()), expected);

    // A cause with its own causes, wrapped in an `io::Error`.
    let wrapped = LazyChunkSequence::try_new(|| {
        [Err::<ArrayBlock, _>(io::Error::other(failing(3).compute(Sum).unwrap_err()))]
    });
    let expected =
        "the producer failed at block 0: the producer failed at block 2: the disk is on fire";
    assert_eq!(check(wrapped.compute(Sum).unwrap_err()), expected);

    let panics = LazyChunkSequence::new(|| (0..2).map(|_| -> ArrayBlock { panic!("oh") }));
    assert_eq!(check(panics.compute(Sum).unwrap_err()), "the producer panicked at block 0: oh");
}

#[test]
fn an_error_of_reading_names_each_block_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let sink = ZarrSink::new(&path).with_codec(Codec::None).with_chunk_shape([2, 3]);
    let stored = flat(&[&[2, 3], &[2, 3]]).to_zarr(sink).unwrap();
    std::fs::write(path.join("c/1/0"), [0; 7]).unwrap();
    let sequence = stored.sequence([2, 2]).unwrap();
    let chunk = format!("could not read chunk [1, 0] (key c/1/0) of {}", path.display());
    let block =
        format!("the producer failed at block 1: {chunk}: it has 7 bytes, but 24 were stored");
    assert_eq!(check(sequence.compute(Sum).unwrap_err()), block);
    assert_eq!(check(refused(&sequence, Arc::new(MemoryStore::new()))), block);
    // An error of storing, inside an error of evaluating, inside an error of storing.
    let copies = LazyChunkSequence::try_from_fn([4], move |_| {
        sequence.to_zarr(Arc::new(MemoryStore::new()))?.read()
    });
    let outer = format!("the producer failed at block 0: {block}");
    assert_eq!(check(copies.compute(Sum).unwrap_err()), outer);
    assert_eq!(check(refused(&copies, Arc::new(MemoryStore::new()))), outer);
    assert_eq!(check(zarr::Error::from(copies.compute(Sum).unwrap_err())), outer);
}

/// A converter that rejects everything.
struct Picky;

impl Converter<Array1<f64>> for Picky {
    fn to_array(&self, _: Array1<f64>) -> lazy_chunks::Result<ArrayBlock> {
        Err(Error::other(io::Error::other(on_fire())))
    }

    fn to_tensor(&self, _: &ArrayBlock) -> lazy_chunks::Result<Array1<f64>> {
        Err(Error::dtype_mismatch(DType::Float64, DType::Bool))
    }
}

#[test]
fn errors_of_converters_and_statistics_say_each_thing_once() {
    let refused = LazyChunkSequence::new(|| [Array1::<f64>::zeros(2)]).convert(Picky);
    let expected = "block 0 could not be converted: the disk is on fire";
    assert_eq!(check(refused.compute(Sum).unwrap_err()), expected);
    let tensors = flat(&[&[2]]).to_tensors::<Array1<f64>, _>(Picky);
    let expected = "block 0 could not be converted: expected dtype float64, but the array has dtype \
                    bool; arrays are not cast";
    assert_eq!(check(tensors.collect().unwrap_err()), expected);

    let complex = LazyChunkSequence::new(|| [Array1::from_elem(3, Complex64::new(1.0, 2.0))])
        .convert(NdarrayConverter);
    let said = check(complex.compute(MeanVariance).unwrap_err());
    assert!(
        said.starts_with("block 0 could not be reduced: the mean and variance cannot handle"),
        "{said}"
    );
    let empty = flat(&[&[0, 3]]);
    for error in [
        empty.compute(Max).unwrap_err(),
        empty.compute(TopK::new(0)).unwrap_err(),
        flat(&[&[1, 3]]).compute(TopK::new(9)).unwrap_err(),
        empty.compute(Histogram::new([1.0])).unwrap_err(),
        empty.compute(Histogram::new([1.0, 1.0])).unwrap_err(),
        empty.compute(Quantiles::new([2.0])).unwrap_err(),
        empty.compute(Quantiles::new([])).unwrap_err(),
        nested(&[&[&[1, 2], &[1, 3]]]).compute(Covariance).unwrap_err(),
    ] {
        assert_eq!(error.hint(), None);
        check(error);
    }
}

#[test]
fn a_hint_is_not_part_of_the_message() {
    let error = flat(&[]).compute(Concatenate).unwrap_err();
    assert!(error.hint().unwrap().contains("`with_row_type`"));
    check(error);
    // A cause has a hint as well.
    let inner = LazyChunkSequence::try_new(|| [flat(&[]).compute(Concatenate)]);
    let error = inner.compute(Concatenate).unwrap_err();
    assert!(error.hint().unwrap().contains("`with_row_type`"));
    let error = zarr::Error::from(error);
    check_hint(error, "`with_row_type`");

    // Saved states of statistics.
    let part = |k: usize| flat(&[&[2, 3]]).compute(StateOf::new(TopK::new(k))).unwrap();
    let error = TopK::new(3).finish_saved([part(3), part(2)]).unwrap_err();
    assert!(error.hint().unwrap().contains("the statistic and the settings"));
    assert_eq!(check(error), "cannot load a state of `the 2 largest` into `the 3 largest`");
    let saved = serde_json::to_string(&part(2)).unwrap();
    for (whole, changed, said) in [
        ("\"version\":3", "\"version\":1", "cannot load a state of format version 1; "),
        ("\"n_ranked\":2", "\"n_ranked\":9", "is corrupt"),
    ] {
        let state = serde_json::from_str(&saved.replace(whole, changed)).unwrap();
        let error = TopK::new(2).finish_saved([state]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SavedState);
        assert!(error.hint().is_some());
        assert!(check(error).contains(said));
    }
}

#[test]
fn errors_of_targets_and_settings_have_hints() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let one = flat(&[&[2, 3]]);
    one.to_zarr(path("a.zarr")).unwrap();
    one.to_zarr(Target::from(path("group")).member("a")).unwrap();
    std::fs::write(path("file"), "precious").unwrap();
    std::fs::create_dir(path("directory")).unwrap();
    std::fs::write(path("directory/file"), "precious").unwrap();
    std::fs::create_dir(path("broken")).unwrap();
    std::fs::write(path("broken/zarr.json"), "{").unwrap();
    let store = Arc::new(MemoryStore::new());
    one.to_zarr(Arc::clone(&store)).unwrap();

    let said = check_hint(refused(&one, path("a.zarr")), "`Existing::Replace`");
    assert_eq!(said, format!("{} already exists", path("a.zarr").display()));
    check_hint(refused(&one, store), "`Existing::Replace`");
    check_hint(refused(&one, path("group")), "another target");
    check_hint(refused(&one, path("file")), "another target");
    check_hint(refused(&one, path("directory")), "another target");
    check_hint(refused(&one, path("a.zarr/b.zarr")), "outside");
    check_hint(refused(&one, "gopher://host/a.zarr"), "`Target::in_store`");
    check_hint(refused(&one, "file:/a.zarr"), "file:///");
    check_hint(refused(&one, "file://host/a.zarr"), "file:///");
    check_hint(refused(&one, Target::from(path("group")).member("a/b")), "`Target::member`");
    check_hint(refused(&one, Target::from(path("group")).member("..")), "");
    let said = check_hint(refused(&one, path("file/below.zarr")), "");
    assert!(said.contains("Not a directory"), "{said}");
    let said = check_hint(refused(&one, path("broken")), "");
    assert!(said.contains("is not valid JSON: EOF while parsing"), "{said}");
    let said = check_hint(StoredArray::open(path("group")).unwrap_err(), "`Target::member`");
    assert!(said.ends_with("it is a Zarr group with the member a"), "{said}");
    check_hint(StoredArray::open(path("nothing")).unwrap_err(), "");
    check_hint(StoredArray::open(path("directory")).unwrap_err(), "");

    let sink = || ZarrSink::new(path("new.zarr"));
    check_hint(refused(&one, sink().with_chunk_shape([1 << 19, 1 << 10])), "chunk");
    check_hint(refused(&one, sink().with_chunk_shape([0, 1])), "");
    check_hint(refused(&one, sink().with_codec(Codec::Gzip { level: 10 })), "");
    check_hint(refused(&one, sink().with_attribute("a", f64::NAN)), "");
    check_hint(refused(&one, sink().with_dimension_names(["a"])), "");
    check_hint(refused(&one, sink().with_resume("job")), "`from_fn`");
}

#[test]
fn errors_of_unfinished_writes_have_hints() {
    let (_directory, path) = left_unfinished();
    let said = check_hint(refused(&sequence(2), &path), "`UnfinishedWrite::remove`");
    assert!(said.contains(" with the key \"the job\" is in "), "{said}");
    let other = ZarrSink::new(&path).with_resume("another job");
    check_hint(refused(&sequence(2), other), "`Resume::or_restart`");
    let revision =
        |revision| interrupted::sink(&path).with_resume(Resume::new(JOB).with_revision(revision));
    sequence(2).to_zarr(revision("one")).unwrap();
    check_hint(refused(&sequence(3), revision("two")), "`Existing::Replace`");
}

#[test]
fn a_fault_at_any_operation_says_each_thing_once() {
    let (mut messages, mut n) = (Vec::new(), 0);
    for no_sync_of_all in [false, true] {
        loop {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.zarr");
            sequence(1).to_zarr(&path).unwrap();
            let fault = Fault { change: Some(n), no_sync_of_all, ..Fault::default() };
            let target = Target::on(Arc::new(FaultyFileSystem::new(fault)), &path);
            let sink = ZarrSink::new(target).with_existing(Existing::Replace);
            let Err(error) = sequence(2).to_zarr(sink) else { break };
            let said = check(error);
            assert!(said.ends_with(": injected fault"), "{said}");
            messages.push(said);
            n += 1;
        }
        n = 0;
    }
    for expected in [
        "could not create files in",
        "could not write",
        "could not flush the new array to disk",
        "could not publish the complete array",
        "is complete, but could not be flushed to disk",
    ] {
        assert!(messages.iter().any(|said| said.contains(expected)), "{expected}: {messages:#?}");
    }
}

/// Stores an array, damages it, and returns the error of opening or reading it.
fn damaged(damage: impl FnOnce(&Path)) -> zarr::Error {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    flat(&[&[2, 3]]).to_zarr(ZarrSink::new(&path).with_codec(Codec::Zstd { level: 1 })).unwrap();
    damage(&path);
    StoredArray::open(&path).and_then(|stored| stored.read()).unwrap_err()
}

#[test]
fn errors_of_damaged_arrays_say_each_thing_once() {
    let replace = |from: &'static str, to: &'static str| {
        move |path: &Path| {
            let metadata = std::fs::read_to_string(path.join("zarr.json")).unwrap();
            assert!(metadata.contains(from), "{metadata}");
            std::fs::write(path.join("zarr.json"), metadata.replace(from, to)).unwrap();
        }
    };
    let said = check_hint(
        damaged(|path| std::fs::remove_file(path.join("c/0/0")).unwrap()),
        "`MissingChunks::FillValue`",
    );
    assert!(said.starts_with("could not read chunk [0, 0] (key c/0/0) of "), "{said}");
    assert!(said.contains("a.zarr: it is missing"), "{said}");
    let said = check_hint(damaged(|path| std::fs::write(path.join("c/0/0"), "no").unwrap()), "");
    assert!(said.contains(": it is corrupt: "), "{said}");
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path.join("c/0/0")).unwrap();
        bytes[3] ^= 1;
        std::fs::write(path.join("c/0/0"), bytes).unwrap();
    };
    check_hint(damaged(flip), "");
    for (from, to) in [
        ("\"float32\"", "\"float64\""),
        ("\"float32\"", "\"string\""),
        ("\"float32\"", "\"unknown\""),
        ("zstd", "unknown"),
        ("\"regular\"", "\"unknown\""),
        ("\"zarr_format\"", "\"format\""),
        ("\"default\"", "\"unknown\""),
    ] {
        check_hint(damaged(replace(from, to)), "");
    }
    // A chunk that is a directory cannot be read.
    let said = check_hint(
        damaged(|path| {
            std::fs::remove_file(path.join("c/0/0")).unwrap();
            std::fs::create_dir(path.join("c/0/0")).unwrap();
        }),
        "",
    );
    assert!(said.contains(": is a directory"), "{said}");

    // Shards whose index points elsewhere, in a directory.
    let sharded = |target: Target| {
        let sink = ZarrSink::new(target).with_chunk_shape([1, 3]).with_shard_shape([2, 3]);
        flat(&[&[2, 3]]).to_zarr(sink.with_codec(Codec::None)).unwrap()
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let stored = sharded(Target::from(&path));
    let shard = std::fs::read(path.join("c/0/0")).unwrap();
    for end in [0, 1, 20, shard.len() - 1] {
        std::fs::write(path.join("c/0/0"), &shard[..end]).unwrap();
        check_hint(stored.read().unwrap_err(), "");
        check_hint(stored.read_region(&[1..2, 0..2]).unwrap_err(), "");
        for defect in stored.verify() {
            check(defect.unwrap());
        }
    }
}

#[test]
fn a_defect_says_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let sink = ZarrSink::new(&path).with_chunk_shape([1, 3]);
    let stored = flat(&[&[3, 3]]).to_zarr(sink).unwrap();
    std::fs::remove_file(path.join("c/0/0")).unwrap();
    std::fs::write(path.join("c/1/0"), "no").unwrap();
    let said: Vec<_> = stored.verify().map(|defect| check(defect.unwrap())).collect();
    assert_eq!(said.len(), 2);
    assert!(said[0].starts_with("chunk [0, 0] (key c/0/0): it is missing"), "{said:?}");
    assert!(said[1].starts_with("chunk [1, 0] (key c/1/0): it is corrupt: "), "{said:?}");
}

#[test]
fn the_error_of_a_replaced_array_has_a_hint() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let stored = flat(&[&[2, 3]]).to_zarr(&path).unwrap();
    flat(&[&[2, 3]]).to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace)).unwrap();
    let said = check_hint(stored.read().unwrap_err(), "open it again");
    assert!(said.ends_with("was replaced after it was opened"), "{said}");
    let sequence = stored.sequence([2]).unwrap();
    let error = sequence.compute(Sum).unwrap_err();
    check_hint(error.into(), "open it again");
}

#[test]
fn an_error_names_the_file_in_the_way_of_a_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    flat(&[&[2, 3]]).to_zarr(&path).unwrap();
    std::fs::create_dir_all(path.join("0")).unwrap();
    std::fs::write(path.join("0/0"), "precious").unwrap();
    let replace = || ZarrSink::new(&path).with_existing(Existing::Replace);
    let said = check_hint(refused(&flat(&[&[2, 3]]), replace()), "`Superseded::remove`");
    assert!(said.contains("a.zarr/0/0 is in the way: "), "{said}");
    std::fs::remove_file(path.join("0/0")).unwrap();
    std::fs::write(path.join("0/zarr.json"), "{}").unwrap();
    let said = check(refused(&flat(&[&[2, 3]]), replace()));
    assert!(said.contains("a.zarr/0 is in the way: it is another Zarr node"), "{said}");
}

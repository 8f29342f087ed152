//! Unfinished writes: which processes may change them, and what becomes of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{
    Checksum, Codec, Error, ErrorKind, Existing, LocalFileSystem, MemoryStore, Resume, StoredArray,
    Target, ToZarr, UnfinishedWrite, WriteState, ZarrSink,
};
use lazy_chunks::{
    ArgMax, ArrayBlock, DType, LazyChunkSequence, MeanVariance, NestedLazyChunkSequence, Summary,
    TopK, report,
};
use lazy_tests::interrupted::{JOB, array, failing, left_unfinished, sequence, sink, staging};
use lazy_tests::{
    Fault, FaultyFileSystem, assert_target_refused, elements, files, is_locked, names,
};
use proptest::prelude::*;
use tempfile::tempdir;

fn states(target: &Path) -> Vec<WriteState> {
    UnfinishedWrite::list(target).unwrap().iter().map(|write| write.state().clone()).collect()
}

fn resumable(chunks: u64) -> impl Fn(&WriteState) -> bool {
    move |state| matches!(state, WriteState::Resumable { key, chunks: n, .. } if key == JOB && *n == chunks)
}

/// Returns the record, the journal and the chunks of an unfinished write.
fn kept(array: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let staging = staging(array);
    let staged = ["record", "journal"].map(|name| {
        let bytes = std::fs::read(staging.join(name)).unwrap_or_default();
        (PathBuf::from(name), bytes)
    });
    let chunks = files(array).into_iter().filter(|(path, _)| !path.starts_with(".lazy.1"));
    let chunks = chunks.filter(|(path, _)| !path.to_string_lossy().starts_with('.'));
    staged.into_iter().chain(chunks).collect()
}

#[test]
fn streamed_sequences_cannot_be_resumed() {
    let directory = tempdir().unwrap();
    assert_target_refused(
        sink(directory.path().join("a.zarr")),
        "a.zarr cannot be resumed: a streamed sequence can only compute all its blocks in order",
    );
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn statistics_beside_a_resumed_write_cover_the_whole_array() {
    let shape = [12, 14];
    let block = |i: usize, j: usize| elements(DType::Float32, 3, &shape, &[4 * i, 7 * j], &[4, 7]);
    let reducers = || (MeanVariance, ArgMax.per_row(), TopK::new(3).per_row());
    let blocks = NestedLazyChunkSequence::from_fn([4; 3], [7; 2], block);
    let expected = blocks.compute(reducers()).unwrap();
    for panics in [false, true] {
        let directory = tempdir().unwrap();
        let sink = || {
            ZarrSink::new(directory.path().join("a.zarr")).with_chunk_shape([3, 5]).with_resume(JOB)
        };
        let computed = AtomicUsize::new(0);
        for fails_at in [(1, 0), (2, 1), (3, 0)] {
            let blocks = NestedLazyChunkSequence::try_from_fn([4; 3], [7; 2], |i, j| {
                if (i, j) == fails_at {
                    assert!(!panics, "the producer panicked");
                    return Err("the producer failed");
                }
                computed.fetch_add(1, Ordering::Relaxed);
                Ok(block(i, j))
            });
            match blocks.compute((reducers(), sink())) {
                Ok((statistics, stored)) => {
                    assert_eq!(
                        format!("{statistics:?}"),
                        format!("{expected:?}"),
                        "statistics differ"
                    );
                    let whole = elements(DType::Float32, 3, &shape, &[0, 0], &shape);
                    assert_eq!(stored.read().unwrap(), whole);
                }
                Err(_) => assert!(fails_at.0 < 3),
            }
        }
        // After the first failure, the chunks of rows 0 to 2 are complete, which do not cover a
        // band. After the second, those of rows 0 to 5 are complete, and one of rows 6 to 8.
        assert_eq!(computed.into_inner(), 2 + (2 + 2 + 1) + (2 + 2));
    }
}

type Change = fn(ZarrSink) -> ZarrSink;

/// Returns changes of a write that is to be resumed, each with a part of the error that names it.
fn changes() -> [(&'static str, Change); 9] {
    [
        ("its key changed from \"the job\" to \"another\"", |sink| sink.with_resume("another")),
        ("its chunk and shard settings changed from chunks of shape [2, 3]", |sink| {
            sink.with_chunk_shape([2, 5])
        }),
        ("to chunks of at most 9 bytes", |sink| sink.with_chunk_bytes(9)),
        ("to chunks of shape [2, 3] in shards of shape [2, 6]", |sink| {
            sink.with_shard_shape([2, 6])
        }),
        ("its codecs changed from [{", |sink| sink.with_codec(Codec::None)),
        ("its codecs changed from [{", |sink| {
            sink.with_checksum(Checksum::None).with_codec(Codec::Gzip { level: 1 })
        }),
        ("its fill value changed from 0 to 7", |sink| sink.with_fill_value(7_i32)),
        ("its dimension names changed from null to [\"a\",\"b\"]", |sink| {
            sink.with_dimension_names(["a", "b"])
        }),
        ("its attributes changed from null to {\"l2\":0.5}", |sink| sink.with_attribute("l2", 0.5)),
    ]
}

#[test]
fn resuming_with_other_settings_says_what_differs() {
    let (directory, path) = left_unfinished();
    let before = kept(&path);
    let never =
        LazyChunkSequence::from_fn([2; 4], |_| -> ArrayBlock { panic!("a block was computed") });
    for (message, change) in changes() {
        let error = report(&never.to_zarr(change(sink(&path))).unwrap_err());
        assert!(error.contains(message) && error.contains("a.zarr/.lazy."), "{error}");
        assert_eq!(kept(&path), before);
    }
    let others = [
        (vec![2, 2, 4], "its block sizes along axis 0 changed from 4 × 2 to 2 × 2, 1 × 4"),
        (vec![2; 5], "its block sizes along axis 0 changed from 4 × 2 to 5 × 2"),
    ];
    for (rows, message) in others {
        let blocks = LazyChunkSequence::from_fn(rows, |_| -> ArrayBlock { panic!("computed") });
        let error = report(&blocks.to_zarr(sink(&path)).unwrap_err());
        assert!(error.contains(message), "{error}");
    }
    let nested = NestedLazyChunkSequence::from_fn([2; 4], [5], |_, _| -> ArrayBlock { panic!() });
    let error = report(&nested.to_zarr(sink(&path)).unwrap_err());
    assert!(
        error.contains("its block sizes along axis 1 changed from not cut to 1 × 5"),
        "{error}"
    );
    let error = report(&never.with_row_type(DType::Int32, [6]).to_zarr(sink(&path)).unwrap_err());
    assert!(error.contains("its type of a row changed from int32 [5] to int32 [6]"), "{error}");
    // Without a declared row type, a difference is found at the first block.
    let floats = LazyChunkSequence::from_fn([2; 4], |i| match i {
        2 => ArrayBlock::from_vec([2, 5], vec![0.5_f32; 10]).unwrap(),
        _ => panic!("blocks 0 and 1 are stored"),
    });
    let error = report(&floats.to_zarr(sink(&path)).unwrap_err());
    assert!(error.contains("block 2 has dtype float32, but it must be int32"), "{error}");
    assert_eq!(kept(&path), before);
    sequence(2).to_zarr(sink(&path)).unwrap();
    assert_eq!(names(directory.path()), ["a.zarr"]);
}

#[test]
fn or_restart_restarts_a_write_with_another_key() {
    for (i, (what, change)) in changes().into_iter().enumerate() {
        let restart = |path: &Path| {
            let job = if i == 0 { "another" } else { JOB };
            change(sink(path)).with_resume(Resume::new(job).or_restart())
        };
        let (whole, (directory, path)) = (tempdir().unwrap(), left_unfinished());
        sequence(3).to_zarr(restart(&whole.path().join("a.zarr"))).unwrap();
        let expected = files(&whole.path().join("a.zarr"));
        // The second write resumes.
        failing(3, 2).to_zarr(restart(&path)).unwrap_err();
        sequence(3).to_zarr(restart(&path)).unwrap();
        assert_eq!(files(&path), expected, "{what}");
        assert_eq!(names(directory.path()), ["a.zarr"]);
    }
    // A write with the same key resumes.
    let (_directory, path) = left_unfinished();
    let only_the_last = LazyChunkSequence::from_fn([2; 4], |i| match i {
        2.. => array(2, 2),
        _ => panic!("block {i} was computed"),
    });
    only_the_last.to_zarr(sink(&path).with_resume(Resume::new(JOB).or_restart())).unwrap();
    // A record that cannot be parsed counts as one with another key.
    let (_directory, path) = left_unfinished();
    let record = "{\"version\": 0}";
    let text = format!("{record}\n{:08x}\n", crc32c::crc32c(record.as_bytes()));
    std::fs::write(staging(&path).join("record"), text).unwrap();
    let message = report(&sequence(4).to_zarr(sink(&path)).unwrap_err());
    assert!(message.contains("of an unfinished write is invalid: its version is 0"), "{message}");
    sequence(4).to_zarr(sink(&path).with_resume(Resume::new(JOB).or_restart())).unwrap();
}

/// Chunks of two revisions are stored side by side, and both are compared.
#[test]
fn a_revision_that_comes_back_is_compared_as_well() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let sink = |revision| sink(&path).with_resume(Resume::new(JOB).with_revision(revision));
    failing(1, 2).to_zarr(sink("one")).unwrap_err();
    failing(2, 3).to_zarr(sink("two")).unwrap_err();
    let stored = sequence(1).to_zarr(sink("one")).unwrap();
    assert_eq!(stored.read().unwrap(), array(1, 8));
    let error = sequence(2).to_zarr(sink("one")).unwrap_err();
    assert!(
        report(&error)
            .ends_with("a.zarr already exists, and its contents differ from this write at block 0")
    );
}

#[test]
fn a_complete_array_with_the_same_key_is_not_computed_again() {
    let directory = tempdir().unwrap();
    let (path, other) = (directory.path().join("a.zarr"), directory.path().join("b.zarr"));
    sequence(2).to_zarr(sink(&path)).unwrap();
    let before = files(&path);
    let never =
        LazyChunkSequence::from_fn([2; 4], |_| -> ArrayBlock { panic!("a block was computed") });
    // Another array of the same pass gets the blocks as well.
    let (stored, missing) = never.compute((sink(&path), sink(&other))).unwrap();
    assert_eq!(stored.read().unwrap(), missing.read().unwrap());
    assert_eq!((files(&path), files(&other)), (before.clone(), before.clone()));
    for (what, change) in changes() {
        let error = never.to_zarr(change(sink(&path))).unwrap_err();
        assert_eq!((error.kind(), error.block()), (ErrorKind::Exists, None), "{what}: {error}");
        let message = error.to_string();
        assert!(message.contains("and was stored from another input"), "{what}: {message}");
    }
    for (write, expected) in [
        (sink(&path).with_existing(Existing::Replace), "a block was computed"),
        (ZarrSink::new(&path), "a.zarr already exists"),
    ] {
        let message = report(&never.to_zarr(write).unwrap_err());
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(files(&path), before);
    // An array that was changed or damaged does not count as complete.
    let metadata = std::fs::read_to_string(path.join("zarr.json")).unwrap();
    let renamed = metadata.replace("\"attributes\": {", "\"attributes\": {\"a\": 1,");
    std::fs::write(path.join("zarr.json"), renamed).unwrap();
    let error = never.to_zarr(sink(&path)).unwrap_err();
    assert_eq!((error.kind(), error.block()), (ErrorKind::Exists, None), "{error}");
    assert!(error.to_string().contains("has no valid record of the input"), "{error}");
    std::fs::write(path.join("zarr.json"), metadata).unwrap();
    std::fs::remove_file(path.join("c/1/0")).unwrap();
    let message = report(&never.to_zarr(sink(&path)).unwrap_err());
    assert!(message.contains("c/1/0"), "{message}");
}

#[test]
fn a_write_that_does_not_resume_keeps_a_resumable_one() {
    let (directory, path) = left_unfinished();
    let before = kept(&path);
    assert_target_refused(ZarrSink::new(&path), "with the key \"the job\"");
    assert_eq!(kept(&path), before);
    for write in UnfinishedWrite::list(&path).unwrap() {
        write.remove().unwrap();
    }
    assert_eq!(names(directory.path()), [""; 0]);
    sequence(3).to_zarr(&path).unwrap();
}

#[test]
fn the_next_write_removes_remains_that_cannot_be_resumed() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    for job in [None, Some(JOB)] {
        // The remains of a killed process whose write had no resume key, or whose layout was not
        // yet chosen.
        let keys = if job.is_none() { "c/0" } else { "0" };
        std::fs::create_dir_all(path.join(".lazy.7")).unwrap();
        std::fs::create_dir_all(path.join(keys)).unwrap();
        std::fs::write(path.join(keys).join("0"), "half a chunk").unwrap();
        std::fs::write(path.join(".lazy.7/lock"), "").unwrap();
        std::fs::write(path.join(".lazy.7/holder"), "process 1 on the moon").unwrap();
        assert_eq!(states(&path), [WriteState::Abandoned]);
        let sink = ZarrSink::new(&path).with_existing(Existing::Replace);
        sequence(2)
            .to_zarr(match job {
                Some(job) => sink.with_resume(job),
                None => sink,
            })
            .unwrap();
        let expected = match job {
            None => vec!["c", "zarr.json"],
            Some(_) => vec!["0", "c", "zarr.json"],
        };
        assert_eq!(names(&path), expected);
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(2, 8));
    }
}

#[test]
fn there_is_one_writer_at_a_time() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let process = "is being written by this process";
    let blocks = LazyChunkSequence::from_fn([2; 4], |_| {
        for second in [ZarrSink::new(&path), sink(&path).with_existing(Existing::Replace)] {
            let blocks =
                LazyChunkSequence::from_fn([2; 4], |_| -> ArrayBlock { panic!("computed") });
            let error = blocks.to_zarr(second).unwrap_err();
            assert!(is_locked(&error), "{error}");
            assert!(report(&error).contains(process), "{error}");
        }
        let [write] = &UnfinishedWrite::list(directory.path()).unwrap()[..] else { panic!() };
        let WriteState::Running { holder } = write.state() else { panic!("{write:?}") };
        assert_eq!(holder, "this process");
        assert!(write.clone().remove().is_err_and(|error| is_locked(&error)));
        // Another target can be written meanwhile.
        sequence(1)
            .to_zarr(
                ZarrSink::new(directory.path().join("b.zarr")).with_existing(Existing::Replace),
            )
            .unwrap();
        array(2, 2)
    });
    blocks.to_zarr(sink(&path)).unwrap();
    assert_eq!(names(directory.path()), ["a.zarr", "b.zarr"]);
    assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(2, 8));
}

#[test]
fn unfinished_writes_are_listed_below_a_directory_or_group() {
    let directory = tempdir().unwrap();
    let group = Target::from(directory.path().join("g.zarr"));
    sequence(1).to_zarr(group.member("whole")).unwrap();
    for member in ["b", "a"] {
        failing(1, 1).to_zarr(sink(group.member(member))).unwrap_err();
    }
    let new = Target::from(directory.path().join("new.zarr")).member("inner").member("a");
    failing(1, 2).to_zarr(sink(new.clone())).unwrap_err();
    failing(1, 3).to_zarr(sink(directory.path().join("c%2F.zarr"))).unwrap_err();

    let root = directory.path().canonicalize().unwrap();
    let listed = |target: Target| -> Vec<(PathBuf, WriteState)> {
        let writes = UnfinishedWrite::list(target).unwrap();
        writes
            .iter()
            .map(|write| (write.target().path().unwrap().unwrap(), write.state().clone()))
            .collect()
    };
    let all = listed(directory.path().into());
    let expected = [("c%2F.zarr", 6), ("g.zarr/a", 2), ("g.zarr/b", 2), ("new.zarr/inner/a", 4)];
    assert_eq!(all.len(), expected.len());
    for ((target, state), (path, chunks)) in all.iter().zip(expected) {
        assert_eq!(*target, root.join(path));
        assert!(resumable(chunks)(state), "{state:?}");
    }
    assert_eq!(listed(group.clone()), all[1..3]);
    assert_eq!(listed(group.member("b")), all[2..3]);
    assert_eq!(listed(new.clone()), all[3..]);
    assert_eq!(listed(group.member("whole")), []);
    assert_eq!(listed(directory.path().join("nothing").into()), []);
    assert_eq!(UnfinishedWrite::list(Arc::new(MemoryStore::new())).unwrap(), []);

    // One write resumes. The others are removed, with the group that one of them would have
    // created.
    sequence(1).to_zarr(sink(group.member("a"))).unwrap();
    for write in UnfinishedWrite::list(directory.path()).unwrap() {
        write.remove().unwrap();
    }
    assert_eq!(names(directory.path()), ["g.zarr"]);
    assert_eq!(names(&directory.path().join("g.zarr")), ["a", "whole", "zarr.json"]);
}

#[test]
fn an_unfinished_write_removes_the_directories_that_it_created() {
    let directory = tempdir().unwrap();
    std::fs::create_dir(directory.path().join("there")).unwrap();
    for resumed in [false, true] {
        let path = directory.path().join("there/new/dir/a.zarr");
        failing(1, 2).to_zarr(sink(&path)).unwrap_err();
        if resumed {
            failing(1, 3).to_zarr(sink(&path)).unwrap_err();
        }
        UnfinishedWrite::list(&path).unwrap().remove(0).remove().unwrap();
        assert_eq!(names(&directory.path().join("there")), [""; 0]);
    }
}

#[test]
fn other_files_beside_an_unfinished_write_are_kept() {
    let (directory, path) = left_unfinished();
    let notes = ["notes.txt", "c/notes.txt", "c/1/notes.txt"];
    for note in notes {
        std::fs::write(path.join(note), "precious").unwrap();
    }
    sequence(2).to_zarr(sink(&path)).unwrap();
    for note in notes {
        assert_eq!(std::fs::read_to_string(path.join(note)).unwrap(), "precious");
    }
    std::fs::remove_file(path.join("zarr.json")).unwrap();
    std::fs::create_dir(path.join(".lazy.1")).unwrap();
    UnfinishedWrite::list(directory.path()).unwrap().remove(0).remove().unwrap();
    for note in notes {
        assert_eq!(std::fs::read_to_string(path.join(note)).unwrap(), "precious");
    }
    assert_eq!(files(&path).len(), notes.len());
}

/// Returns a file system and a sink with a fault at operation `n`.
fn fault_at(target: &Path, n: usize) -> (Arc<FaultyFileSystem>, ZarrSink) {
    let fault = Fault { change: Some(n), ..Fault::default() };
    let file_system = Arc::new(FaultyFileSystem::new(fault));
    let sink = sink(Target::on(Arc::clone(&file_system), target)).with_writer_threads(1);
    (file_system, sink.with_existing(Existing::Replace))
}

/// After a fault at any operation of a resumable write, the next write completes it. It restarts
/// only after a failed flush.
#[test]
fn a_write_resumes_after_a_fault_at_any_operation() {
    let mut n_given_up = 0;
    for replaces in [false, true] {
        for n in 0.. {
            let directory = tempdir().unwrap();
            let path = directory.path().join("a.zarr");
            if replaces {
                sequence(1).to_zarr(&path).unwrap();
            }
            let (file_system, faulty) = fault_at(&path, n);
            let written = sequence(2).to_zarr(faulty);
            let n_changes = file_system.n_changes();
            let is_published = written.as_ref().map_or_else(Error::is_published, |_| true);
            if let Err(error) = &written {
                assert!(report(&error).contains("injected fault"), "{error}");
            }
            if !is_published {
                let error = written.as_ref().unwrap_err();
                let found = StoredArray::open(&path).map(|found| found.read().unwrap()).ok();
                assert_eq!(found, replaces.then(|| array(1, 8)), "fault {n}: {error}");
            }
            let is_flush = written.as_ref().is_err_and(|error| {
                error.to_string().starts_with("could not flush the new array to disk")
            });
            let n_left = UnfinishedWrite::list(&path).unwrap().len();
            if is_flush {
                assert_eq!(n_left, 0, "a write that could not be flushed is removed");
                n_given_up += 1;
            }
            let computed = AtomicUsize::new(0);
            let blocks = LazyChunkSequence::from_fn([2; 4], |_| {
                computed.fetch_add(1, Ordering::Relaxed);
                array(2, 2)
            });
            let stored = blocks.to_zarr(sink(&path).with_existing(Existing::Replace)).unwrap();
            assert_eq!(stored.read().unwrap(), array(2, 8));
            assert_eq!(UnfinishedWrite::list(directory.path()).unwrap(), []);
            if is_published || is_flush {
                // The array was published, but removing its staging directory may have failed.
                assert_eq!(computed.load(Ordering::Relaxed), 4);
            }
            if n_changes <= n {
                break;
            }
        }
    }
    // The flush of all files, once for a new array and once for a replaced one.
    assert_eq!(n_given_up, 2);
}

/// Damages the record or the journal of an unfinished write, and checks that the next write
/// succeeds.
fn check_damaged(name: &str, change: impl Fn(&mut Vec<u8>)) -> Result<(), TestCaseError> {
    let (directory, path) = left_unfinished();
    let file = staging(&path).join(name);
    let mut bytes = std::fs::read(&file).unwrap();
    change(&mut bytes);
    std::fs::write(&file, bytes).unwrap();
    let computed = AtomicUsize::new(0);
    let blocks = LazyChunkSequence::from_fn([2; 4], |_| {
        computed.fetch_add(1, Ordering::Relaxed);
        array(2, 2)
    });
    match blocks.to_zarr(sink(&path)) {
        Ok(stored) => {
            prop_assert_eq!(stored.read().unwrap(), array(2, 8));
            prop_assert_eq!(names(directory.path()), ["a.zarr"]);
        }
        Err(error) => {
            prop_assert!(false, "{name}: {error}");
            prop_assert_eq!(computed.load(Ordering::Relaxed), 0);
            prop_assert_eq!(states(&path), [WriteState::Abandoned]);
            UnfinishedWrite::list(&path).unwrap().remove(0).remove().unwrap();
            prop_assert_eq!(names(directory.path()), [""; 0]);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn damaged_records_and_journals_are_not_trusted(
        name in prop::sample::select(vec!["record", "journal"]),
        kind in 0..4,
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        check_damaged(name, |bytes| {
            for (place, byte) in &places {
                let place = place.index(bytes.len() + 1);
                match kind {
                    0 if place < bytes.len() => bytes[place] = *byte,
                    1 => bytes.truncate(place),
                    2 => bytes.insert(place, *byte),
                    _ => bytes.extend(bytes.clone()),
                }
            }
        })?;
    }
}

/// Complete chunks with valid checksums that were swapped.
#[test]
fn swapped_chunks_are_not_trusted() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let blocks = |fails_at| {
        LazyChunkSequence::try_from_fn([2; 4], move |i| {
            if i < fails_at { Ok(array(i as i32, 2)) } else { Err("the accelerator is gone") }
        })
    };
    for codec in [Codec::None, Codec::default()] {
        let sink = || {
            ZarrSink::new(&path)
                .with_chunk_shape([2, 5])
                .with_codec(codec)
                .with_checksum(Checksum::Crc32c)
                .with_existing(Existing::Replace)
                .with_resume(JOB)
        };
        blocks(2).to_zarr(sink()).unwrap_err();
        let chunks = path.join(if codec == Codec::None { "c" } else { "." });
        std::fs::rename(chunks.join("0"), chunks.join("aside")).unwrap();
        std::fs::rename(chunks.join("1"), chunks.join("0")).unwrap();
        std::fs::rename(chunks.join("aside"), chunks.join("1")).unwrap();
        let stored = blocks(4).to_zarr(sink()).unwrap();
        let expected: Vec<i32> = (0..4).flat_map(|i| [i; 10]).collect();
        assert_eq!(stored.read().unwrap().as_slice::<i32>().unwrap(), expected);
    }
}

#[test]
fn an_incomplete_record_is_ignored() {
    for record in ["", "{", "{}\n00000000\n"] {
        let (directory, path) = left_unfinished();
        std::fs::write(staging(&path).join("record"), record).unwrap();
        // Chunks are stored only after the record, so there are none.
        std::fs::remove_file(staging(&path).join("journal")).unwrap();
        sequence(3).to_zarr(sink(&path)).unwrap();
        assert_eq!(names(directory.path()), ["a.zarr"]);
    }
    // Or the record was being removed, before the other files.
    let (directory, path) = left_unfinished();
    std::fs::remove_file(staging(&path).join("record")).unwrap();
    assert_eq!(states(&path), [WriteState::Abandoned]);
    sequence(3).to_zarr(sink(&path)).unwrap();
    assert_eq!(names(directory.path()), ["a.zarr"]);
}

#[test]
fn a_published_write_is_not_resumed() {
    // The last operation of each write removes the staging directory.
    for replaces in [false, true] {
        let mut last = None;
        for n in 0.. {
            let directory = tempdir().unwrap();
            let path = directory.path().join("a.zarr");
            if replaces {
                // The metadata is the same.
                sequence(1).to_zarr(sink(&path)).unwrap();
            }
            let (file_system, faulty) = fault_at(&path, n);
            let written = sequence(2).to_zarr(faulty);
            if written.is_ok() && UnfinishedWrite::list(&path).unwrap().len() == 1 {
                assert_eq!(states(&path), [WriteState::Abandoned]);
                last = Some((directory, path));
            }
            if file_system.n_changes() <= n {
                break;
            }
        }
        let (directory, path) = last.expect("the staging directory is removed");
        let stored = sequence(3).to_zarr(sink(&path).with_existing(Existing::Replace)).unwrap();
        assert_eq!(stored.read().unwrap(), array(3, 8));
        assert_eq!(UnfinishedWrite::list(directory.path()).unwrap(), []);
    }
}

#[test]
fn an_unfinished_write_on_a_custom_file_system_is_listed() {
    let (_directory, path) = left_unfinished();
    let writes = UnfinishedWrite::list(Target::on(LocalFileSystem, &path)).unwrap();
    assert!(resumable(4)(writes[0].state()), "{writes:?}");
}

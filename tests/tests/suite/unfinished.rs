//! What writes leave behind that did not end: who may touch it, and what becomes of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{
    Checksum, Codec, Error, Existing, LocalFileSystem, MemoryStore, Resume, StoredArray, Target,
    ToZarr, UnfinishedWrite, WriteState, ZarrSink,
};
use lazy_chunks::{
    ArgMax, ArrayBlock, DType, LazyChunkSequence, MeanVariance, NestedLazyChunkSequence, Summary,
    TopK, report,
};
use lazy_tests::interrupted::{JOB, array, failing, left_unfinished, sequence, sink, staging};
use lazy_tests::{Fault, FaultyFileSystem, assert_target_refused, elements, files, names};
use proptest::prelude::*;
use tempfile::tempdir;

fn states(target: &Path) -> Vec<WriteState> {
    UnfinishedWrite::list(target).unwrap().iter().map(|write| write.state().clone()).collect()
}

fn resumable(chunks: u64) -> impl Fn(&WriteState) -> bool {
    move |state| matches!(state, WriteState::Resumable { job, chunks: n, .. } if job == JOB && *n == chunks)
}

/// The chunks, the record and the journal of an unfinished write.
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
fn what_cannot_leave_out_blocks_cannot_be_resumed() {
    let directory = tempdir().unwrap();
    assert_target_refused(
        sink(directory.path().join("a.zarr")),
        "a.zarr cannot be resumed: a streamed sequence computes its blocks one after the other",
    );
    assert_eq!(names(directory.path()), [""; 0]);
    let store = sequence(1).to_zarr(sink(Arc::new(MemoryStore::new())));
    let message = report(&store.unwrap_err());
    assert_eq!(
        message,
        "a write of store:/ cannot be resumed: it lies in a store, where nothing can be kept aside"
    );
}

#[test]
fn statistics_beside_a_resumed_write_are_of_the_whole_array() {
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
                    assert_eq!(format!("{statistics:?}"), format!("{expected:?}"), "bit for bit");
                    let whole = elements(DType::Float32, 3, &shape, &[0, 0], &shape);
                    assert_eq!(stored.read().unwrap(), whole);
                }
                Err(_) => assert!(fails_at.0 < 3),
            }
        }
        // After the first failure, the chunks of rows 0 to 2 are complete, and no band has those alone; after
        // the second, those of rows 0 to 5, and one of rows 6 to 8.
        assert_eq!(computed.into_inner(), 2 + (2 + 2 + 1) + (2 + 2));
    }
}

type Change = fn(ZarrSink) -> ZarrSink;

/// Changes of a write that is to be resumed, and what is said of them.
fn changes() -> [(&'static str, Change); 9] {
    [
        ("its job changed from \"the job\" to \"another\"", |sink| sink.with_resume("another")),
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
fn another_job_is_told_what_differs() {
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
    // What was declared of nothing is found out with the first block.
    let floats = LazyChunkSequence::from_fn([2; 4], |i| match i {
        2 => ArrayBlock::from_vec([2, 5], vec![0.5_f32; 10]).unwrap(),
        _ => panic!("blocks 0 and 1 are there"),
    });
    let error = report(&floats.to_zarr(sink(&path)).unwrap_err());
    assert!(error.contains("block 2 has dtype float32, but it must be int32"), "{error}");
    assert_eq!(kept(&path), before);
    sequence(2).to_zarr(sink(&path)).unwrap();
    assert_eq!(names(directory.path()), ["a.zarr"]);
}

#[test]
fn a_write_of_another_job_starts_anew_where_it_is_told_to() {
    for (i, (what, change)) in changes().into_iter().enumerate() {
        let restart = |path: &Path| {
            let job = if i == 0 { "another" } else { JOB };
            change(sink(path)).with_resume(Resume::new(job).or_restart())
        };
        let (whole, (directory, path)) = (tempdir().unwrap(), left_unfinished());
        sequence(3).to_zarr(restart(&whole.path().join("a.zarr"))).unwrap();
        let expected = files(&whole.path().join("a.zarr"));
        // The second time, it is resumed.
        failing(3, 2).to_zarr(restart(&path)).unwrap_err();
        sequence(3).to_zarr(restart(&path)).unwrap();
        assert_eq!(files(&path), expected, "{what}");
        assert_eq!(names(directory.path()), ["a.zarr"]);
    }
    // One of the same job is resumed.
    let (_directory, path) = left_unfinished();
    let only_the_last = LazyChunkSequence::from_fn([2; 4], |i| match i {
        2.. => array(2, 2),
        _ => panic!("block {i} was computed"),
    });
    only_the_last.to_zarr(sink(&path).with_resume(Resume::new(JOB).or_restart())).unwrap();
    // A record that cannot be understood is one of another job.
    let (_directory, path) = left_unfinished();
    let record = "{\"version\": 0}";
    let text = format!("{record}\n{:08x}\n", crc32c::crc32c(record.as_bytes()));
    std::fs::write(staging(&path).join("record"), text).unwrap();
    let message = report(&sequence(4).to_zarr(sink(&path)).unwrap_err());
    assert!(message.contains("cannot be understood: its version is 0"), "{message}");
    sequence(4).to_zarr(sink(&path).with_resume(Resume::new(JOB).or_restart())).unwrap();
}

/// Chunks of two revisions lie beside each other, and neither is believed.
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
        report(&error).ends_with("a.zarr exists already, and differs from this write in block 0")
    );
}

#[test]
fn a_complete_array_of_the_same_job_is_not_computed_again() {
    let directory = tempdir().unwrap();
    let (path, other) = (directory.path().join("a.zarr"), directory.path().join("b.zarr"));
    sequence(2).to_zarr(sink(&path)).unwrap();
    let before = files(&path);
    let never =
        LazyChunkSequence::from_fn([2; 4], |_| -> ArrayBlock { panic!("a block was computed") });
    // Another array of the same pass has its blocks, too.
    let (stored, missing) = never.compute((sink(&path), sink(&other))).unwrap();
    assert_eq!(stored.read().unwrap(), missing.read().unwrap());
    assert_eq!((files(&path), files(&other)), (before.clone(), before.clone()));
    for (what, change) in changes() {
        let error = never.to_zarr(change(sink(&path))).unwrap_err();
        assert!(matches!(error, Error::TargetExists { .. }), "{what}: {error}");
    }
    for (write, expected) in [
        (sink(&path).with_existing(Existing::Replace), "a block was computed"),
        (ZarrSink::new(&path), "a.zarr exists already"),
    ] {
        let message = report(&never.to_zarr(write).unwrap_err());
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(files(&path), before);
    // One that was changed or damaged is none.
    let metadata = std::fs::read_to_string(path.join("zarr.json")).unwrap();
    let renamed = metadata.replace("\"attributes\": {", "\"attributes\": {\"a\": 1,");
    std::fs::write(path.join("zarr.json"), renamed).unwrap();
    assert!(matches!(never.to_zarr(sink(&path)), Err(Error::TargetExists { .. })));
    std::fs::write(path.join("zarr.json"), metadata).unwrap();
    std::fs::remove_file(path.join("c/1/0")).unwrap();
    let message = report(&never.to_zarr(sink(&path)).unwrap_err());
    assert!(message.contains("c/1/0"), "{message}");
}

#[test]
fn a_write_that_does_not_go_on_leaves_what_can_be_gone_on_with() {
    let (directory, path) = left_unfinished();
    let before = kept(&path);
    assert_target_refused(ZarrSink::new(&path), "of the job \"the job\"");
    assert_eq!(kept(&path), before);
    for write in UnfinishedWrite::list(&path).unwrap() {
        write.remove().unwrap();
    }
    assert_eq!(names(directory.path()), [""; 0]);
    sequence(3).to_zarr(&path).unwrap();
}

#[test]
fn what_nobody_can_go_on_with_is_removed_by_the_next_write() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    for job in [None, Some(JOB)] {
        // What a killed process leaves of a write without a job, or before its layout is settled.
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
            assert!(matches!(error, Error::Locked { .. }), "{error}");
            assert!(report(&error).contains(process), "{error}");
        }
        let [write] = &UnfinishedWrite::list(directory.path()).unwrap()[..] else { panic!() };
        let WriteState::Running { holder } = write.state() else { panic!("{write:?}") };
        assert_eq!(holder, "this process");
        assert!(matches!(write.clone().remove(), Err(Error::Locked { .. })));
        // Another target is another matter.
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
fn unfinished_writes_are_listed_by_what_they_lie_in() {
    let directory = tempdir().unwrap();
    let group = Target::from(directory.path().join("g.zarr"));
    sequence(1).to_zarr(group.clone().member("whole")).unwrap();
    for member in ["b", "a"] {
        failing(1, 1).to_zarr(sink(group.clone().member(member))).unwrap_err();
    }
    let new = Target::from(directory.path().join("new.zarr")).member("inner").member("a");
    failing(1, 2).to_zarr(sink(new.clone())).unwrap_err();
    failing(1, 3).to_zarr(sink(directory.path().join("c%2F.zarr"))).unwrap_err();

    let root = directory.path().canonicalize().unwrap();
    let listed = |target: Target| -> Vec<(PathBuf, WriteState)> {
        let writes = UnfinishedWrite::list(target).unwrap();
        writes.iter().map(|write| (write.target(), write.state().clone())).collect()
    };
    let all = listed(directory.path().into());
    let expected = [("c%2F.zarr", 6), ("g.zarr/a", 2), ("g.zarr/b", 2), ("new.zarr/inner/a", 4)];
    assert_eq!(all.len(), expected.len());
    for ((target, state), (path, chunks)) in all.iter().zip(expected) {
        assert_eq!(*target, root.join(path));
        assert!(resumable(chunks)(state), "{state:?}");
    }
    assert_eq!(listed(group.clone()), all[1..3]);
    assert_eq!(listed(group.clone().member("b")), all[2..3]);
    assert_eq!(listed(new.clone()), all[3..]);
    assert_eq!(listed(group.clone().member("whole")), []);
    assert_eq!(listed(directory.path().join("nothing").into()), []);
    assert_eq!(UnfinishedWrite::list(Arc::new(MemoryStore::new())).unwrap(), []);

    // One is gone on with; the others are removed, with the group that one of them would have made.
    sequence(1).to_zarr(sink(group.clone().member("a"))).unwrap();
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
fn other_files_beside_an_unfinished_write_stay() {
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

/// The number of the operation that flushes the whole tree of a write, or one after it.
fn fault_at(target: &Path, n: usize) -> (Arc<FaultyFileSystem>, ZarrSink) {
    let fault = Fault { change: Some(n), ..Fault::default() };
    let file_system = Arc::new(FaultyFileSystem::new(fault));
    let sink = sink(Target::on(Arc::clone(&file_system), target)).with_writer_threads(1);
    (file_system, sink.with_existing(Existing::Replace))
}

/// A fault at any operation of a write that can be resumed: the next one ends it, and only a failed flush
/// makes it begin anew.
#[test]
fn a_fault_at_any_operation_is_gone_on_from() {
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
            let is_flush = matches!(written, Err(Error::Flush { .. }));
            let n_left = UnfinishedWrite::list(&path).unwrap().len();
            if is_flush {
                assert_eq!(n_left, 0, "what could not be flushed is given up");
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
                // Removing the staging directory may have failed, of an array that was published.
                assert_eq!(computed.load(Ordering::Relaxed), 4);
            }
            if n_changes <= n {
                break;
            }
        }
    }
    // All files at once, of a new array and of one that is replaced.
    assert_eq!(n_given_up, 2);
}

/// The record or the journal of an unfinished write is damaged.
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
    fn damaged_records_and_journals_are_not_believed(
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

/// Whole chunks, each with a checksum that fits it, in the places of others.
#[test]
fn exchanged_chunks_are_not_believed() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let blocks = |fails_at| {
        LazyChunkSequence::try_from_fn([2; 4], move |i| match i < fails_at {
            true => Ok(array(i as i32, 2)),
            false => Err("the accelerator is gone"),
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
fn a_record_that_was_not_written_whole_is_none() {
    for record in ["", "{", "{}\n00000000\n"] {
        let (directory, path) = left_unfinished();
        std::fs::write(staging(&path).join("record"), record).unwrap();
        // Chunks come after it, so that there can be none;
        std::fs::remove_file(staging(&path).join("journal")).unwrap();
        sequence(3).to_zarr(sink(&path)).unwrap();
        assert_eq!(names(directory.path()), ["a.zarr"]);
    }
    // or it was being removed, and the others with it.
    let (directory, path) = left_unfinished();
    std::fs::remove_file(staging(&path).join("record")).unwrap();
    assert_eq!(states(&path), [WriteState::Abandoned]);
    sequence(3).to_zarr(sink(&path)).unwrap();
    assert_eq!(names(directory.path()), ["a.zarr"]);
}

#[test]
fn what_is_published_is_not_gone_on_with() {
    // The last operation of each removes the staging directory.
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
fn an_unfinished_write_of_a_file_system_of_ones_own_is_listed() {
    let (_directory, path) = left_unfinished();
    let writes = UnfinishedWrite::list(Target::on(LocalFileSystem, &path)).unwrap();
    assert!(resumable(4)(writes[0].state()), "{writes:?}");
}

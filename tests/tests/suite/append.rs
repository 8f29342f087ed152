//! Rows that are appended to an array: the result is the array that would have been stored at once,
//! and readers find the old rows or all of them, whatever fails.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{
    Checksum, Codec, Durability, Error, ErrorKind, Existing, Group, Resume, StoreResult,
    StoredArray, Superseded, Target, ToZarr, UnfinishedWrite, WriteState, ZarrSink,
};
use lazy_chunks::{
    ArrayBlock, Casting, Concatenate, DType, Indexed, LazyChunkSequence, MeanVariance,
    NestedLazyChunkSequence, Sum, Summary, report,
};
use lazy_tests::{
    Case, Fault, FaultyFileSystem, VolatileFileSystem, case, chooser, elements, files,
    is_taken_over, names,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Returns the blocks of a case from one band to another, as a sequence.
fn bands<'a>(
    case: &'a Case,
    bands: std::ops::Range<usize>,
    computed: &'a AtomicUsize,
) -> Bands<'a> {
    let start = bands.start;
    let rows = case.rows[bands].to_vec();
    let block = move |i, j| {
        computed.fetch_add(1, Ordering::Relaxed);
        case.block(start + i, j)
    };
    match case.columns.clone() {
        None => Bands::Flat(LazyChunkSequence::from_fn(rows, move |i| block(i, 0))),
        Some(columns) => Bands::Nested(NestedLazyChunkSequence::from_fn(rows, columns, block)),
    }
}

enum Bands<'a> {
    Flat(LazyChunkSequence<'a, ArrayBlock, Indexed>),
    Nested(NestedLazyChunkSequence<'a, ArrayBlock, Indexed>),
}

impl Bands<'_> {
    fn store(self, case: &Case, sink: ZarrSink) -> Result<StoredArray, Error> {
        let (dtype, row_shape) = (case.dtype, &case.shape()[1..]);
        let n_threads = case.n_threads.max(1);
        match self {
            Bands::Flat(blocks) => {
                blocks.with_row_type(dtype, row_shape).with_threads(n_threads).to_zarr(sink)
            }
            Bands::Nested(blocks) => {
                blocks.with_row_type(dtype, row_shape).with_threads(n_threads).to_zarr(sink)
            }
        }
    }
}

/// Returns the metadata of an array without what depends on the course of its writes.
fn metadata(array: &Path) -> Value {
    let text = std::fs::read_to_string(array.join("zarr.json")).unwrap();
    let mut metadata: Value = serde_json::from_str(&text).unwrap();
    let provenance = metadata["attributes"]["provenance"].as_object_mut().unwrap();
    for name in ["metadata_crc32c", "job_xxh3", "stored_rows"] {
        provenance.remove(name);
    }
    metadata
}

/// Returns the chunks of an array.
fn chunks(array: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let is_chunk = |(path, _): &(PathBuf, Vec<u8>)| path != Path::new("zarr.json");
    files(array).into_iter().filter(is_chunk).collect()
}

proptest! {
    #[test]
    fn appended_arrays_are_those_that_are_stored_at_once(
        case in case(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        resumes in any::<bool>(),
    ) {
        let n_bands = case.rows.len();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(n_bands + 1)).collect();
        cuts.sort_unstable();
        let ends = cuts.iter().copied().chain([n_bands]);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        let (mut start, computed) = (0, AtomicUsize::new(0));
        let mut n_expected = 0;
        let mut before: Vec<(PathBuf, Vec<u8>)> = Vec::new();
        for (i, end) in ends.enumerate() {
            let mut sink = if i == 0 { case.sink(&path) } else { ZarrSink::new(&path) }
                .with_existing(Existing::Append)
                .with_durability(Durability::None);
            if resumes {
                sink = sink.with_resume(format!("part {i}"));
            }
            n_expected += (end - start) * case.blocks_per_band();
            // A second write of the same part finds its rows there.
            for _ in 0..=usize::from(resumes) {
                let stored = bands(&case, start..end, &computed).store(&case, sink.clone()).unwrap();
                prop_assert_eq!(stored.shape()[0], case.rows[..end].iter().sum::<usize>());
                prop_assert_eq!(computed.load(Ordering::Relaxed), n_expected);
            }
            start = end;
            let now = chunks(&path);
            if StoredArray::open(&path).unwrap().shard_shape().is_some() {
                // A reader that has read the index of a shard before finds its chunks.
                for (path, shard) in &before {
                    let is_extended = |(_, now): &(PathBuf, Vec<u8>)| now.starts_with(shard);
                    prop_assert!(now.iter().find(|(now, _)| now == path).is_some_and(is_extended));
                }
            }
            before = now;
        }
        let stored = StoredArray::open(&path).unwrap();
        prop_assert_eq!(stored.read().unwrap(), case.array());
        prop_assert!(stored.verify().next().is_none());

        let at_once = directory.path().join("b.zarr");
        let sink = ZarrSink::new(&at_once)
            .with_codec(case.codec)
            .with_checksum(case.checksum)
            .with_chunk_shape(stored.chunk_shape());
        let sink = match stored.shard_shape() {
            Some(shape) => sink.with_shard_shape(shape),
            None => sink,
        };
        bands(&case, 0..n_bands, &computed).store(&case, sink).unwrap();
        if stored.shard_shape().is_none() {
            prop_assert_eq!(chunks(&path), chunks(&at_once));
        }
        let keys = |path| chunks(path).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        prop_assert_eq!(keys(&path), keys(&at_once));
        prop_assert_eq!(metadata(&path), metadata(&at_once));
        prop_assert_eq!(stored.metadata_checksum(), StoredArray::open(&at_once).unwrap().metadata_checksum());
        prop_assert_eq!(names(directory.path()), ["a.zarr", "b.zarr"]);
    }
}

/// Returns rows from one row to another of an array of five columns.
fn rows(range: std::ops::Range<usize>) -> ArrayBlock {
    elements(DType::Int32, 7, &[100, 5], &[range.start, 0], &[range.len(), 5])
}

/// Returns a sequence of two blocks with the rows from 7 to 12.
fn next() -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    LazyChunkSequence::from_fn([2, 3], |i| [rows(7..9), rows(9..12)][i].clone())
}

fn sink(target: impl Into<Target>) -> ZarrSink {
    ZarrSink::new(target).with_existing(Existing::Append).with_writer_threads(1)
}

/// Stores the first seven rows, in chunks of three: the last row of chunks has one row.
fn first(target: impl Into<Target>) -> StoredArray {
    let first = LazyChunkSequence::from_fn([7], |_| rows(0..7));
    first.to_zarr(sink(target).with_chunk_shape([3, 2])).unwrap()
}

/// Checks that the array at a target is the old one or the new one, and returns its number of rows.
fn found(target: impl Into<Target>) -> usize {
    let found = StoredArray::open(target).unwrap();
    let n_rows = found.shape()[0];
    assert_eq!(found.read().unwrap(), rows(0..n_rows));
    n_rows
}

#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn a_fault_at_any_operation_leaves_the_old_rows_or_all() {
    let faults: [fn(usize) -> Fault; 6] = [
        |n| Fault { change: Some(n), ..Fault::default() },
        |n| Fault { change: Some(n), is_done: true, ..Fault::default() },
        |n| Fault { change: Some(n), no_sync_of_all: true, ..Fault::default() },
        |n| Fault { full_from: Some(n), ..Fault::default() },
        |n| Fault { panic: Some(n), ..Fault::default() },
        |n| Fault { change: Some(n), no_locks: true, ..Fault::default() },
    ];
    for (kind, fault) in faults.into_iter().enumerate() {
        for resumes in [false, true] {
            for n in 0.. {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("a.zarr");
                first(&path);
                let sink = |target| {
                    let sink = sink(target);
                    if resumes { sink.with_resume("the next rows") } else { sink }
                };
                let file_system = Arc::new(FaultyFileSystem::new(fault(n)));
                let target = Target::on(Arc::clone(&file_system), &path);
                let append = std::panic::AssertUnwindSafe(|| next().to_zarr(sink(target)));
                let written = std::panic::catch_unwind(append);
                let n_changes = file_system.n_changes();
                let n_rows = found(&path);
                match &written {
                    Ok(Ok(_)) => assert_eq!(n_rows, 12),
                    Ok(Err(error)) => {
                        assert_eq!(n_rows == 12, error.is_published(), "{n}: {}", report(error));
                        if !resumes && kind == 0 && !error.is_published() {
                            assert_eq!(names(&path), ["c", "zarr.json"], "{n}: {error}");
                        }
                    }
                    Err(_) => {}
                }
                // The next write is not disturbed.
                if n_rows == 7 || resumes {
                    let stored = next().to_zarr(sink(Target::from(&path)));
                    let stored = stored.unwrap_or_else(|error| panic!("{n}: {}", report(&error)));
                    assert_eq!(stored.read().unwrap(), rows(0..12));
                }
                assert_eq!(found(&path), 12);
                for left in UnfinishedWrite::list(&path).unwrap() {
                    left.remove().unwrap();
                }
                assert_eq!(
                    (found(&path), names(&path)),
                    (12, vec!["c".into(), "zarr.json".into()])
                );
                if n_changes <= n {
                    break;
                }
            }
        }
    }
}

/// Makes the power fail before each operation of an append in turn, and once more during the next.
fn fail_power(is_aligned: bool, resumes: bool, can_sync_all: bool, seed: u64) -> usize {
    let present = if is_aligned { 6 } else { 7 };
    let target =
        |file_system: &Arc<VolatileFileSystem>| Target::on(Arc::clone(file_system), "/data/a.zarr");
    let next = || {
        LazyChunkSequence::from_fn([2, 4], move |i| {
            [rows(present..present + 2), rows(present + 2..present + 6)][i].clone()
        })
    };
    let append = |file_system: &Arc<VolatileFileSystem>| {
        let sink = sink(target(file_system));
        next().to_zarr(if resumes { sink.with_resume("the next rows") } else { sink })
    };
    let n_rows = |file_system: &Arc<VolatileFileSystem>| found(target(file_system));
    for n in 0.. {
        let file_system = VolatileFileSystem::new();
        let file_system =
            if can_sync_all { file_system } else { file_system.without_sync_of_all() };
        let file_system = Arc::new(file_system);
        let first = LazyChunkSequence::from_fn([present], |_| rows(0..present));
        first.to_zarr(sink(target(&file_system)).with_chunk_shape([3, 2])).unwrap();
        file_system.fail_at(n);
        let written = append(&file_system);
        let n_changes = file_system.n_changes();
        let mut choose = chooser(seed ^ n as u64);
        let mut after = Arc::new(file_system.after_power_loss(&mut choose));
        for n_again in [Some(choose(50)), None] {
            let before = n_rows(&after);
            assert!(before == present || before == present + 6, "{before}");
            assert!(written.is_err() || before == present + 6, "{n}: {written:?}");
            if before == present + 6 && !resumes {
                break;
            }
            if let Some(n_again) = n_again {
                after.fail_at(n_again);
                let _ = append(&after);
                after = Arc::new(after.after_power_loss(&mut choose));
            } else {
                let stored = append(&after).unwrap_or_else(|error| panic!("{}", report(&error)));
                assert_eq!(stored.shape(), [present + 6, 5]);
            }
        }
        assert_eq!(n_rows(&after), present + 6);
        for left in UnfinishedWrite::list(target(&after)).unwrap() {
            left.remove().unwrap();
        }
        // No chunk behind the rows is left, so a replacement and a next append find no file there.
        assert_eq!(n_rows(&after), present + 6);
        let more = LazyChunkSequence::from_fn([9], |_| rows(present + 6..present + 15));
        more.to_zarr(sink(target(&after))).unwrap_or_else(|error| panic!("{}", report(&error)));
        assert_eq!(n_rows(&after), present + 15);
        assert!(Superseded::list(target(&after)).unwrap().is_empty());
        if n_changes <= n {
            assert!(written.is_ok());
            return n;
        }
    }
    unreachable!("the write ends")
}

#[test]
fn a_power_failure_at_any_operation_leaves_the_old_rows_or_all() {
    let mut n_failures = 0;
    for bits in 0..8 {
        let [is_aligned, resumes, can_sync_all] = [1, 2, 4].map(|bit| bits & bit > 0);
        n_failures += fail_power(is_aligned, resumes, can_sync_all, 7);
    }
    println!("{n_failures} moments at which the power failed");
}

proptest! {
    #[test]
    #[ignore = "slow: `cargo xtask properties` runs it"]
    fn power_failures_leave_the_old_rows_or_all(
        (is_aligned, resumes, can_sync_all) in any::<(bool, bool, bool)>(),
        seed in any::<u64>(),
    ) {
        fail_power(is_aligned, resumes, can_sync_all, seed);
    }
}

/// An append that is stopped after any block and resumed computes only the blocks of incomplete
/// chunks, and its statistics are those of an uninterrupted one.
#[test]
fn an_append_resumes() {
    // The rows from 7 on, in blocks of two rows: the first chunk row that they complete has the
    // rows from 6 to 9.
    let sizes = [2; 8];
    let row_of = |i: usize| 7 + 2 * i;
    for n_threads in [1, 3] {
        for stop in 0..8 {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.zarr");
            first(&path);
            let computed = AtomicUsize::new(0);
            let blocks = |fails_at: usize| {
                let computed = &computed;
                LazyChunkSequence::try_from_fn(sizes, move |i| {
                    if i >= fails_at {
                        return Err("the accelerator is gone");
                    }
                    computed.fetch_add(1, Ordering::Relaxed);
                    Ok(rows(row_of(i)..row_of(i) + 2))
                })
                .with_threads(n_threads)
            };
            let sink = || sink(&path).with_resume("days");
            blocks(stop).to_zarr(sink()).unwrap_err();
            assert_eq!(found(&path), 7);
            let list = UnfinishedWrite::list(&path).unwrap();
            let n_complete = match list.as_slice() {
                [] => 0,
                [one] => match one.state() {
                    WriteState::Resumable { key, chunks, .. } => {
                        assert_eq!(key, "days");
                        *chunks as usize
                    }
                    state => panic!("{state:?}"),
                },
                more => panic!("{more:?}"),
            };
            // A write that does not resume, or does something else, is refused.
            if n_complete > 0 {
                for other in [
                    sink().with_existing(Existing::Replace),
                    sink().with_resume("other days"),
                    super::append::sink(&path),
                ] {
                    let error = next().to_zarr(other).unwrap_err();
                    let expected = [ErrorKind::ResumeMismatch, ErrorKind::Unfinished];
                    assert!(expected.contains(&error.kind()), "{error}");
                }
            }
            computed.store(0, Ordering::Relaxed);
            let (stored, joined, moments) =
                blocks(8).compute((sink(), Concatenate, MeanVariance)).unwrap();
            // Three chunks for each complete row of chunks: the rows 6 to 9, 9 to 12, ….
            let n_whole_rows = n_complete / 3;
            let n_restored = (0..8).filter(|i| row_of(*i) + 2 <= 6 + 3 * n_whole_rows).count();
            assert_eq!(computed.load(Ordering::Relaxed), 8 - n_restored, "{stop} {n_complete}");
            if n_threads == 1 {
                let n_rows = if stop == 0 { 0 } else { 1 + 2 * stop };
                assert_eq!(n_complete, 3 * (n_rows / 3), "{stop}");
            }
            assert_eq!(joined, rows(7..23));
            assert_eq!(moments.count, 80);
            assert_eq!(stored.read().unwrap(), rows(0..23));
            assert_eq!(names(&path), ["c", "zarr.json"]);

            // It is appended once: a write with the same key reads the rows back, also when others
            // were appended since.
            let more = LazyChunkSequence::from_fn([4], |_| rows(23..27));
            more.to_zarr(super::append::sink(&path)).unwrap();
            computed.store(0, Ordering::Relaxed);
            let (stored, joined) = blocks(8).compute((sink(), Concatenate)).unwrap();
            assert_eq!((stored.shape()[0], joined), (27, rows(7..23)));
            assert_eq!(computed.load(Ordering::Relaxed), 0);
            let revision = Resume::new("days").with_revision("2");
            blocks(8).to_zarr(sink().with_resume(revision.clone())).unwrap();
            assert_eq!(computed.load(Ordering::Relaxed), 8);
            let other = LazyChunkSequence::from_fn(sizes, |_| rows(0..2));
            let error = other.to_zarr(sink().with_resume(revision.clone())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Exists, "{error}");
            assert!(error.block().is_some() && error.hint().unwrap().contains("another key"));
            assert_eq!(found(&path), 27);
            let again = LazyChunkSequence::from_fn(sizes, |i| rows(27 + 2 * i..29 + 2 * i));
            again.to_zarr(sink().with_resume(revision.or_append_again())).unwrap();
            assert_eq!(found(&path), 43);
        }
    }
}

#[test]
fn the_leftovers_of_an_append_are_removed_alone() {
    let unfinished = || {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        first(&path);
        let blocks = LazyChunkSequence::try_from_fn([5; 3], |i| match i {
            2 => Err("the accelerator is gone"),
            i => Ok(rows(7 + 5 * i..12 + 5 * i)),
        });
        blocks.to_zarr(sink(&path).with_resume("days")).unwrap_err();
        assert!(path.join("c/3/0").exists() && path.join(".lazy.1/last.c.2.0").exists());
        (directory, path)
    };
    let check = |path: &Path| {
        assert!(!path.join("c/3").exists() && path.join("c/2/0").exists());
        assert_eq!(found(path), 7);
    };

    let (_directory, path) = unfinished();
    UnfinishedWrite::list(&path).unwrap().remove(0).remove().unwrap();
    check(&path);
    assert_eq!(names(&path), ["c", "zarr.json"]);

    // The write that starts over removes them, whether it appends or replaces the array.
    for existing in [Existing::Append, Existing::Replace] {
        let (_directory, path) = unfinished();
        let restart = Resume::new("other rows").or_restart();
        let failing = LazyChunkSequence::try_from_fn([5], |_| Err::<ArrayBlock, _>("no power"));
        let sink = ZarrSink::new(&path).with_existing(existing).with_resume(restart.clone());
        failing.to_zarr(sink.clone()).unwrap_err();
        check(&path);
        let stored = LazyChunkSequence::from_fn([5], |_| rows(7..12)).to_zarr(sink).unwrap();
        let expected = if existing == Existing::Append { rows(0..12) } else { rows(7..12) };
        assert_eq!(stored.read().unwrap(), expected);
    }

    // An unfinished replacement is not lost to an append.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    first(&path);
    let replace = || ZarrSink::new(&path).with_existing(Existing::Replace).with_chunk_shape([2, 5]);
    let blocks = LazyChunkSequence::try_from_fn([2, 2], |i| match i {
        0 => Ok(rows(50..52)),
        _ => Err("no power"),
    });
    blocks.to_zarr(replace().with_resume("new")).unwrap_err();
    let error = next().to_zarr(sink(&path)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unfinished, "{error}");
    let error = next().to_zarr(sink(&path).with_resume("new")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResumeMismatch, "{error}");
    next().to_zarr(sink(&path).with_resume(Resume::new("days").or_restart())).unwrap();
    assert_eq!((found(&path), names(&path)), (12, vec!["c".into(), "zarr.json".into()]));
}

/// A killed process has renamed the last row of chunks, but not the metadata.
#[test]
fn an_append_that_was_killed_while_it_published_is_appended_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    first(&path);
    let old = std::fs::read(path.join("zarr.json")).unwrap();
    next().to_zarr(sink(&path)).unwrap();
    std::fs::write(path.join("zarr.json"), old).unwrap();
    assert_eq!(found(&path), 7);
    let staging = path.join(".lazy.3");
    std::fs::create_dir(&staging).unwrap();
    std::fs::write(staging.join("append"), "").unwrap();
    let other = LazyChunkSequence::from_fn([9], |_| rows(7..16));
    other.to_zarr(sink(&path)).unwrap();
    assert_eq!(found(&path), 16);
}

#[test]
fn chunks_of_other_programs_are_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    first(&path);
    std::fs::create_dir(path.join("c/4")).unwrap();
    std::fs::write(path.join("c/4/0"), "a chunk of another program").unwrap();
    let error = report(&next().to_zarr(sink(&path)).unwrap_err());
    assert!(error.contains("c/4/0 is in the way"), "{error}");
    assert_eq!(found(&path), 7);
    assert_eq!(std::fs::read(path.join("c/4/0")).unwrap(), b"a chunk of another program");
}

/// Changes of other programs while rows are appended are noticed, and not overwritten.
#[test]
fn changes_while_rows_are_appended_are_noticed() {
    type Change = fn(&Path);

    let changes: [(Change, &str); 3] = [
        (
            |path| {
                let other = path.with_file_name("b.zarr");
                let blocks = LazyChunkSequence::from_fn([7], |_| rows(50..57));
                blocks.to_zarr(sink(&other).with_chunk_shape([3, 2])).unwrap();
                std::fs::copy(other.join("c/2/1"), path.join("c/2/1")).unwrap();
            },
            "the last rows of",
        ),
        (
            |path| {
                let text = std::fs::read_to_string(path.join("zarr.json")).unwrap();
                std::fs::write(path.join("zarr.json"), text + "\n").unwrap();
            },
            "the array to append to has changed",
        ),
        (|path| std::fs::remove_file(path.join("zarr.json")).unwrap(), "no longer there"),
    ];
    for (change, message) in changes {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        first(&path);
        let blocks = LazyChunkSequence::from_fn([2, 3], |i| {
            if i == 1 {
                change(&path);
            }
            [rows(7..9), rows(9..12)][i].clone()
        });
        let error = report(&blocks.to_zarr(sink(&path)).unwrap_err());
        assert!(error.contains(message), "{error}");
        if !path.join("zarr.json").exists() {
            // Without the array, the chunks of the write cannot be told from others, so the mark of
            // the write stays.
            assert_eq!(names(&path), [".lazy.1", "c"]);
            continue;
        }
        assert!(!names(&path).iter().any(|name| name.starts_with(".lazy")));
        assert!(!path.join("c/3").exists(), "a chunk of the failed write is left");
        let n_rows = StoredArray::open(&path).unwrap().shape()[0];
        let more = LazyChunkSequence::from_fn([5], |_| rows(7..12));
        assert_eq!(more.to_zarr(sink(&path)).unwrap().shape()[0], n_rows + 5);
    }
}

/// The rows of a key are known whatever the blocks are, and only while they are there.
#[test]
fn rows_with_a_key_are_appended_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let append = |key: &str, range: std::ops::Range<usize>, n_blocks: usize| {
        let n_rows = range.len() / n_blocks;
        let start = range.start;
        let block = move |i: usize| rows(start + i * n_rows..start + (i + 1) * n_rows);
        let blocks = LazyChunkSequence::from_fn(vec![n_rows; n_blocks], block);
        let (stored, joined) =
            blocks.compute((sink(&path).with_chunk_shape([3, 2]).with_resume(key), Concatenate))?;
        assert_eq!(joined, rows(range));
        Ok::<_, lazy_chunks::Error>(stored.shape()[0])
    };
    assert_eq!(append("one", 0..6, 2).unwrap(), 6);
    assert_eq!(append("two", 6..12, 3).unwrap(), 12);
    // The same rows in other blocks.
    for n_blocks in [1, 2, 3, 6] {
        assert_eq!(append("one", 0..6, n_blocks).unwrap(), 12);
        assert_eq!(append("two", 6..12, n_blocks).unwrap(), 12);
    }
    // Other rows with the same key.
    let error = Error::from(append("two", 6..14, 2).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Exists, "{error}");
    assert!(error.to_string().contains("differ from it in number or type"), "{error}");
    assert_eq!(found(&path), 12);

    // Another program removes rows, and others are appended.
    let text = std::fs::read_to_string(path.join("zarr.json")).unwrap();
    std::fs::write(path.join("zarr.json"), text.replacen("    12,", "    6,", 1)).unwrap();
    assert_eq!(found(&path), 6);
    for row in ["2", "3"] {
        std::fs::remove_dir_all(path.join("c").join(row)).unwrap();
    }
    let other = LazyChunkSequence::from_fn([8], |_| rows(6..14));
    other.to_zarr(sink(&path)).unwrap();
    assert_eq!(append("one", 0..6, 1).unwrap(), 14);
    assert_eq!(append("two", 14..20, 3).unwrap(), 20);
    assert_eq!(found(&path), 20);

    // A complete array that was stored with the same key.
    let path = directory.path().join("b.zarr");
    let all = LazyChunkSequence::from_fn([6], |_| rows(0..6));
    all.to_zarr(ZarrSink::new(&path).with_resume("one")).unwrap();
    all.to_zarr(sink(&path).with_resume("one")).unwrap();
    assert_eq!(found(&path), 6);
}

/// A job that was started twice: the second one waits while the first one publishes.
#[test]
fn a_job_that_was_started_twice_appends_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    first(&path);
    let job = || next().to_zarr(sink(&path).with_resume("the next rows"));
    // It looks for its rows, and before it has the lock, the other one has appended them.
    let other = path.clone();
    let file_system = Arc::new(FaultyFileSystem::with_rival(move || {
        next().to_zarr(sink(&other).with_resume("the next rows")).unwrap();
    }));
    let target = Target::on(file_system, &path);
    let stored = next().to_zarr(sink(target).with_resume("the next rows"));
    if let Err(error) = stored {
        assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
    }
    job().unwrap();
    assert_eq!(found(&path), 12);
}

/// The link would lead chunks to a place where no write finds them again.
#[cfg(unix)]
#[test]
fn chunks_behind_a_link_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    first(&path);
    let elsewhere = directory.path().join("elsewhere");
    std::fs::rename(path.join("c"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, path.join("c")).unwrap();
    let error = report(&next().to_zarr(sink(&path)).unwrap_err());
    assert!(error.contains("c is in the way"), "{error}");
    assert_eq!((found(&path), names(&elsewhere)), (7, vec!["0".into(), "1".into(), "2".into()]));
}

/// Two processes that append at the same time: one of them is refused, or was taken over.
#[test]
fn one_write_appends_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    first(&path);
    let blocks = LazyChunkSequence::from_fn([5], |_| {
        let error = next().to_zarr(sink(&path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InUse);
        rows(7..12)
    });
    blocks.to_zarr(sink(&path)).unwrap();
    assert_eq!(found(&path), 12);

    // A process that was taken for crashed publishes nothing.
    let blocks = LazyChunkSequence::from_fn([5], |_| {
        let staging = path.join(".lazy.1");
        std::fs::rename(&staging, path.join(".lazy.2")).unwrap();
        std::fs::remove_dir_all(path.join(".lazy.2")).unwrap();
        let rival = LazyChunkSequence::from_fn([4], |_| rows(12..16));
        rival.to_zarr(sink(&path)).unwrap();
        rows(50..55)
    });
    let error = blocks.to_zarr(sink(&path)).unwrap_err();
    assert!(is_taken_over(&error), "{error}");
    assert_eq!(found(&path), 16);
}

#[test]
fn a_handle_of_the_old_length_notices() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let old = first(&path);
    let new = next().to_zarr(sink(&path)).unwrap();
    assert_eq!(new.read().unwrap(), rows(0..12));
    assert_eq!(old.read().unwrap_err().kind(), ErrorKind::Changed);
    // A reader that has read the old metadata, as other programs do, still finds the old rows.
    let metadata = std::fs::read_to_string(path.join("zarr.json")).unwrap();
    let [new_shape, old_shape] = [12, 7].map(|n| format!("\"shape\": [\n    {n}"));
    assert!(metadata.contains(&new_shape), "{metadata}");
    std::fs::write(path.join("zarr.json"), metadata.replace(&new_shape, &old_shape)).unwrap();
    assert_eq!(found(&path), 7);
}

#[test]
fn attributes_and_names_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let group = Target::from(directory.path().join("group.zarr"));
    let member = || group.member("values");
    let create = sink(member())
        .with_chunk_shape([3, 2])
        .with_dimension_names(["sample", "parameter"])
        .with_attribute("day", 1)
        .with_attribute("model", "resnet")
        .with_fill_value(-1);
    LazyChunkSequence::from_fn([7], |_| rows(0..7)).to_zarr(create).unwrap();
    let stored = next().to_zarr(sink(member()).with_attribute("day", 2)).unwrap();
    let names: Vec<_> = stored.dimension_names().unwrap().iter().flatten().collect();
    assert_eq!(names, ["sample", "parameter"]);
    assert_eq!(stored.attributes()["day"], 2);
    assert_eq!(stored.attributes()["model"], "resnet");
    assert_eq!(stored.attributes()["provenance"]["block_rows"], json!([[1, 7], [1, 2], [1, 3]]));
    assert_eq!(stored.fill_value().unwrap().as_slice::<i32>().unwrap(), [-1]);

    Group::open(&group).unwrap().consolidate().unwrap();
    let error = next().to_zarr(sink(member())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Consolidated);
    assert!(error.hint().is_some());
}

#[test]
fn what_does_not_fit_the_array_is_refused_before_the_first_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    first(&path);
    let before = files(&path);
    let none =
        || LazyChunkSequence::from_fn([5], |_| -> ArrayBlock { panic!("a block was computed") });
    let sink = || sink(&path);
    for (sink, setting) in [
        (sink().with_chunk_shape([3, 3]), "chunk shape"),
        (sink().with_shard_shape([3, 4]), "shard shape"),
        (sink().with_codec(Codec::None), "codec"),
        (sink().with_checksum(Checksum::None), "checksum"),
        (sink().with_fill_value(3), "fill value"),
        (sink().with_dimension_names(["a", "b"]), "dimension names"),
    ] {
        let error = none().to_zarr(sink).unwrap_err();
        assert_eq!((error.kind(), error.setting()), (ErrorKind::InvalidSetting, Some(setting)));
        assert!(error.to_string().starts_with("cannot append to "), "{error}");
    }
    // The same settings are accepted.
    let same = sink()
        .with_chunk_shape([3, 2])
        .with_codec(Codec::default())
        .with_checksum(Checksum::Crc32c)
        .with_fill_value(0);
    for (dtype, row_shape) in [
        (DType::Float64, vec![5]),
        (DType::Int32, vec![4]),
        (DType::Int32, vec![5, 1]),
        (DType::Int32, vec![]),
    ] {
        let error = none().with_row_type(dtype, row_shape).to_zarr(same.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidSetting, "{error}");
        assert!(error.to_string().contains("its rows are int32 of shape [5]"), "{error}");
    }
    let columns = NestedLazyChunkSequence::from_fn([5], [3, 3], |_, _| -> ArrayBlock {
        panic!("a block was computed")
    });
    let error = columns.to_zarr(same.clone()).unwrap_err();
    assert!(error.to_string().contains("rows of 6 columns"), "{error}");
    // Without a declaration, the first block is refused.
    let wide =
        LazyChunkSequence::from_fn([5], |_| ArrayBlock::from_vec([5, 6], vec![1; 30]).unwrap());
    let error = wide.to_zarr(same.clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sequence, "{error}");
    assert_eq!(files(&path), before);
    next().to_zarr(same).unwrap();
    assert_eq!(found(&path), 12);
}

#[test]
fn arrays_that_cannot_grow_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let none =
        || LazyChunkSequence::from_fn([5], |_| -> ArrayBlock { panic!("a block was computed") });
    let refused = |target: Target, reason: &str| {
        let error = none().to_zarr(sink(target)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(reason), "{error}");
        assert!(error.hint().is_some());
    };
    std::fs::create_dir(path("v2.zarr")).unwrap();
    let v2 = json!({
        "zarr_format": 2, "shape": [4, 5], "chunks": [2, 5], "dtype": "<i4", "order": "C",
        "fill_value": 0, "compressor": null, "filters": null,
    });
    std::fs::write(path("v2.zarr/.zarray"), v2.to_string()).unwrap();
    refused(path("v2.zarr").into(), "it is a Zarr v2 array");

    std::fs::create_dir(path("scalar.zarr")).unwrap();
    let scalar = json!({
        "zarr_format": 3, "node_type": "array", "shape": [], "data_type": "int32", "fill_value": 0,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": []}},
        "chunk_key_encoding": {"name": "default"}, "codecs": [{"name": "bytes"}],
    });
    std::fs::write(path("scalar.zarr/zarr.json"), scalar.to_string()).unwrap();
    refused(path("scalar.zarr").into(), "it has no axis");
}

/// An append stays within its memory limit, and counts the chunks of the array, not of the sink.
#[test]
fn the_memory_of_an_append_is_that_of_the_array() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let block = |n: usize| ArrayBlock::from_vec([n, 1024], vec![1_i32; 1024 * n]).unwrap();
    let blocks =
        LazyChunkSequence::from_fn([1000], |_| block(1000)).with_row_type(DType::Int32, [1024]);
    blocks.to_zarr(sink(&path).with_chunk_shape([512, 1024])).unwrap();
    let small =
        LazyChunkSequence::from_fn([8; 4], |_| block(8)).with_row_type(DType::Int32, [1024]);
    let bound = sink(&path).memory_bound(small.spec(), &[8, 1024]).unwrap();
    let own = ZarrSink::new(path.with_file_name("b.zarr"))
        .with_writer_threads(1)
        .with_chunk_shape([512, 1024]);
    assert!(bound >= own.memory_bound(small.spec(), &[8, 1024]).unwrap());
    let error = small.to_zarr(sink(&path).with_memory_limit(1 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory);
    small.to_zarr(sink(&path).with_memory_limit(bound as u64)).unwrap();
    assert_eq!(StoredArray::open(&path).unwrap().shape(), [1032, 1024]);
}

/// Streamed sequences, of one axis and of two, that declare nothing.
#[test]
fn streamed_rows_are_appended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    first(&path);
    LazyChunkSequence::new(|| [rows(7..8), rows(8..12)]).to_zarr(sink(&path)).unwrap();
    let columns = |range: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        let (start, shape) = ([range.start, columns.start], [range.len(), columns.len()]);
        elements(DType::Int32, 7, &[100, 5], &start, &shape)
    };
    let bands =
        || [12..14, 14..19].map(|band| [0..3, 3..5].map(|of_band| columns(band.clone(), of_band)));
    NestedLazyChunkSequence::new(bands).to_zarr(sink(&path)).unwrap();
    assert_eq!(found(&path), 19);
    // A band that is too narrow, or too wide.
    for wrong in [0..4, 0..6] {
        let shape = [2, wrong.len()];
        let band = || [[ArrayBlock::from_vec(shape, vec![0; 2 * shape[1]]).unwrap()]];
        let error = NestedLazyChunkSequence::new(band).to_zarr(sink(&path)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Sequence, "{error}");
    }
    // Nothing is appended, to an array of full chunks and to others.
    LazyChunkSequence::new(Vec::<ArrayBlock>::new).to_zarr(sink(&path)).unwrap();
    assert_eq!(found(&path), 19);
    assert_eq!(names(&path), ["c", "zarr.json"]);
}

/// One computation appends to an array of its own dtype and to one of another.
#[test]
fn rows_are_cast_to_the_dtype_of_the_array() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let computed = AtomicUsize::new(0);
    for day in 0..3 {
        let blocks = LazyChunkSequence::from_fn([2, 3], |i| {
            computed.fetch_add(1, Ordering::Relaxed);
            let start = 5 * day + 2 * i;
            rows(start..start + [2, 3][i])
        });
        let sink = |name| sink(path(name)).with_resume(format!("day {day}"));
        for _ in 0..2 {
            let (own, cast, joined) = blocks
                .compute((sink("a.zarr"), sink("b.zarr").with_dtype(DType::Int64), Concatenate))
                .unwrap();
            let read = own.read().unwrap();
            assert_eq!((&read, joined), (&rows(0..5 * day + 5), rows(5 * day..5 * day + 5)));
            assert_eq!(cast.read().unwrap(), read.cast(DType::Int64, Casting::Safe).unwrap());
        }
        assert_eq!(computed.load(Ordering::Relaxed), 2 * day + 2);
    }
    let wrong =
        LazyChunkSequence::from_fn([2], |_| -> ArrayBlock { panic!("a block was computed") });
    let error = wrong.to_zarr(sink(path("b.zarr")).with_dtype(DType::Int16)).unwrap_err();
    assert_eq!((error.kind(), error.setting()), (ErrorKind::InvalidSetting, Some("dtype")));
}

/// The sinks of a pass that append share the memory limit of the pass.
#[test]
fn appends_share_the_limit_of_the_pass() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let blocks = || {
        LazyChunkSequence::from_fn([8; 4], |_| {
            ArrayBlock::from_vec([8, 1024], vec![1_i32; 8 * 1024]).unwrap()
        })
        .with_row_type(DType::Int32, [1024])
    };
    let sinks =
        || [sink(path("a.zarr")), sink(path("b.zarr"))].map(|sink| sink.with_writer_threads(4));
    for sink in sinks() {
        blocks().to_zarr(sink.with_chunk_shape([512, 1024])).unwrap();
    }
    let [a, b] = sinks();
    let error = blocks().with_memory_limit(8 << 20).compute((a, b)).unwrap_err();
    assert_eq!(error.kind(), lazy_chunks::ErrorKind::Other, "{error}");
    let [a, b] = sinks();
    let bound = |sink: &ZarrSink| {
        let sink = sink.clone().with_writer_threads(1);
        sink.memory_bound(blocks().spec(), &[8, 1024]).unwrap() as u64
    };
    let limit = bound(&a) + bound(&b);
    blocks().with_memory_limit(limit).compute((a, b)).unwrap();
    assert_eq!(StoredArray::open(path("b.zarr")).unwrap().shape(), [64, 1024]);
}

/// A pass that is repeated would append a result again.
#[test]
fn results_are_not_appended() {
    let directory = tempfile::tempdir().unwrap();
    let result = StoreResult::new(Sum.per_row(), directory.path().join("sums.zarr"));
    let none =
        LazyChunkSequence::from_fn([5], |_| -> ArrayBlock { panic!("a block was computed") });
    let error = none.compute(result.with_existing(Existing::Append)).unwrap_err();
    let error = Error::from(error);
    assert_eq!((error.kind(), error.setting()), (ErrorKind::InvalidSetting, Some("existing")));
    assert_eq!(names(directory.path()), [""; 0]);
}

//! Remains of writes, and files that others put in their place: no file of the user is lost.

use std::path::PathBuf;
use std::sync::Arc;

use lazy_chunks::zarr::{
    Durability, ErrorKind, Existing, StoredArray, Target, ToZarr, UnfinishedWrite, WriteState,
    ZarrSink,
};
use lazy_chunks::{LazyChunkSequence, report};
use lazy_tests::interrupted::{JOB, array, failing, sequence, sink, staging};
use lazy_tests::{Fault, FaultyFileSystem, VolatileFileSystem, files, names};
use tempfile::{TempDir, tempdir};

/// A file that happens to have the name of a staging directory belongs to the user.
#[test]
fn a_file_with_the_name_of_the_staging_directory_is_not_removed() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    for is_there in [false, true] {
        if is_there {
            sequence(1).to_zarr(&path).unwrap();
        }
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join(".lazy.1"), "the only copy").unwrap();
        let before = files(directory.path());
        for sink in [ZarrSink::new(&path), sink(&path)] {
            let written = sequence(1).to_zarr(sink.with_existing(Existing::Replace));
            let error = report(&written.unwrap_err());
            assert!(error.contains(".lazy.1 is in the way"), "{error}");
            assert_eq!(UnfinishedWrite::list(&path).unwrap(), []);
            assert_eq!(files(directory.path()), before);
        }
        std::fs::remove_dir_all(&path).unwrap();
    }
}

/// Another user has put a link or a pipe in the place of a file of the write. The write neither
/// changes nor removes anything through it, and does not wait for it.
#[cfg(unix)]
#[test]
fn planted_links_and_pipes_are_not_followed() {
    let places = ["", "lock", "holder", "created", "record", "journal", "zarr.json", "other"];
    for (place, is_pipe) in places.iter().flat_map(|place| [(*place, false), (*place, true)]) {
        for (is_there, resumes) in [(false, false), (false, true), (true, false), (true, true)] {
            let directory = tempdir().unwrap();
            let path = directory.path().join("a.zarr");
            let precious = directory.path().join("precious");
            std::fs::create_dir_all(precious.join("c/0")).unwrap();
            for file in ["notes.txt", "zarr.json", "record", "c/0/0"] {
                std::fs::write(precious.join(file), "the only copy").unwrap();
            }
            if is_there {
                sequence(1).to_zarr(&path).unwrap();
            }
            std::fs::create_dir_all(path.join(if place.is_empty() { "" } else { ".lazy.1" }))
                .unwrap();
            let planted = path.join(".lazy.1").join(place);
            let planted = planted.components().collect::<PathBuf>();
            if is_pipe {
                let made = std::process::Command::new("mkfifo").arg(&planted).status();
                assert!(made.unwrap().success());
            } else {
                std::os::unix::fs::symlink(&precious, &planted).unwrap();
            }
            let before = files(&precious);
            let sink = if resumes { sink(&path) } else { ZarrSink::new(&path) };
            let written = sequence(2).to_zarr(sink.with_existing(Existing::Replace));
            // An entry in the place of the lock is an error.
            for left in UnfinishedWrite::list(directory.path()).unwrap_or_default() {
                let _ = left.remove();
            }
            assert_eq!(files(&precious), before, "{place:?}");
            let expected = if written.is_ok() { 2 } else { 1 };
            if is_there || written.is_ok() {
                let found = StoredArray::open(&path).unwrap().read().unwrap();
                assert_eq!(found, array(expected, 8), "{place:?}");
            }
        }
    }
}

/// Links in the places of chunks and metadata are not followed either.
#[cfg(unix)]
#[test]
fn links_in_place_of_chunks_are_not_followed() {
    for key in ["c", "c/0", "c/0/0", "0", "0/0"] {
        let directory = tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        let precious = directory.path().join("precious");
        std::fs::create_dir_all(precious.join("0/0")).unwrap();
        for file in ["1", "0/1", "0/0/0"] {
            std::fs::write(precious.join(file), "the only copy").unwrap();
        }
        let before = files(&precious);
        for _ in 0..2 {
            sequence(1).to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace)).unwrap();
        }
        let planted = path.join(key);
        std::fs::create_dir_all(planted.parent().unwrap()).unwrap();
        if planted.is_dir() {
            std::fs::remove_dir_all(&planted).unwrap();
        } else {
            let _ = std::fs::remove_file(&planted);
        }
        std::os::unix::fs::symlink(&precious, &planted).unwrap();
        for value in 2..6 {
            let sink = ZarrSink::new(&path).with_existing(Existing::Replace);
            sequence(value).to_zarr(sink.with_chunk_shape([2, 5])).unwrap();
            assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(value, 8));
            assert_eq!(files(&precious), before, "{key}");
        }
    }
}

/// A process is killed at any moment, the next process handles its remains, and then the power
/// fails.
#[test]
fn a_published_array_is_flushed_before_the_replaced_one_is_removed() {
    let chooser = |mut seed: u64| {
        move |end: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % end
        }
    };
    let mut lost = Vec::new();
    for (can_sync_all, resumes, by_remove) in
        (0..8).map(|bits| (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0))
    {
        for n in 0..60 {
            for seed in 0..2 {
                let file_system = VolatileFileSystem::new();
                let file_system = Arc::new(if can_sync_all {
                    file_system
                } else {
                    file_system.without_sync_of_all()
                });
                let target = || Target::on(Arc::clone(&file_system), "/data/a.zarr");
                let write = || {
                    let sink = if resumes {
                        sink(target())
                    } else {
                        ZarrSink::new(target()).with_chunk_shape([2, 3])
                    };
                    sink.with_existing(Existing::Replace).with_writer_threads(1)
                };
                sequence(1).to_zarr(write()).unwrap();
                // The process is killed.
                file_system.fail_at(n);
                let is_whole = sequence(2).to_zarr(write()).is_ok();
                if is_whole {
                    break;
                }
                file_system.fail_at(usize::MAX);
                // The next process.
                if by_remove {
                    for left in UnfinishedWrite::list(target()).unwrap() {
                        left.remove().unwrap();
                    }
                } else {
                    let sink = write();
                    let _ = failing(2, 0).to_zarr(sink);
                }
                let after = Arc::new(file_system.after_power_loss(chooser(seed)));
                let target = Target::on(Arc::clone(&after), "/data/a.zarr");
                for left in UnfinishedWrite::list(target.clone()).unwrap() {
                    let _ = left.remove();
                }
                let found = StoredArray::open(target).and_then(|stored| stored.read());
                let is_there =
                    found.as_ref().is_ok_and(|found| [array(1, 8), array(2, 8)].contains(found));
                if !is_there {
                    lost.push((can_sync_all, resumes, by_remove, n, seed, found.map(|_| ())));
                }
            }
        }
    }
    for course in &lost {
        println!("{course:?}");
    }
    assert!(lost.is_empty(), "neither array was found {} times", lost.len());
}

/// A process that published and was killed before it cleaned up leaves nothing in a later version.
#[test]
fn a_replaced_array_leaves_nothing_in_a_later_version() {
    let mut checked = 0;
    for n in 0.. {
        let directory = tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        // The old array has more chunks.
        LazyChunkSequence::from_fn([2; 9], |_| array(1, 2))
            .to_zarr(ZarrSink::new(&path).with_chunk_shape([1, 2]))
            .unwrap();
        let fault = Fault { panic: Some(n), ..Fault::default() };
        let file_system = Arc::new(FaultyFileSystem::new(fault));
        let replaces = sink(Target::on(Arc::clone(&file_system), &path))
            .with_existing(Existing::Replace)
            .with_writer_threads(1);
        let write = || sequence(2).to_zarr(replaces.clone());
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(write));
        let is_left = names(&path).iter().any(|name| name.starts_with(".lazy."));
        if is_left && StoredArray::open(&path).unwrap().shape() == [8, 5] {
            // The array was published, but the process was killed.
            checked += 1;
            let replace = || sink(&path).with_existing(Existing::Replace);
            for value in 3..6 {
                sequence(value).to_zarr(replace()).unwrap();
                assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(value, 8));
            }
            let found = names(&path);
            assert_eq!(found, ["0", "1", "2", "3", "c", "zarr.json"], "killed at {n}");
            assert_eq!(names(&path.join("c")), ["0", "1", "2", "3"]);
        }
        if file_system.n_changes() <= n {
            assert!(matches!(written, Ok(Ok(_))));
            break;
        }
    }
    assert!(checked > 0);
}

/// A process is killed while it records a chunk. Chunks that are recorded later still count.
#[test]
fn a_torn_line_of_the_journal_does_not_affect_later_lines() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let sink = || sink(&path).with_chunk_shape([2, 5]).with_writer_threads(1);
    failing(1, 2).to_zarr(sink()).unwrap_err();
    let journal = staging(&path).join("journal");
    let bytes = std::fs::read(&journal).unwrap();
    std::fs::write(&journal, &bytes[..bytes.len() - 5]).unwrap();
    failing(1, 3).to_zarr(sink()).unwrap_err();
    let writes = UnfinishedWrite::list(&path).unwrap();
    let WriteState::Resumable { chunks, .. } = writes[0].state() else { panic!("{writes:?}") };
    assert_eq!(*chunks, 3);
}

fn with_long_journal() -> (TempDir, PathBuf) {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    failing(1, 2).to_zarr(sink(&path)).unwrap_err();
    let journal = staging(&path).join("journal");
    let bytes = std::fs::read(&journal).unwrap();
    // A journal of 80,000 chunks.
    std::fs::write(&journal, bytes.repeat(20_000)).unwrap();
    (directory, path)
}

#[test]
fn concurrent_listings_see_the_same_state() {
    let (_directory, path) = with_long_journal();
    let list = || UnfinishedWrite::list(&path).unwrap()[0].state().clone();
    let states = std::thread::scope(|scope| {
        let threads = [scope.spawn(list), scope.spawn(list)];
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(states.iter().all(|state| matches!(state, WriteState::Resumable { .. })), "{states:?}");
}

/// With `Durability::None`, chunks may be lost in a power failure, but the remains rarely block the
/// next write. They do only if the staging directory is lost and chunks are not: then nothing shows
/// that a write left them.
#[test]
fn unflushed_remains_rarely_block_the_next_write() {
    let mut n_refused = 0;
    for mut seed in 0..100_u64 {
        let mut choose = move |end: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % end
        };
        let file_system = Arc::new(VolatileFileSystem::new());
        let sink = |file_system: &Arc<VolatileFileSystem>| {
            sink(Target::on(Arc::clone(file_system), "/data/a.zarr"))
                .with_durability(Durability::None)
        };
        failing(1, 2).to_zarr(sink(&file_system)).unwrap_err();
        let after = Arc::new(file_system.after_power_loss(&mut choose));
        if let Err(error) = sequence(1).to_zarr(sink(&after)) {
            assert_eq!((error.kind(), error.parent()), (ErrorKind::Occupied, None), "{error}");
            assert!(
                error.to_string().ends_with("it holds data other than a Zarr array"),
                "{error}"
            );
            n_refused += 1;
        }
    }
    assert!(n_refused < 10, "{n_refused} of 100 writes failed");
}

/// The documentation of `ZarrSink::with_resume` states this.
#[test]
fn an_unfinished_write_is_an_error_without_resuming() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("new/dir/a.zarr");
    failing(1, 2).to_zarr(sink(&path)).unwrap_err();
    let written = sequence(1).to_zarr(ZarrSink::new(&path));
    let error = written.unwrap_err();
    assert_eq!((error.kind(), error.resume_key()), (ErrorKind::Unfinished, Some(JOB)), "{error}");
}

/// Removing an unfinished write removes the write that was listed, and not a later one.
#[test]
fn removing_removes_only_the_listed_write() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    std::fs::create_dir_all(path.join(".lazy.1")).unwrap();
    let left = UnfinishedWrite::list(&path).unwrap().remove(0);
    assert_eq!(*left.state(), WriteState::Abandoned);
    failing(1, 2).to_zarr(sink(&path)).unwrap_err();
    let removed = left.remove();
    assert_eq!(UnfinishedWrite::list(&path).unwrap().len(), 1, "{removed:?}");
}

/// A program resumes if it ended after it published one of the two arrays of a pass.
#[test]
fn a_pass_that_published_one_of_two_arrays_resumes() {
    let directory = tempdir().unwrap();
    let [one, other] = ["a", "b"].map(|name| directory.path().join(name));
    let blocks = LazyChunkSequence::from_fn([2; 4], |i| {
        if i == 3 {
            // This prevents publishing of the second array.
            let group = r#"{"zarr_format":3,"node_type":"group"}"#;
            std::fs::write(other.join("zarr.json"), group).unwrap();
        }
        array(1, 2)
    });
    let sinks = || [&one, &other].map(|path| sink(path).with_existing(Existing::Replace));
    let [first, second] = sinks();
    blocks.compute((first, second)).unwrap_err();
    assert_eq!(names(&one), ["c", "zarr.json"]);
    assert_eq!(names(&other), [".lazy.1", "c", "zarr.json"]);
    std::fs::remove_file(other.join("zarr.json")).unwrap();
    let [first, second] = sinks();
    // The first array is stored again.
    let again = LazyChunkSequence::from_fn([2; 4], |_| array(1, 2));
    let (_, stored) = again.compute((first, second)).unwrap();
    assert_eq!(stored.read().unwrap(), array(1, 8));
    assert_eq!(names(&other), ["c", "zarr.json"]);
}

//! What writes leave behind, looked at by somebody with hostile intent: nothing of the user's is lost.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::ArrayBlock;
use lazy_chunks::LazyChunkSequence;
use lazy_chunks::zarr::{
    Durability, Error, Existing, StoredArray, Target, ToZarr, UnfinishedWrite, WriteState, ZarrSink,
};
use lazy_tests::interrupted::{array, failing, interrupted_between_renames, sequence, sink};
use lazy_tests::{Fault, FaultyFileSystem, HookedFileSystem, VolatileFileSystem, files, names};
use tempfile::{TempDir, tempdir};

/// What was replaced and could not be put back, since neither the flush nor its undoing succeeded, is
/// marked as kept: nobody removes it.
#[test]
fn what_was_kept_aside_is_not_removed_when_its_replacement_is_published() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    sequence(1).to_zarr(&path).unwrap();
    // No directory can be flushed after the first exchange, and no other exchange succeeds.
    let n_exchanges = AtomicUsize::new(0);
    let file_system = HookedFileSystem::new(move |operation, _| {
        let fails = match operation {
            "exchange" => n_exchanges.fetch_add(1, Ordering::Relaxed) > 0,
            "flush" => n_exchanges.load(Ordering::Relaxed) > 0,
            _ => false,
        };
        if fails { Err(io::Error::other("injected fault")) } else { Ok(()) }
    });
    let target = Target::on(file_system, &path);
    let error = sequence(2).to_zarr(sink(target).with_existing(Existing::Replace)).unwrap_err();
    let Error::Unflushed { old: Some(old), .. } = error else { panic!("{error}") };
    assert_eq!(StoredArray::open(&old).unwrap().read().unwrap(), array(1, 8));
    let [left] = &UnfinishedWrite::list(&path).unwrap()[..] else { panic!() };
    let removed = left.clone().remove();
    assert!(old.exists(), "the old array was removed: {removed:?}");
    assert!(matches!(removed, Err(Error::KeptAside { .. })), "{removed:?}");
}

/// The name of a staging directory does not have all of a long path: what was there is put back all the
/// same, or nothing is done.
#[test]
fn removing_an_interrupted_replacement_of_a_long_name_loses_nothing() {
    let name = "x".repeat(200);
    let (directory, path) = interrupted_between_renames(&name, false);
    let mut left = UnfinishedWrite::list(&path).unwrap();
    let removed = left.remove(0).remove();
    let found = names(directory.path());
    let is_kept = removed.is_err() && found.iter().any(|name| name.ends_with(".staging"));
    assert!(path.exists() || is_kept, "{removed:?}: the array is now {found:?}");
}

#[test]
fn removing_an_interrupted_replacement_of_a_long_name_has_the_target() {
    let name = "x".repeat(200);
    let (_directory, path) = interrupted_between_renames(&name, false);
    let left = UnfinishedWrite::list(&path).unwrap();
    assert_eq!(left[0].target(), path.canonicalize().unwrap_or(path));
}

/// A file that merely has the name of the lock is somebody's.
#[test]
fn a_file_with_the_name_of_the_lock_is_not_removed() {
    let directory = tempdir().unwrap();
    let precious = directory.path().join(".a.zarr.lock");
    std::fs::write(&precious, "a lock file of somebody else's, with versions\n".repeat(30))
        .unwrap();
    let before = files(directory.path());
    let _ = sequence(1).to_zarr(directory.path().join("a.zarr"));
    let mut after = files(directory.path());
    after.retain(|(name, _)| before.iter().any(|(other, _)| name == other));
    assert_eq!(after, before);
}

/// Nothing is written through a link.
#[cfg(unix)]
#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let directory = tempdir().unwrap();
    let precious = tempdir().unwrap();
    let precious = precious.path().join("notes.txt");
    std::fs::write(&precious, "the only copy").unwrap();
    std::os::unix::fs::symlink(&precious, directory.path().join(".a.zarr.lock")).unwrap();
    let _ = sequence(1).to_zarr(directory.path().join("a.zarr"));
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "the only copy");
}

/// A process is killed at any moment; what the next one does with what is left, and the power fails.
#[test]
fn what_a_dead_process_has_published_is_flushed_before_what_it_replaced_is_removed() {
    let chooser = |mut seed: u64| {
        move |end: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % end
        }
    };
    let mut lost = Vec::new();
    for (can_exchange, resumes, by_remove) in
        (0..8).map(|bits| (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0))
    {
        for n in 0..60 {
            for seed in 0..2 {
                let file_system = VolatileFileSystem::new();
                let file_system = Arc::new(match can_exchange {
                    true => file_system,
                    false => file_system.without_exchange(),
                });
                let target = || Target::on(Arc::clone(&file_system), "/data/a.zarr");
                let write = || {
                    let sink = match resumes {
                        true => sink(target()),
                        false => ZarrSink::new(target()).with_chunk_shape([2, 3]),
                    };
                    sink.with_existing(Existing::Replace).with_writer_threads(1)
                };
                sequence(1).to_zarr(write()).unwrap();
                // Killed.
                file_system.fail_at(n);
                let is_whole = sequence(2).to_zarr(write()).is_ok();
                if is_whole {
                    break;
                }
                file_system.fail_at(usize::MAX);
                // The next one.
                match by_remove {
                    true => {
                        for left in UnfinishedWrite::list(target()).unwrap() {
                            left.remove().unwrap();
                        }
                    }
                    false => {
                        let sink = write();
                        let _ = failing(2, 0).to_zarr(sink);
                    }
                }
                let after = Arc::new(file_system.after_power_loss(chooser(seed)));
                let target = Target::on(Arc::clone(&after), "/data/a.zarr");
                // An interrupted replacement is undone by the next one.
                for left in UnfinishedWrite::list(target.clone()).unwrap() {
                    let _ = left.remove();
                }
                let found = StoredArray::open(target).and_then(|stored| stored.read());
                let is_there =
                    found.as_ref().is_ok_and(|found| [array(1, 8), array(2, 8)].contains(found));
                if !is_there {
                    lost.push((can_exchange, resumes, by_remove, n, seed, found.map(|_| ())));
                }
            }
        }
    }
    for course in &lost {
        println!("{course:?}");
    }
    assert!(lost.is_empty(), "{} times neither array is there", lost.len());
}

/// A resumed write does not publish what was replaced by an earlier one, which its staging directory holds.
#[test]
fn an_array_that_was_replaced_leaves_nothing_in_a_later_one() {
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
        let staging = directory.path().join(".a.zarr.staging");
        if staging.exists() && StoredArray::open(&path).unwrap().shape() == [8, 5] {
            // It was published, but the process died. Now somebody removes the array, and starts again.
            checked += 1;
            std::fs::remove_dir_all(&path).unwrap();
            sequence(2).to_zarr(sink(&path)).unwrap();
            let found = names(&path.join("c"));
            assert_eq!(found, ["0", "1", "2", "3"], "killed at {n}");
        }
        if file_system.n_changes() <= n {
            assert!(matches!(written, Ok(Ok(_))));
            break;
        }
    }
    assert!(checked > 0);
}

/// What became something else than an array in the last instant is put back, also where replacing takes two
/// renames.
#[test]
fn what_is_no_longer_an_array_is_put_back_between_two_renames() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    sequence(1).to_zarr(&path).unwrap();
    let root = path.canonicalize().unwrap();
    let file_system = HookedFileSystem::new(move |operation, from| match operation {
        "exchange" => Err(io::ErrorKind::Unsupported.into()),
        "rename" if from == root && !root.join("notes.txt").exists() => {
            // Somebody else moves the array away, and puts something there.
            std::fs::remove_dir_all(&root)?;
            std::fs::create_dir(&root)?;
            std::fs::write(root.join("notes.txt"), "the only copy")
        }
        _ => Ok(()),
    });
    let target = Target::on(file_system, &path);
    let written = sequence(2).to_zarr(ZarrSink::new(target).with_existing(Existing::Replace));
    assert!(path.join("notes.txt").exists(), "{written:?}");
}

/// A process dies while it notes a chunk; what is noted after that counts.
#[test]
fn a_torn_line_of_the_journal_spoils_no_other() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let sink = || sink(&path).with_chunk_shape([2, 5]).with_writer_threads(1);
    failing(1, 2).to_zarr(sink()).unwrap_err();
    let journal = directory.path().join(".a.zarr.staging/journal");
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
    let journal = directory.path().join(".a.zarr.staging/journal");
    let bytes = std::fs::read(&journal).unwrap();
    // As of 80,000 chunks.
    std::fs::write(&journal, bytes.repeat(20_000)).unwrap();
    (directory, path)
}

#[test]
fn two_who_list_see_the_same() {
    let (_directory, path) = with_long_journal();
    let list = || UnfinishedWrite::list(&path).unwrap()[0].state().clone();
    let states = std::thread::scope(|scope| {
        let threads = [scope.spawn(list), scope.spawn(list)];
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(states.iter().all(|state| matches!(state, WriteState::Resumable { .. })), "{states:?}");
}

/// With `Durability::None`, what a power failure leaves may be lost, but it is in nobody's way.
#[test]
fn what_was_not_flushed_is_in_nobodys_way() {
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
            println!("{error}");
            n_refused += 1;
        }
    }
    assert_eq!(n_refused, 0);
}

/// As the documentation of `ZarrSink::with_resume` has it.
#[test]
fn an_unfinished_write_in_another_place_is_an_error_without_resuming() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("new/dir/a.zarr");
    failing(1, 2).to_zarr(sink(&path)).unwrap_err();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let written = sequence(1).to_zarr(ZarrSink::new(&path));
    assert!(matches!(written, Err(Error::Unfinished { .. })), "{written:?}");
}

/// Who removes an unfinished write removes what was listed, and not what came since.
#[test]
fn what_is_removed_is_what_was_listed() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    std::fs::create_dir(directory.path().join(".a.zarr.staging")).unwrap();
    let left = UnfinishedWrite::list(&path).unwrap().remove(0);
    assert_eq!(*left.state(), WriteState::Abandoned);
    failing(1, 2).to_zarr(sink(&path)).unwrap_err();
    let removed = left.remove();
    assert_eq!(UnfinishedWrite::list(&path).unwrap().len(), 1, "{removed:?}");
}

/// The same program goes on when it ended between the publishing of two arrays of one pass.
#[test]
fn a_pass_that_published_one_of_two_arrays_is_gone_on_with() {
    let directory = tempdir().unwrap();
    let [one, other] = ["a", "b"].map(|name| directory.path().join(name));
    let blocks = LazyChunkSequence::from_fn([2; 4], |i| {
        if i == 3 {
            // So that the second one cannot be published.
            std::fs::create_dir_all(other.join("in the way")).unwrap();
        }
        array(1, 2)
    });
    let sinks = || [&one, &other].map(|path| sink(path).with_existing(Existing::Replace));
    let [first, second] = sinks();
    blocks.compute((first, second)).unwrap_err();
    assert_eq!(names(directory.path()), [".b.staging", "a", "b"]);
    std::fs::remove_dir_all(&other).unwrap();
    let never =
        LazyChunkSequence::from_fn([2; 4], |_| -> ArrayBlock { panic!("all blocks are there") });
    let [first, second] = sinks();
    never.compute((first, second)).unwrap();
    assert_eq!(names(directory.path()), ["a", "b"]);
}

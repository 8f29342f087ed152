//! A file system that fails at any operation: the write returns one error, and the target is the
//! old array or the new.

use std::path::Path;
use std::sync::Arc;

use lazy_chunks::zarr::{
    ErrorKind, Existing, StoredArray, Target, ToZarr, UnfinishedWrite, WriteState, ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, report};
use lazy_tests::interrupted::{self, left_unfinished, staging};
use lazy_tests::{Fault, FaultyFileSystem, files, is_locked, is_taken_over};

fn sequence(value: i32) -> LazyChunkSequence<'static, ArrayBlock> {
    LazyChunkSequence::new(move || (0..4).map(move |_| array(value, 2)))
}

fn array(value: i32, n_rows: usize) -> ArrayBlock {
    ArrayBlock::from_vec([n_rows, 5], vec![value; 5 * n_rows]).unwrap()
}

fn sink(file_system: &Arc<FaultyFileSystem>, path: &Path) -> ZarrSink {
    let file_system = Arc::clone(file_system);
    ZarrSink::new(Target::on(file_system, path))
        .with_chunk_shape([3, 2])
        .with_existing(Existing::Replace)
}

fn n_entries(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[cfg(target_os = "linux")]
#[test]
fn staging_is_on_the_file_system_of_the_target() {
    let root = Path::new("/dev/shm");
    let name = format!("lazy-tests-{}", std::process::id());
    let Ok(directory) = tempfile::Builder::new().prefix(&name).tempdir_in(root) else {
        println!("skipped: /dev/shm cannot be written");
        return;
    };
    // The target is behind a link from another file system. Its staging directory must be on the
    // target's file system.
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link");
    std::os::unix::fs::symlink(directory.path(), &link).unwrap();
    sequence(1).to_zarr(link.join("a.zarr")).unwrap();
    assert_eq!(StoredArray::open(directory.path().join("a.zarr")).unwrap().shape(), [8, 5]);
    assert_eq!((n_entries(elsewhere.path()), n_entries(directory.path())), (1, 1));
}

/// Runs a write with a fault at each operation in turn. Returns the number of operations.
fn with_every_fault(replaces: bool, fault: fn(usize) -> Fault) -> usize {
    for n in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below/a.zarr");
        if replaces {
            sequence(1).to_zarr(&path).unwrap();
        }
        let file_system = Arc::new(FaultyFileSystem::new(fault(n)));
        let result = sequence(2).to_zarr(sink(&file_system, &path));
        match (result, StoredArray::open(&path)) {
            (Ok(stored), Ok(found)) => {
                assert_eq!(stored.read().unwrap(), array(2, 8));
                assert_eq!(found.read().unwrap(), array(2, 8));
            }
            (Err(error), found) if error.is_published() => {
                assert!(report(&error).contains("injected fault"), "{error}");
                assert_eq!(found.unwrap().read().unwrap(), array(2, 8));
            }
            (Err(error), found) => {
                assert!(report(&error).contains("injected fault"), "{error}");
                assert_eq!(found.is_ok(), replaces, "fault {n}: {error}");
                if let Ok(found) = found {
                    assert_eq!(found.read().unwrap(), array(1, 8));
                }
                // Only the old array remains, or the directories above the target.
                let parent = path.parent().unwrap();
                assert!(n_entries(directory.path()) <= 1);
                assert!(!parent.exists() || n_entries(parent) == usize::from(replaces));
            }
            (Ok(_), Err(error)) => panic!("fault {n} hides a published array: {error}"),
        }
        // The remains of the failed write do not disturb the next writes.
        for value in [3, 4] {
            sequence(value).to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace)).unwrap();
            assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(value, 8));
        }
        if file_system.n_changes() <= n {
            return n;
        }
    }
    unreachable!("the write ends")
}

#[test]
fn a_fault_at_any_operation_leaves_the_target_unchanged() {
    let fault = |n| Fault { change: Some(n), ..Fault::default() };
    // The directories; the staging directory and its files; nine chunks, three of which create a
    // directory first; metadata, flushing, publishing, flushing the directory, cleaning up.
    assert!(with_every_fault(false, fault) >= 3 + 5 + 9 + 3 + 4 + 5);
    assert!(with_every_fault(true, fault) >= 1 + 4 + 9 + 3 + 4 + 5);
    // Each file and each directory is flushed on its own.
    let fault = |n| Fault { change: Some(n), no_sync_of_all: true, ..Fault::default() };
    assert!(with_every_fault(true, fault) >= 1 + 4 + 9 + 3 + (9 + 4 + 3) + 2 + 5);
}

/// procfs says of each new directory that its parent does not exist.
#[cfg(target_os = "linux")]
#[test]
fn a_directory_that_cannot_be_created_is_an_error() {
    for sink in [ZarrSink::new("/proc/x.zarr"), ZarrSink::new("/proc/group/x.zarr")] {
        let error = sequence(1).to_zarr(sink).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().contains("could not create files in /proc/"), "{error}");
    }
}

/// The device becomes full at any operation. A resumable write that fails keeps its complete
/// chunks, and leaves nothing if it has none.
#[test]
fn a_write_that_has_kept_no_chunk_leaves_nothing() {
    let faults: [fn(usize) -> Fault; 2] = [
        |n| Fault { full_from: Some(n), ..Fault::default() },
        |n| Fault { change: Some(n), ..Fault::default() },
    ];
    for (fault, replaces) in faults.iter().flat_map(|fault| [(fault, false), (fault, true)]) {
        let (mut n_empty, mut n_kept) = (0, 0);
        for n in 0.. {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("below/a.zarr");
            if replaces {
                sequence(1).to_zarr(&path).unwrap();
            }
            let before = files(directory.path());
            let file_system = Arc::new(FaultyFileSystem::new(fault(n)));
            let sink = sink(&file_system, &path).with_writer_threads(1).with_resume("job");
            let blocks = LazyChunkSequence::from_fn([2; 4], |_| array(2, 2));
            let written = blocks.to_zarr(sink);
            if file_system.n_changes() <= n {
                break;
            }
            // Files that cannot be removed after publishing are no error.
            let Err(error) = written else { continue };
            match &UnfinishedWrite::list(&path).unwrap()[..] {
                _ if error.is_published() => {}
                [] => {
                    n_empty += 1;
                    assert_eq!(files(directory.path()), before, "fault {n}: {error}");
                    assert_eq!(n_entries(directory.path()), usize::from(replaces), "fault {n}");
                }
                [left] => {
                    n_kept += 1;
                    let is_kept = matches!(left.state(), WriteState::Resumable { chunks: 1.., .. });
                    assert!(is_kept, "fault {n}: {error}, {left:?}");
                }
                left => panic!("{left:?}"),
            }
        }
        assert!(n_empty >= 5 && n_kept >= 8, "{n_empty} {n_kept}");
    }
}

/// The server performs an operation, but its reply is lost: the operation has taken effect.
#[test]
fn a_lost_reply_at_any_operation_leaves_the_old_array_or_the_new() {
    let mut n_published = [0, 0];
    for (replaces, n_published) in [false, true].into_iter().zip(&mut n_published) {
        for n in 0.. {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("below/a.zarr");
            if replaces {
                sequence(1).to_zarr(&path).unwrap();
            }
            let fault = Fault { change: Some(n), is_done: true, ..Fault::default() };
            let file_system = Arc::new(FaultyFileSystem::new(fault));
            let is_published = match sequence(2).to_zarr(sink(&file_system, &path)) {
                Ok(_) => true,
                Err(error) => error.is_published(),
            };
            let found = StoredArray::open(&path);
            assert_eq!(found.is_ok(), replaces || is_published, "operation {n}");
            if let Ok(found) = found {
                let value = if is_published { 2 } else { 1 };
                assert_eq!(found.read().unwrap(), array(value, 8), "operation {n}");
            }
            sequence(3).to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace)).unwrap();
            assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(3, 8));
            if file_system.n_changes() <= n {
                break;
            }
            *n_published += usize::from(is_published);
        }
    }
    // Publishing, flushing it, and cleaning up.
    assert!(n_published.iter().all(|n| *n >= 4), "{n_published:?}");
}

/// A write takes over the remains of an interrupted one even if no directory can be renamed, for
/// example in a lower layer of overlayfs, provided that locks reach all processes.
#[test]
fn remains_that_cannot_be_renamed_are_taken_over() {
    let (_directory, path) = left_unfinished();
    let fault = Fault { no_renamed_directory: true, ..Fault::default() };
    let target = || Target::on(FaultyFileSystem::new(fault), &path);
    let error = interrupted::failing(2, 3).to_zarr(interrupted::sink(target())).unwrap_err();
    assert!(report(&error).contains("accelerator"), "{error}");
    assert_eq!(staging(&path), path.join(".lazy.1"));
    interrupted::sequence(2).to_zarr(interrupted::sink(target())).unwrap();
    assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(2, 8));

    // Without locks, the resuming process could be on another machine.
    let (_directory, path) = left_unfinished();
    let fault = Fault { no_locks: true, ..fault };
    let sink = interrupted::sink(Target::on(FaultyFileSystem::new(fault), &path));
    let error = interrupted::sequence(2).to_zarr(sink).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
    assert!(error.to_string().contains("could not create files in"), "{error}");
}

/// Remains that cannot be removed do not disturb a later write: neither the chunks of a failed
/// write, nor the staging directory of a published one.
#[test]
fn remains_that_cannot_be_removed_do_not_disturb_the_next_write() {
    for fails in [false, true] {
        for resumes in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.zarr");
            sequence(1).to_zarr(&path).unwrap();
            let fault = Fault { no_removal: true, ..Fault::default() };
            let sink = sink(&Arc::new(FaultyFileSystem::new(fault)), &path);
            let blocks = LazyChunkSequence::try_from_fn([2; 4], |i| match (i, fails) {
                (3, true) => Err("the accelerator is gone"),
                _ => Ok(array(2, 2)),
            });
            let sink = if resumes { sink.with_resume("job") } else { sink };
            assert_eq!(blocks.to_zarr(sink).is_err(), fails);
            let found = StoredArray::open(&path).unwrap().read().unwrap();
            assert_eq!(found, array(if fails { 1 } else { 2 }, 8));

            let [left] = &UnfinishedWrite::list(&path).unwrap()[..] else {
                panic!("no unfinished write is listed")
            };
            let is_resumable = matches!(left.state(), WriteState::Resumable { .. });
            assert_eq!(is_resumable, fails && resumes);
            left.clone().remove().unwrap();
            assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), found);
            sequence(3).to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace)).unwrap();
            assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(3, 8));
            assert!(UnfinishedWrite::list(&path).unwrap().is_empty());
        }
    }
}

/// On a file system without locks, still only one process writes at a time, and the next one takes
/// over from a process that has ended.
#[test]
fn without_locks_only_one_process_writes_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let fault = Fault { no_locks: true, ..Fault::default() };
    let file_system = Arc::new(FaultyFileSystem::new(fault));
    let blocks = LazyChunkSequence::from_fn([2; 4], |_| {
        let second = sequence(3).to_zarr(sink(&file_system, &path));
        assert!(second.as_ref().is_err_and(is_locked), "{second:?}");
        let [write] =
            &UnfinishedWrite::list(Target::on(Arc::clone(&file_system), &path)).unwrap()[..]
        else {
            panic!("no unfinished write is listed")
        };
        assert!(matches!(write.state(), WriteState::Running { .. }), "{write:?}");
        array(2, 2)
    });
    blocks.to_zarr(sink(&file_system, &path)).unwrap();
    assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(2, 8));

    // A process of this machine that has ended, according to its description, and a process of
    // another machine.
    let staging = path.join(".lazy.1");
    let described = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let (boot, space) = (described.trim(), space.display());
    for (holder, is_taken_over) in [
        (format!("process 7 on here\n{} 1 {boot} {space}\n", std::process::id()), true),
        ("process 7 on there\n7 1 another boot\n".to_owned(), false),
        ("process 7".to_owned(), false),
    ] {
        let write = |sink: ZarrSink| sequence(3).to_zarr(sink);
        std::fs::create_dir(&staging).unwrap();
        std::fs::write(staging.join("lock"), "").unwrap();
        std::fs::write(staging.join("holder"), &holder).unwrap();
        let written = write(sink(&file_system, &path));
        if is_taken_over {
            written.unwrap();
            continue;
        }
        let error = written.unwrap_err();
        assert!(error.kind() == ErrorKind::InUse && error.may_be_stale(), "{error}");
        assert!(report(&error).contains("process 7"), "{error}");
        let target = || Target::on(Arc::clone(&file_system), &path);
        let listed = UnfinishedWrite::list(target()).unwrap();
        assert!(matches!(listed[0].state(), WriteState::MaybeRunning { .. }), "{listed:?}");
        write(sink(&file_system, &path).with_take_over()).unwrap();
        assert!(UnfinishedWrite::list(target()).unwrap().is_empty());
    }
}

/// A write that is still running when another one takes over publishes nothing and damages nothing.
#[test]
fn a_write_that_was_taken_over_publishes_nothing() {
    for at in 0..4 {
        for resumes in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.zarr");
            sequence(1).to_zarr(&path).unwrap();
            let fault = Fault { no_locks: true, ..Fault::default() };
            let file_system = Arc::new(FaultyFileSystem::new(fault));
            let sink = || {
                let sink = sink(&file_system, &path);
                if resumes { sink.with_resume("job") } else { sink }
            };
            let blocks = LazyChunkSequence::from_fn([2; 4], |i| {
                if i == at {
                    // The lock's owner is on another machine, so its state is unknown.
                    std::fs::write(staging(&path).join("holder"), "process 7 on there").unwrap();
                    let second = LazyChunkSequence::from_fn([2; 4], |_| array(2, 2));
                    second.to_zarr(sink().with_take_over()).unwrap();
                }
                array(2, 2)
            });
            let error = blocks.to_zarr(sink()).unwrap_err();
            assert!(is_taken_over(&error), "block {at}: {error}");
            assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(2, 8));
            assert_eq!(StoredArray::open(&path).unwrap().verify().count(), 0);
            // The next write is not disturbed by the chunks that the first one has stored since.
            sequence(3).to_zarr(sink()).unwrap_or_else(|_| {
                LazyChunkSequence::from_fn([2; 4], |_| array(3, 2)).to_zarr(sink()).unwrap()
            });
            assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(3, 8));
            assert!(UnfinishedWrite::list(&path).unwrap().is_empty());
        }
    }
}

/// An array is not published if its chunks are removed, truncated or extended before.
#[test]
fn an_array_with_lost_chunks_is_not_published() {
    type Loss = fn(&Path) -> std::io::Result<()>;
    let losses: [(Loss, Option<&str>, &str); 4] = [
        (|chunk| std::fs::remove_file(chunk), Some("c/0/1"), "but 8 were found"),
        (|chunk| std::fs::write(chunk, ""), None, "with other names or sizes"),
        (|chunk| std::fs::write(chunk, [0; 1000]), None, "with other names or sizes"),
        (|chunk| std::fs::remove_dir_all(chunk.parent().unwrap()), Some("c/0/0"), "chunk c/0/0 of"),
    ];
    for (lose, missing, message) in losses {
        for resumes in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a.zarr");
            let file_system = Arc::new(FaultyFileSystem::new(Fault::default()));
            let sink = || {
                let sink = sink(&file_system, &path).with_writer_threads(1);
                if resumes { sink.with_resume("job") } else { sink }
            };
            let blocks = LazyChunkSequence::from_fn([2; 4], |i| {
                if i == 3 {
                    lose(&path.join("c/0/1")).unwrap();
                }
                array(2, 2)
            });
            let error = blocks.to_zarr(sink()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
            assert_eq!(error.key(), missing, "{error}");
            assert!(report(&error).contains(message), "{error}");
            assert!(!path.join("zarr.json").exists());
            // The next write stores the missing chunks.
            let blocks = LazyChunkSequence::from_fn([2; 4], |_| array(2, 2));
            assert_eq!(blocks.to_zarr(sink()).unwrap().read().unwrap(), array(2, 8));
        }
    }
}

/// Other files in the array's directory are kept, wherever they lie.
#[test]
fn other_files_in_an_array_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    sequence(1).to_zarr(&path).unwrap();
    let notes = ["notes.txt", "c/notes.txt", "c/0/notes.txt", "7.txt", "inner/zarr.json"];
    for note in notes {
        std::fs::create_dir_all(path.join(note).parent().unwrap()).unwrap();
        std::fs::write(path.join(note), note).unwrap();
    }
    for value in 2..9 {
        let sink = ZarrSink::new(&path).with_existing(Existing::Replace).with_chunk_shape([3, 2]);
        sequence(value).to_zarr(sink).unwrap();
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(value, 8));
    }
    for note in notes {
        assert_eq!(std::fs::read_to_string(path.join(note)).unwrap(), note);
    }
}

/// A file with the name of a chunk may be the user's if no write left it.
#[test]
fn a_file_with_the_name_of_a_chunk_is_not_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    for name in ["2024", "2024/12"] {
        sequence(1).to_zarr(&path).unwrap();
        let file = path.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "the only copy").unwrap();
        let before = files(directory.path());
        let replace = || ZarrSink::new(&path).with_existing(Existing::Replace);
        let error = report(&sequence(2).to_zarr(replace()).unwrap_err());
        assert!(error.contains(&format!("a.zarr/{name} is in the way")), "{error}");
        assert_eq!(files(directory.path()), before);
        std::fs::remove_file(&file).unwrap();
        sequence(2).to_zarr(replace()).unwrap();
        std::fs::remove_dir_all(&path).unwrap();
    }
}

/// Another array lies where the chunks of the next version would be stored.
#[test]
fn an_array_inside_the_array_is_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    sequence(1).to_zarr(&path).unwrap();
    let inner = directory.path().join("inner.zarr");
    sequence(7).to_zarr(&inner).unwrap();
    std::fs::rename(&inner, path.join("0")).unwrap();
    let replace = ZarrSink::new(&path).with_existing(Existing::Replace);
    let error = report(&sequence(2).to_zarr(replace).unwrap_err());
    assert!(error.contains("a.zarr/0 is in the way: it is another Zarr node"), "{error}");
    assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(1, 8));
    assert_eq!(StoredArray::open(path.join("0")).unwrap().read().unwrap(), array(7, 8));
}

#[test]
fn a_panic_while_writing_a_chunk_is_an_error() {
    let mut n_chunks = 0;
    for n in 0..60 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        let fault = Fault { panic: Some(n), ..Fault::default() };
        let file_system = Arc::new(FaultyFileSystem::new(fault));
        let write = || sequence(2).to_zarr(sink(&file_system, &path));
        let written = std::panic::catch_unwind(std::panic::AssertUnwindSafe(write));
        if let Ok(Err(error)) = written {
            let error = report(&error);
            assert!(error.contains("could not encode and write chunk ["), "{error}");
            assert!(error.contains("injected panic"), "{error}");
            assert_eq!(n_entries(directory.path()), 0);
            n_chunks += 1;
        }
    }
    // Three of the chunks create the directory of their row first, and are tried again.
    assert!(n_chunks >= 9 + 2 * 3, "{n_chunks}");
}

#[test]
fn a_target_that_is_no_longer_an_array_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let group = r#"{"zarr_format":3,"node_type":"group"}"#;
    for (metadata, message) in [(None, "no longer there"), (Some(group), "no longer there")] {
        sequence(1).to_zarr(&path).unwrap();
        let blocks = LazyChunkSequence::new(|| {
            match metadata {
                None => std::fs::remove_file(path.join("zarr.json")).unwrap(),
                Some(metadata) => std::fs::write(path.join("zarr.json"), metadata).unwrap(),
            }
            std::fs::write(path.join("file"), "precious").unwrap();
            [array(2, 1)]
        });
        let replace = ZarrSink::new(&path).with_existing(Existing::Replace);
        let error = report(&blocks.to_zarr(replace).unwrap_err());
        assert!(error.contains(message), "{error}");
        assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), "precious");
        std::fs::remove_dir_all(&path).unwrap();
    }
    // The directory was removed and created again.
    sequence(1).to_zarr(&path).unwrap();
    let blocks = LazyChunkSequence::new(|| {
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("file"), "precious").unwrap();
        [array(2, 1)]
    });
    let replace = ZarrSink::new(&path).with_existing(Existing::Replace);
    let error = blocks.to_zarr(replace).unwrap_err();
    assert!(is_taken_over(&error), "{error}");
    assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), "precious");
    assert_eq!(n_entries(&path), 1);
}

/// While an array is written, only its own directory appears in its group.
#[test]
fn a_write_changes_only_its_own_directory() {
    let directory = tempfile::tempdir().unwrap();
    let group = directory.path().join("group");
    std::fs::create_dir_all(group.join("nested/plain")).unwrap();
    let metadata = r#"{"zarr_format":3,"node_type":"group"}"#;
    std::fs::write(group.join("zarr.json"), metadata).unwrap();
    std::fs::write(group.join("nested/zarr.json"), metadata).unwrap();

    let path = group.join("nested/plain/a.zarr");
    let blocks = LazyChunkSequence::new(|| {
        (0..3).map(|i| {
            assert_eq!(n_entries(directory.path()), 1);
            assert_eq!(n_entries(&group), 2, "expected the group's metadata and the nested group");
            assert_eq!(n_entries(&group.join("nested")), 2);
            assert_eq!(n_entries(&group.join("nested/plain")), 1);
            array(i, 1)
        })
    });
    blocks.to_zarr(&path).unwrap();
    assert_eq!(n_entries(&path), 2, "expected the metadata and the chunks");
    assert_eq!(StoredArray::open(&path).unwrap().shape(), [3, 5]);
}

#[test]
fn a_target_that_appears_during_the_write_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let blocks = LazyChunkSequence::new(|| {
        // The other program does not check for locks.
        let aside = directory.path().join("aside.zarr");
        sequence(1).to_zarr(&aside).unwrap();
        std::fs::rename(aside.join("zarr.json"), path.join("zarr.json")).unwrap();
        std::fs::rename(aside.join("c"), path.join("c")).unwrap();
        std::fs::remove_dir(aside).unwrap();
        [array(2, 1)]
    });
    // If the chunks of both writes have the same keys, none is overwritten; otherwise, the new
    // metadata is noticed.
    for chunk_shape in [[1, 5], [8, 5]] {
        let sink = ZarrSink::new(&path).with_chunk_shape(chunk_shape);
        let error = blocks.to_zarr(sink).unwrap_err();
        let is_write = error.to_string().starts_with("could not write ");
        assert!(is_write || error.kind() == ErrorKind::Exists, "{error}");
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(1, 8));
        std::fs::remove_dir_all(&path).unwrap();
    }
    blocks.to_zarr(ZarrSink::new(&path).with_chunk_shape([1, 5])).unwrap_err();
    assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(1, 8));
    assert_eq!(n_entries(directory.path()), 1);
}

/// Another write creates the group, or the array in it, between the first check of the target and
/// the lock.
#[test]
fn a_group_that_appears_before_the_lock_is_taken_is_used() {
    for (rival, existing, error) in [
        ("other", Existing::Fail, ""),
        ("values", Existing::Replace, ""),
        ("values", Existing::Fail, "already exists"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("group.zarr");
        let group = Target::from(&path).member("inner");
        let other = group.member(rival);
        let file_system = FaultyFileSystem::with_rival(move || {
            let sink = ZarrSink::new(other.clone()).with_existing(Existing::Replace);
            sequence(1).to_zarr(sink).unwrap();
        });
        let target = Target::on(file_system, &path).member("inner").member("values");
        let written = sequence(2).to_zarr(ZarrSink::new(target).with_existing(existing));
        let message = written.err().map_or(String::new(), |error| report(&error));
        assert!(message.contains(error) && error.is_empty() == message.is_empty(), "{message}");
        let read = |name| StoredArray::open(group.member(name)).unwrap().read().unwrap();
        assert_eq!(read("values"), array(if error.is_empty() { 2 } else { 1 }, 8));
        assert_eq!(
            read(rival),
            array(if rival == "other" || !error.is_empty() { 1 } else { 2 }, 8)
        );
        assert_eq!((n_entries(directory.path()), n_entries(&path)), (1, 2));
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_an_array_stays_a_link() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let link = directory.path().join("link");
    sequence(1).to_zarr(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    sequence(2).to_zarr(ZarrSink::new(&link).with_existing(Existing::Replace)).unwrap();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(2, 8));
    assert_eq!(n_entries(directory.path()), 2);
}

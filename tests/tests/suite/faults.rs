//! A file system that fails at any operation: one error, and the target is the old array or the new.

use std::path::Path;
use std::sync::Arc;

use lazy_chunks::zarr::{
    Error, Existing, StoredArray, Target, ToZarr, UnfinishedWrite, WriteState, ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, report};
use lazy_tests::interrupted::{self, left_unfinished, staging};
use lazy_tests::{Fault, FaultyFileSystem, files};

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
fn staging_lies_on_the_targets_own_file_system() {
    let root = Path::new("/dev/shm");
    let name = format!("lazy-tests-{}", std::process::id());
    let Ok(directory) = tempfile::Builder::new().prefix(&name).tempdir_in(root) else {
        println!("skipped: /dev/shm cannot be written");
        return;
    };
    // A link from another file system leads there; the target's own file system counts.
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link");
    std::os::unix::fs::symlink(directory.path(), &link).unwrap();
    sequence(1).to_zarr(link.join("a.zarr")).unwrap();
    assert_eq!(StoredArray::open(directory.path().join("a.zarr")).unwrap().shape(), [8, 5]);
    assert_eq!((n_entries(elsewhere.path()), n_entries(directory.path())), (1, 1));
}

/// Runs a write with a fault at every operation in turn, until none is left to fail at.
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
                // Nothing is left but the old array, or the directories above the target.
                let parent = path.parent().unwrap();
                assert!(n_entries(directory.path()) <= 1);
                assert!(!parent.exists() || n_entries(parent) == usize::from(replaces));
            }
            (Ok(_), Err(error)) => panic!("fault {n} hides a published array: {error}"),
        }
        // Whatever it has left, the next ones are not disturbed.
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
fn a_fault_at_any_operation_leaves_the_target_as_it_was() {
    let fault = |n| Fault { change: Some(n), ..Fault::default() };
    // The directories, the staging directory and its files; nine chunks of which three create a directory
    // first; metadata, flushing, publishing, flushing the directory, cleaning up.
    assert!(with_every_fault(false, fault) >= 3 + 5 + 9 + 3 + 4 + 5);
    assert!(with_every_fault(true, fault) >= 1 + 4 + 9 + 3 + 4 + 5);
    // Each file and each directory is flushed by itself.
    let fault = |n| Fault { change: Some(n), no_sync_of_all: true, ..Fault::default() };
    assert!(with_every_fault(true, fault) >= 1 + 4 + 9 + 3 + (9 + 4 + 3) + 2 + 5);
}

/// The server does what it was told, but its answer is lost: what is done counts.
#[test]
fn a_lost_answer_at_any_operation_leaves_the_old_array_or_the_new() {
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
    // Publishing, flushing that, and cleaning up.
    assert!(n_published.iter().all(|n| *n >= 4), "{n_published:?}");
}

/// What an ended write has left can lie where no directory can be renamed, such as in a lower layer of overlayfs:
/// where locks reach everyone, it is taken over all the same.
#[test]
fn what_cannot_be_renamed_is_taken_over() {
    let (_directory, path) = left_unfinished();
    let fault = Fault { no_renamed_directory: true, ..Fault::default() };
    let target = || Target::on(FaultyFileSystem::new(fault), &path);
    let error = interrupted::failing(2, 3).to_zarr(interrupted::sink(target())).unwrap_err();
    assert!(report(&error).contains("accelerator"), "{error}");
    assert_eq!(staging(&path), path.join(".lazy.1"));
    interrupted::sequence(2).to_zarr(interrupted::sink(target())).unwrap();
    assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(2, 8));

    // Elsewhere the one who goes on could be another machine's.
    let (_directory, path) = left_unfinished();
    let fault = Fault { no_locks: true, ..fault };
    let sink = interrupted::sink(Target::on(FaultyFileSystem::new(fault), &path));
    let error = interrupted::sequence(2).to_zarr(sink).unwrap_err();
    assert!(matches!(error, Error::NotWritable { .. }), "{error}");
}

/// What cannot be removed is in nobody's way: neither what a failed write has stored, nor the staging directory
/// of one that has published.
#[test]
fn what_cannot_be_removed_is_of_no_use() {
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

            let [left] = &UnfinishedWrite::list(&path).unwrap()[..] else { panic!("none") };
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

/// On a file system without locks, one process writes at a time all the same, and the next one takes over from
/// one that has ended.
#[test]
fn without_locks_there_is_one_writer_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let fault = Fault { no_locks: true, ..Fault::default() };
    let file_system = Arc::new(FaultyFileSystem::new(fault));
    let blocks = LazyChunkSequence::from_fn([2; 4], |_| {
        let second = sequence(3).to_zarr(sink(&file_system, &path));
        assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");
        let [write] =
            &UnfinishedWrite::list(Target::on(Arc::clone(&file_system), &path)).unwrap()[..]
        else {
            panic!("none is listed")
        };
        assert!(matches!(write.state(), WriteState::Running { .. }), "{write:?}");
        array(2, 2)
    });
    blocks.to_zarr(sink(&file_system, &path)).unwrap();
    assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(2, 8));

    // A process of this machine that has ended, as its description says; and one of another machine.
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
        assert!(matches!(error, Error::MaybeLocked { .. }), "{error}");
        assert!(report(&error).contains("process 7"), "{error}");
        let target = || Target::on(Arc::clone(&file_system), &path);
        let listed = UnfinishedWrite::list(target()).unwrap();
        assert!(matches!(listed[0].state(), WriteState::MaybeRunning { .. }), "{listed:?}");
        write(sink(&file_system, &path).with_take_over()).unwrap();
        assert!(UnfinishedWrite::list(target()).unwrap().is_empty());
    }
}

/// A write that was taken for dead, and goes on, publishes nothing, and spoils nothing.
#[test]
fn a_write_that_is_taken_over_from_publishes_nothing() {
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
                    // As of another machine, of which nothing is known.
                    std::fs::write(staging(&path).join("holder"), "process 7 on there").unwrap();
                    let second = LazyChunkSequence::from_fn([2; 4], |_| array(2, 2));
                    second.to_zarr(sink().with_take_over()).unwrap();
                }
                array(2, 2)
            });
            let error = blocks.to_zarr(sink()).unwrap_err();
            assert!(matches!(error, Error::TakenOver { .. }), "block {at}: {error}");
            assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(2, 8));
            assert_eq!(StoredArray::open(&path).unwrap().verify().count(), 0);
            // The next one is not disturbed by what the first one has stored since.
            sequence(3).to_zarr(sink()).unwrap_or_else(|_| {
                LazyChunkSequence::from_fn([2; 4], |_| array(3, 2)).to_zarr(sink()).unwrap()
            });
            assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(3, 8));
            assert!(UnfinishedWrite::list(&path).unwrap().is_empty());
        }
    }
}

/// Chunks that are removed, shortened or lengthened before the array is published: it is not.
#[test]
fn lost_chunks_are_noticed_before_the_array_is_published() {
    type Loss = fn(&Path) -> std::io::Result<()>;
    let losses: [(Loss, &str); 4] = [
        (|chunk| std::fs::remove_file(chunk), "8 of them were found: c/0/1 is missing"),
        (|chunk| std::fs::write(chunk, ""), "of other sizes"),
        (|chunk| std::fs::write(chunk, [0; 1000]), "of other sizes"),
        (|chunk| std::fs::remove_dir_all(chunk.parent().unwrap()), "c/0/0 is missing"),
    ];
    for (lose, message) in losses {
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
            assert!(matches!(error, Error::ChunksLost { .. }), "{error}");
            assert!(report(&error).contains(message), "{error}");
            assert!(!path.join("zarr.json").exists());
            // The next one stores what is missing.
            let blocks = LazyChunkSequence::from_fn([2; 4], |_| array(2, 2));
            assert_eq!(blocks.to_zarr(sink()).unwrap().read().unwrap(), array(2, 8));
        }
    }
}

/// Other files in the array's directory are of no concern, wherever they lie.
#[test]
fn other_files_in_the_array_stay() {
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

/// A file that has the name of a chunk, but was left by no write, may be the user's.
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

/// Another array lies where the chunks of the next version would go.
#[test]
fn an_array_within_the_array_is_not_overwritten() {
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
            assert!(error.contains("could not be encoded and written, by a panic"), "{error}");
            assert!(error.contains("injected panic"), "{error}");
            assert_eq!(n_entries(directory.path()), 0);
            n_chunks += 1;
        }
    }
    // Three of them create the directory of their row first, and are tried again.
    assert!(n_chunks >= 9 + 2 * 3, "{n_chunks}");
}

#[test]
fn what_is_no_longer_an_array_is_not_replaced() {
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
    // The directory itself is another one.
    sequence(1).to_zarr(&path).unwrap();
    let blocks = LazyChunkSequence::new(|| {
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("file"), "precious").unwrap();
        [array(2, 1)]
    });
    let replace = ZarrSink::new(&path).with_existing(Existing::Replace);
    let error = blocks.to_zarr(replace).unwrap_err();
    assert!(matches!(error, Error::TakenOver { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), "precious");
    assert_eq!(n_entries(&path), 1);
}

/// In a group, nothing but the array's own directory appears while it is written.
#[test]
fn a_write_shows_in_its_own_directory_alone() {
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
            assert_eq!(n_entries(&group), 2, "the group's own metadata and the nested group");
            assert_eq!(n_entries(&group.join("nested")), 2);
            assert_eq!(n_entries(&group.join("nested/plain")), 1);
            array(i, 1)
        })
    });
    blocks.to_zarr(&path).unwrap();
    assert_eq!(n_entries(&path), 2, "the metadata and the chunks");
    assert_eq!(StoredArray::open(&path).unwrap().shape(), [3, 5]);
}

#[test]
fn a_target_that_appears_meanwhile_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let blocks = LazyChunkSequence::new(|| {
        // By a program that does not look for a lock.
        let aside = directory.path().join("aside.zarr");
        sequence(1).to_zarr(&aside).unwrap();
        std::fs::rename(aside.join("zarr.json"), path.join("zarr.json")).unwrap();
        std::fs::rename(aside.join("c"), path.join("c")).unwrap();
        std::fs::remove_dir(aside).unwrap();
        [array(2, 1)]
    });
    // Where its chunks lie, none is written; else the metadata is noticed.
    for chunk_shape in [[1, 5], [8, 5]] {
        let sink = ZarrSink::new(&path).with_chunk_shape(chunk_shape);
        let error = blocks.to_zarr(sink).unwrap_err();
        assert!(matches!(error, Error::Write { .. } | Error::TargetExists { .. }), "{error}");
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(1, 8));
        std::fs::remove_dir_all(&path).unwrap();
    }
    blocks.to_zarr(ZarrSink::new(&path).with_chunk_shape([1, 5])).unwrap_err();
    assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), array(1, 8));
    assert_eq!(n_entries(directory.path()), 1);
}

/// Between the first look at the target and the lock, another write makes the group, or the array in it.
#[test]
fn a_group_that_appears_before_the_lock_is_taken_is_entered() {
    for (rival, existing, error) in [
        ("other", Existing::Fail, ""),
        ("values", Existing::Replace, ""),
        ("values", Existing::Fail, "exists already"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("group.zarr");
        let group = Target::from(&path).member("inner");
        let other = group.clone().member(rival);
        let file_system = FaultyFileSystem::with_rival(move || {
            let sink = ZarrSink::new(other.clone()).with_existing(Existing::Replace);
            sequence(1).to_zarr(sink).unwrap();
        });
        let target = Target::on(file_system, &path).member("inner").member("values");
        let written = sequence(2).to_zarr(ZarrSink::new(target).with_existing(existing));
        let message = written.err().map_or(String::new(), |error| report(&error));
        assert!(message.contains(error) && error.is_empty() == message.is_empty(), "{message}");
        let read = |name| StoredArray::open(group.clone().member(name)).unwrap().read().unwrap();
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

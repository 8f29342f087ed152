//! A file system that fails at any operation: one error, and the target is the old array or the new.

use std::path::Path;
use std::sync::Arc;

use lazy_chunks::zarr::{
    Existing, StoredArray, Target, ToZarr, UnfinishedWrite, WriteState, ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence};
use lazy_tests::{Fault, FaultyFileSystem, Outside};

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
            (Err(error), found) => {
                assert!(error.to_string().contains("injected fault"), "{error}");
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
        if file_system.n_changes() <= n {
            return n;
        }
    }
    unreachable!("the write ends")
}

#[test]
fn a_fault_at_any_operation_leaves_the_target_as_it_was() {
    let fault = |n| Fault { change: Some(n), ..Fault::default() };
    // Staging, nine chunks of which three make a directory first, metadata, flushing them, parent, rename,
    // flushing the parent and what it was made in, cleaning.
    assert!(with_every_fault(false, fault) >= 9 + 3 + 8);
    // There is a parent already.
    assert!(with_every_fault(true, fault) >= 9 + 3 + 6);
    // Two renames instead of the exchange; where staging lies and what it keeps are flushed as well.
    let fault = |n| Fault { change: Some(n), no_exchange: true, ..Fault::default() };
    assert!(with_every_fault(true, fault) >= 9 + 3 + 9);
}

/// Whatever files remain of a staging directory whose removal was interrupted, they are taken for nothing
/// that they were a part of: not for a write that can be resumed, nor for somebody else's data.
#[test]
fn what_remains_of_a_removal_is_of_no_use() {
    for (seed, resumes) in (0..32).flat_map(|seed| [(seed, false), (seed, true)]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        // An array of Zarr v2, of which a part looks like anything.
        std::fs::create_dir(&path).unwrap();
        let metadata = r#"{"zarr_format":2,"shape":[4],"chunks":[2],"dtype":"|u1","compressor":null,
            "fill_value":0,"order":"C","filters":null}"#;
        std::fs::write(path.join(".zarray"), metadata).unwrap();
        for chunk in ["0", "1"] {
            std::fs::write(path.join(chunk), [1, 2]).unwrap();
        }
        let fault = Fault { no_removal: Some(seed), ..Fault::default() };
        let sink = sink(&Arc::new(FaultyFileSystem::new(fault)), &path);
        let blocks = LazyChunkSequence::from_fn([2; 4], |_| array(2, 2));
        blocks.to_zarr(if resumes { sink.with_resume("job") } else { sink }).unwrap();

        let [left] = &UnfinishedWrite::list(&path).unwrap()[..] else { panic!("seed {seed}") };
        assert_eq!(*left.state(), WriteState::Abandoned, "seed {seed}");
        match seed % 2 {
            0 => left.clone().remove().unwrap(),
            _ => drop(sequence(3).to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace))),
        }
        let expected = array(if seed % 2 == 0 { 2 } else { 3 }, 8);
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), expected, "seed {seed}");
        assert_eq!(n_entries(directory.path()), 1);
    }
}

#[test]
fn a_panic_while_writing_a_chunk_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let file_system = Arc::new(FaultyFileSystem::new(Fault { panic: Some(4), ..Fault::default() }));
    let error = sequence(2).to_zarr(sink(&file_system, &path)).unwrap_err().to_string();
    assert!(error.contains("could not be encoded and written, by a panic"), "{error}");
    assert!(error.contains("injected panic"), "{error}");
    assert_eq!(n_entries(directory.path()), 0);
}

#[test]
fn what_is_no_longer_an_array_is_not_replaced() {
    for no_exchange in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        sequence(1).to_zarr(&path).unwrap();
        let blocks = LazyChunkSequence::new(|| {
            std::fs::remove_dir_all(&path).unwrap();
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("file"), "precious").unwrap();
            [array(2, 1)]
        });
        let fault = Fault { no_exchange, ..Fault::default() };
        let file_system = Arc::new(FaultyFileSystem::new(fault));
        let error = blocks.to_zarr(sink(&file_system, &path)).unwrap_err().to_string();
        assert!(error.contains("it is no longer a Zarr array"), "{error}");
        assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), "precious");
        assert_eq!(n_entries(directory.path()), 1);
    }
}

#[test]
fn staging_lies_outside_of_the_hierarchy() {
    let directory = tempfile::tempdir().unwrap();
    let group = directory.path().join("group");
    std::fs::create_dir_all(group.join("nested/plain")).unwrap();
    let metadata = r#"{"zarr_format":3,"node_type":"group"}"#;
    std::fs::write(group.join("zarr.json"), metadata).unwrap();
    std::fs::write(group.join("nested/zarr.json"), metadata).unwrap();

    let path = group.join("nested/plain/a.zarr");
    let blocks = LazyChunkSequence::new(|| {
        (0..3).map(|i| {
            assert_eq!(n_entries(&group), 2, "the group's own metadata and the nested group");
            assert_eq!(n_entries(&group.join("nested")), 2);
            assert_eq!(n_entries(&group.join("nested/plain")), 0);
            assert_eq!(n_entries(directory.path()), 3, "the group, the staging and its lock");
            array(i, 1)
        })
    });
    blocks.to_zarr(&path).unwrap();
    assert_eq!(n_entries(directory.path()), 1);
    assert_eq!(StoredArray::open(&path).unwrap().shape(), [3, 5]);
}

#[test]
fn staging_goes_no_higher_than_it_can() {
    let metadata = r#"{"zarr_format":3,"node_type":"group"}"#;
    for reason in [Outside::OtherDevice, Outside::Unwritable] {
        let directory = tempfile::tempdir().unwrap();
        let group = directory.path().canonicalize().unwrap().join("group");
        std::fs::create_dir_all(group.join("nested")).unwrap();
        std::fs::write(group.join("zarr.json"), metadata).unwrap();
        std::fs::write(group.join("nested/zarr.json"), metadata).unwrap();

        let path = group.join("nested/a.zarr");
        let file_system = Arc::new(FaultyFileSystem::confined(group.clone(), reason));
        let blocks = LazyChunkSequence::new(|| {
            (0..3).map(|i| {
                let staging = group.join(".nested%2Fa.zarr.staging");
                assert!(staging.is_dir() && !staging.join("zarr.json").exists());
                array(i, 1)
            })
        });
        blocks.to_zarr(sink(&file_system, &path)).unwrap();
        assert_eq!(n_entries(&group), 2, "the group's metadata and the nested group");
        assert_eq!(StoredArray::open(&path).unwrap().shape(), [3, 5]);
    }
}

#[test]
fn a_target_that_appears_meanwhile_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let blocks = LazyChunkSequence::new(|| {
        // By somebody who does not look for a lock.
        let aside = directory.path().join("aside.zarr");
        sequence(1).to_zarr(&aside).unwrap();
        std::fs::rename(aside, &path).unwrap();
        [array(2, 1)]
    });
    let error = blocks.to_zarr(&path).unwrap_err().to_string();
    assert!(error.contains("could not be moved to"), "{error}");
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
        let message = written.err().map_or(String::new(), |error| error.to_string());
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

//! A handle reads only the array that it was opened for. If the array is replaced, reading is an
//! error, never a mixture.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{
    Codec, Durability, Error, ErrorKind, Existing, MemoryStore, MissingChunks, OldChunks, Store,
    StoredArray, Superseded, Target, ToZarr, ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, report};

/// Stores an array of shape (4, 3) with this element everywhere, in chunks of one row.
fn store(target: impl Into<Target>, element: i32, existing: Existing) -> StoredArray {
    let block = ArrayBlock::from_vec([4, 3], vec![element; 12]).unwrap();
    LazyChunkSequence::new(|| [block.clone()])
        .to_zarr(
            ZarrSink::new(target)
                .with_chunk_shape([1, 3])
                .with_codec(Codec::None)
                .with_existing(existing)
                .with_durability(Durability::None),
        )
        .unwrap()
}

/// Asserts that every way to read fails with an expected error that names the target.
#[track_caller]
fn assert_gone(array: &StoredArray, is_expected: fn(&Error) -> bool, message: &str) {
    let lenient = array.clone().with_missing_chunks(MissingChunks::FillValue);
    for array in [array, &lenient] {
        let mut errors = vec![
            array.read().unwrap_err(),
            array.read_region(&[1..2, 0..1]).unwrap_err(),
            array.verify().find_map(Result::err).expect("verifying fails"),
        ];
        let mut verify = array.verify();
        errors.extend(verify.next().and_then(Result::err));
        assert_eq!(errors.len(), 4, "verifying returns the error first");
        assert!(verify.next().is_none(), "verifying ends after the error");
        for error in errors {
            assert!(is_expected(&error), "{error}");
            assert!(report(&error).ends_with(message), "{error}");
            assert!(report(&error).contains("a.zarr") || report(&error).contains("store:/"));
        }
        let sequence = array.sequence([2, 2]).unwrap();
        let error = report(&sequence.collect().unwrap_err());
        assert!(error.contains("block 0") && error.ends_with(message), "{error}");
    }
}

#[track_caller]
fn assert_replaced(array: &StoredArray) {
    let message = "was replaced after it was opened";
    assert_gone(array, |error| error.kind() == ErrorKind::Changed, message);
}

#[track_caller]
fn assert_removed(array: &StoredArray) {
    let message = "was removed after it was opened";
    assert_gone(array, |error| error.kind() == ErrorKind::NotFound, message);
}

/// Stores an array, and returns the handle of the write and an opened one.
fn handles(path: &Path) -> [StoredArray; 2] {
    let written = store(path, 1, Existing::Fail);
    [written, StoredArray::open(path).unwrap()]
}

fn elements(array: &StoredArray) -> Vec<i32> {
    array.read().unwrap().as_slice().unwrap().to_vec()
}

#[test]
fn a_write_that_replaces_the_array_invalidates_handles() {
    // The fourth version has the metadata of the first, and its chunks have the same keys.
    for n_versions in 1..5 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        let handles = handles(&path);
        for handle in &handles {
            assert_eq!(elements(handle), [1; 12]);
        }
        let metadata = std::fs::read(path.join("zarr.json")).unwrap();
        for _ in 1..n_versions {
            store(&path, 2, Existing::Replace);
        }
        let new = store(&path, 2, Existing::Replace);
        let is_same = std::fs::read(path.join("zarr.json")).unwrap() == metadata;
        assert_eq!(is_same, n_versions == 3);
        for handle in &handles {
            assert_replaced(handle);
        }
        assert_eq!(elements(&new), [2; 12]);
        assert_eq!(elements(&StoredArray::open(&path).unwrap()), [2; 12]);
        assert_eq!(new.verify().count(), 0);
    }
}

/// The reader keeps the old metadata in memory and opens chunks when it needs them, as other
/// libraries do.
#[test]
fn a_reader_of_the_old_metadata_finds_the_old_chunks() {
    for old_chunks in [OldChunks::Keep, OldChunks::Remove] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        let chunks = |version: usize| -> Vec<Option<Vec<u8>>> {
            let keys = (0..4).map(|i| match version % 3 {
                1 => format!("c/{i}/0"),
                2 => format!("{i}/0"),
                _ => format!("c.{i}.0"),
            });
            keys.map(|key| std::fs::read(path.join(key)).ok()).collect()
        };
        let whole = |version: usize| vec![Some((version as i32).to_le_bytes().repeat(3)); 4];
        let gone = vec![None; 4];
        for version in 1..8 {
            let block = ArrayBlock::from_vec([4, 3], vec![version as i32; 12]).unwrap();
            let n_blocks = AtomicUsize::new(0);
            let blocks = LazyChunkSequence::from_fn([2; 2], |i| {
                // During the write, the previous version and the one before it are complete.
                n_blocks.fetch_add(1, Ordering::Relaxed);
                if version > 1 {
                    assert_eq!(chunks(version - 1), whole(version - 1));
                }
                if version > 2 && old_chunks == OldChunks::Keep {
                    assert_eq!(chunks(version - 2), whole(version - 2));
                }
                let rows = block.as_slice::<i32>().unwrap()[6 * i..6 * i + 6].to_vec();
                ArrayBlock::from_vec([2, 3], rows).unwrap()
            });
            let sink = ZarrSink::new(&path)
                .with_chunk_shape([1, 3])
                .with_codec(Codec::None)
                .with_existing(Existing::Replace)
                .with_old_chunks(old_chunks);
            blocks.to_zarr(sink).unwrap();
            assert_eq!(n_blocks.load(Ordering::Relaxed), 2);
            assert_eq!(chunks(version), whole(version));
            if version > 1 {
                let expected =
                    if old_chunks == OldChunks::Keep { whole(version - 1) } else { gone.clone() };
                assert_eq!(chunks(version - 1), expected);
            }
            if version > 2 {
                assert_eq!(chunks(version - 2), gone);
            }
        }
        let old = Superseded::list(directory.path()).unwrap();
        assert_eq!(old.len(), usize::from(old_chunks == OldChunks::Keep));
        for old in old {
            assert_eq!((old.n_files(), old.bytes()), (4, 48));
            old.remove().unwrap();
        }
        assert_eq!((chunks(6), chunks(7)), (gone, whole(7)));
        assert_eq!(elements(&StoredArray::open(&path).unwrap()), [7; 12]);
    }
}

#[test]
fn removing_and_rewriting_the_array_invalidates_handles() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let handles = handles(&path);
    std::fs::remove_dir_all(&path).unwrap();
    for handle in &handles {
        assert_removed(handle);
    }
    std::fs::write(&path, "a file").unwrap();
    for handle in &handles {
        assert_removed(handle);
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir_all(path.join("zarr.json")).unwrap();
    for handle in &handles {
        assert_replaced(handle);
    }
    std::fs::remove_dir_all(&path).unwrap();
    // The new directory may get the same inode numbers.
    let new = store(&path, 2, Existing::Fail);
    for handle in &handles {
        assert_replaced(handle);
    }
    assert_eq!(elements(&new), [2; 12]);
}

#[test]
fn removing_the_group_invalidates_handles() {
    let directory = tempfile::tempdir().unwrap();
    let group = Target::from(directory.path().join("group"));
    let array = store(group.member("inner").member("a.zarr"), 1, Existing::Fail);
    assert_eq!(elements(&array), [1; 12]);
    std::fs::remove_dir_all(directory.path().join("group")).unwrap();
    assert_removed(&array);
    store(group.member("inner").member("a.zarr"), 2, Existing::Fail);
    assert_replaced(&array);
}

#[test]
fn other_changes_do_not_invalidate_handles() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("group/a.zarr");
    let sibling = directory.path().join("group/b.zarr");
    let handles = handles(&path);
    store(&sibling, 2, Existing::Fail);
    store(&sibling, 3, Existing::Replace);
    std::fs::remove_dir_all(&sibling).unwrap();
    // A failed write leaves the array in place.
    let failing = LazyChunkSequence::new(|| -> [ArrayBlock; 1] { panic!("no block") });
    failing.to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace)).unwrap_err();
    // Files that other programs add to the array do not replace it.
    std::fs::write(path.join("notes.txt"), "a note").unwrap();
    for handle in &handles {
        assert_eq!(elements(handle), [1; 12]);
        assert_eq!(handle.verify().count(), 0);
    }
}

#[test]
fn a_replacement_between_two_blocks_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let array = store(&path, 1, Existing::Fail);
    let n_blocks = AtomicUsize::new(0);
    let blocks = array.sequence([1; 4]).unwrap().map(|block| {
        if n_blocks.fetch_add(1, Ordering::Relaxed) == 1 {
            store(&path, 2, Existing::Replace);
        }
        block
    });
    let copy = directory.path().join("copy.zarr");
    let error = report(&blocks.to_zarr(&copy).unwrap_err());
    assert!(error.contains("block 2") && error.contains("a.zarr was replaced after"), "{error}");
    assert!(!copy.exists(), "a mixture of both arrays was stored");
    assert_eq!(n_blocks.load(Ordering::Relaxed), 2);
}

#[test]
fn a_chunk_missing_since_the_replacement_is_reported_as_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let handles = handles(&path);
    // The new array has fewer chunks.
    let block = ArrayBlock::from_vec([1, 3], vec![2_i32; 3]).unwrap();
    LazyChunkSequence::new(|| [block.clone()])
        .to_zarr(ZarrSink::new(&path).with_existing(Existing::Replace))
        .unwrap();
    for handle in &handles {
        assert_replaced(handle);
    }
}

#[test]
fn other_metadata_in_a_store_invalidates_handles() {
    let store_instance = Arc::new(MemoryStore::new());
    let written = store(Arc::clone(&store_instance), 1, Existing::Fail);
    let opened = StoredArray::open(Arc::clone(&store_instance)).unwrap();
    let handles = [written, opened];
    for handle in &handles {
        assert_eq!(elements(handle), [1; 12]);
    }
    // The metadata of each version name other keys.
    store(Arc::clone(&store_instance), 2, Existing::Replace);
    for handle in &handles {
        assert_replaced(handle);
    }
    for object in store_instance.list("").unwrap() {
        store_instance.delete(&object.key).unwrap();
    }
    for handle in &handles {
        assert_removed(handle);
    }
}

#[cfg(unix)]
#[test]
fn pointing_a_link_to_another_array_invalidates_handles() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    store(path("one"), 1, Existing::Fail);
    store(path("other"), 2, Existing::Fail);
    std::os::unix::fs::symlink(path("one"), path("a.zarr")).unwrap();
    let array = StoredArray::open(path("a.zarr")).unwrap();
    assert_eq!(elements(&array), [1; 12]);
    std::fs::remove_file(path("a.zarr")).unwrap();
    std::os::unix::fs::symlink(path("other"), path("a.zarr")).unwrap();
    assert_replaced(&array);
}

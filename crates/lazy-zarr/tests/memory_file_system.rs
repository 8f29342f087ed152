//! Arrays on the file system in memory: replacing, resuming, locking and cleaning up.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::mpsc::channel;

use lazy_core::{ArrayBlock, Indexed, LazyChunkSequence};
use lazy_zarr::{
    Existing, FileSystem, Group, MemoryFileSystem, StoredArray, Superseded, Target, ToZarr,
    UnfinishedWrite, WriteState, ZarrSink,
};

const N_BLOCKS: usize = 4;

/// Blocks of 10 rows of the same value.
fn blocks(value: i32) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    failing(value, N_BLOCKS)
}

/// The same blocks, one of which fails.
fn failing(value: i32, fails_at: usize) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    LazyChunkSequence::try_from_fn([10; N_BLOCKS], move |i| {
        if i == fails_at {
            return Err(lazy_core::Error::other("the producer failed"));
        }
        ArrayBlock::from_vec([10], vec![value; 10])
    })
}

fn sink(target: &Target) -> ZarrSink {
    ZarrSink::new(target).with_chunk_shape([10])
}

fn elements(array: &StoredArray) -> Vec<i32> {
    array.read().unwrap().as_slice::<i32>().unwrap().to_vec()
}

fn names(files: &MemoryFileSystem, directory: &str) -> Vec<OsString> {
    files.list(Path::new(directory)).unwrap()
}

#[test]
fn clones_share_the_contents() {
    let files = MemoryFileSystem::new();
    blocks(1).to_zarr(Target::on(files.clone(), "/data/a.zarr")).unwrap();
    assert_eq!(names(&files, "data/a.zarr"), ["c", "zarr.json"]);
    let stored = StoredArray::open(Target::on(files, "data/../data/./a.zarr")).unwrap();
    assert_eq!(elements(&stored), [1; 40]);
}

#[test]
fn an_array_is_replaced_while_it_is_read() {
    let files = MemoryFileSystem::new();
    let target = Target::on(files.clone(), "a.zarr");
    let old = blocks(1).to_zarr(&target).unwrap();
    assert!(blocks(2).to_zarr(&target).is_err(), "an array is there");
    let replacing = || sink(&target).with_existing(Existing::Replace);
    assert!(failing(2, 3).to_zarr(replacing()).is_err());
    assert_eq!(elements(&old), [1; 40]);

    let new = blocks(2).to_zarr(replacing()).unwrap();
    assert_eq!(elements(&new), [2; 40]);
    assert!(old.read().is_err(), "the handle is of the version that was replaced");
    let superseded = Superseded::list(&target).unwrap();
    assert_eq!(superseded.len(), 1);
    for chunks in superseded {
        chunks.remove().unwrap();
    }
    assert_eq!(Superseded::list(&target).unwrap().len(), 0);
    assert_eq!(elements(&StoredArray::open(&target).unwrap()), [2; 40]);
}

#[test]
fn an_unfinished_write_is_listed_resumed_and_removed() {
    let files = MemoryFileSystem::new();
    let target = Target::on(files.clone(), "group").member("a");
    let resuming = || sink(&target).with_resume("ones");
    assert!(failing(1, 2).to_zarr(resuming()).is_err());
    assert!(StoredArray::open(&target).is_err(), "nothing is published");
    let unfinished = UnfinishedWrite::list(Target::on(files.clone(), "/")).unwrap();
    let [write] = &unfinished[..] else { panic!("{unfinished:?}") };
    assert_eq!(write.target().to_string(), "/group/a");
    let WriteState::Resumable { key, chunks: 2, .. } = write.state() else { panic!("{write:?}") };
    assert_eq!(key, "ones");

    // A producer that fails at a block that is stored shows that it is not computed again.
    let stored = failing(1, 1).to_zarr(resuming()).unwrap();
    assert_eq!(elements(&stored), [1; 40]);
    assert_eq!(UnfinishedWrite::list(&target).unwrap(), []);

    let target = Target::on(files.clone(), "b.zarr");
    assert!(failing(1, 2).to_zarr(sink(&target).with_resume("ones")).is_err());
    for write in UnfinishedWrite::list(&target).unwrap() {
        write.remove().unwrap();
    }
    assert_eq!(names(&files, "/"), ["group"]);
}

#[test]
fn one_writer_at_a_time_has_an_array() {
    let target = Target::on(MemoryFileSystem::new(), "a.zarr");
    let (has_begun, begun) = channel();
    let (may_go_on, going_on) = channel();
    let going_on = std::sync::Mutex::new(going_on);
    let waiting = LazyChunkSequence::try_from_fn([10; N_BLOCKS], move |i| {
        if i == 2 {
            has_begun.send(()).unwrap();
            going_on.lock().unwrap().recv().unwrap();
        }
        ArrayBlock::from_vec([10], vec![1; 10])
    });
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| waiting.to_zarr(sink(&target).with_resume("ones")));
        begun.recv().unwrap();
        assert!(blocks(2).to_zarr(sink(&target).with_resume("ones")).is_err());
        let unfinished = UnfinishedWrite::list(&target).unwrap();
        assert!(matches!(unfinished[0].state(), WriteState::Running { .. }), "{unfinished:?}");
        may_go_on.send(()).unwrap();
        assert_eq!(elements(&writing.join().unwrap().unwrap()), [1; 40]);
    });
}

#[test]
fn metadata_of_a_group_are_consolidated() {
    let group = Target::on(MemoryFileSystem::new(), "group");
    for name in ["a", "b"] {
        blocks(1).to_zarr(group.member(name)).unwrap();
    }
    assert_eq!(Group::open(&group).unwrap().consolidate().unwrap(), 2);
}

#[test]
fn a_directory_is_not_moved_into_itself() {
    let files = MemoryFileSystem::new();
    files.create_directories(Path::new("a/b")).unwrap();
    let moved = files.rename_directory(Path::new("a"), Path::new("a/b/c"));
    assert_eq!(moved.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(names(&files, "a/b"), [""; 0]);
    files.rename_directory(Path::new("a"), Path::new("a")).unwrap();
    assert_eq!(names(&files, "a"), ["b"]);
}

#[test]
fn a_parent_of_nothing_is_nothing() {
    let files = MemoryFileSystem::new();
    assert_eq!(files.kind(Path::new("nothing/..")).unwrap(), None);
    assert!(files.kind(Path::new("/../..")).unwrap().is_some());
}

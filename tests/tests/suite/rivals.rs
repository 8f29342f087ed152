//! Several writes of one target, of which some pause, or see an old listing.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use lazy_chunks::zarr::{
    Error, Existing, FileSystem, LocalFileSystem, StoredArray, Target, ToZarr, UnfinishedWrite,
    ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence};
use lazy_tests::{CachingFileSystem, HookedFileSystem};
use tempfile::TempDir;

fn block(value: i32, n_rows: usize) -> ArrayBlock {
    ArrayBlock::from_vec([n_rows, 5], vec![value; 5 * n_rows]).unwrap()
}

fn sequence(value: i32) -> LazyChunkSequence<'static, ArrayBlock> {
    LazyChunkSequence::new(move || (0..4).map(move |_| block(value, 2)))
}

fn sink(file_system: impl FileSystem + 'static, path: &Path) -> ZarrSink {
    ZarrSink::new(Target::on(file_system, path)).with_existing(Existing::Replace)
}

/// A directory with an array of zeros, if there is to be one; and the array's path.
fn set_up(has_array: bool) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    if has_array {
        sequence(0).to_zarr(&path).unwrap();
    }
    (directory, path)
}

/// A write pauses before its operation number `at`, while another one writes the target from beginning to end;
/// it goes on, and ends, in the midst of a third. Returns false if it has fewer operations.
fn with_pause_at(at: usize, has_array: bool) -> bool {
    let (_directory, path) = set_up(has_array);
    let (pause, has_paused) = channel();
    let (go_on, may_go_on) = channel();
    let (end, has_ended) = channel();
    let state = Mutex::new((0, may_go_on));
    let hooked = HookedFileSystem::new(move |_, _| {
        let mut state = state.lock().unwrap();
        if state.0 == at {
            pause.send(()).unwrap();
            state.1.recv().unwrap();
        }
        state.0 += 1;
    });
    thread::scope(|scope| {
        let array = &path;
        // The stored array holds on to the file system, with which the channel goes when there was no pause.
        let write = move || sequence(1).to_zarr(sink(hooked, array)).map(drop);
        scope.spawn(move || end.send(write()).unwrap());
        if has_paused.recv().is_err() {
            has_ended.recv().unwrap().unwrap();
            return false;
        }
        let second = sequence(2).to_zarr(sink(LocalFileSystem, array));
        let first = Mutex::new((None, has_ended));
        let let_go_on = || {
            let (first, has_ended) = &mut *first.lock().unwrap();
            if first.is_none() {
                go_on.send(()).unwrap();
                *first = Some(has_ended.recv().unwrap());
            }
        };
        let blocks = LazyChunkSequence::from_fn([2; 4], |i| {
            if i == 2 {
                let_go_on();
            }
            block(3, 2)
        });
        let third = blocks.to_zarr(sink(LocalFileSystem, array));
        let_go_on();
        let first = first.lock().unwrap().0.take().unwrap();

        let mut values = Vec::new();
        for (value, written) in [(1, first), (2, second.map(drop)), (3, third.map(drop))] {
            match written {
                Ok(()) => values.push(value),
                Err(Error::Locked { .. }) => {}
                Err(error) => panic!("pause at {at}, write {value}: {error}"),
            }
        }
        let found = StoredArray::open(array).unwrap();
        assert_eq!(found.verify().count(), 0);
        let found = found.read().unwrap();
        assert!(values.iter().any(|value| found == block(*value, 8)), "pause at {at}: {values:?}");
        assert!(UnfinishedWrite::list(array).unwrap().is_empty(), "pause at {at}");
        true
    })
}

/// However long a write pauses, and wherever, others are not disturbed when it goes on.
#[test]
fn a_write_that_pauses_anywhere_disturbs_no_other() {
    // Most of the time is spent waiting for locks.
    const N_AT_ONCE: usize = 16;
    for has_array in [false, true] {
        let mut n_pauses = 0;
        loop {
            let pauses: Vec<bool> = thread::scope(|scope| {
                let threads: Vec<_> = (n_pauses..n_pauses + N_AT_ONCE)
                    .map(|at| scope.spawn(move || with_pause_at(at, has_array)))
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            n_pauses += pauses.iter().filter(|has_paused| **has_paused).count();
            if pauses.contains(&false) {
                break;
            }
        }
        // The staging directory, four chunks, and what publishes and cleans up.
        assert!(n_pauses > 3 + 4 + 6, "{n_pauses} pauses");
    }
}

/// A machine that sees an old listing of the array's directory writes it all the same, or says that another one
/// does.
#[test]
fn an_old_listing_is_no_obstacle() {
    for has_array in [false, true] {
        let (_directory, path) = set_up(has_array);
        let here = Arc::new(CachingFileSystem::default());
        let blocks = LazyChunkSequence::from_fn([2; 4], |i| {
            if i == 2 {
                // It lists the staging directory, which is gone later.
                let written = sequence(2).to_zarr(sink(Arc::clone(&here), &path));
                assert!(matches!(written, Err(Error::Locked { .. })), "{written:?}");
            }
            block(1, 2)
        });
        blocks.to_zarr(sink(LocalFileSystem, &path)).unwrap();
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), block(1, 8));
        sequence(2).to_zarr(sink(Arc::clone(&here), &path)).unwrap();
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), block(2, 8));

        // Now it lists none, while another one writes.
        here.list(&path).unwrap();
        let blocks = LazyChunkSequence::from_fn([2; 4], |i| {
            if i == 2 {
                let written = sequence(4).to_zarr(sink(Arc::clone(&here), &path));
                assert!(matches!(written, Err(Error::Locked { .. })), "{written:?}");
            }
            block(3, 2)
        });
        blocks.to_zarr(sink(LocalFileSystem, &path)).unwrap();
        sequence(4).to_zarr(sink(Arc::clone(&here), &path)).unwrap();
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), block(4, 8));
        assert!(UnfinishedWrite::list(&path).unwrap().is_empty());
    }
}

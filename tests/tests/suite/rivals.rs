//! Several writes of one target, some of which pause or see an outdated listing.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use lazy_chunks::zarr::{
    Existing, FileSystem, LocalFileSystem, StoredArray, Target, ToZarr, UnfinishedWrite, ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence};
use lazy_tests::{CachingFileSystem, HookedFileSystem, is_locked};
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

/// Creates a directory, with an array of zeros if `has_array`, and returns it with the array's
/// path.
fn set_up(has_array: bool) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    if has_array {
        sequence(0).to_zarr(&path).unwrap();
    }
    (directory, path)
}

/// A write pauses before its operation number `at` while another write of the target runs to its
/// end. The first one continues and ends in the middle of a third. Returns false if the first write
/// has fewer operations.
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
        // The stored array keeps the file system alive, and with it the channel, so it must be
        // dropped if there was no pause.
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
                Err(error) if is_locked(&error) => {}
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

/// A write may pause anywhere for any time, and does not disturb other writes when it continues.
#[test]
fn a_write_that_pauses_anywhere_disturbs_no_other_write() {
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
        // The staging directory, four chunks, publishing and cleaning up.
        assert!(n_pauses > 3 + 4 + 6, "{n_pauses} pauses");
    }
}

/// A machine that sees an outdated listing of the array's directory still writes it, or reports
/// that another machine does.
#[test]
fn an_outdated_listing_does_not_prevent_a_write() {
    for has_array in [false, true] {
        let (_directory, path) = set_up(has_array);
        let here = Arc::new(CachingFileSystem::default());
        let blocks = LazyChunkSequence::from_fn([2; 4], |i| {
            if i == 2 {
                // It lists the staging directory, which is removed later.
                let written = sequence(2).to_zarr(sink(Arc::clone(&here), &path));
                assert!(written.as_ref().is_err_and(is_locked), "{written:?}");
            }
            block(1, 2)
        });
        blocks.to_zarr(sink(LocalFileSystem, &path)).unwrap();
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), block(1, 8));
        sequence(2).to_zarr(sink(Arc::clone(&here), &path)).unwrap();
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), block(2, 8));

        // Now its listing has no staging directory while another process writes.
        here.list(&path).unwrap();
        let blocks = LazyChunkSequence::from_fn([2; 4], |i| {
            if i == 2 {
                let written = sequence(4).to_zarr(sink(Arc::clone(&here), &path));
                assert!(written.as_ref().is_err_and(is_locked), "{written:?}");
            }
            block(3, 2)
        });
        blocks.to_zarr(sink(LocalFileSystem, &path)).unwrap();
        sequence(4).to_zarr(sink(Arc::clone(&here), &path)).unwrap();
        assert_eq!(StoredArray::open(&path).unwrap().read().unwrap(), block(4, 8));
        assert!(UnfinishedWrite::list(&path).unwrap().is_empty());
    }
}

//! Arrays in stores: replacing, resuming, cleaning up, and the requests that these take.

mod stores {
    mod early_check;
    pub(crate) mod faulty;
    pub(crate) mod scripted;
}

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use bytes::Bytes;
use lazy_core::{ArrayBlock, Indexed, LazyChunkSequence, report};
use lazy_zarr::{
    Codec, ErrorKind, Existing, Group, MemoryStore, Object, ObjectInfo, OldChunks, PutCondition,
    Resume, Store, StoreError, StoredArray, Superseded, Tag, Target, ToZarr, UnfinishedWrite,
    WriteState, ZarrSink,
};

use stores::faulty::{Fault, FaultyStore};

const N_BLOCKS: usize = 4;
const KEY: &str = "the values";

/// Blocks of 10 rows of the same value, and a count of those that were computed.
fn counted(
    value: i32,
    n_computed: &Arc<AtomicUsize>,
) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    let n_computed = Arc::clone(n_computed);
    LazyChunkSequence::try_from_fn([10; N_BLOCKS], move |_| {
        n_computed.fetch_add(1, Ordering::Relaxed);
        ArrayBlock::from_vec([10], vec![value; 10])
    })
}

fn blocks(value: i32) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    counted(value, &Arc::default())
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

fn sink(target: impl Into<Target>) -> ZarrSink {
    ZarrSink::new(target.into()).with_chunk_shape([10]).with_writer_threads(1)
}

fn replacing(target: impl Into<Target>) -> ZarrSink {
    sink(target).with_existing(Existing::Replace)
}

/// The value of all elements of the array, if there is one.
fn value(target: impl Into<Target>) -> Option<i32> {
    let array = match StoredArray::open(target.into()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        array => array.unwrap_or_else(|error| panic!("{}", report(&error))),
    };
    let elements = array.read().unwrap_or_else(|error| panic!("{}", report(&error)));
    let elements = elements.as_slice::<i32>().unwrap().to_vec();
    assert_eq!(elements, [elements[0]; 10 * N_BLOCKS]);
    Some(elements[0])
}

/// The keys of all objects.
fn keys(store: &MemoryStore) -> Vec<String> {
    objects(store).into_keys().collect()
}

fn objects(store: &MemoryStore) -> BTreeMap<String, Vec<u8>> {
    let listed = store.list("").unwrap();
    let get = |key: &str| store.get(key).unwrap().bytes.to_vec();
    listed.into_iter().map(|object| (object.key.clone(), get(&object.key))).collect()
}

/// The chunk keys of each version in turn.
fn chunk_keys(version: usize) -> Vec<String> {
    let prefix = ["c/", "", "c."][version % 3];
    (0..N_BLOCKS).map(|i| format!("a/{prefix}{i}")).collect()
}

fn at(store: &MemoryStore) -> Target {
    Target::in_store(store.clone(), "/a")
}

#[test]
fn each_version_leaves_the_one_before_whole() {
    let store = MemoryStore::new();
    blocks(0).to_zarr(sink(at(&store))).unwrap();
    let error = blocks(1).to_zarr(sink(at(&store))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    for version in 1..8 {
        let before = objects(&store);
        let old = StoredArray::open(at(&store)).unwrap();
        failing(version as i32, 2).to_zarr(replacing(at(&store))).unwrap_err();
        let after_failure: Vec<_> = keys(&store);
        assert!(after_failure.iter().all(|key| before.contains_key(key)), "{after_failure:?}");
        assert_eq!(value(at(&store)), Some(version as i32 - 1));
        blocks(version as i32).to_zarr(replacing(at(&store))).unwrap();
        assert_eq!(value(at(&store)), Some(version as i32));
        assert_eq!(old.read().unwrap_err().kind(), ErrorKind::Changed);
        let now = objects(&store);
        for key in chunk_keys(version - 1) {
            assert_eq!(now.get(&key), before.get(&key), "{key}");
        }
        assert!(chunk_keys(version).iter().all(|key| now.contains_key(key)));
    }
    let old = Superseded::list(&store).unwrap();
    assert_eq!((old.len(), old[0].n_files()), (1, 2 * N_BLOCKS as u64));
    assert_eq!(old[0].target().to_string(), "store:/a");
    old[0].clone().remove().unwrap();
    let expected: Vec<_> = chunk_keys(7).into_iter().chain(["a/zarr.json".to_owned()]).collect();
    assert_eq!(keys(&store).len(), expected.len());
    assert!(expected.iter().all(|key| store.get(key).is_ok()));
    assert!(Superseded::list(&store).unwrap().is_empty());

    let sink = replacing(at(&store)).with_old_chunks(OldChunks::Remove);
    blocks(9).to_zarr(sink).unwrap();
    assert_eq!((value(at(&store)), keys(&store).len()), (Some(9), N_BLOCKS + 1));
}

#[test]
fn of_two_writes_at_once_the_second_is_refused() {
    let store = MemoryStore::new();
    for existing in [Existing::Fail, Existing::Replace] {
        let other = store.clone();
        let outer = LazyChunkSequence::try_from_fn([10; N_BLOCKS], move |_| {
            let error = blocks(7).to_zarr(replacing(at(&other))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
            let unfinished = UnfinishedWrite::list(&other).unwrap();
            assert_eq!(unfinished.len(), 1);
            assert!(matches!(unfinished[0].state(), WriteState::Running { .. }));
            let error = unfinished[0].clone().remove().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
            ArrayBlock::from_vec([10], vec![1; 10])
        });
        outer.to_zarr(sink(at(&store)).with_existing(existing)).unwrap();
        assert_eq!(value(at(&store)), Some(1));
    }
}

/// A claim of a process that this machine cannot see.
fn claim_elsewhere(store: &MemoryStore) {
    let key = keys(store).into_iter().find(|key| key.ends_with("/claim")).unwrap();
    let text = String::from_utf8(store.get(&key).unwrap().bytes.to_vec()).unwrap();
    let mut claim: serde_json::Value = serde_json::from_str(&text).unwrap();
    claim["holder"] = "process 1 on there\n1 2 another boot\n".into();
    store.put(&key, claim.to_string().into(), PutCondition::Always).unwrap();
}

#[test]
fn a_write_that_is_taken_over_from_publishes_whole_or_not_at_all() {
    let store = MemoryStore::new();
    blocks(0).to_zarr(sink(at(&store))).unwrap();
    for takes_over_at in 0..N_BLOCKS {
        let before = value(at(&store)).unwrap();
        let other = store.clone();
        let slow = LazyChunkSequence::try_from_fn([10; N_BLOCKS], move |i| {
            if i == takes_over_at {
                claim_elsewhere(&other);
                let error = blocks(8).to_zarr(replacing(at(&other))).unwrap_err();
                assert!(error.may_be_stale(), "{error}");
                let unfinished = UnfinishedWrite::list(&other).unwrap();
                assert!(matches!(unfinished[0].state(), WriteState::MaybeRunning { .. }));
                blocks(before + 20).to_zarr(replacing(at(&other)).with_take_over()).unwrap();
            }
            ArrayBlock::from_vec([10], vec![before + 10; 10])
        });
        let error = slow.to_zarr(replacing(at(&store))).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InUse | ErrorKind::Changed), "{error}");
        assert_eq!(value(at(&store)), Some(before + 20));
        // What is left does not disturb the next write.
        blocks(before + 30).to_zarr(replacing(at(&store)).with_take_over()).unwrap();
        assert_eq!(value(at(&store)), Some(before + 30));
        for unfinished in UnfinishedWrite::list(&store).unwrap() {
            unfinished.remove().unwrap();
        }
        assert_eq!(value(at(&store)), Some(before + 30));
    }
}

#[test]
fn a_write_resumes() {
    for fails_at in 0..N_BLOCKS {
        let store = MemoryStore::new();
        blocks(0).to_zarr(sink(at(&store))).unwrap();
        failing(1, fails_at).to_zarr(replacing(at(&store)).with_resume(KEY)).unwrap_err();
        assert_eq!(value(at(&store)), Some(0));
        if fails_at > 0 {
            let unfinished = UnfinishedWrite::list(&store).unwrap();
            let chunks = fails_at as u64;
            let expected = WriteState::Resumable {
                key: KEY.to_owned(),
                chunks,
                stored_bytes: match unfinished[0].state() {
                    WriteState::Resumable { stored_bytes, .. } => *stored_bytes,
                    state => panic!("{state:?}"),
                },
            };
            assert_eq!(*unfinished[0].state(), expected);
            let error = blocks(1).to_zarr(replacing(at(&store))).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unfinished, "{error}");
            let other = replacing(at(&store)).with_resume("other values");
            let error = blocks(1).to_zarr(other).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ResumeMismatch, "{error}");
        }
        let n_computed = Arc::default();
        let resumed = counted(1, &n_computed);
        resumed.to_zarr(replacing(at(&store)).with_resume(KEY)).unwrap();
        assert_eq!(n_computed.load(Ordering::Relaxed), N_BLOCKS - fails_at);
        assert_eq!(value(at(&store)), Some(1));
        assert!(UnfinishedWrite::list(&store).unwrap().is_empty());
        assert!(keys(&store).iter().all(|key| !key.contains(".lazy")), "{:?}", keys(&store));
        // The same array, in a store of its own.
        let again = MemoryStore::new();
        blocks(0).to_zarr(sink(at(&again))).unwrap();
        blocks(1).to_zarr(replacing(at(&again)).with_resume(KEY)).unwrap();
        assert_eq!(objects(&again), objects(&store));
    }
}

#[test]
fn messages_name_the_urls_of_stores() {
    let target = Target::from("memory://messages/a");
    failing(1, 2).to_zarr(sink(&target).with_resume(KEY)).unwrap_err();
    let unfinished = UnfinishedWrite::list("memory://messages").unwrap();
    assert_eq!(unfinished[0].location(), "memory://messages/a/.lazy/nested");
    let error = report(&blocks(1).to_zarr(sink(&target)).unwrap_err());
    assert!(error.contains("memory://messages/a/.lazy/nested"), "{error}");
    blocks(1).to_zarr(sink(&target).with_resume(KEY)).unwrap();
    let error = report(&blocks(1).to_zarr(sink(target.member("x"))).unwrap_err());
    assert!(error.contains("inside the Zarr array memory://messages/a/"), "{error}");
}

#[test]
fn an_unfinished_write_can_be_removed() {
    let store = MemoryStore::new();
    let group = Target::in_store(store.clone(), "/g");
    failing(1, 2).to_zarr(sink(group.member("a")).with_resume(KEY)).unwrap_err();
    let unfinished = UnfinishedWrite::list(&store).unwrap();
    assert_eq!(unfinished[0].target().to_string(), "store:/g/a");
    assert_eq!(unfinished[0].location(), "store:/g/a/.lazy/nested");
    assert!(Group::open(Target::in_store(store.clone(), "/g")).is_err());
    unfinished[0].clone().remove().unwrap();
    assert_eq!(keys(&store), [""; 0]);
}

/// What a write does.
#[derive(Clone, Copy, Debug)]
struct Course {
    n_versions: i32,
    in_group: bool,
    is_resumable: bool,
}

impl Course {
    fn all() -> impl Iterator<Item = Course> {
        (0..4).flat_map(|n_versions| {
            [(false, false), (true, false), (false, true), (true, true)]
                .map(|(in_group, is_resumable)| Course { n_versions, in_group, is_resumable })
        })
    }

    fn target(self, store: impl Store + 'static) -> Target {
        let root = Target::in_store(store, "/above");
        if self.in_group { root.member("a") } else { root }
    }

    fn sink(self, store: impl Store + 'static) -> ZarrSink {
        let sink = replacing(self.target(store));
        if self.is_resumable { sink.with_resume(KEY) } else { sink }
    }

    fn start(self) -> MemoryStore {
        let store = MemoryStore::new();
        for version in 0..self.n_versions {
            blocks(version).to_zarr(replacing(self.target(store.clone()))).unwrap();
        }
        store
    }
}

/// Stores the next version with a fault at each operation in turn, or at every `step`th from the
/// `first` one on.
fn every_fault(course: Course, fault: fn(usize) -> Fault, (first, step): (usize, usize)) {
    let expected = course.start();
    blocks(100).to_zarr(course.sink(expected.clone())).unwrap();
    for n in (first..).step_by(step) {
        let context = format!("{course:?}, {:?}", fault(n));
        let store = course.start();
        let before = value_or_none(course, &store);
        let faulty = FaultyStore::new(store.clone(), fault(n));
        let result = blocks(100).to_zarr(course.sink(faulty.clone()));
        let now = value_or_none(course, &store);
        assert!(now == before || now == Some(100), "{context}: {now:?}");
        match &result {
            Ok(_) => assert_eq!(now, Some(100), "{context}"),
            Err(error) if error.to_string().starts_with("it is not known if ") => {}
            Err(error) => assert_eq!(
                now,
                if error.is_published() { Some(100) } else { before },
                "{context}: {}",
                report(error)
            ),
        }
        // The claim names this process, which has ended the write.
        release_claims(&store);
        let next = blocks(100).to_zarr(course.sink(store.clone()));
        next.unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
        assert_eq!(value_or_none(course, &store), Some(100), "{context}");
        let left: Vec<_> = keys(&store).into_iter().filter(|key| key.contains(".lazy")).collect();
        assert_eq!(left, [""; 0], "{context}");
        if faulty.n_operations() <= n {
            assert!(n > 8, "{n}");
            return;
        }
    }
}

fn value_or_none(course: Course, store: &MemoryStore) -> Option<i32> {
    value(course.target(store.clone()))
}

/// Replaces the process of each claim by one that has ended.
fn release_claims(store: &MemoryStore) {
    for key in keys(store).into_iter().filter(|key| key.ends_with("/claim")) {
        let bytes = store.get(&key).unwrap().bytes;
        let mut claim: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        claim["holder"] = "process 1 on here\nended\n".into();
        store.put(&key, claim.to_string().into(), PutCondition::Always).unwrap();
    }
}

const FAULTS: [fn(usize) -> Fault; 4] =
    [Fault::fails_at, Fault::lost_response_at, Fault::killed_at, Fault::killed_after];

#[test]
fn a_fault_leaves_the_old_array_or_the_new() {
    for (i, course) in Course::all().enumerate() {
        for (j, fault) in FAULTS.into_iter().enumerate() {
            every_fault(course, fault, ((i + j) % 6, 6));
        }
    }
}

#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn a_fault_at_any_operation_leaves_the_old_array_or_the_new() {
    for course in Course::all() {
        FAULTS.into_iter().for_each(|fault| every_fault(course, fault, (0, 1)));
    }
}

/// Also of a write that was killed after it had published the array.
#[test]
fn the_remains_of_a_write_that_was_killed_can_be_removed() {
    for course in Course::all() {
        for n in 0.. {
            let context = format!("{course:?}, {n}");
            let store = course.start();
            let killed = FaultyStore::new(store.clone(), Fault::killed_after(n));
            let result = blocks(100).to_zarr(course.sink(killed.clone()));
            release_claims(&store);
            let now = value_or_none(course, &store);
            for unfinished in UnfinishedWrite::list(&store).unwrap() {
                unfinished.remove().unwrap_or_else(|error| panic!("{context}: {error}"));
            }
            assert_eq!(value_or_none(course, &store), now, "{context}");
            let left = keys(&store).into_iter().find(|key| key.contains(".lazy"));
            assert_eq!(left, None, "{context}");
            if killed.n_operations() <= n {
                result.unwrap();
                break;
            }
        }
    }
}

/// Rows that count on from `first`, in blocks of 3 rows.
fn rows(first: usize, n: usize) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    let sizes: Vec<_> = (0..n).step_by(3).map(|row| 3.min(n - row)).collect();
    LazyChunkSequence::try_from_fn(sizes.clone(), move |i| {
        let start = first + 3 * i;
        let rows = (start..start + sizes[i]).flat_map(|row| [row as i32, 100]);
        ArrayBlock::from_vec([sizes[i], 2], rows.collect::<Vec<_>>())
    })
}

fn appending(target: impl Into<Target>, shards: bool) -> ZarrSink {
    let sink = ZarrSink::new(target.into()).with_existing(Existing::Append);
    let sink = sink.with_chunk_shape([4, 2]).with_writer_threads(1);
    if shards { sink.with_shard_shape([8, 2]) } else { sink }
}

/// The rows of the array, which must count from 0.
fn n_rows(target: impl Into<Target>) -> usize {
    let array = StoredArray::open(target.into()).unwrap();
    let n_rows = array.shape()[0];
    let expected: Vec<i32> = (0..n_rows).flat_map(|row| [row as i32, 100]).collect();
    let read = array.read().unwrap_or_else(|error| panic!("{}", report(&error)));
    assert_eq!(read.as_slice::<i32>().unwrap(), expected);
    assert_eq!(array.verify().count(), 0);
    n_rows
}

#[test]
fn rows_are_appended() {
    for shards in [false, true] {
        for lengths in [[1, 1, 1, 1, 6], [4, 4, 8, 16, 1], [3, 9, 2, 2, 7], [5, 30, 3, 1, 1]] {
            let store = MemoryStore::new();
            let mut n = 0;
            for (i, length) in lengths.into_iter().enumerate() {
                let sink = appending(at(&store), shards);
                let sink = if i % 2 == 0 { sink } else { sink.with_resume(format!("{i}")) };
                let before = objects(&store);
                let stored = rows(n, length).to_zarr(sink.clone()).unwrap();
                n += length;
                assert_eq!((stored.shape()[0], n_rows(at(&store))), (n, n));
                // A reader of the metadata of before finds its rows.
                if i > 0 {
                    let old = store.clone();
                    let now = objects(&store);
                    let all = before["a/zarr.json"].clone();
                    old.put("a/zarr.json", all.into(), PutCondition::Always).unwrap();
                    assert_eq!(n_rows(at(&old)), n - length);
                    let all = now["a/zarr.json"].clone();
                    old.put("a/zarr.json", all.into(), PutCondition::Always).unwrap();
                }
                if i % 2 == 1 {
                    // The rows of this key are there.
                    rows(n - length, length).to_zarr(sink).unwrap();
                    assert_eq!(n_rows(at(&store)), n);
                }
                assert!(keys(&store).iter().all(|key| !key.contains(".lazy")));
            }
        }
    }
}

/// Appends 9 rows to 6 with a fault at each operation in turn.
fn every_fault_of_an_append(
    (shards, is_resumable): (bool, bool),
    fault: fn(usize) -> Fault,
    (first, step): (usize, usize),
) {
    let sink = |target: Target| {
        let sink = appending(target, shards);
        if is_resumable { sink.with_resume(KEY) } else { sink }
    };
    for n in (first..).step_by(step) {
        let context = format!("shards: {shards}, resumable: {is_resumable}, {:?}", fault(n));
        let store = MemoryStore::new();
        rows(0, 6).to_zarr(appending(at(&store), shards)).unwrap();
        let faulty = FaultyStore::new(store.clone(), fault(n));
        let target = Target::in_store(faulty.clone(), "/a");
        let result = rows(6, 9).to_zarr(sink(target));
        let now = n_rows(at(&store));
        assert!(now == 6 || now == 15, "{context}: {now}");
        match &result {
            Ok(_) => assert_eq!(now, 15, "{context}"),
            Err(error) if error.to_string().starts_with("it is not known if ") => {}
            Err(error) => assert_eq!(now == 15, error.is_published(), "{context}: {error}"),
        }
        release_claims(&store);
        if now == 6 || is_resumable {
            let next = rows(6, 9).to_zarr(sink(at(&store)));
            next.unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
        } else {
            rows(15, 3).to_zarr(sink(at(&store))).unwrap();
        }
        let expected = if now == 15 && !is_resumable { 18 } else { 15 };
        assert_eq!(n_rows(at(&store)), expected, "{context}");
        let left: Vec<_> = keys(&store).into_iter().filter(|key| key.contains(".lazy")).collect();
        assert_eq!(left, [""; 0], "{context}");
        if faulty.n_operations() <= n {
            assert!(n > 8, "{n}");
            return;
        }
    }
}

#[test]
fn a_fault_of_an_append_leaves_the_old_rows_or_all() {
    for (i, course) in COURSES_OF_APPENDS.into_iter().enumerate() {
        for (j, fault) in FAULTS.into_iter().enumerate() {
            every_fault_of_an_append(course, fault, ((i + j) % 4, 4));
        }
    }
}

const COURSES_OF_APPENDS: [(bool, bool); 4] =
    [(false, false), (false, true), (true, false), (true, true)];

#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn a_fault_at_any_operation_of_an_append_leaves_the_old_rows_or_all() {
    for course in COURSES_OF_APPENDS {
        FAULTS.into_iter().for_each(|fault| every_fault_of_an_append(course, fault, (0, 1)));
    }
}

#[test]
fn an_append_that_is_taken_over_from_publishes_nothing() {
    for takes_over_at in 0..3 {
        let store = MemoryStore::new();
        rows(0, 6).to_zarr(appending(at(&store), false)).unwrap();
        let other = store.clone();
        let slow = LazyChunkSequence::try_from_fn([3; 3], move |i| {
            if i == takes_over_at {
                claim_elsewhere(&other);
                let error = rows(6, 3).to_zarr(appending(at(&other), false)).unwrap_err();
                assert!(error.may_be_stale(), "{error}");
                let failing = LazyChunkSequence::try_new(|| {
                    [Err::<ArrayBlock, _>(lazy_core::Error::other("it failed as well"))]
                });
                let sink = appending(at(&other), false).with_take_over();
                failing.to_zarr(sink).unwrap_err();
            }
            ArrayBlock::from_vec([3, 2], vec![7; 6])
        });
        let error = slow.to_zarr(appending(at(&store), false)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InUse | ErrorKind::Changed), "{error}");
        assert_eq!(n_rows(at(&store)), 6);
        rows(6, 9).to_zarr(appending(at(&store), false).with_take_over()).unwrap();
        assert_eq!(n_rows(at(&store)), 15);
    }
}

#[test]
fn an_unfinished_append_is_known() {
    let store = MemoryStore::new();
    rows(0, 6).to_zarr(appending(at(&store), false)).unwrap();
    let failing = || {
        LazyChunkSequence::try_from_fn([3; 3], |i| {
            if i == 2 {
                return Err(lazy_core::Error::other("the producer failed"));
            }
            ArrayBlock::from_vec(
                [3, 2],
                (0..3).flat_map(|row| [6 + 3 * i as i32 + row, 100]).collect::<Vec<_>>(),
            )
        })
    };
    failing().to_zarr(appending(at(&store), false).with_resume(KEY)).unwrap_err();
    assert_eq!(n_rows(at(&store)), 6);
    let unfinished = UnfinishedWrite::list(&store).unwrap();
    assert!(matches!(unfinished[0].state(), WriteState::Resumable { chunks: 1.., .. }));
    let error = blocks(1).to_zarr(replacing(at(&store))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unfinished, "{error}");
    let replacing = ZarrSink::new(at(&store)).with_existing(Existing::Replace);
    let error = rows(0, 9).to_zarr(replacing.with_resume(KEY)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResumeMismatch, "{error}");
    unfinished[0].clone().remove().unwrap();
    let left = keys(&store);
    assert_eq!(left, ["a/c/0/0", "a/c/1/0", "a/zarr.json"]);
    failing().to_zarr(appending(at(&store), false).with_resume(KEY)).unwrap_err();
    rows(6, 9).to_zarr(appending(at(&store), false).with_resume(KEY)).unwrap();
    assert_eq!(n_rows(at(&store)), 15);
}

#[test]
fn a_restart_leaves_nothing_of_another_unfinished_write() {
    let resume = |key: &str| Resume::new(key).or_restart();
    // A replacement in the place of an append.
    let store = MemoryStore::new();
    let failing = |n: usize| {
        LazyChunkSequence::try_from_fn([3; 3], move |i| {
            if i == 2 {
                return Err(lazy_core::Error::other("the producer failed"));
            }
            let rows = (0..3).flat_map(|row| [(n + 3 * i + row) as i32, 100]);
            ArrayBlock::from_vec([3, 2], rows.collect::<Vec<_>>())
        })
    };
    let replacing = || ZarrSink::new(at(&store)).with_existing(Existing::Replace);
    rows(0, 6).to_zarr(appending(at(&store), false)).unwrap();
    failing(6).to_zarr(appending(at(&store), false).with_resume(KEY)).unwrap_err();
    rows(0, 8).to_zarr(replacing().with_resume(resume(KEY))).unwrap();
    assert_eq!(n_rows(at(&store)), 8);
    assert_eq!(UnfinishedWrite::list(&store).unwrap(), []);
    rows(8, 1).to_zarr(ZarrSink::new(at(&store)).with_existing(Existing::Append)).unwrap();

    // An append in the place of a replacement.
    let sink = || replacing().with_chunk_shape([2, 2]);
    failing(0).to_zarr(sink().with_resume(KEY)).unwrap_err();
    let appending = ZarrSink::new(at(&store)).with_existing(Existing::Append);
    rows(9, 3).to_zarr(appending.clone().with_resume(resume("more rows"))).unwrap();
    assert_eq!(n_rows(at(&store)), 12);
    assert_eq!(UnfinishedWrite::list(&store).unwrap(), []);

    // An append whose array another program has replaced.
    failing(12).to_zarr(appending.clone().with_resume("other rows")).unwrap_err();
    let other = MemoryStore::new();
    rows(0, 5).to_zarr(ZarrSink::new(at(&other))).unwrap();
    for key in keys(&store).into_iter().filter(|key| !key.contains(".lazy")) {
        store.delete(&key).unwrap();
    }
    for (key, bytes) in objects(&other) {
        store.put(&key, bytes.into(), PutCondition::Always).unwrap();
    }
    assert_eq!(*UnfinishedWrite::list(&store).unwrap()[0].state(), WriteState::Abandoned);
    rows(5, 2).to_zarr(appending).unwrap();
    assert_eq!(n_rows(at(&store)), 7);
}

#[test]
fn the_numbers_of_requests_are_documented() {
    let store = MemoryStore::new();
    let counting = FaultyStore::new(store.clone(), Fault::none());
    let target = || Target::in_store(counting.clone(), "/a");
    let n_requests = |of: &dyn Fn()| {
        let before = counting.n_operations();
        of();
        counting.n_operations() - before
    };
    let write = |n_chunks: usize, sink: ZarrSink| {
        let blocks = LazyChunkSequence::try_from_fn(vec![10; n_chunks], |i| {
            ArrayBlock::from_vec([10], vec![i as i32; 10])
        });
        n_requests(&|| blocks.clone().to_zarr(sink.clone()).map(drop).unwrap())
    };
    let delete_all =
        || store.list("").unwrap().iter().for_each(|object| store.delete(&object.key).unwrap());
    // Storing takes a request for each chunk, and a constant number.
    let new = write(4, replacing(target()));
    delete_all();
    assert_eq!(write(104, replacing(target())) - new, 100);
    assert!(new - 4 <= 20, "{new}");
    for n_versions in 2..6 {
        let replaced = write(104, replacing(target()));
        assert!(replaced <= 104 + 30, "version {n_versions}: {replaced}");
    }
    // A quick write that resumes puts no line of its journal.
    let resumable = write(104, replacing(target()).with_resume(KEY));
    assert!(resumable <= 104 + 40, "{resumable}");

    let open = || StoredArray::open(target()).unwrap();
    assert_eq!(n_requests(&|| drop(open())), 1);
    let array = open();
    // After each read, the metadata tells if the array was replaced meanwhile.
    let region = std::array::from_fn::<_, 1, _>(|_| 15..17);
    assert_eq!(n_requests(&|| drop(array.read_region(&region).unwrap())), 2);
    assert_eq!(n_requests(&|| drop(open().read().unwrap())), 106);
    let size = || array.stored_size().map(|_| ()).unwrap();
    assert_eq!(n_requests(&size), 2);
}

#[test]
fn chunks_of_a_shard_are_read_together() {
    for codec in [Codec::None, Codec::Zstd { level: 1 }, Codec::default()] {
        let store = MemoryStore::new();
        let counting = FaultyStore::new(store.clone(), Fault::none());
        let elements: Vec<i32> = (0..20_000).collect();
        let block = ArrayBlock::from_vec([200, 100], elements.clone()).unwrap();
        let sink = replacing(at(&store)).with_chunk_shape([10, 10]).with_shard_shape([100, 100]);
        LazyChunkSequence::new(|| [block.clone()]).to_zarr(sink.with_codec(codec)).unwrap();
        // The index, the chunks, and the metadata.
        for (region, n_shards) in [
            ([5..6, 5..6], 1),
            ([0..20, 0..20], 1),
            ([33..77, 0..100], 1),
            ([60..140, 45..95], 2),
            ([0..200, 0..100], 2),
        ] {
            let array = StoredArray::open(Target::in_store(counting.clone(), "/a")).unwrap();
            let before = counting.n_operations();
            let read = array.read_region(&region).unwrap();
            let n_requests = counting.n_operations() - before;
            assert!(n_requests <= 2 * n_shards + 1, "{codec:?}, {region:?}: {n_requests}");
            let [rows, columns] = region;
            let expected: Vec<i32> = rows
                .flat_map(|row| columns.clone().map(move |column| (100 * row + column) as i32))
                .collect();
            assert_eq!(read.as_slice::<i32>().unwrap(), expected);
        }
    }
}

#[test]
fn large_chunks_of_shards_are_read_ahead() {
    let (height, width, shard_rows) = (12_288, 512, 3072);
    let store = MemoryStore::new();
    let counting = FaultyStore::new(store.clone(), Fault::none());
    let element = |row: usize, column: usize| (row * width + column) as i32;
    // Shards of 6 MiB, and shards of 24 MiB.
    for shard_shape in [[shard_rows, 512], [height, 512]] {
        let blocks = LazyChunkSequence::try_from_fn(vec![shard_rows; 4], move |i| {
            let rows = i * shard_rows..(i + 1) * shard_rows;
            let elements = rows.flat_map(|row| (0..width).map(move |j| element(row, j)));
            ArrayBlock::from_vec([shard_rows, width], elements.collect::<Vec<_>>())
        });
        let sink = replacing(at(&store)).with_chunk_shape([64, 256]).with_codec(Codec::None);
        blocks.to_zarr(sink.with_shard_shape(shard_shape)).unwrap();
        let n_shards = height / shard_shape[0];
        let is_read_whole = shard_shape[0] * width * size_of::<i32>() <= 16 << 20;
        for (region, n_expected) in [
            // One request for each shard, or one for the index and one for each 8 MiB.
            ([0..height, 0..width], if is_read_whole { n_shards } else { 1 + 3 }),
            // The second half of a shard.
            ([1536..shard_rows, 0..width], 2),
            ([100..200, 100..400], 2),
        ] {
            for n_threads in [None, Some(1)] {
                let array = StoredArray::open(Target::in_store(counting.clone(), "/a")).unwrap();
                let array = match n_threads {
                    Some(n_threads) => array.with_reader_threads(n_threads),
                    None => array,
                };
                let before = counting.n_operations();
                let read = array.read_region(&region).unwrap();
                // And one to see that the array was not replaced.
                assert_eq!(counting.n_operations() - before, n_expected + 1, "{region:?}");
                let [rows, columns] = &region;
                let expected =
                    rows.clone().flat_map(|row| columns.clone().map(move |j| element(row, j)));
                assert!(read.as_slice::<i32>().unwrap().iter().copied().eq(expected), "{region:?}");
            }
        }
    }
}

#[test]
fn the_thread_that_computes_blocks_does_not_wait_for_a_server() {
    /// A store of a server, which counts the chunks that one thread puts.
    struct Server {
        store: MemoryStore,
        thread: ThreadId,
        n_by_thread: AtomicUsize,
    }

    impl Store for Server {
        fn get(&self, key: &str) -> Result<Object, StoreError> {
            self.store.get(key)
        }

        fn put(
            &self,
            key: &str,
            bytes: Bytes,
            condition: PutCondition,
        ) -> Result<Option<Tag>, StoreError> {
            if key.starts_with("a/c/") {
                thread::sleep(Duration::from_millis(1));
                let is_by_thread = thread::current().id() == self.thread;
                self.n_by_thread.fetch_add(usize::from(is_by_thread), Ordering::Relaxed);
            }
            self.store.put(key, bytes, condition)
        }

        fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StoreError> {
            self.store.list(prefix)
        }

        fn delete(&self, key: &str) -> Result<(), StoreError> {
            self.store.delete(key)
        }

        fn concurrency(&self) -> Option<usize> {
            Some(4)
        }
    }

    let n_by_this_thread = |n_threads: usize| {
        let (store, thread) = (MemoryStore::new(), thread::current().id());
        let server = Arc::new(Server { store, thread, n_by_thread: AtomicUsize::new(0) });
        let sink = ZarrSink::new(Target::in_store(Arc::clone(&server), "/a"));
        let sink = sink.with_chunk_shape([1, 2]).with_writer_threads(n_threads);
        rows(0, 40).to_zarr(sink).unwrap();
        server.n_by_thread.load(Ordering::Relaxed)
    };
    assert_eq!([2, 4].map(n_by_this_thread), [0, 0]);
    assert_eq!(n_by_this_thread(1), 40, "there is no other thread");
}

//! Several workers that store one array in a store: the same bits, faults, take-overs, cleaning up.

mod stores {
    pub(crate) mod faulty;
    pub(crate) mod hooked;
}

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lazy_core::{
    ArrayBlock, Indexed, LazyChunkSequence, MeanVariance, Outcome, PartOutcome, Plan, Workers,
    report,
};
use lazy_zarr::{
    ErrorKind, Existing, MemoryStore, PutCondition, Store, StoredArray, Target, ToZarr,
    UnfinishedWrite, WriteState, ZarrSink,
};

use stores::faulty::{Fault, FaultyStore};
use stores::hooked::HookedStore;

/// Blocks of 5 rows in chunks of 4 rows, so parts share chunks.
const N_BLOCKS: usize = 7;
const BLOCK_ROWS: usize = 5;
const CHUNK_ROWS: usize = 4;
const N_PARTS: usize = 4;
const KEY: &str = "the values";

fn block(value: i64, i: usize) -> lazy_core::Result<ArrayBlock> {
    let rows = (0..BLOCK_ROWS).map(|row| value + (i * BLOCK_ROWS + row) as i64);
    ArrayBlock::from_vec([BLOCK_ROWS], rows.map(|row| row as f64 / 3.0).collect::<Vec<_>>())
}

/// The blocks, with a function that is called before each is computed.
fn blocks_with(
    value: i64,
    before: impl Fn(usize) -> lazy_core::Result<()> + Send + Sync + 'static,
) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    LazyChunkSequence::try_from_fn([BLOCK_ROWS; N_BLOCKS], move |i| {
        before(i)?;
        block(value, i)
    })
    .with_row_type(lazy_core::DType::Float64, [])
}

fn blocks(value: i64) -> LazyChunkSequence<'static, ArrayBlock, Indexed> {
    blocks_with(value, |_| Ok(()))
}

fn at(store: impl Store + 'static) -> Target {
    Target::in_store(store, "/above").member("a")
}

fn sink(store: impl Store + 'static) -> ZarrSink {
    ZarrSink::new(at(store))
        .with_chunk_shape([CHUNK_ROWS])
        .with_writer_threads(1)
        .with_existing(Existing::Replace)
        .with_resume(KEY)
}

type Values<'s> =
    Plan<'s, LazyChunkSequence<'static, ArrayBlock, Indexed>, (MeanVariance, ZarrSink)>;

fn plan<'v>(
    values: &'v LazyChunkSequence<'static, ArrayBlock, Indexed>,
    sink: ZarrSink,
) -> lazy_core::Result<Values<'v>> {
    Plan::of(values, (MeanVariance, sink)).with_parts(N_PARTS).create()
}

fn objects(store: &MemoryStore) -> BTreeMap<String, Vec<u8>> {
    let objects = store.list("").unwrap().into_iter();
    objects.map(|info| (info.key.clone(), store.get(&info.key).unwrap().bytes.to_vec())).collect()
}

fn keys(store: &MemoryStore) -> Vec<String> {
    objects(store).into_keys().collect()
}

/// The objects and the statistics that one process stores with a plan of its own.
fn expected(start: &MemoryStore, value: i64) -> (BTreeMap<String, Vec<u8>>, String) {
    let store = copy(start);
    let values = blocks(value);
    let plan = plan(&values, sink(store.clone())).unwrap();
    let (moments, array) = plan.compute(&Workers::alone()).unwrap();
    check_values(&array, value);
    (objects(&store), format!("{moments:?}"))
}

fn check_values(array: &StoredArray, value: i64) {
    let rows: Vec<_> =
        (0..N_BLOCKS * BLOCK_ROWS).map(|row| (value + row as i64) as f64 / 3.0).collect();
    assert_eq!(array.read().unwrap().as_slice::<f64>().unwrap(), rows);
}

fn copy(store: &MemoryStore) -> MemoryStore {
    let copied = MemoryStore::new();
    for (key, bytes) in objects(store) {
        copied.put(&key, bytes.into(), PutCondition::Always).unwrap();
    }
    copied
}

/// A store with this number of earlier versions of the array.
fn versions(n: i64) -> MemoryStore {
    let store = MemoryStore::new();
    for version in 0..n {
        let sink = sink(store.clone()).with_resume(format!("version {version}"));
        blocks(-100 * version).to_zarr(sink).unwrap_or_else(|error| panic!("{}", report(&error)));
    }
    store
}

/// Replaces the description of the process in all leases.
fn held_by(store: &MemoryStore, holder: &str) {
    for key in keys(store) {
        if !key.ends_with("/claim") && !key.ends_with("/finish") {
            continue;
        }
        let bytes = store.get(&key).unwrap().bytes;
        let mut lease: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        if lease.get("plan").is_none() {
            lease["holder"] = holder.into();
            store.put(&key, lease.to_string().into(), PutCondition::Always).unwrap();
        }
    }
}

const ENDED: &str = "process 1 on here\nended\n";
/// A process that this machine cannot see.
const ELSEWHERE: &str = "process 1 on there\n1 2 another boot\n";

#[test]
fn any_number_of_workers_store_the_same_objects() {
    for n_versions in [0, 1, 3, 4] {
        let start = versions(n_versions);
        let (expected, moments) = expected(&start, 5);
        let single = copy(&start);
        let stored = blocks(5).to_zarr(sink(single.clone())).unwrap();
        check_values(&stored, 5);
        let chunks = |objects: &BTreeMap<String, Vec<u8>>| -> BTreeMap<_, _> {
            let objects = objects.clone().into_iter();
            objects.filter(|(key, _)| !key.ends_with("zarr.json")).collect()
        };
        assert_eq!(chunks(&objects(&single)), chunks(&expected));
        for n_workers in [1, 2, 7] {
            for backwards in [false, true] {
                let store = copy(&start);
                let n_computed = Arc::new(AtomicUsize::new(0));
                let mut parts_done = 0;
                let mut outputs = Vec::new();
                let mut indices: Vec<_> = (0..n_workers).collect();
                if backwards {
                    indices.reverse();
                }
                // Each computes its share, and the last one the rest.
                for index in indices {
                    let n_computed = Arc::clone(&n_computed);
                    let values = blocks_with(5, move |_| {
                        n_computed.fetch_add(1, Ordering::Relaxed);
                        Ok(())
                    });
                    let plan = plan(&values, sink(store.clone())).unwrap();
                    let workers = Workers::new(index, n_workers).unwrap();
                    for number in workers.share(plan.parts().len()) {
                        match plan.run(&plan.parts()[number]).unwrap() {
                            PartOutcome::Finished(_) => parts_done += 1,
                            other => panic!("{other:?}"),
                        }
                    }
                    let status = plan.status().unwrap();
                    assert_eq!(status.finished().len(), parts_done);
                    if status.is_complete() {
                        outputs.push(format!("{:?}", plan.finish().unwrap().0));
                        // It can be called again.
                        outputs.push(format!("{:?}", plan.finish().unwrap().0));
                    }
                }
                assert_eq!(parts_done, N_PARTS);
                assert_eq!(n_computed.load(Ordering::Relaxed), N_BLOCKS);
                assert!(outputs.iter().all(|found| *found == moments), "{outputs:?}");
                assert!(objects(&store) == expected, "{n_workers} workers: {:?}", keys(&store));
                // A worker that comes late.
                let values = blocks(5);
                let plan = plan(&values, sink(store.clone())).unwrap();
                let worked = plan.work(&Workers::alone()).unwrap();
                assert!(matches!(worked, Outcome::FinishedBefore));
                assert_eq!(format!("{:?}", plan.finish().unwrap().0), moments);
                assert!(objects(&store) == expected);
            }
        }
    }
}

/// Computes the whole array as one worker. Returns the statistics, or the first error.
fn compute(store: impl Store + 'static, value: i64) -> lazy_core::Result<String> {
    let values = blocks(value);
    let (moments, _) = plan(&values, sink(store))?.compute(&Workers::alone())?;
    Ok(format!("{moments:?}"))
}

#[test]
fn workers_at_the_same_time_store_the_same_objects() {
    let (expected, moments) = expected(&versions(1), 5);
    let store = versions(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..5)
            .map(|index| {
                let store = store.clone();
                scope.spawn(move || {
                    let values = blocks(5);
                    let plan = plan(&values, sink(store)).unwrap();
                    plan.compute(&Workers::new(index, 5).unwrap()).unwrap().0
                })
            })
            .collect();
        for thread in threads {
            assert_eq!(format!("{:?}", thread.join().unwrap()), moments);
        }
    });
    assert!(objects(&store) == expected, "{:?}", keys(&store));
}

/// Stores the array as a worker with a fault at each operation in turn, and completes it as another
/// one.
fn every_fault(n_versions: i64, fault: fn(usize) -> Fault) {
    let start = versions(n_versions);
    let (expected, moments) = expected(&start, 5);
    for n in 0.. {
        let context = format!("{n_versions} versions, {:?}", fault(n));
        let store = copy(&start);
        let before = objects(&store);
        let faulty = FaultyStore::new(store.clone(), fault(n));
        let first = compute(faulty.clone(), 5);
        if let Ok(first) = &first {
            assert_eq!(*first, moments, "{context}");
        }
        // The target is the old array or the new one.
        let metadata = "above/a/zarr.json";
        let now = objects(&store).get(metadata).cloned();
        let is_new = now.as_ref() == expected.get(metadata);
        assert!(is_new || now.as_ref() == before.get(metadata), "{context}");
        assert!(is_new || first.is_err(), "{context}");
        held_by(&store, ENDED);
        let second = compute(store.clone(), 5);
        let second = second.unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
        assert_eq!(second, moments, "{context}");
        let now = objects(&store);
        assert!(now == expected, "{context}: {:?}", keys(&store));
        if faulty.n_operations() <= n {
            assert!(n > 60, "{n}");
            return;
        }
    }
}

#[test]
fn another_worker_completes_what_a_fault_at_any_operation_leaves() {
    for n_versions in [0, 3] {
        every_fault(n_versions, Fault::fails_at);
        every_fault(n_versions, Fault::lost_response_at);
        every_fault(n_versions, Fault::killed_at);
        every_fault(n_versions, Fault::killed_after);
    }
}

/// Pauses a worker before each operation in turn, while another one takes over and finishes. The
/// other one may compute other values.
fn pause_before_each_operation(n_versions: i64, other_value: i64) {
    let start = versions(n_versions);
    for n in 0.. {
        let context = format!("{n_versions} versions, before operation {n}");
        let store = copy(&start);
        let other = store.clone();
        let finished = Arc::new(std::sync::Mutex::new(BTreeMap::new()));
        let kept = Arc::clone(&finished);
        let paused = HookedStore::new(store.clone(), n, move || {
            held_by(&other, ENDED);
            let computed = compute(other.clone(), other_value);
            computed.unwrap_or_else(|error| panic!("{}", report(&error)));
            *kept.lock().unwrap() = objects(&other);
        });
        if let Err(error) = compute(paused.clone(), 5) {
            let kind = lazy_zarr::Error::from(error).kind();
            let kinds = [ErrorKind::InUse, ErrorKind::Changed];
            assert!(kinds.contains(&kind), "{context}: {kind:?}");
        }
        if paused.n_operations() <= n {
            assert!(n > 60, "{n}");
            return;
        }
        let (now, finished) = (objects(&store), finished.lock().unwrap());
        let published = finished.iter().filter(|(key, _)| !key.contains("/.lazy/"));
        for (key, bytes) in published {
            assert!(now.get(key) == Some(bytes), "{context}: {key}");
        }
        let others: Vec<_> = now.keys().filter(|key| !finished.contains_key(*key)).collect();
        assert!(others.is_empty(), "{context}: {others:?}");
        assert!(UnfinishedWrite::list(at(store.clone())).unwrap().is_empty(), "{context}");
        if other_value == 5 {
            check_values(&StoredArray::open(at(store)).unwrap(), 5);
        }
    }
}

#[test]
fn a_worker_that_continues_after_another_one_has_finished_changes_nothing() {
    for n_versions in [0, 3] {
        for other_value in [5, 6] {
            pause_before_each_operation(n_versions, other_value);
        }
    }
}

#[test]
fn a_part_resumes_at_its_chunk() {
    for fails_at in 0..4 {
        let store = MemoryStore::new();
        let values = blocks_with(5, move |i| match i {
            i if i == fails_at => Err(lazy_core::Error::other("the worker is stopped")),
            _ => Ok(()),
        });
        let first = Plan::of(&values, (MeanVariance, sink(store.clone()))).with_parts(2);
        let first = first.create().unwrap();
        first.run(&first.parts()[0]).unwrap_err();
        assert_eq!(first.status().unwrap().taken(), []);
        let n_computed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&n_computed);
        let values = blocks_with(5, move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        let second = Plan::of(&values, (MeanVariance, sink(store.clone()))).with_parts(2);
        let (_, array) = second.create().unwrap().compute(&Workers::alone()).unwrap();
        check_values(&array, 5);
        // The blocks whose chunks are all complete.
        let n_chunk_rows = fails_at * BLOCK_ROWS / CHUNK_ROWS * CHUNK_ROWS;
        let n_restored = n_chunk_rows / BLOCK_ROWS;
        assert_eq!(n_computed.load(Ordering::Relaxed), N_BLOCKS - n_restored);
        assert!(keys(&store).iter().all(|key| !key.contains(".lazy")), "{:?}", keys(&store));
    }
}

#[test]
fn a_worker_elsewhere_that_does_not_renew_its_lease_is_taken_over_from() {
    let store = MemoryStore::new();
    let (expected, moments) = expected(&store, 5);
    let other = store.clone();
    let values = blocks_with(5, move |i| {
        if i == 2 {
            held_by(&other, ELSEWHERE);
            let values = blocks(5);
            let renewal = Duration::from_millis(5);
            let plan = plan(&values, sink(other.clone()).with_lease_renewal(renewal))?;
            assert!(matches!(plan.run(&plan.parts()[1])?, PartOutcome::Held(holder)
                if holder.to_string() == "process 1 on there (maybe ended)"));
            let Outcome::Finished { parts, output } = plan.work(&Workers::alone())? else {
                panic!("the part is taken over")
            };
            assert_eq!(parts.len(), N_PARTS - 1);
            assert_eq!(format!("{:?}", output.0), moments);
        }
        Ok(())
    });
    let stopped = plan(&values, sink(store.clone())).unwrap();
    assert!(matches!(stopped.run(&stopped.parts()[0]).unwrap(), PartOutcome::Finished(_)));
    stopped.run(&stopped.parts()[1]).unwrap_err();
    assert!(matches!(stopped.work(&Workers::alone()).unwrap(), Outcome::FinishedBefore));
    assert!(objects(&store) == expected, "{:?}", keys(&store));
}

#[test]
fn a_worker_elsewhere_that_renews_its_lease_is_known_to_run() {
    let store = MemoryStore::new();
    let other = store.clone();
    let values = blocks_with(5, move |i| {
        if i == 2 {
            held_by(&other, ELSEWHERE);
            let values = blocks(5);
            let plan = plan(&values, sink(other.clone()))?;
            let Outcome::Remaining { parts, status } = plan.work(&Workers::alone())? else {
                panic!("a part is computed elsewhere")
            };
            assert_eq!(parts.len(), N_PARTS - 2);
            assert_eq!(status.to_string(), "3 of 4 parts are finished, 1 in progress");
            let holder = &status.taken()[0].1;
            assert!(holder.is_certain() && holder.name() == "process 1 on there", "{holder}");
        }
        Ok(())
    });
    let renewal = Duration::from_millis(5);
    let slow = plan(&values, sink(store.clone()).with_lease_renewal(renewal)).unwrap();
    for part in &slow.parts()[..2] {
        assert!(matches!(slow.run(part).unwrap(), PartOutcome::Finished(_)));
    }
    check_values(&slow.finish().unwrap().1, 5);
}

#[test]
fn the_setting_takes_over_at_once() {
    let store = MemoryStore::new();
    let other = store.clone();
    let values = blocks_with(5, move |i| {
        if i == 2 {
            held_by(&other, ELSEWHERE);
            let values = blocks(5);
            let plan = plan(&values, sink(other.clone()).with_take_over())?;
            assert!(matches!(plan.run(&plan.parts()[1])?, PartOutcome::Finished(_)));
        }
        Ok(())
    });
    let stopped = plan(&values, sink(store.clone())).unwrap();
    stopped.run(&stopped.parts()[1]).unwrap_err();
    check_values(&stopped.compute(&Workers::alone()).unwrap().1, 5);
    assert!(keys(&store).iter().all(|key| !key.contains(".lazy")), "{:?}", keys(&store));
}

#[test]
fn another_job_is_refused() {
    let store = versions(1);
    let values = blocks(5);
    let shared = plan(&values, sink(store.clone())).unwrap();
    shared.run(&shared.parts()[1]).unwrap();
    let before = objects(&store);
    let refused = |error: lazy_core::Error, difference: &str| {
        let error = lazy_zarr::Error::from(error);
        assert_eq!(error.kind(), ErrorKind::ResumeMismatch, "{error}");
        assert!(error.to_string().contains(&format!(" its {difference} changed ")), "{error}");
        assert!(objects(&store) == before);
    };
    let other = sink(store.clone()).with_resume("other values");
    refused(plan(&values, other).unwrap_err(), "key");
    let other = sink(store.clone()).with_chunk_shape([5]);
    refused(plan(&values, other).unwrap_err(), "chunk and shard settings");
    let parts = Plan::of(&values, (MeanVariance, sink(store.clone()))).with_parts(2).create();
    refused(parts.unwrap_err(), "parts");
    let reducers = Plan::of(&values, sink(store.clone())).with_parts(N_PARTS).create();
    refused(reducers.unwrap_err(), "reducers");
    // A write of one process.
    for single in
        [sink(store.clone()), ZarrSink::new(at(store.clone())).with_existing(Existing::Replace)]
    {
        let error = blocks(5).to_zarr(single).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unfinished, "{error}");
        assert!(error.to_string().starts_with("workers share an unfinished write of "), "{error}");
        assert!(objects(&store) == before);
    }
    check_values(&shared.compute(&Workers::alone()).unwrap().1, 5);
}

#[test]
fn a_write_of_one_process_is_respected() {
    let store = versions(1);
    let other = store.clone();
    let single = blocks_with(7, move |i| {
        if i == 3 {
            let values = blocks(5);
            let error = lazy_zarr::Error::from(plan(&values, sink(other.clone())).unwrap_err());
            assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
            return Err(lazy_core::Error::other("the producer failed"));
        }
        Ok(())
    });
    single.to_zarr(sink(store.clone())).unwrap_err();
    let values = blocks(5);
    let error = lazy_zarr::Error::from(plan(&values, sink(store.clone())).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unfinished, "{error}");
    for write in UnfinishedWrite::list(at(store.clone())).unwrap() {
        write.remove().unwrap();
    }
    check_values(&plan(&values, sink(store)).unwrap().compute(&Workers::alone()).unwrap().1, 5);
}

/// Changes the object whose key ends so, and returns its key.
fn change(store: &MemoryStore, end: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let all = keys(store);
    let key = all.iter().find(|key| key.contains(end)).unwrap_or_else(|| panic!("{end}: {all:?}"));
    let mut bytes = store.get(key).unwrap().bytes.to_vec();
    change(&mut bytes);
    store.put(key, bytes.into(), PutCondition::Always).unwrap();
    key.clone()
}

#[test]
fn a_damaged_part_is_computed_again() {
    // Part 1 has rows 10 to 20: chunks 3 and 4, and a piece of chunk 2.
    let flip: fn(&MemoryStore, &str) = |store, end| {
        change(store, end, |bytes| bytes[7] ^= 1);
    };
    let lose: fn(&MemoryStore, &str) = |store, end| {
        let key = change(store, end, |_| {});
        store.delete(&key).unwrap();
    };
    let shorten: fn(&MemoryStore, &str) = |store, end| {
        change(store, end, |bytes| bytes.truncate(5));
    };
    let (expected, moments) = expected(&MemoryStore::new(), 5);
    for end in ["/c/3", "/c/4", "/fragments/1.c.2.", "/done/1"] {
        for damage in [flip, lose, shorten] {
            let store = MemoryStore::new();
            let computed = Arc::new(std::sync::Mutex::new(Vec::new()));
            let noted = Arc::clone(&computed);
            let values = blocks_with(5, move |i| {
                noted.lock().unwrap().push(i);
                Ok(())
            });
            let plan = plan(&values, sink(store.clone())).unwrap();
            for part in plan.parts() {
                plan.run(part).unwrap();
            }
            damage(&store, end);
            computed.lock().unwrap().clear();
            let error = plan.finish().unwrap_err();
            assert_eq!(error.kind(), lazy_core::ErrorKind::Unfinished, "{end}: {error}");
            assert!(error.to_string().ends_with("1 of 4 parts is not finished: 1"), "{error}");
            let Outcome::Finished { parts, output } = plan.work(&Workers::alone()).unwrap() else {
                panic!("{end}")
            };
            assert_eq!(parts.len(), 1, "{end}");
            assert_eq!(*computed.lock().unwrap(), [2, 3], "{end}");
            assert_eq!(format!("{:?}", output.0), moments);
            assert!(objects(&store) == expected, "{end}: {:?}", keys(&store));
        }
    }
}

#[test]
fn plans_are_listed_finished_and_removed() {
    let start = versions(1);
    let store = copy(&start);
    let values = blocks(5);
    let plan = plan(&values, sink(store.clone())).unwrap();
    let list = || UnfinishedWrite::list(Target::in_store(store.clone(), "/")).unwrap();
    for part in plan.parts() {
        let unfinished = list();
        let WriteState::Shared { key, progress } = unfinished[0].state() else { panic!() };
        assert_eq!((unfinished.len(), &**key), (1, KEY));
        assert_eq!((progress.parts, progress.finished_parts), (N_PARTS, part.number()));
        assert_eq!(progress.blocks, N_BLOCKS);
        assert_eq!(progress.finished_blocks, part.bands().start);
        assert_eq!(progress.stored_bytes > 0, part.number() > 0);
        assert_eq!(progress.workers, []);
        assert_eq!(unfinished[0].target().to_string(), "store:/above/a");
        let error = unfinished[0].clone().finish().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Sequence, "{error}");
        plan.run(part).unwrap();
    }
    let before = copy(&store);
    check_values(&list().remove(0).finish().unwrap(), 5);
    assert!(list().is_empty());
    assert!(objects(&store) == expected(&start, 5).0, "{:?}", keys(&store));

    // A plan that is removed leaves the present version, and no worker continues it.
    let store = before;
    let values = blocks(5);
    let plan = self::plan(&values, sink(store.clone())).unwrap();
    let unfinished = UnfinishedWrite::list(at(store.clone())).unwrap();
    unfinished[0].clone().remove().unwrap();
    assert!(objects(&store) == objects(&start), "{:?}", keys(&store));
    let error = lazy_zarr::Error::from(plan.work(&Workers::alone()).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert!(objects(&store) == objects(&start), "{:?}", keys(&store));
}

#[test]
fn a_plan_that_is_computed_is_not_removed() {
    let store = MemoryStore::new();
    let other = store.clone();
    let values = blocks_with(5, move |i| {
        if i == 2 {
            let unfinished = UnfinishedWrite::list(at(other.clone())).unwrap();
            let WriteState::Shared { progress, .. } = unfinished[0].state() else { panic!() };
            assert_eq!(progress.workers.len(), 1);
            assert!(progress.workers[0].1.is_certain());
            let error = unfinished[0].clone().remove().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
        }
        Ok(())
    });
    let plan = plan(&values, sink(store)).unwrap();
    check_values(&plan.compute(&Workers::alone()).unwrap().1, 5);
}

#[test]
fn sinks_of_one_pass_may_lie_in_different_places() {
    let store = MemoryStore::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let in_directory = || {
        ZarrSink::new(&path)
            .with_chunk_shape([CHUNK_ROWS])
            .with_existing(Existing::Replace)
            .with_resume(KEY)
    };
    for is_last in [false, true] {
        for index in 0..2 {
            let values = blocks(5 + i64::from(is_last));
            let key = format!("{is_last}");
            let sinks =
                vec![sink(store.clone()).with_resume(&*key), in_directory().with_resume(&*key)];
            let sinks = if is_last { sinks } else { sinks.into_iter().rev().collect() };
            let plan = Plan::of(&values, sinks).with_parts(N_PARTS).create().unwrap();
            let workers = Workers::new(index, 2).unwrap();
            for number in workers.share(N_PARTS) {
                assert!(matches!(plan.run(&plan.parts()[number]), Ok(PartOutcome::Finished(_))));
            }
            if index == 1 {
                for array in plan.finish().unwrap() {
                    check_values(&array, 5 + i64::from(is_last));
                }
            }
        }
        assert!(keys(&store).iter().all(|key| !key.contains(".lazy")), "{:?}", keys(&store));
    }
}

#[test]
fn the_number_of_requests_does_not_grow_with_the_array() {
    let requests = |n_parts: usize| {
        let store = MemoryStore::new();
        let counting = FaultyStore::new(store, Fault::none());
        let values = LazyChunkSequence::try_from_fn(vec![CHUNK_ROWS; n_parts], |_| {
            ArrayBlock::from_vec([CHUNK_ROWS], vec![1.0_f64; CHUNK_ROWS])
        })
        .with_row_type(lazy_core::DType::Float64, []);
        let plan =
            || Plan::of(&values, sink(counting.clone())).with_parts(n_parts).create().unwrap();
        let counted = |run: &dyn Fn()| {
            let before = counting.n_operations();
            run();
            counting.n_operations() - before
        };
        let created = counted(&|| drop(plan()));
        let first = plan();
        let part = counted(&|| drop(first.run(&first.parts()[0]).unwrap()));
        let rest = counted(&|| {
            for part in &first.parts()[1..] {
                first.run(part).unwrap();
            }
        });
        assert_eq!(rest, (n_parts - 1) * part, "each part takes the same number of requests");
        let joined = counted(&|| drop(plan()));
        // Each record is read once.
        let finished = counted(&|| drop(plan().finish().unwrap()));
        (created, part, joined, finished - n_parts)
    };
    let small = requests(5);
    assert_eq!(small, requests(40));
    let (created, part, joined, finished) = small;
    assert!(created <= 35 && part <= 12 && joined <= 30 && finished <= 80, "{small:?}");
}

/// A store that checks no conditions.
struct Unconditional(MemoryStore);

impl Store for Unconditional {
    fn get(&self, key: &str) -> Result<lazy_zarr::Object, lazy_zarr::StoreError> {
        self.0.get(key)
    }

    fn put(
        &self,
        key: &str,
        bytes: bytes::Bytes,
        condition: PutCondition,
    ) -> Result<Option<lazy_zarr::Tag>, lazy_zarr::StoreError> {
        match condition {
            PutCondition::Always => self.0.put(key, bytes, condition),
            _ => Err(lazy_zarr::StoreError::Unsupported),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<lazy_zarr::ObjectInfo>, lazy_zarr::StoreError> {
        self.0.list(prefix)
    }

    fn delete(&self, key: &str) -> Result<(), lazy_zarr::StoreError> {
        self.0.delete(key)
    }
}

#[test]
fn a_store_without_conditions_is_refused() {
    let store = MemoryStore::new();
    let values = blocks(5);
    for sink in [
        sink(Unconditional(store.clone())),
        sink(Unconditional(store.clone())).with_unconditional_puts(),
        sink(store.clone()).with_unconditional_puts(),
    ] {
        let error = lazy_zarr::Error::from(plan(&values, sink).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("without conditional puts"), "{error}");
        assert_eq!(keys(&store), [""; 0]);
    }
}

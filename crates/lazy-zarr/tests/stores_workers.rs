//! Several workers that store one array in a store: the same bits, faults, take-overs, cleaning up.

mod stores {
    pub(crate) mod faulty;
}

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lazy_core::{
    ArrayBlock, Indexed, LazyChunkSequence, MeanVariance, Outcome, Part, PartOutcome, Plan,
    Summary, Workers, report,
};
use lazy_zarr::{
    ErrorKind, Existing, MemoryStore, PutCondition, Store, StoredArray, Target, ToZarr,
    UnfinishedWrite, WriteState, ZarrSink,
};

use stores::faulty::{Fault, FaultyStore};

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

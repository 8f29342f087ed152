//! Reads of shards that look at the metadata while chunks are on their way.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use lazy_core::{ArrayBlock, LazyChunkSequence};
use lazy_zarr::{
    Checksum, Codec, ErrorKind, Existing, MemoryStore, MissingChunks, PutCondition, Store,
    StoredArray, Target, ToZarr, ZarrSink,
};

use super::scripted::{Responses, ScriptedStore, Step};

const METADATA: &str = "a/zarr.json";
const SHARDS: [&str; 2] = ["a/c/0/0", "a/c/1/0"];

/// The sides of a chunk. The smaller chunks are read one by one only where a part of the shard is
/// requested.
const SIDES: [usize; 2] = [10, 64];

/// A column of two shards of 2 × 2 chunks each. Each version has other elements and other metadata, and
/// the places of all chunks are the same.
#[derive(Clone, Copy, Debug)]
struct Shards {
    side: usize,
    /// The responses with whole shards, if whole shards are read.
    whole: Option<Responses>,
}

/// Parts of shards, which take a request for the index and one for chunks, and whole shards, which
/// take a response of two steps.
const READS: [Option<Responses>; 3] = [None, Some(Responses::TagFirst), Some(Responses::Repeated)];

impl Shards {
    fn store(self, store: &MemoryStore, version: usize) {
        let (height, width) = (4 * self.side, 2 * self.side);
        let elements: Vec<_> = (0..height * width).map(|place| element(version, place)).collect();
        let block = ArrayBlock::from_vec([height, width], elements).unwrap();
        let sink = ZarrSink::new(Target::in_store(store.clone(), "/a"))
            .with_existing(Existing::Replace)
            .with_chunk_shape([self.side, self.side])
            .with_shard_shape([width, width])
            .with_codec(Codec::None)
            .with_checksum(Checksum::None)
            .with_attribute("version", version);
        LazyChunkSequence::new(|| [block.clone()]).to_zarr(sink).unwrap();
    }

    /// Returns a store with version 0, and one with version 1 under the same keys.
    fn two_versions(self) -> [MemoryStore; 2] {
        [0, 1].map(|version| {
            let store = MemoryStore::new();
            self.store(&store, version);
            store
        })
    }

    /// Returns a region of the first shards: all of it, or a part of one chunk of each.
    fn region(self, n_shards: usize) -> [Range<usize>; 2] {
        let end = 2 * self.side;
        if self.whole.is_some() {
            return [0..n_shards * end, 0..end];
        }
        let rows = if n_shards == 1 { end - 5..end } else { end - 5..end + 5 };
        [rows, self.side + 1..self.side + 3]
    }

    fn scripted(self, store: MemoryStore, script: &[Step]) -> ScriptedStore {
        let responses = self.whole.unwrap_or(Responses::AtOnce);
        ScriptedStore::new(store, script).with_responses(responses)
    }

    fn expected(self, version: usize, [rows, columns]: &[Range<usize>; 2]) -> Vec<i64> {
        let width = 2 * self.side;
        let places = rows.clone().flat_map(|row| columns.clone().map(move |j| width * row + j));
        places.map(|place| element(version, place)).collect()
    }
}

fn element(version: usize, place: usize) -> i64 {
    (1_000_000 * version + place) as i64
}

fn open(store: &ScriptedStore) -> StoredArray {
    let stored = StoredArray::open(Target::in_store(store.clone(), "/a")).unwrap();
    store.take_answered();
    stored
}

/// The steps of the requests for the shards of a read, and the second one for the metadata. The first one opens
/// the array.
fn steps(n_shards: usize) -> Vec<Step> {
    let of_shard = |shard: &'static str| [(shard, 0), (shard, 1)];
    SHARDS[..n_shards].iter().flat_map(|shard| of_shard(shard)).chain([(METADATA, 1)]).collect()
}

/// Returns all orders in which a store may answer the requests of a read: each chunk after the index
/// of its shard, and the metadata after all indexes.
fn scripts(n_shards: usize) -> Vec<Vec<Step>> {
    let mut scripts = vec![Vec::new()];
    for n in 0..steps(n_shards).len() {
        let longer = |script: &Vec<Step>| -> Vec<Vec<Step>> {
            let has = |step| script.contains(&step);
            let has_indexes = SHARDS[..n_shards].iter().all(|shard| has((shard, 0)));
            let is_next = |&(key, n): &Step| {
                !has((key, n))
                    && if key == METADATA { has_indexes } else { n == 0 || has((key, 0)) }
            };
            let next = steps(n_shards).into_iter().filter(is_next);
            next.map(|step| [&script[..], &[step]].concat()).collect()
        };
        scripts = scripts.iter().flat_map(longer).collect();
        assert!(scripts.iter().all(|script| script.len() == n + 1));
    }
    scripts
}

#[test]
fn the_metadata_and_the_chunks_do_not_wait_for_each_other() {
    for (side, whole) in SIDES.iter().flat_map(|side| READS.map(|whole| (*side, whole))) {
        let shards = Shards { side, whole };
        let [store, _] = shards.two_versions();
        for (n_shards, n_scripts) in [(1, 2), (2, 16)] {
            let scripts = scripts(n_shards);
            assert_eq!(scripts.len(), n_scripts);
            for script in scripts {
                let store = shards.scripted(store.clone(), &script);
                let region = shards.region(n_shards);
                let read = open(&store).read_region(&region).unwrap();
                assert_eq!(read.as_slice::<i64>().unwrap(), shards.expected(0, &region));
                let keys: Vec<_> = script.iter().map(|(key, _)| *key).collect();
                assert_eq!(store.take_answered(), keys);
            }
        }
    }
}

/// Another program replaces the metadata before one request or response, and replaces or removes the
/// shards before the same or a later one, under the keys that they have.
#[test]
fn an_array_that_is_replaced_during_a_read_is_whole_or_an_error() {
    let (mut n_whole, mut n_errors) = (0, 0);
    let cases = [
        (SIDES[0], 1, false),
        (SIDES[0], 1, true),
        (SIDES[0], 2, false),
        (SIDES[1], 1, false),
        (SIDES[1], 2, false),
        (SIDES[1], 2, true),
    ];
    for ((side, n_shards, removes), whole) in
        cases.iter().flat_map(|case| READS.map(|whole| (*case, whole)))
    {
        let shards = Shards { side, whole };
        let [old, new] = shards.two_versions();
        for script in scripts(n_shards) {
            let moments = 0..=script.len();
            // Without an index, there is no request for chunks.
            let last_index = script.iter().rposition(|(_, n)| *n == 0).unwrap();
            let first = if removes { last_index + 1 } else { 0 };
            let later = |at| moments.clone().filter(move |later| *later >= first.max(at));
            for (at, shards_at) in moments.clone().flat_map(|at| later(at).map(move |l| (at, l))) {
                let (inner, new) = (copy_of(&old), new.clone());
                let replaced = inner.clone();
                let hook = move |moment| {
                    if moment == at {
                        replace(&replaced, &new, &[METADATA]);
                    }
                    if moment == shards_at && removes {
                        SHARDS.iter().for_each(|key| replaced.delete(key).unwrap());
                    } else if moment == shards_at {
                        replace(&replaced, &new, &SHARDS);
                    }
                };
                let store = shards.scripted(inner, &script).with_hook(hook);
                let array = open(&store).with_missing_chunks(MissingChunks::FillValue);
                let region = shards.region(n_shards);
                let context = format!("{shards:?}, {removes}, {script:?}, {at}, {shards_at}");
                match array.read_region(&region) {
                    Ok(read) => {
                        let expected = shards.expected(0, &region);
                        assert_eq!(read.as_slice::<i64>().unwrap(), expected, "{context}");
                        n_whole += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Changed, "{context}: {error}");
                        n_errors += 1;
                    }
                }
                let error = array.read_region(&region).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Changed, "{context}: {error}");
            }
        }
    }
    assert!(n_whole > 150 && n_errors > 1500, "{n_whole}, {n_errors}");
}

/// Puts the objects of another store under some keys.
fn replace(store: &MemoryStore, other: &MemoryStore, keys: &[&str]) {
    for key in keys {
        store.put(key, other.get(key).unwrap().bytes, PutCondition::Always).unwrap();
    }
}

fn copy_of(store: &MemoryStore) -> MemoryStore {
    let copy = MemoryStore::new();
    replace(&copy, store, &[METADATA, SHARDS[0], SHARDS[1]]);
    copy
}

/// This library gives the third version after the present one the keys of the present one.
#[test]
fn a_read_during_replacements_is_whole_or_an_error() {
    for n_versions in 1..=3 {
        for script in scripts(1) {
            for replaced_at in 0..=script.len() {
                let shards = Shards { side: SIDES[0], whole: None };
                let [inner, _] = shards.two_versions();
                let replaced = inner.clone();
                let hook = move |moment| {
                    if moment == replaced_at {
                        (1..=n_versions).for_each(|version| shards.store(&replaced, version));
                    }
                };
                let store = ScriptedStore::new(inner, &script).with_hook(hook);
                let (array, region) = (open(&store), shards.region(1));
                match array.read_region(&region) {
                    Ok(read) => {
                        assert_eq!(read.as_slice::<i64>().unwrap(), shards.expected(0, &region));
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Changed, "{error}"),
                }
            }
        }
    }
}

#[test]
fn a_chunk_that_another_read_has_kept_meanwhile_is_checked() {
    for side in SIDES {
        let shards = Shards { side, whole: None };
        let [store, new] = shards.two_versions();
        let (replaced, array) = (store.clone(), Arc::new(OnceLock::<StoredArray>::new()));
        // Parts of two chunks, which one request reads.
        let (left, right) = (side - 5..side, side..side + 5);
        let (rows, columns) = (1..3, left.start..right.end);
        let of_hook = Arc::clone(&array);
        let hook = move |moment| {
            if moment == 3 {
                replace(&replaced, &new, &[METADATA, SHARDS[0]]);
                let error = of_hook.get().unwrap().read_region(&[1..3, right.clone()]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
            }
        };
        let script = [(SHARDS[0], 0), (METADATA, 1), (SHARDS[0], 1)];
        let store = ScriptedStore::new(store, &script).with_hook(hook);
        let array = array.get_or_init(|| open(&store).with_reader_threads(1));
        let error = array.read_region(&[rows, columns]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    }
}

#[test]
fn without_tags_the_metadata_wait_for_the_chunks() {
    for side in SIDES {
        let shards = Shards { side, whole: None };
        let [store, _] = shards.two_versions();
        let store = ScriptedStore::new(store, &[]).without_tags();
        let region = shards.region(1);
        let read = open(&store).read_region(&region).unwrap();
        assert_eq!(read.as_slice::<i64>().unwrap(), shards.expected(0, &region));
        assert_eq!(store.take_answered(), [SHARDS[0], SHARDS[0], METADATA]);
    }
}

#[test]
fn whole_shards_and_kept_chunks_take_no_more_requests() {
    for side in SIDES {
        let shards = Shards { side, whole: None };
        let [store, _] = shards.two_versions();
        let store = ScriptedStore::new(store, &[]);
        let array = open(&store);
        let whole = [0..4 * side, 0..2 * side];
        let read = array.read_region(&whole).unwrap();
        assert_eq!(read.as_slice::<i64>().unwrap(), shards.expected(0, &whole));
        let mut answered = store.take_answered();
        assert_eq!(answered.pop().unwrap(), METADATA);
        answered.sort_unstable();
        assert_eq!(answered, SHARDS);
        // The chunk is kept after the first of these reads.
        let (region, first) = (shards.region(1), [SHARDS[0], SHARDS[0], METADATA]);
        for mut expected in [first.to_vec(), vec![METADATA]] {
            array.read_region(&region).unwrap();
            let mut answered = store.take_answered();
            answered.sort_unstable();
            expected.sort_unstable();
            assert_eq!(answered, expected);
        }
    }
}

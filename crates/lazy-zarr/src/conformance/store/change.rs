//! Cases of putting objects without a condition, and of deleting them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::super::check::{CaseResult, N_THREADS, expect_equal, in_threads};
use super::super::replace::SetWhenDropped;
use super::check::{
    NamedCheck, contents, expect_contents, expect_error_kind, expect_unchanged, put,
};
use crate::objects::{Store, StoreError};

pub(super) const CASES: &[NamedCheck] = &[
    ("put::replaces_the_object", put_replaces),
    ("put::changes_no_other_object", put_alone),
    ("put::is_seen_whole_or_not_at_all", put_in_one_step),
    ("put::from_threads", put_from_threads),
    ("delete::removes_the_object_alone", delete_alone),
    ("delete::of_nothing_succeeds", delete_nothing),
    ("delete::makes_room_for_another_object", delete_and_put),
    ("delete_all::removes_these_objects_alone", delete_several),
];

fn put_replaces(store: &dyn Store) -> CaseResult {
    for bytes in [&b"old bytes"[..], b"the longer new bytes", b"short", b"", b"again"] {
        put(store, "a/key", bytes)?;
        expect_equal("the bytes", &*store.get("a/key")?.bytes, bytes)?;
        let sizes: Vec<_> = store.list("")?.iter().map(|object| object.size).collect();
        expect_equal("the sizes of the objects", sizes, vec![bytes.len() as u64])?;
    }
    Ok(())
}

/// Objects under similar keys.
fn fill(store: &dyn Store) -> Result<BTreeMap<String, Bytes>, StoreError> {
    let keys = ["a/key", "a/key2", "a/ke", "ab/key", "key", "b/a/key"];
    keys.iter().try_for_each(|key| put(store, key, key.as_bytes()))?;
    contents(store)
}

fn put_alone(store: &dyn Store) -> CaseResult {
    let mut expected = fill(store)?;
    for key in ["a/key", "a/new", "new"] {
        put(store, key, b"new bytes")?;
        expected.insert(key.to_owned(), Bytes::from_static(b"new bytes"));
        expect_contents(store, &expected)?;
    }
    Ok(())
}

/// Readers always find one of the objects that were put, and all of it.
fn put_in_one_step(store: &dyn Store) -> CaseResult {
    const N_READERS: usize = 3;
    const N_VERSIONS: usize = 100;
    let version = |i: usize| format!("{i:03}").repeat(100 + 700 * (i % 3));
    let versions: Vec<_> = (0..N_VERSIONS).map(version).collect();
    put(store, "key", versions[0].as_bytes())?;
    let is_done = AtomicBool::new(false);
    let are_ready = Barrier::new(N_READERS + 1);
    let read_all = || -> CaseResult {
        are_ready.wait();
        let (mut last, mut is_last_read) = (0, false);
        while !is_last_read {
            is_last_read = is_done.load(Ordering::Acquire);
            let bytes = store.get("key")?.bytes;
            let found = versions[last..].iter().position(|version| *version.as_bytes() == bytes);
            let problem = || format!("read {} bytes that are no version", bytes.len());
            last += found.ok_or_else(problem)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..N_READERS).map(|_| scope.spawn(read_all)).collect();
        are_ready.wait();
        let written = {
            let _done = SetWhenDropped(&is_done);
            versions[1..].iter().try_for_each(|version| put(store, "key", version.as_bytes()))
        };
        written?;
        readers.into_iter().try_for_each(|reader| reader.join().map_err(|_| "a reader panicked")?)
    })
}

fn put_from_threads(store: &dyn Store) -> CaseResult {
    const N_OBJECTS: usize = 20;
    let key = |thread: usize, i: usize| format!("{}/{thread}/{i}", i % 2);
    in_threads(|thread| {
        (0..N_OBJECTS).try_for_each(|i| {
            let key = key(thread, i);
            put(store, &key, key.as_bytes()).map_err(io::Error::other)
        })
    })?;
    let keys = (0..N_THREADS).flat_map(|thread| (0..N_OBJECTS).map(move |i| key(thread, i)));
    expect_contents(store, &keys.map(|key| (key.clone(), key.into())).collect())
}

fn delete_alone(store: &dyn Store) -> CaseResult {
    let mut expected = fill(store)?;
    for key in ["a/key", "key", "a/ke"] {
        store.delete(key)?;
        expected.remove(key);
        expect_error_kind(key, store.get(key), &StoreError::NotFound)?;
        expect_contents(store, &expected)?;
    }
    Ok(())
}

fn delete_nothing(store: &dyn Store) -> CaseResult {
    put(store, "a/key", b"bytes")?;
    expect_unchanged(store, || {
        let mut keys = ["nothing", "nothing/key", "a", "a/k", "a/nothing"].iter();
        Ok(keys.try_for_each(|key| store.delete(key))?)
    })?;
    store.delete("a/key")?;
    Ok(store.delete("a/key")?)
}

fn delete_and_put(store: &dyn Store) -> CaseResult {
    for bytes in [&b"old"[..], b"new"] {
        put(store, "a/key", bytes)?;
        expect_equal("the bytes", &*store.get("a/key")?.bytes, bytes)?;
        store.delete("a/key")?;
        expect_contents(store, &BTreeMap::new())?;
    }
    Ok(())
}

fn delete_several(store: &dyn Store) -> CaseResult {
    let mut expected = fill(store)?;
    store.delete_all(&[])?;
    expect_contents(store, &expected)?;
    // More keys than a server deletes at once, most of them without an object.
    let mut keys: Vec<_> = (0..1100).map(|i| format!("a/nothing {i}")).collect();
    keys.extend(["key", "a/ke"].map(str::to_owned));
    store.delete_all(&keys)?;
    keys.iter().for_each(|key| drop(expected.remove(key)));
    expect_contents(store, &expected)
}

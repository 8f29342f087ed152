//! Cases of the operations that list objects.

use super::super::check::{CaseResult, expect_equal};
use super::check::{NamedCheck, put};
use crate::objects::{Store, StoreError};

pub(super) const CASES: &[NamedCheck] = &[
    ("list::has_all_objects", list_all),
    ("list::has_the_objects_below_a_prefix", list_below),
    ("list::of_nothing_is_empty", list_nothing),
    ("list::has_the_sizes", list_sizes),
    ("list::of_many_objects", list_many),
    ("is_empty::finds_objects_below", emptiness),
    ("list_directory::has_objects_and_prefixes", directory),
    ("list_directory::of_nothing_is_empty", directory_of_nothing),
    ("list_directory::has_the_sizes", directory_sizes),
    ("list_directory::of_many", directory_of_many),
];

const KEYS: [&str; 8] =
    ["a/b/c", "a/b/d/e", "a/bc", "a/zarr.json", "ab/c", "c/0/0", "c/10/0", "zarr.json"];

fn fill(store: &dyn Store) -> Result<(), StoreError> {
    // The objects are put in an order other than the order of the keys.
    KEYS.iter().rev().try_for_each(|key| put(store, key, key.as_bytes()))
}

/// Returns the keys below a prefix, in order.
fn keys(store: &dyn Store, prefix: &str) -> Result<Vec<String>, StoreError> {
    let mut keys: Vec<_> = store.list(prefix)?.into_iter().map(|object| object.key).collect();
    keys.sort();
    Ok(keys)
}

fn expect_keys(store: &dyn Store, prefix: &str, expected: &[&str]) -> CaseResult {
    let keys = keys(store, prefix)?;
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    expect_equal(&format!("the keys below {prefix:?}"), &keys[..], expected)
}

fn list_all(store: &dyn Store) -> CaseResult {
    fill(store)?;
    expect_keys(store, "", &KEYS)
}

fn list_below(store: &dyn Store) -> CaseResult {
    fill(store)?;
    expect_keys(store, "a/", &["a/b/c", "a/b/d/e", "a/bc", "a/zarr.json"])?;
    expect_keys(store, "a/b/", &["a/b/c", "a/b/d/e"])?;
    expect_keys(store, "c/10/", &["c/10/0"])
}

fn list_nothing(store: &dyn Store) -> CaseResult {
    expect_keys(store, "", &[])?;
    fill(store)?;
    ["b/", "a/c/", "a/zarr.json/", "nothing/at/all/"]
        .iter()
        .try_for_each(|prefix| expect_keys(store, prefix, &[]))
}

fn list_sizes(store: &dyn Store) -> CaseResult {
    put(store, "empty", b"")?;
    put(store, "a/key", b"bytes")?;
    let mut sizes: Vec<_> = store.list("")?.into_iter().map(|object| object.size).collect();
    sizes.sort_unstable();
    expect_equal("the sizes", sizes, vec![0, 5])
}

/// More objects than a server lists in one response.
const MANY: usize = 2100;

fn list_many(store: &dyn Store) -> CaseResult {
    let key = |i: usize| format!("c/{:02}/{i:04}", i % 7);
    (0..MANY).try_for_each(|i| put(store, &key(i), b""))?;
    let mut expected: Vec<_> = (0..MANY).map(key).collect();
    expected.sort();
    let keys = keys(store, "c/")?;
    let differs = keys.iter().zip(&expected).find(|(a, b)| a != b);
    expect_equal("the first key that differs", differs, None)?;
    expect_equal("the number of keys", keys.len(), MANY)
}

fn expect_directory(
    store: &dyn Store,
    prefix: &str,
    expected_keys: &[&str],
    expected_prefixes: &[&str],
) -> CaseResult {
    let listing = store.list_directory(prefix)?;
    let mut keys: Vec<_> = listing.objects.iter().map(|object| &*object.key).collect();
    let mut prefixes: Vec<_> = listing.prefixes.iter().map(String::as_str).collect();
    keys.sort_unstable();
    prefixes.sort_unstable();
    expect_equal(&format!("the keys directly below {prefix:?}"), &keys[..], expected_keys)?;
    let what = format!("the prefixes directly below {prefix:?}");
    expect_equal(&what, &prefixes[..], expected_prefixes)
}

fn emptiness(store: &dyn Store) -> CaseResult {
    expect_equal("whether the store is empty", store.is_empty("")?, true)?;
    fill(store)?;
    for prefix in ["", "a/", "a/b/d/", "c/", "c/10/"] {
        expect_equal(&format!("whether {prefix:?} is empty"), store.is_empty(prefix)?, false)?;
    }
    for prefix in ["b/", "a/c/", "a/zarr.json/", "nothing/at/all/"] {
        expect_equal(&format!("whether {prefix:?} is empty"), store.is_empty(prefix)?, true)?;
    }
    Ok(())
}

fn directory(store: &dyn Store) -> CaseResult {
    fill(store)?;
    expect_directory(store, "", &["zarr.json"], &["a/", "ab/", "c/"])?;
    expect_directory(store, "a/", &["a/bc", "a/zarr.json"], &["a/b/"])?;
    expect_directory(store, "a/b/", &["a/b/c"], &["a/b/d/"])?;
    expect_directory(store, "c/", &[], &["c/0/", "c/10/"])
}

fn directory_of_nothing(store: &dyn Store) -> CaseResult {
    expect_directory(store, "", &[], &[])?;
    fill(store)?;
    ["b/", "a/c/", "a/zarr.json/"]
        .iter()
        .try_for_each(|prefix| expect_directory(store, prefix, &[], &[]))
}

fn directory_sizes(store: &dyn Store) -> CaseResult {
    put(store, "a/empty", b"")?;
    put(store, "a/key", b"bytes")?;
    put(store, "a/b/key", b"other bytes")?;
    let objects = store.list_directory("a/")?.objects;
    let mut sizes: Vec<_> = objects.into_iter().map(|object| object.size).collect();
    sizes.sort_unstable();
    expect_equal("the sizes", sizes, vec![0, 5])
}

fn directory_of_many(store: &dyn Store) -> CaseResult {
    (0..MANY).try_for_each(|i| put(store, &format!("a/{i:04}/key"), b""))?;
    (0..MANY).try_for_each(|i| put(store, &format!("a/key {i:04}"), b""))?;
    let listing = store.list_directory("a/")?;
    expect_equal("the number of objects", listing.objects.len(), MANY)?;
    expect_equal("the number of prefixes", listing.prefixes.len(), MANY)
}

//! Runs the suite for stores on stores in memory, and on broken stores.

mod broken;
mod minimal;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use lazy_core::conformance::Case;
use lazy_zarr::conformance::StoreSuite;
use lazy_zarr::{MemoryStore, PutCondition, Store};

use broken::{Broken, BrokenStore, MISTAKES};
use minimal::MinimalStore;

#[test]
fn the_store_in_memory_conforms() {
    StoreSuite::new(MemoryStore::new).run();
}

#[test]
fn stores_behind_pointers_conform() {
    StoreSuite::new(|| Arc::new(MemoryStore::new())).run();
    StoreSuite::new(|| -> Box<dyn Store> { Box::new(MemoryStore::new()) }).run();
    StoreSuite::new(|| &*Box::leak(Box::new(MemoryStore::new()))).run();
}

/// With the default operations of the trait.
#[test]
fn a_store_without_conditions_and_tags_conforms() {
    StoreSuite::new(MinimalStore::default).run();
}

/// Returns the names of the cases that fail for a store with this mistake.
fn failing(broken: Broken) -> Vec<String> {
    let cases = StoreSuite::new(move || BrokenStore::new(broken)).cases();
    cases.iter().filter_map(|case| case.run().err()).map(|failure| failure.case).collect()
}

#[test]
fn each_mistake_is_found_by_the_case_of_its_name() {
    for (broken, expected) in MISTAKES {
        let failing = failing(*broken);
        match expected {
            [expected @ .., "..."] => {
                for case in expected.iter() {
                    assert!(failing.iter().any(|name| name == case), "{broken:?}: {failing:?}");
                }
            }
            _ => assert_eq!(failing, *expected, "{broken:?}"),
        }
    }
}

#[test]
fn each_case_finds_a_mistake() {
    let found: BTreeSet<_> = MISTAKES.iter().flat_map(|(_, cases)| *cases).copied().collect();
    let cases = StoreSuite::new(MemoryStore::new).cases();
    let names: BTreeSet<_> = cases.iter().map(Case::name).chain(["..."]).collect();
    assert_eq!(names.len(), cases.len() + 1, "two cases have the same name");
    assert_eq!(found, names);
}

#[test]
fn a_panic_is_a_failure_in_every_case() {
    for case in StoreSuite::new(|| BrokenStore::new(Broken::Panics)).cases() {
        assert_eq!(case.run().unwrap_err().problem, "panicked: listed");
    }
}

#[test]
#[should_panic(expected = "the store given to the suite is not empty")]
fn the_suite_rejects_a_store_that_is_not_empty() {
    let store = || {
        let store = MemoryStore::new();
        store.put("key", Bytes::new(), PutCondition::Always).unwrap();
        store
    };
    StoreSuite::new(store).run();
}

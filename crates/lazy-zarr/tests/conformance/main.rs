//! Runs the suite for file systems on the local file system, and on broken file systems; and the
//! suite for stores.

mod broken;
mod defaults;
mod mistakes;
mod store;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lazy_core::conformance::Case;
use lazy_zarr::conformance::FileSystemSuite;
use lazy_zarr::{FileSystem, LocalFileSystem, MemoryFileSystem};
use tempfile::{TempDir, tempdir, tempdir_in};

use defaults::Defaults;
use mistakes::{Broken, MISTAKES};

#[test]
fn the_local_file_system_conforms() {
    FileSystemSuite::new(|| (LocalFileSystem, tempdir().unwrap())).run();
}

#[test]
fn the_file_system_in_memory_conforms() {
    FileSystemSuite::new(|| (MemoryFileSystem::new(), "/")).run();
    FileSystemSuite::new(|| (MemoryFileSystem::new(), "")).run();
    let below = || {
        let file_system = MemoryFileSystem::new();
        file_system.create_directories(Path::new("/some/where")).unwrap();
        (file_system, "some/where")
    };
    FileSystemSuite::new(below).run();
}

#[test]
fn a_shared_file_system_conforms() {
    FileSystemSuite::new(|| (Arc::new(LocalFileSystem), tempdir().unwrap())).run();
}

#[test]
fn default_operations_conform() {
    FileSystemSuite::new(|| (Defaults, tempdir().unwrap())).run();
}

/// Returns the parent of the directories of broken file systems. It is in memory if possible, since
/// the suite runs many times.
fn parent_of_places() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// Returns the names of the cases that fail for a file system with this mistake.
fn failing(broken: Broken) -> Vec<String> {
    let place = move || -> (Broken, TempDir) { (broken, tempdir_in(parent_of_places()).unwrap()) };
    let cases = FileSystemSuite::new(place).cases();
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
    let cases = FileSystemSuite::new(|| (LocalFileSystem, tempdir().unwrap())).cases();
    let names: BTreeSet<_> = cases.iter().map(Case::name).chain(["..."]).collect();
    assert_eq!(names.len(), cases.len() + 1, "two cases have the same name");
    assert_eq!(found, names);
}

#[test]
fn a_panic_is_a_failure_in_every_case() {
    let cases = FileSystemSuite::new(|| (Broken::Panics, tempdir().unwrap())).cases();
    for case in cases {
        assert_eq!(case.run().unwrap_err().problem, "panicked: listed");
    }
}

#[test]
#[should_panic(expected = "the directory given to the suite is not empty")]
fn the_suite_rejects_a_directory_that_is_not_empty() {
    let place = || {
        let directory = tempdir().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        (LocalFileSystem, directory)
    };
    FileSystemSuite::new(place).run();
}

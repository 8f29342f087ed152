//! The directory of a plan, which each worker renames that begins to publish the array.

use std::fs::rename;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::zarr::{FileSystem, LocalFileSystem, Target};
use lazy_chunks::{Outcome, Workers, report};
use lazy_tests::{HookedFileSystem, SharedWrite, directory_in_memory, names};

/// A worker finishes a plan whose parts are finished. Before its operation number `at`, another
/// worker begins to finish the plan, and ends. Returns false if there are fewer operations.
fn finishes(write: SharedWrite, at: usize) -> bool {
    let directory = directory_in_memory();
    let array = directory.path().join("a.zarr");
    let sequence = write.sequence(|_| {});
    let plan = write.plan(&sequence, vec![write.sink(&array)]).unwrap();
    for part in plan.parts() {
        plan.run(part).unwrap();
    }
    let n_operations = Arc::new(AtomicUsize::new(0));
    let (counter, renamed) = (Arc::clone(&n_operations), array.clone());
    let hooked = HookedFileSystem::new(move |_, _| {
        if counter.fetch_add(1, Ordering::Relaxed) == at {
            rename_plan(&renamed);
        }
    });
    let hooked = Arc::new(hooked.before_all()) as Arc<dyn FileSystem>;
    let sequence = write.sequence(|block| panic!("block {block} is computed again"));
    let context = |problem: &dyn ToString| format!("{write:?}, {at}: {}", problem.to_string());
    let plan = write.plan(&sequence, vec![write.sink(Target::on(hooked, &array))]);
    let plan = plan.unwrap_or_else(|error| panic!("{}", context(&report(&error))));
    match plan.work(&Workers::alone()) {
        Ok(Outcome::Finished { output, .. }) => write.assert_output(&output),
        Ok(outcome) => panic!("{}", context(&format!("{outcome:?}"))),
        Err(error) => panic!("{}", context(&report(&error))),
    }
    assert!(!names(&array).iter().any(|name| name.starts_with(".lazy.")), "{}", context(&""));
    n_operations.load(Ordering::Relaxed) > at
}

/// Renames the directory of a plan, unless a worker holds it.
fn rename_plan(array: &Path) {
    let number = |name: &String| name.strip_prefix(".lazy.")?.parse::<u64>().ok();
    let Some(number) = names(array).iter().find_map(number) else { return };
    let path = |number| -> PathBuf { array.join(format!(".lazy.{number}")) };
    // A worker that publishes the array removes the lock last.
    if let Ok(_lock) = LocalFileSystem.lock(&path(number).join("lock")) {
        rename(path(number), path(number + 1)).unwrap();
    }
}

#[test]
fn workers_find_the_plan_wherever_it_is_renamed_to() {
    let write =
        SharedWrite { version: 1, shares_chunks: false, is_flushed: false, replaces: false };
    let mut at = 0;
    while finishes(write, at) {
        at += 1;
    }
    assert!(at > 50, "there were only {at} operations");
}

//! Workers that share a write, and a power failure at any moment, which may lose any unflushed
//! change: the target is the old array or the new one, and no finished part is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lazy_chunks::zarr::{Durability, EntryKind, FileSystem, StoredArray, Target, UnfinishedWrite};
use lazy_chunks::{LazyChunkSequence, NestedLazyChunkSequence, Outcome, Plan, Workers, report};
use lazy_tests::{Case, SharedOutput, SharedWrite, VolatileFileSystem, case, chooser};
use proptest::prelude::*;

/// A write that workers share, and its target.
#[derive(Clone, Copy, Debug)]
struct Course {
    /// The number of existing versions of the array.
    n_versions: u64,
    can_sync_all: bool,
    /// True if the array is a member of a group. The group exists if the array does.
    in_group: bool,
    shares_chunks: bool,
}

/// The version that the workers store.
const NEW: u64 = 10;

type Volatile = Arc<VolatileFileSystem>;

impl Course {
    fn all() -> impl Iterator<Item = Course> {
        (0..24).map(|bits| Course {
            n_versions: [0, 1, 4][bits % 3],
            can_sync_all: (bits / 3) % 2 == 1,
            in_group: (bits / 6) % 2 == 1,
            shares_chunks: bits / 12 == 1,
        })
    }

    fn of_version(self, version: u64) -> SharedWrite {
        SharedWrite { version, shares_chunks: self.shares_chunks, is_flushed: true, replaces: true }
    }

    fn array(self) -> &'static Path {
        Path::new(if self.in_group { "/data/below/a.zarr/values" } else { "/data/below/a.zarr" })
    }

    fn target(self, file_system: &Volatile) -> Target {
        let target = Target::on(Arc::clone(file_system), "/data/below/a.zarr");
        if self.in_group { target.member("values") } else { target }
    }

    /// Returns a file system with the versions that exist before.
    fn file_system(self) -> Volatile {
        let file_system = VolatileFileSystem::new();
        let file_system = Arc::new(if self.can_sync_all {
            file_system
        } else {
            file_system.without_sync_of_all()
        });
        for version in 0..self.n_versions {
            self.work(&file_system, version, |_| {}).unwrap();
        }
        file_system
    }

    /// Lets one worker compute and publish a version.
    fn work(
        self,
        file_system: &Volatile,
        version: u64,
        before: impl Fn(usize) + Send + Sync,
    ) -> lazy_chunks::Result<Outcome<SharedOutput>> {
        let write = self.of_version(version);
        let sequence = write.sequence(before);
        let sinks = vec![write.sink(self.target(file_system))];
        write.plan(&sequence, sinks)?.work(&Workers::alone())
    }

    /// Lets one worker run. Asserts that it computes no block of a part that is finished.
    fn work_on_the_rest(
        self,
        file_system: &Volatile,
        context: &str,
    ) -> lazy_chunks::Result<Outcome<SharedOutput>> {
        let finished = match self.found(file_system, context) {
            Some(NEW) => (0..3).collect(),
            _ => finished_parts(file_system, self.array()),
        };
        let computed = Mutex::new(BTreeSet::new());
        let count = |block| {
            computed.lock().unwrap().insert(block);
        };
        let outcome = self.work(file_system, NEW, count);
        let computed = computed.into_inner().unwrap();
        for part in finished {
            let mut blocks = self.of_version(NEW).parts()[part].clone();
            let is_again = blocks.any(|block| computed.contains(&block));
            assert!(!is_again, "{context}: the finished part {part} is computed again");
        }
        outcome
    }

    /// Returns the version at the target, which must be complete.
    fn found(self, file_system: &Volatile, context: &str) -> Option<u64> {
        let stored = match StoredArray::open(self.target(file_system)) {
            Ok(stored) => stored,
            Err(error) if report(&error).ends_with(" does not exist") => return None,
            Err(error) => panic!("{context}: {}", report(&error)),
        };
        let read = stored.read().unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
        let mut versions = [NEW].into_iter().chain(self.n_versions.checked_sub(1));
        let version = versions.find(|version| self.of_version(*version).array() == read);
        assert!(version.is_some(), "{context}: the array is neither the old nor the new one");
        version
    }

    /// Makes the power fail before each operation in turn, and once more during the next run.
    /// Returns the number of operations.
    fn fail_everywhere(self, seed: u64) -> usize {
        let start = self.file_system();
        let undisturbed = Arc::new(start.after_power_loss(|end| end - 1));
        self.work(&undisturbed, NEW, |_| {}).unwrap();
        let expected = files(&*undisturbed, Path::new("/"));
        let old = self.n_versions.checked_sub(1);
        for n in 0.. {
            let context = format!("{self:?}, seed {seed}, failure {n}");
            let mut choose = chooser(seed ^ n as u64);
            let file_system = Arc::new(start.after_power_loss(|end| end - 1));
            file_system.fail_at(n);
            let worked = self.work(&file_system, NEW, |_| {});
            let n_changes = file_system.n_changes();
            let mut after = Arc::new(file_system.after_power_loss(&mut choose));
            let found = self.found(&after, &context);
            let is_right = found == Some(NEW) || worked.is_err() && found == old;
            assert!(is_right, "{context}: {worked:?}, but {found:?}");

            after.fail_at(choose(120));
            let _ = self.work_on_the_rest(&after, &context);
            after = Arc::new(after.after_power_loss(&mut choose));
            let again = self.found(&after, &context);
            assert!(again == Some(NEW) || again == old && found == old, "{context}: {again:?}");

            let outcome = self.work_on_the_rest(&after, &context);
            let outcome = outcome.unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
            let is_publisher = self.of_version(NEW).assert_published(&outcome);
            assert_eq!(is_publisher, again != Some(NEW), "{context}");
            self.of_version(NEW).assert_stored(self.target(&after));
            let left = UnfinishedWrite::list(self.target(&after)).unwrap();
            assert_eq!(left, [], "{context}");
            assert_eq!(files(&*after, Path::new("/")), expected, "{context}");
            if n_changes <= n {
                assert!(worked.is_ok());
                return n;
            }
        }
        unreachable!("the write ends")
    }
}

/// A device that fails to write keeps what programs read in memory, and reports the failure once. So
/// whatever a worker could not flush is stored again, and a published array is flushed again.
#[test]
fn chunks_that_could_not_be_flushed_are_stored_again() {
    let mut n_losses = 0;
    for (n_versions, can_sync_all) in [(0, true), (0, false), (1, false)] {
        let course = Course { n_versions, can_sync_all, in_group: false, shares_chunks: true };
        let start = course.file_system();
        for n in 0.. {
            let context = format!("{course:?}, loss {n}");
            let file_system = Arc::new(start.after_power_loss(|end| end - 1));
            file_system.lose_at(n);
            let worked = course.work(&file_system, NEW, |_| {});
            if file_system.n_flushes() <= n {
                assert!(worked.is_ok(), "{context}");
                break;
            }
            let is_published = course.found(&file_system, &context) == Some(NEW);
            let again = course.work(&file_system, NEW, |_| {});
            let again = again.unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
            assert_eq!(course.of_version(NEW).assert_published(&again), !is_published, "{context}");
            let after = Arc::new(file_system.after_power_loss(|_| 0));
            assert_eq!(course.found(&after, &context), Some(NEW), "{context}");
            n_losses += 1;
        }
    }
    println!("{n_losses} flushes that failed");
}

/// Returns the files below a directory.
fn files(file_system: &dyn FileSystem, directory: &Path) -> BTreeMap<PathBuf, Bytes> {
    let mut files = BTreeMap::new();
    for name in file_system.list(directory).unwrap() {
        let path = directory.join(name);
        match file_system.kind(&path).unwrap() {
            Some(EntryKind::Directory) => files.extend(self::files(file_system, &path)),
            _ => drop(files.insert(path.clone(), file_system.read(&path, 0, None).unwrap())),
        }
    }
    files
}

/// Returns the numbers of the finished parts of a plan.
fn finished_parts(file_system: &dyn FileSystem, array: &Path) -> BTreeSet<usize> {
    if file_system.kind(array).unwrap().is_none() {
        return BTreeSet::new();
    }
    let is_staging = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(".lazy.");
    let staging: Vec<_> = file_system.list(array).unwrap().into_iter().filter(is_staging).collect();
    assert!(staging.len() <= 1, "{staging:?}");
    let records = staging.iter().filter_map(|staging| {
        let directory = array.join(staging).join("done");
        file_system.list(&directory).ok()
    });
    records.flatten().map(|name| name.to_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn a_power_failure_loses_no_finished_part() {
    let mut n_failures = 0;
    for (n_versions, can_sync_all) in [(0, true), (1, false)] {
        let course =
            Course { n_versions, can_sync_all, in_group: n_versions == 0, shares_chunks: true };
        let n_operations = course.fail_everywhere(7);
        // The plan, three parts with their chunks and records, and publishing.
        assert!(n_operations > 10 + 3 * 12 + 6 + 10, "{n_operations}");
        n_failures += n_operations;
    }
    println!("{n_failures} moments at which the power failed");
}

#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn a_power_failure_loses_no_finished_part_in_every_course() {
    let n_failures: usize = Course::all().map(|course| course.fail_everywhere(7)).sum();
    println!("{n_failures} moments at which the power failed");
}

/// Lets one worker compute and publish a case, and counts the blocks that it computes.
fn work(
    case: &Case,
    n_parts: usize,
    file_system: &Volatile,
    computed: &AtomicUsize,
) -> lazy_chunks::Result<()> {
    let target = Target::on(Arc::clone(file_system), "/data/a.zarr");
    let sink = case.sink(target).with_durability(Durability::Full).with_resume("the job");
    let (dtype, row_shape) = (case.dtype, case.shape()[1..].to_vec());
    let block = |i: usize, j: usize| {
        computed.fetch_add(1, Ordering::Relaxed);
        case.block(i, j)
    };
    let workers = Workers::alone();
    match case.columns.clone() {
        None => {
            let sequence = LazyChunkSequence::from_fn(case.rows.clone(), |i| block(i, 0))
                .with_row_type(dtype, row_shape);
            Plan::of(&sequence, sink).with_parts(n_parts).create()?.work(&workers).map(drop)
        }
        Some(columns) => {
            let sequence = NestedLazyChunkSequence::from_fn(case.rows.clone(), columns, block)
                .with_row_type(dtype, row_shape);
            Plan::of(&sequence, sink).with_parts(n_parts).create()?.work(&workers).map(drop)
        }
    }
}

proptest! {
    #[test]
    #[ignore = "slow: `cargo xtask properties` runs it"]
    fn power_failures_lose_no_finished_part(
        course in prop::sample::select(Course::all().collect::<Vec<_>>()),
        seed in any::<u64>(),
    ) {
        course.fail_everywhere(seed);
    }

    /// Arrays of any shape and any parts, and several failures, one after the other.
    #[test]
    fn an_array_of_any_shape_survives_power_failures(
        case in case(),
        n_parts in 1..6_usize,
        can_sync_all: bool,
        failures in prop::collection::vec(0..300_usize, 1..5),
        seed: u64,
    ) {
        let mut choose = chooser(seed);
        let file_system = VolatileFileSystem::new();
        let mut file_system = Arc::new(if can_sync_all {
            file_system
        } else {
            file_system.without_sync_of_all()
        });
        let computed = AtomicUsize::new(0);
        for at in failures {
            file_system.fail_at(at);
            let worked = work(&case, n_parts, &file_system, &computed);
            file_system = Arc::new(file_system.after_power_loss(&mut choose));
            if worked.is_ok() {
                let stored = StoredArray::open(Target::on(Arc::clone(&file_system), "/data/a.zarr"));
                prop_assert_eq!(stored.unwrap().read().unwrap(), case.array());
            }
        }
        let worked = work(&case, n_parts, &file_system, &computed);
        prop_assert!(worked.is_ok(), "{}", report(&worked.unwrap_err()));
        let stored = StoredArray::open(Target::on(Arc::clone(&file_system), "/data/a.zarr")).unwrap();
        prop_assert_eq!(stored.read().unwrap(), case.array());
        prop_assert_eq!(stored.verify().count(), 0);
        let names: Vec<_> = file_system.list(Path::new("/data/a.zarr")).unwrap();
        prop_assert!(names.iter().all(|name| !name.to_string_lossy().starts_with(".lazy")));
    }
}

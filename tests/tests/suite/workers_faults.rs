//! Workers that share a write on a file system that fails at any operation: the target is the old
//! array or the new one, finished parts stay finished, and another worker completes the write.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lazy_chunks::zarr::{Error, StoredArray, Superseded, Target, UnfinishedWrite, WriteState};
use lazy_chunks::{Outcome, Workers, report};
use lazy_tests::{
    Fault, FaultyFileSystem, SharedOutput, SharedWrite, directory_in_memory, files, finished_parts,
    names,
};

/// The target of a write, and what is there before.
#[derive(Clone, Copy, Debug)]
struct Course {
    /// The number of existing versions of the array.
    n_versions: u64,
    /// True if the array is a member of a group. The group exists if the array does.
    in_group: bool,
    shares_chunks: bool,
    /// True if a second sink stores the array in the same group as well.
    has_second: bool,
}

/// The version that the workers store.
const NEW: u64 = 10;

const FAIL: fn(usize) -> Fault = |n| Fault { change: Some(n), ..Fault::default() };

/// The operations that fail, one in each run.
#[derive(Clone, Copy)]
struct Points {
    first: usize,
    step: usize,
}

impl Points {
    const ALL: Points = Points { first: 0, step: 1 };
}

type Faulty = Arc<FaultyFileSystem>;
type Files = Vec<(PathBuf, Vec<u8>)>;
type Outcomes = lazy_chunks::Result<Outcome<SharedOutput>>;

impl Course {
    fn all() -> impl Iterator<Item = Course> {
        let courses = (0..24).map(|bits| Course {
            n_versions: [0, 1, 4][bits % 3],
            in_group: (bits / 3) % 2 == 1,
            shares_chunks: (bits / 6) % 2 == 1,
            has_second: bits / 12 == 1,
        });
        courses.filter(|course| course.in_group || !course.has_second)
    }

    fn write(version: u64, shares_chunks: bool) -> SharedWrite {
        SharedWrite { version, shares_chunks, is_flushed: true, replaces: true }
    }

    fn of_version(self, version: u64) -> SharedWrite {
        Course::write(version, self.shares_chunks)
    }

    /// Returns the targets of the sinks below a directory.
    fn targets(self, file_system: Option<&Faulty>, directory: &Path) -> Vec<Target> {
        let path = directory.join("below/a.zarr");
        let root = match file_system {
            Some(file_system) => Target::on(Arc::clone(file_system), path),
            None => Target::from(path),
        };
        match (self.in_group, self.has_second) {
            (false, _) => vec![root],
            (true, false) => vec![root.member("values")],
            (true, true) => vec![root.member("values"), root.member("others")],
        }
    }

    /// Returns the directories of the arrays.
    fn arrays(self, directory: &Path) -> Vec<PathBuf> {
        let targets = self.targets(None, directory);
        targets.iter().map(|target| target.to_string().into()).collect()
    }

    /// Stores the versions that exist before.
    fn set_up(self, directory: &Path) {
        for version in 0..self.n_versions {
            self.work(None, directory, version, |_| {}).unwrap();
        }
    }

    /// Lets one worker compute and publish a version.
    fn work(
        self,
        file_system: Option<&Faulty>,
        directory: &Path,
        version: u64,
        before: impl Fn(usize) + Send + Sync,
    ) -> Outcomes {
        let write = self.of_version(version);
        let sequence = write.sequence(before);
        let targets = self.targets(file_system, directory).into_iter();
        let sinks = targets.map(|target| write.sink(target)).collect();
        write.plan(&sequence, sinks)?.work(&Workers::alone())
    }

    /// Lets one worker compute the first parts of the new version.
    fn run_parts(self, directory: &Path, n_parts: usize) {
        let write = self.of_version(NEW);
        let sequence = write.sequence(|_| {});
        let targets = self.targets(None, directory).into_iter();
        let plan = write.plan(&sequence, targets.map(|target| write.sink(target)).collect());
        let plan = plan.unwrap();
        for part in &plan.parts()[..n_parts] {
            plan.run(part).unwrap();
        }
    }

    /// Returns the versions at the targets, which must be complete.
    fn found(self, directory: &Path) -> Vec<Option<u64>> {
        let found = |target| {
            let stored = match StoredArray::open(target) {
                Ok(stored) => stored,
                Err(error) if report(&error).ends_with(" does not exist") => return None,
                Err(error) => panic!("{}", report(&error)),
            };
            let read = stored.read().unwrap();
            let mut versions = [NEW].into_iter().chain(self.n_versions.checked_sub(1));
            let version = versions.find(|version| self.of_version(*version).array() == read);
            assert!(version.is_some(), "{self:?}: the array is neither the old nor the new one");
            version
        };
        self.targets(None, directory).into_iter().map(found).collect()
    }

    /// Returns the files before, and after a write that is not disturbed.
    fn reference(self) -> (Files, Files) {
        let directory = directory_in_memory();
        self.set_up(directory.path());
        let start = files(directory.path());
        self.work(None, directory.path(), NEW, |_| {}).unwrap();
        (start, files(directory.path()))
    }

    /// Lets a worker run with a fault at each operation in turn, and another one complete the
    /// write. Returns the number of operations.
    fn with_every_fault(self, fault: fn(usize) -> Fault, at: Points) -> usize {
        let (start, expected) = self.reference();
        for n in (at.first..).step_by(at.step) {
            let directory = directory_in_memory();
            create(directory.path(), &start);
            let context = format!("{self:?}, {:?}", fault(n));
            let file_system = Arc::new(FaultyFileSystem::new(fault(n)));
            let work = || self.work(Some(&file_system), directory.path(), NEW, |_| {});
            let ended = catch_unwind(AssertUnwindSafe(work));
            let n_changes = file_system.n_changes();
            drop(file_system);
            self.check(directory.path(), ended.ok(), fault(n), &context);
            self.check_next(directory.path(), &expected, &context);
            if n_changes <= n {
                return n;
            }
        }
        unreachable!("the write ends")
    }

    /// Checks the targets after a worker has ended. `ended` is `None` if it panicked.
    fn check(self, directory: &Path, ended: Option<Outcomes>, fault: Fault, context: &str) {
        let found = self.found(directory);
        let old = self.n_versions.checked_sub(1);
        let is_old_or_new = |found: &Option<u64>| *found == old || *found == Some(NEW);
        assert!(found.iter().all(is_old_or_new), "{context}: {found:?}");
        let is_published = found.iter().all(|found| *found == Some(NEW));
        match ended {
            // Without locks, a worker whose description could not be replaced counts as running.
            Some(Ok(Outcome::Remaining { status, .. })) => {
                assert!(fault.no_locks && status.finisher().is_some(), "{context}: {status}");
                assert!(!is_published, "{context}");
            }
            Some(Ok(outcome)) => {
                assert!(self.of_version(NEW).assert_published(&outcome), "{context}");
                assert!(is_published, "{context}");
            }
            Some(Err(error)) => {
                let text = report(&error);
                let is_told = if fault.full_from.is_some() {
                    text.contains("no storage space") || text.contains("injected fault")
                } else {
                    text.contains("injected ")
                };
                assert!(is_told, "{context}: {text}");
                let is_told = Error::from(error).is_published();
                let is_any_new = found.contains(&Some(NEW));
                assert!(is_published || !is_told || self.has_second, "{context}: {text}");
                assert!(!is_any_new || is_told || self.has_second, "{context}: {text}");
            }
            None => {}
        }
    }

    /// Checks that the next worker computes what is not finished, and completes the write.
    fn check_next(self, directory: &Path, expected: &Files, context: &str) {
        let found = self.found(directory);
        let (first, is_published) = (found[0], found.iter().all(|found| *found == Some(NEW)));
        let array = self.arrays(directory).remove(0);
        let finished = if first == Some(NEW) {
            // The blocks are read from the array.
            (0..3).collect()
        } else if array.exists() {
            finished_parts(&array)
        } else {
            BTreeSet::new()
        };
        let computed = Mutex::new(BTreeSet::new());
        let count = |block| {
            assert!(computed.lock().unwrap().insert(block), "{context}: {block} is computed twice");
        };
        let outcome = self.work(None, directory, NEW, count);
        let outcome = outcome.unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
        assert_eq!(self.of_version(NEW).assert_published(&outcome), !is_published, "{context}");
        let computed = computed.into_inner().unwrap();
        for part in finished {
            let mut blocks = self.of_version(NEW).parts()[part].clone();
            let is_again = blocks.any(|block| computed.contains(&block));
            assert!(!is_again, "{context}: part {part} is computed again");
        }
        self.check_complete(directory, expected, context);
    }

    /// Checks that the new version is at the targets, and nothing else is left.
    fn check_complete(self, directory: &Path, expected: &Files, context: &str) {
        assert!(self.found(directory).iter().all(|found| *found == Some(NEW)), "{context}");
        let left = UnfinishedWrite::list(directory).unwrap();
        assert_eq!(left, [], "{context}");
        assert_eq!(&files(directory), expected, "{context}");
        assert_eq!(names(directory), ["below"], "{context}");
    }

    /// Finishes a plan from its target alone, with a fault at each operation in turn. Returns the
    /// number of operations.
    fn finish_with_every_fault(self, fault: fn(usize) -> Fault, at: Points) -> usize {
        let (start, expected) = self.reference();
        let whole = directory_in_memory();
        create(whole.path(), &expected);
        for n in (at.first..).step_by(at.step) {
            let directory = directory_in_memory();
            create(directory.path(), &start);
            self.run_parts(directory.path(), 3);
            let context = format!("{self:?}, {:?}", fault(n));
            let file_system = Arc::new(FaultyFileSystem::new(fault(n)));
            let finish = |file_system| -> Result<(), Error> {
                for target in self.targets(file_system, directory.path()) {
                    for write in UnfinishedWrite::list(target)? {
                        match write.state() {
                            WriteState::Shared { .. } => drop(write.finish()?),
                            _ => write.remove()?,
                        }
                    }
                }
                Ok(())
            };
            let ended = catch_unwind(AssertUnwindSafe(|| finish(Some(&file_system))));
            let found = self.found(directory.path())[0];
            let old = self.n_versions.checked_sub(1);
            assert!(found == old || found == Some(NEW), "{context}: {found:?}");
            match ended {
                Ok(Ok(())) => assert_eq!(found, Some(NEW), "{context}"),
                Ok(Err(error)) => {
                    let is_told = error.is_published();
                    assert_eq!(is_told, found == Some(NEW), "{context}: {}", report(&error));
                }
                Err(_) => {}
            }
            for target in self.targets(None, directory.path()) {
                // A worker that ended after it had published its array may have left files.
                for write in UnfinishedWrite::list(target).unwrap() {
                    write.finish().unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
                }
            }
            // The chunks of old versions remain until the next write, if they were not removed.
            let left = files(directory.path());
            assert!(expected.iter().all(|file| left.contains(file)), "{context}");
            for directory in [directory.path(), whole.path()] {
                for old in Superseded::list(directory).unwrap() {
                    old.remove().unwrap();
                }
            }
            self.check_complete(directory.path(), &files(whole.path()), &context);
            if file_system.n_changes() <= n {
                return n;
            }
        }
        unreachable!("the write ends")
    }

    /// Removes an unfinished plan with a fault at each operation in turn. Returns the number of
    /// operations.
    fn remove_with_every_fault(self, fault: fn(usize) -> Fault, at: Points) -> usize {
        let (start, expected) = self.reference();
        for n in (at.first..).step_by(at.step) {
            let directory = directory_in_memory();
            create(directory.path(), &start);
            self.run_parts(directory.path(), 2);
            let context = format!("{self:?}, {:?}", fault(n));
            let file_system = Arc::new(FaultyFileSystem::new(fault(n)));
            let remove = |file_system| -> Result<(), Error> {
                for target in self.targets(file_system, directory.path()) {
                    UnfinishedWrite::list(target)?
                        .into_iter()
                        .try_for_each(UnfinishedWrite::remove)?;
                }
                Ok(())
            };
            let ended = catch_unwind(AssertUnwindSafe(|| remove(Some(&file_system))));
            let old = self.n_versions.checked_sub(1);
            assert_eq!(self.found(directory.path())[0], old, "{context}: {ended:?}");
            if n % 2 == 0 {
                remove(None).unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
                let left = UnfinishedWrite::list(directory.path()).unwrap();
                assert_eq!(left, [], "{context}");
                assert_eq!(files(directory.path()), start, "{context}");
            }
            // Parts whose records remain may have lost their chunks, and are computed again.
            let outcome = self.work(None, directory.path(), NEW, |_| {});
            let outcome = outcome.unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
            assert!(self.of_version(NEW).assert_published(&outcome), "{context}");
            self.check_complete(directory.path(), &expected, &context);
            if file_system.n_changes() <= n {
                return n;
            }
        }
        unreachable!("the removal ends")
    }
}

/// Creates files below a directory.
fn create(directory: &Path, files: &Files) {
    for (path, bytes) in files {
        let path = directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn a_fault_at_any_operation_leaves_the_old_array_or_the_new() {
    for n_versions in [0, 1] {
        let in_group = n_versions == 0;
        let course = Course { n_versions, in_group, shares_chunks: true, has_second: false };
        let n_operations = course.with_every_fault(FAIL, Points::ALL);
        // The plan, three parts with their chunks and records, and publishing.
        assert!(n_operations > 10 + 3 * 12 + 6 + 10, "{n_operations}");
        println!("{n_operations} faults in {course:?}");
        let n_operations = course.finish_with_every_fault(FAIL, Points::ALL);
        assert!(n_operations > 6 + 10, "{n_operations}");
        let n_operations = course.remove_with_every_fault(FAIL, Points::ALL);
        assert!(n_operations > 10, "{n_operations}");
    }
}

#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn any_fault_at_an_operation_of_any_course_leaves_the_old_array_or_the_new() {
    let faults: [fn(usize) -> Fault; 6] = [
        FAIL,
        |n| Fault { change: Some(n), is_done: true, ..Fault::default() },
        |n| Fault { change: Some(n), no_sync_of_all: true, ..Fault::default() },
        |n| Fault { full_from: Some(n), ..Fault::default() },
        |n| Fault { panic: Some(n), ..Fault::default() },
        |n| Fault { change: Some(n), no_locks: true, ..Fault::default() },
    ];
    // Each course has other points.
    const STEP: usize = 8;
    let mut n_operations = [0, 0, 0];
    let courses = Course::all().flat_map(|course| faults.map(|fault| (course, fault)));
    for (i, (course, fault)) in courses.enumerate() {
        let at = Points { first: i % STEP, step: STEP };
        n_operations[0] += course.with_every_fault(fault, at);
        if !course.has_second {
            n_operations[1] += course.finish_with_every_fault(fault, at);
            n_operations[2] += course.remove_with_every_fault(fault, at);
        }
    }
    println!("every {STEP}th of {n_operations:?} operations");
}

//! Workers that are taken for crashed, and continue when another worker has taken over: they change
//! nothing any more, and say so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use lazy_chunks::zarr::{Error, FileSystem, LocalFileSystem, StoredArray, Target, UnfinishedWrite};
use lazy_chunks::{Outcome, PartOutcome, Workers, report};
use lazy_tests::{HookedFileSystem, Machine, SharedWrite, directory_in_memory, is_taken_over};

/// What the workers do.
#[derive(Clone, Copy, Debug)]
struct Course {
    /// True if locks reach all processes of a machine. Otherwise, there are none.
    has_locks: bool,
    /// True if there is an older version, which is replaced.
    replaces: bool,
    /// True if the array is a member of a group. The group exists if the array does.
    in_group: bool,
    shares_chunks: bool,
    is_flushed: bool,
    extent: Extent,
}

/// How far the workers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// The first worker computes a part, and the second one all parts.
    Parts,
    /// Both compute all parts and publish the array.
    All,
}

/// What became of a worker.
#[derive(Debug)]
enum Ended {
    /// It has computed these parts, and published the array if its course includes that.
    Done(BTreeSet<usize>),
    /// The part, or the array, was finished before.
    Before,
    Failed(Error),
}

const NEW: u64 = 10;

impl Course {
    fn of_version(self, version: u64) -> SharedWrite {
        let Course { shares_chunks, is_flushed, replaces, .. } = self;
        SharedWrite { version, shares_chunks, is_flushed, replaces }
    }

    fn machine<F>(self, name: &'static str, files: F) -> Machine<F> {
        let machine = Machine::new(name, files);
        if self.has_locks { machine.with_locks() } else { machine }
    }

    /// Returns the target in a directory.
    fn target(self, file_system: Arc<dyn FileSystem>, directory: &Path) -> Target {
        let target = Target::on(file_system, directory.join("a.zarr"));
        if self.in_group { target.member("values") } else { target }
    }

    /// Lets the first worker run, or the second one, which takes over whatever it finds.
    fn work(
        self,
        file_system: Arc<dyn FileSystem>,
        directory: &Path,
        takes_over: bool,
    ) -> lazy_chunks::Result<Ended> {
        let write = self.of_version(NEW);
        let sequence = write.sequence(|_| {});
        let sink = write.sink(self.target(file_system, directory));
        let sink = if takes_over { sink.with_take_over() } else { sink };
        let plan = write.plan(&sequence, vec![sink])?;
        if self.extent == Extent::All {
            return Ok(match plan.work(&Workers::alone())? {
                Outcome::Finished { parts, output } => {
                    write.assert_output(&output);
                    Ended::Done(parts.iter().map(|report| report.part.number()).collect())
                }
                Outcome::FinishedBefore => Ended::Before,
                outcome => panic!("parts remain: {outcome:?}"),
            });
        }
        let mut done = BTreeSet::new();
        let parts = if takes_over { 0..3 } else { 1..2 };
        for part in &plan.parts()[parts] {
            match plan.run(part)? {
                PartOutcome::Finished(report) => drop(done.insert(report.part.number())),
                PartOutcome::FinishedBefore => {}
                outcome => panic!("{outcome:?}"),
            }
        }
        Ok(if done.is_empty() { Ended::Before } else { Ended::Done(done) })
    }

    /// The first worker pauses before operation number `at`, until a second one has taken over and
    /// ended. Returns false if the first worker has fewer operations.
    fn with_pause_at(self, at: usize) -> bool {
        let directory = directory_in_memory();
        let directory = directory.path();
        let local = || Arc::new(LocalFileSystem) as Arc<dyn FileSystem>;
        if self.replaces {
            let write = self.of_version(1);
            let sequence = write.sequence(|_| {});
            let plan = write.plan(&sequence, vec![write.sink(self.target(local(), directory))]);
            plan.unwrap().work(&Workers::alone()).unwrap();
        }
        let (pause, has_paused) = channel();
        let (go_on, may_go_on) = channel();
        let state = Mutex::new((0, may_go_on));
        let hooked = HookedFileSystem::new(move |operation, path| {
            let mut state = state.lock().unwrap();
            if state.0 == at {
                pause.send(format!("{operation} {}", path.display())).unwrap();
                state.1.recv().unwrap();
            }
            state.0 += 1;
        });
        let first = self.machine("one", hooked.before_all());
        thread::scope(move |scope| {
            let first = scope.spawn(move || self.work(Arc::new(first), directory, false));
            let Ok(paused) = has_paused.recv() else {
                first.join().unwrap().unwrap();
                return false;
            };
            let context = format!("{self:?}, pause {at} at {paused}");
            let second = Arc::new(self.machine("two", LocalFileSystem));
            let second = self.work(second, directory, true);
            let second = second.unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
            let before = entries(directory);
            go_on.send(()).unwrap();
            let first = first.join().unwrap_or_else(|_| panic!("{context}"));
            let array = PathBuf::from(self.target(local(), directory).to_string());
            let is_done = self.check(first, &second, &context);
            let mut differences = difference(&before, &entries(directory));
            differences.retain(|path| {
                let below = path.strip_prefix(&array).unwrap_or(path).to_string_lossy();
                // The second worker may have joined the plan while the first one still held it.
                let is_released = [".lazy.1/holder", ".lazy.1/holder.new"].contains(&&*below);
                // A worker that has finished before it paused removes what it no longer needs.
                let is_own = below.starts_with(".lazy.")
                    && (self.extent == Extent::All || below.contains("/parts."));
                !(is_released || is_done && is_own)
            });
            assert!(differences.is_empty(), "{context}: {differences:?}");

            let third = Course { extent: Extent::All, ..self };
            let third = third.work(local(), directory, false);
            third.unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
            let stored = StoredArray::open(&*array).unwrap();
            assert_eq!(stored.read().unwrap(), self.of_version(NEW).array(), "{context}");
            assert_eq!(stored.verify().count(), 0, "{context}");
            assert_eq!(UnfinishedWrite::list(&*array).unwrap(), [], "{context}");
            true
        })
    }

    /// Checks what became of the first worker. Returns true if it had finished before it paused.
    fn check(self, first: lazy_chunks::Result<Ended>, second: &Ended, context: &str) -> bool {
        let text = first.as_ref().err().map_or_else(String::new, |error| report(error));
        match first.unwrap_or_else(|error| Ended::Failed(error.into())) {
            Ended::Failed(error) => {
                let is_of_part = text.starts_with("another worker has taken over a part of ");
                assert!(is_of_part || is_taken_over(&error), "{context}: {text}");
            }
            Ended::Before => {}
            Ended::Done(of_first) => {
                match second {
                    Ended::Before => {}
                    Ended::Done(of_second) => {
                        let is_apart = of_first.is_disjoint(of_second);
                        assert!(
                            self.extent == Extent::Parts && is_apart,
                            "{context}: {of_first:?}"
                        );
                    }
                    Ended::Failed(error) => panic!("{context}: {error}"),
                }
                return true;
            }
        }
        false
    }
}

/// Returns everything below a directory, by path. A directory has no bytes.
fn entries(directory: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut entries = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            entries.extend(self::entries(&path));
            entries.insert(path, None);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            entries.insert(path, Some(bytes));
        }
    }
    entries
}

/// Returns the paths that two states differ in.
fn difference(
    before: &BTreeMap<PathBuf, Option<Vec<u8>>>,
    after: &BTreeMap<PathBuf, Option<Vec<u8>>>,
) -> Vec<PathBuf> {
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differs = |path: &&&PathBuf| before.get(**path) != after.get(**path);
    paths.iter().filter(differs).map(|path| (*path).clone()).collect()
}

/// Lets a worker pause before one operation in turn: before every `step`th one, from the first one
/// on. Returns the number of operations.
fn pause_everywhere(course: Course, first: usize, step: usize) -> usize {
    // Most of the time is spent waiting.
    const N_AT_ONCE: usize = 16;
    for start in (first..).step_by(N_AT_ONCE * step) {
        let pauses: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..N_AT_ONCE)
                .map(|i| scope.spawn(move || course.with_pause_at(start + i * step)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        if let Some(last) = pauses.iter().position(|has_paused| !has_paused) {
            return start + last * step;
        }
    }
    unreachable!("the worker ends")
}

#[test]
fn a_worker_that_was_taken_over_changes_nothing() {
    for extent in [Extent::Parts, Extent::All] {
        let course = Course {
            has_locks: true,
            replaces: true,
            in_group: false,
            shares_chunks: true,
            is_flushed: true,
            extent,
        };
        println!("{} operations in {course:?}", pause_everywhere(course, 0, 3));
    }
}

#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn a_worker_that_was_taken_over_changes_nothing_in_every_course() {
    // Each course has other points.
    const STEP: usize = 12;
    let mut n_operations = 0;
    for bits in 0..64 {
        let [has_locks, replaces, in_group, shares_chunks, is_flushed, is_of_parts] =
            [1, 2, 4, 8, 16, 32].map(|bit| bits & bit > 0);
        let extent = if is_of_parts { Extent::Parts } else { Extent::All };
        let course = Course { has_locks, replaces, in_group, shares_chunks, is_flushed, extent };
        n_operations += pause_everywhere(course, bits % STEP, STEP);
    }
    println!("every {STEP}th of {n_operations} operations");
}

//! Workers that are taken for crashed, and continue when another worker has taken over: they change
//! nothing any more, and say so unless the array is finished.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ScopedJoinHandle};

use lazy_chunks::zarr::{Error, FileSystem, LocalFileSystem, StoredArray, Target, UnfinishedWrite};
use lazy_chunks::{Outcome, PartOutcome, Workers, report};
use lazy_tests::{HookedFileSystem, Machine, SharedWrite, directory_in_memory};

/// The settings of two workers.
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

/// The part of the plan that the workers compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// The first worker computes a part, and the second one all parts.
    Parts,
    /// Both compute all parts and publish the array.
    All,
}

/// The end of a worker.
#[derive(Debug)]
enum Ended {
    /// It has computed these parts, and published the array if its course includes that.
    Done(BTreeSet<usize>),
    /// The part, or the array, was finished before.
    Before,
    /// Another process has the plan.
    Remaining,
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
                _ => Ended::Remaining,
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
        let (hooked, has_paused, go_on) = pausing(&[at]);
        let first = self.machine("one", hooked);
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

    /// A worker and a process that removes its plan take turns: the worker goes on at operation
    /// number `at` when the other one has begun, for some operations, and then until it ends or has
    /// waited for the other one.
    /// Returns true if both have so many operations.
    fn with_removal_at(self, at: usize, removal_at: [usize; 2]) -> bool {
        const LATER: usize = 25;
        let directory = directory_in_memory();
        let directory = directory.path();
        let (hooked, has_paused, go_on) = pausing(&[at, at + LATER, at + 3 * LATER]);
        let (removing, removal_has_paused, removal_goes_on) = pausing(&removal_at);
        let first = self.machine("one", hooked);
        let removing = self.target(Arc::new(self.machine("two", removing)), directory);
        let array = removing.to_string();
        thread::scope(|scope| {
            let first = scope.spawn(move || self.work(Arc::new(first), directory, false));
            let mut is_between = has_paused.recv().is_ok();
            let context = format!("{self:?}, pauses {at}, {removal_at:?}");
            let removal = (is_between && Path::new(&array).exists()).then(|| {
                scope.spawn(|| {
                    let writes = UnfinishedWrite::list(removing)?;
                    writes.into_iter().try_for_each(UnfinishedWrite::remove)
                })
            });
            is_between &= removal.is_some() && removal_has_paused.recv().is_ok();
            let _ = go_on.send(());
            is_between &= has_paused.recv().is_ok();
            let _ = removal_goes_on.send(());
            is_between &= removal_has_paused.recv().is_ok();
            let _ = go_on.send(());
            let _ = has_paused.recv();
            let _ = removal_goes_on.send(());
            let removed = removal.map(ScopedJoinHandle::join);
            // The worker fails, or starts anew, or had finished.
            let _ = go_on.send(());
            let first = first.join();
            assert!(first.is_ok() && !matches!(removed, Some(Err(_))), "{context}");
            let next = Course { extent: Extent::All, ..self };
            let next = next.work(Arc::new(LocalFileSystem), directory, true);
            next.unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
            self.of_version(NEW).assert_stored(&*array);
            assert_eq!(UnfinishedWrite::list(&*array).unwrap(), [], "{context}");
            is_between
        })
    }

    /// Checks what became of the first worker. Returns true if it had finished before it paused.
    fn check(self, first: lazy_chunks::Result<Ended>, second: &Ended, context: &str) -> bool {
        let text = first.as_ref().err().map_or_else(String::new, |error| report(error));
        match first.unwrap_or_else(|error| Ended::Failed(error.into())) {
            Ended::Failed(error) => {
                let is_of_part = text.starts_with("another worker has taken over a part of ");
                assert!(self.extent == Extent::Parts && is_of_part, "{context}: {text}; {error:?}");
            }
            Ended::Before => {}
            Ended::Remaining => panic!("{context}: parts remain"),
            Ended::Done(of_first) => {
                match second {
                    Ended::Remaining => panic!("{context}: parts remain"),
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

/// Returns a file system that pauses before operations with these numbers, a receiver of their
/// names, and a sender to go on.
fn pausing(at: &[usize]) -> (HookedFileSystem, Receiver<String>, Sender<()>) {
    let (pause, has_paused) = channel();
    let (go_on, may_go_on) = channel();
    let (at, state) = (at.to_vec(), Mutex::new((0, may_go_on)));
    let hooked = HookedFileSystem::new(move |operation, path| {
        let mut state = state.lock().unwrap();
        if at.contains(&state.0) {
            pause.send(format!("{operation} {}", path.display())).unwrap();
            state.1.recv().unwrap();
        }
        state.0 += 1;
    });
    (hooked.before_all(), has_paused, go_on)
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

/// A plan is removed while a worker stores its parts: the next write succeeds, whatever the two have
/// left.
#[test]
fn a_plan_that_is_removed_during_a_write_is_in_the_way_of_nothing() {
    let course = Course {
        has_locks: false,
        replaces: false,
        in_group: false,
        shares_chunks: true,
        is_flushed: false,
        extent: Extent::All,
    };
    let mut n_turns = 0;
    for at in (40..300).step_by(10) {
        // Most of the time is spent waiting.
        n_turns += thread::scope(|scope| {
            let trial = |i: usize| {
                let removal_at = [i, i + 4 + at / 10 % 4 * 4];
                scope.spawn(move || usize::from(course.with_removal_at(at, removal_at)))
            };
            let trials: Vec<_> = (at / 10 % 3..60).step_by(3).map(trial).collect();
            trials.into_iter().map(|trial| trial.join().unwrap()).sum::<usize>()
        });
    }
    assert!(n_turns > 40, "{n_turns}");
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

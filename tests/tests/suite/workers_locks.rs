//! Workers on file systems with locks, without them, and with locks that reach one machine only.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use lazy_chunks::zarr::{FileSystem, LocalFileSystem, Target, UnfinishedWrite};
use lazy_chunks::{ErrorKind, Outcome, PartOutcome, Workers, report};
use lazy_tests::{Machine, SharedWrite, directory_in_memory};

/// The processes that the locks of a file system exclude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Locks {
    All,
    Machine,
    None,
}

const WRITE: SharedWrite =
    SharedWrite { version: 10, shares_chunks: true, is_flushed: false, replaces: false };

impl Locks {
    /// Returns the file system as another machine sees it.
    fn machine(self, name: &'static str) -> Arc<dyn FileSystem> {
        match self {
            Locks::All => Arc::new(LocalFileSystem),
            Locks::Machine => Arc::new(Machine::new(name, LocalFileSystem).with_locks()),
            Locks::None => Arc::new(Machine::new(name, LocalFileSystem)),
        }
    }
}

/// Returns the target as another machine sees it.
fn target(locks: Locks, machine: &'static str, directory: &Path) -> Target {
    Target::on(locks.machine(machine), directory.join("a.zarr"))
}

fn assert_complete(directory: &Path) {
    WRITE.assert_stored(directory.join("a.zarr"));
    assert_eq!(UnfinishedWrite::list(directory).unwrap(), []);
}

/// Two workers run the same part at the same time.
#[test]
fn two_workers_at_one_part_do_no_harm() {
    for (locks, takes_over) in [
        (Locks::All, false),
        (Locks::All, true),
        (Locks::Machine, false),
        (Locks::Machine, true),
        (Locks::None, false),
        (Locks::None, true),
    ] {
        let context = format!("{locks:?}, takes over: {takes_over}");
        let directory = directory_in_memory();
        let directory = directory.path();
        let (pause, has_paused) = channel();
        let (go_on, may_go_on) = channel();
        let hold = Mutex::new((pause, may_go_on));
        let blocks_of = |who: usize, computed: &Mutex<Vec<(usize, usize)>>, block: usize| {
            computed.lock().unwrap().push((who, block));
        };
        let computed = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                let sequence = WRITE.sequence(|block| {
                    blocks_of(0, &computed, block);
                    // The second block of the part.
                    if block == 2 {
                        let hold = hold.lock().unwrap();
                        hold.0.send(()).unwrap();
                        hold.1.recv().unwrap();
                    }
                });
                let sink = WRITE.sink(target(locks, "one", directory));
                let plan = WRITE.plan(&sequence, vec![sink]).unwrap();
                plan.run(&plan.parts()[1])
            });
            has_paused.recv().unwrap();
            let sequence = WRITE.sequence(|block| blocks_of(1, &computed, block));
            let sink = WRITE.sink(target(locks, "two", directory));
            let sink = if takes_over { sink.with_take_over() } else { sink };
            let plan = WRITE.plan(&sequence, vec![sink]).unwrap();
            let part = &plan.parts()[1];
            let second = plan.run(part).unwrap();
            let status = plan.status().unwrap();
            go_on.send(()).unwrap();
            let first = first.join().unwrap();
            let is_taken = takes_over && locks != Locks::All;
            if is_taken {
                assert!(matches!(second, PartOutcome::Finished(_)), "{context}: {second:?}");
                let error = first.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unfinished, "{context}: {}", report(&error));
            } else {
                assert!(matches!(first, Ok(PartOutcome::Finished(_))), "{context}: {first:?}");
                let PartOutcome::Held(holder) = second else { panic!("{context}: {second:?}") };
                assert_eq!(holder.is_certain(), locks == Locks::All, "{context}: {holder}");
                let taken: Vec<_> = status.taken().iter().map(|(part, _)| *part).collect();
                assert_eq!(taken, [1], "{context}");
            }
            let again = plan.run(part).unwrap();
            assert!(matches!(again, PartOutcome::FinishedBefore), "{context}: {again:?}");
            // The second worker computes what the first one has not stored, or nothing.
            let by_second: Vec<_> = {
                let computed = computed.lock().unwrap();
                computed.iter().filter(|(who, _)| *who == 1).map(|(_, block)| *block).collect()
            };
            let is_right = if is_taken { by_second.ends_with(&[2]) } else { by_second.is_empty() };
            assert!(is_right, "{context}: {by_second:?}");
            assert!(WRITE.assert_published(&plan.work(&Workers::alone()).unwrap()), "{context}");
        });
        assert_complete(directory);
    }
}

/// If locks do not tell which workers have ended, each worker computes its own share alone, and
/// continues it after a restart.
#[test]
fn workers_without_locks_compute_their_own_shares() {
    for locks in [Locks::Machine, Locks::None] {
        let directory = directory_in_memory();
        let directory = directory.path();
        let machines = ["one", "two", "three"];
        let work = |worker: usize, computed: &Mutex<Vec<usize>>, fails_at: Option<usize>| {
            let sequence = WRITE.sequence(|block| {
                assert_ne!(Some(block), fails_at, "the worker is stopped");
                computed.lock().unwrap().push(block);
            });
            let sink = WRITE.sink(target(locks, machines[worker], directory));
            let plan = WRITE.plan(&sequence, vec![sink])?;
            plan.work(&Workers::new(worker, 3)?)
        };
        for (worker, remaining) in [(1, vec![0, 2]), (2, vec![0])] {
            let computed = Mutex::default();
            // The second block of the share of worker 1.
            let stopped = work(worker, &computed, (worker == 1).then_some(2));
            if worker == 1 {
                assert_eq!(stopped.unwrap_err().kind(), ErrorKind::ProducerPanicked);
                // It has ended, but others cannot tell.
                let outcome = work(0, &Mutex::default(), Some(0));
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ProducerPanicked);
            }
            let outcome = work(worker, &computed, None).unwrap();
            let Outcome::Remaining { parts, status } = outcome else { panic!("{outcome:?}") };
            let done: Vec<_> = parts.iter().map(|report| report.part.number()).collect();
            assert_eq!(done, if worker == 1 { vec![1] } else { vec![] }, "{locks:?}");
            let is_missing = |part: &usize| !status.finished().contains(part);
            assert_eq!((0..3).filter(is_missing).collect::<Vec<_>>(), remaining, "{locks:?}");
            let computed: BTreeSet<_> = computed.into_inner().unwrap().into_iter().collect();
            assert_eq!(computed, WRITE.parts()[worker].clone().collect(), "{locks:?}");
        }
        let computed = Mutex::default();
        assert!(WRITE.assert_published(&work(0, &computed, None).unwrap()));
        assert_eq!(*computed.lock().unwrap(), [0]);
        assert!(!WRITE.assert_published(&work(1, &computed, None).unwrap()));
        assert_complete(directory);
    }
}

/// A worker that does not know its share says so before it computes a block, unless locks tell
/// which parts are free.
#[test]
fn a_worker_without_a_share_needs_locks() {
    const VARIABLE: &str = "JOB_COMPLETION_INDEX";
    if std::env::var_os(VARIABLE).is_none() {
        let name = "workers_locks::a_worker_without_a_share_needs_locks";
        let output = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact"])
            .env(VARIABLE, "1")
            .env_remove("LAZY_WORKER")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let workers = Workers::from_env().unwrap();
    assert_eq!((workers.index(), workers.count()), (1, None));
    for locks in [Locks::Machine, Locks::None, Locks::All] {
        let directory = directory_in_memory();
        let directory = directory.path();
        let sequence = WRITE.sequence(|_| assert_eq!(locks, Locks::All, "a block is computed"));
        let sink = WRITE.sink(target(locks, "one", directory));
        let plan = WRITE.plan(&sequence, vec![sink]).unwrap();
        let outcome = plan.work(&workers);
        if locks == Locks::All {
            assert!(WRITE.assert_published(&outcome.unwrap()));
            assert_complete(directory);
        } else {
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Workers, "{}", report(&error));
        }
    }
}

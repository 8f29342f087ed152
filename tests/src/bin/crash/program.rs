//! The program that is killed: a write, with statistics in the same pass, or a worker of a plan.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use lazy_chunks::zarr::{
    Durability, Error, Existing, FileSystem, OldChunks, Superseded, Target, UnfinishedWrite,
    ZarrSink,
};
use lazy_chunks::{
    ArgMax, ArrayBlock, MeanVariance, NestedLazyChunkSequence, Summary, TopK, report,
};
use lazy_tests::{Failpoint, KillingFileSystem, Operation};
use serde::{Deserialize, Serialize};

use crate::array::{FILE_SHAPE, INNER_SHAPE, NEW};
use crate::course::{Course, Flush};
use crate::workers::Worker;

/// The task of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) action: Action,
    pub(crate) course: Course,
    /// The directory of the target.
    pub(crate) directory: PathBuf,
    /// The file in which each computed block is recorded.
    pub(crate) log: PathBuf,
    /// The version to write.
    pub(crate) version: u64,
    pub(crate) n_threads: usize,
    pub(crate) failpoint: Option<Failpoint>,
    /// An operation, and the length of the pause before it.
    pub(crate) pause: Option<(usize, Duration)>,
    /// The operation before which the process stops until it receives SIGCONT.
    pub(crate) stop: Option<usize>,
    /// The time that each block takes.
    pub(crate) block_time: Duration,
    /// A failure of the producer, and the number of the computed block at which it occurs.
    pub(crate) trouble: Option<(Trouble, usize)>,
}

/// The action of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Action {
    Write,
    /// Works on the plan of the array.
    Work(Worker),
    /// Removes the remains of interrupted writes.
    RemoveUnfinished,
    /// Removes the chunks of replaced versions.
    RemoveSuperseded,
}

/// A failure of a producer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Trouble {
    /// The producer returns an error.
    Error,
    /// The producer panics.
    Panic,
    /// The producer waits until the program's input ends; then an observer stops the evaluation.
    Cancellation,
    /// The producer waits until the process is killed.
    Wait,
    /// A directory becomes read-only.
    Withdrawal(PathBuf),
}

/// The report of a program that is not killed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) operations: Vec<Operation>,
    /// The statistics, or the error.
    pub(crate) outcome: Result<String, Failure>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// The name of the error's kind.
    pub(crate) kind: String,
    pub(crate) message: String,
}

static IS_STOPPED: AtomicBool = AtomicBool::new(false);

/// Runs the program. The task is in JSON.
pub(crate) fn run(task: &str) -> Result<()> {
    let task: Task = serde_json::from_str(task).context("the task is not valid")?;
    let file_system = KillingFileSystem::new(task.failpoint);
    let file_system = match task.pause {
        Some((operation, time)) => file_system.with_pause(operation, time),
        None => file_system,
    };
    let file_system = match task.stop {
        Some(operation) => file_system.with_stop(operation),
        None => file_system,
    };
    let file_system = Arc::new(match task.course.flush {
        Flush::Each => file_system.without_sync_of_all(),
        Flush::AtOnce | Flush::Never => file_system,
    });
    let seen: Arc<dyn FileSystem> = match task.action {
        Action::Work(worker) => worker.file_system(Arc::clone(&file_system)),
        _ => Arc::clone(&file_system) as Arc<_>,
    };
    let target = task
        .course
        .target(|outermost| Target::on(Arc::clone(&seen), task.directory.join(outermost)));
    let outcome = match task.action {
        Action::Write => task.write(target),
        Action::Work(worker) => worker.work(&task, target),
        Action::RemoveUnfinished => remove_unfinished(target).map_err(|error| Failure::of(&error)),
        Action::RemoveSuperseded => remove_superseded(target).map_err(|error| Failure::of(&error)),
    };
    let mut operations = file_system.operations();
    for operation in &mut operations {
        // Relative paths make the operations of equal writes equal, wherever they run.
        if let Ok(below) = operation.path.strip_prefix(&task.directory) {
            operation.path = below.to_owned();
        }
    }
    let report = Report { operations, outcome };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// Returns the resume key of a version.
pub(crate) fn job(version: u64) -> String {
    format!("version {version}")
}

fn remove_unfinished(target: Target) -> Result<String, Error> {
    UnfinishedWrite::list(target)?.into_iter().try_for_each(UnfinishedWrite::remove)?;
    Ok(String::new())
}

fn remove_superseded(target: Target) -> Result<String, Error> {
    Superseded::list(target)?.into_iter().try_for_each(Superseded::remove)?;
    Ok(String::new())
}

impl Failure {
    pub(crate) fn of(error: &Error) -> Failure {
        Failure { kind: format!("{:?}", error.kind()), message: report(error) }
    }
}

impl Task {
    /// Returns a write of the new array without failures.
    pub(crate) fn new(course: Course, directory: PathBuf, log: PathBuf) -> Task {
        Task {
            action: Action::Write,
            course,
            directory,
            log,
            version: NEW,
            n_threads: 1,
            failpoint: None,
            pause: None,
            stop: None,
            block_time: Duration::ZERO,
            trouble: None,
        }
    }

    fn write(&self, target: Target) -> Result<String, Failure> {
        let reducers =
            ((MeanVariance, ArgMax.per_row(), TopK::new(2).per_row()), self.sink(target));
        let grid = self.course.grid();
        let (rows, columns) = (grid.rows.clone(), grid.columns.clone());
        let computed = if self.course.is_resumable {
            NestedLazyChunkSequence::try_from_fn(rows, columns, |i, j| self.block(i, j))
                .with_observer(&IS_STOPPED)
                .compute(reducers)
        } else {
            let band = |i| (0..columns.len()).map(move |j| self.block(i, j));
            NestedLazyChunkSequence::try_new(|| (0..rows.len()).map(|i| Ok(band(i))))
                .with_observer(&IS_STOPPED)
                .compute(reducers)
        };
        match computed {
            Ok((statistics, _)) => Ok(format!("{statistics:?}")),
            Err(error) => Err(Failure::of(&error.into())),
        }
    }

    pub(crate) fn sink(&self, target: Target) -> ZarrSink {
        let sink = ZarrSink::new(target)
            .with_existing(Existing::Replace)
            .with_writer_threads(self.n_threads)
            .with_attribute("version", self.version)
            .with_dimension_names(["row", "column"])
            .with_durability(match self.course.flush {
                Flush::AtOnce | Flush::Each => Durability::Full,
                Flush::Never => Durability::None,
            })
            .with_old_chunks(if self.course.removes_old {
                OldChunks::Remove
            } else {
                OldChunks::Keep
            });
        let sink = if self.course.is_sharded {
            sink.with_chunk_shape(INNER_SHAPE).with_shard_shape(FILE_SHAPE)
        } else {
            sink.with_chunk_shape(FILE_SHAPE)
        };
        if self.course.is_resumable { sink.with_resume(job(self.version)) } else { sink }
    }

    pub(crate) fn block(&self, i: usize, j: usize) -> Result<ArrayBlock, String> {
        let mut log = OpenOptions::new().append(true).create(true).open(&self.log).unwrap();
        let n_computed = log.metadata().unwrap().len() / LINE;
        // One call writes the line, so that a kill does not tear it.
        log.write_all(format!("{i:3} {j:3}\n").as_bytes()).unwrap();
        thread::sleep(self.block_time);
        match &self.trouble {
            Some((trouble, at)) if *at as u64 == n_computed => befall(trouble)?,
            _ => {}
        }
        Ok(self.course.grid().block(self.version, i, j))
    }
}

/// The length of a line of the log in bytes.
const LINE: u64 = 8;

/// Returns the computed blocks, in order.
pub(crate) fn computed(log: &Path) -> Vec<(usize, usize)> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        })
        .collect()
}

fn befall(trouble: &Trouble) -> Result<(), String> {
    match trouble {
        Trouble::Error => return Err("injected error".to_owned()),
        Trouble::Panic => panic!("injected panic"),
        Trouble::Cancellation => {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            IS_STOPPED.store(true, Ordering::Relaxed);
        }
        Trouble::Wait => loop {
            thread::park();
        },
        Trouble::Withdrawal(directory) => {
            let permissions = std::fs::Permissions::from_mode(0o555);
            std::fs::set_permissions(directory, permissions).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

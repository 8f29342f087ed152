//! The results of one worker that runs undisturbed, for comparison.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use lazy_tests::{Failpoint, Operation};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::worker::Worker;
use crate::bench::Bench;
use crate::course::Course;
use crate::found::Found;
use crate::keys::Keys;
use crate::points::crc;
use crate::program::{Action, Task, computed};
use crate::state::{Files, copy, files};

/// The results of one worker that runs undisturbed.
pub(super) struct Reference {
    pub(super) course: Course,
    /// The directory before.
    pub(super) start: PathBuf,
    /// The files before, and afterwards.
    pub(super) states: (Files, Files),
    /// The keys of the old array.
    pub(super) old_keys: Option<Keys>,
    pub(super) statistics: String,
    pub(super) operations: Vec<Operation>,
}

impl Reference {
    pub(super) fn new(bench: &Bench, course: Course) -> Result<Reference> {
        let (start, home) = (bench.home()?.join("data"), bench.home()?);
        course.set_up(&start)?;
        let old_keys = Keys::of_present(&start.join(course.path()))?;
        let directory = home.join("data");
        copy(&start, &directory)?;
        let task = task(Worker::ALONE, course, &home, 1);
        let report = task.succeed().with_context(|| course.to_string())?;
        let expected: Vec<_> = course.grid().blocks().collect();
        ensure!(computed(&task.log) == expected, "{course}: blocks are missing, or out of order");
        ensure!(bench.found(&course, &directory)? == Found::NEW, "{course}: there is no new array");
        let states = (files(&start)?, files(&directory)?);
        fs::remove_dir_all(home)?;
        let statistics = report.outcome.expect("the worker succeeded");
        let operations = report.operations;
        Ok(Reference { course, start, states, old_keys, statistics, operations })
    }
}

/// Returns the random choices of a trial of a worker that is killed at this point.
pub(super) fn random(bench: &Bench, reference: &Reference, failpoint: Failpoint) -> SmallRng {
    let name = format!("{} {failpoint:?}", reference.course);
    SmallRng::seed_from_u64(bench.seed ^ crc(&name))
}

/// Returns the task of a worker that is not disturbed.
pub(super) fn task(worker: Worker, course: Course, home: &Path, number: usize) -> Task {
    let log = home.join(format!("log-{number}"));
    Task { action: Action::Work(worker), ..Task::new(course, home.join("data"), log) }
}

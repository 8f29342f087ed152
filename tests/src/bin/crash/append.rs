//! Appends that are killed at every point: the array has the old rows or all of them, also for
//! readers that opened it before, and the rows are appended by the next process.

use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use lazy_chunks::zarr::{
    Durability, Existing, StoredArray, Target, ToZarr, UnfinishedWrite, ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, report};
use lazy_tests::{Failpoint, KillingFileSystem, Operation, Progress};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::array::{FILE_SHAPE, INNER_SHAPE, NEW, rows};
use crate::bench::{Bench, lock};
use crate::course::Flush;
use crate::found::ZarrPython;
use crate::process::{self, Ending, while_none_starts};
use crate::program::{Failure, Report};
use crate::state::{Files, copy, files};

/// The settings of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Course {
    /// The number of rows before. The last row of chunks is full if it is a multiple of the rows of
    /// a chunk.
    n_rows: usize,
    /// The number of times that the array was replaced before, which determines its keys.
    n_replaced: usize,
    is_resumable: bool,
    is_sharded: bool,
    flush: Flush,
}

/// The sizes of the blocks that are appended.
const BLOCKS: [usize; 3] = [2, 4, 3];

impl Course {
    pub(crate) fn all() -> Vec<Course> {
        let mut courses = Vec::new();
        for bits in 0..24_usize {
            let (is_resumable, is_sharded) = (bits % 2 == 0, (bits / 2) % 2 == 0);
            courses.push(Course {
                n_rows: [4, 6][(bits / 4) % 2],
                n_replaced: bits / 8,
                is_resumable,
                is_sharded,
                flush: [Flush::AtOnce, Flush::Each, Flush::Never][(bits + bits / 3) % 3],
            });
        }
        courses
    }

    /// Returns the rows that are appended.
    fn next(&self) -> Range<usize> {
        self.n_rows..self.n_rows + BLOCKS.iter().sum::<usize>()
    }

    fn sink(&self, target: impl Into<Target>) -> ZarrSink {
        let sink = ZarrSink::new(target)
            .with_existing(Existing::Append)
            .with_writer_threads(1)
            .with_durability(match self.flush {
                Flush::AtOnce | Flush::Each => Durability::Full,
                Flush::Never => Durability::None,
            });
        if self.is_resumable { sink.with_resume("the next rows") } else { sink }
    }

    /// Stores the array as it is before.
    fn set_up(&self, directory: &Path) -> Result<()> {
        for _ in 0..=self.n_replaced {
            let sink = ZarrSink::new(directory.join("a.zarr")).with_existing(Existing::Replace);
            let sink = if self.is_sharded {
                sink.with_chunk_shape(INNER_SHAPE).with_shard_shape(FILE_SHAPE)
            } else {
                sink.with_chunk_shape(FILE_SHAPE)
            };
            LazyChunkSequence::new(|| [rows(NEW, 0..self.n_rows)]).to_zarr(sink)?;
        }
        Ok(())
    }
}

impl fmt::Display for Course {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Course { n_rows, n_replaced, is_resumable, is_sharded, flush } = self;
        let evaluation = if *is_resumable { "resumable" } else { "not resumable" };
        let chunks = if *is_sharded { "shards" } else { "chunks" };
        write!(
            formatter,
            "append to {n_rows} rows of {chunks}, replaced {n_replaced} times, {evaluation}, \
             {flush:?}"
        )
    }
}

/// The task of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    course: Course,
    array: PathBuf,
    failpoint: Option<Failpoint>,
}

/// Runs the program that is killed. The task is in JSON.
pub(crate) fn program(task: &str) -> Result<()> {
    let Task { course, array, failpoint } =
        serde_json::from_str(task).context("the task is not valid")?;
    let file_system = KillingFileSystem::new(failpoint);
    let file_system = Arc::new(match course.flush {
        Flush::Each => file_system.without_sync_of_all(),
        Flush::AtOnce | Flush::Never => file_system,
    });
    let start = course.next().start;
    let block = move |block: Range<usize>| rows(NEW, start + block.start..start + block.end);
    let blocks = LazyChunkSequence::from_rows(BLOCKS, block);
    let outcome = match blocks.to_zarr(course.sink(Target::on(Arc::clone(&file_system), array))) {
        Ok(stored) => Ok(stored.shape()[0].to_string()),
        Err(error) => Err(Failure { kind: format!("{:?}", error.kind()), message: report(&error) }),
    };
    println!(
        "{}",
        serde_json::to_string(&Report { operations: file_system.operations(), outcome })?
    );
    Ok(())
}

impl Task {
    fn run(&self) -> Result<Ending> {
        process::run("append", &serde_json::to_string(self)?)
    }

    /// Runs a process that must append the rows.
    fn succeed(&self) -> Result<Vec<Operation>> {
        match self.run()? {
            Ending::Reported(Report { operations, outcome: Ok(_) }) => Ok(operations),
            ending => bail!("the rows were not appended: {ending:?}"),
        }
    }
}

/// Kills the processes of a course at every point. Returns the number of points.
pub(crate) fn run(bench: &Bench, course: &Course) -> Result<usize> {
    let (start, home) = (bench.home()?, bench.home()?);
    course.set_up(&start)?;
    let task =
        |home: &Path, failpoint| Task { course: *course, array: home.join("a.zarr"), failpoint };
    copy(&start, &home.join("data"))?;
    let operations =
        task(&home.join("data"), None).succeed().with_context(|| course.to_string())?;
    let expected = (files(&start)?, files(&home.join("data"))?);
    fs::remove_dir_all(home)?;

    let mut random = SmallRng::seed_from_u64(bench.seed ^ operations.len() as u64);
    let mut n_points = 0;
    for (operation, what) in operations.iter().enumerate() {
        let is_divisible = what.is_divisible.then_some(Progress::Half);
        for progress in [Progress::NotBegun].into_iter().chain(is_divisible).chain([Progress::Done])
        {
            let home = bench.home()?;
            let directory = home.join("data");
            copy(&start, &directory)?;
            let trial = Trial { bench, course, directory: &directory, expected: &expected };
            let first = Failpoint { operation, progress };
            let again = (random.random_range(0..3) == 0)
                .then(|| random.random_range(0..operations.len()))
                .map(|operation| Failpoint { operation, progress: Progress::NotBegun });
            let removes = random.random_range(0..4) == 0;
            trial.check(&task, first, again, removes).with_context(|| {
                let kept = bench.keep(&home).map_or_else(
                    |error| format!("its directory could not be kept: {error}"),
                    |kept| format!("its directory is kept in {}", kept.display()),
                );
                format!("{course}: killed at {first:?} ({what:?}), then {again:?}: {kept}")
            })?;
            fs::remove_dir_all(home)?;
            n_points += 1;
        }
    }
    Ok(n_points)
}

struct Trial<'t> {
    bench: &'t Bench,
    course: &'t Course,
    directory: &'t Path,
    /// The files before and after an append that is not killed.
    expected: &'t (Files, Files),
}

impl Trial<'_> {
    fn check(
        &self,
        task: &impl Fn(&Path, Option<Failpoint>) -> Task,
        first: Failpoint,
        again: Option<Failpoint>,
        removes: bool,
    ) -> Result<()> {
        let old = Held::open(self)?;
        let mut is_appended = false;
        for failpoint in [Some(first), again].into_iter().flatten() {
            if is_appended && !self.course.is_resumable {
                break;
            }
            let ending = task(self.directory, Some(failpoint)).run()?;
            ensure!(
                matches!(ending, Ending::Killed | Ending::Reported(Report { outcome: Ok(_), .. })),
                "{ending:?}"
            );
            let found = self.found()?;
            ensure!(!is_appended || found == self.course.next().end, "rows were lost");
            is_appended = found == self.course.next().end;
            old.check(self)?;
        }
        if removes {
            let target = self.directory.join("a.zarr");
            while_none_starts(|| {
                UnfinishedWrite::list(&target)?.into_iter().try_for_each(UnfinishedWrite::remove)
            })?;
            ensure!((self.found()? == self.course.next().end) == is_appended, "rows were removed");
            let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
            let expected = if is_appended { &self.expected.1 } else { &self.expected.0 };
            let found = names(&files(self.directory)?);
            ensure!(found == names(expected), "after the removal, there are {found:?}");
        }
        if !is_appended || self.course.is_resumable {
            task(self.directory, None).succeed()?;
        }
        ensure!(self.found()? == self.course.next().end, "the rows are missing");
        old.check(self)?;
        let target = self.directory.join("a.zarr");
        while_none_starts(|| {
            UnfinishedWrite::list(&target)?.into_iter().try_for_each(UnfinishedWrite::remove)
        })?;
        let found = files(self.directory)?;
        let differs = |(path, bytes): &(&PathBuf, &Option<Vec<u8>>)| {
            self.expected.1.get(*path) != Some(bytes)
        };
        let different: Vec<_> = found.iter().filter(differs).map(|(path, _)| path).collect();
        ensure!(different.is_empty(), "{different:?} differ from an append that is not killed");
        ensure!(found.len() == self.expected.1.len(), "files are missing");
        Ok(())
    }

    /// Returns the number of rows that zarr-python and this library find.
    fn found(&self) -> Result<usize> {
        let path = self.directory.join("a.zarr");
        let found = lock(self.bench.python()).rows(&path)?;
        let here: ArrayBlock = StoredArray::open(&path)?.read()?;
        let n_rows = here.shape()[0];
        ensure!(here == rows(NEW, 0..n_rows), "wrong rows");
        ensure!(found == here, "zarr-python reads other rows");
        let next = self.course.next();
        ensure!(n_rows == next.start || n_rows == next.end, "there are {n_rows} rows");
        Ok(n_rows)
    }
}

/// The array, opened by zarr-python before rows are appended.
struct Held<'b> {
    python: &'b std::sync::Mutex<ZarrPython>,
    number: u64,
}

impl<'b> Held<'b> {
    fn open(trial: &Trial<'b>) -> Result<Held<'b>> {
        let python = trial.bench.python();
        let number = lock(python).hold(&trial.directory.join("a.zarr"))?;
        Ok(Held { python, number })
    }

    /// Checks that the handle still reads the old rows.
    fn check(&self, trial: &Trial<'_>) -> Result<()> {
        let read = lock(self.python).rows_of(self.number)?;
        ensure!(read == rows(NEW, 0..trial.course.n_rows), "a reader of the old rows is disturbed");
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let _ = lock(self.python).release(self.number);
    }
}

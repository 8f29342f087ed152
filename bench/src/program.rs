//! The speed of the program `lazy`, compared with `cat` for pipes and `cp` for files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::course::Course;
use crate::job::Task as Job;
use crate::record::median;

/// A record of `.npy`: 8 MiB of float32 after a header.
const SHAPE: [usize; 2] = [2048, 1024];
const N_BYTES: usize = SHAPE[0] * SHAPE[1] * 4;

/// The seconds of each round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) ours: Vec<f64>,
    /// The seconds of `cat` or `cp`.
    pub(crate) limit: Vec<f64>,
}

impl Task {
    /// Returns the seconds, and the limit as a multiple of them.
    pub(crate) fn summary(&self) -> (f64, f64) {
        let [ours, limit] = [&self.ours, &self.limit].map(|seconds| median(seconds.clone()));
        (ours, limit / ours)
    }
}

/// Writes this many records to standard output, and does nothing else.
pub(crate) fn produce(n_records: usize) -> Result<()> {
    let record = record();
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    for _ in 0..n_records {
        output.write_all(&record)?;
    }
    Ok(())
}

fn record() -> Vec<u8> {
    let [n_rows, n_columns] = SHAPE;
    let text =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({n_rows}, {n_columns}), }}");
    // Padded to 128 bytes in total, as NumPy does.
    let text = format!("{text:<117}\n");
    let mut record = b"\x93NUMPY\x01\x00".to_vec();
    record.extend((text.len() as u16).to_le_bytes());
    record.extend(text.as_bytes());
    let mut state = 1_u64;
    while record.len() < 128 + N_BYTES {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        record.extend(((state >> 40) as f32).to_le_bytes());
    }
    record
}

pub(crate) fn measure(course: &Course, is_quick: bool) -> Result<Vec<Task>> {
    let n_records = if is_quick { 4 } else { 128 };
    let mut tasks = Vec::new();
    if course.is_chosen("pipe") {
        let disk = tempfile::Builder::new().prefix("lazy-bench-").tempdir_in("target")?;
        let memory = course.path("");
        for (name, directory, options) in [
            ("a pipe, uncompressed", &*memory, &["--codec", "none", "--no-sync"][..]),
            ("a pipe, by default", &memory, &["--no-sync"]),
            ("a pipe, uncompressed, flushed to a disk", disk.path(), &["--codec", "none"]),
        ] {
            tasks.push(pipe(course, name, directory, options, n_records)?);
        }
    }
    if course.is_chosen("copy") {
        tasks.push(copy(course, n_records)?);
    }
    Ok(tasks)
}

fn sibling(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let path = own.with_file_name(name);
    ensure!(path.exists(), "there is no {}; build lazy-cli", path.display());
    Ok(path)
}

/// Returns the seconds from a command's start to its end.
fn seconds(command: &mut Command) -> Result<f64> {
    let start = Instant::now();
    let status = command.status().with_context(|| format!("{command:?} does not run"))?;
    let seconds = start.elapsed().as_secs_f64();
    ensure!(status.success(), "{command:?} failed");
    Ok(seconds)
}

/// Returns the seconds until both ends of a pipe have ended.
fn seconds_of_pipe(consumer: &mut Command, n_records: usize) -> Result<f64> {
    let start = Instant::now();
    let mut producer = Command::new(std::env::current_exe()?)
        .args(["produce", &n_records.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let output = producer.stdout.take().context("the producer has no output")?;
    let status = consumer.stdin(Stdio::from(output)).status()?;
    ensure!(producer.wait()?.success() && status.success(), "{consumer:?} failed");
    Ok(start.elapsed().as_secs_f64())
}

fn pipe(
    course: &Course,
    name: &'static str,
    directory: &Path,
    options: &[&str],
    n_records: usize,
) -> Result<Task> {
    let lazy = sibling("lazy")?;
    let (array, file) = (directory.join("pipe.zarr"), directory.join("pipe.bin"));
    let mut task = Task { name, ours: Vec::new(), limit: Vec::new() };
    for _ in 0..course.n_rounds {
        course.warm_up(Job::Store, n_records * N_BYTES)?;
        let mut store = Command::new(&lazy);
        store.args(["store", "-", "--quiet", "-o"]).arg(&array).args(options);
        task.ours.push(seconds_of_pipe(&mut store, n_records)?);
        remove(&array)?;
        course.warm_up(Job::Store, n_records * N_BYTES)?;
        let mut cat = Command::new("cat");
        cat.stdout(File::create(&file)?);
        task.limit.push(seconds_of_pipe(&mut cat, n_records)?);
        remove(&file)?;
    }
    Ok(task)
}

/// Stores and copies files with one record each, without compression.
fn copy(course: &Course, n_records: usize) -> Result<Task> {
    let lazy = sibling("lazy")?;
    let (files, array, copies) =
        (course.path("files"), course.path("files.zarr"), course.path("copies"));
    fs::create_dir(&files)?;
    let record = record();
    for i in 0..n_records {
        fs::write(files.join(format!("{i}.npy")), &record)?;
    }
    let mut task = Task { name: "files, uncompressed", ours: Vec::new(), limit: Vec::new() };
    for _ in 0..course.n_rounds {
        course.warm_up(Job::Store, n_records * N_BYTES)?;
        let mut store = Command::new(&lazy);
        store.args(["store", "--quiet", "--codec", "none", "--no-sync", "-o"]);
        task.ours.push(seconds(store.args([&array, &files]))?);
        remove(&array)?;
        course.warm_up(Job::Store, n_records * N_BYTES)?;
        task.limit.push(seconds(Command::new("cp").arg("-r").args([&files, &copies]))?);
        remove(&copies)?;
    }
    remove(&files)?;
    Ok(task)
}

fn remove(path: &Path) -> Result<()> {
    let remove = if path.is_dir() { fs::remove_dir_all } else { fs::remove_file };
    Ok(remove(path)?)
}

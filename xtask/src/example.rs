//! The examples: zarr-python reads their arrays, NumPy recomputes them, several workers share them,
//! and Ctrl-C stops them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::{build, libtorch, python};

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let python = python::with_peers(shell)?;
    let check =
        |directory: &str| cmd!(shell, "{python} tests/python/read_influence.py {directory}").run();
    let examples = build::release(shell, &[])?.join("examples");
    let directory = "target/influence";
    let influence = examples.join("influence");
    // Complete arrays are not computed again.
    shell.remove_path(directory)?;
    cmd!(shell, "{influence} {directory} --in-memory").run()?;
    check(directory)?;
    share(shell, directory)?;
    stop_and_resume(shell)?;
    attribute_twice(shell, &examples.join("attribution"))?;

    libtorch::provide(shell)?;
    let directory = "target/influence_tch";
    // Cargo lets the program find libtorch.
    let run = ["run", "--release", "--example", "influence_tch", "--features", "tch", "--"];
    cmd!(shell, "cargo {run...} {directory} --in-memory").run()?;
    Ok(check(directory)?)
}

/// Runs the first example as four workers at the same time. All files that one worker has stored
/// must be the same.
fn share(shell: &Shell, of_one: &str) -> Result<()> {
    const N_WORKERS: usize = 4;
    let root = shell.current_dir();
    let directory = root.join("target/influence_workers");
    shell.remove_path(&directory)?;
    let start = |i: usize| {
        Command::new(root.join("target/release/examples/influence"))
            .arg(&directory)
            .env("LAZY_WORKER", format!("{i}/{N_WORKERS}"))
            .stdout(Stdio::null())
            .spawn()
    };
    let workers = (0..N_WORKERS).map(start).collect::<Result<Vec<_>, _>>()?;
    for mut worker in workers {
        let status = worker.wait()?;
        ensure!(status.success(), "a worker ended with {status}");
    }
    for name in ["influence.zarr", "influence.png"] {
        let (one, shared) = (Path::new(of_one).join(name), directory.join(name));
        cmd!(shell, "diff --recursive {one} {shared}").run()?;
    }
    println!("{N_WORKERS} workers stored the same files");
    Ok(())
}

/// Runs the example `attribution`, which computes every gradient, and runs it again, which computes
/// none. Compares its arrays with NumPy.
fn attribute_twice(shell: &Shell, attribution: &Path) -> Result<()> {
    /// Enough for quantiles that are not exact. The last chunks are not full.
    const N_TRAIN: &str = "3400";
    /// The numbers of blocks of the test and of both days.
    const N_BLOCKS: [usize; 3] = [2, 14, 4];
    let directory = "target/attribution";
    shell.remove_path(directory)?;
    for is_first in [true, false] {
        let printed = cmd!(shell, "{attribution} {directory} {N_TRAIN}").read()?;
        for n_blocks in N_BLOCKS {
            let computed = if is_first { n_blocks } else { 0 };
            let expected = format!("computed {computed} of {n_blocks} blocks");
            ensure!(printed.contains(&expected), "expected {expected:?} in:\n{printed}");
        }
    }
    let python = python::with_peers(shell)?;
    let check = "tests/python/read_attribution.py";
    Ok(cmd!(shell, "{python} {check} {directory} {N_TRAIN}").run()?)
}

/// Stops and resumes the first example until it completes, and compares its arrays with those of
/// an uninterrupted run.
fn stop_and_resume(shell: &Shell) -> Result<()> {
    const MOST_STOPS: usize = 20;
    let root = shell.current_dir();
    let directory = root.join("target/influence_stopped");
    shell.remove_path(&directory)?;
    shell.create_dir(&directory)?;
    let mut n_stops = 0;
    while n_stops < MOST_STOPS && is_stopped(shell, &root, &directory, n_stops)? {
        n_stops += 1;
    }
    if n_stops == MOST_STOPS {
        cmd!(shell, "target/release/examples/influence {directory}").ignore_stdout().run()?;
    }
    println!("stopped {n_stops} times");
    ensure!(n_stops > 0, "the example was never stopped");
    let uninterrupted = "target/influence/influence.zarr";
    let resumed = directory.join("influence.zarr");
    // The chunks of a resumed array may have other keys.
    let python = python::with_peers(shell)?;
    cmd!(shell, "{python} tests/python/same_arrays.py {uninterrupted} {resumed}").run()?;
    let names = shell.read_dir(&directory)?;
    ensure!(names.len() == 2, "expected the group and the picture only, found {names:?}");
    Ok(())
}

/// Runs the example and interrupts it, a little later each time. Returns true if it was stopped.
fn is_stopped(shell: &Shell, root: &Path, directory: &Path, n_stops: usize) -> Result<bool> {
    const STOPPED: i32 = 130;
    let before = entries(directory);
    let mut example = Command::new(root.join("target/release/examples/influence"))
        .arg(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // It handles signals before it stores anything.
    while example.try_wait()?.is_none() && entries(directory) == before {
        sleep(Duration::from_millis(1));
    }
    sleep(Duration::from_millis(2 * n_stops as u64));
    let process = example.id().to_string();
    // The example may have ended meanwhile.
    cmd!(shell, "kill -INT {process}").quiet().ignore_status().ignore_stderr().run()?;
    let status = example.wait()?;
    let code = status.code().context("a signal ended the example, instead of its handler")?;
    ensure!(code == 0 || code == STOPPED, "the example ended with code {code}");
    Ok(code == STOPPED)
}

/// Returns the paths of everything below a directory, which may change meanwhile.
fn entries(directory: &Path) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path.clone());
            }
            paths.insert(path);
        }
    }
    paths
}

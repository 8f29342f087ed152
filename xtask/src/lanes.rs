//! Tasks that leave a core idle, several at a time.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use crate::{build, package, python};

/// Tasks of `cargo xtask`. Those of a lane run one after the other, and the lanes at the same time.
const LANES: [&[&str]; 2] = [
    &["program", "crash", "python"],
    &["example", "interop", "fuse", "engines", "stores", "outside"],
];

pub(crate) fn run(shell: &Shell) -> Result<()> {
    // Nothing is left to set up and to build when the tasks run.
    python::with_peers(shell)?;
    python::with_newer_zarr(shell)?;
    python::with_stores(shell)?;
    python::with_pydvl(shell)?;
    python::with_needs_of_torch(shell)?;
    let programs = ["lazy", "crash", "interop", "stores"];
    build::release(shell, &programs.map(|program| ["--bin", program]).concat())?;
    package::for_engines(shell)?;
    let logs = shell.current_dir().join("target/tmp");
    fs::create_dir_all(&logs)?;
    let lanes = LANES.map(|lane| {
        // A shell is of one thread, but its directory and environment are those of the commands.
        let command = |task: &&'static str| {
            let words = task.split(' ');
            (*task, Command::from(cmd!(shell, "cargo xtask {words...}")))
        };
        lane.iter().map(command).collect::<Vec<_>>()
    });
    thread::scope(|scope| {
        let logs = &logs;
        let lanes = lanes.map(|lane| {
            scope.spawn(move || {
                let mut lane = lane.into_iter();
                lane.try_for_each(|(task, command)| run_task(logs, task, command))
            })
        });
        lanes.into_iter().try_for_each(|lane| lane.join().expect("no lane panics"))
    })
}

/// Runs a task, and prints its output at the end, so that the output of lanes does not mix.
fn run_task(logs: &Path, task: &str, mut command: Command) -> Result<()> {
    let path = logs.join(format!("{task}.log"));
    let log = File::create(&path)?;
    let start = Instant::now();
    let command = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let status =
        command.status().with_context(|| format!("cargo xtask {task} cannot be started"))?;
    let output = fs::read(&path)?;
    let output = String::from_utf8_lossy(&output);
    println!("\n--- {task} ({} s)\n{output}", start.elapsed().as_secs());
    ensure!(status.success(), "cargo xtask {task} failed: {status}");
    Ok(())
}

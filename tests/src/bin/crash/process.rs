//! Processes that run the program.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::program::{Report, Task};

const SIGKILL: i32 = 9;

/// Locked while a process starts: for a moment, the new process has all open files of this one,
/// including locked ones.
static STARTING: RwLock<()> = RwLock::new(());

/// Calls a function that locks files, while no process starts.
pub(crate) fn while_none_starts<T>(locking: impl FnOnce() -> T) -> T {
    let _starting = STARTING.read().unwrap_or_else(PoisonError::into_inner);
    locking()
}

/// The end of a process.
#[derive(Debug)]
pub(crate) enum Ending {
    Killed,
    Reported(Report),
}

impl Task {
    /// Runs a process until it ends.
    pub(crate) fn run(&self) -> Result<Ending> {
        ending(self.start()?)
    }

    /// Runs a process, and kills it after some time.
    pub(crate) fn run_for(&self, time: Duration) -> Result<Ending> {
        let mut child = self.start()?;
        std::thread::sleep(time);
        child.kill()?;
        ending(child)
    }

    /// Runs a process that must not be killed.
    pub(crate) fn report(&self) -> Result<Report> {
        match self.run()? {
            Ending::Reported(report) => Ok(report),
            Ending::Killed => bail!("the process was killed unexpectedly"),
        }
    }

    /// Runs a process that must write the array, and returns its report.
    pub(crate) fn succeed(&self) -> Result<Report> {
        let report = self.report()?;
        if let Err(failure) = &report.outcome {
            bail!("the write failed with {}: {}", failure.kind, failure.message);
        }
        Ok(report)
    }

    /// Starts a process.
    pub(crate) fn start(&self) -> Result<Child> {
        let mut command = self.command()?;
        let _starting = STARTING.write().unwrap_or_else(PoisonError::into_inner);
        Ok(command.spawn()?)
    }

    /// Starts a process as another user.
    pub(crate) fn start_as(&self, user: u32) -> Result<Child> {
        let mut command = self.command()?;
        let _starting = STARTING.write().unwrap_or_else(PoisonError::into_inner);
        Ok(command.uid(user).gid(user).spawn()?)
    }

    fn command(&self) -> Result<Command> {
        command("program", &serde_json::to_string(self)?)
    }
}

/// Runs a process with a task, in JSON, until it ends.
pub(crate) fn run(program: &str, task: &str) -> Result<Ending> {
    let mut command = command(program, task)?;
    let child = {
        let _starting = STARTING.write().unwrap_or_else(PoisonError::into_inner);
        command.spawn()?
    };
    ending(child)
}

fn command(program: &str, task: &str) -> Result<Command> {
    // The running executable, even if a newer one has been built meanwhile.
    let running = Path::new("/proc/self/exe");
    let mut command = if running.exists() {
        Command::new(running)
    } else {
        Command::new(std::env::current_exe()?)
    };
    command
        .args([program, task])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Waits until a process has stopped or ended. Returns true if it has stopped.
pub(crate) fn stops(child: &Child) -> Result<bool> {
    // The status stays, for `ending`.
    let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(Pid::from_child(child)), options)?;
    Ok(status.context("the process has no status")?.stopped())
}

/// Closes a process's input, and waits for its end.
pub(crate) fn ending(child: Child) -> Result<Ending> {
    let Output { status, stdout, stderr } = child.wait_with_output()?;
    if status.signal() == Some(SIGKILL) {
        return Ok(Ending::Killed);
    }
    let stderr = String::from_utf8_lossy(&stderr);
    ensure!(status.success(), "the program ended with {status}: {stderr}");
    let report = serde_json::from_slice(&stdout)
        .with_context(|| format!("the program did not report: {stderr}"))?;
    Ok(Ending::Reported(report))
}

//! A shell command that writes a stream.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::InputError;
use crate::stop;

/// The time between checks if a command has ended, after it closed its standard output.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A running shell command. A drop before its end sends it SIGTERM.
#[derive(Debug)]
pub(super) struct Producer {
    command: String,
    child: Child,
}

impl Producer {
    /// Starts a command. Returns it with its standard output.
    pub(super) fn start(command: &str) -> Result<(Producer, File), InputError> {
        let failed = |source| InputError::Command { command: command.to_owned(), source };
        let mut child = Command::new("sh")
            .args(["-c", command])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let output = child.stdout.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        Ok((Producer { command: command.to_owned(), child }, File::from(OwnedFd::from(output))))
    }

    /// Waits until the command ends, and checks that its exit code is 0.
    pub(super) fn wait(&mut self) -> Result<(), InputError> {
        loop {
            let status = self
                .child
                .try_wait()
                .map_err(|source| InputError::Command { command: self.command.clone(), source })?;
            match status {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    let (command, end) = (self.command.clone(), words(status));
                    return Err(InputError::CommandFailed { command, end });
                }
                None if stop::is_asked_for() => return Err(InputError::Stopped),
                None => thread::sleep(BETWEEN_LOOKS),
            }
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            if let Some(id) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(id, Signal::TERM);
            }
            let _ = self.child.wait();
        }
    }
}

fn words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

//! The process that holds a lock, as it describes itself.

use std::fmt::Write as _;
use std::fs;

use crate::error::THIS_PROCESS;

/// The second line of a description, when the write has ended.
const ENDED: &str = "ended";

/// Whether a process that described itself is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    Running,
    Ended,
    /// It runs, or ran, where this process cannot see.
    Unknown,
}

/// Describes this process: a line for people, and what tells it from later ones of the same number.
pub(crate) fn description() -> String {
    let id = std::process::id();
    let mut text = format!("process {id}");
    if let Some(host) = host() {
        let _ = write!(text, " on {host}");
    }
    if let (Some(space), Some(started)) = (space(), started(id)) {
        let _ = write!(text, "\n{id} {started} {space}");
    }
    text.push('\n');
    text
}

/// Describes this process as one that has ended its write, though it may go on running.
pub(crate) fn ended() -> String {
    let description = description();
    let name = description.lines().next().unwrap_or_default();
    format!("{name}\n{ENDED}\n")
}

/// Returns what a description says to people.
pub(crate) fn name(description: &[u8]) -> String {
    let text = String::from_utf8_lossy(description);
    // One that does not tell when it was started is known by its number and host alone.
    if text == self::description() {
        return THIS_PROCESS.to_owned();
    }
    match text.lines().next().map(str::trim) {
        // A power failure leaves zeros.
        Some(name) if name.starts_with("process ") => {
            name.chars().filter(|letter| !letter.is_control()).take(200).collect()
        }
        _ => "another process".to_owned(),
    }
}

/// Returns whether the process of a description runs, as far as this machine can tell.
pub(crate) fn liveness(description: &[u8]) -> Liveness {
    let text = String::from_utf8_lossy(description);
    let Some(second) = text.lines().nth(1) else { return Liveness::Unknown };
    if second == ENDED {
        return Liveness::Ended;
    }
    let mut words = second.splitn(3, ' ');
    let id = words.next().and_then(|word| word.parse::<u32>().ok());
    let (Some(id), Some(told), Some(space)) = (id, words.next(), words.next()) else {
        return Liveness::Unknown;
    };
    if self::space().as_deref() != Some(space) {
        return Liveness::Unknown;
    }
    match (started(id), is_gone(id)) {
        (Some(started), _) if started == told => Liveness::Running,
        (Some(_), _) | (None, true) => Liveness::Ended,
        // The system does not tell of other users' processes, for instance.
        (None, false) => Liveness::Unknown,
    }
}

#[cfg(target_os = "linux")]
fn host() -> Option<String> {
    Some(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

#[cfg(not(target_os = "linux"))]
fn host() -> Option<String> {
    None
}

/// Returns what the numbers of processes are unique in: one run of one machine's kernel, and there one
/// namespace.
fn space() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// Returns true if there is no process of this number.
#[cfg(target_os = "linux")]
fn is_gone(id: u32) -> bool {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};

    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    id.is_none_or(|id| test_kill_process(id) == Err(Errno::SRCH))
}

#[cfg(not(target_os = "linux"))]
fn is_gone(_: u32) -> bool {
    false
}

/// Returns when a process was started, in the kernel's own time, and a word instead if nothing of it is left but
/// that its parent has to hear of it; `None` if it has ended, or the system does not tell.
fn started(id: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name, in parentheses, may have anything in it.
    let mut words = status.rsplit_once(')')?.1.split_whitespace();
    let state = words.next()?;
    // A zombie does nothing any more.
    if matches!(state, "Z" | "X") {
        Some("zombie".to_owned())
    } else {
        words.nth(18).map(str::to_owned)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn this_process_runs() {
        let description = description();
        assert_eq!(liveness(description.as_bytes()), Liveness::Running);
        assert_eq!(name(description.as_bytes()), THIS_PROCESS);
        let line = format!("process {} on ", std::process::id());
        assert!(description.starts_with(&line) && name(line.as_bytes()) == line.trim());
    }

    #[test]
    fn a_process_that_ended_does_not_run() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let id = child.id();
        let (space, started) = (space().unwrap(), started(id).unwrap());
        let told = format!("process {id} on here\n{id} {started} {space}\n");
        assert_eq!(liveness(told.as_bytes()), Liveness::Running);
        // Of the same number, but started at another time.
        let another = format!("process {id} on here\n{id} 1{started} {space}\n");
        assert_eq!(liveness(another.as_bytes()), Liveness::Ended);
        child.kill().unwrap();
        // A zombie, until it is waited for.
        while liveness(told.as_bytes()) == Liveness::Running {
            std::thread::yield_now();
        }
        assert_eq!(liveness(told.as_bytes()), Liveness::Ended);
        child.wait().unwrap();
        assert_eq!(liveness(told.as_bytes()), Liveness::Ended);
    }

    #[test]
    fn of_others_nothing_is_known() {
        let ended = ended();
        assert_eq!(liveness(ended.as_bytes()), Liveness::Ended);
        assert_eq!(name(ended.as_bytes()), description().lines().next().unwrap());
        for told in ["", "\0\0\0", "process 1 on there\n1 2 another boot\n", "process 1 on there\n"]
        {
            assert_eq!(liveness(told.as_bytes()), Liveness::Unknown, "{told:?}");
        }
        assert_eq!(name(b"\0\0"), "another process");
        assert_eq!(name(b"process 7 on \x1b[31mhost\n"), "process 7 on [31mhost");
    }
}

//! The description of the process that holds a lock, and names that no other process uses.

use std::fmt::Write as _;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};

use crate::error::THIS_PROCESS;

/// The second line of a description after the write has ended.
const ENDED: &str = "ended";

/// The state of a process that has a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    Running,
    Ended,
    /// This process cannot see the other one, which may run on another machine or in another
    /// process namespace.
    Unknown,
}

/// Returns the description of this process: a line for people, and a line that tells it apart from
/// later processes with the same ID.
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

/// Returns the description of this process after its write has ended, although the process may
/// still be running.
pub(crate) fn ended() -> String {
    let description = description();
    let name = description.lines().next().unwrap_or_default();
    format!("{name}\n{ENDED}\n")
}

/// Returns the line of a description for people.
pub(crate) fn name(description: &[u8]) -> String {
    let text = String::from_utf8_lossy(description);
    // A description without a start time identifies a process only by its ID and host.
    if text == self::description() {
        return THIS_PROCESS.to_owned();
    }
    match text.lines().next().map(str::trim) {
        // A power failure can leave zeros in the file.
        Some(name) if name.starts_with("process ") => {
            name.chars().filter(|letter| !letter.is_control()).take(200).collect()
        }
        _ => "another process".to_owned(),
    }
}

/// Returns the state of the process with a description, as far as this machine can tell.
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
        // The system may hide processes, for instance those of other users.
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

/// Returns the scope in which process IDs are unique: the boot ID of the machine and the process
/// namespace.
fn space() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

/// Returns true if no process has this ID.
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

/// Returns the start time of a process in the clock ticks of the kernel, or the word `zombie` if
/// the process has ended but its parent has not reaped it. Returns `None` if the process does not
/// exist, or if the system does not report it.
fn started(id: u32) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name is in parentheses and may contain any character.
    let mut words = status.rsplit_once(')')?.1.split_whitespace();
    let state = words.next()?;
    // A zombie no longer runs.
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
        // The same ID, but another start time.
        let another = format!("process {id} on here\n{id} 1{started} {space}\n");
        assert_eq!(liveness(another.as_bytes()), Liveness::Ended);
        child.kill().unwrap();
        // The process is a zombie until its parent waits for it.
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

/// Returns a name that no other process uses.
pub(crate) fn token() -> String {
    let mut random = RandomState::new().build_hasher();
    random.write_u32(std::process::id());
    format!("{:016x}", random.finish())
}

//! Signals that stop the program after the current block.
//!
//! Ignorant of what the program is doing: commands ask [`is_asked_for`].

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::flag;

/// The number that shells add to the number of a signal for an exit code.
const STOPPED: i32 = 128;

static IS_STOPPED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The number of the signal that a user or a program sent, or 0 for a signal of the system.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Installs signal handlers, also for one more signal if it is given. Other signals end the program
/// as before.
///
/// The first signal lets the current block finish. A second one, of any kind, ends the process
/// immediately.
pub(crate) fn listen(more: Option<i32>) -> io::Result<()> {
    let all = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
    for signal in all.into_iter().chain(more.filter(|signal| !all.contains(signal))) {
        if signal == SIGHUP && more != Some(SIGHUP) && !is_hangup_heeded() {
            continue;
        }
        flag::register_conditional_shutdown(signal, STOPPED + signal, Arc::clone(&IS_STOPPED))?;
        flag::register_usize(signal, Arc::clone(&SIGNAL), signal as usize)?;
        flag::register(signal, Arc::clone(&IS_STOPPED))?;
    }
    // The system repeats this signal with each second of CPU time, so a second one does not end the
    // process. In the end, the system kills the process.
    flag::register(SIGXCPU, Arc::clone(&IS_STOPPED))?;
    // A file that must not grow is an error of the write, which is reported like any other.
    flag::register(SIGXFSZ, Arc::default())?;
    Ok(())
}

/// Returns true unless the signal was ignored when the program started, as under `nohup`.
///
/// If the system does not tell, returns false, so the signal stays ignored if it was ignored.
fn is_hangup_heeded() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_signals(&status).is_some_and(|ignored| ignored & (1 << (SIGHUP - 1)) == 0)
}

/// Returns the set of ignored signals in the status that Linux gives for a process.
fn ignored_signals(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Returns true if a signal has come.
pub(crate) fn is_asked_for() -> bool {
    IS_STOPPED.load(Ordering::Relaxed)
}

/// Returns the exit code that shells expect from a program that a signal ended.
pub(crate) fn exit_code() -> u8 {
    let signal = match SIGNAL.load(Ordering::Relaxed) {
        0 => SIGXCPU,
        signal => signal as i32,
    };
    (STOPPED + signal) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_a_mask() {
        let status =
            "SigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000004\n";
        assert_eq!(ignored_signals(status), Some(0x1001));
        assert_eq!(ignored_signals(""), None);
    }
}

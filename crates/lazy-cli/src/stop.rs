//! Signals that stop the program: what is under way ends after its block.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ};
use signal_hook::flag;

/// Shells add this to the number of the signal that ended a program.
const STOPPED: i32 = 128;

static IS_STOPPED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The signal of a user or a program that came; none where the system itself asked.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// From now on signals are heeded, by who asks for them; others end the program as ever.
///
/// The first lets the block that is under way come to its end. A second one, of whichever kind, ends the process at
/// once.
pub(crate) fn listen() -> io::Result<()> {
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        if signal == SIGHUP && !is_hangup_heeded() {
            continue;
        }
        flag::register_conditional_shutdown(signal, STOPPED + signal, Arc::clone(&IS_STOPPED))?;
        flag::register_usize(signal, Arc::clone(&SIGNAL), signal as usize)?;
        flag::register(signal, Arc::clone(&IS_STOPPED))?;
    }
    // The system sends another one with each second of computing, which is no sign of impatience; in the end it kills.
    flag::register(SIGXCPU, Arc::clone(&IS_STOPPED))?;
    // A file that may not grow is an error of the write, which is told as any other.
    flag::register(SIGXFSZ, Arc::default())?;
    Ok(())
}

/// Returns true unless the signal was ignored when the program began, as `nohup` has it.
///
/// Where the system does not tell, the signal is left alone: ignored if it was ignored.
fn is_hangup_heeded() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_signals(&status).is_some_and(|ignored| ignored & (1 << (SIGHUP - 1)) == 0)
}

/// Returns the set of ignored signals, from what Linux tells of a process.
fn ignored_signals(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Whether a signal has come.
pub(crate) fn is_asked_for() -> bool {
    IS_STOPPED.load(Ordering::Relaxed)
}

/// Returns the exit code that shells expect of a program that the signal ended.
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

//! Numbers of threads, and work that several threads share.

use std::num::NonZero;
use std::thread;

use crate::error::{Result, SettingError};

/// Returns the number of cores.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Calls a function on this many threads at the same time, including the caller's, and waits for
/// all of them. If the system cannot start another thread, the existing ones do the rest, so `work`
/// must take its next item from what all threads share.
pub(crate) fn share(n_threads: usize, work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 1..n_threads {
            let _ = thread::Builder::new().spawn_scoped(scope, &work);
        }
        work();
    });
}

/// Checks the number of threads that a user has set.
pub(crate) fn check(setting: &'static str, n_threads: Option<usize>) -> Result<()> {
    match n_threads {
        Some(n_threads) if n_threads > 1024 => Err(SettingError::OutOfRange {
            setting,
            value: i64::try_from(n_threads).unwrap_or(i64::MAX),
            range: "at most 1024",
        }
        .into()),
        _ => Ok(()),
    }
}
